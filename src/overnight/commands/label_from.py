"""`label --from`: the labels of another version of the data, with the draws behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from overnight.config.declared import declared_answer
from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.experiment import Experiment
from overnight.domain.labelling import NotAllowed, canonical
from overnight.errors import DataError, RefusedError, UsageError
from overnight.events import Handler
from overnight.report.carried import Carried, Versions
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.datasets import get_dataset, refuse_unless_loaded
from overnight.store.experiments import find_experiment
from overnight.store.labels import (
    Key,
    NewLabel,
    add_labels,
    bare_number,
    first_labels_in,
    ids_with_zeros,
)
from overnight.store.open import connected
from overnight.store.samples import (
    Sample,
    copy_sample,
    labelled_members,
    members_of,
    newest_sample_id,
    samples_of,
)
from overnight.store.versions import Given, differences, given_labels


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What was taken over from the data of another experiment.

    `changed` and `gone` are the narratives, by id and type, whose labels were not: their text is
    another one, or they are not there; `n_again` of another text have been labelled again since.
    `n_but_for_zeros` of those that are gone are there with other zeros in front of their ids.
    `samples`: the number of each sample there, and here.
    `problem`: why the others hold for that version alone; None where there are none.
    """

    labelled: Labelled
    source: Experiment
    changed: Sequence[str]
    n_again: int
    gone: Sequence[str]
    n_but_for_zeros: int
    samples: Sequence[tuple[int, int]]
    problem: str | None


@dataclass(slots=True)
class _Sorted:
    """The labels of the other version, by what is to become of them."""

    new: list[NewLabel] = field(default_factory=list)
    authors: set[str] = field(default_factory=set)
    replaced: list[InTheWay] = field(default_factory=list)
    invalid: list[InTheWay] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    same: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class _Samples:
    """The samples of both versions as they were compared; `problem`: none can be taken over."""

    versions: Versions
    checksum: str  # of the older version
    n_there: int  # of the older ones, here already
    newest: tuple[int, int]
    problem: str | None


def label_from(
    name: str,
    other: str,
    *,
    replace: bool = False,
    skip_invalid: bool = False,
    db: Path | str | None = None,
    handler: Handler,
) -> TakenOver:
    """Record the labels that people gave the data of `other`, where the text is the same here.

    All in one transaction, with the samples whose design holds here. Raises DataError and
    RefusedError as `label` does, and where there is nothing that could be taken over.
    """
    with connected(db, writes=handler) as database:
        experiment, source = find_experiment(database, name), find_experiment(database, other)
        older, newer = source.dataset_id, experiment.dataset_id
        primary = primary_to_label(experiment)
        samples = _compared(database, source, experiment, primary)
        with database.write() as connection:
            refuse_unless_loaded(connection, older, source.experiment_id)
            refuse_unless_loaded(connection, newer, experiment.experiment_id)
            _refuse_unless_as_compared(connection, samples, older, newer)
            given = given_labels(connection, older, newer)
            _refuse_where_nothing_is(given, samples, source)
            found = _sorted(given, primary)
            _refuse_where_in_the_way(found, source, replace=replace, skip_invalid=skip_invalid)
            from_ = f"labels of {source.experiment_id[:8]}"
            add_labels(
                connection, newer, found.new, source_file=from_, source_checksum=samples.checksum
            )
            carried = _carried(connection, samples, older, newer)
            taken = [
                (sample.sample_id, copy_sample(connection, sample, newer, last))
                for sample, last in carried.samples
            ]
        labelled = Labelled(
            experiment=experiment,
            by=", ".join(sorted(found.authors)),
            new=len(found.new),
            replaced=len(found.replaced),
            same=found.same,
            blank=0,
            n_invalid=len(found.invalid),
            invalid=told(found.invalid, "narrative"),
            samples=labelled_members(database, newer),
            measured=measure_anew(database, newer),
        )
        n_but_for_zeros = _but_for_zeros(database, newer, found.gone)
    return TakenOver(
        labelled=labelled,
        source=source,
        changed=found.changed,
        n_again=found.again,
        gone=[", ".join(key) for key in found.gone],
        n_but_for_zeros=n_but_for_zeros,
        samples=taken,
        problem=carried.problem,
    )


def _compared(
    database: Database, source: Experiment, experiment: Experiment, primary: AnswerField
) -> _Samples:
    """What the samples of the older version need of the newer, read before anything is locked.

    Rows of a dataset, and the labels that its file gave them, never change.
    """
    older, newer = source.dataset_id, experiment.dataset_id
    if older == newer:
        raise UsageError(
            f"{experiment.experiment_id[:8]} and {source.experiment_id[:8]} are over the same data "
            "and share its labels: there is nothing to take over"
        )
    before, now = samples_of(database, older), samples_of(database, newer)
    old, new = get_dataset(database, older), get_dataset(database, newer)
    members = members_of(database, older)
    versions = Versions(before, members, primary, old.n_narratives, new.n_narratives)
    n_there = min(len(before), len(now))
    problem = None
    there = declared_answer(source.stored_config).primary_field
    if before and (
        there is None or there.type != primary.type
    ):  # other labels can be read, others are known
        problem = f"the answer here is another one ({primary.name}, {primary.type})"
    elif not all(map(Sample.is_same_draw, before[:n_there], now[:n_there])):
        problem = "another sample was drawn here, and two draws count only one after the other"
    elif len(before) > n_there:
        versions.take_in(differences(database, older, newer, old.n_narratives))
    return _Samples(versions, old.checksum, n_there, (_newest(before), _newest(now)), problem)


def _newest(samples: Sequence[Sample]) -> int:
    return samples[-1].sample_id if samples else 0


def _refuse_unless_as_compared(
    connection: Connection, samples: _Samples, older: int, newer: int
) -> None:
    newest = newest_sample_id(connection, older), newest_sample_id(connection, newer)
    if newest != samples.newest:
        raise RefusedError("somebody has drawn a sample just now; type the same again")


def _refuse_where_nothing_is(given: Sequence[Given], samples: _Samples, source: Experiment) -> None:
    if not given and not samples.versions.samples:
        raise RefusedError(
            f"nobody has labelled the data of {source.experiment_id[:8]}, and no sample of it was "
            "drawn: there is nothing to take over"
        )


def _sorted(given: Sequence[Given], primary: AnswerField) -> _Sorted:
    found = _Sorted()
    for one in given:
        key = f"{one.incident_id}, {one.narrative_type}"
        if one.narrative_id is None:
            found.gone.append((one.incident_id, one.narrative_type))
        elif one.is_same_text:
            _sort_in(found, one, key, primary)
        elif one.is_of_a_person:
            found.again += 1
        else:
            found.changed.append(key)
    return found


def _sort_in(found: _Sorted, one: Given, key: str, primary: AnswerField) -> None:
    """A label that goes with the text as it is here."""
    try:
        label = canonical(primary, one.label)
    except NotAllowed as problem:
        found.invalid.append(InTheWay(key, f"the label {quoted(one.label)} {problem}"))
        return
    here = comparable(primary, one.on_record)
    is_same = here is not None and here == comparable(primary, label)
    if one.is_taken_over or (is_same and one.is_of_a_person):
        found.same += 1
        return
    found.authors.add(one.by)
    if here is not None and not is_same:
        found.replaced.append(InTheWay(key, ANOTHER))
    assert one.narrative_id is not None  # noqa: S101 - the caller has seen to it
    found.new.append(
        NewLabel(one.narrative_id, label, one.on_record, one.note, by=one.by, at=one.at)
    )


def _but_for_zeros(database: Database, newer: int, gone: Sequence[Key]) -> int:
    """Spreadsheets take zeros away: how many of these narratives are there but for them."""
    bare = [(bare_number(name), kind) for name, kind in gone if name.isdecimal()]
    with database.read() as connection:
        there = ids_with_zeros(connection, newer, {number for number, _ in bare})
    return sum(key in there for key in bare)


def _refuse_where_in_the_way(
    found: _Sorted, source: Experiment, *, replace: bool, skip_invalid: bool
) -> None:
    heading = f"labels of {source.experiment_id[:8]}: {NOTHING}"
    if found.invalid and not skip_invalid:
        problems = told(found.invalid, "narrative")
        raise DataError(listed(heading, len(found.invalid), problems, _TO_SKIP, "narrative"))
    if found.replaced and not replace:
        problems = told(found.replaced, "narrative", first=NAMED)
        advice = (DISAGREE if skip_invalid else "") + _TO_WIN
        raise RefusedError(listed(heading, len(found.replaced), problems, advice, "narrative"))


_TO_SKIP = "--skip-invalid takes over the others"
_TO_WIN = "--replace lets the labels taken over count, and keeps those here in the history"


def _carried(connection: Connection, samples: _Samples, older: int, newer: int) -> Carried:
    if samples.problem:
        return Carried([], samples.problem)
    before, now = first_labels_in(connection, older), first_labels_in(connection, newer)
    return samples.versions.carried(before, now, n_there=samples.n_there)
