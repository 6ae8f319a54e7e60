"""The application, and the options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
Limit = Annotated[int, typer.Option(min=0, help="Rows at the most; 0 for all.")]
WithText = Annotated[
    bool, typer.Option("--with-text", help="With the narratives and raw replies: sensitive.")
]
Final = Annotated[
    bool, typer.Option("--final", help="The test part of data.split: once, at the end, on record.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Delete without asking.")]
NoBackup = Annotated[
    bool, typer.Option("--no-backup", help="Without a copy of the database beforehand.")
]
UseStored = Annotated[
    bool,
    typer.Option(
        "--use-stored-data", help="Whatever became of the data file: go on with what is stored."
    ),
]
NewConfig = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="CONFIG", help="New settings; what shapes answers stays as it was."
    ),
]
