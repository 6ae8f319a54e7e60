"""The ledger of calls, and the results they lead to: the hot path."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from overnight.domain.answer import Answer, AnswerSpec, primary_text
from overnight.domain.attempt import Attempted, Job
from overnight.domain.cost import Tokens, credible
from overnight.domain.outcome import Answered, Fault
from overnight.store.connection import Connection
from overnight.store.texts import filled, storable_row
from overnight.store.times import as_text

_OPEN = """
    INSERT INTO attempts (attempt_id, session_id, experiment_key, narrative_id, attempt_no, status,
                          started_at)
    VALUES (?, ?, ?, ?, ?, 'open', ?)"""
_CLOSING = (
    "status",
    "error_category",
    "http_status",
    "error_message",
    "finish_reason",
    "reply",
    "started_at",
    "response_sec",
    "prompt_tokens",
    "completion_tokens",
    "attempt_id",
)
RESULT_COLUMNS = (
    "experiment_key",
    "narrative_id",
    "primary_value",
    "detected",
    "confidence",
    "indicators",
    "rationale",
    "reasoning_steps",
    "output_json",
    "repaired",
    "raw_response",
    "response_sec",
    "processed_at",
    "last_attempt_at",
    "error_category",
    "error_message",
    "first_error_message",
    "attempt_count",
    "prompt_tokens",
    "completion_tokens",
)
_REPLACED = ", ".join(
    f"{name} = excluded.{name}" for name in RESULT_COLUMNS[2:] if name != "first_error_message"
)


@cache
def _close(columns: tuple[str, ...]) -> str:
    """Close attempts: what an open one has not is NULL, and stays so unless it is among these."""
    *changed, _key = columns
    return f"UPDATE attempts SET {', '.join(f'{c} = ?' for c in changed)} WHERE attempt_id = ?"


@cache
def _put_result(columns: tuple[str, ...]) -> str:
    """Enter results; in the place of an older one, what is not among these becomes NULL."""
    return (
        f"INSERT INTO results ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT (experiment_key, narrative_id) DO UPDATE SET {_REPLACED},"
        " first_error_message = coalesce(first_error_message, excluded.first_error_message)"
    )


def open_attempts(
    connection: Connection, session_id: int, experiment_key: int, jobs: Sequence[Job], now: float
) -> list[int]:
    """Enter calls that are about to be sent; their ids, in order."""
    if not jobs:
        return []
    last = connection.execute("SELECT coalesce(max(attempt_id), 0) FROM attempts")
    first = int(last.fetchone()[0]) + 1
    at = as_text(now)
    connection.executemany(
        _OPEN,
        [
            (
                first + i,
                session_id,
                experiment_key,
                job.narrative.narrative_id,
                job.n_calls + 1,
                at,
            )
            for i, job in enumerate(jobs)
        ],
    )
    return list(range(first, first + len(jobs)))


def close_attempts(
    connection: Connection, experiment_key: int, ended: Sequence[Attempted], spec: AnswerSpec
) -> None:
    """Enter how calls ended, and the results that follow from them."""
    if ended:
        columns, closing = filled(_CLOSING, [storable_row(_closing(a)) for a in ended])
        connection.executemany(_close(columns), closing)
    rows = [storable_row(_result(a, experiment_key, spec)) for a in ended if a.final]
    if rows:
        columns, rows = filled(RESULT_COLUMNS, rows)
        connection.executemany(_put_result(columns), rows)


_REREAD = """
    UPDATE results
    SET primary_value = ?, detected = ?, confidence = ?, indicators = ?, rationale = ?,
        reasoning_steps = ?, output_json = ?, repaired = ?, raw_response = ?,
        error_category = NULL, error_message = NULL,
        first_error_message = coalesce(first_error_message, error_message)
    WHERE experiment_key = ? AND narrative_id = ? AND error_category = 'parse_error'"""
_KEEP_REPLY = """
    UPDATE attempts SET reply = (SELECT raw_response FROM results r
                                 WHERE r.experiment_key = attempts.experiment_key
                                   AND r.narrative_id = attempts.narrative_id)
    WHERE attempt_id = (SELECT max(a.attempt_id) FROM attempts a
                        WHERE a.experiment_key = ? AND a.narrative_id = ?
                          AND a.status <> 'answered' AND a.status = 'failed') AND reply IS NULL"""


def reread_result(
    connection: Connection,
    experiment_key: int,
    narrative_id: int,
    read: tuple[Answer, str],
    spec: AnswerSpec,
) -> None:
    """Let an unreadable result be what has now been read of one of its replies: (answer, reply).

    Its calls stay on the ledger as they ended; the reply that stood in the result goes there.
    """
    answer, reply = read
    connection.execute(_KEEP_REPLY, (experiment_key, narrative_id))
    row = (*_answer_columns(answer, spec), reply, experiment_key, narrative_id)
    connection.execute(_REREAD, storable_row(row))


def tokens_of(ended: Sequence[Attempted]) -> Tokens:
    """What these calls used, as far as the server told."""
    replies = [one.outcome.reply for one in ended if one.outcome.reply is not None]
    told = [(credible(r.prompt_tokens), credible(r.completion_tokens)) for r in replies]
    return Tokens(
        sum(prompt or 0 for prompt, _ in told),
        sum(completion or 0 for _, completion in told),
        sum(None not in both for both in told),
    )


def delete_unsent(connection: Connection, attempt_ids: Sequence[int]) -> None:
    """Take calls off the ledger that were entered but never sent."""
    if attempt_ids:
        connection.executemany(
            "DELETE FROM attempts WHERE attempt_id = ? AND status = 'open'",
            [(attempt_id,) for attempt_id in attempt_ids],
        )


def close_lost(connection: Connection, experiment_key: int) -> int:
    """Close what is open: dead sessions left it, or calls were abandoned. How many that are.

    Only for the holder of the experiment's lock, when no call of its own is in flight.
    """
    connection.execute(
        "UPDATE run_sessions SET n_calls = n_calls + (SELECT count(*) FROM attempts a"
        "  WHERE a.session_id = run_sessions.session_id AND a.experiment_key = :key"
        "  AND a.status <> 'answered' AND a.status = 'open') WHERE experiment_key = :key",
        {"key": experiment_key},
    )
    return connection.execute(
        "UPDATE attempts SET status = 'lost' WHERE experiment_key = :key"
        " AND status <> 'answered' AND status = 'open'",
        {"key": experiment_key},
    ).rowcount


def _closing(ended: Attempted) -> tuple[Any, ...]:
    outcome = ended.outcome
    fault = outcome if isinstance(outcome, Fault) else None
    reply = outcome.reply
    kept = reply.text if reply is not None and not ended.final else None
    return (
        "answered" if fault is None else "failed",
        fault.category if fault else None,
        fault.http_status if fault else None,
        fault.message if fault else None,
        reply.finish_reason if reply else None,
        kept,
        as_text(ended.started_at),
        ended.response_sec,
        reply.prompt_tokens if reply else None,
        reply.completion_tokens if reply else None,
        ended.attempt.attempt_id,
    )


def _result(ended: Attempted, experiment_key: int, spec: AnswerSpec) -> tuple[Any, ...]:
    outcome, job = ended.outcome, ended.attempt.job
    reply = outcome.reply
    fault = outcome if isinstance(outcome, Fault) else None
    return (
        experiment_key,
        job.narrative.narrative_id,
        *(_answer_columns(outcome.answer, spec) if isinstance(outcome, Answered) else _NO_ANSWER),
        reply.text if reply else None,
        ended.response_sec,
        as_text(ended.started_at + ended.response_sec),
        as_text(ended.started_at),
        fault.category if fault else None,
        fault.message if fault else None,
        job.first_error,
        job.n_calls,
        reply.prompt_tokens if reply else None,
        reply.completion_tokens if reply else None,
    )


_NO_ANSWER = (None,) * 8
_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False
).encode  # of what was read from JSON


def _answer_columns(answer: Answer, spec: AnswerSpec) -> tuple[Any, ...]:
    values = answer.values
    detected, confidence = values.get("detected"), values.get("confidence")
    return (
        primary_text(spec, answer),
        int(detected) if isinstance(detected, bool) else None,
        confidence
        if isinstance(confidence, int | float) and not isinstance(confidence, bool)
        else None,
        _as_column(values.get("indicators")),
        _as_column(values.get("rationale")),
        _as_column(values.get("reasoning_steps")),
        _encode(dict(values)),
        ", ".join(answer.repaired) or None,
    )


def _as_column(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else _encode(value)
