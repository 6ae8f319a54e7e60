"""The first part of a report: model, prompt, answer, data, sessions."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from overnight.config.expand import hide_passwords
from overnight.domain.answer import AnswerField
from overnight.report.paper.document import Block, Heading, Paragraph, Table, Verbatim
from overnight.report.paper.facts import MAX_TOKENS, Facts, counted, moment, named
from overnight.report.table import Row
from overnight.store.pauses import PauseRow
from overnight.store.sessions import SessionRow
from overnight.store.times import from_text
from overnight.words import duration

_MOST_PAUSES, _MOST_SESSIONS, _MOST_LABELS, _LONGEST_LABEL = 30, 100, 10, 40
_ENDED = {"finish": "complete", "fail": "stopped", "cancel": "cancelled", "crashed": "crashed"}
_PARAMETERS = ("temperature", "top_p", "reasoning_effort", "extra_body")


def what_was_run(facts: Facts) -> Iterator[Block]:
    """Everything that somebody would need to do it again."""
    yield Heading("What was run")
    yield Table([["", ""], *_experiment_rows(facts)], words=True)
    yield Heading("Model", 3)
    yield Table([["", ""], *_model_rows(facts)], words=True)
    yield Heading("Data", 3)
    yield Table([["", ""], *_data_rows(facts)], words=True)
    yield from _answer(facts)
    yield from _prompt(facts)
    yield Heading("Sessions", 3)
    yield from _sessions(facts)


def _experiment_rows(facts: Facts) -> list[Row]:
    row, view = facts.row, facts.status.view
    reason = f" ({row['status_reason']})" if row["status_reason"] else ""
    return _said(
        ["experiment", view.name],
        ["id", view.experiment_id],
        ["author", facts.setting("experiment", "author")],
        ["notes", row["notes"]],
        ["state", view.state + reason],
        ["first and last result", _between(facts)],
        ["version of overnight", ", ".join(facts.versions)],
    )


def _between(facts: Facts) -> str:
    totals = facts.totals
    if totals.first_at is None:
        return "none yet"
    times = dict.fromkeys((moment(totals.first_at), moment(totals.last_at)))
    return " to ".join(times)


def _model_rows(facts: Facts) -> list[Row]:
    row, sessions = facts.row, facts.sessions
    asked = row["model_provider"] != "rules" and not facts.is_of_r
    went = facts.outside and f"to {facts.outside}"
    return _said(
        ["model asked for", facts.model],
        ["model that answered", facts.served_model],
        ["provider", row["model_provider"]],
        ["address", ", ".join(_each(hide_passwords(s.api_url or "") for s in sessions))],
        ["narratives left this machine", went or "no"],
        ["fingerprints of the server", ", ".join(_each(s.system_fingerprint for s in sessions))],
        ["form of answers", row["structured"]],
        *([key, _value(facts.setting("model", key))] for key in _PARAMETERS),
        ["max_tokens", facts.setting("model", "max_tokens", MAX_TOKENS if asked else None)],
        ["seed", row["run_seed"]],
    )


def _each(values: Iterable[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def _value(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return hide_passwords(json.dumps(value, ensure_ascii=False))


def _data_rows(facts: Facts) -> list[Row]:
    row, data = facts.row, facts.status.dataset
    types = ", ".join(facts.evaluation.by_type)
    is_boolean = facts.metrics.kind == "boolean"
    return _said(
        ["file", facts.data_file],
        ["checksum", row["data_checksum"]],
        ["narratives in it", f"{data.n_narratives:,}"],
        ["covered by this experiment", f"{facts.counts.total:,}"],
        ["of so many cases", f"{facts.n_cases:,}"],
        ["figures below", facts.part_of_cases],
        ["narrative types", types],
        ["narratives left out", named(facts.status.left_out) or "none"],
        ["labels that are neither yes nor no", _some(data.odd_labels) if is_boolean else ""],
    )


def _some(labels: Mapping[str, int]) -> str:
    """The most frequent; they may be whole sentences, and thousands."""
    often = sorted(labels.items(), key=lambda one: (-one[1], one[0]))[:_MOST_LABELS]
    more = len(labels) - len(often)
    said = named({name[:_LONGEST_LABEL]: n for name, n in often})
    return f"{said} and {more:,} more" if more else said


def _said(*rows: Sequence[object]) -> list[Row]:
    """The rows of which something is known."""
    return [[str(name), str(value)] for name, value in rows if value not in (None, "")]


def _answer(facts: Facts) -> Iterator[Block]:
    spec = facts.spec
    primary = f"compared with the label: {spec.primary}" if spec.primary else "none is compared"
    head, rows = ["field", "type", "bounds"], [[f.name, f.type, _bounds(f)] for f in spec.fields]
    if any(field.description for field in spec.fields):
        head = [*head, "meaning"]
        rows = [[*row, f.description] for row, f in zip(rows, spec.fields, strict=True)]
    yield Heading("Answer asked for", 3)
    yield Table([head, *rows], words=True)
    yield Paragraph(f"Fields in the order asked; {primary}.")


def _bounds(field: AnswerField) -> str:
    said = [
        "" if field.required else "may be missing",
        f"at least {field.min:g}" if field.min is not None else "",
        f"at most {field.max:g}" if field.max is not None else "",
        f"up to {field.max_length:,} characters" if field.max_length else "",
        f"of {field.of}" if field.type == "list" else "",
        f"up to {field.max_items:,} items" if field.max_items else "",
        f"one of: {', '.join(field.values)}" if field.values else "",
    ]
    return "; ".join(filter(None, said))


def _prompt(facts: Facts) -> Iterator[Block]:
    row = facts.row
    if row["model_provider"] == "rules":
        return  # no prompt is sent
    said = _said(["version", row["prompt_version"]], ["author", row["prompt_author"]])
    yield Heading("Prompt", 3)
    if said:
        yield Table([["", ""], *said], words=True)
    if row["system_prompt"]:
        yield Verbatim("System prompt", row["system_prompt"])
    if row["user_template"]:
        yield Verbatim("User template (<<TEXT>> is the narrative)", row["user_template"])


def _sessions(facts: Facts) -> Iterator[Block]:
    status = facts.status
    head = ["session", "began (UTC)", "ended (UTC)", "how", "worked", "calls", "results", "at once"]
    rows = [_session_row(i, s, facts) for i, s in enumerate(facts.sessions, start=1)]
    yield Table([head, *rows[-_MOST_SESSIONS:]], words=True)
    if len(rows) > _MOST_SESSIONS:
        yield Paragraph(f"The last {_MOST_SESSIONS} of {len(rows):,}.")
    yield Paragraph(_interruptions(facts))
    pauses = status.view.summary.pauses
    if pauses:
        rows = [_pause_row(pause) for pause in pauses[:_MOST_PAUSES]]
        caption = "Pauses: the server gave no answers"
        yield Table([["began (UTC)", "lasted", "probes", "why"], *rows], caption, words=True)
        if len(pauses) > _MOST_PAUSES:
            yield Paragraph(f"The first {_MOST_PAUSES} of {len(pauses):,}.")


def _session_row(number: int, session: SessionRow, facts: Facts) -> Row:
    alive = facts.status.view.is_alive
    how = session.ended_how and _ENDED.get(session.ended_how, session.ended_how)
    return [
        f"{number} ({session.kind})",
        _minute(session.started_at),
        _ended(session),
        how or ("still running" if alive else "crashed, not resumed yet"),
        duration(session.runtime_sec),
        f"{session.n_calls:,}",
        f"{session.n_results:,}",
        str(session.concurrency or ("" if session.overnight_version == "R" else "auto")),
    ]


def _ended(session: SessionRow) -> str:
    """The time alone where it ended on the day on which it began."""
    day, ended = _minute(session.started_at)[:11], _minute(session.ended_at or session.last_seen_at)
    return ended.removeprefix(day)


def _minute(time: str) -> str:
    return f"{from_text(time):%Y-%m-%d %H:%M}"


def _pause_row(pause: PauseRow) -> Row:
    lasted = "still lasts"
    if pause.ended_at:
        seconds = (from_text(pause.ended_at) - from_text(pause.began_at)).total_seconds()
        lasted = duration(max(seconds, 0.0))
    return [_minute(pause.began_at), lasted, f"{pause.n_probes:,}", pause.reason]


def _interruptions(facts: Facts) -> str:
    status, crashed = facts.status, n_crashed(facts)
    said = [
        counted(len(facts.sessions), "session"),
        f"{duration(status.worked)} of work",
        f"{crashed:,} crashed" if crashed else "none crashed",
    ]
    pauses = status.view.summary.pauses
    if pauses:
        said.append(f"{counted(len(pauses), 'pause')} ({duration(status.paused)})")
    if status.stood_still:
        said.append(f"stood still for {duration(status.stood_still)} (asleep, or stopped)")
    return f"{'; '.join(said)}."


def n_crashed(facts: Facts) -> int:
    """Sessions that died, the last one included if it has and nobody has gone on."""
    dead = facts.status.view.state == "running (crashed)"
    return sum(s.ended_how == "crashed" or (s.ended_at is None and dead) for s in facts.sessions)
