"""Deleting experiments: in pieces, so that others can write in between.

An experiment is marked first and its own row goes last: whenever that is broken off, it is still
there to be named, cannot be resumed, and the next deletion finishes it.
"""

from sqlalchemy import Connection, delete, text

from overnight.domain.experiment import Event, Experiment
from overnight.store.database import Database
from overnight.store.datasets import empty_dataset
from overnight.store.experiments import transition
from overnight.store.schema import metadata

BEING_DELETED = "being deleted"
_CHUNK = 20_000  # ids of rows that are looked at in one transaction
_LARGE = {"attempts": "attempt_id", "results": "result_id"}  # table -> its key
# Looks at labels outlive their experiment, but not the labels: of those nothing is to be left,
# unless they live on in another version of the data.
_LOOKS_AT_NOTHING = (
    "DELETE FROM looks WHERE data_checksum NOT IN (SELECT data_checksum FROM datasets"
    " UNION SELECT source_checksum FROM human_labels WHERE source_checksum IS NOT NULL)"
)
_OF_R = ("duplicate_results", "orphan_results")  # where a database came from R and had such


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
    for table, row_id in _LARGE.items():
        _remove_rows(database, table, row_id, key)
    if n_narratives:
        empty_dataset(database, experiment.dataset_id)
    with database.remove() as connection:
        for table in _tables_of_r(connection):
            connection.execute(
                text(f"DELETE FROM {table} WHERE experiment_id = :id"),
                {"id": experiment.experiment_id},
            )
        for table in reversed(metadata.sorted_tables):
            if "experiment_key" in table.columns and table.name not in _LARGE:
                connection.execute(delete(table).where(table.c.experiment_key == key))
        if n_narratives:
            connection.execute(
                text("DELETE FROM datasets WHERE dataset_id = :id"), {"id": experiment.dataset_id}
            )
            connection.exec_driver_sql(_LOOKS_AT_NOTHING)
    return n_narratives


def _is_loaded(connection: Connection, experiment: Experiment) -> bool:
    found = connection.execute(
        text("SELECT 1 FROM datasets WHERE dataset_id = :id AND loaded_at IS NOT NULL"),
        {"id": experiment.dataset_id},
    ).first()
    return found is not None


def is_used_by_others(connection: Connection, experiment: Experiment) -> bool:
    """Whether another experiment is over the same narratives."""
    found = connection.execute(
        text("SELECT 1 FROM experiments WHERE dataset_id = :id AND experiment_key <> :key LIMIT 1"),
        {"id": experiment.dataset_id, "key": experiment.experiment_key},
    ).first()
    return found is not None


def _give_up(connection: Connection, experiment: Experiment) -> int:
    """Make the dataset of an experiment unusable, if nobody else uses it; how many narratives.

    Its checksum is changed: the same file can be loaded anew from now on.
    """
    if is_used_by_others(connection, experiment):
        return 0
    return int(
        connection.execute(
            text(
                "UPDATE datasets SET loaded_at = NULL, data_checksum = 'deleted-' || dataset_id"
                " WHERE dataset_id = :id RETURNING n_narratives"
            ),
            {"id": experiment.dataset_id},
        ).scalar_one()
    )


def _remove_rows(database: Database, table: str, row_id: str, key: int) -> None:
    """Delete an experiment's rows of a table, by ranges of ids: not every table has an index."""
    bounds = f"SELECT coalesce(min({row_id}), 0), coalesce(max({row_id}), -1) FROM {table}"
    with database.read() as connection:
        first, last = connection.execute(text(bounds)).one()
    for start in range(first, last + 1, _CHUNK):
        with database.remove() as connection:
            connection.execute(
                text(
                    f"DELETE FROM {table} WHERE {row_id} >= :start AND {row_id} < :end"
                    " AND +experiment_key = :key"
                ),
                {"start": start, "end": start + _CHUNK, "key": key},
            )


def _tables_of_r(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for name in found.scalars() if name in _OF_R]
