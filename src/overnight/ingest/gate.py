"""The gate for data: `run` and `resume` let a data file in here, and nowhere else.

One that holds the narratives that are stored is let in, also where it was only saved anew: then
its checksum is adopted. One that does not is refused, with what can be typed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from overnight.config.binding import mapping_json
from overnight.config.blame import naming_the_line
from overnight.config.load import Config
from overnight.config.models import DataSection
from overnight.domain.experiment import Experiment, Status
from overnight.errors import DataChanged, DataError, DataMissing, RefusedError
from overnight.events import Handler, Said
from overnight.ingest.changes import Changes, compare
from overnight.ingest.keep import keep_columns, kept_notes, missing_columns
from overnight.ingest.load import load_dataset
from overnight.ingest.source import checksum_of, open_source
from overnight.store.database import Database
from overnight.store.datasets import Dataset, find_dataset, get_dataset, left_out_counts
from overnight.store.experiments import namesakes

_CHECKSUM = "sha256:"  # how a checksum begins that can be compared with a file's


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset, the checksum of the file that holds it, and what the user should know."""

    dataset: Dataset
    checksum: str
    notes: tuple[str, ...] = ()


def data_to_run(
    database: Database,
    config: Config,
    *,
    new: bool,
    say: Handler,
    before_loading: Callable[[], None] = lambda: None,
) -> Data:
    """The dataset that a run of this configuration works on; loaded if it is not there yet.

    `before_loading` may refuse it: what nobody works on is not loaded.

    A file that was only saved anew is the dataset that an experiment of this name was started
    with, unless a `new` one is asked for. Raises DataChanged where the file has changed under
    an unfinished experiment: then nothing is loaded.
    """
    section = config.values.data
    if not new and not section.file.exists():
        _of_an_earlier_experiment(database, config)  # an unfinished one knows a way on
    with open_source(section, section.file) as source:
        data, mapping = None, mapping_json(section)
        if not new and find_dataset(database, source.checksum, mapping) is None:
            data = _of_an_earlier_experiment(database, config)
            if data is None:
                before_loading()
        if data is None:
            with naming_the_line(config):
                dataset = load_dataset(
                    database,
                    source,
                    mapping,
                    say=lambda message: say(Said(config.secrets.hide(message))),
                    shown=_shown(config),
                )
            _tell(database, dataset, config, say)
            data = Data(dataset, dataset.checksum)
    data = _with_kept(database, data, config, section)
    for note in data.notes:
        say(Said(note))
    return data


def data_to_resume(
    database: Database, experiment: Experiment, config: Config, *, use_stored: bool
) -> Data:
    """The data file, seen to hold what is stored, or (`use_stored`) the stored narratives alone.

    A file that has moved with its folder is found there. Raises DataChanged, naming what to type.
    """
    dataset, section = get_dataset(database, experiment.dataset_id), config.values.data
    if use_stored:
        return Data(dataset, experiment.data_checksum, tuple(_not_read(dataset, section)))
    notes: tuple[str, ...] = ()
    if (moved := _moved(database, config, _known(experiment, dataset))) is not None:
        notes = (f"{_shown(config)} is not there any more; {moved} is the same file, and is used",)
        section = section.model_copy(update={"file": moved})
    try:
        data = _verified(database, experiment, section, _shown(config))
    except DataChanged as changed:
        raise _not_resumed(changed, experiment.experiment_id[:8]) from None
    return _with_kept(database, replace(data, notes=(*notes, *data.notes)), config, section)


def _shown(config: Config) -> str:
    return config.secrets.hide(str(config.values.data.file))


def _known(experiment: Experiment, dataset: Dataset) -> tuple[str, str]:
    """The checksums of which it is known that they are of this data."""
    return experiment.data_checksum, dataset.checksum


def _verified(database: Database, experiment: Experiment, section: DataSection, shown: str) -> Data:
    """A file that still holds the narratives that an experiment was started with.

    `shown` is its name on the screen. Raises DataChanged, naming both checksums and what has
    changed, or DataMissing, naming one.
    """
    dataset = get_dataset(database, experiment.dataset_id)
    known = _known(experiment, dataset)
    if not section.file.exists():
        raise DataMissing(f"the data file {shown} is missing (stored {known[0]}, now: missing)")
    try:
        with open_source(section, section.file) as source:
            if source.checksum in known:
                return Data(dataset, source.checksum)
            changes = compare(database, dataset, source)
    except DataError as error:
        raise DataChanged(
            f"the data file {shown} has changed (stored {known[0]}) and cannot be read: {error}"
        ) from None
    if not changes.same_texts:
        raise DataChanged(
            f"the data file {shown} has changed: {changes} "
            f"(stored {known[0]}, now {source.checksum})"
        )
    return Data(dataset, source.checksum, tuple(_adoption(changes, shown, known)))


def _adoption(changes: Changes, shown: str, known: Sequence[str]) -> Iterator[str]:
    n = f"{changes.unchanged:,}"
    if any(checksum.startswith(_CHECKSUM) for checksum in known):
        yield f"{shown} was saved anew; its {n} narratives are the same"
    else:
        yield f"{shown} holds the {n} narratives that are stored; its checksum is kept from now on"
    if changes.relabelled:
        yield (
            f"{changes.relabelled:,} labels in {shown} differ from the stored ones, which this "
            "experiment keeps; for the new labels begin anew with: overnight run CONFIG --new"
        )


def _with_kept(database: Database, data: Data, config: Config, section: DataSection) -> Data:
    """The data with the columns that the configuration keeps, read from the verified file."""
    with naming_the_line(config):
        dataset, added = keep_columns(database, data.dataset, section, data.checksum)
    return replace(data, dataset=dataset, notes=(*data.notes, *kept_notes(added)))


def _of_an_earlier_experiment(database: Database, config: Config) -> Data | None:
    """The dataset of a namesake that the file still holds, though its bytes are others."""
    file = str(config.file.resolve()) if config.file else None
    with database.read() as connection:
        others = namesakes(connection, config.written("experiment", "name"), file)
    mapping, compared = mapping_json(config.values.data), set[int]()
    for other in others:
        dataset = get_dataset(database, other.dataset_id)
        if dataset.dataset_id in compared or dataset.mapping_json != mapping:
            continue
        compared.add(dataset.dataset_id)
        try:
            return _verified(database, other, config.values.data, _shown(config))
        except DataChanged as changed:
            if other.status is not Status.COMPLETED:
                raise _not_run(changed, other, config) from None
    return None


def _not_run(changed: DataChanged, other: Experiment, config: Config) -> DataChanged:
    short = other.experiment_id[:8]
    if isinstance(changed, DataMissing):
        return DataMissing(
            f"{changed}; {short} ({other.name}), which is not finished, was started with it\n"
            f"Put the file back, or correct data.file in {config.file}, then type the same command "
            "again\n"
            f"To go on without it: overnight resume {short} --use-stored-data"
        )
    return DataChanged(
        f"{changed}; {short} ({other.name}), which is not finished, was started with it as it was\n"
        f"To go on with the stored narratives: overnight resume {short} --use-stored-data\n"
        "To begin a new experiment that copies the answers to unchanged narratives and asks the "
        f"rest: overnight run {config.file} --reuse {short}\n"
        f"To begin one that asks all of them: overnight run {config.file} --new"
    )


def _not_resumed(changed: DataChanged, short: str) -> DataChanged:
    if isinstance(changed, DataMissing):
        return DataMissing(
            f"{changed}\n"
            f"Put the file back, then type the same command again; or correct data.file, and type: "
            f"overnight resume {short} --config CONFIG\n"
            f"To go on without it: overnight resume {short} --use-stored-data"
        )
    return DataChanged(
        f"{changed}\n"
        f"To go on with the stored narratives: overnight resume {short} --use-stored-data\n"
        "To go on with the same file in another place: name that in data.file, and type: "
        f"overnight resume {short} --config CONFIG\n"
        "To begin a new experiment that copies the answers to unchanged narratives and asks "
        f"the rest: overnight run CONFIG --reuse {short}\n"
        "To begin anew with another file: overnight run CONFIG --new"
    )


def _not_read(dataset: Dataset, section: DataSection) -> Iterator[str]:
    """What of the kept columns is not there. Raises RefusedError where the split needs it."""
    missing = missing_columns(dataset, section)
    if section.split and section.split.column in missing:
        raise RefusedError(
            f"data.split needs the column {section.split.column!r}, which is read from the data "
            "file: go on without --use-stored-data, or without data.split"
        )
    if missing:
        yield f"not kept, since the data file is not read: {', '.join(missing)}"


def _moved(database: Database, config: Config, known: Sequence[str]) -> Path | None:
    """The data file where its folder was moved with the database or the experiment file.

    Only if its bytes are those that are known; whatever else lies there is none of our business.
    """
    file = config.values.data.file
    if file.exists():
        return None
    folders = [database.path.resolve().parent]
    names = [Path(file.name)]
    if config.file is not None:
        folders.append(config.file.resolve().parent)
        if file.is_relative_to(config.file.parent):  # such as data/narratives.csv
            names.insert(0, file.relative_to(config.file.parent))
    for candidate in (folder / name for folder in folders for name in names):
        with suppress(DataError):
            if candidate.is_file() and checksum_of(candidate) in known:
                return candidate
    return None


def _tell(database: Database, dataset: Dataset, config: Config, say: Handler) -> None:
    """What the user should know of a dataset."""
    say(Said(f"{dataset.n_narratives:,} narratives in {_shown(config)}"))
    for reason, n in left_out_counts(database, dataset.dataset_id).items():
        say(Said(f"left out: {n:,} ({reason})", warning="different" in reason))
    primary = config.values.answer.primary_field
    if dataset.odd_labels and primary is not None and primary.type == "boolean":
        odd = ", ".join(f"{label!r} ({n:,})" for label, n in dataset.odd_labels.items())
        say(Said(f"labels that are neither yes nor no, kept as text: {odd}", warning=True))
