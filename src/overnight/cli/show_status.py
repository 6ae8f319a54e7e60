"""How one experiment stands, in detail."""

import dataclasses
from pathlib import Path
from typing import Any

from overnight.cli.screen import (
    console,
    named_counts,
    show_json,
    table,
)
from overnight.usage import cost_json
from overnight.views import StatusView, limit_json, session_json, view_json
from overnight.words import duration, local_time, percent, rate_text, short_count


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
