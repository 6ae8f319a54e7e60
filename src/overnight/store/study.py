"""A study: an experiment in an open database, as commands are given it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from overnight.config.declared import declared_answer
from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Experiment
from overnight.events import Handler
from overnight.store.database import Database
from overnight.store.datasets import Dataset, get_dataset
from overnight.store.experiments import find_experiment
from overnight.store.open import connected


@dataclass(frozen=True)
class Study:
    """An experiment in an open database. Whoever has one opens and looks for nothing again."""

    database: Database
    experiment: Experiment

    @cached_property
    def spec(self) -> AnswerSpec:
        """The answer that the experiment asks for."""
        return declared_answer(self.experiment.stored_config)

    @property
    def dataset(self) -> Dataset:
        """What its narratives were loaded from, as it is now."""
        return get_dataset(self.database, self.experiment.dataset_id)

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns of the data file that stand beside its narratives."""
        return self.dataset.kept

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read meanwhile is of one moment: figures that must agree are read so.

        For as long as a command reckons; not while somebody looks at what it shows.
        """
        with self.database.snapshot():
            yield


def find_study(database: Database, name: str) -> Study:
    """The experiment that is meant: an id, the beginning of one, or `latest`."""
    return Study(database, find_experiment(database, name))


@contextmanager
def open_study(
    name: str,
    db: Path | str | None = None,
    config_file: Path | None = None,
    *,
    writes: Handler | None = None,
) -> Iterator[Study]:
    """The experiment that is meant, in its database (see `connect`), for as long as it is used.

    Once for each command, by its outermost function.
    """
    with connected(db, config_file, writes=writes) as database:
        yield find_study(database, name)
