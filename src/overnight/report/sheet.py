"""The sheet that a person fills in: a narrative per row, an empty column for the label."""

import os
from collections.abc import Iterable
from pathlib import Path

from overnight.domain.answer import AnswerField
from overnight.errors import UsageError
from overnight.report.columns import Column, Kind
from overnight.report.csv_writer import CsvWriter
from overnight.report.staging import staging
from overnight.report.xlsx_writer import XlsxWriter
from overnight.store.samples import SheetRow

FORMATS = (".xlsx", ".csv")
NUMBER, INCIDENT, TYPE, TEXT = "sample_number", "incident_id", "narrative_type", "narrative_text"
ANSWER, CONFIDENCE, LABEL, NOTE = "answer", "confidence", "label", "note"
_WIDTHS = {TEXT: 100, LABEL: 12, NOTE: 30}


def refuse_unless_writable(file: Path) -> None:
    """Raise UsageError for another format, and for a file that is there: it may hold labels."""
    if file.suffix.lower() not in FORMATS:
        raise UsageError(f"{file}: a sheet ends with {' or '.join(FORMATS)}")
    if file.exists():
        raise UsageError(
            f"{file} exists and is not overwritten, for it may hold labels: move it away, or name "
            "another with --out"
        )


def allowed(primary: AnswerField) -> tuple[str, ...]:
    """What may stand in the column of labels, where that is a list."""
    return ("yes", "no") if primary.type == "boolean" else primary.values


def write_sheet(
    file: Path, rows: Iterable[SheetRow], primary: AnswerField, *, with_answers: bool
) -> None:
    """Write a private file, whole or not at all; texts are texts, whatever they begin with.

    Raises UsageError for a file that is there, and where a cell of xlsx is too small.
    """
    refuse_unless_writable(file)
    columns = _columns(with_answers=with_answers)
    with staging(file.parent) as stage:
        with stage.create(file.name) as raw:
            writer: XlsxWriter | CsvWriter
            if file.suffix.lower() == ".xlsx":
                writer = XlsxWriter(raw, columns, scratch=stage.folder, sheet="sample")
                writer.widen(_WIDTHS)
            else:
                writer = CsvWriter(raw, columns)
            try:
                for row in rows:
                    writer.write(_record(row, primary, with_answers=with_answers))
                if isinstance(writer, XlsxWriter):
                    writer.offer(LABEL, allowed(primary))
            except BaseException:  # whatever it is: the writer has a file of its own to let go
                writer.abandon()
                raise
            writer.close()
            raw.flush()
            os.fsync(raw.fileno())
        refuse_unless_writable(file)
        stage.publish([file.name])


def _columns(*, with_answers: bool) -> list[Column]:
    kinds: list[tuple[str, Kind]] = [(NUMBER, "integer")]
    kinds += [(name, "string") for name in (INCIDENT, TYPE, TEXT)]
    if with_answers:
        kinds += [(ANSWER, "string"), (CONFIDENCE, "number")]
    kinds += [(LABEL, "string"), (NOTE, "string")]
    return [Column(name, kind, lambda _result: None) for name, kind in kinds]


def _record(
    row: SheetRow, primary: AnswerField, *, with_answers: bool
) -> tuple[str | int | float | None, ...]:
    seen = (in_words(primary, row.answer), row.confidence) if with_answers else ()
    label = in_words(primary, row.label)
    return (row.number, row.incident_id, row.narrative_type, row.text, *seen, label, None)


def in_words(primary: AnswerField, value: str | None) -> str | None:
    """A label or an answer as it stands in the sheet."""
    if primary.type != "boolean" or value is None:
        return value
    return {"1": "yes", "0": "no"}.get(value, value)
