"""What is kept, and whether all is well with it: backups and checks."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from overnight.cli.live import Screen
from overnight.cli.screen import show_json
from overnight.commands.backup import Backup
from overnight.commands.migrate import Migrated
from overnight.views import duration, percent, size_text

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


def show_migrated(done: Migrated) -> None:
    """Whether there was anything to do."""
    if not done.said:
        print(f"{done.database} is up to date; nothing was changed.")  # noqa: T201
