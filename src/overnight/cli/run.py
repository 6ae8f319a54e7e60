"""Run: the commands that make calls, or stop making them. Heavy imports wait until one runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from overnight.cli.options import (
    RUN,
    Concurrency,
    ConfigFile,
    Db,
    Json,
    Name,
    NewConfig,
    NoBackup,
    Strict,
    UseStored,
    app,
)
from overnight.errors import UsageError


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
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder, made if need be. Nothing that is in it is replaced."
        ),
    ],
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
    from overnight.cli.show_check import show_check
    from overnight.commands.check import check as command

    if not show_check(command(config, db=db, offline=offline), as_json=json_):
        raise typer.Exit(1)


@app.command(rich_help_panel=RUN)
def run(
    config: ConfigFile,
    *,
    new: Annotated[bool, typer.Option("--new", help="A fresh experiment in any case.")] = False,
    reuse: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="A new experiment that copies the answers of another one to the same requests, "
            "and asks only what has changed.",
        ),
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=2,
            help="Then ask a random sample of its narratives again, until each has K answers.",
        ),
    ] = None,
    repeat_sample: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many narratives of it --repeat asks (200)."),
    ] = None,
    max_narratives: Annotated[
        int | None, typer.Option(min=1, help="In place of run.max_narratives.")
    ] = None,
    concurrency: Concurrency = None,
    strict: Strict = False,
    no_backup: NoBackup = False,
    db: Db = None,
) -> None:
    """Start an experiment, or go on with it: after whatever happened, type the same again.

    RESUME=1 EXPERIMENT_ID=... in the environment resumes that one, with RETRY_ERRORS_ONLY=1
    only its errors.
    """
    from overnight.cli.live import warn, watched
    from overnight.cli.show_repeats import show_repeating
    from overnight.commands.environment import asked_by
    from overnight.commands.repeat import Again
    from overnight.commands.run import RunOptions
    from overnight.commands.run import run as command

    if repeat_sample and not repeat:
        raise UsageError("--repeat-sample needs --repeat K: how many answers for each narrative")
    asked = asked_by({} if new or reuse or repeat else os.environ)  # flags win
    if asked.warning:
        warn(asked.warning)
    if asked.experiment_id:
        if asked.retry_errors_only:
            if max_narratives:
                warn("--max-narratives has no effect on a retry of errors")
            return retry(
                asked.experiment_id,
                config=config,
                concurrency=concurrency,
                strict=strict,
                no_backup=no_backup,
                db=db,
            )
        return resume(
            asked.experiment_id,
            config=config,
            max_narratives=max_narratives,
            concurrency=concurrency,
            strict=strict,
            no_backup=no_backup,
            db=db,
        )
    options = RunOptions(
        new=new,
        reuse=reuse,
        max_narratives=max_narratives,
        concurrency=concurrency,
        backup=not no_backup,
        again=Again(repeat, repeat_sample) if repeat else None,
    )
    with watched() as handler:
        done = command(config, db=db, options=options, handler=handler)
    raise typer.Exit(show_repeating(done, strict=strict))


@app.command(rich_help_panel=RUN)
def resume(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Default: the newest that can be resumed."),
    ] = None,
    *,
    config: NewConfig = None,
    use_stored_data: UseStored = False,
    accept_model: Annotated[
        bool, typer.Option("--accept-model", help="Go on with another model than it began with.")
    ] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="And ask again for what ended as an error.")
    ] = False,
    max_narratives: Annotated[
        int | None, typer.Option(min=1, help="Raise the limit: a pilot grows into the full run.")
    ] = None,
    concurrency: Concurrency = None,
    api_url: Annotated[str | None, typer.Option(help="Another address of the same model.")] = None,
    strict: Strict = False,
    no_backup: NoBackup = False,
    db: Db = None,
) -> None:
    """Go on with an experiment as it was started, without its experiment file."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_run
    from overnight.commands.resume import Changes
    from overnight.commands.resume import resume as command

    changes = Changes(
        config_file=config,
        max_narratives=max_narratives,
        concurrency=concurrency,
        api_url=api_url,
        use_stored_data=use_stored_data,
        accept_model=accept_model,
        retry_errors=retry_errors,
        backup=not no_backup,
    )
    with watched() as handler:
        result = command(name, db=db, changes=changes, handler=handler)
    raise typer.Exit(show_run(result, strict=strict))


@app.command(rich_help_panel=RUN)
def retry(
    name: Name = "latest",
    *,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category",
            help="api_error, rate_limit, parse_error, data_error, refusal, unknown; repeatable. "
            "Default: all but data_error and refusal.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    config: NewConfig = None,
    use_stored_data: UseStored = False,
    concurrency: Concurrency = None,
    strict: Strict = False,
    no_backup: NoBackup = False,
    db: Db = None,
) -> None:
    """Ask again for narratives that ended as errors; nothing else is touched."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_retry
    from overnight.commands.resume import Changes
    from overnight.commands.retry import retry as command

    changes = Changes(
        config_file=config,
        concurrency=concurrency,
        use_stored_data=use_stored_data,
        backup=not no_backup,
    )
    with watched() as handler:
        done = command(
            name,
            categories=category or (),
            dry_run=dry_run,
            db=db,
            changes=changes,
            handler=handler,
        )
    raise typer.Exit(show_retry(done, strict=strict, dry_run=dry_run))


@app.command(rich_help_panel=RUN)
def reparse(name: Name = "latest", *, db: Db = None, json_: Json = False) -> None:
    """Read unreadable replies again, after overnight has learned to; makes no call."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_reparsed
    from overnight.commands.reparse import reparse as command

    with watched() as handler:
        done = command(name, db=db, handler=handler)
    show_reparsed(done, as_json=json_)


@app.command(rich_help_panel=RUN)
def cancel(
    name: Name,
    *,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Ask, and do not wait until it has stopped.")
    ] = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Stop an experiment, wherever it runs: calls in flight are finished, nothing is lost."""
    from overnight.cli.live import watched
    from overnight.cli.show_run import show_cancelled
    from overnight.commands.cancel import cancel as command

    with watched() as handler:
        view = command(name, db=db, wait=not no_wait, handler=handler)
    show_cancelled(view, as_json=json_)
