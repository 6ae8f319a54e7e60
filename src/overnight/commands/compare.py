"""`compare`: several experiments side by side, and each pair of them narrative by narrative."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from overnight.commands.looks import Looked, look_at
from overnight.config.binding import changed_keys, shapes_answers
from overnight.config.expand import hide_passwords
from overnight.domain.answer import AnswerField
from overnight.domain.experiment import Experiment
from overnight.domain.split import Split
from overnight.errors import UsageError
from overnight.report.comparison import Comparison
from overnight.report.comparison import compare as compare_answers
from overnight.report.evaluation import Evaluation, evaluate
from overnight.report.metrics import Metrics, measure
from overnight.report.statistics.paired import holm
from overnight.report.tally import tally
from overnight.store.open import connected
from overnight.store.parts import Part, develop_part
from overnight.store.results import iterate_judgements, label_counts, texts_of
from overnight.store.study import Study, find_study


@dataclass(frozen=True, slots=True)
class Side:
    """One of the experiments, and its figures."""

    experiment: Experiment
    metrics: Metrics
    evaluation: Evaluation
    split: Split | None  # what the figures leave out
    looked: Looked


@dataclass(frozen=True, slots=True)
class Versus:
    """Two of the experiments, without what either sets apart.

    `p_holm` is adjusted for the number of pairs. `comparison` is None where they ask different
    things.
    """

    first: str
    second: str
    comparison: Comparison | None
    p_holm: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`differences`: what the configurations say differently, a value for each experiment."""

    sides: Sequence[Side]
    differences: Mapping[str, Sequence[object]]
    pairs: Sequence[Versus]

    @property
    def shaping(self) -> Sequence[str]:
        """Those of the differences that shape answers: what was asked of whom, and about what."""
        return [name for name in self.differences if shapes_answers(name)]


def compare(
    names: Sequence[str],
    *,
    db: Path | str | None = None,
    limit: int = 0,
    with_text: bool = False,
) -> Compared:
    """Compare two or more experiments; `limit` the narratives named on which a pair differs.

    Raises UsageError where fewer than two different experiments are meant.
    """
    with connected(db) as database, database.snapshot():
        found = [find_study(database, name) for name in names]
        experiments = [one.experiment for one in found]
        if len(found) < 2 or len({one.experiment_key for one in experiments}) < len(found):  # noqa: PLR2004 - a pair
            raise UsageError("compare needs at least two different experiments")
        parts = [develop_part(database, one) for one in experiments]  # before any look is counted
        pairs = [
            _versus(first, second, limit=limit, with_text=with_text)
            for first, second in combinations(found, 2)
        ]
        return Compared(
            sides=[_side(*one) for one in zip(found, parts, strict=True)],
            differences=_differences(experiments),
            pairs=_adjusted(pairs),
        )


def disagreements(
    first: str, second: str, *, db: Path | str | None = None, limit: int, with_text: bool
) -> Versus:
    """The narratives that two experiments answer differently.

    Raises UsageError where they ask different things.
    """
    with connected(db) as database, database.snapshot():
        a, b = find_study(database, first), find_study(database, second)
        found = _versus(a, b, limit=limit, with_text=with_text)
    if found.comparison is None:
        raise UsageError("the two experiments ask different things: their answers do not compare")
    return found


def _side(study: Study, part: Part) -> Side:
    database, experiment, spec = study.database, study.experiment, study.spec
    judgements = iterate_judgements(database, experiment, part)
    return Side(
        experiment=experiment,
        metrics=measure(label_counts(database, experiment.experiment_key, part), spec),
        evaluation=evaluate(tally(judgements, spec.primary_field)),
        split=part.split,
        looked=look_at(study, part),
    )


def _versus(first: Study, second: Study, *, limit: int, with_text: bool) -> Versus:
    database, a, b = first.database, first.experiment, second.experiment
    primary = _common_primary(first, second)
    found = None
    if primary is not None:
        part = develop_part(database, a) & develop_part(database, b)
        found = compare_answers(
            iterate_judgements(database, a, part),
            iterate_judgements(database, b, part),
            primary,
            limit=limit,
        )
        if with_text:
            found = _with_texts(first, found)
    return Versus(a.experiment_id, b.experiment_id, found)


def _common_primary(first: Study, second: Study) -> AnswerField | None:
    a, b = first.spec.primary_field, second.spec.primary_field
    return a if a and b and (a.name, a.type) == (b.name, b.type) else None


def _with_texts(study: Study, found: Comparison) -> Comparison:
    rows = [one.row_num for one in found.differing]
    texts = texts_of(study.database, study.experiment.dataset_id, rows)
    differing = (dataclasses.replace(one, text=texts.get(one.row_num)) for one in found.differing)
    return dataclasses.replace(found, differing=tuple(differing))


def _adjusted(pairs: Sequence[Versus]) -> list[Versus]:
    tested = [i for i, one in enumerate(pairs) if one.comparison and one.comparison.measured]
    values = [
        one.comparison.mcnemar.p for i, one in enumerate(pairs) if i in tested and one.comparison
    ]
    adjusted = dict(zip(tested, holm(values), strict=True))
    return [dataclasses.replace(one, p_holm=adjusted.get(i)) for i, one in enumerate(pairs)]


def _differences(found: Sequence[Experiment]) -> dict[str, list[object]]:
    said = [
        {
            **one.stored_config,
            "data": {**(one.stored_config.get("data") or {}), "checksum": one.data_checksum},
            "answered": {"by": one.served_model},
        }
        for one in found
    ]
    names = sorted({name for other in said[1:] for name in changed_keys(said[0], other)})
    nothing: dict[str, object] = {}
    values = [changed_keys(nothing, one) for one in said]
    return {name: [_hidden(one.get(name, (None, None))[1]) for one in values] for name in names}


def _hidden(value: object) -> object:
    return hide_passwords(value) if isinstance(value, str) else value
