"""Columns of the data file that stand beside its narratives: put there when they are asked for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from overnight.config.models import DataSection
from overnight.domain.narrative import SourceNarrative
from overnight.errors import DataError
from overnight.ingest.load import Census, nothing_usable, take_census
from overnight.ingest.source import Source, open_source
from overnight.store.database import Database
from overnight.store.datasets import Dataset, stored_narratives
from overnight.store.kept import Value, Values, absent_values, keep_more, values_of
from overnight.store.parts import kept_column

_CHUNK = 500  # narratives that are looked up at once
_SHOWN = 5  # values, in a message ...
_LONGEST = 40  # ... and characters of one
_COUNTED = 1000  # values that are counted without a database: a column may hold a text each


def missing_columns(dataset: Dataset, data: DataSection) -> list[str]:
    """The columns that a configuration keeps and that have not been read yet."""
    return [name for name in data.kept if kept_column(dataset.kept, name) is None]


def keep_columns(
    database: Database, dataset: Dataset, data: DataSection, checksum: str
) -> tuple[Dataset, tuple[str, ...]]:
    """Read what is missing of the kept columns from the file with this checksum.

    The dataset as it is then, and the columns that were added. No narrative changes. Raises
    UnknownColumn, or DataError where the file is no longer the one that was verified.
    """
    added: tuple[str, ...] = ()
    if missing_columns(dataset, data):
        with open_source(data, data.file) as source:
            if source.checksum != checksum:
                raise DataError(
                    f"{data.file}: the file was changed while it was being read; start again when "
                    "nothing writes to it"
                )
            added = tuple(name for name in source.kept if name not in dataset.kept)
            rows = _firsts(database, dataset, source, frozenset(added))
            dataset = keep_more(database, dataset, rows, added)
    refuse_empty_test_part(database, dataset, data)
    return dataset, added


def kept_notes(added: Sequence[str]) -> Iterator[str]:
    """What the user should know of columns that were added."""
    if added:
        yield f"kept beside the narratives from now on: {', '.join(added)}; no call is needed"


def _firsts(
    database: Database, dataset: Dataset, source: Source, added: frozenset[str]
) -> Iterator[tuple[int, SourceNarrative]]:
    """Each stored narrative's row number and row: of rows that share a key, the first counts."""
    seen = bytearray(dataset.n_narratives + 1)
    rows = (row for row in source.narratives() if isinstance(row, SourceNarrative))
    while chunk := list(islice(rows, _CHUNK)):
        keys = [(row.incident_id, row.narrative_type) for row in chunk]
        known = stored_narratives(database, dataset.dataset_id, keys)
        for row, key in zip(chunk, keys, strict=True):
            stored = known.get(key)
            if stored is not None and not seen[stored.row_num]:
                seen[stored.row_num] = 1
                kept = {name: text for name, text in (row.kept or {}).items() if name in added}
                yield stored.row_num, SourceNarrative(*key, row.text, kept=kept)


def refuse_empty_test_part(database: Database, dataset: Dataset, data: DataSection) -> None:
    """Raise DataError where no narrative has a value that is set apart: then it is misspelled."""
    rule = data.split.rule if data.split else None
    if rule is None or rule.column is None:
        return
    column = kept_column(dataset.kept, rule.column)
    if column is None:
        return
    absent = absent_values(database, dataset.dataset_id, column, rule.values)
    if absent:
        there = _shown(values_of(database, dataset.dataset_id, column, most=_SHOWN))
        raise DataError(f"data.split: no narrative has {column} = {absent[0]!r}; {there}")


def census_of(source: Source, data: DataSection) -> Census:
    """What loading a file would give; raises what that or `refuse_empty_test_part` would raise."""
    rule = data.split.rule if data.split else None
    column = rule.column and kept_column(source.kept, rule.column) if rule else None
    absent = dict.fromkeys(rule.values if rule and column else ())

    found: Counter[str | None] = Counter()

    def see(row: SourceNarrative) -> None:
        value = (row.kept or {}).get(column or "")
        absent.pop(value or "", None)
        if column and (value in found or len(found) <= _COUNTED):
            found[value] += 1

    census = take_census(source, see)
    if not census.n_usable:
        raise DataError(nothing_usable(data.file, census.n_texts))
    if absent:
        top = tuple(Value(value, n) for value, n in found.most_common(_SHOWN))
        there = _shown(Values(top, len(found) - len(top), census.n_usable))
        raise DataError(f"data.split: no narrative has {column} = {next(iter(absent))!r}; {there}")
    return census


def _shown(found: Values) -> str:
    """A few short values; what is long may be a narrative, and is not repeated."""
    known = [one for one in found.values if one.value is not None]
    if any(len(one.value or "") > _LONGEST for one in known):
        return "its values are long texts: is it the column that is meant?"
    if not known:
        return "it is blank everywhere"
    more = f", and {found.n_more:,} more" if found.n_more else ""
    return "there are " + ", ".join(f"{one.value!r} ({one.n:,})" for one in known) + more
