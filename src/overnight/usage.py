"""Read model of tokens and costs: what the calls of an experiment used, at its file's price."""

from dataclasses import dataclass
from typing import Any

from overnight.config.declared import declared_price
from overnight.domain.cost import Price, Tokens, expected_cost
from overnight.domain.experiment import Counts, Experiment
from overnight.store.course import failed_calls
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.sessions import sessions_of
from overnight.words import money


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls that ended used; lost and open ones may have been paid for, and are not in it.

    `answered`: by calls that gave an answer, of which there are `n_answered`. `in_vain`: by those
    that failed, or whose reply could not be read. Copied answers made no call: `counts` knows them.
    """

    answered: Tokens
    in_vain: Tokens
    n_answered: int
    counts: Counts
    price: Price | None  # None: the file gives none
    n_usable: int  # narratives in the data file, of which the experiment may cover a part

    @property
    def total(self) -> Tokens:
        """Of all calls that ended."""
        return Tokens(*(a + b for a, b in zip(self.answered, self.in_vain, strict=True)))

    @property
    def so_far(self) -> float | None:
        """The cost of all calls; None without a price, or if answers came but no tokens."""
        if self.n_answered and not self.total.n_calls:
            return None
        return None if self.price is None else self.price.of(self.total)

    @property
    def expected(self) -> float | None:
        """The cost of the whole experiment; None where nothing is left, or too little done."""
        return self._expected(self.counts.total) if self.counts.remaining else None

    @property
    def expected_of_file(self) -> float | None:
        """The cost of all narratives of the data file, told by a pilot that is complete."""
        c = self.counts
        return None if c.remaining or c.total >= self.n_usable else self._expected(self.n_usable)

    def _expected(self, n_total: int) -> float | None:
        c = self.counts
        return expected_cost(self.so_far, c.completed - c.copied, n_total - c.copied)

    @property
    def text(self) -> str | None:
        """The cost in one line: 1.23 USD so far, about 12.30 USD in all. None without a price."""
        if self.price is None:
            return None
        if self.so_far is None:
            return "unknown: the server reported no tokens"
        said = money(self.so_far, self.price.currency)
        if self.counts.remaining:
            said += " so far"
        if self.expected is not None:
            said += f", about {money(self.expected, self.price.currency)} in all"
        if self.expected_of_file is not None:
            whole = money(self.expected_of_file, self.price.currency)
            said += f", about {whole} for all {self.n_usable:,} narratives of the data"
        return f"{said} ({self.gap})" if self.gap else said

    @property
    def gap(self) -> str | None:
        """Of how many answers the tokens, and so the cost, are known; None if of all."""
        n, known = self.n_answered, self.answered.n_calls
        if known >= n:
            return None
        return f"known for {known:,} of {n:,} answers; the others came without tokens"


def usage_of(database: Database, experiment: Experiment, counts: Counts) -> Usage:
    """The usage of an experiment as it stands.

    Sessions count the tokens of all calls that ended; the ledger has those of calls in vain.
    """
    key = experiment.experiment_key
    with database.read() as connection:  # one transaction ends a call in both
        sessions, failed = sessions_of(connection, key), failed_calls(connection, key)
    in_vain = Tokens(
        sum(calls.prompt_tokens for calls in failed),
        sum(calls.completion_tokens for calls in failed),
        sum(calls.n_with_tokens for calls in failed),
    )
    answered = Tokens(
        sum(session.prompt_tokens for session in sessions) - in_vain.prompt,
        sum(session.completion_tokens for session in sessions) - in_vain.completion,
        sum(session.n_with_tokens for session in sessions) - in_vain.n_calls,
    )
    n_ended = sum(session.n_calls for session in sessions)
    is_sample = experiment.repeat_of is not None  # and is meant to stay one
    return Usage(
        answered=answered,
        in_vain=in_vain,
        n_answered=n_ended - sum(calls.n for calls in failed if calls.status != "open"),
        counts=counts,
        price=declared_price(experiment.stored_config),
        n_usable=counts.total
        if is_sample
        else get_dataset(database, experiment.dataset_id).n_narratives,
    )


def cost_json(usage: Usage) -> dict[str, Any] | None:
    """The cost as one JSON object; None without a price."""
    if usage.price is None:
        return None
    return {
        "currency": usage.price.currency,
        "so_far": usage.so_far,
        "in_vain": usage.price.of(usage.in_vain),
        "expected": usage.expected,
        "expected_of_file": usage.expected_of_file,
        "answers": usage.n_answered,
        "answers_with_tokens": usage.answered.n_calls,
    }
