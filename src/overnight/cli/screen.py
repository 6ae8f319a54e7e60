"""What all output shares: a console, tables, JSON, and commands as they must be typed here."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from overnight.cli.shown import shown, shown_json
from overnight.words import iso

_WIDE = 160  # columns where there is no terminal to measure


class Screen(Console):
    """A console that shows texts as texts, and leaves it to the caller what a broken pipe means."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Leave out what a terminal would obey, unless it is the console's own."""
        for one in super().render(renderable, options):
            yield one if one.control else Segment(shown(one.text), one.style)

    def on_broken_pipe(self) -> None:
        """Raise; the library would end the process."""
        raise BrokenPipeError


def console() -> Screen:
    """Stdout, wide where it is no terminal."""
    return Screen(
        highlight=False,
        emoji=False,  # ":bomb:" in a narrative is no picture
        markup=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else _WIDE,
    )


def table(rows: Sequence[Sequence[str | Text]], *, right: bool = True) -> Table:
    """Rows of text, the first one the head, the first column names."""
    made = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        padding=(0, 2, 0, 0),
        show_header=any(rows[0]),
    )
    for index, head in enumerate(rows[0]):
        made.add_column(head, justify="right" if right and index else "left", overflow="fold")
    for row in rows[1:]:
        # as it is: square brackets are no markup
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def show_json(value: object) -> None:
    """One JSON document."""
    print(_document(value, indent=2))  # noqa: T201


def stream_json(values: Iterable[object]) -> None:
    """A JSON array, an element a line: a million results need no memory."""
    before = "[\n"
    for value in values:
        print(before + _document(value), end="")  # noqa: T201
        before = ",\n"
    print("\n]" if before == ",\n" else "[]")  # noqa: T201


def _document(value: object, indent: int | None = None) -> str:
    return shown_json(json.dumps(value, ensure_ascii=False, indent=indent, default=_as_json))


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    return str(value)


def this_command() -> str:
    """How the command line is called here: by its name, or by its path where that is needed."""
    typed = Path(sys.argv[0])
    found = shutil.which("overnight")
    if typed.name != "overnight" or (found and Path(found).samefile(typed)):
        return "overnight"
    return os.path.relpath(typed)


def named_counts(counts: Mapping[str, int]) -> str:
    """Numbers with their names in one line."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
