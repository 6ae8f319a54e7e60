"""The commands, as typed. Heavy imports wait until a command runs."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from overnight._version import __version__
from overnight.errors import OvernightError

RUN, WATCH, USE, KEEP = "Run", "Watch", "Use", "Keep"

app = typer.Typer(
    name="overnight",
    help="Run a language model over every narrative of a dataset, for days if need be.",
    epilog="Begin with: overnight demo. Then: overnight init my-study.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Db = Annotated[
    str | None,  # a Path would swallow a slash of a URL, and the URL could not be refused
    typer.Option(
        "--db",
        metavar="PATH",
        help="The database. Default: $OVERNIGHT_DB, $EXPERIMENTS_DB, else overnight.db beside "
        "the configuration or here.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Name = Annotated[str, typer.Argument(metavar="ID", help="An id, the beginning of one, or latest.")]
ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The experiment file (YAML).")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=4096, help="Calls at once, in place of the file's.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit code 4 if it completes with error rows.")
]
WithText = Annotated[
    bool, typer.Option("--with-text", help="With the narratives and raw replies: sensitive.")
]


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"overnight {__version__}")
        raise typer.Exit


@app.command(rich_help_panel=RUN)
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the example is put.")] = Path(
        "demo"
    ),
    *,
    sample: Annotated[
        int, typer.Option(min=1, help="Narratives that the language model judges.")
    ] = 24,
) -> None:
    """Run the main job on the shipped example: keyword rules, then a real language model."""
    from overnight.cli.demo import run_demo

    run_demo(folder, sample)


@app.command(rich_help_panel=RUN)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or empty.")],
) -> None:
    """Make a folder with commented experiment files and example data to start from."""
    from overnight.cli.show_run import show_init
    from overnight.commands.init import init as command

    show_init(command(folder), folder)


@app.command(rich_help_panel=RUN)
def check(
    config: ConfigFile,
    *,
    offline: Annotated[bool, typer.Option(help="Without the call to the model.")] = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Will it run? Reads configuration and data, and calls the model once with an invented text."""
    from overnight.cli.show_run import show_check
    from overnight.commands.check import check as command

    if not show_check(command(config, db=db, offline=offline), as_json=json_):
        raise typer.Exit(1)


@app.command(rich_help_panel=RUN)
def run(
    config: ConfigFile,
    *,
    new: Annotated[bool, typer.Option("--new", help="A fresh experiment in any case.")] = False,
    max_narratives: Annotated[
        int | None, typer.Option(min=1, help="In place of run.max_narratives.")
    ] = None,
    concurrency: Concurrency = None,
    strict: Strict = False,
    db: Db = None,
) -> None:
    """Start an experiment, or go on with it: after whatever happened, type the same again."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_run
    from overnight.commands.run import run as command

    with watched() as handler:
        result = command(
            config,
            db=db,
            new=new,
            max_narratives=max_narratives,
            concurrency=concurrency,
            handler=handler,
        )
    raise typer.Exit(show_run(result, strict=strict))


@app.command(rich_help_panel=RUN)
def resume(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Default: the newest that can be resumed."),
    ] = None,
    *,
    max_narratives: Annotated[
        int | None, typer.Option(min=1, help="Raise the limit: a pilot grows into the full run.")
    ] = None,
    concurrency: Concurrency = None,
    api_url: Annotated[str | None, typer.Option(help="Another address of the same model.")] = None,
    strict: Strict = False,
    db: Db = None,
) -> None:
    """Go on with an experiment as it was started, without its experiment file."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_run
    from overnight.commands.resume import resume as command

    with watched() as handler:
        result = command(
            name,
            db=db,
            max_narratives=max_narratives,
            concurrency=concurrency,
            api_url=api_url,
            handler=handler,
        )
    raise typer.Exit(show_run(result, strict=strict))


@app.command("list", rich_help_panel=WATCH)
def list_(
    *,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="running, completed, failed or cancelled; repeatable."),
    ] = None,
    db: Db = None,
    json_: Json = False,
) -> None:
    """What there is: every experiment, newest first."""
    from overnight.cli.show import show_list
    from overnight.commands.list import list_ as command

    show_list(command(db=db, statuses=status or ()), as_json=json_)


@app.command(rich_help_panel=WATCH)
def status(name: Name = "latest", *, db: Db = None, json_: Json = False) -> None:
    """One experiment in detail: how far it is, how fast, what failed, who works on it."""
    from overnight.cli.show import show_status
    from overnight.commands.status import status as command

    show_status(command(name, db=db), as_json=json_)


@app.command(rich_help_panel=USE)
def show(
    name: Name = "latest",
    *,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="The rows of the data file that were not used.")
    ] = False,
    errors: Annotated[bool, typer.Option("--errors", help="Only results that are errors.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Rows at the most; 0 for all.")] = 20,
    with_text: WithText = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """The answers themselves, or the rows that were left out."""
    from overnight.cli.show import show_left_out, show_results
    from overnight.commands import results

    if left_out:
        rows = results.left_out_rows(name, db=db)
        show_left_out(rows, limit=limit, with_text=with_text, as_json=json_)
    else:
        found = results.results(name, db=db, with_text=with_text, errors_only=errors)
        spec = results.declared(name, db=db)
        show_results(found, spec, limit=limit, with_text=with_text, as_json=json_)


@app.command(rich_help_panel=USE)
def metrics(name: Name = "latest", *, db: Db = None, json_: Json = False) -> None:
    """The answers measured against the labels, with 95 % intervals."""
    from overnight.cli.show import show_metrics
    from overnight.commands.results import metrics as command

    show_metrics(command(name, db=db), as_json=json_)


@app.command(rich_help_panel=USE)
def export(
    name: Name = "latest",
    *,
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help="csv, json, jsonl, parquet, xlsx; several with commas."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: exports/ID beside the database.")
    ] = None,
    with_text: WithText = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Write the results to files: whole or not at all, in the order of the data file."""
    from overnight.cli.live import counted
    from overnight.cli.show import show_export
    from overnight.commands.results import export as command

    formats = [word for text in format_ or ["csv,json"] for word in text.split(",")]
    with counted("results written") as on_rows:
        exported = command(
            name, db=db, formats=formats, out=out, with_text=with_text, on_rows=on_rows
        )
    show_export(exported, as_json=json_)


@app.command(rich_help_panel=KEEP)
def backup(
    *,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A new file, or a folder; it may be on a network drive. Default: backups beside "
            "the database, of which the newest five are kept.",
        ),
    ] = None,
    db: Db = None,
    json_: Json = False,
) -> None:
    """A whole, verified copy of the database, made while runs go on."""
    from overnight.cli.show_keep import copied, show_backup
    from overnight.commands.backup import backup as command

    with copied() as on_progress:
        made = command(db=db, out=out, on_progress=on_progress)
    show_backup(made, as_json=json_)


@app.command(rich_help_panel=KEEP)
def doctor(
    *,
    files: Annotated[
        bool,
        typer.Option("--files", help="Also list every file that holds narratives or answers."),
    ] = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Is all well? Checks the database, its files, locks, room and servers; changes nothing."""
    from overnight.cli.show_keep import checked, show_report
    from overnight.commands.doctor import doctor as command

    with checked() as on_check:
        report = command(db=db, with_files=files, on_check=on_check)
    show_report(report, as_json=json_)
    if not report.is_fine:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; every error of ours is one sentence and an exit code."""
    if sys.platform == "win32":
        sys.exit("overnight runs on Linux and macOS; on Windows use it within WSL2")
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
        print(message, file=sys.stderr)  # noqa: T201 - the command line speaks here
