"""What is kept, and whether all is well with it: backups and checks."""

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from overnight.cli.screen import Screen, console, show_json
from overnight.commands.backup import Backup
from overnight.commands.doctor import File, Finding, Report
from overnight.commands.migrate import Migrated
from overnight.words import duration, percent, size_text

_LINE_EVERY = 10.0  # seconds, where there is no terminal


@contextmanager
def copied() -> Iterator[Callable[[int, int], None]]:
    """A callback that shows how far a copy is; a terminal that goes away does not end it."""
    screen = Screen(stderr=True, highlight=False, emoji=False)
    said = [time.monotonic()]

    def line(done: int, total: int) -> None:
        if total == 0 or time.monotonic() - said[0] >= _LINE_EVERY:
            said[0] = time.monotonic()
            with suppress(OSError):
                print(_progress(done, total), file=sys.stderr, flush=True)  # noqa: T201

    if not screen.is_terminal:
        yield line
        return
    with screen.status("copying") as status:

        def update(done: int, total: int) -> None:
            with suppress(OSError):
                status.update(_progress(done, total))

        yield update


def _progress(done: int, total: int) -> str:
    if total == 0:
        return "waiting for another backup of this database to be finished"
    if done == total:
        return f"{size_text(total)} copied, being verified"
    return f"{size_text(done)} of {size_text(total)} copied ({percent(done, total)})"


def show_backup(made: Backup, *, as_json: bool) -> None:
    """Where the copy is."""
    if as_json:
        show_json({"file": made.path, "bytes": made.n_bytes, "seconds": round(made.seconds, 3)})
        return
    print(made.path)  # noqa: T201 - a path, for people and scripts
    with suppress(OSError):
        text = f"{size_text(made.n_bytes)} copied and verified in {duration(made.seconds)}"
        print(text, file=sys.stderr)  # noqa: T201


@contextmanager
def checked() -> Iterator[Callable[[str], None]]:
    """A callback that shows on a terminal what is being checked."""
    screen = Screen(stderr=True, highlight=False, emoji=False)
    if not screen.is_terminal:
        yield lambda _name: None
        return
    with screen.status("checking") as status:
        yield lambda name: status.update(f"checking {name}")


_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "problem": ("PROBLEM", "bold red")}


def show_report(report: Report, *, as_json: bool) -> None:
    """A line for each finding, with what to do below it; the files after them."""
    if as_json:
        show_json({**dataclasses.asdict(report), "is_fine": report.is_fine})
        return
    out = console()
    for finding in report.findings:
        _show_finding(out, finding)
    if report.files is not None:
        out.print()
        _show_files(out, report.files)
    n = sum(finding.state == "problem" for finding in report.findings)
    out.print(
        f"\n{report.database}: " + (f"{n} problems" if n > 1 else "a problem" if n else "fine")
    )


def _show_finding(out: Screen, finding: Finding) -> None:
    mark, style = _MARKS[finding.state]
    out.print(f"{mark:8}", style=style, end="")
    out.print(f"{finding.check}: {finding.message}", soft_wrap=True)
    for line in (finding.advice or "").splitlines():
        out.print(f"{'':8}{line}", soft_wrap=True)  # whole: it may be copied


def _show_files(out: Screen, files: Sequence[File]) -> None:
    rows = [["bytes", "mode", "kind", "holds", "file"]]
    for file in files:
        size = "not there" if file.n_bytes is None else f"{file.n_bytes:,}"
        mode = "" if file.mode is None else f"{file.mode:o}"
        rows.append([size, mode, file.kind, file.holds, str(file.path)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for i, (*cells, path) in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        # a path is never broken: it may be copied
        out.print(f"{line}  {path}", soft_wrap=True, style="bold" if i == 0 else "")
    out.print("What --out has put elsewhere is not known here.")


def show_migrated(done: Migrated) -> None:
    """Whether there was anything to do."""
    if not done.said:
        print(f"{done.database} is up to date; nothing was changed.")  # noqa: T201
