"""The last part of a report, only on request: narratives that were answered wrongly."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from overnight.domain.result import Result
from overnight.report.paper.document import Block, Heading, Paragraph, Table, Verbatim

MOST = 200  # of each kind; beyond, nobody reads a report
WARNING = (
    "This file contains narratives and the model's words about them. They are sensitive: keep it "
    "where the data themselves may be kept, and do not send it on."
)


def wrong_answers(kinds: Mapping[str, Iterable[Result]]) -> Iterator[Block]:
    """Each with its text, label, answer and rationale; `kinds` by their headings."""
    yield Heading("Wrong answers")
    for title, results in kinds.items():
        yield Heading(title, 3)
        n = 0
        for result in islice(results, MOST):
            n += 1
            yield from _one(result)
        if not n:
            yield Paragraph("None.")
        elif n == MOST:
            yield Paragraph(f"At most {MOST} are shown; all of them: overnight show --wrong.")


def _one(result: Result) -> Iterator[Block]:
    name = f"{result.incident_id}, {result.narrative_type} (row {result.row_num:,})"
    yield Verbatim(name, result.text or "")
    said = {"label": result.label, **(result.output or {})}
    rows = [[key, _cell(value)] for key, value in said.items() if value is not None]
    yield Table([["", ""], *rows], words=True)


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
