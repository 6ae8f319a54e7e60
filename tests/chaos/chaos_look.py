"""What is on disk at one moment, as another program reads it."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chaos_study import Study

from overnight.session.state import METRIC_COLUMNS

ANSWER = "detected, confidence, indicators, rationale, output_json, error_occurred, error_category"
N_ANSWER = len(ANSWER.split(", "))
_RESULT = (
    f"SELECT incident_id, narrative_type, {ANSWER}, raw_response, error_message, attempt_count,"
    " processed_at, result_id FROM narrative_results"
)
_REMAINING = """
    SELECT count(*) FROM narratives n JOIN experiments e ON e.dataset_id = n.dataset_id
    WHERE n.row_num <= e.n_narratives_total AND NOT EXISTS (
        SELECT 1 FROM results r
        WHERE r.narrative_id = n.narrative_id AND r.experiment_key = e.experiment_key)"""
Key = tuple[str, str]


@dataclass(slots=True)
class Look:
    """The database, and the files beside it; empty where there are none yet."""

    version: int = 0
    results: dict[Key, tuple] = field(default_factory=dict)
    n_results: int = 0  # rows, where `results` has one for each narrative
    attempts: Counter[int] = field(default_factory=Counter)  # by case
    recorded: Counter[int] = field(default_factory=Counter)  # answered or failed, by case
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by narrative's id, category
    statuses: Counter[str] = field(default_factory=Counter)
    stale_open: int = 0  # open calls of sessions that are not the last one
    experiments: list[tuple[str, int]] = field(default_factory=list)  # status, total
    remaining: int = 0
    metrics: list[tuple] = field(default_factory=list)
    n_visible: int = 0  # narratives that others see
    n_datasets: int = 0  # complete ones
    n_sessions: int = 0
    problems: list[tuple] = field(default_factory=list)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # what tells versions apart


def look(study: Study) -> Look:
    """Read everything, in one transaction."""
    seen = Look(files=_files(study.folder))
    if not study.database.exists():
        return seen
    with _reader(study) as reader:
        reader.execute("BEGIN")
        seen.version = reader.execute("PRAGMA user_version").fetchone()[0]
        if seen.version:
            _read(reader, seen)
    return seen


@contextlib.contextmanager
def _reader(study: Study) -> Iterator[sqlite3.Connection]:
    """The database, or a copy where it was killed on its way into WAL.

    Then somebody who may write has to undo what was begun; that is left to the next command.
    """
    if study.database.with_name("overnight.db-journal").exists():
        with tempfile.TemporaryDirectory(dir=study.said.parent) as folder:
            for file in study.folder.glob("overnight.db*"):
                shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(Path(folder) / "overnight.db")) as reader:
                yield reader
        return
    uri = f"{study.database.as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as reader:
        yield reader


def _read(reader: sqlite3.Connection, seen: Look) -> None:
    def rows(sql: str) -> list[tuple]:
        return reader.execute(sql).fetchall()

    results = rows(_RESULT)
    seen.results = {row[:2]: row[2:] for row in results}
    seen.n_results = len(results)
    for case, status, category, n in rows(
        "SELECT incident_id, status, error_category, count(*) FROM narrative_attempts"
        " GROUP BY 1, 2, 3"
    ):
        seen.attempts[int(case)] += n
        seen.statuses[status] += n
        if status in ("answered", "failed"):
            seen.recorded[int(case)] += n
        if status == "failed":
            seen.failed[case, category] += n
    seen.stale_open = rows(
        "SELECT count(*) FROM attempts WHERE status = 'open'"
        " AND session_id < (SELECT max(session_id) FROM run_sessions)"
    )[0][0]
    seen.experiments = rows("SELECT status, n_narratives_total FROM experiments")
    seen.remaining = rows(_REMAINING)[0][0]
    seen.metrics = rows(f"SELECT {', '.join(METRIC_COLUMNS)} FROM experiments")
    seen.n_visible = rows("SELECT count(*) FROM source_narratives")[0][0]
    seen.n_datasets = rows("SELECT count(*) FROM datasets WHERE loaded_at IS NOT NULL")[0][0]
    seen.n_sessions = rows("SELECT count(*) FROM run_sessions")[0][0]
    seen.problems = [row for row in rows("PRAGMA integrity_check") if row != ("ok",)]
    seen.problems += rows("PRAGMA foreign_key_check")
    if seen.version == 1:
        return
    tokens = "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0)"
    told = rows(f"{tokens}, coalesce(sum(n_with_tokens), 0) FROM run_sessions")
    paid = rows(f"{tokens}, count(prompt_tokens + completion_tokens) FROM attempts")
    if told != paid:
        seen.problems.append(("tokens of sessions, of calls", *told, *paid))


def results_in(file: Path) -> dict[Key, tuple]:
    """The results of a backup, which nobody writes to; AssertionError if it is not sound."""
    uri = f"{file.as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
        assert reader.execute("PRAGMA foreign_key_check").fetchall() == [], file
        return {row[:2]: row[2:] for row in reader.execute(_RESULT)}


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            stat = path.lstat()
            found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_mtime_ns)
    return found
