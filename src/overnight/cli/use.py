"""Use: answers, metrics, files. Heavy imports wait until a command runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from overnight.cli.options import USE, Db, Final, Json, Limit, Name, WithText, app


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
    wrong: Annotated[
        Literal["fp", "fn", "any"] | None,
        typer.Option(help="Only wrong answers: false positives, false negatives, or any."),
    ] = None,
    disagree: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Narratives that two experiments answer differently."),
    ] = None,
    repeats: Annotated[
        bool,
        typer.Option("--repeats", help="What run --repeat was answered each time, flips first."),
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
    """The answers themselves, or the narratives that were left out."""
    from overnight.commands import results

    if disagree:
        from overnight.cli.show_compare import show_disagreements
        from overnight.commands.compare import disagreements

        found = disagreements(*disagree, db=db, limit=_or_20(limit), with_text=with_text)
        show_disagreements(found, as_json=json_)
        return
    if repeats:
        from overnight.cli.show_repeats import show_repeated
        from overnight.commands.retest import repeated_answers

        show_repeated(repeated_answers(name, db=db), limit=_or_20(limit), as_json=json_)
        return
    from overnight.cli.show import show_errors, show_left_out, show_results

    if left_out:
        rows = results.left_out_rows(name, db=db)
        show_left_out(rows, limit=_or_20(limit), with_text=with_text, as_json=json_)
    elif errors and not json_:
        with results.answers(name, db=db, with_text=with_text, errors_only=True) as failed:
            show_errors(failed, limit=limit, with_text=with_text)
    else:
        with results.answers(
            name, db=db, with_text=with_text, errors_only=errors, wrong=wrong
        ) as chosen:
            show_results(chosen, limit=_or_20(limit), with_text=with_text, as_json=json_)


def _or_20(limit: int | None) -> int:
    return 20 if limit is None else limit


@app.command(rich_help_panel=USE)
def metrics(
    name: Name = "latest",
    *,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A row for each value of a column in data.keep."),
    ] = None,
    final: Final = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """The answers measured against the labels, with 95 % intervals."""
    from overnight.cli.show_metrics import show_metrics
    from overnight.commands.evaluate import evaluate as command

    show_metrics(command(name, db=db, by=by, final=final), as_json=json_)


@app.command(rich_help_panel=USE)
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A B [C ...]", help="Ids, beginnings of ids, or latest."),
    ],
    *,
    limit: Limit = 20,
    with_text: WithText = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Experiments side by side: settings, figures, and where their answers differ."""
    from overnight.cli.show_compare import show_comparison
    from overnight.commands.compare import compare as command

    found = command(names, db=db, limit=limit, with_text=with_text)
    show_comparison(found, as_json=json_)


@app.command(rich_help_panel=USE)
def prevalence(
    name: Name = "latest",
    *,
    labels: Annotated[
        Literal["random", "within-type", "all", "drawn", "unknown"] | None,
        typer.Option(
            help="How the labelled narratives were chosen: at random from all, at random within "
            "each narrative type, all are labelled, drawn by `overnight sample`, or it is not "
            "known. Default: drawn, if such a sample is labelled, else as data.labels.design says."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="type|COLUMN",
            help="Also for each narrative type, or for each value of a column in data.keep.",
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option(metavar="VALUE", help="The value of an enum to count.")
    ] = None,
    db: Db = None,
    json_: Json = False,
) -> None:
    """The share of yes in truth, corrected by the labels for the errors of the machine."""
    from overnight.cli.show_compare import show_shares
    from overnight.commands.prevalence import prevalence as command

    by_type = by == "type"
    found = command(name, db=db, labels=labels, of=of, by=None if by_type else by)
    show_shares(found, by_type=by_type, as_json=json_)


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
