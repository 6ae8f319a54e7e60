"""What a stored configuration declares, for whoever only reads.

It was validated when it was stored. What reads experiment files is loaded only where there is
something to read: it takes longer to load than most commands need.
"""

from collections.abc import Mapping
from typing import Any

from overnight.domain.answer import DEFAULT_ANSWER, AnswerSpec
from overnight.domain.cost import CURRENCY, Price
from overnight.domain.split import Split


def declared_answer(stored: Mapping[str, Any]) -> AnswerSpec:
    """The answer that a stored configuration declares; needs none of its variables."""
    output = stored.get("output")
    if not output:
        return DEFAULT_ANSWER
    from overnight.config.models import OutputSection, answer_spec  # noqa: PLC0415

    return answer_spec(OutputSection.model_validate(output))


def declared_split(
    stored: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Split | None:
    """The test part that a stored configuration sets apart; needs no variable but those in it.

    Raises ConfigError where such a variable is not set.
    """
    split = (stored.get("data") or {}).get("split")
    if not split:
        return None
    from overnight.config.load import stored_split  # noqa: PLC0415

    return stored_split(split, environ)


def declared_price(stored: Mapping[str, Any]) -> Price | None:
    """What tokens cost by a stored configuration; needs no variable, and shows none's value."""
    said = (stored.get("model") or {}).get("price")
    if not said:
        return None
    return Price(said["input"], said["output"], str(said.get("currency") or CURRENCY).strip())
