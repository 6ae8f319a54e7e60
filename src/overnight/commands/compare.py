"""`compare`: several experiments side by side, and each pair of them narrative by narrative."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from overnight.commands.looks import Looked, look_at
from overnight.config import declared_answer
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
from overnight.store.database import Database
from overnight.store.experiments import find_experiment
from overnight.store.open import connected
from overnight.store.parts import Part, develop_part
from overnight.store.results import iterate_judgements, label_counts, texts_of


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
    with connected(db) as database:
        found = [find_experiment(database, name) for name in names]
        if len(found) < 2 or len({one.experiment_key for one in found}) < len(found):  # noqa: PLR2004 - a pair
            raise UsageError("compare needs at least two different experiments")
        parts = {one.experiment_key: develop_part(database, one) for one in found}
        pairs = [
            _versus(database, first, second, limit=limit, with_text=with_text)
            for first, second in combinations(found, 2)
        ]
        return Compared(
            sides=[_side(database, one, parts[one.experiment_key]) for one in found],
            differences=_differences(found),
            pairs=_adjusted(pairs),
        )


def disagreements(
    first: str, second: str, *, db: Path | str | None = None, limit: int, with_text: bool
) -> Versus:
    """The narratives that two experiments answer differently.

    Raises UsageError where they ask different things.
    """
    with connected(db) as database:
        a, b = find_experiment(database, first), find_experiment(database, second)
        found = _versus(database, a, b, limit=limit, with_text=with_text)
    if found.comparison is None:
        raise UsageError("the two experiments ask different things: their answers do not compare")
    return found


def _side(database: Database, experiment: Experiment, part: Part) -> Side:
    spec = declared_answer(experiment.stored_config)
    judgements = iterate_judgements(database, experiment, part)
    return Side(
        experiment=experiment,
        metrics=measure(label_counts(database, experiment.experiment_key, part), spec),
        evaluation=evaluate(tally(judgements, spec.primary_field)),
        split=part.split,
        looked=look_at(database, experiment, part),
    )


def _versus(
    database: Database, first: Experiment, second: Experiment, *, limit: int, with_text: bool
) -> Versus:
    primary = _common_primary(first, second)
    found = None
    if primary is not None:
        part = develop_part(database, first) & develop_part(database, second)
        found = compare_answers(
            iterate_judgements(database, first, part),
            iterate_judgements(database, second, part),
            primary,
            limit=limit,
        )
        if with_text:
            found = _with_texts(database, first, found)
    return Versus(first.experiment_id, second.experiment_id, found)


def _common_primary(first: Experiment, second: Experiment) -> AnswerField | None:
    a, b = (declared_answer(one.stored_config).primary_field for one in (first, second))
    return a if a and b and (a.name, a.type) == (b.name, b.type) else None


def _with_texts(database: Database, experiment: Experiment, found: Comparison) -> Comparison:
    rows = [one.row_num for one in found.differing]
    texts = texts_of(database, experiment.dataset_id, rows)
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
