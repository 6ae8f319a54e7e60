"""What takes long: a stopped owner, a database that is locked, a reader that never lets go."""

import contextlib
import signal
import sqlite3
import time

from chaos_invariants import all_locks_are_free, no_call_is_sent_that_is_not_on_the_books
from chaos_look import Look, look
from chaos_phases import RESUME, RUN
from chaos_study import Bench, Study, configure, locked

from overnight.testing import wait_until

STOPPED_SEC = 90
LOCKED_SEC = 30


def a_stopped_owner(bench: Bench) -> str:
    """An owner that is stopped for 90 s, with timeout_sec 5, while others try: still one writer."""
    study = bench.new("large")
    configure(study, bench.server.url, timeout_sec=5)
    owner = study.start(*RUN)
    wait_until(lambda: study.n_calls >= 500)
    owner.send_signal(signal.SIGSTOP)
    until = time.monotonic() + STOPPED_SEC
    refusals = []
    while time.monotonic() < until:
        for words, code in ((RUN, 3), ((*RESUME, "latest"), 3), (("status",), 0), (("backup",), 0)):
            began = time.monotonic()
            assert study.finish(*words) == code, words
            if code:
                refusals.append(time.monotonic() - began)
    at_wake_up = look(study)
    owner.send_signal(signal.SIGCONT)
    assert owner.wait(timeout=120) == 0
    done = look(study)
    assert (done.n_sessions, done.n_results) == (1, study.limit)
    assert at_wake_up.results.items() <= done.results.items()
    _all_on_the_books(study, done)
    assert done.statuses["lost"] == 0
    ((n_broken,),) = study.query(
        "SELECT count(*) FROM attempts WHERE error_category = 'api_error' AND http_status IS NULL"
    )
    return (
        f"{len(refusals)} others were refused, each after {max(refusals):.1f} s at the most "
        f"(a whole command); {n_broken} calls had no answer and were made again"
    )


def a_locked_database(bench: Bench) -> str:
    """Another program holds the right to write for 30 s: no call is made in vain."""
    study = bench.new("small")
    process = study.start(*RUN)
    wait_until(lambda: study.n_calls >= 40)
    with locked(study.database):
        began, n_before = time.monotonic(), study.n_calls
        while time.monotonic() - began < LOCKED_SEC:
            time.sleep(0.5)
            assert process.poll() is None
        n_meanwhile = study.n_calls - n_before
    assert process.wait(timeout=60) == 0
    done = look(study)
    assert (done.n_sessions, done.n_results, done.statuses["lost"]) == (1, study.limit, 0)
    _all_on_the_books(study, done)
    return f"{n_meanwhile} calls were sent after it was locked; all are answered, none is lost"


def a_reader_that_never_lets_go(bench: Bench) -> str:
    """A reader holds a snapshot for a whole run: the journal grows, nothing else happens."""
    busy = _journal_of(bench, n=20_000, concurrency=64)
    slow = _journal_of(bench, n=1_000, concurrency=1)
    return (
        f"{busy[1] / 1e6:,.0f} MB after 20,000 results at 64 calls at once "
        f"({busy[1] / 20_000 / 1e3:.1f} KB a result; without a reader {busy[0] / 1e6:,.0f} MB); "
        f"one call at a time {slow[1] / 1_000 / 1e3:.1f} KB a result"
    )


def _journal_of(bench: Bench, *, n: int, concurrency: int) -> tuple[int, int]:
    """How large the journal is at its largest, without such a reader and with one."""
    return tuple(_largest_journal(bench, n, concurrency, hold=hold) for hold in (False, True))


def _largest_journal(bench: Bench, n: int, concurrency: int, *, hold: bool) -> int:
    study = bench.new("large")
    study.limit = n
    configure(study, bench.server.url, concurrency=concurrency)
    journal = study.database.with_name("overnight.db-wal")
    process = study.start(*RUN)
    wait_until(lambda: study.n_calls >= 1)
    largest = 0
    with contextlib.closing(_reader(study)) as reader:
        if hold:
            reader.execute("BEGIN")
        first = reader.execute("SELECT count(*) FROM results").fetchone()
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                largest = max(largest, journal.stat().st_size)
            time.sleep(0.05)
        if hold:
            assert reader.execute("SELECT count(*) FROM results").fetchone() == first
    assert process.returncode == 0
    done = look(study)
    assert done.n_results == n
    _all_on_the_books(study, done)
    return largest


def _reader(study: Study) -> sqlite3.Connection:
    return sqlite3.connect(f"{study.database.as_uri()}?mode=ro", uri=True, isolation_level=None)


def _all_on_the_books(study: Study, done: Look) -> None:
    no_call_is_sent_that_is_not_on_the_books(study, done, done)
    all_locks_are_free(study, done, done)
    assert done.problems == []
    assert done.statuses["open"] == 0


PARTS = (a_locked_database, a_stopped_owner, a_reader_that_never_lets_go)
