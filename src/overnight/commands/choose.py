"""Which experiment a configuration is about: one that is there, or a new one."""

import json

from overnight.config.binding import (
    WHICH,
    binding_digest,
    binding_fields,
    mapping_json,
)
from overnight.config.load import Config, restore_config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import ConfigError, RefusedError
from overnight.events import Handler, Said
from overnight.session.row import n_covered, new_row, stored_file
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.datasets import Dataset, get_dataset
from overnight.store.experiments import (
    create_experiment,
    find_experiment,
    get_experiment,
    namesakes,
    same_work,
)
from overnight.store.versions import shares_texts

_LIMIT = "run.max_narratives"


def choose_source(database: Database, config: Config, name: str) -> Experiment:
    """The experiment whose answers to the same requests are to be copied.

    Raises RefusedError where it asks otherwise: then no request is the same. Which narratives it
    covers, and in which order, does not matter.
    """
    source = find_experiment(database, name)
    if differing := [name for name in _differing(source, config) if name not in WHICH]:
        raise RefusedError(
            f"no answer of {source.experiment_id[:8]} ({source.name}) can be copied: its requests "
            f"differ from those of {config.file} in {', '.join(differing)}"
        )
    return source


def copied_from(source: Experiment, name: str, config: Config, dataset: Dataset) -> str:
    """The id of the experiment whose answers are to be copied.

    `latest`, typed again, is the very experiment that the command began; that one's is meant.
    """
    is_begun = (
        name == "latest"
        and source.dataset_id == dataset.dataset_id
        and source.binding_sha256 == binding_digest(config.values)
    )
    return (source.reuse_of if is_begun else None) or source.experiment_id


def choose_experiment(
    database: Database,
    config: Config,
    dataset: Dataset,
    *,
    new: bool,
    reuse_of: str | None = None,
    say: Handler,
) -> tuple[Experiment, bool]:
    """The experiment to work on, and whether it was made just now.

    With `reuse_of`, the id of an experiment, the one that was begun to copy its answers, or a new
    one. Raises RefusedError where a new one would silently replace an unfinished one.
    """
    if not new:
        with database.read() as connection:  # a stopped owner may be holding the right to write
            found = _existing(connection, config, dataset, reuse_of)
        if found is not None:
            return found, False
    with database.write() as connection:
        found = None if new else _existing(connection, config, dataset, reuse_of)
        if found is not None:  # made by another process just now
            return found, False
        others = (
            []
            if new or reuse_of
            else namesakes(connection, config.written("experiment", "name"), stored_file(config))
        )
        key = create_experiment(connection, new_row(database, config, dataset, reuse_of=reuse_of))
    if others:
        say(Said(_told_apart(others[0], config, dataset)))
    return get_experiment(database, key), True


def _existing(
    connection: Connection, config: Config, dataset: Dataset, reuse_of: str | None
) -> Experiment | None:
    """The experiment that does this work already, if there is one."""
    same = same_work(connection, dataset.dataset_id, binding_digest(config.values))
    if reuse_of is not None:
        same = [one for one in same if one.reuse_of == reuse_of]
    if same:
        unfinished = [e for e in same if e.status is not Status.COMPLETED]
        return (unfinished or same)[0]
    if reuse_of is not None:
        return None
    for other in namesakes(connection, config.written("experiment", "name"), stored_file(config)):
        if _covers(other, config, dataset):
            return other
        _refuse_to_replace(other, config, dataset)
        _refuse_to_pay_again(connection, other, config, dataset)
    return None


def _covers(other: Experiment, config: Config, dataset: Dataset) -> bool:
    """Whether `other` is the same work, grown beyond the limit that the file still says."""
    return _differences(other, config, dataset) == [_LIMIT] and other.n_total >= n_covered(
        config, dataset
    )


def _told_apart(other: Experiment, config: Config, dataset: Dataset) -> str:
    """Why a new experiment begins although there is one of this name."""
    differing, short = _differences(other, config, dataset), other.experiment_id[:8]
    told = ", ".join(differing) or "nothing but --new"
    return f"a new experiment: it differs from {short} in {told}, and asks all narratives"


def refuse_other_data(database: Database, config: Config) -> None:
    """Raise RefusedError if narratives that are not loaded yet would replace an unfinished work."""
    with database.read() as connection:
        others = namesakes(connection, config.written("experiment", "name"), stored_file(config))
    for other in others:
        if other.status is not Status.COMPLETED:
            read_as = _mapping_keys(get_dataset(database, other.dataset_id), config) or ["data"]
            raise _refusal(other, config, _differing(other, config) + read_as)


def _mapping_keys(dataset: Dataset, config: Config) -> list[str]:
    """In which keys of the data section a dataset was read otherwise than the file says."""
    before = json.loads(dataset.mapping_json)
    after = json.loads(mapping_json(config.values.data))
    names = sorted({*before, *after})
    return [f"data.{name}" for name in names if before.get(name) != after.get(name)]


def _refuse_to_replace(other: Experiment, config: Config, dataset: Dataset) -> None:
    """Raise RefusedError if starting anew would silently drop what `other` has begun."""
    differing = _differences(other, config, dataset)
    is_pilot = differing == [_LIMIT] and other.n_total < dataset.n_narratives
    if other.status is Status.COMPLETED and not is_pilot:
        return
    wanted = config.values.run.max_narratives or dataset.n_narratives
    raise _refusal(other, config, differing, grown=wanted if is_pilot else None)


def _refuse_to_pay_again(
    connection: Connection, other: Experiment, config: Config, dataset: Dataset
) -> None:
    """Raise RefusedError if what is completed has answers to the very requests of a new one."""
    differing = _differences(other, config, dataset)
    if (
        other.status is not Status.COMPLETED
        or other.repeat_of is not None
        or not _asks_the_same(differing)
        or not shares_texts(connection, other.dataset_id, dataset.dataset_id)
    ):
        return
    short = other.experiment_id[:8]
    raise RefusedError(
        f"{other.experiment_id} ({other.name}) is completed, and differs from this configuration "
        f"in nothing but {', '.join(differing)}: answers to unchanged narratives need not be asked "
        f"for again. To copy them, and ask for the rest: overnight run {config.file} "
        f"--reuse {short}. To ask for all again: overnight run {config.file} --new"
    )


def _refusal(
    other: Experiment, config: Config, differing: list[str], *, grown: int | None = None
) -> RefusedError:
    """`grown`: to how many narratives it could be, without a new experiment."""
    short = other.experiment_id[:8]
    state = "completed" if other.status is Status.COMPLETED else "not finished"
    grow, how = "", " as it was started"
    if grown is not None:
        grow, how = f" --max-narratives {grown}", ""
    copying = f" --reuse {short}" if _asks_the_same(differing) and grown is None else ""
    which = " that copies the answers to unchanged narratives" if copying else ""
    return RefusedError(
        f"{other.experiment_id} ({other.name}) is {state} and differs from this configuration in "
        f"{', '.join(differing)}. To go on with it{how}: overnight resume {short}{grow}. To begin "
        f"a new experiment{which}: overnight run {config.file}{copying or ' --new'}"
    )


def _differences(other: Experiment, config: Config, dataset: Dataset) -> list[str]:
    """In which binding fields an experiment and a configuration over a dataset differ."""
    data = ["data"] if other.dataset_id != dataset.dataset_id else []
    return _differing(other, config) + data


def _differing(other: Experiment, config: Config) -> list[str]:
    """The binding fields of the configurations that differ, by name."""
    try:
        restored = restore_config(other.stored_config, config.base).values
    except ConfigError:  # a variable that it uses is not set any more
        return ["a variable of the environment"]
    before, after = binding_fields(restored), binding_fields(config.values)
    names = [name for name in after if before[name] != after[name]]
    if set(names) <= {_LIMIT} and other.binding_sha256 != binding_digest(restored):
        names.append("a variable of the environment")  # it held something else at the start
    return names


def _asks_the_same(differing: list[str]) -> bool:
    """Whether the requests are the same for the same texts."""
    return all(name in WHICH or name.startswith("data") for name in differing)
