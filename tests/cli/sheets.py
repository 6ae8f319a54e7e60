"""Sheets of samples as people fill them in, and what became of their labels."""

import csv
import io

from python_calamine import CalamineWorkbook


def is_case(number: int) -> bool:
    return number % 5 == 0


def rows_of(file) -> list[list]:
    if file.suffix == ".xlsx":
        return CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()
    return list(csv.reader(file.read_text("utf-8-sig").splitlines()))


def fill(folder, label=lambda i: "yes" if is_case(i) else "no", *, source="sample.csv", n=None):
    """What a person does: `label` by number; the first `n` rows, or all. The rows."""
    head, *rows = rows_of(folder / source)
    at = head.index("label")
    for row in rows[:n]:
        row[at] = label(int(row[1]))
    return [head, *rows]


def save(file, rows, *, delimiter=",", encoding="utf-8-sig"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    file.write_bytes(out.getvalue().encode(encoding))
    return file


def labels(study):
    return dict(study.query("SELECT incident_id, label FROM source_narratives"))


def history(study):
    return study.query(
        "SELECT incident_id, label, replaced, labelled_by, source_file, note"
        " FROM narrative_labels ORDER BY label_id"
    )
