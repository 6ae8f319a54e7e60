"""From the narratives of a case to one answer of the case."""

from collections.abc import Collection
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
    needed = {"any": 1, "all": len(votes), "majority": len(votes) // 2 + 1}[rule]
    if not votes or yes < needed <= yes + open_:
        return None
    return yes >= needed
