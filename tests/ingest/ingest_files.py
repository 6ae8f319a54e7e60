"""Rows written in every format, and read back."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from overnight.config.models import DataSection
from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.ingest.source import Source, open_source

Rows = list[dict[str, Any]]


def to_csv(rows: Rows, path: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(out.getvalue().encode(encoding))


def to_jsonl(rows: Rows, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def to_xlsx(rows: Rows, path: Path, sheet: str = "Sheet1") -> None:
    sheets_to_xlsx({sheet: [list(rows[0]), *(list(row.values()) for row in rows)]}, path)


def sheets_to_xlsx(sheets: dict[str, list[list[Any]]], path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(at, column, cell)
                    elif cell is not None:
                        sheet.write(at, column, cell)


def to_parquet(rows: Rows, path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Rows, Path], None]] = {
    "csv": to_csv,
    "tsv": lambda rows, path: to_csv(rows, path, delimiter="\t"),
    "jsonl": to_jsonl,
    "xlsx": to_xlsx,
    "parquet": to_parquet,
}


def parts_of(source: Source) -> list[SourceNarrative | LeftOut]:
    """What a source gives, without row numbers, which formats count differently."""
    return [replace(part, source_row=0) for part in source.narratives()]


def opened(path: Path, **data: Any) -> Source:
    return open_source(DataSection(file=path, **data), path)


def sheet_of(text: str) -> list[list[Any]]:
    return [["incident_id", "narrative_type", "narrative_text"], ["1", "le", text]]


WIDE_ROWS = [
    {
        "IncidentID": "0007",
        "NarrativeCME": ' She said "no", twice; then\nleft.  ',
        "NarrativeLE": "Größe 5 ½ \u2028 😀\t|",
        "ipv_manualCME": 1,
        "ipv_manualLE": 0,
        "ipv_manual": 1,
    },
    {
        "IncidentID": "0008",
        "NarrativeCME": " \n ",
        "NarrativeLE": "=1+1",
        "ipv_manualCME": None,
        "ipv_manualLE": None,
        "ipv_manual": None,
    },
    {
        "IncidentID": "A-9",
        "NarrativeCME": "x" * 32_000,
        "NarrativeLE": None,
        "ipv_manualCME": 0,
        "ipv_manualLE": 1,
        "ipv_manual": 1,
    },
]
WIDE_PARTS = [
    SourceNarrative("0007", "cme", WIDE_ROWS[0]["NarrativeCME"], "1", "1"),
    SourceNarrative("0007", "le", WIDE_ROWS[0]["NarrativeLE"], "0", "1"),
    LeftOut(0, "0008", "cme", "empty text"),
    SourceNarrative("0008", "le", "=1+1"),
    SourceNarrative("A-9", "cme", "x" * 32_000, "0", "1"),
    LeftOut(0, "A-9", "le", "empty text"),
]
