"""The pictures of a report, from plain numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from xml.etree.ElementTree import Element

from overnight.report.paper.document import Caption
from overnight.report.paper.svg import (
    DARK,
    INK,
    LETTER,
    LINE,
    WIDTH,
    Frame,
    box,
    dot,
    hatched,
    line,
    lying,
    nice,
    path,
    picture,
    shortened,
    text,
    whiskers,
    x_axis,
    y_axis,
)

_UNIT = [(i / 5, f"{i / 5:.1f}") for i in range(6)]  # ticks of a share
_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_AXIS = 44.0  # below a frame, for ticks and title


@dataclass(frozen=True, slots=True)
class Point:
    """A figure with its interval; `ends`: where it were if errors had been wrong, or right."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    ends: tuple[float, float] | None = None


def forest(caption: Caption, points: Sequence[Point], axis: str, *, top: float = 1.0) -> Element:
    """Figures up to `top` one below the other with their intervals; `ends` as a grey bar behind."""
    lowest = min([0.0, *(p.interval[0] if p.interval else p.value for p in points)])
    names = min(24 + LETTER * max(len(p.name) for p in points), 170.0)
    frame = Frame(names, 8, WIDTH - names - 14, 24.0 * len(points), (lowest, top), (0, 1))
    ticks = nice(lowest, top, 6)
    marks = [line(x, 8, x, frame.bottom, stroke=LINE) for x in (frame.at_x(v) for v, _ in ticks)]
    for i, point in enumerate(points):
        y = frame.top + 24 * i + 12
        marks.append(text(names - 10, y + 4.3, shortened(point.name, names - 16), anchor="end"))
        if point.ends:
            low, high = map(frame.at_x, point.ends)
            marks.append(box(low, y - 5.5, high - low, 11, LINE))
        if point.interval:
            marks += lying(y, *map(frame.at_x, point.interval))
        marks.append(dot(frame.at_x(point.value), y))
    return picture(caption, frame.bottom + _AXIS, [*marks, *x_axis(frame, ticks, axis)])


def matrix(
    caption: Caption,
    names: Sequence[str],
    cells: Mapping[tuple[str, str], int],
    axes: tuple[str, str],
) -> Element:
    """Counts of (row, column), each square as dark as its share of the row."""
    left, top = 104.0, 42.0
    side = min((WIDTH - left - 14) / len(names), 110.0)
    tall = min(side, 64.0)
    across, down = axes[1], axes[0]
    marks = [text(left, 14, across), text(4, top - 6, down)]
    for i, name in enumerate(names):
        middle = left + side * (i + 0.5)
        marks.append(text(middle, top - 6, shortened(name, side - 6), anchor="middle"))
        at = top + tall * (i + 0.5) + 4.3
        marks.append(text(left - 8, at, shortened(name, left - 12), anchor="end"))
    for (i, row), (j, column) in product(enumerate(names), enumerate(names)):
        n = cells.get((row, column), 0)
        total = sum(cells.get((row, other), 0) for other in names)
        share = n / total if total else 0.0
        x, y = left + side * j, top + tall * i
        marks.append(box(x, y, side, tall, DARK, fill_opacity=f"{0.85 * share:.2f}", stroke=INK))
        style = "fill:#fff" if share > 0.8 else ""  # noqa: PLR2004 - dark
        words = f"{n:,} ({share:.0%})" if side > 70 and total else f"{n:,}"  # noqa: PLR2004
        marks.append(text(x + side / 2, y + tall / 2 + 4.3, words, anchor="middle", style=style))
    return picture(caption, top + tall * len(names) + 6, marks)


def reliability(
    caption: Caption, bins: Sequence[tuple[float, float, tuple[float, float], int]]
) -> Element:
    """Bins as (mean confidence, share right, its interval, answers); the diagonal is the ideal."""
    frame = Frame(48, 30, 330, 300, (0, 1), (0, 1))
    marks = y_axis(frame, _UNIT, "share of right answers")
    marks += x_axis(frame, _UNIT, "mean confidence")
    diagonal = [(frame.at_x(v), frame.at_y(v)) for v in (0, 1)]
    marks.append(path(diagonal, stroke=INK, stroke_dasharray="4 4", stroke_width=1))
    for confidence, _, (_, high), n in bins:  # first, so that their white edge hides no bin
        said = text(frame.at_x(confidence), frame.at_y(high) - 6, f"{n:,}", anchor="middle")
        said.attrib |= {"stroke": "#fff", "stroke-width": "3", "paint-order": "stroke"}
        marks.append(said)
    for confidence, right, (low, high), _ in bins:
        x = frame.at_x(confidence)
        marks += [*whiskers(x, frame.at_y(low), frame.at_y(high)), dot(x, frame.at_y(right))]
    return picture(caption, frame.bottom + _AXIS, marks)


def histograms(caption: Caption, panels: Mapping[str, Sequence[int]], axis: str) -> Element:
    """Counts in ten tenths, a panel for each name, two beside each other."""
    marks: list[Element] = []
    wide, tall, step = 178.0, 84.0, 166.0
    for i, (name, counts) in enumerate(panels.items()):
        left, top = 48 + (i % 2) * (wide + 62), 30 + (i // 2) * step
        frame = Frame(left, top, wide, tall, (0, 1), (0, max([*counts, 1])))
        ticks = [t for t in nice(0, frame.y[1], 3) if t[0] == int(t[0])]
        upright = y_axis(frame, ticks, "")
        marks += [text(left - 40, top - 12, f"{name}, n = {sum(counts):,}"), *upright]
        fill = hatched(caption.key) if i % 2 else DARK
        for tenth, n in enumerate(counts):
            x, y = frame.at_x(tenth / 10), frame.at_y(n)
            bar = box(x + 1, y, wide / 10 - 2, frame.bottom - y, fill, stroke=INK, stroke_width=0.7)
            marks += [bar] if n else []
        marks += x_axis(frame, [(0, "0"), (0.5, "0.5"), (1, "1")], axis)
    rows = (len(panels) + 1) // 2
    return picture(caption, 30 + step * (rows - 1) + tall + _AXIS, marks)


def top_of(points: Sequence[Point]) -> float:
    """Where the axis of shares ends, so that small ones can be told apart."""
    highest = max(point.interval[1] if point.interval else point.value for point in points)
    return next((top for top in _TOPS if highest <= top), 1.0)


def trend(
    caption: Caption,
    classes: Sequence[str],
    lines: Mapping[str, Sequence[Point | None]],
    axes: tuple[str, str],
) -> Element:
    """Shares over ordered classes; the first line has discs, the second hollow squares."""
    top = top_of([point for points in lines.values() for point in points if point])
    frame = Frame(48, 50, WIDTH - 62, 190, (-0.5, len(classes) - 0.5), (0, top))
    marks = y_axis(frame, nice(0, top), "")
    marks += [text(4, 38, axes[1])]
    marks += x_axis(frame, list(enumerate(classes)), axes[0])
    for i, (name, points) in enumerate(lines.items()):
        marks += [dot(12 + 200 * i, 12, hollow=i > 0), text(24 + 200 * i, 16.3, name)]
        shift = (i - (len(lines) - 1) / 2) * 16
        for place, point in enumerate(points):
            if point is None:
                continue
            x = frame.at_x(place) + shift
            if point.interval:
                marks += whiskers(x, *map(frame.at_y, point.interval))
            marks.append(dot(x, frame.at_y(point.value), hollow=i > 0))
    return picture(caption, frame.bottom + _AXIS, marks)
