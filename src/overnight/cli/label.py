"""Labels: which narratives people should label, and what they have said."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from overnight.cli.options import USE, Db, Json, Name, app


@app.command(rich_help_panel=USE)
def sample(
    name: Name = "latest",
    *,
    n: Annotated[int | None, typer.Option("--n", min=1, help="How many narratives.")] = None,
    by: Annotated[
        Literal["random", "confidence", "stratum"],
        typer.Option(
            help="random: all alike. confidence: rather those of which the machine is unsure. "
            "stratum: so many of each answer within each narrative type."
        ),
    ] = "random",
    stratum: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="With --by stratum: within each value of a column in data.keep, not each type.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A new xlsx or csv. Default: exports/ID/sample-K.xlsx."),
    ] = None,
    with_answers: Annotated[
        bool,
        typer.Option("--with-answers", help="With the machine's answer: readers will lean to it."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the draw. Default: that of the experiment.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Draw nothing: write the newest sample's sheet anew.")
    ] = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Draw the narratives that people should label next, to a spreadsheet with their texts."""
    from overnight.cli.live import watched
    from overnight.cli.show_label import show_sample
    from overnight.commands.sample import sample as command

    with watched() as handler:
        drawn = command(
            name,
            n=n,
            by=by,
            stratum=stratum,
            seed=seed,
            out=out,
            with_answers=with_answers,
            again=again,
            db=db,
            handler=handler,
        )
    show_sample(drawn, as_json=json_)


@app.command(rich_help_panel=USE)
def label(
    name: Annotated[str, typer.Argument(metavar="ID", help="An id, or the beginning of one.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The sheet that was filled in: xlsx or csv."),
    ] = None,
    *,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ID",
            help="No sheet: the labels that people gave the data of this experiment, an earlier "
            "version of the same, where the texts are unchanged.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who labelled. Default: you, by login name.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Let labels that differ from those on record count."),
    ] = False,
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="Skip rows that are wrong (not rows that disagree), and record the others.",
        ),
    ] = False,
    db: Db = None,
    json_: Json = False,
) -> None:
    """Read labels back, all of them or none; from then on every figure uses them."""
    from overnight.cli.live import watched
    from overnight.cli.show_label import show_labelled, show_taken_over
    from overnight.commands.label import label as command
    from overnight.commands.label_from import label_from
    from overnight.errors import UsageError

    if (file is None) == (from_ is None):
        raise UsageError("give either FILE, a sheet that was filled in, or --from ID")
    if from_ is not None and by is not None:
        raise UsageError("--by goes with FILE: labels taken over keep who gave them, and when")
    with watched() as handler:
        if file is not None:
            done = command(
                name,
                file,
                by=by,
                replace=replace,
                skip_invalid=skip_invalid,
                db=db,
                handler=handler,
            )
        else:
            taken = label_from(
                name,
                from_ or "",
                replace=replace,
                skip_invalid=skip_invalid,
                db=db,
                handler=handler,
            )
    if file is not None:
        show_labelled(done, as_json=json_)
    else:
        show_taken_over(taken, as_json=json_)
