"""One model per experiment: the one that the server named with its first answer."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a reply tells of the server. `is_news`: it is to be recorded."""

    is_news: bool
    note: str | None = None  # for the user


@dataclass(slots=True)
class ModelIdentity:
    """Which model answers. `fixed` is what earlier sessions saw, None if nothing is known."""

    fixed: str | None = None
    fingerprint: str | None = None  # as the last session saw it; it may change, visibly
    asked: str | None = None  # the name in the experiment file
    is_new: bool = field(init=False)  # no session has seen a name yet
    met: bool = False  # whether this session has seen a reply
    named: bool = False  # ... and one that named its model

    def __post_init__(self) -> None:
        self.is_new = self.fixed is None

    def objection(self, reported: str | None) -> str | None:
        """What is wrong if the server calls itself `reported`; None if nothing is."""
        if self.fixed is None:
            self.fixed = reported
        if reported is None or reported == self.fixed:
            return None
        return (
            f"the server now answers as {reported!r}; this experiment's answers are by "
            f"{self.fixed!r}. Load that model again and type the same command; or go on with the "
            "new one: overnight resume --accept-model; or begin anew: overnight run CONFIG --new"
        )

    def meet(self, reported: str | None, fingerprint: str | None) -> Meeting:
        """Take in a reply to which there is no objection."""
        first, changed = not self.met, fingerprint is not None and fingerprint != self.fingerprint
        is_news = first or changed or (reported is not None and not self.named)
        note = None
        if changed and self.fingerprint is not None:
            note = (
                f"the server's system_fingerprint has changed: {self.fingerprint} before, now "
                f"{fingerprint}; the model's name is the same, its answers may differ slightly"
            )
        elif self.is_new and reported is not None and self.asked not in (None, reported):
            self.is_new = False
            note = (
                f"asked for {self.asked}, answered by {reported}; if that is not the model that "
                "you mean, stop with Ctrl-C"
            )
        self.met = True
        self.named = self.named or reported is not None
        self.fingerprint = fingerprint or self.fingerprint
        return Meeting(is_news, note)
