"""Which dataset a run is about: the file as it is, or what an earlier experiment has of it."""

from collections.abc import Callable
from dataclasses import dataclass

from overnight.config.binding import mapping_json
from overnight.config.blame import naming_the_line
from overnight.config.load import Config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import DataChanged, DataMissing
from overnight.events import Handler, Said
from overnight.ingest.changes import Verified, verify
from overnight.ingest.keep import keep_columns, kept_notes
from overnight.ingest.load import load_dataset
from overnight.ingest.source import open_source
from overnight.store.database import Database
from overnight.store.datasets import Dataset, find_dataset, get_dataset, left_out_counts
from overnight.store.experiments import namesakes


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset, and the checksum of the file that was seen to hold it."""

    dataset: Dataset
    checksum: str


def find_data(
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
    data = config.values.data
    shown = config.secrets.hide(str(data.file))
    if not new and not data.file.exists():
        _of_an_earlier_experiment(database, config, shown)  # an unfinished one knows a way on
    with open_source(data, data.file) as source:
        if not new and find_dataset(database, source.checksum, mapping_json(data)) is None:
            found = _of_an_earlier_experiment(database, config, shown)
            if found is not None:
                dataset, verified = found
                for note in verified.notes:
                    say(Said(note))
                return _with_kept(database, dataset, config, verified.checksum, say)
            before_loading()
        with naming_the_line(config):
            dataset = load_dataset(
                database,
                source,
                mapping_json(data),
                say=lambda message: say(Said(config.secrets.hide(message))),
                shown=shown,
            )
    _tell(database, dataset, config, shown, say)
    return _with_kept(database, dataset, config, dataset.checksum, say)


def _with_kept(
    database: Database, dataset: Dataset, config: Config, checksum: str, say: Handler
) -> Data:
    """The dataset, with the columns that the configuration keeps."""
    with naming_the_line(config):
        dataset, added = keep_columns(database, dataset, config.values.data, checksum)
    for note in kept_notes(added):
        say(Said(note))
    return Data(dataset, checksum)


def _of_an_earlier_experiment(
    database: Database, config: Config, shown: str
) -> tuple[Dataset, Verified] | None:
    """The dataset of a namesake that the file still holds, though its bytes are others."""
    file = str(config.file.resolve()) if config.file else None
    with database.read() as connection:
        others = namesakes(connection, config.written("experiment", "name"), file)
    compared: set[int] = set()
    for other in others:
        dataset = get_dataset(database, other.dataset_id)
        if dataset.mapping_json != mapping_json(config.values.data):
            continue
        if dataset.dataset_id in compared:
            continue
        compared.add(dataset.dataset_id)
        known = (other.data_checksum, dataset.checksum)
        try:
            return dataset, verify(database, dataset, config.values.data, known, shown)
        except DataChanged as changed:
            if other.status is not Status.COMPLETED:
                raise _refusal(changed, other, config) from None
    return None


def _refusal(changed: DataChanged, other: Experiment, config: Config) -> DataChanged:
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


def _tell(database: Database, dataset: Dataset, config: Config, shown: str, say: Handler) -> None:
    """What the user should know of a dataset."""
    say(Said(f"{dataset.n_narratives:,} narratives in {shown}"))
    for reason, n in left_out_counts(database, dataset.dataset_id).items():
        say(Said(f"left out: {n:,} ({reason})", warning="different" in reason))
    if dataset.odd_labels and _is_boolean(config):
        odd = ", ".join(f"{label!r} ({n:,})" for label, n in dataset.odd_labels.items())
        say(Said(f"labels that are neither yes nor no, kept as text: {odd}", warning=True))


def _is_boolean(config: Config) -> bool:
    primary = config.values.answer.primary_field
    return primary is not None and primary.type == "boolean"
