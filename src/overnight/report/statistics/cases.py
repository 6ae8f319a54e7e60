"""From the narratives of a case to one answer of the case."""

from collections.abc import Collection, Sequence
from typing import Literal, get_args

Rule = Literal["any", "all", "majority"]
RULES: tuple[Rule, ...] = get_args(Rule)


def decide(rule: Rule, votes: Collection[bool | None]) -> bool | None:
    """Yes, no, or None where the missing votes (None) could still turn it.

    any: yes if one says yes. all: yes if every one does. majority: yes if more than half of all
    do, so a tie is no.
    """
    yes = sum(vote is True for vote in votes)
    open_ = sum(vote is None for vote in votes)
    if not votes or yes < needed(rule, len(votes)) <= yes + open_:
        return None
    return yes >= needed(rule, len(votes))


def case_score(rule: Rule, scores: Sequence[float]) -> float:
    """The score of a case: it reaches a threshold exactly where the rule says yes at it."""
    return sorted(scores, reverse=True)[needed(rule, len(scores)) - 1]


def needed(rule: Rule, n: int) -> int:
    """How many of `n` must say yes."""
    return {"any": 1, "all": n, "majority": n // 2 + 1}[rule]
