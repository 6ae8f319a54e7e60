"""One model per experiment: the one that the server named with its first answer."""

from dataclasses import dataclass


@dataclass(slots=True)
class ModelIdentity:
    """Which model answers. `fixed` is what earlier sessions saw, None if nothing is known."""

    fixed: str | None = None
    met: bool = False  # whether this session has seen a reply
    named: bool = False  # ... and one that named its model

    def objection(self, reported: str | None) -> str | None:
        """What is wrong if the server calls itself `reported`; None if nothing is."""
        if self.fixed is None:
            self.fixed = reported
        if reported is None or reported == self.fixed:
            return None
        return (
            f"the server now answers as {reported!r}; this experiment's answers are by "
            f"{self.fixed!r}. Load that model again and type the same command, or begin a new "
            "experiment with: overnight run CONFIG --new"
        )
