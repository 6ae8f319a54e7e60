"""Which call gets which reply: by its number, its time, its narrative; the same every time."""

import hashlib
from collections.abc import Container
from dataclasses import dataclass, replace

from overnight.testing.server import Call, Script, Scripted, keyword_script

Which = int | Container[int] | None


@dataclass(frozen=True, slots=True)
class _Entry:
    reply: Scripted | Script
    calls: Which
    nth: Which
    text: str
    after: float
    until: float
    share: float

    def fits(self, call: Call) -> bool:
        return (
            self.text in call.text
            and _among(call.number, self.calls)
            and _among(call.nth, self.nth)
            and self.after <= call.at < self.until
            and _lot(call) < self.share
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A script made of entries, of which the first that fits a call speaks; else `otherwise`."""

    otherwise: Script = keyword_script
    entries: tuple[_Entry, ...] = ()

    def on(
        self,
        reply: Scripted | Script,
        *,
        calls: Which = None,
        nth: Which = None,
        text: str = "",
        after: float = 0.0,
        until: float = float("inf"),
        share: float = 1.0,
    ) -> "Schedule":
        """This schedule with one more entry, for calls to which all that is given applies.

        `calls`: which of all calls, the first is 1; a number, a range or a set. `nth`: how often
        this user message has come, this time included. `text`: a part of the user message.
        `after`, `until`: seconds since the server started. `share`: of the calls, picked by a
        hash of user message and `nth`.
        """
        entry = _Entry(reply, calls, nth, text, after, until, share)
        return replace(self, entries=(*self.entries, entry))

    def __call__(self, call: Call) -> Scripted:
        """What the server says to a call."""
        fitting = (entry.reply for entry in self.entries if entry.fits(call))
        reply = next(fitting, self.otherwise)
        return reply if isinstance(reply, Scripted) else reply(call)


def _among(number: int, which: Which) -> bool:
    if which is None:
        return True
    return number == which if isinstance(which, int) else number in which


def _lot(call: Call) -> float:
    """A number in [0, 1) that only narrative and `nth` decide."""
    digest = hashlib.sha256(f"{call.nth} {call.text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6]) / 2**48
