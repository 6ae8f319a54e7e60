"""The figures of an experiment, for people and for programs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rich.console import Console

from overnight.cli.screen import console, show_json, table
from overnight.commands.columns import Grouping
from overnight.commands.evaluate import Breakdown, Evaluated, Figures
from overnight.commands.looks import Looked
from overnight.domain.experiment import Counts
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation_table import (
    bounds_table,
    cases_table,
    classes_table,
    groups_table,
    narratives_table,
    number,
    reliability_table,
    sources_table,
)
from overnight.report.look_text import first_look_sentence, look_sentences, part_sentence
from overnight.report.metrics import metrics_json
from overnight.report.plain import evaluation_json, plain
from overnight.report.repeats import retest_table

T = TypeVar("T")
_LONGEST_HEAD = 24
_BRACKETS = (
    "In brackets: 95 % intervals; Wilson for proportions, resampled or summed by case otherwise. "
    "Errors are counted, not measured."
)


def show_metrics(found: Evaluated, *, as_json: bool) -> None:
    """The figures of one experiment."""
    if as_json:
        show_json(_metrics_json(found))
        return
    out = console()
    _show_beginning(out, found)
    if found.by is not None:
        _show_by(out, found, found.by)
    else:
        _show_all(out, found)
    if found.drawn.n_unequal:
        out.print(
            f"Of the labelled, {found.drawn.n_unequal:,} were drawn with unequal probabilities: "
            "these figures are of the labelled, not of all narratives. The share of yes among all: "
            "overnight prevalence.",
            style="yellow",
        )
    for sentence in look_sentences(found.looked.look, found.metrics.overall.odd_labels):
        out.print(sentence, style="yellow")
    if found.looked.uncounted:
        said = f"This look at the labels could not be counted: {found.looked.uncounted}."
        out.print(said, style="yellow")


def _show_by(out: Console, found: Evaluated, by: Breakdown) -> None:
    """All, then each value of a column: the figures that are most asked for."""
    names = heads(["all narratives", *by.grouping.values])
    figures = [Figures(found.metrics, found.evaluation), *by.groups.values()]
    show_groups(out, by.grouping, dict(zip(names, figures, strict=True)), groups_table)
    out.print()
    out.print(_BRACKETS, style="dim")
    out.print(
        "No interval is adjusted for the number of groups. Every figure of each group: --json. "
        "Cases, sources and confidence: without --by.",
        style="dim",
    )


def _show_all(out: Console, found: Evaluated) -> None:
    """Every table of the whole."""
    out.print(table(narratives_table(found.metrics, found.evaluation)))
    if found.retest is not None:
        show_section(out, "Asked again", retest_table(found.retest))
    _show_more(out, found.evaluation)
    out.print()
    for sentence in (_BRACKETS, *_sentences(found.evaluation)):
        out.print(sentence, style="dim")


def _show_beginning(out: Console, found: Evaluated) -> None:
    """Of what the figures are."""
    c, experiment = found.counts, found.experiment
    out.print(experiment.name, style="bold")
    if c.remaining:
        out.print(so_far(c, in_random_order=experiment.order is not None), style="yellow")
    if experiment.repeat_of is not None:
        out.print(f"Repetition {experiment.repeat_no} of {experiment.repeat_of[:8]}, a sample.")
    if c.copied:
        source = experiment.reuse_of or ""
        out.print(f"{c.copied:,} of the answers are copied from {source[:8]}: same request.")
    if sentence := part_sentence(found.part, found.split):
        out.print(sentence, style="yellow")
    if found.part == "test" and found.looked.look:
        out.print(first_look_sentence(found.looked.look, is_new=found.looked.is_new), style="bold")


def so_far(counts: Counts, *, in_random_order: bool) -> str:
    """Of what the figures of an unfinished experiment are."""
    return f"So far: {counts.completed:,} of {counts.total:,} have a result, the first ones " + (
        "of a random order." if in_random_order else "of the file: no random part of it."
    )


def show_groups(
    out: Console,
    by: Grouping,
    groups: Mapping[str, T],
    table_of: Callable[[str, Mapping[str, T]], Sequence[Sequence[str]]],
) -> None:
    """A row for each value of a column, by its head."""
    show_section(out, f"By {by.column}", table_of(by.column, groups))
    if by.n_more:
        out.print(
            f"{by.column} has {by.n_more:,} more values, with {by.n_outside:,} of the "
            f"{by.n_narratives:,} narratives: the {len(by.values):,} with most narratives are "
            "shown, in the order of the values.",
            style="yellow",
        )


def heads(values: Sequence[str | None]) -> list[str]:
    """A short head for each value, different for different ones."""
    found: list[str] = []
    for value in values:
        head = "(blank)" if value is None else " ".join(value.split())
        head = head if len(head) <= _LONGEST_HEAD else f"{head[: _LONGEST_HEAD - 1]}…"
        found.append(f"{head} #{len(found) + 1}" if head in found else head)
    return found


def _metrics_json(found: Evaluated) -> dict[str, Any]:
    c, experiment = found.counts, found.experiment
    return {
        "experiment_id": experiment.experiment_id,
        "experiment_name": experiment.name,
        "status": experiment.status,
        "total": c.total,
        "remaining": c.remaining,
        "copied": c.copied,
        "part": found.part,
        "split": None if found.split is None else dataclasses.asdict(found.split),
        "look": look_json(found.looked),
        **metrics_json(found.metrics),
        "labels_drawn_unequally": found.drawn.n_unequal,
        "evaluation": evaluation_json(found.evaluation),
        "repeated": plain(found.retest),
        **({} if found.by is None else {"by": _by_json(found.by)}),
    }


def look_json(looked: Looked) -> dict[str, Any] | None:
    """How often the labels were looked at; None where there are none."""
    if looked.uncounted:
        return {"uncounted": looked.uncounted}
    if looked.look is None:
        return None
    first = looked.is_new and looked.look.is_first
    return {**dataclasses.asdict(looked.look), "is_first_look": first}


def _by_json(found: Breakdown) -> dict[str, Any]:
    groups = [
        {
            "value": value,
            **metrics_json(figures.metrics),
            "evaluation": evaluation_json(figures.evaluation),
        }
        for value, figures in found.groups.items()
    ]
    return by_json(found.grouping, groups)


def by_json(by: Grouping, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The groups, and what they leave out."""
    return {
        "column": by.column,
        "groups": list(groups),
        "n_more": by.n_more,
        "n_outside": by.n_outside,
        "n_narratives": by.n_narratives,
    }


def _show_more(out: Console, found: Evaluation) -> None:
    overall = found.overall
    show_section(out, "Classes", classes_table(overall))
    show_section(out, "If every error had been wrong, or right", bounds_table(overall, brief=True))
    show_section(out, f"Cases, {_case_labels(found)}", cases_table(found, brief=True))
    show_section(out, "Two sources of one case (first / second)", sources_table(found))
    show_section(out, "Right answers by confidence", reliability_table(overall))


def show_section(out: Console, title: str, rows: Sequence[Sequence[str]]) -> None:
    """A table under its title; nothing where there are no rows."""
    if rows:
        out.print(f"\n{title}", style="bold")
        out.print(table(rows))


def _case_labels(found: Evaluation) -> str:
    if not found.case_labels:
        return "labels by the same rule from those of their narratives"
    if found.case_labels == found.n_cases:
        return "by their own labels"
    return (
        f"{found.case_labels:,} by their own labels, the others by the same rule from those of "
        "their narratives"
    )


def _sentences(found: Evaluation) -> list[str]:
    """What must be known to read the tables."""
    said = []
    accuracy = found.overall.figures.get("accuracy")
    if accuracy and accuracy.by_case:
        low, high = accuracy.by_case
        said.append(
            "Wilson takes the narratives of a case as independent; with cases resampled, the "
            f"interval of accuracy is [{number(low)}, {number(high)}]."
        )
    few = found.overall.few
    if few:
        said.append(
            f"Only {few[0]:,} of the measured are labelled {few[1]}: intervals that rest on them "
            "are rough, and that of ROC AUC is too narrow."
        )
    best = found.overall.ranking.best_f1 if found.overall.ranking else None
    if best:
        said.append(
            f"Best threshold here: yes from a score of {number(best.threshold)} up, F1 "
            f"{number(best.value)}. Optimistic: chosen and measured on the same narratives."
        )
    if found.confidence_outside:
        said.append(
            f"{found.confidence_outside:,} confidences are not within 0..1: left out of scores "
            "and calibration."
        )
    return said
