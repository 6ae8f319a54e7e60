"""Samples and labels, for people and for programs."""

import os
import shlex

from overnight.cli.screen import console, show_json, table, this_command
from overnight.commands.label import Labelled
from overnight.commands.sample import Sampled
from overnight.report.drawn_text import drawn_sentence
from overnight.views import iso


def show_sample(done: Sampled, *, as_json: bool) -> None:
    """What was drawn, from what, and what to do with the sheet."""
    drawn, experiment = done.sample, done.experiment
    if as_json:
        show_json(
            {
                "experiment_id": experiment.experiment_id,
                "sample_id": drawn.sample_id,
                "design": drawn.design,
                "n": drawn.n,
                "n_frame": drawn.n_frame,
                "seed": drawn.seed,
                "stratum_column": drawn.stratum_column,
                "drawn_at": iso(drawn.drawn_at),
                "strata": {
                    name: {"n_frame": size, "n": n} for name, (size, n) in drawn.strata.items()
                },
                "n_waiting": done.n_waiting,
                "again": done.again,
                "file": str(done.file),
            }
        )
        return
    out = console()
    if done.again:
        out.print(f"Nothing was drawn: this is sample {drawn.sample_id} again, {drawn.n:,} rows.")
    else:
        out.print(f"{drawn_sentence(drawn)} (seed {drawn.seed}).")
        if done.n_waiting:
            out.print(
                f"{done.n_waiting:,} that were drawn before and have no label yet are not among "
                "them.",
                style="yellow",
            )
    if drawn.design == "stratum":
        rows = [[name, f"{size:,}", f"{n:,}"] for name, (size, n) in drawn.strata.items()]
        head = f"answer, {drawn.stratum_column or 'type'}"
        out.print(table([[head, "without label", "drawn"], *rows]))
        out.print("Of large strata more are drawn, by the root of their sizes.")
    out.print(f"\nWritten: {done.file}", soft_wrap=True)
    out.print("It holds narratives; you alone can read it. Fill in the column label, leave it")
    out.print("empty where you cannot say, then:")
    file = shlex.quote(os.path.relpath(done.file))
    out.print(f"  {this_command()} label {experiment.experiment_id[:8]} {file}", soft_wrap=True)


def show_labelled(done: Labelled, *, as_json: bool) -> None:
    """What was recorded, and what it means for figures and files."""
    short = done.experiment.experiment_id[:8]
    if as_json:
        show_json(
            {
                "experiment_id": done.experiment.experiment_id,
                "by": done.by,
                "new": done.new,
                "replaced": done.replaced,
                "same": done.same,
                "blank": done.blank,
                "invalid": list(done.invalid),
                "samples": {
                    str(sample_id): {"n": n, "n_labelled": labelled}
                    for sample_id, (n, labelled) in done.samples.items()
                },
                "measured": [one.experiment_id for one in done.measured],
            }
        )
        return
    out = console()
    if done.new:
        instead = f", {done.replaced:,} of them in place of another" if done.replaced else ""
        out.print(f"{done.new:,} labels by {done.by} recorded{instead}.")
    else:
        out.print("Nothing new: no label was recorded.")
    for n, what in ((done.same, "on record already"), (done.blank, "without a label yet")):
        if n:
            out.print(f"{n:,} rows {what}.")
    if done.invalid:
        out.print(f"{len(done.invalid):,} rows passed over:", style="yellow")
        for one in done.invalid:
            out.print(f"  {one}", style="yellow")
    for sample_id, (n, labelled) in done.samples.items():
        out.print(f"Sample {sample_id}: {labelled:,} of {n:,} labelled.")
    if done.new:
        out.print(
            "Every figure uses them from now on. Files that were exported before do not: "
            f"{this_command()} export {short}. The share of yes: "
            f"{this_command()} prevalence {short}",
            soft_wrap=True,
        )
