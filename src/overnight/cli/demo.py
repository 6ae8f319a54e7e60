"""The demonstration's screen."""

from pathlib import Path

import typer

from overnight.cli.live import watched
from overnight.cli.show import console, table
from overnight.commands.demo import Demo, demo
from overnight.domain.experiment import Status
from overnight.report.table import side_by_side

_WORTH = (
    "A model of 135 million parameters is about as good as a coin on this question: it proves "
    "that the whole path works on a real model, and nothing else. Never use it for a study."
)


def run_demo(folder: Path, sample: int) -> None:
    """Run the demonstration and show what came of it."""
    out = console()
    out.print(
        "Invented death-investigation narratives; the question: does a narrative mention "
        "violence between\nintimate partners? First keyword rules over all of them, then a real "
        "language model over the first "
        f"{sample}.\nNothing leaves this machine.\n"
    )
    with watched() as handler:
        done = demo(folder, sample, handler)
    last = done.model or done.rules
    if last.status is not Status.COMPLETED:
        c = last.counts
        out.print(f"\n{last.reason}: {c.completed:,} of {c.total:,} done; nothing is lost.")
        out.print("The same command goes on from here: make demo, or overnight demo")
        raise typer.Exit(130 if last.status is Status.CANCELLED else 1)
    _show(done, sample)


def _show(done: Demo, sample: int) -> None:
    out = console()
    assert done.model is not None  # noqa: S101 - it has completed
    columns = []
    if done.rules.metrics:
        columns.append((f"rules, all {done.rules.counts.total:,}", done.rules.metrics))
    if done.rules_on_sample:
        columns.append((f"rules, first {sample}", done.rules_on_sample))
    if done.model.metrics:
        columns.append((f"SmolLM2-135M, first {sample}", done.model.metrics))
    out.print()
    out.print(table(side_by_side(columns)))
    out.print("In brackets: 95 % Wilson intervals.\n", style="dim")
    out.print(_WORTH, soft_wrap=False)
    _show_files(done)
    _show_next(done)


def _show_files(done: Demo) -> None:
    out = console()
    out.print("\nExported:")
    exports = done.database.resolve().parent / "exports"
    for result in (done.rules, done.model):
        if result is not None:
            for name in ("results.csv", "results.json"):
                path = exports / result.experiment_id / name
                out.print(f"  {path}", markup=False, soft_wrap=True)


def _show_next(done: Demo) -> None:
    out = console()
    db = f"--db {done.database}"
    out.print("\nNow try")
    out.print(f"  overnight show {done.rules.experiment_id[:8]} {db}", markup=False)
    out.print(f"  overnight export {done.rules.experiment_id[:8]} --format xlsx {db}", markup=False)
    out.print(
        "and with a model server of your own (LM Studio, Ollama, vLLM, ...), once its file fits:"
    )
    out.print(f"  overnight run {done.folder}/lmstudio.yaml", markup=False)
