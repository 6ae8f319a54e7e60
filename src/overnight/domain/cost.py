"""What calls cost, by the tokens that the server reported. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

MOST_TOKENS = 10**9  # of one call; no sum of such numbers is too large for a column
CURRENCY = "USD"  # unless the experiment file says otherwise
_PRICED = 1_000_000  # tokens that a price is for
_ENOUGH = 20  # narratives that tell what the others will cost


class Tokens(NamedTuple):
    """What some calls used; `n_calls` of them reported the tokens of both prompt and reply."""

    prompt: int = 0
    completion: int = 0
    n_calls: int = 0


def credible(n_tokens: int | None) -> int | None:
    """A number of tokens as a server reported it; None for what no call can have used."""
    return n_tokens if n_tokens is not None and 0 <= n_tokens <= MOST_TOKENS else None


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens of the prompts (`input`) and of the replies (`output`)."""

    input: float
    output: float
    currency: str

    def of(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        return (tokens.prompt * self.input + tokens.completion * self.output) / _PRICED


def cost(
    price: Price | None, prompt_tokens: int | None, completion_tokens: int | None
) -> float | None:
    """Of one call, in the price's currency; None without a price, or if no tokens were reported."""
    prompt, completion = credible(prompt_tokens), credible(completion_tokens)
    if price is None or prompt is None or completion is None:
        return None
    return price.of(Tokens(prompt, completion, 1))


def expected_cost(so_far: float | None, n_done: int, n_total: int) -> float | None:
    """Of all narratives, if those to come cost as much as those done; None while these are few."""
    if so_far is None or n_done < _ENOUGH:
        return None
    return so_far / n_done * n_total
