"""The demonstration's screen."""

from pathlib import Path

import typer

from overnight.cli.live import watched
from overnight.cli.screen import console, table, this_command
from overnight.commands.demo import Demo, demo
from overnight.domain.experiment import Status
from overnight.report.table import side_by_side

_WORTH = (
    "A model of 135 million parameters cannot\njudge such texts: it proves that the whole path "
    "works on a real model, and nothing else. Never use it\nfor a study."
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
    out.print(table(side_by_side(columns, by_type=False)))
    out.print("In brackets: 95 % Wilson intervals.\n", style="dim")
    if done.model.metrics:
        scores = done.model.metrics.overall
        out.print(
            f"SmolLM2-135M said yes to {scores.n_positive_detected} of {scores.answered} "
            f"narratives. {_WORTH}"
        )
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
    overnight, which = this_command(), done.rules.as_typed
    out.print("\nNow try")
    for line in (
        f"  {overnight} show {which}",
        f"  {overnight} export {which} --format xlsx",
        f"  {overnight} run {done.folder}/lmstudio.yaml",
    ):
        out.print(line, markup=False, soft_wrap=True)
    out.print(
        "The last one is for a model server of your own (LM Studio here; there are files for "
        "Ollama, vLLM\nand OpenAI too): put your model's name into the file first."
    )
