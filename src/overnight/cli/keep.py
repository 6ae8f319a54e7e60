"""Keep: the database itself. Heavy imports wait until a command runs."""

from typing import Annotated

import typer

from overnight.cli.options import KEEP, Db, Json, Yes, app
from overnight.errors import UsageError


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


@app.command(rich_help_panel=KEEP)
def migrate(*, db: Db = None) -> None:
    """Bring a database of an earlier version up to date, after a backup."""
    from overnight.cli.live import watched
    from overnight.cli.show_keep import show_migrated
    from overnight.commands.migrate import migrate as command

    with watched() as handler:
        done = command(db=db, handler=handler)
    show_migrated(done)


@app.command(rich_help_panel=KEEP)
def cleanup(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DURATION", help="Since its last progress.")
    ] = "7d",
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS,...",
            help="running (crashed), failed, cancelled, completed. Default: all but completed.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be deleted.")
    ] = False,
    yes: Yes = False,
    db: Db = None,
) -> None:
    """Delete abandoned experiments with their rows and files, after a backup."""
    from overnight.cli.live import watched
    from overnight.cli.show_removal import ask_cleanup, show_cleaned
    from overnight.commands.cleanup import ABANDONED
    from overnight.commands.cleanup import cleanup as command

    with watched() as handler:
        done = command(
            db=db,
            older_than=older_than,
            statuses=status or ABANDONED,
            confirm=lambda found: ask_cleanup(found, dry_run=dry_run, yes=yes),
            handler=handler,
        )
    show_cleaned(done)


@app.command(rich_help_panel=KEEP)
def purge(
    name: Annotated[
        str | None, typer.Argument(metavar="ID", help="An id, or the beginning of one.")
    ] = None,
    *,
    unused: Annotated[
        bool, typer.Option("--unused", help="In its place: narratives that no experiment uses.")
    ] = False,
    with_backups: Annotated[
        bool,
        typer.Option(
            "--with-backups", help="And all backups beside the database: they hold it as well."
        ),
    ] = False,
    yes: Yes = False,
    db: Db = None,
) -> None:
    """Delete an experiment, its files and its narratives such that nothing of it is left."""
    from overnight.cli.live import watched
    from overnight.cli.show_removal import ask_purge, ask_unused, show_purged, show_unused
    from overnight.commands.purge import purge as command
    from overnight.commands.purge_unused import purge_unused

    if (name is None) is not unused:
        raise UsageError("name the experiment to purge, or say --unused; not both")
    with watched() as handler:
        if name is None:
            show_unused(
                purge_unused(
                    db=db,
                    with_backups=with_backups,
                    confirm=lambda asked: ask_unused(asked, yes=yes),
                    handler=handler,
                )
            )
            return
        done = command(
            name,
            db=db,
            with_backups=with_backups,
            confirm=lambda asked: ask_purge(asked, yes=yes),
            handler=handler,
        )
    show_purged(done)
