"""The side of a case depends on nothing but its id, the seed and the share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.split import is_drawn

ids = st.text(min_size=1, max_size=20)
seeds = st.integers(0, 2**31)
shares = st.floats(0.01, 0.99)


@settings(deadline=None)
@given(id_=ids, seed=seeds, a=shares, b=shares)
def test_a_larger_share_contains_a_smaller_one(id_, seed, a, b):
    if is_drawn(id_, seed, min(a, b)):
        assert is_drawn(id_, seed, max(a, b))


def test_the_share_is_met_as_closely_as_chance_allows():
    n = 20_000
    for seed in range(3):
        drawn = sum(is_drawn(f"{i:06d}", seed, 0.3) for i in range(n))
        assert abs(drawn - 0.3 * n) < 5 * (n * 0.3 * 0.7) ** 0.5


def test_seeds_draw_independently():
    n = 20_000
    both = sum(is_drawn(str(i), 1, 0.3) and is_drawn(str(i), 2, 0.3) for i in range(n))
    assert abs(both - 0.09 * n) < 5 * (n * 0.09 * 0.91) ** 0.5


def test_the_side_of_a_case_is_the_same_on_every_machine_and_in_every_version():
    assert [is_drawn(f"{i:04d}", 0, 0.3) for i in range(10)] == [i in (2, 5, 8) for i in range(10)]
