"""Which narratives a repetition covers: a sample of those of the experiment that it repeats."""

from array import array
from collections.abc import Collection, Sequence
from typing import Any

from overnight.domain.experiment import Experiment
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.experiments import COLUMNS, create_experiment, experiment_of

_ADD = "INSERT INTO members (experiment_key, narrative_id) VALUES (?, ?)"


def repetitions_of(connection: Connection, experiment: Experiment) -> list[Experiment]:
    """The repetitions of an experiment, in their order."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM experiments WHERE repeat_of = :id ORDER BY repeat_no",
        {"id": experiment.experiment_id},
    )
    return [experiment_of(row) for row in rows]


def repeats(database: Database, experiment: Experiment) -> list[Experiment]:
    """Like `repetitions_of`, in a transaction of its own."""
    with database.read() as connection:
        return repetitions_of(connection, experiment)


def sampled_from(database: Database, experiment: Experiment) -> int | None:
    """Like `drawn_from`, in a transaction of its own."""
    with database.read() as connection:
        return drawn_from(connection, experiment)


def drawn_from(connection: Connection, experiment: Experiment) -> int | None:
    """Of how many narratives the sample of its repetitions is; None: of all that it asks.

    Fewer where it was a pilot then and has grown since. (In a random order the narratives of a
    pilot are themselves a random sample, and so is a sample of them.)
    """
    if experiment.order is not None:
        return None
    limit = connection.value(
        "SELECT min(max_narratives) FROM experiments WHERE repeat_of = :id",
        {"id": experiment.experiment_id},
    )
    return None if limit is None or limit >= experiment.n_total else int(limit)


def add_repetition(
    connection: Connection,
    experiment: Experiment,
    values: dict[str, Any],
    sample: Collection[int] | Experiment,
) -> int:
    """Make a repetition of a completed experiment, a row with these columns; its key.

    `sample` are positions among its results, from 0, or another repetition with the same sample.
    """
    if isinstance(sample, Experiment):
        key = create_experiment(connection, {**values, "n_narratives_total": sample.n_total})
        connection.execute(
            "INSERT INTO members (experiment_key, narrative_id)"
            " SELECT ?, narrative_id FROM members WHERE experiment_key = ?",
            (key, sample.experiment_key),
        )
        return key
    key = create_experiment(connection, {**values, "n_narratives_total": len(sample)})
    found = connection.execute(
        "SELECT narrative_id FROM results WHERE experiment_key = ? ORDER BY narrative_id",
        (experiment.experiment_key,),
    )
    chosen = [(key, narrative_id) for i, (narrative_id,) in enumerate(found) if i in sample]
    connection.executemany(_ADD, chosen)
    return key


def waiting_members(connection: Connection, experiment_key: int) -> Sequence[int]:
    """The ids of a repetition's narratives that have no result yet; 8 bytes each."""
    rows = connection.execute(
        "SELECT m.narrative_id FROM members m WHERE m.experiment_key = :key AND NOT EXISTS"
        " (SELECT 1 FROM results r WHERE r.experiment_key = m.experiment_key"
        " AND r.narrative_id = m.narrative_id) ORDER BY m.narrative_id",
        {"key": experiment_key},
    )
    return array("q", (narrative_id for (narrative_id,) in rows))
