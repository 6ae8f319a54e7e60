"""Numbers that say how good the answers are, from counts alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from overnight.domain.agreement import Verdict, comparable, verdict
from overnight.domain.answer import AnswerField, AnswerSpec, FieldType
from overnight.domain.counts import ExperimentCounts, LabelCount
from overnight.domain.narrative import as_binary
from overnight.report.statistics.binary import Confusion
from overnight.report.statistics.estimate import Proportion, wilson

_UNMEASURED = frozenset({Verdict.UNLABELLED, Verdict.ODD_LABEL, Verdict.NO_VALUE})


@dataclass(frozen=True, slots=True)
class Scores:
    """What is known of a group of results. A score is None where its denominator is zero.

    n = answered + errors, and answered = labelled + unlabelled + odd_labels + without_value.
    Scores rest on `labelled` alone: an error is neither right nor wrong, it is counted apart;
    `labelled_errors` of the errors have a label that could have been compared.
    `n_positive_detected` and `n_negative_detected` count all answers, labelled or not;
    `n_positive_manual` and `n_negative_manual` count the labels of `labelled` (tp + fn, tn + fp),
    so that they add up with the confusion. All four, and `confusion`, are None unless the
    primary field is boolean. F1 is no proportion and has no Wilson interval.
    """

    n: int
    answered: int
    error_categories: dict[str, int]
    labelled: int
    labelled_errors: int
    unlabelled: int
    odd_labels: int
    without_value: int
    undeclared_labels: int  # of `labelled`: an enum's label that is none of its values, so wrong
    confusion: Confusion | None
    accuracy: Proportion | None
    precision: Proportion | None
    recall: Proportion | None
    specificity: Proportion | None
    f1: float | None
    n_positive_detected: int | None
    n_negative_detected: int | None
    n_positive_manual: int | None
    n_negative_manual: int | None

    @property
    def errors(self) -> int:
        """Results that are errors, of whatever category."""
        return sum(self.error_categories.values())


@dataclass(frozen=True, slots=True)
class Metrics:
    """The scores of an experiment, of all results and of each narrative type.

    `primary` and `kind` are the name and the type of the field that is compared; `repaired`
    maps each repair to the results that needed it (one result may have needed several).
    """

    primary: str | None
    kind: FieldType | None
    overall: Scores
    by_type: dict[str, Scores]
    repaired: dict[str, int] = field(default_factory=dict)


def measure(counts: ExperimentCounts, spec: AnswerSpec) -> Metrics:
    """The metrics of an experiment whose answers are declared by `spec`.

    A boolean primary field has all scores. Any other has accuracy alone: the share of answers
    equal to their label (see `comparable`); a number has none, since being equal to the last
    digit is not what makes a number good. Without a primary field nothing is scored.
    """
    primary = spec.primary_field
    types = sorted({count.narrative_type for count in counts.by_label})
    return Metrics(
        primary=primary.name if primary else None,
        kind=primary.type if primary else None,
        overall=_scores(counts.by_label, primary),
        by_type={
            name: _scores([c for c in counts.by_label if c.narrative_type == name], primary)
            for name in types
        },
        repaired=dict(sorted(counts.repairs.items())),
    )


def metrics_json(metrics: Metrics) -> dict[str, object]:
    """Plain JSON values; the keys are the columns of `experiments` where there are such.

    `intervals` holds [low, high] (or null) under the name of each score that has one;
    `by_type` holds the same object for each narrative type.
    """
    return {
        "primary": metrics.primary,
        "primary_type": metrics.kind,
        "confidence_level": 0.95,
        **_scores_json(metrics.overall),
        "repaired": dict(metrics.repaired),
        "by_type": {name: _scores_json(scores) for name, scores in metrics.by_type.items()},
    }


def _scores(counts: Sequence[LabelCount], primary: AnswerField | None) -> Scores:
    answers = [count for count in counts if count.error_category is None]
    verdicts: Counter[Verdict] = Counter()
    for count in answers:
        verdicts[verdict(primary, count.gold, count.predicted)] += count.n
    labelled = sum(n for seen, n in verdicts.items() if seen not in _UNMEASURED)
    binary = primary is not None and primary.type == "boolean"
    confusion = _confusion(verdicts) if binary else None
    positive, negative = _detected(answers) if binary else (None, None)
    return Scores(
        n=sum(count.n for count in counts),
        answered=sum(count.n for count in answers),
        error_categories=_error_categories(counts),
        labelled=labelled,
        labelled_errors=_labelled_errors(counts, primary),
        unlabelled=verdicts[Verdict.UNLABELLED],
        odd_labels=verdicts[Verdict.ODD_LABEL],
        without_value=verdicts[Verdict.NO_VALUE],
        undeclared_labels=_undeclared(answers, primary),
        confusion=confusion,
        accuracy=_accuracy(verdicts, labelled, primary),
        precision=_proportion(confusion.tp, confusion.tp + confusion.fp) if confusion else None,
        recall=_proportion(confusion.tp, confusion.tp + confusion.fn) if confusion else None,
        specificity=_proportion(confusion.tn, confusion.tn + confusion.fp) if confusion else None,
        f1=_f1(confusion) if confusion else None,
        n_positive_detected=positive,
        n_negative_detected=negative,
        n_positive_manual=confusion.tp + confusion.fn if confusion else None,
        n_negative_manual=confusion.tn + confusion.fp if confusion else None,
    )


def _labelled_errors(counts: Sequence[LabelCount], primary: AnswerField | None) -> int:
    if primary is None:
        return 0
    return sum(
        count.n
        for count in counts
        if count.error_category is not None
        and verdict(primary, count.gold, None) is Verdict.NO_VALUE  # a label, and no answer
    )


def _confusion(verdicts: Counter[Verdict]) -> Confusion:
    return Confusion(
        tp=verdicts[Verdict.TRUE_POSITIVE],
        tn=verdicts[Verdict.TRUE_NEGATIVE],
        fp=verdicts[Verdict.FALSE_POSITIVE],
        fn=verdicts[Verdict.FALSE_NEGATIVE],
    )


def _accuracy(
    verdicts: Counter[Verdict], labelled: int, primary: AnswerField | None
) -> Proportion | None:
    if primary is None or primary.type == "number":
        return None
    right = (Verdict.TRUE_POSITIVE, Verdict.TRUE_NEGATIVE, Verdict.SAME)
    return _proportion(sum(verdicts[seen] for seen in right), labelled)


def _proportion(k: int, n: int) -> Proportion | None:
    interval = wilson(k, n)
    return Proportion(k / n, *interval, k, n) if interval else None


def _f1(confusion: Confusion) -> float | None:
    """2 tp / (2 tp + fp + fn): also defined where precision or recall alone is not."""
    doubled = 2 * confusion.tp
    below = doubled + confusion.fp + confusion.fn
    return doubled / below if below else None


def _detected(answers: Sequence[LabelCount]) -> tuple[int, int]:
    said = [(as_binary(count.predicted), count.n) for count in answers]
    return sum(n for yes, n in said if yes is True), sum(n for yes, n in said if yes is False)


def _undeclared(answers: Sequence[LabelCount], primary: AnswerField | None) -> int:
    if primary is None or primary.type != "enum":
        return 0
    declared = {comparable(primary, value) for value in primary.values}
    measured = (Verdict.SAME, Verdict.DIFFERENT)
    return sum(
        count.n
        for count in answers
        if verdict(primary, count.gold, count.predicted) in measured
        and comparable(primary, count.gold) not in declared
    )


def _error_categories(counts: Sequence[LabelCount]) -> dict[str, int]:
    errors: Counter[str] = Counter()
    for count in counts:
        if count.error_category is not None:
            errors[count.error_category] += count.n
    return dict(sorted(errors.items()))


def _scores_json(scores: Scores) -> dict[str, object]:
    shares = {
        "accuracy": scores.accuracy,
        "precision_ipv": scores.precision,
        "recall_ipv": scores.recall,
        "specificity": scores.specificity,
    }
    confusion = scores.confusion
    return {
        "completed": scores.n,
        "answered": scores.answered,
        "errors": scores.errors,
        "error_categories": dict(scores.error_categories),
        "labelled": scores.labelled,
        "labelled_errors": scores.labelled_errors,
        "unlabelled": scores.unlabelled,
        "odd_labels": scores.odd_labels,
        "without_value": scores.without_value,
        "undeclared_labels": scores.undeclared_labels,
        **{name: share.value if share else None for name, share in shares.items()},
        "f1_ipv": scores.f1,
        "intervals": {n: [share.low, share.high] if share else None for n, share in shares.items()},
        "n_true_positive": confusion.tp if confusion else None,
        "n_true_negative": confusion.tn if confusion else None,
        "n_false_positive": confusion.fp if confusion else None,
        "n_false_negative": confusion.fn if confusion else None,
        "n_positive_detected": scores.n_positive_detected,
        "n_negative_detected": scores.n_negative_detected,
        "n_positive_manual": scores.n_positive_manual,
        "n_negative_manual": scores.n_negative_manual,
    }
