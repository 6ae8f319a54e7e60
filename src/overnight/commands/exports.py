"""The files that every experiment gets, unless its configuration says no.

csv and json are written at a resume, at the end and now and then; `results.jsonl` grows with the
commits. All of it in a thread of its own, and beside a run for at most a hundredth of its time.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from overnight.domain.allowance import Allowance
from overnight.errors import OvernightError
from overnight.events import Handler, Said
from overnight.report.columns import Beside
from overnight.report.export import export
from overnight.report.growing import GrowingFile, Page
from overnight.session import Session
from overnight.store.datasets import get_dataset
from overnight.store.experiments import counts
from overnight.store.open import folder_of
from overnight.store.parts import test_part
from overnight.store.results import iterate_results, new_results

_LOOK_EVERY = 1.0  # seconds
_REFRESH_EVERY = 60.0  # ... and the shortest time between two refreshes of csv and json
_ROW_SEC = 50e-6  # what a row of csv and json takes, until it has been measured


class Exports:
    """The files of a session. Failing to write them is said once and stops nothing."""

    def __init__(self, session: Session, emit: Handler) -> None:
        run = session.config.values.run
        self.files: tuple[Path, ...] = ()
        self._session, self._emit = session, emit
        self._tables, self._grows = run.save_csv_json, run.save_incremental
        self._folder = folder_of(session.database, "exports", session.keys.experiment_id)
        self._apart = test_part(session.database, session.experiment)
        kept = get_dataset(session.database, session.experiment.dataset_id).kept
        self._beside = Beside(kept, self._apart is not None)
        spec = session.config.values.answer
        self._growing = GrowingFile(self._folder / "results.jsonl", spec, self._page, self._beside)
        self._allowance = Allowance(earned_before=session.worked_before)
        self._costs = {"grow": 0.0, "refresh": 0.0}  # seconds, as measured last
        self._n_refreshed, self._refreshed_at = 0, time.monotonic()
        self._complained = False
        self.are_cut = False  # somebody wanted the end before the last word was written
        self._is_asked: Callable[[], bool] = lambda: False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Make the files true again, and keep them so while the run goes on."""
        if self._grows or (self._tables and self._session.counts.completed):
            self._thread = threading.Thread(target=self._run, name="overnight-exports")
            self._thread.start()

    def stop(self) -> None:
        """End the thread; what it has not completed stays as it was."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def finish(self, is_asked: Callable[[], bool]) -> tuple[Path, ...]:
        """All results are there: write every file, whole; the files.

        Once somebody `is_asked` to stop, which is looked at every 1,000 rows, what is not
        complete stays as it was (see `are_cut`).
        """
        self._stopping.clear()
        self._is_asked, self.are_cut = is_asked, False
        self._complained = False  # what matters now is whether the last word is there
        files: list[Path] = []
        if self._tables:
            files += self._trying(partial(self._write_tables, self._go_on))
        if self._grows:
            files += self._trying(self._complete_growing)
        return tuple(files)

    @property
    def by_hand(self) -> str:
        """What to type for the files that this session keeps, where it could not write them."""
        formats = ("csv", "json") * self._tables + ("jsonl",) * self._grows
        short = self._session.keys.experiment_id[:8]
        return f"overnight export {short} --format {','.join(formats)}"

    # --- in the thread -------------------------------------------------------------------

    def _run(self) -> None:
        if self._session.counts.completed:  # a resume: what is there may be old
            if self._stopping.wait(_LOOK_EVERY):  # the first calls go out before
                return
            self._timed("refresh", self._refresh)
        elif self._grows:
            self._timed("grow", self._grow)  # an empty file, which can be lengthened
        while not self._stopping.wait(_LOOK_EVERY):
            if self._grows and self._may_take(0.0):
                self._timed("grow", self._grow)
            if self._refresh_is_due():
                self._timed("refresh", self._refresh)

    def _refresh(self) -> None:
        """Every file, as the database is now."""
        if self._grows:
            self._growing.update(self._go_on)
        if self._tables:
            self.files = self._write_tables(self._go_on)
            self._n_refreshed = self._growing.n_rows
        self._refreshed_at = time.monotonic()

    def _grow(self) -> None:
        """Lengthen the file for as long as may be; what is left comes at another look."""
        until = time.monotonic() + self._allowance.left(self._session.heartbeat.worked)

        def go_on() -> None:
            self._go_on()
            if self._growing.is_ours and time.monotonic() > until:
                raise _Stopped

        self._growing.update(go_on)

    def _refresh_is_due(self) -> bool:
        """Only where there is something new, seen by the file that grows."""
        n_rows = self._growing.n_rows
        new = self._tables and self._grows and n_rows > self._n_refreshed
        if not new or time.monotonic() - self._refreshed_at < _REFRESH_EVERY:
            return False
        a_row = self._costs["refresh"] / self._n_refreshed if self._n_refreshed else _ROW_SEC
        return self._may_take(a_row * n_rows)

    def _may_take(self, cost: float) -> bool:
        return self._allowance.covers(cost, self._session.heartbeat.worked)

    def _timed(self, what: str, do: Callable[[], None]) -> None:
        began = time.monotonic()
        self._trying(do)
        self._costs[what] = time.monotonic() - began
        self._allowance.pay(self._costs[what])

    # --- in both -------------------------------------------------------------------------

    def _trying(self, do: Callable[[], tuple[Path, ...] | None]) -> tuple[Path, ...]:
        """The answers are safe in the database: what cannot be written is only said, once."""
        try:
            return do() or ()
        except _Stopped:
            self.are_cut = True
            return ()
        except (OSError, OvernightError) as error:
            if not self._complained:
                message = f"no files were exported ({error}); later: {self.by_hand}"
                self._emit(Said(message, warning=True))
            self._complained = True
            return ()

    def _go_on(self, _n: int = 0) -> None:
        if self._stopping.is_set() or self._is_asked():
            raise _Stopped

    def _page(self, after: int) -> Page:
        session = self._session
        page = new_results(
            session.database,
            session.keys.experiment_key,
            session.config.values.answer,
            after=after,
            apart=self._apart,
        )
        return page.results, page.after, page.is_last

    def _write_tables(self, on_rows: Callable[[int], None]) -> tuple[Path, ...]:
        session = self._session
        spec, key = session.config.values.answer, session.keys.experiment_key
        dataset = session.experiment.dataset_id
        rows = iterate_results(session.database, key, dataset, spec, apart=self._apart)
        formats = ("csv", "json")
        return tuple(
            export(rows, spec, self._folder, formats, beside=self._beside, on_rows=on_rows)
        )

    def _complete_growing(self) -> tuple[Path, ...]:
        """The file that grew, true: a retry has changed old results in their place."""
        growing = self._growing
        if self._session.workload.errors:
            growing.rewrite(self._go_on)
        else:
            growing.update(self._go_on)
        if growing.n_rows != counts(self._session.database, self._session.experiment).completed:
            growing.rewrite(self._go_on)  # ids of deleted rows were used again
        return (growing.file,)


class _Stopped(Exception):
    """The session ended first, or somebody wants it to."""


def file_columns(files: tuple[Path, ...], log_dir: Path) -> Mapping[str, str | None]:
    """The columns of `experiments` that say where its files are."""
    by_suffix = {file.suffix: str(file) for file in files}
    columns: dict[str, str | None] = {"log_dir": str(log_dir)}
    if ".csv" in by_suffix:
        columns |= {"csv_file": by_suffix.get(".csv"), "json_file": by_suffix.get(".json")}
    return columns
