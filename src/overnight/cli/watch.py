"""Watch: what there is, and how it stands. Heavy imports wait until a command runs."""

from typing import Annotated

import typer

from overnight.cli.options import WATCH, Db, Json, Name, app


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
    from overnight.cli.show_list import show_list
    from overnight.commands.list import list_ as command

    show_list(command(db=db, statuses=status or ()), as_json=json_)


@app.command(rich_help_panel=WATCH)
def status(name: Name = "latest", *, db: Db = None, json_: Json = False) -> None:
    """One experiment in detail: how far it is, how fast, what failed, who works on it."""
    from overnight.cli.show_status import show_status
    from overnight.commands.status import status as command

    show_status(command(name, db=db), as_json=json_)
