"""csv and tsv: any text survives, and nothing is shifted without a word."""

import csv
import io
import re
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_files import (
    WIDE_ROWS,
    opened,
    to_csv,
)

from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.errors import DataError
from overnight.ingest.delimited import Delimited
from overnight.ingest.readers import OpenFile

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_text_survives_csv(rows, delimiter, encoding, quoting):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
    writer.writerow(["incident_id", "narrative_type", "narrative_text"])
    for number, (ident, text) in enumerate(rows):
        writer.writerow([f"0{number}{ident}", "le", text])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(out.getvalue().encode(encoding))
        found = list(opened(path).narratives())
    assert [part.incident_id for part in found] == [
        f"0{number}{ident}".strip() for number, (ident, _) in enumerate(rows)
    ]
    for part, (_, text) in zip(found, rows, strict=True):
        if text.strip():
            assert isinstance(part, SourceNarrative)
            assert part.text == text
        else:
            assert isinstance(part, LeftOut)
            assert part.reason == "empty text"


HEAD = "IncidentID,NarrativeCME,NarrativeLE\n"


def test_line_ends_within_a_text_are_kept(read):
    text = HEAD.replace("\n", "\r\n") + '1,"a\r\nb\rc\nd",x\r\n'
    assert read("a.csv", text)[0].text == "a\r\nb\rc\nd"


def test_a_narrative_longer_than_the_usual_field_limit_is_read(read):
    assert len(read("a.csv", HEAD + f"1,{'x' * 300_000},y\n")[0].text) == 300_000


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_in_the_header_outside_of_quotes(name, delimiter, read):
    head = ["IncidentID", "NarrativeCME", "NarrativeLE", '"a, b; c; d, e, f | g"']
    text = f"{delimiter.join(head)}\n{delimiter.join('1xy')}{delimiter}\n"
    assert [part.text for part in read(name, text)] == ["x", "y"]


def test_a_given_delimiter_and_encoding_are_used(read):
    text = "IncidentID~NarrativeCME~NarrativeLE\n1~naïve €~b\n"
    found = read("a.csv", text.encode("cp1252"), delimiter="~", encoding="cp1252")
    assert found[0].text == "naïve €"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_the_encoding_is_seen_by_its_byte_order_mark(encoding, read):
    for name in ("a.csv", "a.jsonl"):
        text = (
            HEAD + "1,ä,b\n"
            if name == "a.csv"
            else '{"IncidentID":1,"NarrativeCME":"ä","NarrativeLE":"b"}\n'
        )
        assert [part.text for part in read(name, text.encode(encoding))] == ["ä", "b"]


def test_a_byte_order_mark_does_no_harm_where_the_encoding_is_given(read):
    quoted = '"IncidentID",NarrativeCME,NarrativeLE\n1,a,b\n'
    for encoding, said in [
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
    ]:
        assert len(read("a.csv", quoted.encode(encoding), encoding=said)) == 2
    assert len(read("a.csv", ("\ufeff" + quoted).encode("utf-16-le"), encoding="utf-16-le")) == 2


def test_wrong_bytes_are_named_by_line_and_byte_and_cp1252_proposed(read):
    filler = "".join(f"{n},{'ä' * 600},y\n" for n in range(2, 1000))  # beyond one chunk
    content = (HEAD + filler).encode() + b"1,it\x92s,b\n"
    at = content.index(b"\x92") + 1
    message = f"a.csv, line 1000, byte {at}: not utf-8 (0x92); save the file as UTF-8, or try "
    message += "data.encoding: cp1252"
    with pytest.raises(DataError, match=re.escape(message)):
        read("a.csv", content)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_wrong_bytes_in_the_first_line_and_at_the_end_are_named_too(name, read):
    with pytest.raises(DataError, match=r"line 1, byte 1: not utf-8 \(0x92\)"):
        read(name, b"\x92\n")
    with pytest.raises(DataError, match=r"byte \d+: not (utf-8|utf-16) "):
        read(name, b'{"a,b":1}\n\xc3')
    with pytest.raises(DataError, match=r"not cp1252 .*or try data.encoding: utf-8"):
        read(name, b'{"a,b":1}\n\x81', encoding="cp1252")
    with pytest.raises(DataError, match="not utf-16"):
        read(name, b'{"a,b":1}\n\x81', encoding="utf-16")


@pytest.mark.parametrize("encoding", ["klingon", "hex"])
def test_an_unknown_encoding_is_said_so(encoding, read):
    with pytest.raises(DataError, match=f"data.encoding '{encoding}' is no known text encoding"):
        read("a.csv", HEAD, encoding=encoding)


def test_a_delimiter_that_cannot_be_one_is_said_so(read):
    with pytest.raises(DataError, match=r"data\.delimiter '\\n' cannot part columns"):
        read("a.csv", HEAD, delimiter="\n")


@pytest.mark.parametrize(("row", "n"), [("3,a, b,c", 4), ("3,a", 2), ("3,a,b,", 4)])
def test_a_row_that_does_not_fit_the_header_is_never_shifted(row, n, read):
    message = (
        f"a.csv, line 4: {n} fields where the header has 3; a text with a comma or a line break"
    )
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read("a.csv", HEAD + f'1,"a\nb",c\n{row}\n')
    assert "b,c" not in str(caught.value)


def test_an_unclosed_quote_is_named_where_its_row_begins(read):
    with pytest.raises(DataError, match=r"a\.csv, line 3: a quote in the row .* never closed"):
        read("a.csv", HEAD + '1,a,b\n2,"c,d\n3,e,f\n')


def test_an_unclosed_quote_does_not_read_the_whole_file_into_memory(read):
    with pytest.raises(DataError, match=r"line 2: a quote in the row .* never closed"):
        read("a.csv", HEAD + '1,"' + ("x" * 1000 + "\n") * 12_000)


def test_a_quote_that_is_not_doubled_is_refused_and_not_swallowed(read):
    with pytest.raises(DataError, match=r"line 2: the quotes of this row do not pair") as caught:
        read("a.csv", HEAD + '1,"he said "secret" and left",b\n')
    assert "secret" not in str(caught.value)


def test_a_nul_is_refused_with_its_row(read):
    with pytest.raises(DataError, match=r"a\.csv, row 3: a NUL character; remove it"):
        read("a.csv", HEAD + "1,a,b\n2,a\0,b\n")
    with pytest.raises(DataError, match=r"row 1: a NUL character"):
        read("a.jsonl", '{"IncidentID":1,"NarrativeCME":"a\\u0000","NarrativeLE":"b"}\n')


def test_one_wanted_column_is_a_row_of_one_cell(tmp_path):
    to_csv(WIDE_ROWS, tmp_path / "a.csv")
    file = OpenFile(tmp_path / "a.csv")
    rows = Delimited(file, encoding=None, delimiter=None).rows([0])
    assert list(rows) == [(2, ("0007",)), (3, ("0008",)), (4, ("A-9",))]


def test_narratives_stream_with_flat_memory(tmp_path):
    path = tmp_path / "a.csv"
    row = f"1,le,{'x' * 1000}\n"
    path.write_text("incident_id,narrative_type,narrative_text\n" + row * 20_000)
    source = opened(path)
    tracemalloc.start()
    assert sum(1 for _ in source.narratives()) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000  # of 20 MB
