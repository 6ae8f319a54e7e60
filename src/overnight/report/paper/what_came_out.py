"""The third part of a report: the figures of `metrics`, as tables and as pictures."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from overnight.domain.agreement import Verdict, verdict
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation_table import (
    bounds_table,
    cases_table,
    classes_table,
    figure_title,
    narratives_table,
    number,
    reliability_table,
    sources_table,
)
from overnight.report.group import Figure, Group
from overnight.report.metrics import Scores
from overnight.report.paper import plots
from overnight.report.paper.document import Block, Caption, Heading, Paragraph, Plot, Table
from overnight.report.paper.facts import Facts
from overnight.report.paper.plots import Point
from overnight.report.paper.truth import share_in_truth
from overnight.report.repeats import retest_table
from overnight.report.statistics.estimate import wilson
from overnight.report.table import Row
from overnight.store.course import N_LENGTHS, SHORTEST, OutcomeCount

_MOST_CLASSES = 12  # in a picture of all pairs
MOST_VALUES = 40  # of a column, in a picture
_RIGHT = (Verdict.TRUE_POSITIVE, Verdict.TRUE_NEGATIVE, Verdict.SAME)
_WRONG = (Verdict.FALSE_POSITIVE, Verdict.FALSE_NEGATIVE, Verdict.DIFFERENT)
_PANELS = {
    Verdict.TRUE_POSITIVE: "yes, labelled yes",
    Verdict.FALSE_POSITIVE: "yes, labelled no",
    Verdict.TRUE_NEGATIVE: "no, labelled no",
    Verdict.FALSE_NEGATIVE: "no, labelled yes",
    Verdict.SAME: "right",
    Verdict.DIFFERENT: "wrong",
}


def what_came_out(facts: Facts) -> Iterator[Block]:
    """Tables with 95 % intervals and bounds; pictures where they show more."""
    overall, evaluation = facts.evaluation.overall, facts.evaluation
    yield Heading("What came out")
    if facts.part:
        yield Paragraph(facts.part)
    yield Table(narratives_table(facts.metrics, evaluation), "All narratives, and each type")
    yield Paragraph(
        "In brackets: 95 % intervals; Wilson for proportions, resampled or summed by case "
        "otherwise. Errors are counted, not measured."
    )
    yield from _figures(facts)
    yield from _confusion(facts)
    yield from _tabled("Classes", classes_table(overall))
    yield from _tabled("Each figure if every error had been wrong, or right", bounds_table(overall))
    yield from _detection(facts)
    yield from share_in_truth(facts)
    yield from _confidence(facts)
    yield from _tabled(f"Cases, {case_labels(evaluation)}", cases_table(evaluation))
    yield from _agreement(evaluation)
    if facts.retest is not None:
        yield from _tabled("Asked again, with other seeds", retest_table(facts.retest))
    yield from _length(facts)


def case_labels(found: Evaluation) -> str:
    """Where the labels of the cases come from."""
    if not found.case_labels:
        return "labels by the same rule from those of their narratives"
    if found.case_labels == found.n_cases:
        return "by their own labels"
    return (
        f"{found.case_labels:,} by their own labels, the others by the same rule from those of "
        "their narratives"
    )


def _tabled(title: str, rows: list[Row]) -> Iterator[Block]:
    if rows:
        yield Table(rows, title)


def _figures(facts: Facts) -> Iterator[Block]:
    group = facts.evaluation.overall
    points = [
        Point(figure_title(name), f.estimate.value, f.estimate.interval, _ends(f, group))
        for name, f in group.figures.items()
        if f.estimate.value is not None
    ]
    if len(points) < 2:  # noqa: PLR2004 - one needs no picture
        return
    of = {"develop": "the development part", "test": "the test part"}
    whose = of.get(facts.part_name, "all narratives")
    said = f"Discs: figures of {whose}; lines: their 95 % intervals."
    if group.failed:
        said += " Grey bars: from every error wrong to every error right."
    caption = Caption("figures", "Figures", marks=said)
    yield Plot(
        caption, plots.forest(caption, points, "value"), _point_rows("figure", points), above=True
    )


def _ends(figure: Figure, group: Group) -> tuple[float, float] | None:
    low, high = figure.if_errors_wrong, figure.if_errors_right
    return None if not group.failed or low is None or high is None else (low, high)


def _point_rows(name: str, points: Sequence[Point]) -> list[Row]:
    rows = [[p.name, number(p.value), *map(number, p.interval or (None, None))] for p in points]
    return [[name, "value", "low", "high"], *rows]


def _confusion(facts: Facts) -> Iterator[Block]:
    group = facts.evaluation.overall
    if group.confusion is not None:
        c = group.confusion
        cells = {("yes", "yes"): c.tp, ("yes", "no"): c.fn, ("no", "yes"): c.fp, ("no", "no"): c.tn}
        names: Sequence[str] = ("yes", "no")
    elif group.classes is not None and len(group.classes.classes) <= _MOST_CLASSES:
        cells = {(label, said): n for label, said, n in group.classes.matrix}
        names = [one.name for one in group.classes.classes]
    else:
        return
    said = "Rows: labels; columns: answers.", "The darker, the larger a share of its row."
    caption = Caption("confusion", "Answers against labels", *said)
    picture = plots.matrix(caption, names, cells, ("label", "answer"))
    yield Plot(caption, picture, _matrix_rows("label", names, cells))


def _matrix_rows(
    what: str, names: Sequence[str], cells: Mapping[tuple[str, str], int]
) -> list[Row]:
    head = [what, *(f"{name}" for name in names)]
    return [head, *([a, *(f"{cells.get((a, b), 0):,}" for b in names)] for a in names)]


def _detection(facts: Facts) -> Iterator[Block]:
    """The share of yes among the answers, by whatever tells narratives apart."""
    if facts.metrics.kind != "boolean":
        return
    for i, (column, values) in enumerate(facts.groupings.items()):
        points = [p for name, scores in values.items() if (p := _rate(name, scores))]
        if len(points) < 2:  # noqa: PLR2004 - it stands in the table of all narratives
            continue
        note = "All answers, labelled or not; 95 % intervals (Wilson)."
        if more := facts.cut.get(column):
            note += (
                f" The {len(values):,} values with most narratives, in the order of the values; "
                f"{more:,} more are not shown."
            )
        title = f"Share of yes among the answers, by {column}"
        caption = Caption(f"detection-{i}", title, note, "Discs: share; lines: interval.")
        picture = plots.forest(caption, points, "share of yes", top=plots.top_of(points))
        yield Plot(caption, picture, _rate_rows(column, values))


def _rate(name: str, scores: Scores) -> Point | None:
    yes, no = scores.n_positive_detected or 0, scores.n_negative_detected or 0
    ends = wilson(yes, yes + no)
    return Point(name, yes / (yes + no), ends) if ends else None


def _rate_rows(column: str, values: Mapping[str, Scores]) -> list[Row]:
    rows = [
        [
            name,
            f"{scores.n_positive_detected or 0:,}",
            f"{scores.answered:,}",
            *_shown(_rate(name, scores)),
        ]
        for name, scores in values.items()
    ]
    return [[column, "yes", "answers", "share", "low", "high"], *rows]


def _shown(point: Point | None) -> list[str]:
    return [number(point.value if point else None), *_interval(point)]


def _interval(point: Point | None) -> list[str]:
    ends = point.interval if point and point.interval else (None, None)
    return [number(end) for end in ends]


# --- confidence ------------------------------------------------------------------------------


def _confidence(facts: Facts) -> Iterator[Block]:
    group = facts.evaluation.overall
    if group.calibration is not None:
        bins = [
            (b.confidence, b.right.value, (b.right.low, b.right.high), b.right.n)
            for b in group.calibration.bins
        ]
        note = "Answers whose confidence is in the same tenth; 95 % intervals (Wilson)."
        marks = "Numbers: how many. On the dashed line confidence is the share of right answers."
        caption = Caption("calibration", "Right answers by confidence", note, marks)
        yield Plot(caption, plots.reliability(caption, bins), reliability_table(group))
    panels = _tenths(facts)
    if panels:
        said = "Answers with a confidence in each tenth.", "Filled: right; hatched: wrong."
        caption = Caption("confidence", "Confidence by outcome", *said)
        head = ["confidence", *panels]
        rows = [
            [f"{i / 10:.1f}-{(i + 1) / 10:.1f}", *(f"{counts[i]:,}" for counts in panels.values())]
            for i in range(10)
        ]
        yield Plot(caption, plots.histograms(caption, panels, "confidence"), [head, *rows])


def _tenths(facts: Facts) -> dict[str, list[int]]:
    """By outcome, right and wrong in turn; empty where no measured answer has a confidence."""
    counts = _by_verdict(facts, lambda one: one.confidence)
    kinds = (
        (_RIGHT[:2], _WRONG[:2]) if facts.metrics.kind == "boolean" else (_RIGHT[2:], _WRONG[2:])
    )
    order = [kind for pair in zip(*kinds, strict=True) for kind in pair]
    found = {_PANELS[kind]: [counts[kind, i] for i in range(10)] for kind in order}
    return found if any(map(sum, found.values())) else {}


def _by_verdict(
    facts: Facts, place: Callable[[OutcomeCount], int | None]
) -> Counter[tuple[Verdict, int]]:
    """Answers counted by what their label says and by some place."""
    counts: Counter[tuple[Verdict, int]] = Counter()
    for one in facts.outcomes:
        at = place(one)
        if one.error_category is None and at is not None:
            counts[verdict(facts.spec.primary_field, one.label, one.primary), at] += one.n
    return counts


# --- two sources, and length -----------------------------------------------------------------


def _agreement(evaluation: Evaluation) -> Iterator[Block]:
    yield from _tabled("Two sources of one case (first / second)", sources_table(evaluation))
    for i, ((first, second), (answers, _)) in enumerate(evaluation.sources.items()):
        w = answers.both_ways
        if w is None:
            continue
        cells = {("yes", "yes"): w.both, ("yes", "no"): w.only_first}
        cells |= {("no", "yes"): w.only_second, ("no", "no"): w.neither}
        note = f"Rows: {first}; columns: {second}."
        title = f"Answers for {first} and {second} of the same case"
        marks = "The darker, the larger a share of its row."
        caption = Caption(f"agreement-{i}", title, note, marks)
        picture = plots.matrix(caption, ("yes", "no"), cells, (first, second))
        yield Plot(caption, picture, _matrix_rows(first, ("yes", "no"), cells), above=True)


def _length(facts: Facts) -> Iterator[Block]:
    """Whether long narratives are answered wrongly more often, or not at all."""
    asked: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for one in facts.outcomes:
        asked[one.length] += one.n
        failed[one.length] += one.n if one.error_category else 0
    if not asked:
        return
    counts = _by_verdict(facts, lambda one: one.length)
    places = range(min(asked), max(asked) + 1)
    right = [sum(counts[kind, i] for kind in _RIGHT) for i in places]
    wrong = [sum(counts[kind, i] for kind in _WRONG) for i in places]
    lines = {"without an answer": [_share(failed[i], asked[i]) for i in places]}
    if any(wrong) or any(right):
        shares = [_share(w, r + w) for r, w in zip(right, wrong, strict=True)]
        lines = {"wrong, of the measured": shares, **lines}
    names = [_characters(i) for i in places]
    marks = "Lines: 95 % intervals (Wilson)."
    caption = Caption("length", "Length of the narrative against errors", marks=marks)
    axes = ("characters, up to", "share")
    picture = plots.trend(caption, [_most(i) for i in places], lines, axes)
    rows = [
        [names[k], f"{asked[i]:,}", f"{failed[i]:,}", f"{right[k] + wrong[k]:,}", f"{wrong[k]:,}"]
        for k, i in enumerate(places)
    ]
    head = ["characters", "asked", "without an answer", "measured", "wrong"]
    yield Plot(caption, picture, [head, *rows])


def _share(k: int, n: int) -> Point | None:
    ends = wilson(k, n)
    return Point("", k / n, ends) if ends else None


def _most(i: int) -> str:
    return "more" if i == N_LENGTHS - 1 else f"{SHORTEST * 2**i:,}"


def _characters(i: int) -> str:
    if i == N_LENGTHS - 1:
        return f"more than {SHORTEST * 2 ** (i - 1):,}"
    low = f"{SHORTEST * 2 ** (i - 1) + 1:,}" if i else "1"
    return f"{low} to {SHORTEST * 2**i:,}"
