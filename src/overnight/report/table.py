"""Metrics as rows of text: the first row is the head, the first cell of a row its name."""

from collections.abc import Callable, Sequence

from overnight.report.metrics import Metrics, Scores
from overnight.report.statistics.binary import Confusion
from overnight.report.statistics.estimate import Proportion

Row = list[str]
CELLS = "TP / TN / FP / FN"  # true and false, positive and negative answers


def metrics_table(metrics: Metrics) -> list[Row]:
    """One experiment: a column for all narratives, and one for each type if there are several."""
    several = len(metrics.by_type) > 1
    columns = {"all": metrics.overall} | (metrics.by_type if several else {})
    blank = [""] * (len(columns) - 1)
    return [
        ["", *columns],
        *_rows(metrics, list(columns.values())),
        *([f"repaired: {name}", f"{n:,}", *blank] for name, n in metrics.repaired.items()),
    ]


def side_by_side(experiments: Sequence[tuple[str, Metrics]], *, by_type: bool = True) -> list[Row]:
    """Several experiments, one column each: all narratives, then (`by_type`) each type's scores.

    A type that an experiment does not have is "-". Two experiments that measure different
    things (a boolean, an enum) still share the rows; what does not apply is "n/a".
    """
    if not experiments:
        return [[""]]
    binary = next((m for _, m in experiments if m.kind == "boolean"), experiments[0][1])
    rows = [["", *(name for name, _ in experiments)]]
    rows += _rows(binary, [metrics.overall for _, metrics in experiments])
    types = sorted({name for _, metrics in experiments for name in metrics.by_type})
    for name in types if by_type and len(types) > 1 else ():
        columns = [metrics.by_type.get(name) for _, metrics in experiments]
        rows += [[f"{label}, {name}", *cells] for label, *cells in _score_rows(binary, columns)]
    return rows


def _rows(metrics: Metrics, columns: Sequence[Scores]) -> list[Row]:
    counts = [*count_rows(columns), *_score_rows(metrics, columns)]
    return counts + (confusion_rows(columns) if metrics.kind == "boolean" else [])


def count_rows(columns: Sequence[Scores]) -> list[Row]:
    """What there is to measure, and what cannot be measured."""
    always = [
        ["results", *(f"{s.n:,}" for s in columns)],
        ["answered", *(f"{s.answered:,}" for s in columns)],
        ["errors", *(f"{s.errors:,}" for s in columns)],
        *_error_rows(columns),
        ["measured (answered, labelled)", *(f"{s.labelled:,}" for s in columns)],
        ["answered, without a label", *(f"{s.unlabelled:,}" for s in columns)],
    ]
    if_any = [
        ["labelled, but without an answer", *(f"{s.labelled_errors:,}" for s in columns)],
        ["answered, label not comparable", *(f"{s.odd_labels:,}" for s in columns)],
        ["answered, value left out", *(f"{s.without_value:,}" for s in columns)],
        ["measured, label not declared", *(f"{s.undeclared_labels:,}" for s in columns)],
    ]
    return always + [row for row in if_any if any(cell != "0" for cell in row[1:])]


def _error_rows(columns: Sequence[Scores]) -> list[Row]:
    names = sorted({name for scores in columns for name in scores.error_categories})
    counts = [scores.error_categories for scores in columns]
    return [[f"... {name}", *(f"{of.get(name, 0):,}" for of in counts)] for name in names]


def _score_rows(metrics: Metrics, columns: Sequence[Scores | None]) -> list[Row]:
    def row(name: str, cell: Callable[[Scores], str]) -> Row:
        return [name, *("-" if scores is None else cell(scores) for scores in columns)]

    rows = [row("accuracy", lambda s: _share(s, s.accuracy, "numbers are not scored"))]
    if metrics.kind == "boolean":
        rows += [
            row("precision", lambda s: _binary_share(s, s.precision, "nothing detected")),
            row("recall", lambda s: _binary_share(s, s.recall, "no positive labels")),
            row("specificity", lambda s: _binary_share(s, s.specificity, "no negative labels")),
            row("F1", _f1),
        ]
    return rows


def confusion_rows(columns: Sequence[Scores]) -> list[Row]:
    """The four cells and their margins."""
    said = [_pair(scores.n_positive_detected, scores.n_negative_detected) for scores in columns]
    true = [_pair(scores.n_positive_manual, scores.n_negative_manual) for scores in columns]
    return [
        [CELLS, *(cells_of(scores.confusion) for scores in columns)],
        ["answers yes / no", *said],
        ["labels yes / no", *true],
    ]


def cells_of(found: Confusion | None) -> str:
    """The four cells in the order of `CELLS`."""
    return f"{found.tp:,} / {found.tn:,} / {found.fp:,} / {found.fn:,}" if found else "n/a"


def _pair(yes: int | None, no: int | None) -> str:
    return "n/a" if yes is None or no is None else f"{yes:,} / {no:,}"


def _share(scores: Scores, share: Proportion | None, otherwise: str) -> str:
    if share is None:
        return _missing(scores, otherwise)
    return f"{share.value:.2f} ({share.low:.2f}-{share.high:.2f})"


def _binary_share(scores: Scores, share: Proportion | None, otherwise: str) -> str:
    return _share(scores, share, otherwise) if scores.confusion else "n/a"


def _f1(scores: Scores) -> str:
    if scores.confusion is None:
        return "n/a"
    if scores.f1 is None:
        return _missing(scores, "no positive labels, nothing detected")
    return f"{scores.f1:.2f}"


def _missing(scores: Scores, otherwise: str) -> str:
    """Why there is no score: the first thing that is missing."""
    reasons = (
        (scores.n == 0, "no results"),
        (scores.answered == 0, "no answers"),
        (scores.unlabelled == scores.answered, "no labelled narratives"),
        (scores.odd_labels > 0 and scores.labelled == 0, "no comparable labels"),
        (scores.labelled == 0, "no value to compare"),
    )
    reason = next((words for applies, words in reasons if applies), otherwise)
    return f"n/a ({reason})"
