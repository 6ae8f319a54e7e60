"""jsonl and parquet: typed values become the same text."""

import datetime as dt
import re
import struct
import sys

import pytest
from ingest_files import WIDE_ROWS, to_jsonl, to_parquet

from overnight.domain.narrative import SourceNarrative
from overnight.errors import DataError, MissingExtra

# jsonl and parquet


def test_values_of_any_plain_type_are_read(read):
    values = [
        '"007"',
        "123456",
        "123456.0",
        "0.5",
        "true",
        "12345678901234567890",
        '"\\ud83d\\ude00"',
    ]
    lines = "".join(
        f'{{"narrative_text":"t","narrative_type":"le","incident_id":{v}}}\n' for v in values
    )
    ids = [part.incident_id for part in read("a.jsonl", lines)]
    assert ids == ["007", "123456", "123456", "0.5", "true", "12345678901234567890", "😀"]


def test_a_label_that_only_a_late_line_carries_is_read(tmp_path, read):
    rows = [{"incident_id": n, "narrative_type": "le", "narrative_text": "t"} for n in range(2000)]
    rows[-1]["manual_flag_ind"] = True
    to_jsonl(rows, tmp_path / "a.ndjson")
    assert [part.label for part in read("a.ndjson")][-2:] == [None, "true"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"incident_id": 1,', "line 2: not valid JSON at column"),
        ("[1]", "line 2: no object; each line must be one JSON object with the columns as keys"),
        ('{"a": 1, "a": 2}', "line 2: a key stands twice in one object"),
        (
            '{"narrative_text": ["secret"], "incident_id": 1}',
            "line 2: narrative_text holds a list or an object; a text",
        ),
        (
            '{"narrative_text": "secret\\ud83d"}',
            "line 2: half a character (a lone surrogate such as",
        ),
        ('{"a": ' + "1" * 5000 + "}", "line 2: "),
        ('{"a": ' + "[" * 200_000, "line 2: nested too deeply; each line must be"),
    ],
)
def test_a_bad_line_is_named(line, message, read):
    good = '{"incident_id":1,"narrative_type":"le","narrative_text":"t"}\n'
    with pytest.raises(DataError, match=re.escape("a.jsonl, " + message)) as caught:
        read("a.jsonl", good + line + "\n")
    assert "secret" not in str(caught.value)


def test_a_json_list_is_said_to_be_one(read):
    with pytest.raises(DataError, match="line 1: the file is one JSON list; each line must be"):
        read("a.jsonl", '[{"incident_id":1}]')


def test_parquet_columns_that_hold_no_text_are_named(tmp_path, read):
    row = {"incident_id": "1", "narrative_type": "le"}
    for value, kind in [(["a"], "list<"), (b"a", "binary")]:
        to_parquet([row | {"narrative_text": value}], tmp_path / "a.parquet")
        with pytest.raises(DataError, match=f"the column narrative_text holds {kind}"):
            read("a.parquet")


def test_parquet_categories_and_times_are_read(tmp_path, read):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "incident_id": pa.array([dt.datetime(2020, 1, 2, 3)]),  # noqa: DTZ001 - files have none
        "narrative_type": pa.array(["le"]).dictionary_encode(),
        "narrative_text": pa.array(["t"], pa.large_string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert read("a.parquet") == [SourceNarrative("2020-01-02T03:00:00", "le", "t", source_row=2)]


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch, read):
    to_parquet(WIDE_ROWS, tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r"reading parquet .* '\.\[parquet\]'"):
        read("a.parquet")


def test_damaged_parquet_is_said_so(tmp_path, read):
    path = tmp_path / "a.parquet"
    row = {"incident_id": "1", "narrative_type": "le", "narrative_text": "ab" * 5000}
    to_parquet([row] * 3, path)
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    with pytest.raises(DataError, match="not a readable parquet file"):
        read("a.parquet", bytes(content))


def test_parquet_text_that_is_not_utf8_is_said_so(tmp_path, read):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    offsets = pa.py_buffer(struct.pack("<ii", 0, 1))
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    columns = {"incident_id": ["1"], "narrative_type": ["le"], "narrative_text": text}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a text in it is not UTF-8"):
        read("a.parquet")
