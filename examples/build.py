"""Build narratives.xlsx from source/narratives.jsonl: same input and XlsxWriter, same bytes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter

HERE = Path(__file__).resolve().parent
TEXTS = ("IncidentID", "NarrativeCME", "NarrativeLE")
NUMBERS = ("IncidentYear", "ipv_manualCME", "ipv_manualLE", "ipv_manual")
COLUMNS = ("IncidentID", "IncidentYear", *TEXTS[1:], *NUMBERS[1:])
CREATED = datetime(2024, 1, 1, tzinfo=UTC)
WIDTHS = (14, 13, 80, 80, 15, 15, 12)
READ_ME = (
    "ALL INVENTED. Demonstration data of the tool overnight.",
    "Every incident, person and place on the sheet 'narratives' is INVENTED for demonstration",
    "and tests and resembles no real case. Any likeness to a real event or person is accidental.",
    "No real record was used, copied or paraphrased. Do not use these rows as research data.",
    "Columns, counts and the coding rule of the labels are described in README.md.",
)


def build(source: Path, target: Path) -> int:
    """Write the rows of `source` to the workbook `target`; return how many there were."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    with xlsxwriter.Workbook(target) as book:
        book.set_properties({"title": "Invented narratives", "created": CREATED})
        bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
        sheet = book.add_worksheet("narratives")
        sheet.freeze_panes(1, 1)
        for column, (name, width) in enumerate(zip(COLUMNS, WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, bold)
            for number, row in enumerate(rows, start=1):
                if name in TEXTS and row[name]:
                    sheet.write_string(number, column, row[name], text)
                elif name in NUMBERS and row[name] is not None:
                    sheet.write_number(number, column, row[name])
        notes = book.add_worksheet("read me")
        notes.set_column(0, 0, 100, book.add_format({"text_wrap": True}))
        for number, line in enumerate(READ_ME):
            notes.write_string(number, 0, line)
    return len(rows)


if __name__ == "__main__":
    target = HERE.parent / "src" / "overnight" / "examples" / "narratives.xlsx"
    print(build(HERE / "source" / "narratives.jsonl", target), "rows written to", target)
