"""How an experiment went, counted in the database: over time, call by call, by length."""

from dataclasses import dataclass

from sqlalchemy import text

from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Experiment
from overnight.store.database import Database

SHORTEST = 125  # characters; the first class of lengths ends here, each other one is twice as long
N_LENGTHS = 10
_COUNTED_BY_VALUE = ("boolean", "enum", "string", "integer")


@dataclass(frozen=True, slots=True)
class Instant:
    """Results that came within one unit of time; `at` is the beginning of a database's time."""

    at: str
    n: int
    n_errors: int


@dataclass(frozen=True, slots=True)
class FailedCalls:
    """Calls that gave no answer, by how they ended (failed, lost, open) and why."""

    status: str
    error_category: str | None
    n: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class ResultTotals:
    """Of the current results: how many took more than one call, and how long calls took."""

    n_repeated: int
    most_calls: int
    mean_sec: float | None
    n_with_tokens: int
    first_at: str | None  # when the first and the last came
    last_at: str | None


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Narratives that are alike in all of this.

    `length`: the number of the class of its text, 0 up to `SHORTEST` characters, 1 up to twice as
    many, and so on. `confidence`: its tenth (9 holds 1 too), None where there is none in 0..1.
    """

    length: int
    confidence: int | None
    label: str | None
    primary: str | None
    error_category: str | None
    n: int


def results_over_time(database: Database, experiment_key: int, digits: int) -> list[Instant]:
    """Results by the first so many characters of the time at which they came."""
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT substr(processed_at, 1, :digits), count(*), count(error_category)"
                " FROM results WHERE experiment_key = :key GROUP BY 1 ORDER BY 1"
            ),
            {"key": experiment_key, "digits": digits},
        ).all()
    return [Instant(*row) for row in rows]


def failed_calls(database: Database, experiment_key: int) -> list[FailedCalls]:
    """The calls without an answer; few, and on an index."""
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT status, error_category, count(*), coalesce(sum(prompt_tokens), 0),"
                " coalesce(sum(completion_tokens), 0) FROM attempts"
                " WHERE experiment_key = :key AND status <> 'answered'"
                " GROUP BY 1, 2 ORDER BY 1, 2"
            ),
            {"key": experiment_key},
        ).all()
    return [FailedCalls(*row) for row in rows]


def result_totals(database: Database, experiment_key: int) -> ResultTotals:
    """One pass over the results."""
    with database.read() as connection:
        row = connection.execute(
            text(
                "SELECT coalesce(sum(attempt_count > 1), 0), coalesce(max(attempt_count), 0),"
                " avg(response_sec), count(prompt_tokens), min(processed_at), max(processed_at)"
                " FROM results WHERE experiment_key = :key"
            ),
            {"key": experiment_key},
        ).one()
    return ResultTotals(*row)


def outcome_counts(
    database: Database, experiment: Experiment, spec: AnswerSpec
) -> list[OutcomeCount]:
    """Results by length, confidence, label, answer and error; texts are measured, not read.

    Numbers are neither right nor wrong: their values are left out, or each would be a row.
    """
    primary = spec.primary_field
    by_value = primary is not None and primary.type in _COUNTED_BY_VALUE
    label, value = ("n.label", "r.primary_value") if by_value else ("NULL", "NULL")
    longer = " + ".join(
        f"(length(n.narrative_text) > {SHORTEST * 2**i})" for i in range(N_LENGTHS - 1)
    )
    with database.read() as connection:
        rows = connection.execute(
            text(
                f"SELECT {longer}, CASE WHEN r.confidence BETWEEN 0 AND 1 THEN"
                " min(9, CAST(round(r.confidence * 10, 9) AS INTEGER)) END,"
                f" {label}, {value}, r.error_category, count(*)"
                " FROM results r JOIN narratives n ON n.narrative_id = r.narrative_id"
                " WHERE r.experiment_key = :key GROUP BY 1, 2, 3, 4, 5"
            ),
            {"key": experiment.experiment_key},
        ).all()
    return [OutcomeCount(*row) for row in rows]


def configurations_over(database: Database, dataset_id: int) -> int:
    """How many different configurations have results over a dataset, in this database."""
    with database.read() as connection:
        found = connection.execute(
            text(
                "SELECT count(DISTINCT e.binding_sha256) FROM experiments e"
                " WHERE e.dataset_id = :dataset AND EXISTS (SELECT 1 FROM results r"
                " WHERE r.experiment_key = e.experiment_key)"
            ),
            {"dataset": dataset_id},
        )
        return int(found.scalar_one())
