"""What is seen while a command works: a bar on a terminal, plain lines elsewhere, on stderr."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from overnight.cli.screen import Screen
from overnight.cli.shown import shown
from overnight.events import (
    Committed,
    Draining,
    Event,
    Handler,
    Progressed,
    Said,
    SessionEnded,
    SessionOpened,
    StoodStill,
    Waiting,
)
from overnight.words import (
    clock,
    duration,
    last_line,
    pause_text,
    percent,
    progress_line,
    rate_text,
    short_count,
)

_AT_MOST_EVERY = 10.0  # seconds between two plain lines ...
_AT_LEAST_EVERY = 60.0  # ... and the longest silence
_ROOM_FOR_A_BAR = 110  # columns
_BACKLOG = 100  # events that wait to be shown, from which on progress is not worth showing


@contextmanager
def watched() -> Iterator[Handler]:
    """A handler of events that shows them, in a thread of its own.

    A terminal that goes away never stops a run, nor does one that stands still (Ctrl-S, a pager
    that nobody reads on): only what is shown waits for it.
    """
    console = Screen(stderr=True, highlight=False, emoji=False)
    screen = _Bar(console) if console.is_terminal else _Lines()
    show, events = _never_fails(screen.handle), SimpleQueue[Event | None]()

    def work() -> None:
        while (event := events.get()) is not None:
            show(event)

    def tell(event: Event) -> None:
        is_late = isinstance(event, Progressed) and events.qsize() > _BACKLOG
        if not is_late and not isinstance(event, Committed):
            events.put(event)

    thread = threading.Thread(target=work, name="overnight-screen", daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        events.put(None)
        thread.join()
        with suppress(OSError):
            screen.close()


def warn(message: str) -> None:
    """One line on stderr, as a run would say it."""
    with watched() as handler:
        handler(Said(message, warning=True))


@contextmanager
def counted(what: str) -> Iterator[Callable[[int], None]]:
    """A callback that shows a growing number on a terminal, and nothing elsewhere."""
    console = Screen(stderr=True, highlight=False, emoji=False)
    if not console.is_terminal:
        yield lambda _n: None
        return
    with console.status(f"0 {what}") as status:
        yield lambda n: status.update(f"{n:,} {what}")


def _never_fails(handle: Handler) -> Handler:
    def quietly(event: Event) -> None:
        with suppress(OSError, ValueError):  # a closed terminal, a broken pipe, a closed stream
            handle(event)

    return quietly


class _Bar:
    """A bar with everything beside it, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        bar = [BarColumn(bar_width=20)] if console.width >= _ROOM_FOR_A_BAR else []
        self._progress = Progress(
            *bar,
            TextColumn("{task.fields[line]}"),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, line="", visible=False)

    def handle(self, event: Event) -> None:
        if isinstance(event, Progressed):
            self._draw(event)
        else:
            for line, style in _messages(event):
                self._console.print(line, style=style, markup=False)
        if isinstance(event, SessionOpened):
            self._progress.start()
        if isinstance(event, SessionEnded):
            self.close()

    def _draw(self, p: Progressed) -> None:
        tokens = f"{short_count(p.prompt_tokens)}+{short_count(p.completion_tokens)} tokens"
        parts = [  # in the order of their weight: a narrow terminal cuts the end
            f"{p.completed:,}/{p.total:,}",
            percent(p.completed, p.total),
            *([pause_text(p.waiting)] if p.waiting else []),
            rate_text(p.rate),
            f"ETA {clock(p.eta)}" if p.eta else "ETA unknown yet",
            f"errors {p.errors:,}",
            f"{p.in_flight} at once",
            duration(p.elapsed),
            tokens,
        ]
        self._progress.update(
            self._task,
            total=p.total,
            completed=p.completed,
            line="  ".join(parts),
            visible=True,
        )

    def close(self) -> None:
        self._progress.stop()


class _Lines:
    """A plain line now and then, for files, pipes and batch systems."""

    def __init__(self) -> None:
        self._shown_at = float("-inf")
        self._shown = self._over_at = -1
        self._latest: Progressed | None = None

    def handle(self, event: Event) -> None:
        if isinstance(event, Progressed):
            self._latest = event
            self._now_and_then(event)
        elif isinstance(event, SessionEnded):
            if self._latest and self._latest.completed != self._over_at:
                self._write(last_line(self._latest))
            self._say(event)
        else:
            self._say(event)

    def _now_and_then(self, event: Progressed) -> None:
        silence = time.monotonic() - self._shown_at
        moved = event.completed != self._shown
        if silence >= (_AT_MOST_EVERY if moved else _AT_LEAST_EVERY):
            self._print(event)

    def _print(self, event: Progressed) -> None:
        self._shown_at, self._shown = time.monotonic(), event.completed
        if event.completed < event.total:
            self._write(progress_line(event))
        else:  # only files are to be written now
            self._over_at = event.completed
            self._write(last_line(event))

    def _say(self, event: Event) -> None:
        for line, _ in _messages(event):
            self._write(line)

    def _write(self, line: str) -> None:
        print(shown(line), file=sys.stderr, flush=True)  # noqa: T201 - the command line

    def close(self) -> None:
        pass


def _messages(event: Event) -> list[tuple[str, str | None]]:
    """An event in words, with a style."""
    if isinstance(event, Said):
        return [(event.message, "yellow" if event.warning else None)]
    if isinstance(event, SessionOpened):
        c = event.counts
        copied = f", {c.copied:,} of them copied" if c.copied else ""
        errors = "1 error" if event.errors_again == 1 else f"{event.errors_again:,} errors"
        again = f", {errors} to ask again" if event.errors_again else ""
        return [
            (f"{event.name}: {event.experiment_id}", "bold"),
            (
                f"{c.completed:,} of {c.total:,} done ({percent(c.completed, c.total)}), "
                f"{c.errors:,} of them errors{copied}; {c.remaining:,} to go{again}, "
                f"{event.concurrency or 'as many as the server takes'} at once",
                None,
            ),
        ]
    if isinstance(event, Waiting):
        return _pause_messages(event)
    if isinstance(event, StoodStill):
        message = f"nothing happened here for {duration(event.seconds)}: the machine slept, or "
        return [(message + "this process was stopped; going on", "yellow")]
    if isinstance(event, Draining):
        return [(_draining(event), "yellow")]
    return []


def _draining(event: Draining) -> str:
    if not event.in_flight:
        return event.by
    calls = "1 call" if event.in_flight == 1 else f"{event.in_flight} calls"
    again = "Ctrl-C again" if "Ctrl-C" in event.by else "Ctrl-C"
    waiting = f"waiting up to {event.seconds:g} s for {calls} in flight"
    return f"{event.by}: {waiting}; {again} stops at once"


def _pause_messages(event: Waiting) -> list[tuple[str, str | None]]:
    """The beginning and the end of a pause; probes in between are for the progress line."""
    if event.over_at is not None:
        lasted = duration(event.over_at - event.since)
        return [(f"the server answers again after {lasted}; going on", "green")]
    if event.n_probes:
        return []
    return [(f"{pause_text(event)}; nothing is lost, the run goes on by itself", "yellow")]
