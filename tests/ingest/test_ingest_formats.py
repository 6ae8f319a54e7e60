"""The same rows give the same narratives, whatever the format."""

import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from ingest_files import (
    WIDE_PARTS,
    WIDE_ROWS,
    WRITERS,
    opened,
    parts_of,
    sheets_to_xlsx,
    to_csv,
    to_parquet,
)

from overnight.domain.narrative import SourceNarrative
from overnight.errors import DataError
from overnight.ingest import readers
from overnight.ingest.readers import as_text
from overnight.ingest.source import checksum_of


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_wide_narratives(suffix, tmp_path):
    path = tmp_path / f"data.{suffix}"
    WRITERS[suffix](WIDE_ROWS, path)
    source = opened(path)
    assert source.layout == "wide"
    assert parts_of(source) == WIDE_PARTS


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_long_narratives(suffix, tmp_path):
    path = tmp_path / f"data.{suffix}"
    rows = [
        {
            "incident_id": number,
            "narrative_type": kind,
            "narrative_text": text,
            "manual_flag_ind": label,
            "manual_flag": label,
            "unused": "u",
        }
        for number, kind, text, label in [(123456, "CME ", "a", 1.0), (123456, "le", "b", 0.0)]
    ]
    WRITERS[suffix](rows, path)
    source = opened(path)
    assert source.layout == "long"
    assert parts_of(source) == [
        SourceNarrative("123456", "cme", "a", "1", "1"),
        SourceNarrative("123456", "le", "b", "0", "0"),
    ]


def test_rows_are_numbered_as_a_spreadsheet_shows_them_and_jsonl_by_line(tmp_path, read):
    rows = [["incident_id", "narrative_type", "narrative_text"], [], ["1", "le", "a\nb"]]
    rows += [[], ["2", "le", None]]
    sheets_to_xlsx({"S": rows}, tmp_path / "a.xlsx")
    assert [part.source_row for part in read("a.xlsx")] == [3, 5]
    text = 'incident_id,narrative_type,narrative_text\n\n1,le,"a\nb"\n,,\n2,le,\n'
    assert [part.source_row for part in read("a.csv", text)] == [3, 5]
    lines = [dict(zip(rows[0], row, strict=True)) for row in (rows[2], rows[4])]
    text = f"{json.dumps(lines[0])}\n\n{json.dumps(lines[1])}\n"
    assert [part.source_row for part in read("a.jsonl", text)] == [1, 3]
    to_parquet(lines, tmp_path / "a.parquet")
    assert [part.source_row for part in read("a.parquet")] == [2, 3]


def test_blank_rows_are_no_left_out_rows(tmp_path, read):
    head = "IncidentID,NarrativeCME,NarrativeLE,Year\n"
    assert read("a.csv", head + ",,,\n \n , ,,\n\n") == []
    assert read("a.jsonl", '{"IncidentID":"","NarrativeCME":null,"NarrativeLE":" "}\n{}\n') == []
    sheets_to_xlsx(
        {"S": [head.strip().split(","), [" "], [None, None, None, ""]]}, tmp_path / "a.xlsx"
    )
    assert read("a.xlsx") == []
    assert len(read("b.csv", head + ",,,2020\n")) == 2  # something stands there: accounted for


def test_the_checksum_is_that_of_the_files_bytes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"abc")
    expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum_of(path) == opened(path).checksum == expected


def test_narratives_can_be_read_again_and_twice_at_once(tmp_path):
    to_csv(WIDE_ROWS, path := tmp_path / "a.csv")
    source = opened(path)
    pairs = list(zip(source.narratives(), source.narratives(), strict=True))
    assert all(a == b for a, b in pairs)
    assert parts_of(source) == WIDE_PARTS


@pytest.mark.parametrize("age", [0.0, 3600.0])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_written_to_while_it_is_read_is_refused(suffix, age, tmp_path, monkeypatch):
    """Whether it was written a moment ago, so that its times say nothing, or is an hour old."""
    path = tmp_path / f"data.{suffix}"
    WRITERS[suffix](WIDE_ROWS, path)
    monkeypatch.setattr(readers.time, "time", lambda: path.stat().st_ctime + age)
    source = opened(path)
    with path.open("ab") as file:
        file.write(b" ")
    with pytest.raises(DataError, match="was changed while it was being read; start again when"):
        list(source.narratives())


@pytest.mark.parametrize(("age", "n_times"), [(0.0, 2), (3600.0, 1), (-3600.0, 2)])
def test_an_old_file_is_read_once_less(age, n_times, tmp_path, monkeypatch):
    """Its times would tell. One that is said to come from the future is not believed."""
    to_csv(WIDE_ROWS, path := tmp_path / "a.csv")
    hashed = []
    checksum = readers.OpenFile.checksum
    monkeypatch.setattr(
        readers.OpenFile, "checksum", lambda file: hashed.append(file) or checksum(file)
    )
    monkeypatch.setattr(readers.time, "time", lambda: path.stat().st_ctime + age)
    assert parts_of(opened(path)) == WIDE_PARTS
    assert len(hashed) == n_times


def test_a_half_written_file_is_called_changed_and_not_broken(tmp_path):
    to_csv(WIDE_ROWS, path := tmp_path / "a.csv")
    source = opened(path)
    path.write_text('IncidentID,NarrativeCME,NarrativeLE\n1,"half')
    with pytest.raises(DataError, match="was changed while it was being read"):
        list(source.narratives())


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_saved_anew_in_its_place_does_not_change_what_is_read(suffix, tmp_path):
    path = tmp_path / f"data.{suffix}"
    WRITERS[suffix](WIDE_ROWS, path)
    source = opened(path)
    path.unlink()
    path.write_bytes(b"something else")
    assert parts_of(source) == WIDE_PARTS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.txt", "must end with its format; known are .xlsx, .xlsm"),
        ("a", "must end with its format"),
        ("missing.csv", "missing.csv: no such file; correct data.file"),
        ("folder.csv", "folder.csv: this is a folder; data.file must name a data file"),
        ("empty.csv", "empty.csv: the file is empty"),
        ("empty.xlsx", "empty.xlsx: the file is empty"),
        ("blank.csv", "blank.csv: the file is empty; a row with column names is needed"),
        ("blank.jsonl", "blank.jsonl: the file holds no rows; one JSON object per line"),
        ("blank.xlsx", "blank.xlsx: not a readable workbook; save it again as xlsx"),
        ("blank.parquet", "blank.parquet: not a readable parquet file"),
    ],
)
def test_what_cannot_be_a_data_file_is_said_so(name, message, tmp_path, read):
    (tmp_path / "folder.csv").mkdir()
    content = {"empty": b"", "blank": b"\n  \n"}.get(name.partition(".")[0])
    with pytest.raises(DataError, match=re.escape(message)):
        read(name, content)


def test_a_file_that_may_not_be_read_is_said_so(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.touch()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match=r"a\.csv: cannot be read: Permission denied"):
        opened(path)


def test_a_header_with_blanks_around_its_names_is_understood(tmp_path):
    row = {" incident_id": "1", "narrative_TYPE ": "le", "narrative_text": "t"}
    for suffix, write in WRITERS.items():
        path = tmp_path / f"a.{suffix}"
        write([row], path)
        assert parts_of(opened(path)) == [SourceNarrative("1", "le", "t")]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Decimal("12.00"), "12"),
        (Decimal("0.50"), "0.50"),
        (float("nan"), None),
        (float("inf"), "inf"),
        (-0.0, "0"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(hours=30), "1 day, 6:00:00"),
    ],
)
def test_any_plain_cell_has_one_text(cell, text):
    assert as_text(cell) == text
