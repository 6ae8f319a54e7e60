"""Checks of the work: who is at it, what died, and whether the server is there."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from overnight.commands.doctor.finding import Finding, Subject
from overnight.domain.experiment import Status
from overnight.store import examine, lock
from overnight.store.examine import State
from overnight.store.times import from_text
from overnight.words import local_time

_PATIENCE = 3.0  # seconds for a connection


def check_sessions(subject: Subject) -> list[Finding]:
    """What a dead owner left open is no problem: the next session settles it."""
    found = []
    for state in examine.states(subject.connection):
        is_open = state.n_open or state.n_open_sessions or state.status == Status.RUNNING
        if is_open and not lock.is_held(subject.path, state.experiment_key):
            found.append(_crashed(state, subject.db_option))
    return found or [Finding("sessions", "ok", "none was left open by a process that died")]


def _crashed(state: State, db_option: str) -> Finding:
    calls = f", {state.n_open:,} calls open" if state.n_open else ""
    at = f" about {local_time(from_text(state.last_seen_at))}" if state.last_seen_at else ""
    return Finding(
        "sessions",
        "note",
        f"{_name(state)} crashed{at}{calls}; nothing it recorded is lost",
        f"overnight resume {state.experiment_id[:8]}{db_option}",
    )


def check_locks(subject: Subject) -> list[Finding]:
    """Who holds what; and whether a lock file was deleted under a process that works."""
    path = lock.lock_path(subject.path)
    states = examine.states(subject.connection)
    lost = [
        state
        for state in states
        if state.n_open_sessions
        and state.pid is not None
        and state.host == socket.gethostname()
        and lock.has_lost_file(subject.path, state.pid)
    ]
    if lost or not lock.is_on_disk(subject.path):
        return [_lost(subject, state) for state in lost] or [
            Finding("locks", "problem", f"{path} is not the file that this process has open")
        ]
    held = [_holder(state) for state in states if lock.is_held(subject.path, state.experiment_key)]
    for key, what in ((lock.LOADING, "data is being loaded"), (lock.BACKING_UP, "a backup")):
        if lock.is_held(subject.path, key):
            held.append(what if key == lock.LOADING else f"{what} is being made")
    if held:
        return [Finding("locks", "ok", text) for text in held]
    there = "" if path.exists() else "; there is no lock file, the next run makes one"
    return [Finding("locks", "ok", f"nobody works on the database{there}")]


def _lost(subject: Subject, state: State) -> Finding:
    return Finding(
        "locks",
        "problem",
        f"process {state.pid} works on {_name(state)}, and its lock file "
        f"{lock.lock_path(subject.path)} was deleted: a second run would not be refused",
        f"end it and start it again: kill {state.pid}, then "
        f"overnight resume {state.experiment_id[:8]}{subject.db_option}",
    )


def _holder(state: State) -> str:
    if not state.n_open_sessions or state.started_at is None:
        return f"{_name(state)} is held by a process that is about to begin"
    since = local_time(from_text(state.started_at))
    return f"process {state.pid} on {state.host} works on {_name(state)} since {since}"


def _name(state: State) -> str:
    return f"{state.experiment_id[:8]} ({state.name})"


def check_endpoints(subject: Subject) -> list[Finding]:
    """Whether the servers of unfinished experiments take a connection; nothing is sent."""
    unfinished = [
        state
        for state in examine.states(subject.connection)
        if state.status != Status.COMPLETED and state.remaining > 0 and state.api_url
    ]
    if not unfinished:
        return [Finding("endpoint", "ok", "no unfinished experiment needs one")]
    needed_by: dict[tuple[str, int], list[str]] = {}
    for state in unfinished:
        address = _address(state.api_url or "")
        if address is not None:
            needed_by.setdefault(address, []).append(state.experiment_id[:8])
    problems = connect_all(list(needed_by))
    return [
        _endpoint(address, needed_by[address], problem) for address, problem in problems.items()
    ]


def _endpoint(address: tuple[str, int], needed_by: list[str], problem: str | None) -> Finding:
    where = f"{address[0]}:{address[1]}"
    if problem is None:
        return Finding("endpoint", "ok", f"{where} takes connections")
    return Finding(
        "endpoint",
        "problem",
        f"{where} takes no connection ({problem}); needed by {', '.join(needed_by)}",
        "start the server, or name another with: overnight resume ID --api-url URL",
    )


def _address(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def connect_all(addresses: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str | None]:
    """For each address what is wrong with it, or None, within 3 s for all of them.

    In threads that nobody waits for longer: a name that is not resolved can take a minute.
    """
    problems: dict[tuple[str, int], str | None] = {}
    threads = [
        threading.Thread(target=_connect, args=(address, problems), daemon=True)
        for address in addresses
    ]
    deadline = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no connection within {_PATIENCE:g} s"
    found = dict(problems)  # a late thread may still write
    return {address: found.get(address, late) for address in addresses}


def _connect(address: tuple[str, int], problems: dict[tuple[str, int], str | None]) -> None:
    try:
        socket.create_connection(address, timeout=_PATIENCE).close()
        problems[address] = None
    except OSError as error:
        problems[address] = error.strerror or str(error)
    except UnicodeError:
        problems[address] = "no valid host name"


CHECKS: tuple[tuple[str, Callable[[Subject], list[Finding]]], ...] = (
    ("sessions", check_sessions),
    ("locks", check_locks),
    ("endpoint", check_endpoints),
)
