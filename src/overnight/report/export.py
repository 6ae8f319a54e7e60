"""Results as files: any number of formats from one pass, each file whole or not there."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from overnight.domain.answer import AnswerSpec
from overnight.domain.result import Result
from overnight.errors import UsageError
from overnight.report.columns import NOTHING, Beside, Column, Record, columns_of
from overnight.report.csv_writer import CsvWriter
from overnight.report.json_writer import JsonLinesWriter, JsonWriter
from overnight.report.parquet_writer import ParquetWriter, pyarrow
from overnight.report.staging import Staging, staging
from overnight.report.xlsx_writer import XlsxWriter

FORMATS = ("csv", "json", "jsonl", "parquet", "xlsx")
_TELL_EVERY = 1_000  # rows


class Writer(Protocol):
    """A format on its way into an open file; `close` or `abandon` is called once, last."""

    def write(self, record: Record) -> None:
        """Add one row. UsageError: this format cannot hold it; other formats go on."""

    def close(self) -> None:
        """Complete the content. The file stays open, to be synced."""

    def abandon(self) -> None:
        """Release what is held; what was written does not matter any more."""


def export(
    rows: Iterable[Result],
    spec: AnswerSpec,
    out: Path,
    formats: Sequence[str],
    *,
    stem: str = "results",
    with_text: bool = False,
    beside: Beside = NOTHING,
    on_rows: Callable[[int], None] | None = None,
) -> list[Path]:
    """Write `rows`, in their order, to `out/stem.FORMAT` for each of `formats`; the paths.

    One pass, flat memory. Files are complete, synced, private (0600; missing folders 0700) when
    their names appear; on any exception, also one from `rows`, old files stand and nothing else
    is left. What stands `beside` the answers is written too. `on_rows` is told the rows so far
    every 1,000 and at the end; it may raise to stop.

    Raises UsageError for an unknown format and for a folder that cannot be one, MissingExtra
    without pyarrow (all three before anything is written), OSError as the disk has it. If one
    format cannot hold the data (an xlsx cell has its limits), the others are written first; the
    UsageError then says which were.
    """
    chosen = known_formats(formats)
    if "parquet" in chosen:
        pyarrow()
    columns = columns_of(spec, with_text=with_text, beside=beside)
    with staging(out) as stage:
        files: list[_File] = []
        try:
            for name in chosen:
                files.append(_File(stage, stem, name, columns))  # noqa: PERF401 - kept if one fails
            with _no_collection():
                _write(rows, columns, files, on_rows)
            complete = [file.name for file in files if file.complete()]
        finally:
            for file in files:
                file.discard()
        paths = stage.publish(complete)
    _report_refusals(files, paths)
    return paths


def known_formats(formats: Sequence[str]) -> list[str]:
    """The formats in the order given, each once; UsageError for none and for unknown ones."""
    chosen = list(dict.fromkeys(word for name in formats if (word := name.strip().lower())))
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown or not chosen:
        what = f"unknown format {', '.join(map(repr, unknown))}" if unknown else "no format given"
        raise UsageError(f"{what}; known are {', '.join(FORMATS)}")
    return chosen


class _File:
    """One format's file while it is being written."""

    def __init__(self, stage: Staging, stem: str, kind: str, columns: Sequence[Column]) -> None:
        self.name = f"{stem}.{kind}"
        self.refusal: UsageError | None = None
        self._file = stage.create(self.name)
        try:
            self._writer: Writer | None = _writer(kind, self._file, columns, stage)
        except BaseException:  # whatever it is: nobody else knows of the open file
            self._file.close()
            raise

    def write(self, record: Record) -> None:
        """Add one row, unless the format has refused one before."""
        if self._writer is not None:
            try:
                self._writer.write(record)
            except UsageError as refusal:
                self._refuse(refusal)

    def complete(self) -> bool:
        """Finish the file and put it on the disk; False if the format refused a row."""
        if self._writer is not None:
            try:
                self._writer.close()
            except UsageError as refusal:
                self._refuse(refusal)
        if self._writer is None:
            return False
        self._writer = None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return True

    def discard(self) -> None:
        """Let go of the file in whatever state it is; nothing to do for a complete one."""
        writer, self._writer = self._writer, None
        # The first exception is the one to show, not what follows from it.
        with suppress(OSError, ValueError):
            if writer is not None:
                writer.abandon()
        with suppress(OSError, ValueError):
            self._file.close()

    def _refuse(self, refusal: UsageError) -> None:
        self.refusal = refusal
        self.discard()


def _writer(kind: str, file: BinaryIO, columns: Sequence[Column], stage: Staging) -> Writer:
    match kind:
        case "csv":
            return CsvWriter(file, columns)
        case "json":
            return JsonWriter(file, columns)
        case "jsonl":
            return JsonLinesWriter(file, columns)
        case "parquet":
            return ParquetWriter(file, columns)
        case _:
            return XlsxWriter(file, columns, scratch=stage.folder)


def _write(
    rows: Iterable[Result],
    columns: Sequence[Column],
    files: Sequence[_File],
    on_rows: Callable[[int], None] | None,
) -> None:
    n = 0
    getters = [column.get for column in columns]
    for n, result in enumerate(rows, start=1):
        record = tuple([get(result) for get in getters])
        for file in files:
            file.write(record)
        if n % _TELL_EVERY == 0:
            if on_rows:
                on_rows(n)
            if all(file.refusal for file in files):
                return
    if on_rows:
        on_rows(n)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Rows hold no cycles; to look for some among those that wait takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _report_refusals(files: Sequence[_File], written: Sequence[Path]) -> None:
    refusals = [f"{file.name}: {file.refusal}" for file in files if file.refusal]
    if refusals:
        done = f" (written: {', '.join(path.name for path in written)})" if written else ""
        raise UsageError("; ".join(refusals) + done)
