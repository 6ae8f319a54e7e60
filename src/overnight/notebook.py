"""overnight from Python: the same commands, progress, signals and errors as on the command line."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overnight.cli.live import watched
from overnight.commands.repeat import Again
from overnight.commands.results import Answers, answers
from overnight.commands.results import metrics as measured
from overnight.commands.resume import Changes
from overnight.commands.resume import resume as resume_experiment
from overnight.commands.run import RunOptions
from overnight.commands.run import run as run_experiment
from overnight.commands.stint import RunResult
from overnight.domain.result import Result
from overnight.errors import MissingExtra, UsageError
from overnight.report.columns import columns_of
from overnight.report.metrics import Metrics

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Results", "RunResult", "metrics", "results", "resume", "run"]


def run(
    config: Path | str,
    *,
    db: Path | str | None = None,
    new: bool = False,
    reuse: str | None = None,
    repeat: int | None = None,
    repeat_sample: int | None = None,
    max_narratives: int | None = None,
    concurrency: int | None = None,
) -> RunResult:
    """Start the experiment of a file, or go on with it, and return how it ended.

    With `reuse`, a new one that copies the answers of that experiment to the same requests. With
    `repeat`, a random sample of its narratives (`repeat_sample` of them, else 200 or as before) is
    then asked again until each has so many answers: the result says how these repetitions ended,
    and in `retest` how far the answers agree.

    Shows progress on stderr; Ctrl-C stops as on the command line (in a notebook: interrupt the
    kernel). Raises UsageError, RefusedError or StoppedError with one sentence.
    """
    options = RunOptions(
        new=new,
        reuse=reuse,
        max_narratives=max_narratives,
        concurrency=concurrency,
        again=_again(repeat, repeat_sample),
    )
    with watched() as handler:
        return run_experiment(config, db=db, options=options, handler=handler)


def _again(repeat: int | None, sample: int | None) -> Again | None:
    """What is asked for, where anything is. Raises UsageError for what cannot be."""
    if repeat is None:
        if sample is not None:
            raise UsageError("repeat_sample needs repeat: how many answers for each narrative")
        return None
    if repeat < 2 or (sample is not None and sample < 1):  # noqa: PLR2004 - the first one included
        raise UsageError("repeat is 2 or more, the first answer included; repeat_sample 1 or more")
    return Again(repeat, sample)


def resume(
    experiment: str | None = None,
    *,
    db: Path | str | None = None,
    max_narratives: int | None = None,
    concurrency: int | None = None,
    use_stored_data: bool = False,
) -> RunResult:
    """Go on with an experiment by id, beginning of an id, or the newest that is unfinished."""
    with watched() as handler:
        changes = Changes(
            max_narratives=max_narratives,
            concurrency=concurrency,
            use_stored_data=use_stored_data,
        )
        return resume_experiment(experiment, db=db, changes=changes, handler=handler)


def metrics(experiment: str = "latest", *, db: Path | str | None = None) -> Metrics:
    """The answers of an experiment measured against the labels, as they stand."""
    return measured(experiment, db=db).metrics


def results(
    experiment: str = "latest", *, db: Path | str | None = None, with_text: bool = False
) -> "Results":
    """The results of an experiment, in the order of its data file."""
    return Results(experiment, db, with_text=with_text)


class Results:
    """Iterate over it for typed rows, read from the database as you go; or take a data frame."""

    def __init__(self, experiment: str, db: Path | str | None, *, with_text: bool) -> None:
        self._experiment = experiment
        self._db = db
        self._with_text = with_text

    def __iter__(self) -> Iterator[Result]:
        with self._open() as found:
            yield from found

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas data frame with the columns of an export. Raises MissingExtra without pandas."""
        try:
            import pandas as pd  # noqa: PLC0415 - only who asks for it needs it
        except ImportError:
            raise MissingExtra("to_pandas()", "pandas") from None
        return pd.DataFrame(self._columns())

    def to_polars(self) -> "pl.DataFrame":
        """A Polars data frame with the columns of an export. Raises MissingExtra without it."""
        try:
            import polars as pl  # noqa: PLC0415 - only who asks for it needs it
        except ImportError:
            raise MissingExtra("to_polars()", "polars") from None
        return pl.DataFrame(self._columns(), infer_schema_length=None)

    def _columns(self) -> dict[str, list[Any]]:
        with self._open() as found:
            columns = columns_of(found.spec, with_text=self._with_text, beside=found.beside)
            rows = list(found)
        return {column.name: [column.get(row) for row in rows] for column in columns}

    def _open(self) -> AbstractContextManager[Answers]:
        return answers(self._experiment, db=self._db, with_text=self._with_text)
