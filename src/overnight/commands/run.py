"""`run`: start an experiment, or go on with it: the same command after whatever happened."""

import socket
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from overnight.app import connected, folder_of, make_client
from overnight.commands.data import find_data
from overnight.commands.stint import RunResult, carry_out
from overnight.config import Config, load_config, restore_config
from overnight.config.binding import binding_digest, binding_fields, with_binding_of
from overnight.domain.experiment import Experiment, Status
from overnight.errors import AlreadyCompleted, ConfigError, RefusedError
from overnight.events import Handler, Said
from overnight.report.metrics import measure
from overnight.session import Opening
from overnight.store.database import Database
from overnight.store.datasets import Dataset
from overnight.store.experiments import (
    counts,
    create_experiment,
    get_experiment,
    namesakes,
    same_work,
)
from overnight.store.results import label_counts
from overnight.store.times import as_text
from overnight.work import StopRequest, signals


def run(
    config_file: Path | str,
    *,
    db: Path | str | None = None,
    new: bool = False,
    max_narratives: int | None = None,
    concurrency: int | None = None,
    backup: bool = True,
    handler: Handler,
    stop: StopRequest | None = None,
) -> RunResult:
    """Run the experiment of a file: a new one, or the unfinished one of the same work.

    Raises RefusedError where that would silently replace an unfinished experiment, DataChanged
    where the data file is not what that was started with.
    """
    stop = stop or StopRequest()
    with signals(stop):
        config = _overridden(load_config(config_file), max_narratives, concurrency)
        make_client(config, config.values.answer)  # what is wrong shows before anything is written
        with connected(db, Path(config_file), create=True, writes=handler) as database:
            data = find_data(database, config, new=new, say=handler)
            experiment, is_new = _choose(database, config, data.dataset, new=new, say=handler)
            if experiment.status is Status.COMPLETED:
                return _already_complete(database, experiment, config)
            if not is_new:
                handler(Said(f"going on with {experiment.experiment_id} ({experiment.name})"))
                config = _as_started(experiment, config)
            opening = Opening(config, loaded=data.checksum, backup=backup)
            try:
                return carry_out(database, experiment, opening, handler=handler, stop=stop)
            except AlreadyCompleted:  # by its owner, just now
                experiment = get_experiment(database, experiment.experiment_key)
                return _already_complete(database, experiment, config)


def _as_started(experiment: Experiment, config: Config) -> Config:
    """The settings of the file, with what shapes answers as the experiment has it."""
    stored = with_binding_of(experiment.stored_config, config.stored)
    return replace(restore_config(stored, config.base), file=config.file)


def _overridden(config: Config, max_narratives: int | None, concurrency: int | None) -> Config:
    """The configuration with what the command line says in place of the file's."""
    changes = {"max_narratives": max_narratives, "concurrency": concurrency}
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        return config
    stored = {**config.stored, "run": {**(config.stored.get("run") or {}), **given}}
    return replace(restore_config(stored, config.base), file=config.file)


def _choose(
    database: Database, config: Config, dataset: Dataset, *, new: bool, say: Handler
) -> tuple[Experiment, bool]:
    """The experiment to work on, and whether it was made just now; one transaction."""
    others: list[Experiment] = []
    binding = binding_digest(config.values)
    with database.write() as connection:
        if not new:
            same = same_work(connection, dataset.dataset_id, binding)
            unfinished = [e for e in same if e.status is not Status.COMPLETED]
            if same:
                return (unfinished or same)[0], False
            file = str(config.file.resolve()) if config.file else None
            others = namesakes(connection, config.values.experiment.name, file)
            for other in others:
                if _covers(other, config, dataset):
                    return other, False
                _refuse_to_replace(other, config, dataset)
        columns = _columns(config, dataset, binding)
        log_dir = folder_of(database, "logs/experiments", columns["experiment_id"])
        key = create_experiment(connection, {**columns, "log_dir": str(log_dir)})
    if others:
        say(Said(_told_apart(others[0], config, dataset)))
    return get_experiment(database, key), True


def _covers(other: Experiment, config: Config, dataset: Dataset) -> bool:
    """Whether `other` is the same work, grown beyond the limit that the file still says."""
    return _differences(other, config, dataset) == [
        "run.max_narratives"
    ] and other.n_total >= _covered(config, dataset)


def _covered(config: Config, dataset: Dataset) -> int:
    limit = config.values.run.max_narratives
    return min(dataset.n_narratives, limit or dataset.n_narratives)


def _told_apart(other: Experiment, config: Config, dataset: Dataset) -> str:
    """Why a new experiment begins although there is one of this name."""
    differing = ", ".join(_differences(other, config, dataset)) or "nothing but --new"
    return f"a new experiment: it differs from {other.experiment_id[:8]} in {differing}"


def _refuse_to_replace(other: Experiment, config: Config, dataset: Dataset) -> None:
    """Raise RefusedError if starting anew would silently drop what `other` has begun."""
    differing = _differences(other, config, dataset)
    is_pilot = differing == ["run.max_narratives"] and other.n_total < dataset.n_narratives
    if other.status is Status.COMPLETED and not is_pilot:
        return
    short = other.experiment_id[:8]
    state = "completed" if other.status is Status.COMPLETED else "not finished"
    grow, how = "", " as it was started"
    if is_pilot:
        wanted = config.values.run.max_narratives or dataset.n_narratives
        grow, how = f" --max-narratives {wanted}", ""
    raise RefusedError(
        f"{other.experiment_id} ({other.name}) is {state} and differs from this configuration in "
        f"{', '.join(differing)}. To go on with it{how}: overnight resume {short}{grow}. To begin "
        f"a new experiment: overnight run {config.file} --new"
    )


def _differences(other: Experiment, config: Config, dataset: Dataset) -> list[str]:
    """In which binding fields an experiment and a configuration over a dataset differ."""
    data = ["data"] if other.dataset_id != dataset.dataset_id else []
    return _differing(other, config) + data


def _differing(other: Experiment, config: Config) -> list[str]:
    """The binding fields of the configurations that differ, by name."""
    try:
        before = binding_fields(restore_config(other.stored_config, config.base).values)
    except ConfigError:  # a variable that it uses is not set any more
        return ["a variable of the environment"]
    after = binding_fields(config.values)
    names = [name for name in after if before[name] != after[name]]
    if not names and other.binding_sha256 != binding_digest(config.values):
        names = ["a variable of the environment"]  # it held something else at the start
    return names


def _columns(config: Config, dataset: Dataset, binding: str) -> dict[str, Any]:
    """The row of a new experiment."""
    values, now = config.values, as_text(time.time())
    limit = values.run.max_narratives
    primary = values.answer.primary_field
    stored = config.stored.get("prompt") or {}
    return {
        "experiment_id": str(uuid.uuid4()),
        "experiment_name": values.experiment.name,
        "status": Status.RUNNING,
        "model_name": values.model.name,
        "model_provider": values.model.provider,
        "temperature": values.model.temperature,
        "system_prompt": stored.get("system_prompt"),
        "user_template": stored.get("user_template"),
        "prompt_version": values.prompt.version,
        "prompt_author": values.prompt.author or values.experiment.author,
        "run_seed": values.run.seed,
        "data_file": config.secrets.hide(str(values.data.file)),
        "n_narratives_total": _covered(config, dataset),
        "n_narratives_skipped": dataset.n_left_out,
        "start_time": now,
        "created_at": now,
        "api_url": config.secrets.hide(values.model.api_url or "") or None,
        "hostname": socket.gethostname(),
        "notes": values.experiment.notes,
        "dataset_id": dataset.dataset_id,
        "data_checksum": dataset.checksum,
        "max_narratives": limit,
        "config_json": config.stored_json,
        "config_file": str(config.file.resolve()) if config.file else None,
        "binding_sha256": binding,
        "primary_type": primary.type if primary else None,
    }


def _already_complete(database: Database, experiment: Experiment, config: Config) -> RunResult:
    measured = measure(label_counts(database, experiment.experiment_key), config.values.answer)
    return RunResult(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        database=database.path,
        status=experiment.status,
        reason=None,
        counts=counts(database, experiment),
        metrics=measured,
        already_complete=True,
    )
