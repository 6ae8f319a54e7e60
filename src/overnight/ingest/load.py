"""A data file becomes a dataset in the database: once, whole, and with everything counted."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.errors import DataError, RefusedError
from overnight.ingest.source import LONGEST_LABEL, Source
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.datasets import Dataset, find_dataset
from overnight.store.loading import add_left_out, add_narratives, begin_dataset, finish_dataset
from overnight.store.removal import drop_dataset

_CHUNK = 2000
_LOADER_PATIENCE = 600.0  # seconds to wait for another process that is loading a file


def load_dataset(
    database: Database,
    source: Source,
    mapping_json: str,
    *,
    say: Callable[[str], None],
    shown: str = "",
) -> Dataset:
    """The dataset of this file's content under this mapping; loaded unless it is there already.

    `shown` is the file's name where it is kept and shown. `say` is told when there is something
    to wait for. Raises DataError where the file cannot be read or holds no usable narrative.
    """
    if known := find_dataset(database, source.checksum, mapping_json):
        return known
    with _LoaderLock(database, say):
        if known := find_dataset(database, source.checksum, mapping_json):
            return known  # somebody else has loaded it meanwhile
        dataset = _load(database, source, shown or str(source.path), mapping_json)
    for note in source.notes:
        say(note)
    return dataset


def _load(database: Database, source: Source, file: str, mapping_json: str) -> Dataset:
    dataset_id = begin_dataset(
        database, source.checksum, mapping_json, data_source=file, layout=source.layout
    )
    try:
        _copy(database, dataset_id, source.narratives(), file)
    except BaseException:  # also Ctrl-C: half a file is no dataset
        drop_dataset(database, dataset_id)
        raise
    return finish_dataset(database, dataset_id, source.odd_labels, time.time(), source.kept)


def _copy(
    database: Database, dataset_id: int, rows: Iterator[SourceNarrative | LeftOut], file: str
) -> None:
    """Write the rows, a chunk per transaction. Raises DataError if none is usable.

    While a thread writes one chunk, the next one is read.
    """
    n_usable = n_rows = 0
    with ThreadPoolExecutor(1, "overnight-loader") as writer:
        writing: Future[int] | None = None
        while chunk := list(itertools.islice(rows, _CHUNK)):
            n_rows += len(chunk)
            n_usable += writing.result() if writing else 0
            writing = writer.submit(_write, database, dataset_id, chunk, n_usable + 1)
        n_usable += writing.result() if writing else 0
    if n_usable == 0:
        raise DataError(nothing_usable(file, n_rows))


def nothing_usable(file: object, n_rows: int) -> str:
    """Why there is nothing to be asked about a file."""
    if not n_rows:
        return f"{file} has a header and no rows"
    return f"{file} holds no usable narrative: every text or id is empty"


def _write(
    database: Database,
    dataset_id: int,
    chunk: Sequence[SourceNarrative | LeftOut],
    next_row_num: int,
) -> int:
    """One chunk; how many narratives of it are usable."""
    usable = [row for row in chunk if isinstance(row, SourceNarrative)]
    left_out = [row for row in chunk if isinstance(row, LeftOut)]
    duplicates = add_narratives(database, dataset_id, usable, next_row_num) if usable else []
    left_out += [_duplicate(row, same_text=same) for _, row, same in duplicates]
    add_left_out(database, dataset_id, sorted(left_out, key=lambda row: row.source_row))
    return len(usable) - len(duplicates)


def _duplicate(row: SourceNarrative, *, same_text: bool) -> LeftOut:
    """Why a row is left out whose key an earlier one has; a different text is kept to be read."""
    return LeftOut(
        source_row=row.source_row,
        incident_id=row.incident_id,
        narrative_type=row.narrative_type,
        reason="duplicate key, same text" if same_text else "duplicate key, different text",
        text=None if same_text else row.text,
    )


@dataclass(frozen=True, slots=True)
class Census:
    """What loading a file would give."""

    n_usable: int
    n_bytes: int  # of the usable texts, in UTF-8
    n_labelled: int
    by_type: Mapping[str, int]
    left_out: Mapping[str, int]  # by reason
    odd_labels: Mapping[str, int]
    n_long_labels: int = 0  # of the labelled ones: too long to be one of a few answers

    @property
    def n_texts(self) -> int:
        """All that the file holds, usable or not."""
        return self.n_usable + sum(self.left_out.values())

    @property
    def n_duplicates(self) -> int:
        """Texts whose key occurs before."""
        return sum(n for why, n in self.left_out.items() if why.startswith("duplicate"))


def take_census(
    source: Source, see: Callable[[SourceNarrative], None] = lambda _row: None
) -> Census:
    """Count a file's rows without a database; memory grows by some 100 bytes per narrative.

    `see` is shown each usable narrative.
    """
    seen: dict[int, int] = {}  # hash of the key -> hash of the text
    by_type: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    n_bytes = n_labelled = n_long = 0
    for row in source.narratives():
        if isinstance(row, LeftOut):
            left_out[row.reason] += 1
            continue
        key, told = hash((row.incident_id, row.narrative_type)), hash(row.text)
        if key in seen:
            left_out[_duplicate(row, same_text=seen[key] == told).reason] += 1
            continue
        seen[key] = told
        see(row)
        by_type[row.narrative_type] += 1
        n_bytes += len(row.text.encode("utf-8", "surrogatepass"))
        n_labelled += row.label is not None
        n_long += len(row.label or "") > LONGEST_LABEL
    odd = source.odd_labels
    return Census(len(seen), n_bytes, n_labelled, by_type, left_out, odd, n_long)


class _LoaderLock:
    """One process at a time loads files into a database; the others wait and then find it there."""

    def __init__(self, database: Database, say: Callable[[str], None]) -> None:
        self._database, self._say = database, say

    def __enter__(self) -> None:
        deadline = time.monotonic() + _LOADER_PATIENCE
        told = False
        while not lock.acquire(self._database.path, lock.LOADING):
            if not told:
                self._say("another process is loading data into this database; waiting for it")
                told = True
            if time.monotonic() > deadline:
                raise RefusedError(
                    "another process has been loading data into this database for 10 minutes; "
                    "wait for it, or end it"
                )
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        lock.release(self._database.path, lock.LOADING)
