"""`report` and `methods`: what was run, how it went and what came out, for readers of a paper."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from overnight._version import __version__
from overnight.call.endpoint import host_of, is_this_machine
from overnight.commands.columns import Grouping, grouping
from overnight.commands.evaluate import Evaluated, evaluate_study
from overnight.commands.prevalence import Estimated, estimate_study
from overnight.commands.results import Wrong, answers_of
from overnight.domain.result import Result
from overnight.errors import UnknownExperiment, UsageError
from overnight.report.look_text import labels_sentence, part_in_words
from overnight.report.metrics import Scores, measure
from overnight.report.paper.course import course
from overnight.report.paper.facts import Facts
from overnight.report.paper.methods import methods as paragraph
from overnight.report.paper.methods_json import methods_json
from overnight.report.paper.what_came_out import MOST_VALUES
from overnight.report.paper.write import report_of, write
from overnight.store.course import (
    case_count,
    failed_calls,
    outcome_counts,
    result_totals,
    results_over_time,
)
from overnight.store.database import Database
from overnight.store.experiments import find_experiment
from overnight.store.kept import label_counts_by
from overnight.store.open import folder_of
from overnight.store.parts import Part, develop_part, test_part
from overnight.store.sessions import sessions_of
from overnight.store.study import Study, open_study
from overnight.views import view_status

Format = Literal["html", "md"]
_SUFFIXES: dict[Format, tuple[str, ...]] = {"html": (".html", ".htm"), "md": (".md", ".markdown")}


def facts_of(name: str = "latest", *, db: Path | str | None = None, final: bool = False) -> Facts:
    """Everything that a report is made from; seconds, most of them for the figures.

    With `final`, the figures are those of the test part, by the rules of `evaluate`: that it is
    looked at is on record before anything of it is seen.
    """
    with open_study(name, db) as study:
        return _facts(study, final=final)


def _facts(study: Study, *, final: bool) -> Facts:
    """As `facts_of`: figures, counts and course of one moment."""
    database, experiment, key = study.database, study.experiment, study.experiment.experiment_key
    with study.snapshot():
        evaluated = evaluate_study(study, final=final)
        status = view_status(database, experiment)
        with database.read() as connection:
            failed = failed_calls(connection, key)
        summary = status.view.summary
        part = _part(study, final=final)
        truth = _in_truth(study, evaluated)
        by_column = {
            column: grouping(study, column, part, most=MOST_VALUES) for column in study.kept
        }
        return Facts(
            status=status,
            config=experiment.stored_config,
            spec=study.spec,
            metrics=evaluated.metrics,
            evaluation=evaluated.evaluation,
            course=course(
                summary.sessions,
                summary.pauses,
                status.limits,
                partial(results_over_time, database, key),
            ),
            failed_calls=failed,
            totals=result_totals(database, key),
            outcomes=outcome_counts(database, experiment, study.spec, part),
            groups={column: _scores_by(study, part, by) for column, by in by_column.items()},
            cut={column: by.n_more for column, by in by_column.items()},
            look=evaluated.looked.look,
            drawn=evaluated.drawn,
            part=part_in_words(evaluated.part, evaluated.split),
            part_name=evaluated.part,
            n_cases=case_count(database, experiment),
            n_cases_of_part=case_count(database, experiment, part),
            shares=truth.shares if truth else None,
            shares_note=_labels_used(truth, final=final),
            outside=_outside(summary.row["api_url"], *(s.api_url for s in summary.sessions)),
            version=__version__,
            made_at=datetime.now(UTC),
            retest=evaluated.retest,
            n_calls_of_source=_calls_of(database, experiment.reuse_of),
        )


def _calls_of(database: Database, experiment_id: str | None) -> int | None:
    """How many calls an experiment took; None where it is not stored, or not any more."""
    if experiment_id is None:
        return None
    try:
        source = find_experiment(database, experiment_id)
    except UnknownExperiment:
        return None
    with database.read() as connection:
        return sum(one.n_calls for one in sessions_of(connection, source.experiment_key))


def _part(study: Study, *, final: bool) -> Part:
    apart = test_part(study.database, study.experiment) if final else None
    return apart or develop_part(study.database, study.experiment)


def _scores_by(study: Study, part: Part, by: Grouping) -> dict[str, Scores]:
    """What is known of the narratives with each of some values of a kept column."""
    key = study.experiment.experiment_key
    counted = label_counts_by(study.database, key, part, by.column, by.values)
    return {
        "(blank)" if value is None else value: measure(counted[value], study.spec).overall
        for value in by.values
    }


def _in_truth(study: Study, evaluated: Evaluated) -> Estimated | None:
    """The share of yes, as `prevalence` has it; None where it is no question of yes or no."""
    is_whole = study.experiment.repeat_of is None
    if not is_whole or evaluated.metrics.kind != "boolean" or not evaluated.counts.answered:
        return None
    return estimate_study(study)


def _labels_used(truth: Estimated | None, *, final: bool) -> str | None:
    """Which labels the share rests on; of those of a test part that is shown nothing is hidden."""
    if truth is None or (final and truth.is_drawn):
        return None
    return labels_sentence(truth.split, drawn=truth.is_drawn)


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
    final: bool = False,
) -> Path:
    """Write the report of an experiment; without `out` to exports/ID beside the database.

    With `final`, of the test part, to report-final. Raises UsageError where `out` does not end as
    its format does: a report never takes the place of another kind of file.
    """
    kind = format_ or _format_of(out)
    if out is not None and out.suffix.lower() not in _SUFFIXES[kind]:
        raise UsageError(f"{out}: the name of a report in this format ends in .{kind}")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder: name a file")
    with open_study(name, db) as study:
        facts = _facts(study, final=final)
        folder = folder_of(study.database, "exports", study.experiment.experiment_id)
        wrong = _wrong(study, _part(study, final=final)) if with_text else None
        file = out or folder / f"{'report-final' if final else 'report'}.{kind}"
        return write(report_of(facts, wrong), file, kind)


def _format_of(out: Path | None) -> Format:
    return "md" if out is not None and out.suffix.lower() in _SUFFIXES["md"] else "html"


def _wrong(study: Study, part: Part) -> dict[str, Iterable[Result]]:
    kinds: dict[str, Wrong] = {"Answers that differ from their labels": "any"}
    primary = study.spec.primary_field
    if primary is not None and primary.type == "boolean":
        kinds = {
            "False positives: yes, labelled no": "fp",
            "False negatives: no, labelled yes": "fn",
        }
    return {
        title: answers_of(study, with_text=True, wrong=kind, part=part)
        for title, kind in kinds.items()
    }


def methods(
    name: str = "latest", *, db: Path | str | None = None, final: bool = False
) -> tuple[str, dict[str, object]]:
    """The paragraphs for the methods section, and their facts one by one; `final` as there."""
    facts = facts_of(name, db=db, final=final)
    return paragraph(facts), methods_json(facts)
