"""Answers that could not be recorded: kept in a file beside the database for the next session."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from overnight.domain.answer import Answer, AnswerSpec
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Outcome, Reply
from overnight.private import sync_folder
from overnight.store.ledger import close_attempts

SUFFIX = ".rescue.jsonl"


def rescue_file(database: Path, experiment_id: str, session_id: int) -> Path:
    """Where a session keeps what it could not record."""
    real = database.resolve()
    return real.with_name(f"{real.name}.{experiment_id}-{session_id}{SUFFIX}")


def rescue_files(database: Path, experiment_id: str) -> tuple[Path, ...]:
    """What sessions of an experiment could not record and nobody has read in yet."""
    real = database.resolve()
    prefix = f"{real.name}.{experiment_id}-"
    found = [file for file in real.parent.iterdir() if file.name.startswith(prefix)]
    return tuple(sorted(file for file in found if file.name.endswith(SUFFIX)))


def write_rescue(file: Path, ended: Sequence[Attempted]) -> None:
    """Keep calls that have ended, private and on the disk before this returns. Raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        for one in ended:
            out.write(json.dumps(_record(one)) + "\n")
        out.flush()
        os.fsync(out.fileno())
    sync_folder(file.parent)


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a dead session left for the next one: calls by session, and the files they are in."""

    n_calls: int
    files: tuple[Path, ...]

    def discard(self) -> None:
        """Remove the files, once what they hold is committed."""
        for file in self.files:
            file.unlink(missing_ok=True)


def read_in(
    connection: Connection,
    database: Path,
    experiment_key: int,
    experiment_id: str,
    spec: AnswerSpec,
) -> Rescued:
    """Record what dead sessions of an experiment could not; calls that are not open are done.

    For the holder of the experiment's lock, inside the transaction that opens its session.
    """
    files = rescue_files(database, experiment_id)
    n_calls = 0
    for file in files:
        session_id = int(file.name.removesuffix(SUFFIX).rpartition("-")[2])
        ended = [one for one in _ended(file) if _is_open(connection, session_id, one)]
        close_attempts(connection, experiment_key, ended, spec)
        connection.exec_driver_sql(
            "UPDATE run_sessions SET n_calls = n_calls + ?, n_results = n_results + ?"
            " WHERE session_id = ?",
            (len(ended), sum(one.final for one in ended), session_id),
        )
        n_calls += len(ended)
    return Rescued(n_calls, files)


def _is_open(connection: Connection, session_id: int, ended: Attempted) -> bool:
    found = connection.exec_driver_sql(
        "SELECT 1 FROM attempts WHERE attempt_id = ? AND session_id = ? AND narrative_id = ?"
        " AND status = 'open'",
        (ended.attempt.attempt_id, session_id, ended.attempt.job.narrative.narrative_id),
    ).first()
    return found is not None


def _record(ended: Attempted) -> dict[str, Any]:
    job, outcome = ended.attempt.job, ended.outcome
    answer = outcome.answer if isinstance(outcome, Answered) else None
    fault = outcome if isinstance(outcome, Fault) else None
    return {
        "attempt_id": ended.attempt.attempt_id,
        "narrative_id": job.narrative.narrative_id,
        "n_calls": job.n_calls,
        "first_error": job.first_error,
        "final": ended.final,
        "started_at": ended.started_at,
        "response_sec": ended.response_sec,
        "answer": answer and {"values": dict(answer.values), "repaired": answer.repaired},
        "fault": fault and [fault.category, fault.message, fault.blame, fault.http_status],
        "reply": outcome.reply and asdict(outcome.reply),
    }


def _ended(file: Path) -> Iterator[Attempted]:
    """The calls in a file; a last line that was cut by a crash is left out."""
    for line in file.read_text(encoding="ascii").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            return
        narrative = Narrative(record["narrative_id"], 0, "", "", "")
        job = Job(narrative, n_calls=record["n_calls"], first_error=record["first_error"])
        yield Attempted(
            OpenAttempt(record["attempt_id"], job),
            _outcome(record),
            record["final"],
            record["started_at"],
            record["response_sec"],
        )


def _outcome(record: dict[str, Any]) -> Outcome:
    reply = record["reply"] and Reply(**record["reply"])
    if record["answer"]:
        answer = Answer(record["answer"]["values"], tuple(record["answer"]["repaired"]))
        return Answered(answer, reply)
    category, message, blame, http_status = record["fault"]
    return Fault(ErrorCategory(category), message, Blame(blame), http_status, reply=reply)
