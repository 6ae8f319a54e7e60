"""The command line: every command, and what becomes of errors."""

import contextlib
import gc
import os
import signal
import sys
from typing import Annotated

import typer

from overnight._version import __version__
from overnight.cli.options import app
from overnight.cli.shown import shown
from overnight.errors import OvernightError

# Each adds its commands; the order is that of the help.
from overnight.cli import run, watch, use, report, label, keep  # noqa: F401 # isort: skip

_YOUNG = 10_000  # objects before garbage is looked for: Python's 700 costs a tenth of a run's CPU


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"overnight {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every error of ours is one sentence and an exit code."""
    if sys.platform == "win32":
        sys.exit("overnight runs on Linux and macOS; on Windows use it within WSL2")
    gc.set_threshold(_YOUNG)
    try:
        app(prog_name="overnight")
    except OvernightError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("stopped")
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        sys.exit(0)  # whoever read our output has gone
    except OSError as error:
        _say(f"error: {error.filename or 'the disk'}: {error.strerror or error}")
        sys.exit(1)
    finally:
        _let_go_of_pipes()


def _let_go_of_pipes() -> None:
    """What nobody reads any more must neither be complained about at exit nor change its code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(message: str) -> None:
    with contextlib.suppress(OSError):
        print(shown(message), file=sys.stderr)  # noqa: T201 - the command line speaks here
