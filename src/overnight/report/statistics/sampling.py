"""Whom to label next: samples of a fixed size in which every probability is known."""

import math
import random
from array import array
from collections.abc import Mapping, Sequence

# As much weight on everybody alike as on those of whom the machine is unsure: its confidence may
# be worth nothing, and no narrative may count for more than twice as much as in a plain sample.
UNIFORM_SHARE = 0.5
SMALLEST = 2  # of a stratum: from one alone no variance can be estimated


def simple(n: int, size: int, rng: random.Random) -> list[int]:
    """`n` of `size` positions at random, without replacement, in random order."""
    return rng.sample(range(size), n)


def doubt(confidence: float | None) -> float:
    """How far an answer may be wrong: sqrt(1 - confidence), that of a coin where there is none.

    If the confidence is the chance of being right, this is the standard deviation of the error,
    and probabilities in proportion to it give the smallest variance (Neyman 1934; Zrnic and
    Candès 2024).
    """
    wrong = 0.5 if confidence is None else 1 - min(max(confidence, 0.0), 1.0)
    return math.sqrt(wrong)


def probabilities(doubts: Sequence[float], n: int) -> "array[float]":
    """Probabilities of being drawn that add up to `n`: half alike, half in proportion to doubts.

    Whatever would exceed 1 is 1, and the others share what is left. Raises ValueError unless
    0 < n <= how many there are.
    """
    size = len(doubts)
    if not 0 < n <= size:
        raise ValueError(f"{n} of {size} cannot be drawn")
    total = math.fsum(doubts)
    alike = 1.0 if total == 0 else UNIFORM_SHARE
    weights = array("d", (alike / size + (1 - alike) * (d / total if total else 0) for d in doubts))
    certain: set[int] = set()
    while True:
        rest = math.fsum(w for i, w in enumerate(weights) if i not in certain)
        left = n - len(certain)
        more = {i for i, w in enumerate(weights) if i not in certain and left * w >= rest}
        if not more:
            break
        certain |= more
    return array("d", (1.0 if i in certain else left * w / rest for i, w in enumerate(weights)))


def systematic(chances: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """`n` positions, each with its probability, in random order.

    Everybody is laid in random order on a line, as long as his probability, and every whole
    step from a random start hits one (Goodman and Kish 1950; Hartley and Rao 1962).
    """
    order = array("q", range(len(chances)))
    rng.shuffle(order)
    start, reached, hit = rng.random(), 0.0, []
    for position in order:
        before = math.floor(reached + start)
        reached += chances[position]
        if math.floor(reached + start) > before:
            hit.append(position)
    if len(hit) != n:  # the start lay within a rounding error of 0 or 1: about never
        return systematic(chances, n, rng)
    rng.shuffle(hit)
    return hit


def allocate(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """How many of `n` to draw from each stratum: in proportion to the root of its size.

    That is the power allocation of Bankier (1988), between equal numbers and proportional ones: a
    rare answer is looked at as well as a common one. At least two of each stratum, or all of it.
    Raises ValueError where `n` is too small for that, or larger than all together.
    """
    least = {name: min(size, SMALLEST) for name, size in sizes.items()}
    if not sum(least.values()) <= n <= sum(sizes.values()):
        raise ValueError(f"{n} cannot be drawn from strata of {sum(sizes.values())}")
    drawn = dict(least)
    while sum(drawn.values()) < n:  # one after the other, to whoever is furthest behind
        open_ = [name for name in sorted(sizes) if drawn[name] < sizes[name]]
        name = min(open_, key=lambda one: (drawn[one] + 0.5) / math.sqrt(sizes[one]))
        drawn[name] += 1
    return drawn
