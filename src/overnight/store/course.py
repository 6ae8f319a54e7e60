"""How an experiment went, counted in the database: over time, call by call, by length."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.domain.answer import AnswerSpec
from overnight.domain.cost import MOST_TOKENS
from overnight.domain.experiment import Experiment
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.parts import WHOLE, Part, asked
from overnight.store.queries import query

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
    n_with_tokens: int  # of which the server told both


@dataclass(frozen=True, slots=True)
class ResultTotals:
    """Of the current results: how many took more than one call, and how long calls took.

    Copied results made no call here, but count for when the first and the last answer was given.
    """

    n_repeated: int
    most_calls: int
    mean_sec: float | None
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


# SQLite would sort all rows with their texts to group them: so a page at a time, cut down first.
_PAGE_SIZE = 20_000
_PAGE = """
    SELECT {columns}, r.narrative_id AS id
    FROM results r JOIN narratives n ON n.narrative_id = r.narrative_id
    WHERE r.experiment_key = :key AND r.narrative_id > :after AND {part}
    ORDER BY r.narrative_id LIMIT :size"""


def _counted(
    database: Database, experiment_key: int, columns: Mapping[str, str], part: Part = WHOLE
) -> Counter[tuple[Any, ...]]:
    """Results counted by the values of columns; a page per transaction, so memory stays flat."""
    names = ", ".join(columns)
    chosen = ", ".join(f"{what} AS {name}" for name, what in columns.items())
    page = _PAGE.format(columns=chosen, part=part.sql)
    counted = f"SELECT {names}, count(*), max(id) FROM ({page}) GROUP BY {names}"
    found: Counter[tuple[Any, ...]] = Counter()
    after, n = 0, _PAGE_SIZE
    while n == _PAGE_SIZE:
        values = {**part.values, "key": experiment_key, "after": after, "size": _PAGE_SIZE}
        with database.read() as connection:
            rows = connection.rows(counted, values)
        n = sum(row[-2] for row in rows)
        after = max((row[-1] for row in rows), default=after)
        for *what, count, _ in rows:
            found[tuple(what)] += count
    return found


def results_over_time(database: Database, experiment_key: int, digits: int) -> list[Instant]:
    """Results that were called for, by the first so many characters of when they came."""
    columns = {
        "came": f"substr(r.processed_at, 1, {digits:d})",
        "failed": "r.error_category IS NOT NULL",
    }
    counts = _counted(database, experiment_key, columns, Part("r.copied IS NULL"))
    return [
        Instant(at, counts[at, 0] + counts[at, 1], counts[at, 1])
        for at in sorted({at for at, _ in counts})
    ]


def failed_calls(connection: Connection, experiment_key: int) -> list[FailedCalls]:
    """The calls without an answer; few, and on an index. Tokens as a session counts them."""
    values = {"key": experiment_key, "most": MOST_TOKENS}
    return [FailedCalls(*row) for row in connection.execute(query("failed_calls"), values)]


def result_totals(database: Database, experiment_key: int) -> ResultTotals:
    """One pass over the results."""
    with database.read() as connection:
        row = connection.row(
            "SELECT coalesce(sum(attempt_count > 1), 0), coalesce(max(attempt_count), 0),"
            " avg(CASE WHEN copied IS NULL THEN response_sec END),"
            " min(processed_at), max(processed_at)"
            " FROM results WHERE experiment_key = :key",
            {"key": experiment_key},
        )
    return ResultTotals(*row)


def case_count(database: Database, experiment: Experiment, part: Part = WHOLE) -> int:
    """Of how many cases the narratives are that an experiment covers, asked yet or not."""
    among = asked(experiment, part)
    cases = (
        "SELECT count(DISTINCT n.incident_id) FROM narratives n"
        f" WHERE n.dataset_id = :dataset AND {among.sql}"
    )
    with database.read() as connection:
        return int(connection.value(cases, {**among.values, "dataset": experiment.dataset_id}))


def outcome_counts(
    database: Database, experiment: Experiment, spec: AnswerSpec, part: Part
) -> list[OutcomeCount]:
    """Results of a part by length, confidence, label, answer and error.

    Texts are measured, not read. Numbers are neither right nor wrong: their values are left out,
    or each would be a row.
    """
    primary = spec.primary_field
    by_value = primary is not None and primary.type in _COUNTED_BY_VALUE
    label, value = ("n.label", "r.primary_value") if by_value else ("NULL", "NULL")
    chars = "length(n.narrative_text)"
    classes = (f"WHEN {chars} <= {SHORTEST * 2**i} THEN {i}" for i in range(N_LENGTHS - 1))
    columns = {
        "chars": f"CASE {' '.join(classes)} ELSE {N_LENGTHS - 1} END",
        "tenth": "CASE WHEN r.confidence BETWEEN 0 AND 1 THEN"
        " min(9, CAST(round(r.confidence * 10, 9) AS INTEGER)) END",
        "label": label,
        "value": value,
        "error": "r.error_category",
    }
    counts = _counted(database, experiment.experiment_key, columns, part)
    return [OutcomeCount(*(*what, n)) for what, n in counts.items()]
