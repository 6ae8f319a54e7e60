"""What is in the database: experiments, answers, metrics, files."""

import dataclasses
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from overnight.cli.live import Screen
from overnight.cli.screen import (
    console,
    named_counts,
    show_json,
    stream_json,
    table,
)
from overnight.commands.results import Answers, Exported
from overnight.domain.narrative import LeftOut
from overnight.domain.result import Result
from overnight.report.columns import columns_of
from overnight.usage import cost_json
from overnight.views import StatusView, limit_json, session_json, view_json
from overnight.words import duration, local_time, percent, rate_text, short_count

_LONGEST_CELL = 40


def show_status(status: StatusView, *, as_json: bool) -> None:
    """One experiment in detail."""
    if as_json:
        show_json(_status_json(status))
        return
    out = console()
    view = status.view
    out.print(f"{view.name}", style="bold")
    out.print(table([["", ""], *_status_rows(status)], right=False))
    if view.state == "running (crashed)" and view.last_alive:
        out.print(
            f"\nCrashed about {local_time(view.last_alive)}, can be resumed: "
            f"overnight resume {view.experiment_id[:8]}",
            style="bold red",
        )
    elif view.state in ("failed", "cancelled"):
        out.print(f"\nStopped, can be resumed: overnight resume {view.experiment_id[:8]}")


def _status_rows(status: StatusView) -> list[list[str]]:
    view = status.view
    c, row = view.counts, view.summary.row
    reason = f" ({row['status_reason']})" if row["status_reason"] else ""
    rows = [
        ["id", view.experiment_id],
        *([["repetition", view.repeat_text]] if view.repeat_text else []),
        ["state", (view.pause_text or view.state) + reason],
        [
            "done",
            f"{c.completed:,} of {c.total:,} ({percent(c.completed, c.total)}): "
            f"{c.answered:,} answered, {c.errors:,} errors; {c.remaining:,} to go",
        ],
    ]
    if c.copied:
        rows.append(["copied", f"{c.copied:,} of the answers, from {row['reuse_of']}; no call"])
    if view.summary.errors:
        rows.append(["errors", named_counts(view.summary.errors)])
    if view.owner:
        since = local_time(view.owner.since)
        rows.append(["owner", f"process {view.owner.pid} on {view.owner.host}, since {since}"])
        rows.append(["rate", rate_text(status.rate)])
        if status.eta:
            rows.append(["ETA", local_time(status.eta)])
    if view.last_alive:
        rows.append(["last progress", local_time(view.last_alive)])
    rows += _call_rows(status)
    rows += [
        ["model", f"{row['model_name']} ({row['model_provider']})"],
        ["answers by", row["served_model"] or "(no answer yet)"],
        ["form of answers", row["structured"] or "(no answer yet)"],
        ["data", f"{row['data_file']}, {status.dataset.n_narratives:,} narratives"],
    ]
    if status.left_out:
        rows.append(["left out", named_counts(status.left_out)])
    rows += _session_rows(status)
    if row["csv_file"]:
        rows.append(["exports", str(Path(row["csv_file"]).parent)])
    rows.append(["log", f"{row['log_dir']}/run.log"])
    return rows


def _call_rows(status: StatusView) -> list[list[str]]:
    rows = []
    if calls := status.calls:
        rows.append(["calls", calls.text])
    tokens = (status.prompt_tokens, status.completion_tokens)
    if any(tokens):
        rows.append(["tokens", f"{short_count(tokens[0])} in, {short_count(tokens[1])} out"])
    if cost := status.usage.text:
        rows.append(["cost", cost])
    return rows


def _session_rows(status: StatusView) -> list[list[str]]:
    view = status.view
    sessions = view.summary.sessions
    rows = [["sessions", f"{len(sessions)}"]]
    if status.concurrency_text:
        rows.append(["concurrency", status.concurrency_text])
    if status.worked:
        rows.append(["time worked", duration(status.worked)])
    if view.summary.pauses:
        rows.append(["pauses", f"{len(view.summary.pauses)}, {duration(status.paused)}"])
    if status.stood_still:
        rows.append(["stood still", f"{duration(status.stood_still)} (asleep, or stopped)"])
    return rows


def _status_json(status: StatusView) -> dict[str, Any]:
    return {
        **view_json(status.view),
        "errors_by_category": dict(status.view.summary.errors),
        "calls_not_answered": dict(status.view.summary.unanswered),
        "calls": dataclasses.asdict(status.calls) if status.calls else None,
        "left_out": dict(status.left_out),
        "rate_per_sec": status.rate,
        "prompt_tokens": status.prompt_tokens,
        "completion_tokens": status.completion_tokens,
        "cost": cost_json(status.usage),
        "limits": [limit_json(row) for row in status.limits],
        "sessions": [session_json(session) for session in status.view.summary.sessions],
    }


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
