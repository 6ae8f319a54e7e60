"""How a run with repetitions ended, and the narratives of its sample with all their answers."""

from collections.abc import Sequence
from contextlib import suppress

from overnight.cli.screen import console, show_json, table, this_command
from overnight.cli.show_run import cost_text, exit_code, show_run
from overnight.commands.stint import RunResult
from overnight.domain.experiment import Status
from overnight.report.plain import plain
from overnight.report.repeats import Repeated, retest_table


def show_repeating(done: RunResult, *, strict: bool) -> int:
    """How it ended, and how far the answers agree; the exit code, also where nobody reads."""
    if done.already_complete and done.repetitions:  # calls were made, but not for it
        with suppress(OSError):
            _show_asked(done)
    else:
        show_run(done, strict=strict)
    if done.last is not done and done.last.status is not Status.COMPLETED:
        return show_run(done.last, strict=strict)
    with suppress(OSError):
        _show_costs(done)
        _show_retest(done)
    return exit_code(done.last, strict=strict)


def _show_asked(done: RunResult) -> None:
    which = done.as_typed
    numbers = " + ".join(f"{one.counts.completed:,}" for one in done.repetitions)
    console().print(
        f"\n{done.name} ({done.experiment_id[:8]}) was complete already, with "
        f"{done.counts.completed:,} narratives; its repetitions asked {numbers} of them again. "
        f"Metrics: {this_command()} metrics {which}",
        soft_wrap=True,
    )


def _show_costs(done: RunResult) -> None:
    """Repetitions are experiments of their own, and so is their cost."""
    costs = [cost for one in done.repetitions if (cost := cost_text(one))]
    if costs:
        console().print(f"\nCost of the repetitions: {' + '.join(costs)}.", soft_wrap=True)


def _show_retest(done: RunResult) -> None:
    if done.retest is None:
        return
    out, overnight, which = console(), this_command(), done.as_typed
    out.print("\nAsked again", style="bold")
    out.print(table(retest_table(done.retest)))
    out.print(f"\nNarrative by narrative: {overnight} show {which} --repeats", soft_wrap=True)


def show_repeated(found: Sequence[Repeated], *, limit: int, as_json: bool) -> None:
    """Each narrative with its answers, in the order in which it was asked."""
    shown = found[:limit] if limit else found
    if as_json:
        show_json([plain(one) for one in shown])
        return
    times = range(1, len(found[0].answers) + 1) if found else ()
    rows = [["row", "incident", "type", "label", *(f"answer {i}" for i in times), "flips"]]
    rows += [
        [
            f"{one.row_num:,}",
            one.incident_id,
            one.narrative_type,
            one.label or "",
            *("(none)" if answer is None else answer for answer in one.answers),
            {True: "yes", False: "", None: "?"}[one.flips],
        ]
        for one in shown
    ]
    out = console()
    out.print(table(rows, right=False))
    if len(shown) < len(found):
        out.print(f"\n{len(shown):,} of {len(found):,}; all of them: --limit 0")
