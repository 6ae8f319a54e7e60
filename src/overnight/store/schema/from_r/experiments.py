"""Experiments and their one session each, out of the rows of the R implementation."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from overnight.domain.experiment import Status
from overnight.store.connection import Connection
from overnight.store.experiments import create_experiment, update_experiment
from overnight.store.schema.from_r.datasets import NO_CHECKSUM, Finder
from overnight.store.schema.from_r.functions import as_utc
from overnight.store.schema.from_r.settings import rebuild
from overnight.store.schema.from_r.tables import ASIDE, Columns
from overnight.store.sessions import open_session
from overnight.store.times import from_text

MAKER = "R"  # in the place of our version
_TIMES = (
    "last_progress_update",
    "estimated_completion_time",
    "start_time",
    "end_time",
    "created_at",
)
# Aliases begin with `of_`: the old table's own columns may have any name.
_COUNTED = """
    SELECT e.*, d.n_narratives AS of_size, d.n_left_out AS of_left_out, d.data_checksum AS of_sum,
           (SELECT count(*) FROM results r WHERE r.experiment_key = e.experiment_key)
               AS of_results,
           (SELECT coalesce(max(n.row_num), 0) FROM results r
            JOIN narratives n ON n.narrative_id = r.narrative_id
            WHERE r.experiment_key = e.experiment_key) AS of_last,
           (SELECT max(processed_at) FROM results r WHERE r.experiment_key = e.experiment_key)
               AS of_last_result,
           (SELECT coalesce(sum(attempt_count), 0) FROM results r
            WHERE r.experiment_key = e.experiment_key) AS of_calls
    FROM experiments e JOIN datasets d ON d.dataset_id = e.dataset_id"""
_ENDINGS = {"completed": "finish", "failed": "fail", "cancelled": "cancel", "running": "crashed"}


@dataclass
class Told:
    """What the user should know of the experiments."""

    n: int = 0
    odd_statuses: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)  # key -> ids
    unusable: list[str] = field(default_factory=list)


def make_experiments(connection: Connection, columns: Columns, finder: Finder, now: str) -> Told:
    """A row for each experiment, the oldest first; the rest of it is settled by `settle`."""
    told = Told()
    known = [c.name for c in columns["experiments"] if not c.kept_as]
    for row in _old_rows(connection):
        times = {name: as_utc(row.get(name)) for name in _TIMES}
        status, reason = _status(row.get("status"))
        if reason is not None:
            told.odd_statuses[str(row["status"])] = told.odd_statuses.get(str(row["status"]), 0) + 1
        values = {
            **{name.lower(): row[name.lower()] for name in known},
            **times,
            "experiment_name": row.get("experiment_name") or "unnamed",
            "model_name": row.get("model_name") or "unknown",
            "model_provider": row.get("model_provider") or "openai",
            "status": status,
            "status_reason": reason,
            "created_at": times["created_at"] or times["start_time"] or now,
            "start_time": times["start_time"] or times["created_at"],
            "dataset_id": finder.dataset_of(row),
            "data_checksum": "",
            "config_json": "{}",
            "binding_sha256": "",
            "primary_type": "boolean",
        }
        create_experiment(connection, values)
        told.n += 1
    _copy_kept(connection, columns)
    return told


def _old_rows(connection: Connection) -> Iterator[dict[str, Any]]:
    """The old rows by lower-case column, the oldest first; those without an id are none."""
    found = connection.records(f'SELECT * FROM "{ASIDE["experiments"]}"')
    rows = [{str(name).lower(): value for name, value in row.items()} for row in found]

    def age(row: Mapping[str, Any]) -> str:
        return as_utc(row.get("created_at")) or as_utc(row.get("start_time")) or ""

    yield from sorted((row for row in rows if row["experiment_id"]), key=age)


def _status(word: object) -> tuple[str, str | None]:
    """A status of ours, and what it was called if it is none."""
    if word in list(Status):
        return str(word), None
    return str(Status.FAILED), f"its old status: {word or 'none'}"


def _copy_kept(connection: Connection, columns: Columns) -> None:
    """The columns that only the old table has."""
    aside = f'"{ASIDE["experiments"]}"'
    for column in columns["experiments"]:
        if column.kept_as:
            connection.execute(
                f'UPDATE experiments SET "{column.kept_as}" = (SELECT o."{column.name}"'
                f" FROM {aside} o WHERE o.experiment_id = experiments.experiment_id)"
            )


def settle(connection: Connection, told: Told) -> None:
    """What each experiment covers, the configuration it can be resumed with, and its session."""
    rows = connection.records(_COUNTED)
    for found in rows:
        row = {str(name): value for name, value in found.items()}
        total, status, reason = _covered(row)
        limit = total if total < row["of_size"] else None
        settings = rebuild(row, limit)
        short = str(row["experiment_id"])[:8]
        for key in settings.unknown:
            told.unknown.setdefault(key, []).append(short)
        if settings.unusable:
            told.unusable.append(f"{short}: {settings.unusable}")
        values = {
            "status_reason": reason,
            "n_narratives_total": total,
            "max_narratives": limit,
            "n_narratives_skipped": row["n_narratives_skipped"] or row["of_left_out"],
            "n_narratives_completed": row["of_results"],
            "n_narratives_processed": row["of_results"],
            "data_checksum": re.sub(rf"^{NO_CHECKSUM}-.*", NO_CHECKSUM, row["of_sum"]),
            "config_json": json.dumps(settings.stored, ensure_ascii=False),
            "binding_sha256": settings.binding,
            "configuration_sha256": settings.configuration,
        }
        update_experiment(connection, row["experiment_key"], values)
        connection.execute(
            "UPDATE experiments SET status = ? WHERE experiment_key = ?",
            (status, row["experiment_key"]),
        )
        open_session(connection, _session(row, status))


def _covered(row: Mapping[str, Any]) -> tuple[int, str, str | None]:
    """How many narratives an experiment covers, such that its results are of them; its status."""
    status, reason, n_results, last = (
        row[name] for name in ("status", "status_reason", "of_results", "of_last")
    )
    stored = row["n_narratives_total"]
    total = (
        min(stored, row["of_size"]) if isinstance(stored, int) and stored > 0 else row["of_size"]
    )
    if status != Status.COMPLETED:
        return max(total, last), status, reason
    if n_results == last:  # of the first so many, all
        short = f"was completed with {last:,} results of {total:,}" if last < total else None
        return last, status, short
    total = max(total, last)
    missing = f"{total - n_results:,} narratives have no result"
    return total, str(Status.FAILED), f"its old status: completed, but {missing}"


def _session(row: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The work that was done, as one session."""
    began = row["start_time"] or row["created_at"]
    ended = max(
        row["end_time"] or row["last_progress_update"] or "", row["of_last_result"] or "", began
    )
    return {
        "experiment_key": row["experiment_key"],
        "experiment_id": row["experiment_id"],
        "kind": "start",
        "host": row["hostname"] or "unknown",
        "pid": 0,
        "started_at": began,
        "last_seen_at": ended,
        "ended_at": ended,
        "ended_how": _ENDINGS[status],
        "n_calls": row["of_calls"],
        "n_results": row["of_results"],
        "api_url": row["api_url"],
        "runtime_sec": _runtime(row, began, ended),
        "stood_still_sec": 0.0,
        "overnight_version": MAKER,
    }


def _runtime(row: Mapping[str, Any], began: str, ended: str) -> float:
    """Seconds of work: as stored, else from the first to the last sign of it."""
    stored = row["total_runtime_sec"]
    if isinstance(stored, int | float) and stored > 0:
        return float(stored)
    return round((from_text(ended) - from_text(began)).total_seconds(), 3)
