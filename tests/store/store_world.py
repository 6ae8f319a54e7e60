"""Datasets, experiments and sessions made by hand, through the functions of the store."""

import json
import time
import uuid
from pathlib import Path

from overnight.domain.answer import DEFAULT_ANSWER, Answer
from overnight.domain.attempt import Attempted, Job, OpenAttempt
from overnight.domain.narrative import Narrative, SourceNarrative
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, Reply
from overnight.store.database import Database
from overnight.store.experiments import create_experiment
from overnight.store.ledger import close_attempts, close_lost, delete_unsent, open_attempts
from overnight.store.loading import add_narratives, begin_dataset, finish_dataset
from overnight.store.remaining import remaining_page
from overnight.store.sessions import SignOfLife, end_dead_sessions, fence, open_session
from overnight.store.times import as_text

CONFIG = {
    "experiment": {"name": "study"},
    "model": {"name": "invented", "api_url": "http://localhost/v1"},
    "data": {"file": "narratives.csv"},
}
UNREADABLE = Fault(
    ErrorCategory.PARSE_ERROR, "no JSON in it", Blame.NARRATIVE, reply=Reply("what?")
)
DOWN = Fault(ErrorCategory.API_ERROR, "no connection", Blame.SERVER)


def answered(*, detected: bool = True) -> Answered:
    values = {"detected": detected, "confidence": 0.5, "indicators": ["a"], "rationale": "r"}
    return Answered(Answer(values), Reply(json.dumps(values), "stop", 10, 5, "m", "fp"))


class World:
    """A database with what tests need in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path: Path = database.path

    def dataset(self, n: int, *, checksum: str = "sha256:0", start: int = 0) -> int:
        """`n` narratives; every third is labelled 1, every third 0, the others not at all."""
        dataset = begin_dataset(
            self.database, checksum, "{}", data_source="/data/narratives.csv", layout="long"
        )
        rows = [
            SourceNarrative(
                f"{start + i:06d}", "cme" if i % 2 else "le", f"text {i}", ("1", "0", None)[i % 3]
            )
            for i in range(n)
        ]
        add_narratives(self.database, dataset, rows, 1)
        finish_dataset(self.database, dataset, {}, time.time())
        return dataset

    def experiment(self, dataset: int, n: int, **columns: object) -> int:
        """A running experiment over the first `n` narratives; its key."""
        now = as_text(time.time())
        values = {
            "experiment_id": str(uuid.uuid4()),
            "experiment_name": "study",
            "status": "running",
            "model_name": "invented",
            "model_provider": "openai",
            "n_narratives_total": n,
            "start_time": now,
            "created_at": now,
            "dataset_id": dataset,
            "data_checksum": "sha256:0",
            "config_json": json.dumps(CONFIG),
            "binding_sha256": "0",
            "primary_type": "boolean",
            **columns,
        }
        with self.database.write() as connection:
            return create_experiment(connection, values)

    def session(self, experiment: int, *, kind: str = "start") -> tuple[int, int]:
        """Take the experiment over as a new process would; (session id, calls lost)."""
        with self.database.write() as connection:
            end_dead_sessions(connection, experiment)
            lost = close_lost(connection, experiment)
            session = open_session(
                connection,
                {
                    "experiment_key": experiment,
                    "experiment_id": "id",
                    "kind": kind,
                    "host": "here",
                    "pid": 1,
                    "started_at": as_text(time.time()),
                    "overnight_version": "0",
                },
            )
        return session, lost

    def remaining(self, experiment: int, dataset: int, *, last: int = 10**9) -> list[Job]:
        """Everything that remains, with its history."""
        with self.database.read() as connection:
            return remaining_page(connection, experiment, dataset, after=0, last=last, size=10**6)

    def open(self, session: int, experiment: int, jobs: list[Job]) -> list[OpenAttempt]:
        """Enter calls, as the recorder does."""
        with self.database.write() as connection:
            fence(connection, session, SignOfLife(time.time()))
            ids = open_attempts(connection, session, experiment, jobs, time.time())
        for job in jobs:
            job.n_calls += 1
        return [OpenAttempt(i, job) for i, job in zip(ids, jobs, strict=True)]

    def close(self, session: int, experiment: int, *ended: Attempted) -> None:
        """Record how calls ended, as the recorder does."""
        n_results = sum(one.final for one in ended)
        with self.database.write() as connection:
            fence(
                connection,
                session,
                SignOfLife(time.time(), n_calls=len(ended), n_results=n_results),
            )
            close_attempts(connection, experiment, ended, DEFAULT_ANSWER)

    def withdraw(self, session: int, attempts: list[OpenAttempt]) -> None:
        """Take calls off that were never sent, as the recorder does."""
        with self.database.write() as connection:
            fence(connection, session, SignOfLife(time.time()))
            delete_unsent(connection, [attempt.attempt_id for attempt in attempts])

    def answer_all(self, session: int, experiment: int, jobs: list[Job]) -> None:
        """Open and answer everything."""
        opened = self.open(session, experiment, jobs)
        self.close(session, experiment, *[ended(a, answered(detected=True)) for a in opened])

    def rows(self, sql: str, **values: object) -> list[tuple]:
        """Rows of a query."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(sql, values)]

    def value(self, sql: str, **values: object) -> object:
        """The one value of a query."""
        return self.rows(sql, **values)[0][0]

    def everything(self) -> dict[str, list[tuple]]:
        """Every row of every table."""
        tables = [r[0] for r in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: self.rows(f"SELECT * FROM {table}") for table in tables}


def ended(attempt: OpenAttempt, outcome: object, *, final: bool = True) -> Attempted:
    """A call that ended now."""
    return Attempted(attempt, outcome, final, time.time(), 0.25)


def narrative(narrative_id: int) -> Narrative:
    """A narrative with this id."""
    return Narrative(narrative_id, narrative_id, str(narrative_id), "cme", "text")
