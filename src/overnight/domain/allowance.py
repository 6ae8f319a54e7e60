"""How much time work beside the calls may take: a small share of the whole."""

from dataclasses import dataclass

SHARE = 0.01  # of the time that an experiment has been worked on


@dataclass(slots=True)
class Allowance:
    """Time earned by working and spent on something else; whoever asks says both.

    `earned_before` are seconds of work of earlier sessions.
    """

    earned_before: float = 0.0
    spent: float = 0.0  # seconds, in this session

    def covers(self, cost: float, worked: float) -> bool:
        """Whether something may begin that takes about `cost` seconds, after so many of work."""
        return cost <= self.left(worked)

    def left(self, worked: float) -> float:
        """Seconds that may be spent now, after so many of work; negative where too many were."""
        return SHARE * (self.earned_before + worked) - self.spent

    def pay(self, seconds: float) -> None:
        """So long it has taken."""
        self.spent += seconds
