"""For tests of overnight and of what is built on it.

A model server on this machine that says what a test wants, goes down and comes back when a test
wants, and counts what it saw; the ways in which real servers fail, by name; and patience.

    night = Schedule().on(faulty.rate_limited(2), calls=5).on(faulty.poison(3), text="Case 7 ")
    with scripted_server(night) as server:
        ...  # run something against server.url, and then look at server.calls
"""

from importlib.util import find_spec

if find_spec("aiohttp") is None:
    raise ImportError("overnight.testing needs aiohttp: pip install aiohttp")

from overnight.testing import faulty
from overnight.testing.frozen import FrozenClock, FrozenLoop
from overnight.testing.patience import wait_until
from overnight.testing.schedule import Schedule
from overnight.testing.server import (
    Answer,
    Call,
    Script,
    Scripted,
    ScriptedServer,
    keyword_script,
    scripted_server,
)

__all__ = [
    "Answer",
    "Call",
    "FrozenClock",
    "FrozenLoop",
    "Schedule",
    "Script",
    "Scripted",
    "ScriptedServer",
    "faulty",
    "keyword_script",
    "scripted_server",
    "wait_until",
]
