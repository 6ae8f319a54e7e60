"""A random order is a true shuffle, whose beginning is a sample of the whole."""

from collections import Counter
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.order import RandomOrder


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_every_row_comes_once_and_its_position_is_known(seed, size):
    order = RandomOrder(seed, size)
    rows = [order.row_at(position) for position in range(1, size + 1)]
    assert sorted(rows) == list(range(1, size + 1))
    assert [order.position_of(row) for row in rows] == list(range(1, size + 1))


def chi_square_per_df(counts: Counter, kinds: int) -> float:
    """Near 1 where all kinds are equally likely."""
    expected = counts.total() / kinds
    seen = sum((n - expected) ** 2 / expected for n in counts.values())
    return (seen + (kinds - len(counts)) * expected) / (kinds - 1)


@pytest.mark.parametrize("size", [7, 100, 1000])
def test_over_seeds_every_row_is_as_often_in_the_sample(size):
    """The expected chi-square per degree of freedom is 1, its deviation sqrt(2 / df)."""
    k, seeds = max(3, size // 20), 2000
    counts = Counter(
        RandomOrder(seed, size).row_at(position)
        for seed in range(seeds)
        for position in range(1, k + 1)
    )
    # drawn without replacement: the counts vary by (1 - k / size) less
    found = chi_square_per_df(counts, size) / (1 - k / size)
    assert abs(found - 1) < 5 * (2 / (size - 1)) ** 0.5


def test_over_seeds_every_pair_is_as_often_in_the_sample():
    """A simple random sample: not only each row, each set of rows is as likely."""
    size, k = 12, 4
    counts: Counter = Counter()
    for seed in range(3000):
        order = RandomOrder(seed, size)
        rows = sorted(order.row_at(position) for position in range(1, k + 1))
        counts.update(combinations(rows, 2))
    n_pairs = size * (size - 1) // 2
    assert abs(chi_square_per_df(counts, n_pairs) - 1) < 5 * (2 / n_pairs) ** 0.5


def test_neighbours_in_the_file_are_no_neighbours_in_the_order():
    """The file's order often means something (sites, years); the sample must not."""
    order = RandomOrder(5, 100_000)
    first = [order.row_at(position) for position in range(1, 2001)]
    mean = sum(first) / len(first)
    assert abs(mean - 50_000) < 5 * (100_000 / 12**0.5) / 2000**0.5
    ups = sum(a < b for a, b in pairwise(first))
    assert abs(ups - 1000) < 5 * (2000 / 12) ** 0.5


def test_the_order_is_the_same_on_every_machine_and_in_every_version():
    """An experiment is resumed after an update: these numbers must never change."""
    assert [RandomOrder(1024, 1_000_000).row_at(p) for p in (1, 2, 3)] == [76156, 960475, 344554]
    assert [RandomOrder(0, 20).row_at(p) for p in (1, 2, 3)] == [9, 18, 10]
