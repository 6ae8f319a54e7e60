"""Before and after a run: what init made, what check found, how a run ended."""

import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from overnight.cli.screen import (
    console,
    named_counts,
    show_json,
    show_metric_rows,
    table,
    this_command,
    which_experiment,
)
from overnight.commands.check import INVENTED_TEXT, Check
from overnight.commands.reparse import Reparsed
from overnight.commands.retry import Retry
from overnight.commands.stint import RunResult
from overnight.domain.experiment import Status
from overnight.ingest.load import Census
from overnight.report.look_text import look_sentences, part_sentence
from overnight.views import ExperimentView, view_json
from overnight.words import duration, money, percent, size_text

_AUTO = "as many as the server takes"
_INTERRUPTED, _TERMINATED = 130, 143
_SIGINT, _SIGTERM = 2, 15
_COMPLETED_WITH_ERRORS = 4


def show_run(result: RunResult, *, strict: bool = False) -> int:
    """How a run ended, and what to type next; the exit code, also where nobody reads."""
    with suppress(OSError):
        _show_run(result)
        sys.stdout.flush()
    return exit_code(result, strict=strict)


def _show_run(result: RunResult) -> None:
    out = console()
    if result.already_complete:
        c = result.counts
        errors = f", {c.errors:,} of them errors" if c.errors else ""
        out.print(
            f"{result.name} ({result.experiment_id[:8]}) is already complete with {c.completed:,} "
            f"narratives{errors}; no call was made."
        )
        if sentence := part_sentence("develop", result.split):
            out.print(sentence, style="yellow")
        _show_looks(out, result)
        _show_cost(out, result)
        which = which_experiment(result)
        out.print(f"For a fresh experiment add --new. Metrics: overnight metrics {which}")
    elif result.status is Status.COMPLETED:
        _show_complete(out, result)
    else:
        _show_stopped(out, result)


def _show_complete(out: Console, result: RunResult) -> None:
    c = result.counts
    errors = f", {c.errors:,} of them errors" if c.errors else ""
    copied = f", {c.copied:,} of them copied" if c.copied else ""
    if not c.answered:
        message = f"Completed, but there is NO ANSWER: all {c.errors:,} ended as errors."
        out.print(f"\n{message}", style="bold red")
    else:
        out.print(f"\nCompleted: {c.completed:,} of {c.total:,}{copied}{errors}.", style="bold")
    _show_part(out, result)
    if result.metrics is not None and c.answered:
        show_metric_rows(out, result.metrics)
    _show_looks(out, result)
    _show_cost(out, result)
    if result.files:
        out.print("\nExported:")
        for file in result.files:
            out.print(f"  {file}", soft_wrap=True)
    which, overnight = which_experiment(result), this_command()
    if c.errors:
        told = "What went wrong, and what can be done about it"
        out.print(f"\n{told}: {overnight} show {which} --errors", soft_wrap=True)
    if not c.answered:
        return
    out.print(f"\nThe answers: {overnight} show {which}", soft_wrap=True)
    out.print(f"A spreadsheet: {overnight} export {which} --format xlsx", soft_wrap=True)


def _show_part(out: Console, result: RunResult) -> None:
    """What the figures leave out: said before a smaller number is seen in them."""
    if result.split is not None and result.metrics is not None:
        n, completed = result.metrics.overall.n, result.counts.completed
        out.print(
            f"Without the test part ({result.split}): the figures are of {n:,} of the "
            f"{completed:,} results; metrics --final shows those of the rest, once, at the end.",
            style="yellow",
            soft_wrap=True,
        )


def _show_looks(out: Console, result: RunResult) -> None:
    """How often these labels were looked at."""
    for sentence in look_sentences(result.look):
        out.print(sentence, style="yellow")


def cost_text(result: RunResult) -> str | None:
    """What all calls of an experiment cost; None without a price, or as long as none was made."""
    usage = result.usage
    made = usage is not None and (usage.n_answered or any(usage.total))
    return usage.text if usage is not None and made else None


def _show_cost(out: Console, result: RunResult) -> None:
    if cost := cost_text(result):
        what = "Cost" if result.kind == "start" else "Cost of all sessions"
        out.print(f"{what}: {cost}.", soft_wrap=True)


def _show_stopped(out: Console, result: RunResult) -> None:
    c = result.counts
    word = "Cancelled" if result.status is Status.CANCELLED else "Stopped"
    out.print(f"\n{word}, can be resumed: {result.reason}", style="bold")
    out.print(
        f"{c.completed:,} of {c.total:,} done ({percent(c.completed, c.total)}); nothing is lost."
    )
    _show_cost(out, result)
    out.print("To go on, type the same command again, or:")
    verb = "retry" if result.kind == "retry" else "resume"
    out.print(f"  {this_command()} {verb} {which_experiment(result)}", soft_wrap=True)


def exit_code(result: RunResult, *, strict: bool) -> int:
    """What the command ends with."""
    if result.status is Status.CANCELLED:
        return _INTERRUPTED
    if result.files_cut and result.signal == _SIGINT:  # so that a script goes no further
        return _INTERRUPTED
    if result.status is Status.FAILED or result.files_cut:
        return _TERMINATED if result.signal == _SIGTERM else 1
    return _COMPLETED_WITH_ERRORS if strict and result.counts.errors else 0


def show_retry(done: Retry, *, strict: bool, dry_run: bool) -> int:
    """What was asked again, or would be; the exit code."""
    out = console()
    if done.result is not None:
        return show_run(done.result, strict=strict)
    errors = named_counts(done.errors) or "none"
    chosen = ", ".join(done.chosen)
    out.print(f"Errors of {done.experiment.experiment_id[:8]}: {errors}.")
    if not done.n_chosen:
        out.print(f"Nothing to retry among {chosen}; nothing was changed.")
        if done.errors:
            short, category = done.experiment.experiment_id[:8], next(iter(done.errors))
            out.print(f"To ask others all the same: overnight retry {short} --category {category}")
        return _COMPLETED_WITH_ERRORS if strict and done.errors else 0
    assert dry_run  # noqa: S101 - else there is a result
    out.print(f"A retry would ask again for {done.n_chosen:,} of them ({chosen}).")
    return 0


def show_reparsed(done: Reparsed, *, as_json: bool) -> None:
    """How many replies can be read now, and what is left to do about the others."""
    left, short = done.n_unreadable - done.n_read, done.experiment.experiment_id[:8]
    if as_json:
        show_json({"unreadable": done.n_unreadable, "read_now": done.n_read, "left": left})
        return
    out = console()
    if not done.n_unreadable:
        out.print(f"{short} has no unreadable replies; nothing was changed.")
        return
    out.print(f"{done.n_read:,} of {done.n_unreadable:,} unreadable results can be read now.")
    if left:
        out.print(f"To ask again for the other {left:,}: overnight retry {short}")


def show_cancelled(view: ExperimentView, *, as_json: bool) -> None:
    """How the experiment stands now."""
    if as_json:
        show_json(view_json(view))
        return
    c, short = view.counts, view.experiment_id[:8]
    if view.state != Status.CANCELLED:
        console().print(f"{short} was asked to stop; how it stands: overnight status {short}")
        return
    console().print(
        f"Cancelled with {c.completed:,} of {c.total:,} done; nothing is lost. "
        f"To go on: overnight resume {short}"
    )


def show_init(files: Sequence[Path], folder: Path) -> None:
    """What was made, and what to type next."""
    out = console()
    out.print(f"Made in {folder}:")
    for file in files:
        out.print(f"  {file.name}")
    overnight = this_command()
    out.print("\nTry at once, without a server:")
    out.print(f"  cd {shlex.quote(str(folder))}")
    out.print(f"  {overnight} run baseline.yaml")
    out.print("With your own server: look into one of the files, then")
    out.print(f"  {overnight} check lmstudio.yaml")
    out.print(f"  {overnight} run lmstudio.yaml")


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
        ["usable", f"{census.n_usable:,} narratives ({named_counts(census.by_type)})"],
        ["labelled", f"{census.n_labelled:,}"],
    ]
    if census.left_out:
        rows.append(["left out", named_counts(census.left_out)])
    primary = values.answer.primary_field
    if census.odd_labels and primary is not None and primary.type == "boolean":
        rows.append(["labels neither yes nor no", named_counts(census.odd_labels)])
    if values.data.keep:
        rows.append(["kept", ", ".join(values.data.keep)])
    if values.data.split:
        rows.append(["test part", str(values.data.split.rule)])
    order = " in a random order" if values.run.order == "random" else ""
    rows += [
        ["to run", f"{checked.n_to_run:,}{order}, {checked.concurrency or _AUTO} at once"],
        ["model", f"{checked.config.written('model', 'name')} ({values.model.provider})"],
        [
            "disk",
            f"about {size_text(checked.disk_needed)} needed in {checked.database.parent}, "
            f"{size_text(checked.disk_free)} free",
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
        asked = checked.config.written("model", "name")
        rows.append(["note", f"asked for {asked}, answered by {call.served_model}"])
    if call.repaired:
        rows.append(["repairs needed", ", ".join(call.repaired)])
    if checked.estimated_seconds is not None:
        about = "about" if checked.concurrency else "with one call at a time"
        rows.append(["whole run", f"{about} {duration(checked.estimated_seconds)}"])
    return rows + _cost_rows(checked)


def _cost_rows(checked: Check) -> list[list[str]]:
    price, one, all_ = checked.price, checked.cost_of_call, checked.estimated_cost
    if price is None:
        return []
    if one is None or all_ is None:
        return [["cost", "unknown: the server reported no tokens"]]
    about = f"about {money(one, price.currency)} per narrative, {money(all_, price.currency)}"
    lengths = f"{len(INVENTED_TEXT)} characters (yours: {checked.mean_length:,} on average)"
    called = f"from this one call, with a text of {lengths}"
    return [["cost", f"{about} for all {checked.n_to_run:,}: {called}"]]


def _check_json(checked: Check) -> dict[str, Any]:
    return {
        "config": checked.config.file,
        "layout": checked.layout,
        "data": {f.name: getattr(checked.census, f.name) for f in dataclasses.fields(Census)},
        "n_to_run": checked.n_to_run,
        "concurrency": checked.concurrency or "auto",
        "narratives_leave_for": checked.leaves_for,
        "disk_needed": checked.disk_needed,
        "disk_free": checked.disk_free,
        "call": None if checked.call is None else dataclasses.asdict(checked.call),
        "estimated_seconds": checked.estimated_seconds,
        "estimated_cost": None
        if checked.price is None
        else {
            "currency": checked.price.currency,
            "per_narrative": checked.cost_of_call,
            "all": checked.estimated_cost,
        },
    }
