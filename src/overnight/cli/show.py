"""What is in the database: answers, errors, what was left out, files."""

import dataclasses
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console

from overnight.cli.screen import (
    Screen,
    console,
    show_json,
    stream_json,
    table,
)
from overnight.commands.results import Answers, Exported
from overnight.domain.narrative import LeftOut
from overnight.domain.result import Result
from overnight.report.columns import columns_of

_LONGEST_CELL = 40


def show_results(found: Answers, *, limit: int, with_text: bool, as_json: bool) -> None:
    """Answers, a row each; as JSON with the columns of an export."""
    if as_json:
        chosen = itertools.islice(found, limit or None)
        columns = columns_of(found.spec, with_text=with_text, beside=found.beside)
        stream_json({column.name: column.get(row) for column in columns} for row in chosen)
        return
    fields = [field.name for field in found.spec.fields]
    rows = [["row", "incident", "type", "label", *fields, "right", "error"]]
    texts = []
    rest = iter(found)
    for result in itertools.islice(rest, limit or None):
        output = result.output or {}
        rows.append(
            [
                f"{result.row_num:,}",
                result.incident_id,
                result.narrative_type,
                result.label or "",
                *(_cell(output.get(name)) for name in fields),
                {True: "yes", False: "NO", None: ""}[result.correct],
                _cut(f"{result.error_category}: {result.error_message}")
                if result.error_category
                else "",
            ]
        )
        texts.append((result.row_num, result.text, result.raw_reply))
    out = console()
    if len(rows) == 1:
        out.print("No results.")
        return
    out.print(table(rows, right=False))
    for row_num, text, reply in texts:
        if text is not None:
            out.print(f"\nrow {row_num:,}", style="bold")
            out.print(text)
            out.print(f"-> {reply}")
    if limit and next(rest, None) is not None:
        out.print(f"\nThe first {limit:,}; all of them: --limit 0")


_EXAMPLES = 5  # of each category, unless somebody asks for more
_ADVICE = {
    "api_error": "the server failed for these while it answered others; retry asks again",
    "rate_limit": "retry asks again",
    "parse_error": "no reply could be read; retry asks again, reparse reads the old replies again",
    "data_error": "too long for the model; a larger context, then retry --category data_error",
    "refusal": "the model or a content filter refused; another model may not",
    "unknown": "retry asks again",
}


def show_errors(found: Iterable[Result], *, limit: int | None, with_text: bool) -> None:
    """Errors by category, with examples; narratives and replies only `with_text`."""
    most = _EXAMPLES if limit is None else limit or sys.maxsize
    counts: Counter[str] = Counter()
    examples: dict[str, list[Result]] = {}
    for result in found:
        category = str(result.error_category)
        counts[category] += 1
        if counts[category] <= most:
            examples.setdefault(category, []).append(result)
    out = console()
    if not counts:
        out.print("No errors.")
    for category, n in sorted(counts.items()):
        out.print(f"{category}: {n:,}", style="bold", end="")
        out.print(f" ({_ADVICE[category]})", soft_wrap=True)
        for result in examples[category]:
            _show_error(out, result, with_text=with_text)
        if n > len(examples[category]):
            out.print(f"  ... and {n - len(examples[category]):,} more; all of them: --limit 0")


def _show_error(out: Console, result: Result, *, with_text: bool) -> None:
    calls = "1 call" if result.attempt_count == 1 else f"{result.attempt_count} calls"
    out.print(
        f"  row {result.row_num:,} ({result.incident_id}, {result.narrative_type}), {calls}: "
        f"{result.error_message}",
        soft_wrap=True,
    )
    if with_text:
        out.print(f"    {result.text}", soft_wrap=True)
        out.print(f"    -> {result.raw_reply}", soft_wrap=True)


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return _cut(value or "")
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_CELL else line[: _LONGEST_CELL - 1] + "…"


def show_left_out(rows: Sequence[LeftOut], *, limit: int, with_text: bool, as_json: bool) -> None:
    """The narratives (parts of rows) that were not used; different texts under one key first."""
    ordered = sorted(rows, key=lambda row: ("different" not in row.reason, row.source_row))
    shown = ordered[:limit] if limit else ordered
    if as_json:
        show_json(
            [{**dataclasses.asdict(r), **({} if with_text else {"text": None})} for r in shown]
        )
        return
    out = console()
    if not rows:
        out.print("No narrative was left out.")
        return
    head = ["row in file", "incident", "type", "reason", *(["text"] if with_text else [])]
    out.print(
        table(
            [
                head,
                *(
                    [
                        f"{row.source_row:,}",
                        row.incident_id or "",
                        row.narrative_type or "",
                        row.reason,
                        *([row.text or ""] if with_text else []),
                    ]
                    for row in shown
                ),
            ],
            right=False,
        )
    )
    if len(shown) < len(rows):
        out.print(f"\n{len(shown):,} of {len(rows):,}; all of them: --limit 0")


def show_export(exported: Exported, *, as_json: bool) -> None:
    """Which files were written, and how complete they are."""
    c = exported.counts
    if as_json:
        show_json({"files": exported.files, "completed": c.completed, "remaining": c.remaining})
        return
    for file in exported.files:
        print(file)  # noqa: T201 - paths, for people and scripts
    if c.remaining:
        Screen(stderr=True).print(
            f"so far: {c.completed:,} of {c.total:,} have a result", style="yellow"
        )
