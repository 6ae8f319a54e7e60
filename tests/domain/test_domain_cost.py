"""What calls cost: arithmetic on tokens and a price, and nothing where either is unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.cost import Price, Tokens, cost, expected_cost

PRICE = Price(0.4, 1.6, "USD")
counts = st.integers(0, 10**12)


def test_a_million_tokens_cost_their_price():
    assert cost(PRICE, 1_000_000, 0) == pytest.approx(0.4)
    assert cost(PRICE, 0, 1_000_000) == pytest.approx(1.6)
    assert cost(PRICE, 500, 100) == pytest.approx(500 * 0.4e-6 + 100 * 1.6e-6)


@pytest.mark.parametrize(
    ("price", "tokens"), [(None, (1, 1)), (PRICE, (None, 1)), (PRICE, (1, None)), (PRICE, (-1, 1))]
)
def test_without_a_price_or_tokens_no_cost_is_made_up(price, tokens):
    assert cost(price, *tokens) is None


def test_what_is_free_costs_nothing():
    assert cost(Price(0, 0, "USD"), 10**9, 10**9) == 0


@given(counts, counts, counts, counts)
def test_the_cost_of_all_is_the_sum_of_the_parts(a, b, c, d):
    parts = PRICE.of(Tokens(a, b)) + PRICE.of(Tokens(c, d))
    assert PRICE.of(Tokens(a + c, b + d)) == pytest.approx(parts)


def test_the_whole_is_told_once_twenty_are_done():
    assert expected_cost(1.0, 19, 1000) is None
    assert expected_cost(1.0, 20, 1000) == pytest.approx(50.0)
    assert expected_cost(7.0, 1000, 1000) == pytest.approx(7.0)
    assert expected_cost(None, 500, 1000) is None
