"""Samples and labels, for people and for programs."""

import os
import shlex
from collections.abc import Sequence

from overnight.cli.screen import console, show_json, table, this_command
from overnight.commands.label_from import TakenOver
from overnight.commands.labelled import NAMED, Labelled
from overnight.commands.sample import Sampled
from overnight.report.drawn_text import drawn_sentence
from overnight.words import iso


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
    if as_json:
        show_json(_labelled_json(done))
        return
    out = console()
    if done.new:
        out.print(f"{done.new:,} labels by {done.by} recorded{_instead(done)}.")
    else:
        out.print("Nothing new: no label was recorded.")
    for n, what in ((done.same, "on record already"), (done.blank, "without a label yet")):
        if n:
            out.print(f"{n:,} row{'s' * (n != 1)} {what}.")
    _show_passed_over(done, "rows")
    _show_what_follows(done)


def show_taken_over(done: TakenOver, *, as_json: bool) -> None:
    """What was taken over from another version of the data, what was not, and why."""
    labelled, source = done.labelled, done.source.experiment_id[:8]
    if as_json:
        show_json(
            {
                **_labelled_json(labelled),
                "from": done.source.experiment_id,
                "text_changed": list(done.changed),
                "labelled_again": done.n_again,
                "gone": list(done.gone),
                "gone_but_for_zeros": done.n_but_for_zeros,
                "samples_taken_over": {str(there): here for there, here in done.samples},
                "samples_problem": done.problem,
            }
        )
        return
    out = console()
    if labelled.new:
        by = f"labels of {source}, by {labelled.by}, taken over"
        out.print(f"{labelled.new:,} {by}{_instead(labelled)}.", soft_wrap=True)
    else:
        out.print(f"Nothing new: no label of {source} was taken over.")
    if labelled.same:
        out.print(f"{labelled.same:,} label{'s' * (labelled.same != 1)} on record already.")
    if done.n_again:
        out.print(f"{done.n_again:,} narratives with another text here are labelled again already.")
    _show_not_taken(done.changed, "whose text is another one here; they are to be labelled again")
    _show_not_taken(done.gone, "which are not in the data here")
    if done.n_but_for_zeros:
        out.print(
            f"{done.n_but_for_zeros:,} of these are there with other zeros in front of their ids: "
            "a spreadsheet may have taken them away. Export the data with ids as text, and run it "
            "again.",
            style="yellow",
            soft_wrap=True,
        )
    _show_passed_over(labelled, "labels")
    short = labelled.experiment.experiment_id[:8]
    for there, here in done.samples:
        out.print(f"Sample {there} is taken over as sample {here}, with its design.")
    if done.problem:
        out.print(
            f"The design of a sample cannot be claimed for this data: {done.problem}. Labels "
            f"count all the same; for the share of yes draw from this data: {this_command()} "
            f"sample {short} --n 300",
            style="yellow",
            soft_wrap=True,
        )
    _show_what_follows(labelled)


def _labelled_json(done: Labelled) -> dict[str, object]:
    return {
        "experiment_id": done.experiment.experiment_id,
        "by": done.by,
        "new": done.new,
        "replaced": done.replaced,
        "same": done.same,
        "blank": done.blank,
        "n_invalid": done.n_invalid,
        "invalid": list(done.invalid),
        "samples": {
            str(sample_id): {"n": n, "n_labelled": labelled}
            for sample_id, (n, labelled) in done.samples.items()
        },
        "measured": [one.experiment_id for one in done.measured],
    }


def _instead(done: Labelled) -> str:
    return f", {done.replaced:,} of them in place of another" if done.replaced else ""


def _show_passed_over(done: Labelled, what: str) -> None:
    if done.n_invalid:
        _show_some(f"{done.n_invalid:,} {what} passed over:", done.invalid)


def _show_not_taken(keys: Sequence[str], why: str) -> None:
    if keys:
        _show_some(f"Not taken over: {len(keys):,} labels of narratives {why}:", keys)


def _show_some(heading: str, lines: Sequence[str]) -> None:
    """As many as are read; a program asks for --json."""
    out = console()
    out.print(heading, style="yellow")
    for one in lines[:NAMED]:
        out.print(f"  {one}", style="yellow", soft_wrap=True)
    if lines[NAMED:]:
        out.print(f"  and {len(lines[NAMED:]):,} more (--json lists all)", style="yellow")


def _show_what_follows(done: Labelled) -> None:
    """The samples as they stand, and what uses the labels."""
    out, short = console(), done.experiment.experiment_id[:8]
    for sample_id, (n, labelled) in done.samples.items():
        out.print(f"Sample {sample_id}: {labelled:,} of {n:,} labelled.")
    if done.new:
        out.print(
            "Every figure uses them from now on. Files that were exported before do not: "
            f"{this_command()} export {short}. The share of yes: "
            f"{this_command()} prevalence {short}",
            soft_wrap=True,
        )
