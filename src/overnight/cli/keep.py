"""Keep: the database itself. Heavy imports wait until a command runs."""

from overnight.cli.options import KEEP, Db, app


@app.command(rich_help_panel=KEEP)
def migrate(*, db: Db = None) -> None:
    """Bring a database of an earlier version up to date, after a backup."""
    from overnight.cli.live import watched
    from overnight.cli.show import show_migrated
    from overnight.commands.migrate import migrate as command

    with watched() as handler:
        done = command(db=db, handler=handler)
    show_migrated(done)
