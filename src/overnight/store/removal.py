"""Deleting experiments and datasets: in pieces, so that others can write in between.

An experiment is marked first and its own row goes last: whenever that is broken off, it is still
there to be named, cannot be resumed, and the next deletion finishes it.
"""

from dataclasses import dataclass

from overnight.domain.experiment import Event, Experiment
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.experiments import transition
from overnight.store.queries import query

BEING_DELETED = "being deleted"
_CHUNK = 20_000  # ids of rows that are looked at in one transaction
_PIECE = 5000  # rows of a dataset that are deleted in one
LARGE = {"attempts": "attempt_id", "results": "result_id"}  # table -> its key
OF_EXPERIMENT = (
    "limits",
    "pauses",
    "members",
    "run_sessions",
    "experiments",
)  # the others, likewise
_OF_DATASET = {  # those that point to others first -> their keys
    "human_labels": "label_id",
    "sample_members": "member_id",
    "samples": "sample_id",
    "narratives": "narrative_id",
    "left_out_rows": "left_out_id",
}
# Looks at labels outlive their experiment, but not the labels: of those nothing is to be left,
# unless they live on in another version of the data.
_LOOKS_AT_NOTHING = (
    "DELETE FROM looks WHERE data_checksum NOT IN (SELECT data_checksum FROM datasets"
    " UNION SELECT source_checksum FROM human_labels WHERE source_checksum IS NOT NULL)"
)
# The same file can be loaded anew from now on.
_GIVE_UP = (
    "UPDATE datasets SET loaded_at = NULL, data_checksum = 'deleted-' || dataset_id"
    " WHERE dataset_id = :id"
)
_WITHOUT_EXPERIMENT = (
    "SELECT dataset_id FROM datasets WHERE dataset_id NOT IN (SELECT dataset_id FROM experiments)"
)
_OF_R = ("duplicate_results", "orphan_results")  # where a database came from R and had such


@dataclass(frozen=True, slots=True)
class UnusedDataset:
    """Narratives that no experiment is about."""

    dataset_id: int
    data_source: str  # the file they were loaded from
    n_narratives: int
    n_labelled: int  # of them, by people
    n_looks: int  # at their labels
    is_complete: bool  # not left behind by a loader that died


def remove_experiment(database: Database, experiment: Experiment, *, with_data: bool) -> int:
    """Delete an experiment with all its rows; for the holder of its lock.

    `with_data` also deletes its narratives, if no other experiment uses them; how many those
    were.
    """
    key = experiment.experiment_key
    with database.write() as connection:
        transition(connection, key, Event.DELETE, reason=BEING_DELETED)
        with_data = with_data or not _is_loaded(connection, experiment)  # broken off meanwhile
        n_narratives = _give_up(connection, experiment) if with_data else 0
    for table, row_id in LARGE.items():
        _remove_rows(database, table, row_id, key)
    if n_narratives:
        empty_dataset(database, experiment.dataset_id)
    with database.remove() as connection:
        for table in _tables_of_r(connection):
            connection.execute(
                f"DELETE FROM {table} WHERE experiment_id = :id",
                {"id": experiment.experiment_id},
            )
        for table in OF_EXPERIMENT:
            connection.execute(f"DELETE FROM {table} WHERE experiment_key = ?", (key,))
        if n_narratives:
            connection.execute(
                "DELETE FROM datasets WHERE dataset_id = :id", {"id": experiment.dataset_id}
            )
            connection.execute(_LOOKS_AT_NOTHING)
    return n_narratives


def _is_loaded(connection: Connection, experiment: Experiment) -> bool:
    found = connection.row_or_none(
        "SELECT 1 FROM datasets WHERE dataset_id = :id AND loaded_at IS NOT NULL",
        {"id": experiment.dataset_id},
    )
    return found is not None


def is_used_by_others(connection: Connection, experiment: Experiment) -> bool:
    """Whether another experiment is over the same narratives."""
    found = connection.row_or_none(
        "SELECT 1 FROM experiments WHERE dataset_id = :id AND experiment_key <> :key LIMIT 1",
        {"id": experiment.dataset_id, "key": experiment.experiment_key},
    )
    return found is not None


def _give_up(connection: Connection, experiment: Experiment) -> int:
    """Make the dataset of an experiment unusable, if nobody else uses it; how many narratives."""
    if is_used_by_others(connection, experiment):
        return 0
    return int(
        connection.value(f"{_GIVE_UP} RETURNING n_narratives", {"id": experiment.dataset_id})
    )


def unused_datasets(database: Database) -> list[UnusedDataset]:
    """Those that no experiment uses: it was cleaned up, or none was begun with them."""
    with database.read() as connection:
        rows = connection.rows(query("unused_datasets"))
    return [UnusedDataset(*row) for row in rows]


def left_behind(database: Database) -> list[int]:
    """The ids of those that were never complete; for the holder of the loader's lock."""
    with database.read() as connection:
        return connection.column(f"{_WITHOUT_EXPERIMENT} AND loaded_at IS NULL")


def discard_dataset(database: Database, dataset_id: int) -> bool:
    """Delete a dataset, unless an experiment has begun to use it; whether it was.

    For the holder of the loader's lock: what is not complete is being loaded by nobody.
    """
    with database.write() as connection:
        given_up = connection.execute(
            f"{_GIVE_UP} AND dataset_id IN ({_WITHOUT_EXPERIMENT})", {"id": dataset_id}
        ).rowcount
    if given_up:
        drop_dataset(database, dataset_id)
    return bool(given_up)


def drop_dataset(database: Database, dataset_id: int) -> None:
    """Remove a dataset that is not (or no longer) complete."""
    empty_dataset(database, dataset_id)
    with database.remove() as connection:
        connection.execute(
            "DELETE FROM datasets WHERE dataset_id = :id AND loaded_at IS NULL",
            {"id": dataset_id},
        )
        connection.execute(_LOOKS_AT_NOTHING)


def empty_dataset(database: Database, dataset_id: int) -> None:
    """Remove the rows of a dataset that is not (or no longer) complete: nothing points to them."""
    for table, key in _OF_DATASET.items():
        n_deleted = _PIECE
        while n_deleted == _PIECE:
            with database.remove() as connection:
                n_deleted = connection.execute(
                    f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table}"
                    f" WHERE dataset_id = :id LIMIT {_PIECE})",
                    {"id": dataset_id},
                ).rowcount


def _remove_rows(database: Database, table: str, row_id: str, key: int) -> None:
    """Delete an experiment's rows of a table, by ranges of ids: not every table has an index."""
    bounds = f"SELECT coalesce(min({row_id}), 0), coalesce(max({row_id}), -1) FROM {table}"
    with database.read() as connection:
        first, last = connection.row(bounds)
    for start in range(first, last + 1, _CHUNK):
        with database.remove() as connection:
            connection.execute(
                f"DELETE FROM {table} WHERE {row_id} >= :start AND {row_id} < :end"
                " AND +experiment_key = :key",
                {"start": start, "end": start + _CHUNK, "key": key},
            )


def _tables_of_r(connection: Connection) -> list[str]:
    found = connection.column("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for name in found if name in _OF_R]
