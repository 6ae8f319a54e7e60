"""Several classes: figures of each, and their macro and micro means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.report.statistics.binary import ratio
from overnight.report.statistics.estimate import Estimate, share_of
from overnight.report.statistics.resample import Profile, added, bootstrap

MEANS = ("macro_precision", "macro_recall", "macro_f1", "weighted_f1", "kappa")


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against all others."""

    name: str
    n_labels: int
    n_answers: int
    precision: Estimate
    recall: Estimate
    f1: float | None


@dataclass(frozen=True, slots=True)
class Classes:
    """`means` by the names MEANS and `micro_f1`.

    With one label and one answer to each narrative, micro precision, recall and F1 all equal the
    accuracy. A class without answers has no precision; in the macro means it counts 0, as in
    scikit-learn (zero_division=0). The means run over every class in labels or answers. An error
    that is taken as wrong misses its class and is no answer of another one.
    """

    classes: tuple[ClassFigures, ...]
    means: Mapping[str, Estimate]
    if_errors_wrong: Mapping[str, float | None]
    if_errors_right: Mapping[str, float | None]
    matrix: tuple[tuple[str, str, int], ...]  # label, answer, n; none with n = 0


def class_figures(
    names: Sequence[str], profiles: Mapping[Profile, int], missing: Mapping[str, int] | None = None
) -> Classes:
    """Cell `len(names) * label + answer` of a profile is one narrative (indexes into `names`).

    `missing` counts the labelled narratives without an answer, by label.
    """
    k = len(names)
    kinds = list(profiles)
    totals = added(kinds, [profiles[kind] for kind in kinds], k * k)
    labels, answers, hits = _margins(totals, k)
    means = dict(
        zip(MEANS, bootstrap(profiles, lambda t: _means(*_margins(t, k)), k * k), strict=True)
    )
    means["micro_f1"] = share_of(sum(hits), sum(labels))
    failed = [(missing or {}).get(name, 0) for name in names]
    asked = _sum(labels, failed)
    return Classes(
        classes=tuple(
            ClassFigures(
                name=name,
                n_labels=labels[i],
                n_answers=answers[i],
                precision=share_of(hits[i], answers[i]),
                recall=share_of(hits[i], labels[i]),
                f1=ratio(2 * hits[i], labels[i] + answers[i]),
            )
            for i, name in enumerate(names)
        ),
        means=means,
        if_errors_wrong=_named(asked, answers, hits),
        if_errors_right=_named(asked, _sum(answers, failed), _sum(hits, failed)),
        matrix=tuple((names[i // k], names[i % k], n) for i, n in enumerate(totals) if n),
    )


def _sum(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _margins(totals: Sequence[int], k: int) -> tuple[list[int], list[int], list[int]]:
    """Labels, answers and hits of each class."""
    labels = [sum(totals[i * k : (i + 1) * k]) for i in range(k)]
    answers = [sum(totals[i::k]) for i in range(k)]
    return labels, answers, [totals[i * k + i] for i in range(k)]


def _named(
    labels: Sequence[int], answers: Sequence[int], hits: Sequence[int]
) -> dict[str, float | None]:
    values = dict(zip(MEANS, _means(labels, answers, hits), strict=True))
    return {**values, "micro_f1": ratio(sum(hits), sum(labels))}


def _means(
    labels: Sequence[int], answers: Sequence[int], hits: Sequence[int]
) -> tuple[float | None, ...]:
    n = sum(labels)
    seen = [i for i in range(len(labels)) if labels[i] or answers[i]]
    if not n or not seen:
        return (None,) * len(MEANS)
    f1 = {i: 2 * hits[i] / (labels[i] + answers[i]) for i in seen}
    chance = sum(labels[i] * answers[i] for i in seen)
    return (
        sum((ratio(hits[i], answers[i]) or 0.0) for i in seen) / len(seen),
        sum((ratio(hits[i], labels[i]) or 0.0) for i in seen) / len(seen),
        sum(f1.values()) / len(seen),
        sum(labels[i] * f1[i] for i in seen) / n,
        ratio(n * sum(hits) - chance, n * n - chance),
    )
