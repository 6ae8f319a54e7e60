"""Looking at a database that may be damaged, and changing nothing: plain reads, one by one."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight.domain.order import RandomOrder
from overnight.store.functions import add_functions
from overnight.store.parts import Part, covered, sampled
from overnight.store.queries import query
from overnight.store.snapshot import connected, stoppable

_MANY = 20  # faults are listed up to so many
_SAMPLE = 1000  # results whose sizes are measured
_ROW_BYTES = 400  # the rest of a result, its call and the indexes; measured: less


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose database it is."""

    application_id: int
    user_version: int
    n_objects: int


@dataclass(frozen=True, slots=True)
class State:
    """An experiment and its last session, as the rows have it. Times are the database's texts."""

    experiment_key: int
    experiment_id: str
    name: str
    status: str
    dataset_id: int
    n_total: int
    n_results: int
    n_open: int  # calls
    n_open_sessions: int
    api_url: str | None
    host: str | None
    pid: int | None
    started_at: str | None
    last_seen_at: str | None
    is_repetition: bool = False
    order: RandomOrder | None = None  # None: the order of the file

    @property
    def covers(self) -> Part:
        """The narratives that it asks."""
        if self.is_repetition:
            return sampled(self.experiment_key)
        return covered(self.order, self.n_total)

    @property
    def remaining(self) -> int:
        """Narratives without a result."""
        return self.n_total - self.n_results


@dataclass(frozen=True, slots=True)
class DatasetRows:
    """A dataset: what its row says, and what its rows are."""

    dataset_id: int
    data_source: str
    is_loaded: bool
    n_narratives: int | None
    n_left_out: int | None
    counted: int
    first_row: int | None
    last_row: int | None
    counted_left_out: int


@contextmanager
def looked_at(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, and leaves nothing beside the file.

    Where its journal is empty or not there, it is read as it is (see `stamp`). Otherwise the
    journal belongs to it, and is read in the usual way.
    """
    options = "mode=ro" if _has_journal(path) else "mode=ro&immutable=1"
    with connected(path, options) as connection:
        add_functions(connection)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        with stoppable(connection, lambda: None):
            yield connection


def stamp(path: Path) -> tuple[bool, int, int]:
    """Differs before and after if somebody wrote to what was read without regard for others."""
    if _has_journal(path):
        return True, 0, 0
    found = path.stat()
    return False, found.st_size, found.st_mtime_ns


def _has_journal(path: Path) -> bool:
    journal = path.with_name(f"{path.name}-wal")
    return journal.exists() and journal.stat().st_size > 0


def identity(connection: sqlite3.Connection) -> Identity:
    """Read from the header and the first page."""
    return Identity(
        application_id=_value(connection, "PRAGMA application_id"),
        user_version=_value(connection, "PRAGMA user_version"),
        n_objects=_value(connection, "SELECT count(*) FROM sqlite_master"),
    )


def faults(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's whole check finds, at most 20 faults; reads every page."""
    found = connection.execute(f"PRAGMA integrity_check({_MANY})").fetchall()
    return [" ".join(str(text).split()) for (text,) in found if text != "ok"]


def broken_references(connection: sqlite3.Connection) -> list[str]:
    """Rows that point to rows that are not there, counted by table."""
    found = connection.execute(
        'SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2'
    ).fetchall()
    return [f"{n:,} rows of {table} point to {parent} that are gone" for table, parent, n in found]


def states(connection: sqlite3.Connection) -> list[State]:
    """Every experiment, oldest first; counted on the indexes."""
    columns = connection.execute("SELECT name FROM pragma_table_info('experiments')").fetchall()
    order = "e.run_order" if ("run_order",) in columns else "'file'"  # an older database
    repeated = "e.repeat_of IS NOT NULL" if ("repeat_of",) in columns else "0"
    rows = connection.execute(
        "SELECT e.experiment_key, e.experiment_id, e.experiment_name, e.status, e.dataset_id,"
        " coalesce(e.n_narratives_total, 0),"
        " (SELECT count(*) FROM results r WHERE r.experiment_key = e.experiment_key),"
        " (SELECT count(*) FROM attempts a WHERE a.experiment_key = e.experiment_key"
        "   AND a.status <> 'answered' AND a.status = 'open'),"
        " (SELECT count(*) FROM run_sessions o WHERE o.experiment_key = e.experiment_key"
        "   AND o.ended_at IS NULL),"
        " coalesce(s.api_url, e.api_url), s.host, s.pid, s.started_at,"
        f" coalesce(s.last_seen_at, s.started_at), {repeated},"
        f" coalesce(e.run_seed, 0), coalesce(d.n_narratives, 1), {order}"
        " FROM experiments e LEFT JOIN datasets d ON d.dataset_id = e.dataset_id"
        " LEFT JOIN run_sessions s ON s.session_id ="
        "  (SELECT max(session_id) FROM run_sessions l WHERE l.experiment_key = e.experiment_key)"
        " ORDER BY e.experiment_key"
    )
    return [_state(*row) for row in rows]


def _state(*row: Any) -> State:  # noqa: ANN401 - a database row
    known, (seed, size, order) = row[:-3], row[-3:]
    return State(*(*known, RandomOrder(seed, size) if order == "random" else None))


def datasets(connection: sqlite3.Connection) -> list[DatasetRows]:
    """Every dataset, whole or not."""
    rows = connection.execute(query("dataset_rows"))
    return [
        DatasetRows(dataset_id, source, bool(is_loaded), *numbers)
        for dataset_id, source, is_loaded, *numbers in rows
    ]


def stray_labels(connection: sqlite3.Connection) -> int:
    """Narratives whose label is not the newest that people gave them."""
    if not _value(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'human_labels'"):
        return 0  # an older database
    return _value(
        connection,
        "SELECT count(*) FROM human_labels h JOIN narratives n ON n.narrative_id = h.narrative_id"
        " WHERE n.label IS NOT h.label AND h.label_id ="
        "  (SELECT max(l.label_id) FROM human_labels l WHERE l.narrative_id = h.narrative_id)",
    )


def remaining_rows(connection: sqlite3.Connection, state: State) -> int:
    """Narratives that an experiment covers and that have no result, counted as a run finds them."""
    part = state.covers
    return _value(
        connection,
        f"SELECT count(*) FROM narratives n WHERE n.dataset_id = :dataset AND {part.sql}"
        " AND NOT EXISTS (SELECT 1 FROM results r WHERE r.experiment_key = :experiment"
        " AND r.narrative_id = n.narrative_id)",
        {**part.values, "dataset": state.dataset_id, "experiment": state.experiment_key},
    )


def stray_results(connection: sqlite3.Connection, state: State) -> int:
    """Results of narratives that their experiment does not cover."""
    part = state.covers
    return _value(
        connection,
        "SELECT count(*) FROM results r LEFT JOIN narratives n ON n.narrative_id = r.narrative_id"
        " WHERE r.experiment_key = :experiment AND (n.narrative_id IS NULL"
        f" OR n.dataset_id <> :dataset OR NOT {part.sql})",
        {**part.values, "dataset": state.dataset_id, "experiment": state.experiment_key},
    )


def stray_attempts(connection: sqlite3.Connection) -> dict[int, int]:
    """Calls for narratives that are not in the experiment's dataset, by experiment key."""
    return dict(
        connection.execute(
            "SELECT a.experiment_key, count(*) FROM attempts a"
            " LEFT JOIN experiments e ON e.experiment_key = a.experiment_key"
            " LEFT JOIN narratives n ON n.narrative_id = a.narrative_id"
            " WHERE n.narrative_id IS NULL OR n.dataset_id IS NOT e.dataset_id GROUP BY 1"
        ).fetchall()
    )


def bytes_per_result(connection: sqlite3.Connection, experiment_key: int) -> float | None:
    """What a result and its exports take on disk, from the last ones; None if there is none."""
    texts = ("indicators", "rationale", "reasoning_steps", "output_json", "raw_response")
    size = " + ".join(f"coalesce(length(CAST({name} AS BLOB)), 0)" for name in texts)
    (mean,) = connection.execute(
        f"SELECT avg(size) FROM (SELECT {size} AS size FROM results WHERE experiment_key = ?"
        f" ORDER BY narrative_id DESC LIMIT {_SAMPLE})",
        (experiment_key,),
    ).fetchone()
    return None if mean is None else 2 * mean + _ROW_BYTES


def known_files(connection: sqlite3.Connection) -> dict[str, str]:
    """Paths that the rows name, and whether each is the `source` of data or an `export`."""
    sources = connection.execute("SELECT DISTINCT data_source FROM datasets").fetchall()
    exports = connection.execute(
        "SELECT csv_file FROM experiments UNION SELECT json_file FROM experiments"
    ).fetchall()
    return {
        **{str(path): "export" for (path,) in exports if path},
        **{str(path): "source" for (path,) in sources if path},
    }


def _value(
    connection: sqlite3.Connection, query: str, values: Mapping[str, object] | None = None
) -> int:
    return int(connection.execute(query, values or {}).fetchone()[0])
