"""Use: answers, metrics, files. Heavy imports wait until a command runs."""

from pathlib import Path
from typing import Annotated

import typer

from overnight.cli.options import USE, Db, Json, Name, WithText, app


@app.command(rich_help_panel=USE)
def show(
    name: Name = "latest",
    *,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="The rows of the data file that were not used.")
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="The errors by category, with examples.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="Rows at the most (20), or examples of a category (5); 0 for all."
        ),
    ] = None,
    with_text: WithText = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """The answers themselves, or the rows that were left out."""
    from overnight.cli.show import show_errors, show_left_out, show_results
    from overnight.commands import results

    if left_out:
        rows = results.left_out_rows(name, db=db)
        show_left_out(rows, limit=_or_20(limit), with_text=with_text, as_json=json_)
    elif errors and not json_:
        found = results.results(name, db=db, with_text=with_text, errors_only=True)
        show_errors(found, limit=limit, with_text=with_text)
    else:
        found = results.results(name, db=db, with_text=with_text, errors_only=errors)
        spec = results.declared(name, db=db)
        show_results(found, spec, limit=_or_20(limit), with_text=with_text, as_json=json_)


def _or_20(limit: int | None) -> int:
    return 20 if limit is None else limit


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
