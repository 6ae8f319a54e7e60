"""How a run went over time: its sessions one after another, and the picture of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from overnight.report.paper.document import Caption
from overnight.report.paper.svg import (
    DARK,
    INK,
    WIDTH,
    Frame,
    box,
    dot,
    hatched,
    line,
    nice,
    path,
    picture,
    text,
    x_axis,
    y_axis,
)
from overnight.report.table import Row
from overnight.store.course import Instant
from overnight.store.limits import LimitRow
from overnight.store.pauses import PauseRow
from overnight.store.sessions import SessionRow
from overnight.store.times import from_text

_BARS = 60  # of all sessions together, about
_IN_A_BAR = 5  # results on the mean, or a bar would tell of chance more than of throughput
_NARROWEST = 0.02  # seconds
_SHORTEST = 0.01  # seconds; even a session that did nothing has its place
_DIGITS = (
    (2.0, 23),
    (60.0, 22),
    (600.0, 21),
    (6 * 3600.0, 19),
    (72 * 3600.0, 18),
)  # span -> its precision
_MINUTES = 16  # characters of a time down to the minute
_WHOLE = "0001-01-01 00:00:00.000"
_UNITS = ((300.0, 1.0, "seconds"), (3 * 3600.0, 60.0, "minutes"), (1e99, 3600.0, "hours"))


@dataclass(frozen=True, slots=True)
class Bar:
    """Results that came within a part of a session."""

    began: float  # seconds of all sessions up to here, those before it included
    seconds: float
    n: int
    n_errors: int

    @property
    def rate(self) -> float:
        """Results per second."""
        return self.n / self.seconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """A session on the axis: it follows the one before it, whatever lay in between.

    All times are seconds on the axis. `limits`: the path of the limit, as (since, calls at once).
    """

    session: SessionRow
    began: float
    seconds: float
    bars: tuple[Bar, ...]
    pauses: tuple[tuple[float, float], ...]
    limits: tuple[tuple[float, int], ...]

    @property
    def ended(self) -> float:
        """Where it ends."""
        return self.began + self.seconds


@dataclass(frozen=True, slots=True)
class Course:
    """Every session, the first one first."""

    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> float:
        """The length of the axis."""
        return sum(stretch.seconds for stretch in self.stretches)

    @property
    def n(self) -> int:
        """Results on it."""
        return sum(bar.n for stretch in self.stretches for bar in stretch.bars)


def course(
    sessions: Sequence[SessionRow],
    pauses: Sequence[PauseRow],
    limits: Sequence[LimitRow],
    results: Callable[[int], Sequence[Instant]],
) -> Course:
    """Put what happened on one axis; `results` counts them by so many digits of their time."""
    firsts = [_at(session.started_at) for session in sessions]
    lengths = [
        max(_at(s.ended_at or s.last_seen_at) - first, _SHORTEST)
        for s, first in zip(sessions, firsts, strict=True)
    ]
    total = sum(lengths)
    digits = next((n for most, n in _DIGITS if total < most), _MINUTES)
    instants = [(_at(i.at + _WHOLE[len(i.at) :]), i) for i in results(digits)]
    stretches, began = [], 0.0
    for k, (session, first, seconds) in enumerate(zip(sessions, firsts, lengths, strict=True)):
        since = first if k else float("-inf")
        until = firsts[k + 1] if k + 1 < len(firsts) else float("inf")
        axis = _Axis(first, seconds, began)
        own = [(axis.place(at), i) for at, i in instants if since <= at < until]
        stretches.append(
            Stretch(
                session=session,
                began=began,
                seconds=seconds,
                bars=tuple(_bars(own, axis, _n_bars(own, seconds, seconds / total))),
                pauses=tuple(_pauses(axis, session, pauses)),
                limits=tuple(
                    (axis.place(_at(row.at)), row.concurrency)
                    for row in limits
                    if row.session_id == session.session_id
                ),
            )
        )
        began += seconds
    return Course(tuple(stretches))


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the times of one session lie."""

    first: float  # seconds since the epoch
    seconds: float
    began: float

    def place(self, at: float) -> float:
        return self.began + min(max(at - self.first, 0.0), self.seconds)


def _at(time: str) -> float:
    return from_text(time).timestamp()


def _n_bars(own: Sequence[tuple[float, Instant]], seconds: float, share: float) -> float:
    """How many there may be of a session with its share of all the time."""
    n = sum(instant.n for _, instant in own)
    return min(_BARS * share, seconds / _NARROWEST, n / _IN_A_BAR)


def _bars(own: Sequence[tuple[float, Instant]], axis: _Axis, about: float) -> Iterator[Bar]:
    n_bars = max(1, round(about))
    counts, errors = [0] * n_bars, [0] * n_bars
    for place, instant in own:
        bar = min(int((place - axis.began) / axis.seconds * n_bars), n_bars - 1)
        counts[bar] += instant.n
        errors[bar] += instant.n_errors
    width = axis.seconds / n_bars
    for i, (n, n_errors) in enumerate(zip(counts, errors, strict=True)):
        yield Bar(axis.began + i * width, width, n, n_errors)


def _pauses(
    axis: _Axis, session: SessionRow, pauses: Sequence[PauseRow]
) -> Iterator[tuple[float, float]]:
    for pause in pauses:
        if pause.session_id == session.session_id:
            ended = _at(pause.ended_at) if pause.ended_at else axis.first + axis.seconds
            yield axis.place(_at(pause.began_at)), axis.place(ended)


# --- shown -----------------------------------------------------------------------------------


def course_table(found: Course) -> list[Row]:
    """The bars of the picture as rows."""
    size, unit = _unit(found.seconds)
    per, word = _rate(found)
    return [
        [unit, "session", "results", "of them errors", f"per {word}"],
        *(
            [
                f"{bar.began / size:,.2f} to {(bar.began + bar.seconds) / size:,.2f}",
                f"{i}",
                f"{bar.n:,}",
                f"{bar.n_errors:,}",
                f"{bar.rate * per:,.2f}",
            ]
            for i, stretch in enumerate(found.stretches, start=1)
            for bar in stretch.bars
        ),
    ]


def course_picture(caption: Caption, found: Course) -> Element:
    """Bars of the throughput, pauses hatched, and below them the path of the limit."""
    size, unit = _unit(found.seconds)
    per, word = _rate(found)
    length = found.seconds / size
    highest = max(bar.rate for stretch in found.stretches for bar in stretch.bars) * per
    frame = Frame(48, 34, WIDTH - 62, 170, (0, length), (0, highest * 1.05 or 1.0))
    marks = y_axis(frame, nice(0, frame.y[1], 4), f"results per {word}")
    for left, right in (pause for stretch in found.stretches for pause in stretch.pauses):
        x1, x2 = frame.at_x(left / size), frame.at_x(right / size)
        marks.append(box(x1, frame.top, max(x2 - x1, 1.5), frame.height, hatched(caption.key)))
    for bar in (bar for stretch in found.stretches for bar in stretch.bars if bar.n):
        x1, x2 = (frame.at_x(at / size) for at in (bar.began, bar.began + bar.seconds))
        y = frame.at_y(bar.rate * per)
        marks.append(box(x1, y, max(x2 - x1 - 0.6, 0.8), frame.bottom - y, DARK))
    marks += _ends(frame, found, size)
    last = frame
    if any(stretch.limits for stretch in found.stretches):
        marks.append(line(frame.left, frame.bottom, frame.right, frame.bottom))
        last = _limit_frame(found, length)
        marks += _limit_panel(last, found, size)
    several = " of the sessions, one after another" if len(found.stretches) > 1 else ""
    marks += x_axis(last, nice(0, length, 6), f"{unit}{several}")
    return picture(caption, last.bottom + 44, marks)


def _ends(frame: Frame, found: Course, size: float) -> Iterator[Element]:
    """A line where a session ended and another went on; a cross above it where it crashed."""
    for stretch in found.stretches:
        x = frame.at_x(stretch.ended / size)
        if stretch is not found.stretches[-1]:
            yield line(x, frame.top - 4, x, frame.bottom, stroke_dasharray="2 3")
        if stretch.session.ended_how == "crashed":
            yield text(
                x,
                frame.top - 6,
                "\N{MULTIPLICATION SIGN}",
                anchor="middle",
                style="font-weight:700",
            )


def _limit_frame(found: Course, length: float) -> Frame:
    most = max(limit for stretch in found.stretches for _, limit in stretch.limits)
    return Frame(48, 254, WIDTH - 62, 80, (0, length), (0, most * 1.1))


def _limit_panel(frame: Frame, found: Course, size: float) -> Iterator[Element]:
    ticks = [t for t in nice(0, frame.y[1], 3) if t[0] == int(t[0])]
    yield from y_axis(frame, ticks, "calls at once")
    for stretch in (stretch for stretch in found.stretches if stretch.limits):
        points = [*stretch.limits, (stretch.ended, stretch.limits[-1][1])]
        places = [(frame.at_x(at / size), frame.at_y(limit)) for at, limit in points]
        yield path(places, stroke=INK)
        yield from (dot(x, y, radius=2) for x, y in places[:-1])


def _unit(seconds: float) -> tuple[float, str]:
    return next((size, word) for most, size, word in _UNITS if seconds < most)


def _rate(found: Course) -> tuple[float, str]:
    """In which unit of time the mean throughput is no tiny number."""
    mean = found.n / found.seconds if found.seconds else 0.0
    for per, word in ((1.0, "second"), (60.0, "minute")):
        if mean * per >= 1:
            return per, word
    return 3600.0, "hour"
