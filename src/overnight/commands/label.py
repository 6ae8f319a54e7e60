"""`label`: reads back what people have labelled; nothing is overwritten silently."""

import getpass
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overnight.commands.labelled import (
    ANOTHER,
    DISAGREE,
    NAMED,
    NOTHING,
    InTheWay,
    Labelled,
    listed,
    measure_anew,
    primary_to_label,
    quoted,
    told,
)
from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.labelling import NotAllowed, canonical
from overnight.errors import DataError, RefusedError
from overnight.events import Handler
from overnight.ingest.labels import Written, read_labels
from overnight.store.connection import Connection
from overnight.store.datasets import refuse_unless_loaded
from overnight.store.experiments import find_experiment
from overnight.store.labels import (
    Key,
    NewLabel,
    OnRecord,
    add_labels,
    bare_number,
    ids_with_zeros,
    labels_on_record,
)
from overnight.store.open import connected
from overnight.store.samples import labelled_members
from overnight.store.texts import storable_text
from overnight.store.times import as_text


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row that can be recorded: its narrative, and the label in its stored form."""

    written: Written
    key: Key
    on_record: OnRecord
    label: str


def label(
    name: str,
    file: Path,
    *,
    by: str | None = None,
    replace: bool = False,
    skip_invalid: bool = False,
    db: Path | str | None = None,
    handler: Handler,
) -> Labelled:
    """Record the labels of a sheet, all in one transaction, or none.

    Raises DataError naming the rows that cannot be recorded, unless they are to be skipped, and
    RefusedError where other labels are on record, unless these are to be replaced.
    """
    by = storable_text((by or "").strip() or _user())
    rows = read_labels(file)
    with connected(db, writes=handler) as database:
        experiment = find_experiment(database, name)
        primary = primary_to_label(experiment)
        filled = [row for row in rows if row.label is not None]
        with database.write() as connection:
            refuse_unless_loaded(connection, experiment.dataset_id, experiment.experiment_id)
            known = _known(connection, experiment.dataset_id, filled)
            invalid: list[InTheWay] = []
            wanted = _checked(filled, known, primary, invalid)
            problems = told(invalid)
            if invalid and not skip_invalid:
                heading = f"{file}: nothing was recorded"
                raise DataError(listed(heading, len(invalid), problems, _TO_SKIP))
            new = [one for one in wanted if not _is_same(primary, one)]
            replaced = [one for one in new if _has_label(primary, one)]
            if replaced and not replace:
                differing = told(_differing(replaced), first=NAMED)
                advice = (DISAGREE if skip_invalid else "") + _TO_WIN
                raise RefusedError(listed(NOTHING, len(replaced), differing, advice))
            now = as_text(time.time())
            add_labels(
                connection,
                experiment.dataset_id,
                [_new(one, by, now) for one in new],
                source_file=storable_text(file.name),
            )
        return Labelled(
            experiment=experiment,
            by=by,
            new=len(new),
            replaced=len(replaced),
            same=len(wanted) - len(new),
            blank=len(rows) - len(filled),
            n_invalid=len(invalid),
            invalid=problems,
            samples=labelled_members(database, experiment.dataset_id),
            measured=measure_anew(database, experiment.dataset_id),
        )


_TO_SKIP = "correct these rows, or record the others with --skip-invalid"
_TO_WIN = "--replace lets the labels of the sheet count, and keeps the others in the history"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody in particular, as in some containers
        return "unknown"


def _known(connection: Connection, dataset_id: int, rows: Sequence[Written]) -> dict[Key, OnRecord]:
    """The narratives that are meant, by id and type as they are written or were meant.

    An id that lost the zeros in front of it is known by its number, if only one can be meant.
    """
    keys = {key for row in rows for key in _spellings(row)}
    known = labels_on_record(connection, dataset_id, list(keys))
    lost = {key: (bare_number(key[0]), key[1]) for key in keys - known.keys() if key[0].isdecimal()}
    full = ids_with_zeros(connection, dataset_id, {number for number, _ in lost.values()})
    meant = {
        key: (full[bare][0], bare[1]) for key, bare in lost.items() if len(full.get(bare, ())) == 1
    }
    found = labels_on_record(connection, dataset_id, list(set(meant.values())))
    return known | {key: found[whole] for key, whole in meant.items()}


def _spellings(row: Written) -> Iterator[Key]:
    """An id as it is written, then as it was before programs of spreadsheets got at it."""
    name, kind = row.incident_id, row.narrative_type
    yield name, kind
    if name.startswith("'") or kind.startswith("'"):  # guards a text that would be a formula
        yield name.removeprefix("'"), kind
        yield name, kind.removeprefix("'")
        yield name.removeprefix("'"), kind.removeprefix("'")
    if name.endswith(".0") and name[:-2].isdecimal():
        yield name[:-2], row.narrative_type


def _checked(
    rows: Sequence[Written],
    known: Mapping[Key, OnRecord],
    primary: AnswerField,
    invalid: list[InTheWay],
) -> list[_Wanted]:
    """The rows that can be recorded, each narrative once; why not of the others."""
    found: dict[int, _Wanted] = {}
    for row in rows:
        try:
            one = _wanted(row, known, primary)
            _refuse_unless_alike(found.setdefault(one.on_record.narrative_id, one), one)
        except NotAllowed as problem:
            invalid.append(_in_the_way(row, str(problem)))
    return list(found.values())


def _in_the_way(row: Written, problem: str) -> InTheWay:
    """A row as a spreadsheet numbers it, and the narrative that it names."""
    key = ", ".join(part for part in (row.incident_id, row.narrative_type) if part)
    return InTheWay(f"{row.row:,}", problem, key or "no id")


def _refuse_unless_alike(first: _Wanted, one: _Wanted) -> None:
    if first.label != one.label:
        raise NotAllowed(f"has another label in row {first.written.row:,}")


def _wanted(row: Written, known: Mapping[Key, OnRecord], primary: AnswerField) -> _Wanted:
    if not row.incident_id or not row.narrative_type:
        missing = "incident_id" if not row.incident_id else "narrative_type"
        raise NotAllowed(f"there is no {missing}")
    key = next((key for key in _spellings(row) if key in known), None)
    if key is None:
        raise NotAllowed("no narrative of this experiment's data has this id and type")
    try:
        return _Wanted(row, key, known[key], canonical(primary, row.label or ""))
    except NotAllowed as problem:
        raise NotAllowed(f"the label {quoted(row.label or '')} {problem}") from None


def _has_label(primary: AnswerField, one: _Wanted) -> bool:
    """Whether there is one on record that can be compared."""
    return comparable(primary, one.on_record.label) is not None


def _is_same(primary: AnswerField, one: _Wanted) -> bool:
    before = comparable(primary, one.on_record.label)
    return before is not None and before == comparable(primary, one.label)


def _differing(rows: Sequence[_Wanted]) -> list[InTheWay]:
    return [_in_the_way(one.written, ANOTHER) for one in rows]


def _new(one: _Wanted, by: str, now: str) -> NewLabel:
    return NewLabel(
        narrative_id=one.on_record.narrative_id,
        label=one.label,
        replaced=one.on_record.label,
        note=one.written.note,
        by=by,
        at=now,
    )
