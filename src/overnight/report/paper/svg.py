"""What our plots are drawn with: a frame with axes, and marks that differ in print, too."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from overnight.report.paper.document import Caption
from overnight.report.paper.markup import element

INK, DARK, LIGHT, LINE = "#1b1b1b", "#1f4e79", "#c9d6e3", "#cfcfcf"
WIDTH = 480.0  # of every picture, in its own units; the text is 12.5 of them high
_TICK = 4.0
LETTER = 6.8  # the mean width of one


@dataclass(frozen=True, slots=True)
class Frame:
    """The area within the axes, and which values its sides stand for."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at_x(self, value: float) -> float:
        """Where a value lies from left to right."""
        low, high = self.x
        return self.left + self.width * (value - low) / ((high - low) or 1)

    def at_y(self, value: float) -> float:
        """Where a value lies from bottom to top."""
        low, high = self.y
        return self.top + self.height * (1 - (value - low) / ((high - low) or 1))

    @property
    def right(self) -> float:
        """The right side."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.top + self.height


def picture(caption: Caption, height: float, marks: Iterable[Element]) -> Element:
    """A whole picture of so many units in height."""
    key = caption.key
    return element(
        "svg",
        element("title", caption.title, id=f"{key}-title"),
        element("desc", caption.said, id=f"{key}-desc"),
        element("defs", _hatch(key)),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def _hatch(key: str) -> Element:
    line = element("path", d="M0,6 L6,0", stroke=INK, stroke_width=1.1)
    return element(
        "pattern", line, id=f"{key}-hatch", width=6, height=6, patternUnits="userSpaceOnUse"
    )


def hatched(key: str) -> str:
    """The hatching of a picture, as a fill."""
    return f"url(#{key}-hatch)"


def text(x: float, y: float, said: str, *, anchor: str = "start", **more: object) -> Element:
    """A line of text with its baseline at y; anchor: start, middle, end."""
    return element("text", said, x=_n(x), y=_n(y), text_anchor=anchor, **more)


def line(x1: float, y1: float, x2: float, y2: float, **more: object) -> Element:
    """A straight line."""
    style: dict[str, object] = {"stroke": INK, "stroke_width": 1}
    return element("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), **(style | more))


def box(x: float, y: float, width: float, height: float, fill: str, **more: object) -> Element:
    """A rectangle; sides that came out negative are none."""
    width, height = max(width, 0.0), max(height, 0.0)
    return element("rect", x=_n(x), y=_n(y), width=_n(width), height=_n(height), fill=fill, **more)


def dot(x: float, y: float, *, hollow: bool = False, radius: float = 4) -> Element:
    """A point: a filled disc, or a hollow square."""
    if hollow:
        return box(x - 3.6, y - 3.6, 7.2, 7.2, "#fff", stroke=INK, stroke_width=1.4)
    return element("circle", cx=_n(x), cy=_n(y), r=radius, fill=DARK)


def path(points: Sequence[tuple[float, float]], **more: object) -> Element:
    """A line through points."""
    d = " L".join(f"{_n(x)},{_n(y)}" for x, y in points)
    style: dict[str, object] = {"fill": "none", "stroke": DARK, "stroke_width": 1.6}
    return element("path", d=f"M{d}", **(style | more))


def x_axis(frame: Frame, ticks: Sequence[tuple[float, str]], title: str) -> list[Element]:
    """The lower axis, with a tick for each (value, word)."""
    y = frame.bottom
    marks = [line(frame.left, y, frame.right, y)]
    for value, word in ticks:
        x = frame.at_x(value)
        marks += [line(x, y, x, y + _TICK), text(x, y + 17, word, anchor="middle")]
    middle = (frame.left + frame.right) / 2
    return [*marks, text(middle, y + 36, title, anchor="middle")]


def y_axis(frame: Frame, ticks: Sequence[tuple[float, str]], title: str) -> list[Element]:
    """The left axis, its title above it, and a faint line at each tick."""
    x = frame.left
    marks = [text(4, frame.top - 12, title)] if title else []
    for value, word in ticks:
        y = frame.at_y(value)
        marks += [
            line(x, y, frame.right, y, stroke=LINE),
            text(x - 6, y + 4.3, word, anchor="end"),
        ]
    return [*marks, line(x, frame.top, x, frame.bottom)]


def whiskers(x: float, y1: float, y2: float) -> list[Element]:
    """An interval that stands."""
    ends = [line(x - 3, y, x + 3, y) for y in (y1, y2)]
    return [line(x, y1, x, y2, stroke_width=1.3), *ends]


def lying(y: float, x1: float, x2: float) -> list[Element]:
    """An interval that lies."""
    ends = [line(x, y - 3, x, y + 3) for x in (x1, x2)]
    return [line(x1, y, x2, y, stroke_width=1.3), *ends]


def shortened(said: str, room: float) -> str:
    """A text that fits into so much room: its beginning, and its end, where names differ."""
    most = max(int(room / LETTER), 3)
    if len(said) <= most:
        return said
    end = most // 3
    return f"{said[: most - 1 - end]}…{said[len(said) - end :]}"


def nice(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """At most so many round values from `low` to `high`, with their words."""
    step = step_of(high - low, most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(i * step, f"{i * step:,.10g}") for i in range(first, last + 1)]


def step_of(span: float, most: int) -> float:
    """The smallest of 1, 2, 5, 10, ... that goes into `span` at most `most` times."""
    if span <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(span / most))
    return next(size * k for k in (1, 2, 5, 10, 20) if size * k * most >= span * (1 - 1e-9))


def _n(value: float) -> str:
    return f"{value:.1f}"
