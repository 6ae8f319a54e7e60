"""What the repetitions of an experiment show: its answers held against themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from overnight.config import declared_answer
from overnight.domain.experiment import Experiment, Status
from overnight.domain.judgement import Judgement
from overnight.errors import RefusedError, UnknownExperiment, UsageError
from overnight.report.repeats import Repeated, Retest, repeated, retest
from overnight.store.database import Database
from overnight.store.experiments import find_experiment
from overnight.store.members import repeats, sampled_from
from overnight.store.open import connected
from overnight.store.parts import develop_part
from overnight.store.results import iterate_judgements


def retest_of(database: Database, experiment: Experiment) -> Retest | None:
    """How far an experiment agrees with its repetitions, those that are complete; None: with none.

    Also None where nothing can be compared.
    """
    again = _complete(database, experiment)
    primary = declared_answer(experiment.stored_config).primary_field
    if not again or primary is None:
        return None
    found = retest(_judgements(database, experiment, again), primary)
    return replace(found, n_drawn_from=sampled_from(database, experiment))


def repeated_answers(name: str, *, db: Path | str | None = None) -> list[Repeated]:
    """Each narrative of the sample with all its answers, those that flip first.

    `name` may be that of a repetition. Raises UsageError where the experiment was not repeated,
    RefusedError where it has been deleted.
    """
    with connected(db) as database:
        experiment = find_experiment(database, name)
        if experiment.repeat_of is not None:
            experiment = _repeated(database, experiment)
        again = _complete(database, experiment)
        primary = declared_answer(experiment.stored_config).primary_field
        if not again or primary is None:
            raise UsageError(
                f"{experiment.experiment_id[:8]} ({experiment.name}) has no complete repetition; "
                "to ask a sample of its narratives again: overnight run CONFIG --repeat 3"
            )
        found = list(repeated(_judgements(database, experiment, again), primary))
    return sorted(found, key=lambda one: (not one.flips, one.row_num))


def _repeated(database: Database, repetition: Experiment) -> Experiment:
    """The experiment that is repeated. Raises RefusedError where it has been deleted."""
    try:
        return find_experiment(database, str(repetition.repeat_of))
    except UnknownExperiment:
        short = repetition.experiment_id[:8]
        raise RefusedError(
            f"{short} repeats {str(repetition.repeat_of)[:8]}, which has been deleted: there is "
            f"nothing to hold its answers against. Its own answers: overnight show {short}"
        ) from None


def _complete(database: Database, experiment: Experiment) -> list[Experiment]:
    return [one for one in repeats(database, experiment) if one.status is Status.COMPLETED]


def _judgements(
    database: Database, experiment: Experiment, again: Sequence[Experiment]
) -> list[Iterator[Judgement]]:
    """Of the same narratives, in the same order: those of the experiment first."""
    shown = develop_part(database, experiment)
    return [
        iterate_judgements(database, experiment, labelled=shown, among=again[0]),
        *(iterate_judgements(database, one) for one in again),
    ]
