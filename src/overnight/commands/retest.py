"""What the repetitions of an experiment show: its answers held against themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from overnight.domain.experiment import Experiment, Status
from overnight.domain.judgement import Judgement
from overnight.errors import RefusedError, UnknownExperiment, UsageError
from overnight.report.repeats import Repeated, Retest, repeated, retest
from overnight.store.members import repeats, sampled_from
from overnight.store.parts import develop_part
from overnight.store.results import iterate_judgements
from overnight.store.study import Study, find_study, open_study


def retest_of(study: Study) -> Retest | None:
    """How far an experiment agrees with its repetitions, those that are complete; None: with none.

    Also None where nothing can be compared.
    """
    again, primary = _complete(study), study.spec.primary_field
    if not again or primary is None:
        return None
    found = retest(_judgements(study, again), primary)
    return replace(found, n_drawn_from=sampled_from(study.database, study.experiment))


def repeated_answers(name: str, *, db: Path | str | None = None) -> list[Repeated]:
    """Each narrative of the sample with all its answers, those that flip first.

    `name` may be that of a repetition. Raises UsageError where the experiment was not repeated,
    RefusedError where it has been deleted.
    """
    with open_study(name, db) as named, named.snapshot():
        study = named if named.experiment.repeat_of is None else _repeated(named)
        again, primary = _complete(study), study.spec.primary_field
        if not again or primary is None:
            short = study.experiment.experiment_id[:8]
            raise UsageError(
                f"{short} ({study.experiment.name}) has no complete repetition; "
                "to ask a sample of its narratives again: overnight run CONFIG --repeat 3"
            )
        found = list(repeated(_judgements(study, again), primary))
    return sorted(found, key=lambda one: (not one.flips, one.row_num))


def _repeated(repetition: Study) -> Study:
    """The experiment that is repeated. Raises RefusedError where it has been deleted."""
    repeats_what = str(repetition.experiment.repeat_of)
    try:
        return find_study(repetition.database, repeats_what)
    except UnknownExperiment:
        short = repetition.experiment.experiment_id[:8]
        raise RefusedError(
            f"{short} repeats {repeats_what[:8]}, which has been deleted: there is "
            f"nothing to hold its answers against. Its own answers: overnight show {short}"
        ) from None


def _complete(study: Study) -> list[Experiment]:
    found = repeats(study.database, study.experiment)
    return [one for one in found if one.status is Status.COMPLETED]


def _judgements(study: Study, again: Sequence[Experiment]) -> list[Iterator[Judgement]]:
    """Of the same narratives, in the same order: those of the experiment first."""
    database, experiment = study.database, study.experiment
    shown = develop_part(database, experiment)
    return [
        iterate_judgements(database, experiment, labelled=shown, among=again[0]),
        *(iterate_judgements(database, one) for one in again),
    ]
