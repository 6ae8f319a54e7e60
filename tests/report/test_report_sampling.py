"""Samples: their sizes are fixed, and the probabilities are those that were promised."""

import math
import random
from collections import Counter

import pytest

from overnight.report.statistics.sampling import (
    allocate,
    doubt,
    probabilities,
    simple,
    systematic,
)


def test_a_simple_sample_draws_each_once():
    drawn = simple(5, 8, random.Random(1))
    assert len(set(drawn)) == 5
    assert set(drawn) < set(range(8))


def test_doubt_is_the_spread_of_being_wrong():
    assert doubt(0.75) == 0.5
    assert doubt(1.0) == doubt(7.0) == 0.0
    assert doubt(None) == doubt(0.5) == math.sqrt(0.5)


def test_probabilities_add_up_and_nobody_counts_for_more_than_twice_as_much():
    rng = random.Random(2)
    doubts = [rng.random() ** 3 for _ in range(1000)]
    chances = probabilities(doubts, 50)
    assert math.fsum(chances) == pytest.approx(50)
    assert min(chances) >= 50 / 1000 / 2
    assert chances[doubts.index(max(doubts))] == max(chances)


def test_what_would_be_drawn_more_than_once_is_certain():
    chances = probabilities([0.0] * 8 + [9.0, 1.0], 4)
    assert chances[8] == 1.0
    assert math.fsum(chances) == pytest.approx(4)
    assert max(probabilities([1.0] * 3, 3)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="4 of 3"):
        probabilities([1.0] * 3, 4)


def test_without_doubts_all_are_alike():
    assert list(probabilities([0.0] * 4, 2)) == [0.5] * 4


def test_a_systematic_sample_has_its_size_and_draws_each_as_often_as_promised():
    chances, rng, times = [0.1, 0.3, 0.5, 0.9, 1.0, 0.2], random.Random(3), 20_000
    drawn = [systematic(chances, 3, rng) for _ in range(times)]
    assert all(len(set(one)) == 3 for one in drawn)
    often = Counter(position for one in drawn for position in one)
    for position, chance in enumerate(chances):
        spread = math.sqrt(chance * (1 - chance) / times)
        assert often[position] / times == pytest.approx(chance, abs=4 * spread + 1e-12)


def test_rounding_never_changes_the_size():
    rng = random.Random(4)
    for n in (1, 7, 299):
        chances = probabilities([rng.random() for _ in range(300)], n)
        assert len(systematic(chances, n, rng)) == n


def test_numbers_go_with_the_roots_of_the_sizes_and_at_least_two():
    sizes = {"no": 10_000, "yes": 400, "no answer": 3, "odd": 1}
    drawn = allocate(sizes, 126)
    assert drawn["no"] / drawn["yes"] == pytest.approx(5, abs=0.3)
    assert (drawn["no answer"], drawn["odd"]) == (2, 1)
    assert sum(drawn.values()) == 126
    assert allocate({"a": 3, "b": 3}, 6) == {"a": 3, "b": 3}
    with pytest.raises(ValueError, match="strata"):
        allocate(sizes, 6)
