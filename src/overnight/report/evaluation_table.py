"""An evaluation as rows of text: the first row is the head, the first cell of a row its name."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from overnight.report.evaluation import Evaluation
from overnight.report.group import Figure, Group
from overnight.report.metrics import Metrics
from overnight.report.statistics.agreement import Agreement
from overnight.report.statistics.estimate import Estimate
from overnight.report.table import CELLS, Row, cells_of, confusion_rows, count_rows

_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision (PPV)",
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "f1": "F1",
    "kappa": "Cohen's kappa",
    "mcc": "MCC",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "micro_f1": "micro F1",
}
_MOST_ASKED = (
    *("accuracy", "recall (sensitivity)", "specificity", "macro F1", "Cohen's kappa"),
    *("mean absolute error", "bias (answer - label)", "Pearson correlation"),
)
_BESIDE = 3


def figure_title(name: str) -> str:
    """A figure as people call it."""
    return _TITLES[name]


def shown(estimate: Estimate | None) -> str:
    """Three decimals, the interval in brackets."""
    if estimate is None or estimate.value is None:
        return "n/a"
    ends = estimate.interval
    return number(estimate.value) + (f" [{number(ends[0])}, {number(ends[1])}]" if ends else "")


def with_interval(estimate: Estimate) -> str:
    """The same as papers write it: 0.880 (95 % CI 0.810 to 0.920)."""
    ends = estimate.interval
    said = f" (95 % CI {number(ends[0])} to {number(ends[1])})" if ends else ""
    return number(estimate.value) + said


def number(value: float | None) -> str:
    """Three decimals."""
    return "n/a" if value is None else f"{value:.3f}"


def narratives_table(metrics: Metrics, evaluation: Evaluation) -> list[Row]:
    """All narratives, and each type if there are several: counts, figures, cells."""
    types = evaluation.by_type if len(evaluation.by_type) > 1 else {}
    groups = {"all": evaluation.overall, **types}
    scores = [
        metrics.overall,
        *(metrics.by_type[name] for name in types if name in metrics.by_type),
    ]
    if len(scores) < len(groups):  # a type of which nothing has been asked yet
        groups = {n: g for n, g in groups.items() if n == "all" or n in metrics.by_type}
    blank = [""] * (len(groups) - 1)
    return [
        ["", *groups],
        *count_rows(scores),
        *figure_rows(list(groups.values())),
        *(confusion_rows(scores) if metrics.kind == "boolean" else []),
        *([f"repaired: {name}", f"{n:,}", *blank] for name, n in metrics.repaired.items()),
    ]


def groups_table(column: str, groups: Mapping[str, tuple[Metrics, Evaluation]]) -> list[Row]:
    """A row for each of some groups by their heads, with the figures that are most asked for."""
    found = {name: evaluation.overall for name, (_, evaluation) in groups.items()}
    names = _most_asked(list(found.values()))
    head = [column, "results", "errors", "measured"]
    return [
        [*head, *(row[0] for row in names)],
        *(
            [name, f"{s.n:,}", f"{s.errors:,}", f"{s.labelled:,}", *(row[i] for row in names)]
            for i, (name, s) in enumerate(
                ((name, metrics.overall) for name, (metrics, _) in groups.items()), start=1
            )
        ),
    ]


def _most_asked(groups: Sequence[Group]) -> list[Row]:
    """At most three rows of figures: more do not stand beside each other."""
    rows = {row[0]: row for row in figure_rows(groups)}
    return [rows[title] for title in _MOST_ASKED if title in rows][:_BESIDE]


def cases_table(evaluation: Evaluation, *, brief: bool = False) -> list[Row]:
    """A column for each rule; no rows without cases of several narratives.

    `brief`: only the figures that are most asked for.
    """
    if not evaluation.by_case:
        return []
    groups = list(evaluation.by_case.values())
    cells = [group.confusion for group in groups]
    failed = [f"{group.failed:,}" for group in groups]
    return [
        ["", *(f"{rule}" for rule in evaluation.by_case)],
        ["cases", *(f"{group.n:,}" for group in groups)],
        ["measured (decided, labelled)", *(f"{group.measured:,}" for group in groups)],
        *([["undecided for errors, labelled", *failed]] if any(g.failed for g in groups) else []),
        *(_most_asked(groups) if brief else figure_rows(groups)),
        [CELLS, *map(cells_of, cells)],
    ]


def figure_rows(groups: Sequence[Group]) -> list[Row]:
    """A row for each figure that any of the groups has."""
    names = dict.fromkeys(name for group in groups for name in group.figures)
    rows = [
        [_TITLES[name], *(shown(_estimate(group.figures.get(name))) for group in groups)]
        for name in names
    ]
    return rows + [
        [title, *map(cell, groups)]
        for title, cell in _EXTRA
        if any(cell(group) != "" for group in groups)
    ]


def _estimate(figure: Figure | None) -> Estimate | None:
    return figure.estimate if figure else None


def _ranked(group: Group, name: str) -> str:
    return shown(getattr(group.ranking, name)) if group.ranking else ""


def _measured(group: Group, name: str) -> str:
    return shown(getattr(group.amounts, name)) if group.amounts else ""


_EXTRA: tuple[tuple[str, Callable[[Group], str]], ...] = (
    ("ROC AUC", lambda g: _ranked(g, "auc")),
    ("average precision", lambda g: _ranked(g, "average_precision")),
    ("Brier score", lambda g: shown(g.calibration.brier) if g.calibration else ""),
    (
        "calibration error (ECE)",
        lambda g: number(g.calibration.expected_error) if g.calibration else "",
    ),
    ("mean absolute error", lambda g: _measured(g, "mean_absolute_error")),
    ("bias (answer - label)", lambda g: _measured(g, "bias")),
    ("Pearson correlation", lambda g: _measured(g, "pearson")),
    ("Spearman correlation", lambda g: number(g.amounts.spearman) if g.amounts else ""),
)


def bounds_table(group: Group, *, brief: bool = False) -> list[Row]:
    """Each figure if every error had been wrong, or right; no rows where nothing failed.

    `brief`: only the figures that are most asked for.
    """
    if not group.failed:
        return []
    rows = [
        [_TITLES[name], *map(number, (f.estimate.value, f.if_errors_wrong, f.if_errors_right))]
        for name, f in group.figures.items()
    ]
    ranked = group.ranking
    for title, name in (("ROC AUC", "auc"), ("average precision", "average_precision")):
        if ranked:
            estimate: Estimate = getattr(ranked, name)
            bounds = (ranked.if_errors_wrong[name], ranked.if_errors_right[name])
            rows.append([title, *map(number, (estimate.value, *bounds))])
    if brief:
        rows = [row for row in rows if row[0] in _MOST_ASKED][:_BESIDE]
    return [["", "as measured", "all errors wrong", "all errors right"], *rows] if rows else []


def reliability_table(group: Group) -> list[Row]:
    """How often answers were right, by their confidence."""
    if group.calibration is None:
        return []
    return [
        ["confidence", "answers", "mean confidence", "right"],
        *(
            [
                f"{b.low:.1f}-{b.high:.1f}",
                f"{b.right.n:,}",
                number(b.confidence),
                f"{number(b.right.value)} [{number(b.right.low)}, {number(b.right.high)}]",
            ]
            for b in group.calibration.bins
        ),
    ]


def classes_table(group: Group) -> list[Row]:
    """Each class against all others."""
    if group.classes is None:
        return []
    return [
        ["class", "labels", "answers", "precision", "recall", "F1"],
        *(
            [
                c.name,
                f"{c.n_labels:,}",
                f"{c.n_answers:,}",
                shown(c.precision),
                shown(c.recall),
                number(c.f1),
            ]
            for c in group.classes.classes
        ),
    ]


def sources_table(evaluation: Evaluation) -> list[Row]:
    """Two types in one case: how their answers agree, and their labels."""
    columns: dict[str, Agreement] = {}
    for (first, second), (answers, labels) in evaluation.sources.items():
        columns[f"{first} / {second}, answers"] = answers
        if labels.n:
            columns[f"{first} / {second}, labels"] = labels
    return [["", *columns], *agreement_rows(list(columns.values()))] if columns else []


def agreement_rows(found: Sequence[Agreement]) -> list[Row]:
    """Of the first and the second of each pair."""
    rows = [
        ["pairs", *(f"{a.n:,}" for a in found)],
        ["equal", *(shown(a.equal) for a in found)],
        ["Cohen's kappa", *(shown(a.kappa) for a in found)],
    ]
    if any(a.both_ways for a in found):
        rows += [[title, *cells] for title, cells in _both_ways(found).items()]
    return rows


def _both_ways(found: Sequence[Agreement]) -> Mapping[str, Iterator[str]]:
    ways = [a.both_ways for a in found]
    return {
        "both yes / first / second / neither": (
            f"{w.both:,} / {w.only_first:,} / {w.only_second:,} / {w.neither:,}" if w else "n/a"
            for w in ways
        ),
        "second yes where first yes": (shown(w.second_given_first) if w else "n/a" for w in ways),
        "first yes where second yes": (shown(w.first_given_second) if w else "n/a" for w in ways),
        "equally often yes (McNemar)": (p_value(w.mcnemar.p) if w else "n/a" for w in ways),
    }


def p_value(p: float) -> str:
    """Three decimals, never 0."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004 - as journals print it
