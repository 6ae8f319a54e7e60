"""Experiments in the database; `transition` is the one way to change a status."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from overnight.domain.experiment import TRANSITIONS, Counts, Event, Experiment, Status
from overnight.domain.order import RandomOrder
from overnight.errors import RefusedError, UnknownExperiment
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.datasets import refuse_unless_loaded
from overnight.store.texts import storable, storable_text
from overnight.store.times import as_text, from_text

_SAME_BEGINNING = 2  # characters of an id that was mistyped further on
_LIKE = 0.7  # of 0..1: no two ids are so much alike by chance
_N_NARRATIVES = "(SELECT n_narratives FROM datasets d WHERE d.dataset_id = experiments.dataset_id)"
# A row that somebody wrote by hand may lack the total: then it is what it would have been.
_TOTAL = (
    f"coalesce(n_narratives_total, min(coalesce(max_narratives, {_N_NARRATIVES}), {_N_NARRATIVES}))"
)
COLUMNS = (
    "experiment_key, experiment_id, experiment_name, status, status_reason, dataset_id,"
    f" data_checksum, {_TOTAL}, config_json, config_file, binding_sha256, served_model,"
    " structured, created_at, reuse_of, coalesce(reused_rows, 0), repeat_of, repeat_no,"
    f" configuration_sha256, run_order, run_seed, {_N_NARRATIVES}"
)


def experiment_of(row: Sequence[Any]) -> Experiment:
    """The experiment of a row with these COLUMNS."""
    return Experiment(
        experiment_key=row[0],
        experiment_id=row[1],
        name=row[2],
        status=Status(row[3]),
        status_reason=row[4],
        dataset_id=row[5],
        data_checksum=row[6],
        n_total=row[7],
        stored_config=json.loads(row[8]),
        config_file=row[9],
        binding_sha256=row[10],
        served_model=row[11],
        structured=row[12],
        created_at=from_text(row[13]),
        reuse_of=row[14],
        reused_rows=row[15],
        repeat_of=row[16],
        repeat_no=row[17],
        configuration_sha256=row[18],
        order=RandomOrder(row[20] or 0, row[21]) if row[19] == "random" else None,
    )


def create_experiment(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert a row of `experiments` with these columns; its key.

    Raises RefusedError if its dataset has been deleted meanwhile.
    """
    refuse_unless_loaded(connection, values["dataset_id"])
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    statement = f"INSERT INTO experiments ({names}) VALUES ({marks}) RETURNING experiment_key"
    return int(connection.value(statement, dict(values)))


def find_experiment(database: Database, name: str) -> Experiment:
    """The experiment that the user means: an id, a unique beginning of one, or `latest`.

    The latest is the newest that repeats no other. Raises UnknownExperiment, naming what is near.
    """
    name = storable_text(name)
    if not name:  # the beginning of every id, as an unset variable of a script is
        raise UnknownExperiment("the id is empty; overnight list shows them all")
    with database.read() as connection:
        if name == "latest":
            where, values = "repeat_of IS NULL", {}
        else:
            where, values = "substr(experiment_id, 1, :n) = :id", {"id": name, "n": len(name)}
        rows = connection.rows(
            f"SELECT {COLUMNS} FROM experiments WHERE {where} ORDER BY experiment_key DESC LIMIT 4",
            values,
        )
        if rows and (name == "latest" or len(rows) == 1 or rows[0][1] == name):
            return experiment_of(rows[0])
        if rows:
            near = ", ".join(row[1] for row in rows)
            raise UnknownExperiment(f"{name!r} is the beginning of several ids: {near}")
        all_ids = connection.rows(
            "SELECT experiment_id, experiment_name FROM experiments ORDER BY experiment_key DESC"
        )
    if not all_ids:
        raise UnknownExperiment(
            f"there is no experiment in {database.path} yet; `overnight run CONFIG` starts one"
        )
    like = [row for row in all_ids if _is_like(name, *row)]
    nearest = sorted(like, key=lambda row: _likeness(name, *row), reverse=True)[:3]
    near = ", ".join(f"{id_} ({title})" for id_, title in nearest)
    told = f"the nearest: {near}" if near else "see: overnight list"
    raise UnknownExperiment(f"no experiment has the id {name!r}; {told}")


def _is_like(name: str, experiment_id: str, title: str) -> bool:
    """Whether it may have been meant: ids have letters in common by chance, beginnings do not."""
    typed = name.lower()
    if len(typed) >= _SAME_BEGINNING and experiment_id.startswith(typed[:_SAME_BEGINNING]):
        return True
    near = [title.lower()], [experiment_id[: len(typed)]]
    return any(difflib.get_close_matches(typed, one, cutoff=_LIKE) for one in near)


def _likeness(name: str, experiment_id: str, title: str) -> float:
    """How much what was typed looks like the beginning of an id, or like a name: 0..1."""
    return max(
        difflib.SequenceMatcher(None, experiment_id[: len(name)], name.lower()).ratio(),
        difflib.SequenceMatcher(None, title.lower(), name.lower()).ratio(),
    )


def get_experiment(database: Database, experiment_key: int) -> Experiment:
    """The experiment with this key."""
    with database.read() as connection:
        row = connection.row(
            f"SELECT {COLUMNS} FROM experiments WHERE experiment_key = :key",
            {"key": experiment_key},
        )
    return experiment_of(row)


def list_experiments(
    database: Database, statuses: Sequence[str] = (), *, limit: int = -1
) -> list[Experiment]:
    """Experiments, newest first; only those with one of `statuses` where any is given."""
    where = "WHERE status IN (SELECT value FROM json_each(:statuses))" if statuses else ""
    query = f"SELECT {COLUMNS} FROM experiments {where} ORDER BY experiment_key DESC LIMIT :limit"
    values = {"limit": limit, "statuses": json.dumps(list(statuses))}
    with database.read() as connection:
        return [experiment_of(row) for row in connection.execute(query, values)]


def same_work(connection: Connection, dataset_id: int, binding: str) -> list[Experiment]:
    """Experiments over this dataset with these binding fields, newest first; no repetitions."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM experiments WHERE dataset_id = :dataset"
        " AND binding_sha256 = :binding AND repeat_of IS NULL ORDER BY experiment_key DESC",
        {"dataset": dataset_id, "binding": binding},
    )
    return [experiment_of(row) for row in rows]


def namesakes(connection: Connection, name: str, config_file: str | None) -> list[Experiment]:
    """Experiments of this name or from this configuration file, newest first; no repetitions."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM experiments WHERE repeat_of IS NULL"
        " AND (experiment_name = :name OR (config_file IS NOT NULL AND config_file = :file))"
        " ORDER BY experiment_key DESC",
        {"name": name, "file": config_file},
    )
    return [experiment_of(row) for row in rows]


def transition(
    connection: Connection, experiment_key: int, event: Event, *, reason: str | None = None
) -> Status:
    """Change the status as the table of the domain says, by compare-and-set; the new status.

    Raises RefusedError where the table knows no way.
    """
    before = Status(
        connection.value(
            "SELECT status FROM experiments WHERE experiment_key = :key",
            {"key": experiment_key},
        )
    )
    after = TRANSITIONS.get((before, event))
    if after is None:
        raise RefusedError(f"this experiment is {before}: {event} is not possible")
    changed = connection.execute(
        "UPDATE experiments SET status = :after, status_reason = :reason"
        " WHERE experiment_key = :key AND status = :before",
        {"after": after, "reason": storable(reason), "key": experiment_key, "before": before},
    ).rowcount
    if changed != 1:
        raise RefusedError(f"this experiment is no longer {before}: try again")
    return after


def update_experiment(
    connection: Connection, experiment_key: int, values: Mapping[str, Any]
) -> None:
    """Set columns of `experiments` (never `status`: see `transition`)."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(
        f"UPDATE experiments SET {assignments} WHERE experiment_key = :experiment_key",
        {**{name: storable(v) for name, v in values.items()}, "experiment_key": experiment_key},
    )


def record_progress(
    connection: Connection, experiment_key: int, *, completed: int, now: float, eta: float | None
) -> None:
    """What a watching script reads: how many have a result, when that was so, and the ETA."""
    update_experiment(
        connection,
        experiment_key,
        {
            "n_narratives_completed": completed,
            "last_progress_update": as_text(now),
            "estimated_completion_time": None if eta is None else as_text(eta),
        },
    )


def counts(database: Database, experiment: Experiment) -> Counts:
    """Where the experiment stands, counted on the indexes."""
    with database.read() as connection:
        return counts_in(connection, experiment.experiment_key, experiment.n_total)


def counts_in(connection: Connection, experiment_key: int, n_total: int) -> Counts:
    """Like `counts`, inside a transaction."""
    row = connection.row(
        "SELECT (SELECT count(*) FROM results WHERE experiment_key = :key),"
        " (SELECT count(*) FROM results WHERE experiment_key = :key"
        " AND error_category IS NOT NULL),"
        " (SELECT count(*) FROM results WHERE experiment_key = :key AND copied IS NOT NULL)",
        {"key": experiment_key},
    )
    return Counts(total=n_total, answered=row[0] - row[1], errors=row[1], copied=row[2])


def fix_peer(
    connection: Connection, experiment_key: int, served_model: str | None, structured: str | None
) -> None:
    """Keep which model answers and how its answers are asked for; the first that is known."""
    connection.execute(
        "UPDATE experiments SET served_model = coalesce(served_model, :model),"
        " structured = coalesce(structured, :structured) WHERE experiment_key = :key",
        {"model": storable(served_model), "structured": structured, "key": experiment_key},
    )
