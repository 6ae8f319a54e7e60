"""A report as a file: whole or not there, for its owner alone."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from overnight.domain.result import Result
from overnight.report.evaluation_table import figure_title, shown
from overnight.report.paper.document import Block, Document, Heading, Paragraph
from overnight.report.paper.facts import Facts, counted, moment
from overnight.report.paper.how_it_went import how_it_went
from overnight.report.paper.html import html
from overnight.report.paper.markdown import markdown
from overnight.report.paper.methods import paragraphs
from overnight.report.paper.what_came_out import what_came_out
from overnight.report.paper.what_it_supports import what_it_supports
from overnight.report.paper.what_was_run import what_was_run
from overnight.report.paper.wrong_answers import WARNING, wrong_answers
from overnight.report.staging import staging

_FIRST = ("accuracy", "precision", "recall", "specificity")
FORMATS: Mapping[str, Callable[[Document], Iterator[str]]] = {"html": html, "md": markdown}


def report_of(facts: Facts, wrong: Mapping[str, Iterable[Result]] | None = None) -> Document:
    """The report; with `wrong` (title -> results with texts) it holds narratives, and says so."""
    return Document(facts.status.view.name, _blocks(facts, wrong))


def _blocks(facts: Facts, wrong: Mapping[str, Iterable[Result]] | None) -> Iterator[Block]:
    if wrong is not None:
        yield Paragraph(WARNING, warning=True)
    counts = facts.counts
    yield Paragraph(
        f"Experiment {facts.status.view.experiment_id}, {facts.status.view.state}: "
        f"{counts.answered:,} of {counts.total:,} narratives answered by "
        f"{facts.row['served_model'] or facts.model}. "
        f"Written by overnight {facts.version} on {moment(facts.made_at)}; every number is counted "
        "from the database as it then stood."
    )
    yield from _in_short(facts)
    yield from what_was_run(facts)
    yield from how_it_went(facts)
    yield from what_came_out(facts)
    yield from what_it_supports(facts)
    yield Heading("For the methods section")
    yield from map(Paragraph, paragraphs(facts))
    if wrong is not None:
        yield from wrong_answers(wrong)


def _in_short(facts: Facts) -> Iterator[Block]:
    """The figures that most readers look for first."""
    group = facts.evaluation.overall
    found = {name: group.figures[name].estimate for name in _FIRST if name in group.figures}
    if not group.measured or not found:
        return
    said = "; ".join(f"{figure_title(name)} {shown(one)}" for name, one in found.items())
    yield Paragraph(
        f"Against the labels of {counted(group.measured, 'narrative')}, with 95 % intervals: "
        f"{said}. {facts.part + ' ' if facts.part else ''}{_in_truth(facts)}"
        "What these figures support, and what not, is said below."
    )


def _in_truth(facts: Facts) -> str:
    """The share of yes, corrected, where it may be given."""
    if facts.shares is None or facts.shares.to_quote is None:
        return ""
    name = facts.shares.to_quote
    share = shown(getattr(facts.shares.overall, name).estimate)
    return f"The share of yes among all narratives, corrected by the labels: {share}. "


def write(document: Document, file: Path, format_: str) -> Path:
    """Write the file by way of a temporary one, mode 0600; an old one stands until then.

    Raises UsageError if its folder cannot hold it, OSError as the disk has it.
    """
    with staging(file.parent) as stage:
        with stage.create(file.name) as out:
            for piece in FORMATS[format_](document):
                out.write(piece.encode("utf-8"))
            out.flush()
            os.fsync(out.fileno())
        return stage.publish([file.name])[0]
