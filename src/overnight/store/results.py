"""Results read back: row by row for exports, counted for metrics."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.agreement import Verdict, verdict
from overnight.domain.answer import AnswerField, AnswerSpec
from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.domain.experiment import Experiment
from overnight.domain.judgement import Judgement
from overnight.domain.narrative import as_binary
from overnight.domain.result import Result
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.parts import WHOLE, Part, covered_by, path_of
from overnight.store.times import from_text

_PAGE_SIZE = 1000

_COLUMNS = """
           n.row_num, n.incident_id, n.narrative_type, n.label, n.case_label, r.output_json,
           r.primary_value, r.error_category, r.error_message, r.repaired, r.attempt_count,
           r.response_sec, r.processed_at, r.prompt_tokens, r.completion_tokens,
           CASE WHEN r.copied IS NOT NULL THEN
             (SELECT e.reuse_of FROM experiments e WHERE e.experiment_key = r.experiment_key)
           END, n.kept, {apart}"""
_PAGE = f"""
    SELECT {_COLUMNS},
           {{text}}, {{raw}}
    FROM narratives n
    JOIN results r ON r.experiment_key = :experiment AND r.narrative_id = n.narrative_id
    WHERE n.dataset_id = :dataset AND n.row_num > :after AND {{part}} {{only}}
    ORDER BY n.row_num
    LIMIT :size"""
# The plus keeps SQLite from the index of the experiment: only new rows are looked at.
_NEW = f"""
    SELECT {_COLUMNS}, NULL, NULL, r.result_id
    FROM results r JOIN narratives n ON n.narrative_id = r.narrative_id
    WHERE r.result_id > :after AND +r.experiment_key = :experiment
    ORDER BY r.result_id
    LIMIT :size"""


def iterate_results(
    database: Database,
    experiment_key: int,
    dataset_id: int,
    spec: AnswerSpec,
    *,
    with_text: bool = False,
    errors_only: bool = False,
    part: Part = WHOLE,
    apart: Part | None = None,
    wanted: Callable[[Verdict], bool] | None = None,
) -> Iterator[Result]:
    """Every result in dataset order; a page per transaction, so memory stays flat.

    Only of a `part`, where one is given; each says whether it is `apart`. With `wanted`, only
    answers of which their label says something that is wanted.
    """
    query = _PAGE.format(
        part=part.sql,
        apart=_sql(apart),
        only="AND r.error_category IS NOT NULL" if errors_only else "",
        text="n.narrative_text" if with_text else "NULL",
        raw="r.raw_response" if with_text else "NULL",
    )
    after, compared = 0, spec.primary_field
    while True:
        with database.read() as connection:
            rows = connection.rows(
                query,
                {
                    **part.values,
                    **(apart.values if apart else {}),
                    "experiment": experiment_key,
                    "dataset": dataset_id,
                    "after": after,
                    "size": _PAGE_SIZE,
                },
            )
        for row in rows:
            if wanted is None or (row[7] is None and wanted(verdict(compared, row[3], row[6]))):
                yield _result(row, compared)
        if len(rows) < _PAGE_SIZE:
            return
        after = rows[-1][0]


def _sql(apart: Part | None) -> str:
    return "NULL" if apart is None else f"({apart.sql})"


@dataclass(frozen=True, slots=True)
class NewResults:
    """Results in the order of their commits, and where those that follow begin."""

    results: list[Result]
    after: int
    is_last: bool  # nothing more was there


def new_results(
    database: Database,
    experiment_key: int,
    spec: AnswerSpec,
    *,
    after: int,
    apart: Part | None = None,
) -> NewResults:
    """A page of the results that were committed since `after` (0: all).

    A retry changes a result in its place: such changes are not seen here.
    """
    with database.read() as connection:
        last = int(connection.value("SELECT coalesce(max(result_id), 0) FROM results"))
        rows = connection.rows(
            _NEW.format(apart=_sql(apart)),
            {
                **(apart.values if apart else {}),
                "experiment": experiment_key,
                "after": after,
                "size": _PAGE_SIZE,
            },
        )
    full = len(rows) == _PAGE_SIZE
    return NewResults(
        [_result(row, spec.primary_field) for row in rows],
        rows[-1][-1] if full else last,
        is_last=not full,
    )


_JUDGED = """
    SELECT n.row_num, n.incident_id, n.narrative_type, CASE WHEN {labelled} THEN n.label END,
           CASE WHEN {labelled} THEN n.case_label END, r.primary_value,
           r.confidence, r.error_category, r.result_id IS NOT NULL, n.text_sha256, {kept}
    FROM narratives n
    LEFT JOIN results r ON r.experiment_key = :experiment AND r.narrative_id = n.narrative_id
    WHERE n.dataset_id = :dataset AND {covered} AND {part}
      AND (n.incident_id, n.narrative_type) > (:incident, :type)
    ORDER BY n.incident_id, n.narrative_type
    LIMIT :size"""


def iterate_judgements(
    database: Database,
    experiment: Experiment,
    part: Part = WHOLE,
    *,
    labelled: Part = WHOLE,
    among: Experiment | None = None,
    kept: str | None = None,
) -> Iterator[Judgement]:
    """Every narrative that the experiment covers, those of a case together, ordered by key.

    The order is that of Python's strings, too. Only of a `part`, where one is given, without the
    labels outside `labelled`; each with its value in the column `kept`. A page per transaction,
    so memory stays flat. With `among`, only what this repetition covers.
    """
    cover = covered_by(among or experiment)
    shown = "NULL" if kept is None else "json_extract(n.kept, :kept_path)"
    query = _JUDGED.format(covered=cover.sql, part=part.sql, kept=shown, labelled=labelled.sql)
    values = {**cover.values, **part.values, **labelled.values}
    if kept is not None:
        values["kept_path"] = path_of(kept)
    incident = type_ = ""  # no key is empty: empty ones are left out at loading
    while True:
        with database.read() as connection:
            rows = connection.rows(
                query,
                {
                    **values,
                    "experiment": experiment.experiment_key,
                    "dataset": experiment.dataset_id,
                    "incident": incident,
                    "type": type_,
                    "size": _PAGE_SIZE,
                },
            )
        yield from map(Judgement._make, rows)
        if len(rows) < _PAGE_SIZE:
            return
        incident, type_ = rows[-1][1:3]


def texts_of(database: Database, dataset_id: int, row_nums: Sequence[int]) -> dict[int, str]:
    """The narratives with these row numbers."""
    query = (
        "SELECT row_num, narrative_text FROM narratives"
        " WHERE dataset_id = :dataset AND row_num IN (SELECT value FROM json_each(:rows))"
    )
    found: dict[int, str] = {}
    for start in range(0, len(row_nums), _PAGE_SIZE):
        page = list(row_nums[start : start + _PAGE_SIZE])
        with database.read() as connection:
            rows = connection.rows(query, {"dataset": dataset_id, "rows": json.dumps(page)})
        found |= {int(row_num): str(narrative) for row_num, narrative in rows}
    return found


def _result(row: Any, compared: AnswerField | None) -> Result:  # noqa: ANN401 - a row
    (row_num, incident_id, narrative_type, label, case_label, output, primary) = row[:7]
    return Result(
        row_num=row_num,
        incident_id=incident_id,
        narrative_type=narrative_type,
        label=label,
        gold=as_binary(label),
        case_gold=as_binary(case_label),
        output=json.loads(output) if output else None,
        primary=primary,
        correct=is_correct(compared, label, primary),
        error_category=row[7],
        error_message=row[8],
        repaired=tuple(row[9].split(", ")) if row[9] else (),
        attempt_count=row[10],
        response_sec=row[11],
        processed_at=from_text(row[12]),
        prompt_tokens=row[13],
        completion_tokens=row[14],
        copied_from=row[15],
        kept=json.loads(row[16]) if row[16] else None,
        test_part=None if row[17] is None else bool(row[17]),
        text=row[18],
        raw_reply=row[19],
    )


@dataclass(frozen=True, slots=True)
class Unread:
    """A narrative whose replies nobody could read: (text, whether it was cut), oldest first."""

    narrative_id: int
    replies: tuple[tuple[str, bool], ...]


def unread(connection: Connection, experiment_key: int, *, after: int, size: int) -> list[Unread]:
    """The next narratives with a parse_error as their result, by id."""
    ids = connection.column(
        "SELECT narrative_id FROM results WHERE experiment_key = :key"
        " AND error_category IS NOT NULL AND error_category = 'parse_error'"
        " AND narrative_id > :after ORDER BY narrative_id LIMIT :size",
        {"key": experiment_key, "after": after, "size": size},
    )
    return [
        Unread(narrative_id, _replies(connection, experiment_key, narrative_id))
        for narrative_id in list(ids)
    ]


def _replies(
    connection: Connection, experiment_key: int, narrative_id: int
) -> tuple[tuple[str, bool], ...]:
    """All unreadable replies; the last one stands in the result."""
    rows = connection.execute(
        "SELECT coalesce(a.reply, r.raw_response), a.finish_reason FROM attempts a"
        " JOIN results r ON r.experiment_key = a.experiment_key"
        " AND r.narrative_id = a.narrative_id"
        " WHERE a.experiment_key = :key AND a.narrative_id = :id AND a.status <> 'answered'"
        " AND a.error_category = 'parse_error' ORDER BY a.attempt_id",
        {"key": experiment_key, "id": narrative_id},
    )
    return tuple((reply, reason == "length") for reply, reason in rows if reply is not None)


def is_correct(compared: AnswerField | None, label: str | None, primary: str | None) -> bool | None:
    """Whether the primary answer agrees with the label; None where they cannot be compared."""
    said = verdict(compared, label, primary)
    if said in (Verdict.TRUE_POSITIVE, Verdict.TRUE_NEGATIVE, Verdict.SAME):
        return True
    if said in (Verdict.FALSE_POSITIVE, Verdict.FALSE_NEGATIVE, Verdict.DIFFERENT):
        return False
    return None


def label_counts(
    database: Database, experiment_key: int, part: Part = WHOLE, *, first: int | None = None
) -> ExperimentCounts:
    """What metrics are computed from, counted in the database.

    Only of a `part`, where one is given; with `first`, of the first so many narratives of the
    dataset.
    """
    only = f"AND {part.sql}" if first is None else f"AND {part.sql} AND n.row_num <= :first"
    values = {"key": experiment_key, **part.values}
    if first is not None:
        values["first"] = first
    with database.read() as connection:
        # Counted here: SQLite would sort a million rows, in memory, to group them.
        found = Counter(
            connection.execute(
                "SELECT n.narrative_type, n.label, r.primary_value, r.error_category"
                " FROM results r JOIN narratives n ON n.narrative_id = r.narrative_id"
                f" WHERE r.experiment_key = :key {only}",
                values,
            )
        )
        repaired = connection.rows(
            "SELECT r.repaired, count(*) FROM results r"
            " JOIN narratives n ON n.narrative_id = r.narrative_id"
            f" WHERE r.experiment_key = :key AND r.repaired IS NOT NULL {only}"
            " GROUP BY r.repaired",
            values,
        )
    return ExperimentCounts(
        by_label=tuple(LabelCount(*[*row, found[row]]) for row in sorted(found, key=_with_nulls)),
        repairs=repairs_of(repaired),
    )


def _with_nulls(row: Sequence[str | None]) -> list[tuple[bool, str]]:
    """What sorts rows as SQLite does: NULL comes first."""
    return [(value is not None, value or "") for value in row]


def repairs_of(repaired: Iterable[Sequence[Any]]) -> dict[str, int]:
    """How many results needed each repair; one may have needed several."""
    repairs: dict[str, int] = {}
    for names, n in repaired:
        for name in names.split(", "):
            repairs[name] = repairs.get(name, 0) + n
    return dict(sorted(repairs.items()))
