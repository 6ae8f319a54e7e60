"""Recording: group commit of calls and results, one writer thread."""

from overnight.record.recorder import Peer, Recorder, SessionKeys

__all__ = ["Peer", "Recorder", "SessionKeys"]
