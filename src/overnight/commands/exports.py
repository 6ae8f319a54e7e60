"""The files that every experiment gets, unless its configuration says no."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from overnight.app import folder_of
from overnight.errors import OvernightError, UsageError
from overnight.events import Handler, Said
from overnight.report.export import export
from overnight.session import Session
from overnight.store.results import iterate_results


def export_results(session: Session, emit: Handler) -> tuple[Path, ...]:
    """Write csv and json of all results.

    The answers are safe in the database: a folder that cannot be written is only said.
    """
    if not session.config.values.run.save_csv_json:
        return ()
    try:
        return _write(session)
    except (OSError, UsageError) as error:
        short = session.keys.experiment_id[:8]
        message = f"no files were exported ({error}); later: overnight export {short}"
        emit(Said(message, warning=True))
        return ()


class Checkpoint:
    """While a resumed session already works, the files are made true to the database again.

    A thread of its own: a million results take half a minute, and the model need not wait.
    """

    def __init__(self, session: Session) -> None:
        self.files: tuple[Path, ...] = ()
        self._session = session
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        if session.config.values.run.save_csv_json and session.counts.completed:
            self._thread = threading.Thread(target=self._run, name="overnight-checkpoint")
            self._thread.start()

    def stop(self) -> None:
        """Leave the old files if the new ones are not complete yet."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        def on_rows(_n: int) -> None:
            if self._stopping.is_set():
                raise _Stopped

        try:
            self.files = _write(self._session, on_rows)
        except (_Stopped, OSError, OvernightError):
            return  # the end of the session writes them, and says what is wrong


class _Stopped(Exception):
    """The session ended first."""


def _write(session: Session, on_rows: Callable[[int], None] | None = None) -> tuple[Path, ...]:
    spec = session.config.values.answer
    rows = iterate_results(
        session.database, session.keys.experiment_key, session.experiment.dataset_id, spec
    )
    out = folder_of(session.database, "exports", session.keys.experiment_id)
    return tuple(export(rows, spec, out, ("csv", "json"), on_rows=on_rows))


def file_columns(files: tuple[Path, ...], log_dir: Path) -> Mapping[str, str | None]:
    """The columns of `experiments` that say where its files are."""
    by_suffix = {file.suffix: str(file) for file in files}
    columns: dict[str, str | None] = {"log_dir": str(log_dir)}
    if files:
        columns |= {"csv_file": by_suffix.get(".csv"), "json_file": by_suffix.get(".json")}
    return columns
