"""Answers of another experiment, copied where the whole request is the same.

Who calls this has seen that the two configurations shape answers alike; here the texts are matched.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from overnight.domain.experiment import Experiment
from overnight.store.connection import Connection
from overnight.store.database import Database, Writer
from overnight.store.datasets import text_digest
from overnight.store.experiments import COLUMNS, experiment_of, fix_peer
from overnight.store.ledger import RESULT_COLUMNS
from overnight.store.parts import covered_by
from overnight.store.sessions import SignOfLife, fence
from overnight.store.times import as_text

_CHUNK = 5000  # narratives in one transaction
_PATIENCE = 30.0  # seconds that one waits for a locked database

# Whatever a result says, except whose it is, of its errors (there are none) and of its calls.
_OTHER = {
    "experiment_key",
    "narrative_id",
    "error_category",
    "error_message",
    "first_error_message",
    "attempt_count",
}
_SAME = tuple(name for name in RESULT_COLUMNS if name not in _OTHER)
_INSERT = f"""
    INSERT INTO results (experiment_key, narrative_id, attempt_count, copied, {", ".join(_SAME)})
    SELECT :experiment, n.narrative_id, 0, 1, {", ".join(f"r.{name}" for name in _SAME)}
    FROM narratives n
    {{source}}
    WHERE n.dataset_id = :dataset AND n.row_num > :after AND n.row_num <= :last AND {{covered}}
      AND r.error_category IS NULL
      AND NOT EXISTS (SELECT 1 FROM results o WHERE o.experiment_key = :experiment
                                                AND o.narrative_id = n.narrative_id)"""
# A narrative's own answer first: where texts repeat, each keeps the one that it was given.
BY_KEY = _INSERT.format(
    covered="{covered}",
    source="""
    CROSS JOIN narratives s ON s.dataset_id = :source_dataset AND s.incident_id = n.incident_id
      AND s.narrative_type = n.narrative_type AND s.text_sha256 = n.text_sha256
    CROSS JOIN results r ON r.experiment_key = :source AND r.narrative_id = s.narrative_id""",
)
BY_TEXT = _INSERT.format(
    covered="{covered}",
    source="""
    CROSS JOIN temp.answered_texts t ON t.text_sha256 = n.text_sha256
    CROSS JOIN results r ON r.result_id = t.result_id AND r.experiment_key = :source""",
)
_MAKE_TEXTS = (
    "CREATE TABLE temp.answered_texts (text_sha256 BLOB PRIMARY KEY, result_id INTEGER NOT NULL)"
    " WITHOUT ROWID"
)
FILL_TEXTS = """
    INSERT INTO temp.answered_texts
    SELECT s.text_sha256, min(r.result_id)
    FROM results r CROSS JOIN narratives s ON s.narrative_id = r.narrative_id
    WHERE r.experiment_key = ? AND r.error_category IS NULL
    GROUP BY s.text_sha256"""
_FAILED = (
    "SELECT n.text_sha256 FROM experiments e CROSS JOIN results r"
    " ON r.experiment_key = e.experiment_key AND r.error_category IS NOT NULL"
    " CROSS JOIN narratives n ON n.narrative_id = r.narrative_id WHERE e.experiment_id = :id"
)
_STILL_THERE = "SELECT 1 FROM experiments WHERE experiment_key = ? AND experiment_id = ?"
_NOTE = """
    UPDATE experiments
    SET reused_rows = ?, n_narratives_completed = coalesce(n_narratives_completed, 0) + ?,
        last_progress_update = ?
    WHERE experiment_key = ?"""


@dataclass(frozen=True, slots=True)
class Copying:
    """From where to where, and for which session."""

    source: Experiment
    target: Experiment
    session_id: int
    sign: Callable[[], SignOfLife]


def models_of(database: Database, experiment: Experiment) -> list[str]:
    """Which models answered in its sessions: several where somebody accepted another one."""
    with database.read() as connection:
        return connection.column(
            "SELECT DISTINCT served_model FROM run_sessions WHERE experiment_key = ?"
            " AND served_model IS NOT NULL ORDER BY 1",
            (experiment.experiment_key,),
        )


class FailedTexts:
    """Texts that ended as errors; told by the beginnings of their SHA-256, 8 bytes each."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        self._marks = array("q", sorted(map(self._mark, digests)))

    @staticmethod
    def _mark(sha256: bytes) -> int:
        return int.from_bytes(sha256[:8], "big", signed=True)

    def __contains__(self, narrative: object) -> bool:
        if not self._marks or not isinstance(narrative, str):
            return False
        mark = self._mark(text_digest(narrative))
        place = bisect_left(self._marks, mark)
        return self._marks[place : place + 1] == array("q", [mark])


def failed_texts(database: Database, experiment: Experiment) -> FailedTexts:
    """Those of the experiment whose answers are copied; none where nothing is."""
    if experiment.reuse_of is None:
        return FailedTexts(())
    with database.read() as connection:
        digests = connection.column(_FAILED, {"id": experiment.reuse_of})
        return FailedTexts(digests)


def copies_of(connection: Connection, experiment: Experiment) -> list[Experiment]:
    """The experiments that have copied answers of this one, or were begun to; newest first."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM experiments WHERE reuse_of = :id ORDER BY experiment_key DESC",
        {"id": experiment.experiment_id},
    )
    return [experiment_of(row) for row in rows]


def copy_answers(database: Database, copying: Copying) -> None:
    """Copy answers for narratives that have no result yet, a chunk in each transaction.

    Each chunk notes how far it came: after a crash the next session goes on from there, and what
    is there already is passed over. Errors are not copied. Memory stays flat: 40 bytes for each
    text are needed on the disk meanwhile. Raises SupersededError.
    """
    target = copying.target
    # In a random order each row may be covered: all are gone through, again after a crash.
    first, end = target.reused_rows, target.n_total
    if target.order is not None:
        first, end = 0, target.order.size
    with database.writer() as writer, answered_texts(writer, copying.source.experiment_key):
        for after in range(first, end, _CHUNK):
            last = min(after + _CHUNK, end)
            with writer.write(_PATIENCE) as connection:
                _copy_chunk(connection, copying, after, last)


@contextmanager
def answered_texts(writer: Writer, experiment_key: int) -> Iterator[Connection]:
    """A temporary table of the texts that an experiment has answered, with the first answer."""
    with writer.scratch() as connection:
        connection.execute(_MAKE_TEXTS)
        connection.execute(FILL_TEXTS, (experiment_key,))
        yield connection


def _copy_chunk(connection: Connection, copying: Copying, after: int, last: int) -> None:
    source, target, sign = copying.source, copying.target, copying.sign()
    fence(connection, copying.session_id, sign)
    there = (source.experiment_key, source.experiment_id)
    if connection.row_or_none(_STILL_THERE, there) is None:
        return  # purged meanwhile
    cover = covered_by(target)
    values = {
        **cover.values,
        "experiment": target.experiment_key,
        "dataset": target.dataset_id,
        "source": source.experiment_key,
        "source_dataset": source.dataset_id,
        "after": after,
        "last": last,
    }
    n = sum(
        connection.execute(insert.format(covered=cover.sql), values).rowcount
        for insert in (BY_KEY, BY_TEXT)
    )
    if n:  # from now on the same model must answer
        fix_peer(connection, target.experiment_key, source.served_model, source.structured)
    done = last if target.order is None else target.reused_rows
    if target.order is not None and last == target.order.size:
        done = target.n_total
    note = (done, n, as_text(sign.now), target.experiment_key)
    connection.execute(_NOTE, note)
