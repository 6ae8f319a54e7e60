"""Workbooks: which sheet, which cells, and what is damaged."""

import re
import zipfile
from unittest.mock import Mock

import pytest
import xlsxwriter
from ingest_files import WIDE_ROWS, opened, sheet_of, sheets_to_xlsx, to_xlsx
from python_calamine import PasswordError

from overnight.domain.narrative import LeftOut, SourceNarrative
from overnight.errors import DataError

# xlsx


def test_cells_of_a_sheet_become_the_text_that_a_reader_sees(tmp_path, read):
    rows = [["incident_id", "narrative_type", "narrative_text"]]
    rows += [[cell, "le", "t"] for cell in ("007", 123456.0, 0.5, True, -3, 1e20)]
    sheets_to_xlsx({"S": rows}, tmp_path / "a.xlsx")
    ids = [part.incident_id for part in read("a.xlsx")]
    assert ids == ["007", "123456", "0.5", "true", "-3", "100000000000000000000"]


def test_numbers_that_a_spreadsheet_has_rounded_are_noted(tmp_path):
    path = tmp_path / "a.xlsx"
    rows = [["incident_id", "narrative_type", "narrative_text"], [2**60, "le", "t"]]
    sheets_to_xlsx({"S": rows}, path)
    source = opened(path)
    assert len(list(source.narratives())) == 1
    assert len(source.notes) == 1
    assert "1 cells hold a number of more than 15 digits" in source.notes[0]


def test_dates_times_and_error_cells(tmp_path, read):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(1, 1, ["incident_id", "narrative_type", "narrative_text"])
        for at, form in enumerate(["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"], 2):
            sheet.write_number(
                at, 1, 43832.5 if at == 3 else 43832, book.add_format({"num_format": form})
            )
            sheet.write_row(at, 2, ["le", "t"])
        sheet.write_row(4, 1, ["x", "le"])
        sheet.write_formula(4, 3, "=NA()", None, "#N/A")
    found = read("a.xlsx")
    assert [part.incident_id for part in found[:2]] == ["2020-01-02", "2020-01-02T12:00:00"]
    assert found[2] == LeftOut(5, "x", "le", "empty text")


def test_a_sheet_is_chosen_by_name_or_number_or_by_its_columns(tmp_path, read):
    sheets = {"Info": [["about"], ["x"]], "A": sheet_of("a"), "2020": sheet_of("b")}
    sheets_to_xlsx(sheets, tmp_path / "a.xlsx")
    for wanted, text in [(None, "a"), ("A", "a"), (" a", "a"), (2, "a"), (3, "b"), (2020, "b")]:
        assert read("a.xlsx", sheet=wanted)[0].text == text


def test_further_sheets_with_narratives_are_noted(tmp_path):
    path = tmp_path / "a.xlsx"
    sheets_to_xlsx({"A": sheet_of("a"), "B": sheet_of("b")}, path)
    (note,) = opened(path).notes
    assert note.endswith(
        "sheet 'A': only this sheet is read; also with narratives: 'B' (data.sheet names another)"
    )


@pytest.mark.parametrize("wanted", ["C", 0, 3, -1])
def test_an_unknown_sheet_is_answered_with_those_there_are(wanted, tmp_path, read):
    sheets_to_xlsx({"A": sheet_of("a"), "B": sheet_of("b")}, tmp_path / "a.xlsx")
    message = f"data.sheet {wanted!r} names no sheet; there are: 1 'A', 2 'B'"
    with pytest.raises(DataError, match=re.escape(message)):
        read("a.xlsx", sheet=wanted)


def test_a_sheet_without_anything_is_answered_with_what_is_needed(tmp_path, read):
    sheets_to_xlsx({"A": []}, tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="sheet 'A': the columns are in no known layout"):
        read("a.xlsx")


def test_to_xlsx_and_back_keeps_a_sheet_named_by_the_user(tmp_path, read):
    to_xlsx(WIDE_ROWS, tmp_path / "a.xlsx", sheet="Fälle")
    assert len(read("a.xlsx", sheet="fälle")) == 6


# files that are damaged or unusual


def rezip(path, name, content):
    """Replace one member of a zip file."""
    with zipfile.ZipFile(path) as old:
        members = {entry: old.read(entry) for entry in old.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w") as new:
        for entry, data in members.items():
            new.writestr(entry, data)


def test_a_damaged_sheet_is_named(tmp_path, read):
    sheets_to_xlsx({"A": sheet_of("a")}, tmp_path / "a.xlsx")
    rezip(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row")
    with pytest.raises(DataError, match=r"the sheet 'A' cannot be read|not a readable workbook"):
        read("a.xlsx")


def test_a_workbook_of_nothing_but_charts_is_said_to_be_one(tmp_path, read):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        chart = book.add_chart({"type": "pie"})
        chart.add_series({"values": "=(A!$A$1,A!$A$2)"})
        book.add_chartsheet().set_chart(chart)
    with pytest.raises(DataError, match="the workbook has no worksheet"):
        read("a.xlsx")


def test_a_protected_workbook_is_said_to_be_one(tmp_path, monkeypatch, read):
    to_xlsx(WIDE_ROWS, tmp_path / "a.xlsx")
    book = Mock(from_filelike=Mock(side_effect=PasswordError))
    monkeypatch.setattr("overnight.ingest.xlsx.CalamineWorkbook", book)
    with pytest.raises(DataError, match="protected by a password; save it without one"):
        read("a.xlsx")


def test_a_hidden_sheet_is_read_only_where_it_is_named(tmp_path, read):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        for name in ("B", "A", "C"):
            sheet = book.add_worksheet(name)
            for at, row in enumerate(sheet_of(name.lower()) if name != "B" else [["about"]]):
                sheet.write_row(at, 0, row)
        book.get_worksheet_by_name("A").hide()
    assert read("a.xlsx")[0].text == "c"
    assert read("a.xlsx", sheet="A")[0].text == "a"


ODS_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'


def test_an_open_document_is_read(tmp_path, read):
    rows = "".join(
        f"<table:table-row>{''.join(map(ODS_CELL.format, row))}</table:table-row>"
        for row in sheet_of("a")
    )
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" xmlns:text="{space}:text:1.0"'
        f' xmlns:table="{space}:table:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="S">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", "<manifest/>")
        file.writestr("content.xml", content)
    assert read("a.ods") == [SourceNarrative("1", "le", "a", source_row=2)]
