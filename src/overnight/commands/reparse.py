"""`reparse`: read stored replies again that nobody could read when they came. No calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from overnight.config.declared import declared_answer
from overnight.domain.answer import Answer, AnswerSpec, Unreadable
from overnight.domain.experiment import Experiment, Status
from overnight.events import Handler
from overnight.parse import read_answer
from overnight.session import hold, metric_columns
from overnight.store.database import Database
from overnight.store.experiments import find_experiment, update_experiment
from overnight.store.ledger import reread_result
from overnight.store.open import connected
from overnight.store.results import Unread, unread

_PAGE = 200  # narratives per transaction


@dataclass(frozen=True, slots=True)
class Reparsed:
    """How many unreadable results there were, and how many can be read now."""

    experiment: Experiment
    n_unreadable: int
    n_read: int


def reparse(name: str, *, db: Path | str | None = None, handler: Handler) -> Reparsed:
    """Read the replies of all parse_error results again, and update what can be read now.

    The status stays; of a completed experiment the metrics are computed anew. Raises
    ExperimentOwned while a process works on it.
    """
    with connected(db, writes=handler) as database:
        experiment = find_experiment(database, name)
        with hold(database, experiment):
            return _reparse(database, experiment)


def _reparse(database: Database, experiment: Experiment) -> Reparsed:
    spec, key = declared_answer(experiment.stored_config), experiment.experiment_key
    n_unreadable = n_read = 0
    for page in _pages(database, key):
        readable = [(item.narrative_id, read) for item in page if (read := _read(item, spec))]
        with database.write() as connection:
            for narrative_id, read in readable:
                reread_result(connection, key, narrative_id, read, spec)
        n_unreadable += len(page)
        n_read += len(readable)
    if n_read and experiment.status is Status.COMPLETED:
        columns = metric_columns(database, experiment, spec)
        with database.write() as connection:
            update_experiment(connection, key, columns)
    return Reparsed(experiment, n_unreadable, n_read)


def _pages(database: Database, key: int) -> Iterator[list[Unread]]:
    after = 0
    while True:
        with database.read() as connection:
            page = unread(connection, key, after=after, size=_PAGE)
        if not page:
            return
        yield page
        after = page[-1].narrative_id


def _read(item: Unread, spec: AnswerSpec) -> tuple[Answer, str] | None:
    """The first reply that can be read now: the one that would have been accepted."""
    for reply, cut in item.replies:
        answer = read_answer(reply, spec, cut=cut)
        if not isinstance(answer, Unreadable):
            return answer, reply
    return None
