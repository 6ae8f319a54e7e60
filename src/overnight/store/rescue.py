"""Answers that could not be recorded: kept in a file beside the database for the next session."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overnight.domain.answer import Answer, AnswerSpec
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Outcome, Reply
from overnight.private import sync_folder
from overnight.store.connection import Connection
from overnight.store.ledger import close_attempts, tokens_of

SUFFIX = ".rescue.jsonl"
DAMAGED = f".damaged{SUFFIX}"


def rescue_file(database: Path, experiment_id: str, session_id: int) -> Path:
    """Where a session keeps what it could not record."""
    real = database.resolve()
    return real.with_name(f"{real.name}.{experiment_id}-{session_id}{SUFFIX}")


def rescue_files(database: Path, experiment_id: str) -> tuple[Path, ...]:
    """All that sessions of an experiment could not record; also what was damaged and put aside."""
    real = database.resolve()
    prefix = f"{real.name}.{experiment_id}-"
    found = [file for file in real.parent.iterdir() if file.name.startswith(prefix)]
    return tuple(sorted(file for file in found if file.name.endswith((SUFFIX, DAMAGED))))


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
    """What a dead session left for the next one: how many calls, and the files they are in."""

    n_calls: int
    files: tuple[Path, ...]
    damaged: tuple[Path, ...] = ()  # of these, those with lines that nobody can read

    def discard(self) -> None:
        """Remove the files, once what they hold is committed; a damaged one is put aside.

        One that cannot be removed does no harm: what it holds is not done twice.
        """
        for file in self.files:
            with suppress(OSError):
                if file in self.damaged:
                    file.rename(set_aside(file))
                else:
                    file.unlink()


def set_aside(file: Path) -> Path:
    """Where a damaged file is kept: no session reads it again."""
    return file.with_name(f"{file.name.removesuffix(SUFFIX)}{DAMAGED}")


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
    files = _files(database, experiment_id)
    n_calls, damaged = 0, []
    for file, session_id in files.items():
        read = list(_ended(file))
        ended = [one for one in read if one is not None and _is_open(connection, session_id, one)]
        if None in read:
            damaged.append(file)
        close_attempts(connection, experiment_key, ended, spec)
        connection.execute(
            "UPDATE run_sessions SET n_calls = n_calls + ?, n_results = n_results + ?,"
            " prompt_tokens = prompt_tokens + ?, completion_tokens = completion_tokens + ?,"
            " n_with_tokens = n_with_tokens + ? WHERE session_id = ?",
            (len(ended), sum(one.final for one in ended), *tokens_of(ended), session_id),
        )
        n_calls += len(ended)
    return Rescued(n_calls, tuple(files), tuple(damaged))


def _files(database: Path, experiment_id: str) -> dict[Path, int]:
    """The files of an experiment, each with the session that wrote it."""
    real = database.resolve()
    prefix, found = f"{real.name}.{experiment_id}-", {}
    for file in sorted(real.parent.iterdir()):
        session = file.name.removeprefix(prefix).removesuffix(SUFFIX)
        is_ours = file.name == f"{prefix}{session}{SUFFIX}" and session.isdecimal()
        if is_ours and file.is_file():
            found[file] = int(session)
    return found


def _is_open(connection: Connection, session_id: int, ended: Attempted) -> bool:
    found = connection.row_or_none(
        "SELECT 1 FROM attempts WHERE attempt_id = ? AND session_id = ? AND narrative_id = ?"
        " AND status = 'open'",
        (ended.attempt.attempt_id, session_id, ended.attempt.job.narrative.narrative_id),
    )
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


def _ended(file: Path) -> Iterator[Attempted | None]:
    """The calls in a file, None for a line that is none; a last one cut by a crash is left out."""
    *lines, _cut = file.read_text(encoding="ascii", errors="replace").split("\n")
    for line in lines:
        try:
            yield _attempted(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            yield None


def _attempted(record: dict[str, Any]) -> Attempted:
    narrative = Narrative(int(record["narrative_id"]), 0, "", "", "")
    job = Job(narrative, n_calls=int(record["n_calls"]), first_error=record["first_error"])
    return Attempted(
        OpenAttempt(int(record["attempt_id"]), job),
        _outcome(record),
        bool(record["final"]),
        float(record["started_at"]),
        float(record["response_sec"]),
    )


def _outcome(record: dict[str, Any]) -> Outcome:
    reply = record["reply"] and Reply(**record["reply"])
    if record["answer"]:
        answer = Answer(record["answer"]["values"], tuple(record["answer"]["repaired"]))
        return Answered(answer, reply)
    category, message, blame, http_status = record["fault"]
    return Fault(ErrorCategory(category), message, Blame(blame), http_status, reply=reply)
