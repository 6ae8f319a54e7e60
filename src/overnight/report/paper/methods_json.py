"""The facts of the methods paragraphs for programs, one by one."""

from overnight.report.paper.chosen import samples_json
from overnight.report.paper.facts import Facts
from overnight.report.paper.methods import methods


def methods_json(facts: Facts) -> dict[str, object]:
    """The paragraphs as one text, and the facts of it that programs ask for one by one."""
    row, counts = facts.row, facts.counts
    return {
        "experiment_id": facts.status.view.experiment_id,
        "experiment_name": facts.status.view.name,
        "state": facts.status.view.state,
        "paragraph": methods(facts),
        "model_name": facts.model,
        "model_provider": row["model_provider"],
        "served_model": row["served_model"],
        "structured": row["structured"],
        "temperature": row["temperature"],
        "run_seed": row["run_seed"],
        "prompt_version": row["prompt_version"],
        "data_file": facts.data_file,
        "data_checksum": row["data_checksum"],
        "left_out": dict(facts.status.left_out),
        "total": counts.total,
        "completed": counts.completed,
        "answered": counts.answered,
        "errors": counts.errors,
        "remaining": counts.remaining,
        "n_calls": facts.n_calls,
        "n_calls_answered": facts.n_answered_calls,
        "n_calls_failed": facts.called("failed"),
        "n_calls_lost": facts.called("lost"),
        "n_configurations": facts.look.n_configurations if facts.look else None,
        "part": facts.part_name,
        "n_cases": facts.n_cases,
        "n_cases_of_part": facts.n_cases_of_part,
        "first_look_at": facts.look.first_at if facts.look else None,
        "is_first_configuration": facts.look.ordinal == 1 if facts.look else None,
        "samples": samples_json(facts),
        "n_labelled_otherwise": facts.drawn.n_other,
        "overnight_version": facts.versions,
    }
