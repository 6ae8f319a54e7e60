"""`report` and `methods`: what was run, how it went and what came out, for readers of a paper."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from overnight._version import __version__
from overnight.app import folder_of
from overnight.call.endpoint import host_of, is_this_machine
from overnight.commands.evaluate import evaluate
from overnight.commands.results import Opened, Wrong, opened, results
from overnight.domain.result import Result
from overnight.errors import UsageError
from overnight.report.look_text import part_in_words
from overnight.report.metrics import Scores, measure
from overnight.report.paper.course import course
from overnight.report.paper.facts import Facts
from overnight.report.paper.methods import methods as paragraph
from overnight.report.paper.methods import methods_json
from overnight.report.paper.what_came_out import MOST_VALUES
from overnight.report.paper.write import report_of, write
from overnight.store.course import (
    failed_calls,
    outcome_counts,
    result_totals,
    results_over_time,
)
from overnight.store.kept import label_counts_by, values_of
from overnight.store.parts import Part, develop_part
from overnight.views import view_status

Format = Literal["html", "md"]
_SUFFIXES: dict[Format, tuple[str, ...]] = {"html": (".html", ".htm"), "md": (".md", ".markdown")}


def facts_of(name: str = "latest", *, db: Path | str | None = None) -> Facts:
    """Everything that a report is made from; seconds, most of them for the figures."""
    with opened(name, db) as it:
        database, experiment, key = it.database, it.experiment, it.experiment.experiment_key
        status = view_status(database, experiment)
        evaluated = evaluate(experiment.experiment_id, db=database.path)
        summary = status.view.summary
        part = develop_part(database, experiment)
        return Facts(
            status=status,
            config=experiment.stored_config,
            spec=it.spec,
            metrics=evaluated.metrics,
            evaluation=evaluated.evaluation,
            course=course(
                summary.sessions,
                summary.pauses,
                status.limits,
                partial(results_over_time, database, key),
            ),
            failed_calls=failed_calls(database, key),
            totals=result_totals(database, key),
            outcomes=outcome_counts(database, experiment, it.spec, part),
            groups={column: _by(it, part, column) for column in it.kept},
            look=evaluated.looked.look,
            drawn=evaluated.drawn,
            part=part_in_words(evaluated.part, evaluated.split),
            outside=_outside(summary.row["api_url"], *(s.api_url for s in summary.sessions)),
            version=__version__,
            made_at=datetime.now(UTC),
            retest=evaluated.retest,
        )


def _by(it: Opened, part: Part, column: str) -> dict[str, Scores]:
    """What is known of the narratives with each of the most frequent values of a kept column."""
    found = values_of(it.database, it.experiment.dataset_id, column, part, most=MOST_VALUES)
    values = [one.value for one in found.values]
    key = it.experiment.experiment_key
    counted = label_counts_by(it.database, key, part, column, values)
    named = {"(blank)" if v is None else v: measure(counted[v], it.spec).overall for v in values}
    return dict(sorted(named.items()))


def _outside(*addresses: str | None) -> str | None:
    """The hosts that narratives went to, this machine apart."""
    away = [host_of(url) for url in addresses if url and not is_this_machine(url)]
    return ", ".join(dict.fromkeys(away)) or None


def report(
    name: str = "latest",
    *,
    db: Path | str | None = None,
    out: Path | None = None,
    format_: Format | None = None,
    with_text: bool = False,
) -> Path:
    """Write the report of an experiment; without `out` to exports/ID beside the database.

    Raises UsageError where `out` does not end as its format does: a report never takes the
    place of another kind of file.
    """
    kind = format_ or _format_of(out)
    if out is not None and out.suffix.lower() not in _SUFFIXES[kind]:
        raise UsageError(f"{out}: the name of a report in this format ends in .{kind}")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder: name a file")
    facts = facts_of(name, db=db)
    with opened(facts.status.view.experiment_id, db) as it:
        folder = folder_of(it.database, "exports", it.experiment.experiment_id)
    wrong = _wrong(facts, db) if with_text else None
    return write(report_of(facts, wrong), out or folder / f"report.{kind}", kind)


def _format_of(out: Path | None) -> Format:
    return "md" if out is not None and out.suffix.lower() in _SUFFIXES["md"] else "html"


def _wrong(facts: Facts, db: Path | str | None) -> dict[str, Iterable[Result]]:
    kinds: dict[str, Wrong] = {"Answers that differ from their labels": "any"}
    if facts.metrics.kind == "boolean":
        kinds = {
            "False positives: yes, labelled no": "fp",
            "False negatives: no, labelled yes": "fn",
        }
    return {
        title: results(facts.status.view.experiment_id, db=db, with_text=True, wrong=kind)
        for title, kind in kinds.items()
    }


def methods(name: str = "latest", *, db: Path | str | None = None) -> tuple[str, dict[str, object]]:
    """The paragraph for the methods section, and its facts one by one."""
    facts = facts_of(name, db=db)
    return paragraph(facts), methods_json(facts)
