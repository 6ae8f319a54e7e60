"""Every error that overnight raises on purpose, sorted by what the user does next.

OvernightError
├── UsageError            change what was typed or written, then try again   (exit 2)
│   ├── ConfigError       ... in the experiment file
│   ├── DataError         ... in the data file
│   │   └── UnknownColumn ... that has no column of a name in the experiment file
│   └── MissingExtra      ... by installing an extra
├── RefusedError          nothing was changed; another command is needed     (exit 3)
│   ├── UnknownExperiment ... the id names no experiment
│   ├── ExperimentOwned   ... another process works on it
│   ├── AlreadyCompleted  ... nothing is left to do
│   ├── DataChanged       ... the data file is not what the experiment was started with
│   │   └── DataMissing   ... but is not there at all
│   └── DatabaseRefused   ... the database cannot be used as it is
└── StoppedError          the run stopped; the same command goes on          (exit 1)
    ├── DatabaseBusy      ... because another program keeps the database locked
    ├── SupersededError   ... because another session took the experiment over
    ├── NoRoom            ... because the disk has no room; make some first
    └── TerminatedError   ... because the process was told to end (exit 143)
"""

from collections.abc import Sequence
from pathlib import Path


class OvernightError(Exception):
    """One sentence for the user: what is wrong, where, and what to do."""

    exit_code = 1


class UsageError(OvernightError):
    """What was typed or written cannot be carried out."""

    exit_code = 2


class ConfigError(UsageError):
    """A line of an experiment file (or of a file that it names) is wrong."""

    def __init__(
        self, message: str, *, file: Path | str, line: int | None = None, field: str | None = None
    ) -> None:
        where = f"{file}:{line}" if line else str(file)
        super().__init__(f"{where}: {field}: {message}" if field else f"{where}: {message}")
        self.file, self.line, self.field = Path(file), line, field


class DataError(UsageError):
    """The data file cannot be read as the experiment file says."""


class UnknownColumn(DataError):
    """The data file has no column of this name; `field` and `name` say where it is written."""

    def __init__(self, where: str, field: str, name: str, nearest: str) -> None:
        super().__init__(f"{where}: {field} names {name!r}, {nearest}")
        self.field, self.name = field, name


class MissingExtra(UsageError):
    """An optional part of overnight is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        # Not by name: an index may know something else by the name of overnight.
        super().__init__(
            f"{what} needs an optional part: pipx install --force '.[{extra}]' in the folder of "
            f"overnight (without pipx: pip install '.[{extra}]' there)"
        )


class RefusedError(OvernightError):
    """The state of the database does not allow it; nothing was changed."""

    exit_code = 3


class UnknownExperiment(RefusedError):
    """No experiment has this id."""


class ExperimentOwned(RefusedError):
    """Another process works on this experiment."""


class AlreadyCompleted(RefusedError):
    """Every narrative of this experiment has its result."""

    def __init__(self, experiment_id: str, name: str, *, repeats: str | None = None) -> None:
        done = f"{experiment_id} ({name}) is already completed; nothing to resume."
        more = "More narratives of its file: --max-narratives N"
        if repeats is not None:  # its sample stays as it is
            more = (
                f"It repeats {repeats[:8]}; one more answer for each narrative of its sample: "
                "overnight run CONFIG --repeat K"
            )
        super().__init__(f"{done} {more}")


class DataChanged(RefusedError):
    """The data file does not hold the narratives that an experiment was started with."""


class DataMissing(DataChanged):
    """There is no data file any more where the experiment had one."""


class DatabaseRefused(RefusedError):
    """The database is too old, too new, damaged or not ours."""


class StoppedError(OvernightError):
    """The run stopped and can be resumed."""


class DatabaseBusy(StoppedError):
    """Another program has held the database locked for longer than was waited."""


class SupersededError(StoppedError):
    """Another session owns the experiment now; nothing of this one was written."""


class NoRoom(StoppedError):
    """The disk has no room for what was to be written."""


class TerminatedError(StoppedError):
    """The process was told to end before calls were made."""

    exit_code = 143


def did_you_mean(key: object, known: Sequence[str]) -> str:
    """The end of a message about an unknown key: the nearest known one, else all of them."""
    if not known:
        return ""
    import difflib  # noqa: PLC0415 - slow to load, and seldom needed

    close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"
