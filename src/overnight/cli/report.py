"""Use: what a paper needs. Heavy imports wait until a command runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from overnight.cli.options import USE, Db, Final, Json, Name, app


@app.command(rich_help_panel=USE)
def report(
    name: Name = "latest",
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: exports/ID/report.html beside the database."),
    ] = None,
    format_: Annotated[
        Literal["html", "md"] | None,
        typer.Option("--format", help="A page for the browser (html), or Markdown (md)."),
    ] = None,
    with_text: Annotated[
        bool,
        typer.Option("--with-text", help="With the narratives answered wrongly: sensitive."),
    ] = False,
    final: Final = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """What was run, how it went, what came out and what it supports: one file, for people."""
    from overnight.cli.screen import show_json
    from overnight.commands.report import report as command

    file = command(name, db=db, out=out, format_=format_, with_text=with_text, final=final)
    if json_:
        show_json({"file": file})
    else:
        print(file)  # noqa: T201 - a path, for people and scripts


@app.command(rich_help_panel=USE)
def methods(
    name: Name = "latest", *, final: Final = False, db: Db = None, json_: Json = False
) -> None:
    """The paragraphs for the methods section of a paper: facts on record, nothing else."""
    from overnight.cli.screen import show_json
    from overnight.cli.shown import shown
    from overnight.commands.report import methods as command

    paragraph, facts = command(name, db=db, final=final)
    if json_:
        show_json(facts)
    else:
        print(shown(paragraph))  # noqa: T201 - to be copied: no line of it is wrapped
