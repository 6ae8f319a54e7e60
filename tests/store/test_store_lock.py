"""Ownership: one process at a time, and a dead one blocks nobody."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.store import lock
from overnight.testing import wait_until

HOLD = """
import os, sys, time
from pathlib import Path
from overnight.store import lock
path, key = Path(sys.argv[1]), int(sys.argv[2])
print(lock.acquire(path, key), flush=True)
if sys.argv[3:] == ["fork"]:
    child = os.fork()
    if child:
        print(child, flush=True)
sys.stdin.readline()
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path) -> Iterator[Path]:
    """A database's path; nothing of it is held afterwards."""
    yield tmp_path / "overnight.db"
    for key in range(10):
        lock.release(tmp_path / "overnight.db", key)


@contextlib.contextmanager
def holder(path: Path, key: int = 1, *options: str) -> Iterator[subprocess.Popen]:
    """Another process that has tried to take the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(key), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        process.got = process.stdout.readline().strip() == "True"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_until_the_first_gives_it_back(path):
    assert lock.acquire(path, 1)
    with holder(path) as second:
        assert not second.got
    lock.release(path, 1)
    with holder(path) as third:
        assert third.got


def test_the_same_process_is_refused_too(path):
    assert lock.acquire(path, 1)
    assert not lock.acquire(path, 1)
    lock.release(path, 1)
    assert lock.acquire(path, 1)


def test_a_killed_owner_blocks_nobody(path):
    with holder(path) as owner:
        assert owner.got
        assert not lock.acquire(path, 1)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert lock.acquire(path, 1)


def test_a_stopped_owner_still_owns(path):
    with holder(path) as owner:
        owner.send_signal(signal.SIGSTOP)
        assert not lock.acquire(path, 1)
        assert lock.is_held(path, 1)


def test_a_forked_child_keeps_nothing_alive_after_its_parents_death(path):
    with holder(path, 1, "fork") as owner:
        assert owner.got
        child = int(owner.stdout.readline())
        assert not lock.acquire(path, 1)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        try:
            os.kill(child, 0)  # alive
            assert lock.acquire(path, 1)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def in_a_child(function) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if function() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_does_not_believe_that_it_owns_what_its_parent_owns(path):
    assert lock.acquire(path, 1)
    assert in_a_child(lambda: not lock.acquire(path, 1))
    assert in_a_child(lambda: lock.is_held(path, 1))
    assert in_a_child(lambda: lock.release(path, 1) is None and not lock.acquire(path, 1))
    lock.release(path, 1)

    read, write = os.pipe()
    assert lock.acquire(path, 1)
    child = os.fork()
    if child == 0:
        os.read(read, 1)  # until the parent has given it back
        os._exit(0 if lock.acquire(path, 1) else 1)
    lock.release(path, 1)
    os.write(write, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_looking_takes_nothing_and_waits_for_nothing(path):
    assert not lock.is_held(path, 1)
    assert not lock.lock_path(path).exists(), "not even the file is made"
    assert lock.acquire(path, 2)
    assert not lock.is_held(path, 1)
    with holder(path, 1) as owner:
        assert owner.got, "looking had not taken it"
        assert lock.is_held(path, 1)
        assert lock.is_held(path, 1)
        assert lock.is_held(path, 2)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert not lock.is_held(path, 1)


def test_looking_does_not_let_go_of_what_the_process_holds_itself(path):
    """Closing any descriptor of a file drops the process's record locks on it."""
    assert lock.acquire(path, 1)
    assert lock.is_held(path, 1)
    assert not lock.is_held(path, 2)
    with holder(path) as second:
        assert not second.got


def test_experiments_do_not_block_each_other(path):
    assert lock.acquire(path, 1)
    assert lock.acquire(path, lock.LOADING)
    with holder(path, 2) as other:
        assert other.got
        assert lock.is_held(path, 2)


def test_databases_do_not_block_each_other(path, tmp_path):
    other = tmp_path / "other.db"
    assert lock.acquire(path, 1)
    assert lock.acquire(other, 1)
    lock.release(other, 1)


def test_a_database_is_the_same_through_a_link(path, tmp_path):
    path.touch()
    link, folder = tmp_path / "link.db", tmp_path / "linked"
    link.symlink_to(path)
    folder.symlink_to(tmp_path, target_is_directory=True)
    assert lock.acquire(link, 1)
    assert not lock.acquire(path, 1)
    assert not lock.acquire(folder / "overnight.db", 1)
    with holder(folder / "link.db") as second:
        assert not second.got
    assert lock.is_held(path, 1)
    lock.release(path, 1)
    assert not lock.is_held(link, 1)


def test_the_lock_file_stays_and_is_no_sign_of_an_owner(path):
    with holder(path) as owner:
        assert owner.got
    wait_until(lambda: not lock.is_held(path, 1))
    assert lock.lock_path(path).exists()
    assert lock.acquire(path, 1)
    lock.release(path, 1)
    assert lock.lock_path(path).exists()


def test_giving_back_what_is_not_held_changes_nothing(path):
    with holder(path) as owner:
        assert owner.got
        lock.release(path, 1)
        assert not lock.acquire(path, 1)
