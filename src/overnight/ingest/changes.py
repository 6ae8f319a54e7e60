"""How a data file differs from a stored dataset: by the narratives, not only by the bytes."""

from dataclasses import dataclass
from itertools import islice

from overnight.domain.narrative import SourceNarrative, as_binary
from overnight.ingest.source import Source
from overnight.store.database import Database
from overnight.store.datasets import (
    FROM_R,
    Dataset,
    StoredNarrative,
    stored_narratives,
    text_digest,
)

_CHUNK = 500  # narratives that are looked up at once


@dataclass(frozen=True, slots=True)
class Changes:
    """How the narratives of a file differ from the stored ones, by key and text."""

    unchanged: int
    edited: int  # the same key with another text
    missing: int  # stored, but no longer in the file
    new: int
    relabelled: int  # of the unchanged ones

    @property
    def same_texts(self) -> bool:
        """Whether every narrative is there with its text, and no other."""
        return not (self.edited or self.missing or self.new)

    def __str__(self) -> str:
        return (
            f"{self.unchanged:,} narratives unchanged, {self.edited:,} edited, "
            f"{self.missing:,} missing, {self.new:,} new"
        )


def compare(database: Database, dataset: Dataset, source: Source) -> Changes:
    """Hold a file against a stored dataset; memory stays flat. The order of rows does not matter.

    Of rows that share a key the first counts, as in loading. R's readers took the blanks around
    a text away, and labels were stored as 0 and 1: there neither makes a difference.
    """
    from_r = dataset.layout == FROM_R
    seen = bytearray(dataset.n_narratives + 1)  # by row_num
    edited = new = relabelled = 0
    rows = (row for row in source.narratives() if isinstance(row, SourceNarrative))
    while chunk := list(islice(rows, _CHUNK)):
        keys = [(row.incident_id, row.narrative_type) for row in chunk]
        known = stored_narratives(database, dataset.dataset_id, keys)
        for row, key in zip(chunk, keys, strict=True):
            stored = known.get(key)
            if stored is None:
                new += 1
            elif not seen[stored.row_num]:
                seen[stored.row_num] = 1
                same = stored.text_sha256 == text_digest(row.text) or (
                    from_r and stored.text_sha256 == text_digest(row.text.strip())
                )
                edited += not same
                relabelled += same and not _same_labels(row, stored, from_r=from_r)
    n_seen = sum(seen)
    return Changes(n_seen - edited, edited, dataset.n_narratives - n_seen, new, relabelled)


def _same_labels(row: SourceNarrative, stored: StoredNarrative, *, from_r: bool) -> bool:
    now, before = (row.label, row.case_label), (stored.label, stored.case_label)
    return now == before or (from_r and [*map(as_binary, now)] == [*map(as_binary, before)])
