"""Results on stdout: tables for people, JSON for programs."""

import dataclasses
import itertools
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from overnight.app import find_database
from overnight.cli.live import Screen
from overnight.commands.check import Check
from overnight.commands.results import Exported, Measured
from overnight.commands.stint import RunResult
from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Status
from overnight.domain.narrative import LeftOut
from overnight.domain.result import Result
from overnight.ingest.load import Census
from overnight.report.columns import columns_of
from overnight.report.metrics import Metrics, metrics_json
from overnight.report.table import metrics_table
from overnight.views import (
    ExperimentView,
    StatusView,
    duration,
    iso,
    local_time,
    percent,
    rate_text,
    session_json,
    short_count,
    view_json,
)

_WIDE = 160  # columns where there is no terminal to measure
_LONGEST_CELL = 40
_INTERRUPTED, _TERMINATED = 130, 143
_SIGTERM = 15
_COMPLETED_WITH_ERRORS = 4


def console() -> Console:
    """Stdout, wide where it is no terminal."""
    return Screen(
        highlight=False,
        emoji=False,  # ":bomb:" in a narrative is no picture
        markup=False,
        soft_wrap=False,
        width=None if sys.stdout.isatty() else _WIDE,
    )


def table(rows: Sequence[Sequence[str]], *, right: bool = True) -> Table:
    """Rows of text, the first one the head, the first column names."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, head in enumerate(rows[0]):
        made.add_column(head, justify="right" if right and index else "left", overflow="fold")
    for row in rows[1:]:
        made.add_row(*(Text(cell) for cell in row))  # as it is: square brackets are no markup
    return made


def show_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_as_json))  # noqa: T201


def _stream_json(values: Iterable[object]) -> None:
    """A JSON array, an element a line: a million results need no memory."""
    before = "[\n"
    for value in values:
        print(before + json.dumps(value, ensure_ascii=False, default=_as_json), end="")  # noqa: T201
        before = ",\n"
    print("\n]" if before == ",\n" else "[]")  # noqa: T201


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    return str(value)


# --- run -------------------------------------------------------------------------------------


def show_run(result: RunResult, *, strict: bool = False) -> int:
    """How a run ended, and what to type next; the exit code, also where nobody reads."""
    with suppress(OSError):
        _show_run(result)
        sys.stdout.flush()
    return _exit_code(result, strict=strict)


def _show_run(result: RunResult) -> None:
    out = console()
    if result.already_complete:
        c = result.counts
        errors = f", {c.errors:,} of them errors" if c.errors else ""
        out.print(
            f"{result.name} ({result.experiment_id[:8]}) is already complete with {c.completed:,} "
            f"narratives{errors}; no call was made."
        )
        which = which_experiment(result)
        out.print(f"For a fresh experiment add --new. Metrics: overnight metrics {which}")
    elif result.status is Status.COMPLETED:
        _show_complete(out, result)
    else:
        _show_stopped(out, result)


def _show_complete(out: Console, result: RunResult) -> None:
    c = result.counts
    errors = f", {c.errors:,} of them errors" if c.errors else ""
    out.print(f"\nCompleted: {c.completed:,} of {c.total:,}{errors}.", style="bold")
    if result.metrics is not None:
        show_metric_rows(out, result.metrics)
    if result.files:
        out.print("\nExported:")
        for file in result.files:
            out.print(f"  {file}", soft_wrap=True)
    which, overnight = which_experiment(result), this_command()
    if c.errors:
        out.print(f"\nWhat went wrong: {overnight} show {which} --errors", soft_wrap=True)
    out.print(f"\nThe answers: {overnight} show {which}", soft_wrap=True)
    out.print(f"A spreadsheet: {overnight} export {which} --format xlsx", soft_wrap=True)


def _show_stopped(out: Console, result: RunResult) -> None:
    c = result.counts
    word = "Cancelled" if result.status is Status.CANCELLED else "Stopped"
    out.print(f"\n{word}, can be resumed: {result.reason}", style="bold")
    out.print(
        f"{c.completed:,} of {c.total:,} done ({percent(c.completed, c.total)}); nothing is lost."
    )
    out.print("To go on, type the same command again, or:")
    out.print(f"  {this_command()} resume {which_experiment(result)}", soft_wrap=True)


def this_command() -> str:
    """How the command line is called here: by its name, or by its path where that is needed."""
    typed = Path(sys.argv[0])
    found = shutil.which("overnight")
    if typed.name != "overnight" or (found and Path(found).samefile(typed)):
        return "overnight"
    return os.path.relpath(typed)


def which_experiment(result: RunResult) -> str:
    """An experiment as it must be typed here: the database too, where it is not the usual one."""
    short = result.experiment_id[:8]
    if find_database(None) == result.database:
        return short
    return f"{short} --db {shlex.quote(os.path.relpath(result.database))}"


def _exit_code(result: RunResult, *, strict: bool) -> int:
    if result.status is Status.CANCELLED:
        return _INTERRUPTED
    if result.status is Status.FAILED:
        return _TERMINATED if result.signal == _SIGTERM else 1
    return _COMPLETED_WITH_ERRORS if strict and result.counts.errors else 0


# --- watch -----------------------------------------------------------------------------------


def show_list(views: Sequence[ExperimentView], *, as_json: bool) -> None:
    """Experiments, a line each."""
    if as_json:
        show_json([view_json(view) for view in views])
        return
    if not views:
        console().print("No experiment yet. overnight run CONFIG starts one.")
        return
    rows = [["id", "name", "state", "done", "of", "errors", "last progress", "model"]]
    for view in views:
        c = view.counts
        rows.append(
            [
                view.experiment_id[:8],
                view.name,
                view.state,
                f"{c.completed:,}",
                f"{c.total:,}",
                f"{c.errors:,}",
                local_time(view.last_alive) if view.last_alive else "",
                str(view.summary.row["model_name"]),
            ]
        )
    console().print(table(rows, right=False))


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
            f"overnight resume {view.experiment_id[:8]}"
        )
    elif view.state in ("failed", "cancelled"):
        out.print(f"\nStopped, can be resumed: overnight resume {view.experiment_id[:8]}")


def _status_rows(status: StatusView) -> list[list[str]]:
    view = status.view
    c, row = view.counts, view.summary.row
    reason = f" ({row['status_reason']})" if row["status_reason"] else ""
    rows = [
        ["id", view.experiment_id],
        ["state", view.state + reason],
        [
            "done",
            f"{c.completed:,} of {c.total:,} ({percent(c.completed, c.total)}): "
            f"{c.answered:,} answered, {c.errors:,} errors; {c.remaining:,} to go",
        ],
    ]
    if view.summary.errors:
        rows.append(["errors", _named_counts(view.summary.errors)])
    if view.owner:
        since = local_time(view.owner.since)
        rows.append(["owner", f"process {view.owner.pid} on {view.owner.host}, since {since}"])
        rows.append(["rate", rate_text(status.rate)])
        if status.eta:
            rows.append(["ETA", local_time(status.eta)])
    if view.last_alive:
        rows.append(["last progress", local_time(view.last_alive)])
    if view.summary.unanswered:
        rows.append(["calls not answered", _named_counts(view.summary.unanswered)])
    tokens = (status.prompt_tokens, status.completion_tokens)
    if any(tokens):
        rows.append(["tokens", f"{short_count(tokens[0])} in, {short_count(tokens[1])} out"])
    rows += [
        ["model", f"{row['model_name']} ({row['model_provider']})"],
        ["answers by", row["served_model"] or "(no answer yet)"],
        ["form of answers", row["structured"] or "(no answer yet)"],
        ["data", f"{row['data_file']}, {status.dataset.n_narratives:,} narratives"],
    ]
    if status.left_out:
        rows.append(["left out", _named_counts(status.left_out)])
    sessions = view.summary.sessions
    rows.append(["sessions", f"{len(sessions)}, {sum(s.n_calls for s in sessions):,} calls"])
    if row["total_runtime_sec"]:
        rows.append(["time worked", duration(row["total_runtime_sec"])])
    if row["csv_file"]:
        rows.append(["exports", str(Path(row["csv_file"]).parent)])
    rows.append(["log", f"{row['log_dir']}/run.log"])
    return rows


def _named_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _status_json(status: StatusView) -> dict[str, Any]:
    return {
        **view_json(status.view),
        "errors_by_category": dict(status.view.summary.errors),
        "calls_not_answered": dict(status.view.summary.unanswered),
        "left_out": dict(status.left_out),
        "rate_per_sec": status.rate,
        "prompt_tokens": status.prompt_tokens,
        "completion_tokens": status.completion_tokens,
        "sessions": [session_json(session) for session in status.view.summary.sessions],
    }


# --- use -------------------------------------------------------------------------------------


def show_results(
    found: Iterable[Result], spec: AnswerSpec, *, limit: int, with_text: bool, as_json: bool
) -> None:
    """Answers, a row each; as JSON with the columns of an export."""
    chosen = itertools.islice(found, limit or None)
    if as_json:
        columns = columns_of(spec, with_text=with_text)
        _stream_json({column.name: column.get(row) for column in columns} for row in chosen)
        return
    fields = [field.name for field in spec.fields]
    rows = [["row", "incident", "type", "label", *fields, "right", "error"]]
    texts = []
    for result in chosen:
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
    if limit and len(rows) > limit:
        out.print(f"\nThe first {limit:,}; all of them: --limit 0")


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return _cut(value or "")
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_CELL else line[: _LONGEST_CELL - 1] + "…"


def show_left_out(rows: Sequence[LeftOut], *, limit: int, with_text: bool, as_json: bool) -> None:
    """The rows of the data file that were not used; different texts under one key first."""
    ordered = sorted(rows, key=lambda row: ("different" not in row.reason, row.source_row))
    shown = ordered[:limit] if limit else ordered
    if as_json:
        show_json(
            [{**dataclasses.asdict(r), **({} if with_text else {"text": None})} for r in shown]
        )
        return
    out = console()
    if not rows:
        out.print("No row was left out.")
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


def show_metrics(measured: Measured, *, as_json: bool) -> None:
    """The metrics of one experiment."""
    c, experiment = measured.counts, measured.experiment
    if as_json:
        show_json(
            {
                "experiment_id": experiment.experiment_id,
                "experiment_name": experiment.name,
                "status": experiment.status,
                "total": c.total,
                "remaining": c.remaining,
                **metrics_json(measured.metrics),
            }
        )
        return
    out = console()
    out.print(experiment.name, style="bold")
    if c.remaining:
        out.print(f"So far: {c.completed:,} of {c.total:,} have a result.", style="yellow")
    show_metric_rows(out, measured.metrics)


def show_metric_rows(out: Console, metrics: Metrics) -> None:
    """Metrics as a table, with what the brackets mean."""
    out.print(table(metrics_table(metrics)))
    out.print("In brackets: 95 % Wilson intervals. Errors are counted, not measured.", style="dim")


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


# --- before a run ----------------------------------------------------------------------------


def show_init(files: Sequence[Path], folder: Path) -> None:
    """What was made, and what to type next."""
    out = console()
    out.print(f"Made in {folder}:")
    for file in files:
        out.print(f"  {file.name}")
    overnight = this_command()
    out.print("\nTry at once, without a server:")
    out.print(f"  {overnight} run {folder}/baseline.yaml")
    out.print("With your own server: look into one of the files, then")
    out.print(f"  {overnight} check {folder}/lmstudio.yaml")
    out.print(f"  {overnight} run {folder}/lmstudio.yaml")


def show_check(checked: Check, *, as_json: bool) -> bool:
    """What was found; whether a run would work."""
    has_room = checked.disk_needed <= checked.disk_free
    fine = has_room and (checked.call is None or checked.call.problem is None)
    if as_json:
        show_json(_check_json(checked))
        return fine
    out = console()
    out.print(table([["", ""], *_check_rows(checked)], right=False))
    if checked.leaves_for:
        out.print(f"narratives will leave this machine to {checked.leaves_for}", style="yellow")
    if not has_room:
        out.print("The disk has too little room.", style="red")
    if fine:
        out.print(f"\nReady: overnight run {checked.config.file}")
    return fine


def _check_rows(checked: Check) -> list[list[str]]:
    census, values = checked.census, checked.config.values
    rows = [
        ["configuration", f"{checked.config.file}: fine"],
        ["data", f"{values.data.file} ({checked.layout} layout)"],
        ["usable", f"{census.n_usable:,} narratives ({_named_counts(census.by_type)})"],
        ["labelled", f"{census.n_labelled:,}"],
    ]
    if census.left_out:
        rows.append(["left out", _named_counts(census.left_out)])
    primary = values.answer.primary_field
    if census.odd_labels and primary is not None and primary.type == "boolean":
        rows.append(["labels neither yes nor no", _named_counts(census.odd_labels)])
    rows += [
        ["to run", f"{checked.n_to_run:,}, {checked.concurrency} at once"],
        ["model", f"{values.model.name} ({values.model.provider})"],
        [
            "disk",
            f"about {checked.disk_needed / 1e6:,.0f} MB needed in {checked.database.parent}, "
            f"{checked.disk_free / 1e9:,.1f} GB free",
        ],
    ]
    if checked.call is None:
        return [*rows, ["call", "not made (--offline)"]]
    call = checked.call
    if call.problem:
        return [*rows, ["call", f"FAILED after {call.seconds:.1f} s: {call.problem}"]]
    rows += [
        ["call", f"answered in {call.seconds:.2f} s by {call.served_model or 'an unnamed model'}"],
        ["form of answers", call.structured or "not asked for"],
        ["answer", json.dumps(dict(call.answer), ensure_ascii=False)],
    ]
    if call.served_model and call.served_model != values.model.name and values.model.api_url:
        rows.append(["note", f"asked for {values.model.name}, answered by {call.served_model}"])
    if call.repaired:
        rows.append(["repairs needed", ", ".join(call.repaired)])
    if checked.estimated_seconds is not None:
        rows.append(["whole run", f"about {duration(checked.estimated_seconds)}"])
    return rows


def _check_json(checked: Check) -> dict[str, Any]:
    return {
        "config": checked.config.file,
        "layout": checked.layout,
        "data": {f.name: getattr(checked.census, f.name) for f in dataclasses.fields(Census)},
        "n_to_run": checked.n_to_run,
        "concurrency": checked.concurrency,
        "narratives_leave_for": checked.leaves_for,
        "disk_needed": checked.disk_needed,
        "disk_free": checked.disk_free,
        "call": None if checked.call is None else dataclasses.asdict(checked.call),
        "estimated_seconds": checked.estimated_seconds,
    }
