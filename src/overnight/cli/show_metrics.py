"""The figures of an experiment, for people and for programs."""

from collections.abc import Sequence

from rich.console import Console

from overnight.cli.screen import console, show_json, table
from overnight.commands.evaluate import Evaluated
from overnight.report.evaluation import Evaluation
from overnight.report.evaluation_table import (
    bounds_table,
    cases_table,
    classes_table,
    narratives_table,
    number,
    reliability_table,
    sources_table,
)
from overnight.report.metrics import metrics_json
from overnight.report.plain import evaluation_json


def show_metrics(found: Evaluated, *, as_json: bool) -> None:
    """The figures of one experiment."""
    c, experiment = found.counts, found.experiment
    if as_json:
        show_json(
            {
                "experiment_id": experiment.experiment_id,
                "experiment_name": experiment.name,
                "status": experiment.status,
                "total": c.total,
                "remaining": c.remaining,
                **metrics_json(found.metrics),
                "labels_drawn_unequally": found.n_unequal,
                "evaluation": evaluation_json(found.evaluation),
            }
        )
        return
    out = console()
    out.print(experiment.name, style="bold")
    if c.remaining:
        out.print(f"So far: {c.completed:,} of {c.total:,} have a result.", style="yellow")
    out.print(table(narratives_table(found.metrics, found.evaluation)))
    if found.n_unequal:
        out.print(
            f"Of the labelled, {found.n_unequal:,} were drawn with unequal probabilities: these "
            "figures are of the labelled, not of all narratives. The share of yes among all: "
            "overnight prevalence.",
            style="yellow",
        )
    _show_more(out, found.evaluation)


def _show_more(out: Console, found: Evaluation) -> None:
    overall = found.overall
    show_section(out, "Classes", classes_table(overall))
    show_section(out, "If every error had been wrong, or right", bounds_table(overall))
    show_section(out, f"Cases, {_case_labels(found)}", cases_table(found))
    show_section(out, "Two sources of one case (first / second)", sources_table(found))
    show_section(out, "Right answers by confidence", reliability_table(overall))
    for sentence in _sentences(found):
        out.print(sentence, style="dim")


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
    said = [
        "\nIn brackets: 95 % intervals; Wilson for proportions, resampled or summed by case "
        "otherwise. Errors are counted, not measured. Defined in docs/reference/metrics.md."
    ]
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
