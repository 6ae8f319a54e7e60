"""What stands in the files."""

import csv
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import load_workbook

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.errors import UsageError
from overnight.report.columns import answer_names, columns_of
from overnight.report.csv_writer import guard
from overnight.report.export import FORMATS, export

FIXED_BEFORE = ["row_num", "incident_id", "narrative_type", "label", "gold", "case_gold"]
FIXED_AFTER = [
    *("correct", "error_category", "error_message", "repaired", "attempt_count", "response_sec"),
    *("processed_at", "prompt_tokens", "completion_tokens", "copied_from"),
]
ALL_TYPES = AnswerSpec(
    (
        AnswerField("event", "enum", values=("11", "42")),
        AnswerField("injured", "boolean"),
        AnswerField("age", "integer"),
        AnswerField("confidence", "number"),
        AnswerField("parts", "list"),
        AnswerField("scores", "list", of="number"),
        AnswerField("note", "string", required=False),
    ),
    primary="event",
)
FULL = {
    "event": "11",
    "injured": False,
    "age": -3,
    "confidence": 1,
    "parts": ["a; b", 'c"d'],
    "scores": [1, 2.5],
}


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_xlsx(path):
    head, *rows = load_workbook(path).get_sheet_by_name("results").to_python()
    return [dict(zip(head, row, strict=True)) for row in rows]


def read_all(folder, rows, spec, **options):
    paths = export(rows, spec, folder, FORMATS, **options)
    by = {path.suffix[1:]: path for path in paths}
    return {
        "csv": read_csv(by["csv"]),
        "json": json.loads(by["json"].read_text("utf-8")),
        "jsonl": [json.loads(line) for line in by["jsonl"].read_text("utf-8").split("\n")[:-1]],
        "parquet": pq.read_table(by["parquet"]).to_pylist(),
        "xlsx": read_xlsx(by["xlsx"]),
    }


def test_columns_are_fixed_then_answer_fields_in_declared_order_then_fixed(tmp_path, result):
    found = read_all(tmp_path, [result()], DEFAULT_ANSWER)
    names = [*FIXED_BEFORE, *(f.name for f in DEFAULT_ANSWER.fields), *FIXED_AFTER]
    for format_, rows in found.items():
        assert list(rows[0]) == names, format_


def test_narrative_and_raw_reply_are_written_on_request_only(tmp_path, result):
    row = result(text="The narrative.", raw_reply='{"detected": true}')
    without = read_all(tmp_path / "a", [row], DEFAULT_ANSWER)
    assert not any("narrative." in str(rows) for rows in without.values())
    for format_, rows in read_all(tmp_path / "b", [row], DEFAULT_ANSWER, with_text=True).items():
        assert list(rows[0])[-2:] == ["narrative_text", "raw_response"], format_
        assert rows[0]["narrative_text"] == "The narrative."
        assert rows[0]["raw_response"] == '{"detected": true}'


def test_values_have_the_type_that_each_format_has_for_them(tmp_path, result):
    found = read_all(tmp_path, [result(output=FULL, repaired=("fence", "comma"))], ALL_TYPES)
    plain = {"event": "11", "injured": False, "age": -3, "confidence": 1, "note": None}
    for format_ in ("json", "jsonl", "parquet"):
        row = found[format_][0]
        assert {name: row[name] for name in plain} == plain
        assert row["injured"] is False
        assert row["gold"] is True
        assert (row["parts"], row["scores"]) == (["a; b", 'c"d'], [1, 2.5])
        assert row["repaired"] == ["fence", "comma"]
    text, sheet = found["csv"][0], found["xlsx"][0]
    assert (text["injured"], text["gold"], text["age"], text["note"]) == ("0", "1", "-3", "")
    assert (sheet["injured"], sheet["gold"], sheet["age"], sheet["note"]) == (0, 1, -3, "")
    assert json.loads(text["parts"]) == json.loads(sheet["parts"]) == ["a; b", 'c"d']
    assert json.loads(text["repaired"]) == ["fence", "comma"]
    assert sheet["event"] == "11", "a code stays text"


def test_parquet_columns_are_typed_even_where_every_value_is_missing(tmp_path, failed):
    (path,) = export([failed()], ALL_TYPES, tmp_path, ["parquet"])
    types = {field.name: str(field.type) for field in pq.read_schema(path)}
    expected = {
        "row_num": "int64",
        "event": "string",
        "injured": "bool",
        "age": "int64",
        "confidence": "double",
        "gold": "bool",
        "processed_at": "timestamp[us, tz=UTC]",
    }
    assert {name: types[name] for name in expected} == expected
    assert types["scores"].startswith("list<")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_errors_have_empty_answers_and_say_what_went_wrong(tmp_path, failed):
    for format_, (row,) in read_all(tmp_path, [failed()], DEFAULT_ANSWER).items():
        nothing = "" if format_ in ("csv", "xlsx") else None
        empty = ("detected", "confidence", "indicators", "rationale", "correct", "repaired")
        assert all(row[name] == nothing for name in empty), format_
        assert row["error_category"] == "parse_error"


def test_times_are_iso_8601_in_utc_whatever_zone_they_come_in(tmp_path, result):
    moments = [
        datetime(2026, 3, 1, 22, 0, 0, 5_999, tzinfo=UTC),
        datetime(2026, 3, 1, 17, 0, 0, 5_999, tzinfo=timezone(timedelta(hours=-5))),
    ]
    found = read_all(tmp_path, [result(processed_at=m) for m in moments], DEFAULT_ANSWER)
    assert all(row["processed_at"] == moments[0] for row in found.pop("parquet"))
    for format_, rows in found.items():
        assert {r["processed_at"] for r in rows} == {"2026-03-01T22:00:00.005Z"}, format_


def test_ids_keep_their_leading_zeros(tmp_path, result):
    for format_, (row,) in read_all(tmp_path, [result(7)], DEFAULT_ANSWER).items():
        assert row["incident_id"] == "000007", format_


def test_rows_keep_their_order(tmp_path, result):
    order = [5, 3, 9, 1, 7]
    for format_, rows in read_all(tmp_path, map(result, order), DEFAULT_ANSWER).items():
        assert [int(row["row_num"]) for row in rows] == order, format_


def test_no_rows_are_a_valid_file_in_every_format(tmp_path):
    assert all(rows == [] for rows in read_all(tmp_path, [], DEFAULT_ANSWER).values())
    assert (tmp_path / "results.csv").read_text("utf-8-sig").startswith("row_num,incident_id,")


def test_a_field_named_like_a_column_is_renamed_and_keeps_clear_of_its_neighbours():
    names = ("label", "Gold", "answer_label", "narrative_text", "detected")
    spec = AnswerSpec(tuple(AnswerField(name, "string") for name in names))
    assert list(answer_names(spec).values()) == [
        *("answer_answer_label", "answer_Gold", "answer_label", "answer_narrative_text"),
        "detected",
    ]
    columns = [column.name.casefold() for column in columns_of(spec, with_text=True)]
    assert len(columns) == len(set(columns))


def test_csv_begins_with_a_byte_order_mark_and_ends_its_lines_as_rfc_4180_says(tmp_path, result):
    (path,) = export([result()], DEFAULT_ANSWER, tmp_path, ["csv"])
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfrow_num,")
    assert content.count(b"\r\n") == content.count(b"\n") == 2


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "- a bullet", "+1-555-1234", "=", "-"),
        *("\t=1", "\rx", "\tx", " =1", "\n=1", "\r\n=1", "\u00a0=1", "\ufeff=1", "\u200b=1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20A", "\u3000=1", "\x00=1", "\u22121", "-5\n"),
    ],
)
def test_a_text_that_a_spreadsheet_takes_for_a_formula_gets_one_apostrophe(text):
    assert guard(text) == "'" + text


@pytest.mark.parametrize(
    "text", ["", "plain", "a=1", "'=1", "1-1", "-5", "+5.25", "-1e5", "\nfirst line", "[1]", '"=1"']
)
def test_other_texts_are_left_alone(text):
    assert guard(text) == text


def test_negative_numbers_are_numbers_in_csv(tmp_path, result):
    row = result(output={"age": -7, "confidence": -0.25}, label="-1", incident_id="=HYPERLINK(1)")
    (found,) = read_csv(export([row], ALL_TYPES, tmp_path, ["csv"])[0])
    assert (found["age"], found["confidence"], found["label"]) == ("-7", "-0.25", "-1")
    assert found["incident_id"] == "'=HYPERLINK(1)"


def test_a_field_name_cannot_be_a_formula_either(tmp_path):
    spec = AnswerSpec((AnswerField("=cmd()", "string"),))
    (path,) = export([], spec, tmp_path, ["csv"])
    assert ",'=cmd()," in path.read_text("utf-8-sig")


NOTE = AnswerSpec((AnswerField("note", "string"), AnswerField("parts", "list")))
any_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
dangerous = st.builds(str.__add__, st.text("=+-@\t\r\n \uff1d<r>_x0041", max_size=6), any_text)


@given(st.lists(any_text | dangerous, min_size=1, max_size=8))
@settings(deadline=None, database=None, max_examples=40)
@example(["<r><t>x</t></r>", "<r></is></c><c><f>1+1</f></c></r>", "<r>\x01_x0041_</r>"])
@example(["_x000D_", "\r\n", "\x00\x0b", " \n ", "\ufffe\uffff", "_x005F_x0041_", "]]>&amp;"])
def test_any_text_comes_back_as_it_was(result, texts):
    rows = [
        result(n, output={"note": text, "parts": [text]}, label=text, text=text, raw_reply=text)
        for n, text in enumerate(texts, 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = read_all(Path(folder), rows, NOTE, with_text=True)
    for name in ("note", "label", "narrative_text", "raw_response"):
        for format_ in ("json", "jsonl", "parquet"):
            assert [row[name] for row in found[format_]] == texts, format_
        # ECMA-376 escapes the two characters that XML cannot hold; calamine shows the escape.
        sheet = [text.replace("\ufffe", "_xFFFE_").replace("\uffff", "_xFFFF_") for text in texts]
        assert [row[name] for row in found["xlsx"]] == sheet
        assert [row[name] for row in found["csv"]] == [guard(text) for text in texts]
    assert [row["parts"] for row in found["parquet"]] == [[text] for text in texts]
    assert [json.loads(row["parts"]) for row in found["csv"]] == [[text] for text in texts]
    assert [json.loads(row["parts"]) for row in found["xlsx"]] == [[text] for text in sheet]


PLAIN_SIGNS = str.maketrans("\uff1d\uff0b\uff0d\uff20\u2212", "=+-@-")


@given(st.text(max_size=30) | dangerous)
@settings(deadline=None, database=None, max_examples=300)
def test_no_csv_cell_begins_as_a_formula_does(text):
    out = io.StringIO(newline="")
    csv.writer(out).writerow([guard(text)])
    (cell,) = next(csv.reader([out.getvalue()])) if text else [""]
    assert cell in (text, "'" + text)
    bare = cell.translate(PLAIN_SIGNS).strip()
    assert not cell.startswith(("\t", "\r"))
    assert not bare.startswith(("=", "@"))
    assert not bare.startswith(("+", "-")) or float(cell) is not None


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path, result):
    row = result(output={"note": "a\ud800b \ud83d\ude00", "parts": ["\udfff"]})
    found = read_all(tmp_path, [row], NOTE)
    assert {rows[0]["note"] for rows in found.values()} == {"a\ufffdb \U0001f600"}
    assert found["json"][0]["parts"] == ["\ufffd"]


def test_numbers_beyond_what_a_format_holds_are_never_rounded_in_silence(tmp_path, result):
    huge = 2**63 + 1
    row = result(output={"age": huge, "confidence": float("inf")}, incident_id="A-17")
    paths = export([row], ALL_TYPES, tmp_path, ["csv", "json", "xlsx"])
    assert read_csv(paths[0])[0]["age"] == str(huge)
    assert json.loads(paths[1].read_text("utf-8"))[0]["age"] == huge
    assert read_xlsx(paths[2])[0]["age"] == str(huge)
    assert json.loads(paths[1].read_text("utf-8"))[0]["confidence"] is None
    with pytest.raises(UsageError, match=r"A-17.*age does not fit"):
        export([row], ALL_TYPES, tmp_path, ["parquet"])
    with pytest.raises(UsageError, match="confidence does not fit"):
        export([result(output={"confidence": 10**400})], ALL_TYPES, tmp_path, ["parquet"])


def test_parquet_row_groups_are_bounded_by_rows_and_by_characters(tmp_path, result, monkeypatch):
    monkeypatch.setattr("overnight.report.parquet_writer.GROUP_ROWS", 10)
    (path,) = export(map(result, range(25)), DEFAULT_ANSWER, tmp_path, ["parquet"])
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
    monkeypatch.setattr("overnight.report.parquet_writer.GROUP_CHARACTERS", 1_000)
    long = [result(n, output={"note": "", "parts": ["x" * 600]}) for n in range(4)]
    (path,) = export(long, NOTE, tmp_path, ["parquet"])
    assert pq.ParquetFile(path).metadata.num_row_groups == 2
