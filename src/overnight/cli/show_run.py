"""Before and after a run: what init made, what check found, how a run ended."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from overnight.cli.screen import (
    console,
    named_counts,
    show_json,
    table,
    this_command,
)
from overnight.commands.reparse import Reparsed
from overnight.commands.retry import Retry
from overnight.commands.stint import RunResult
from overnight.domain.experiment import Status
from overnight.report.look_text import look_sentences, part_sentence
from overnight.report.metrics import Metrics
from overnight.report.table import metrics_table
from overnight.views import ExperimentView, view_json
from overnight.words import percent

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
        which = result.as_typed
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
    which, overnight = result.as_typed, this_command()
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
    n_odd = result.metrics.overall.odd_labels if result.metrics else 0
    for sentence in look_sentences(result.look, n_odd):
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
    out.print("To go on with it, type the same command again, or:")
    verb = "retry" if result.kind == "retry" else "resume"
    out.print(f"  {this_command()} {verb} {result.as_typed}", soft_wrap=True)


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
    if folder.resolve() != Path.cwd().resolve():
        out.print(f"  cd {shlex.quote(str(folder))}")
    out.print(f"  {overnight} run baseline.yaml")
    out.print("With your own server: look into one of the files, then")
    out.print(f"  {overnight} check lmstudio.yaml")
    out.print(f"  {overnight} run lmstudio.yaml")


def show_metric_rows(out: Console, metrics: Metrics) -> None:
    """Metrics as a table, with what the brackets mean."""
    out.print(table(metrics_table(metrics)))
    out.print("In brackets: 95 % Wilson intervals. Errors are counted, not measured.", style="dim")
