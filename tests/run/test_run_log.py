"""The log of an experiment: one file that does not grow for ever, private, never in the way."""

import pytest

from overnight import runlog
from overnight.config.expand import Secrets
from overnight.events import Said
from overnight.runlog import RunLog


@pytest.fixture
def file(tmp_path):
    return tmp_path / "logs" / "run.log"


def write(file, *lines):
    with RunLog(file, Secrets()) as log:
        for line in lines:
            log(Said(line))


def test_sessions_append(file):
    write(file, "one")
    write(file, "two")
    assert [line.split(" ", 2)[2] for line in file.read_text().splitlines()] == ["one", "two"]


def test_a_full_log_is_put_aside_and_the_newest_three_are_kept(file, monkeypatch):
    monkeypatch.setattr(runlog, "LARGEST", 1000)
    for session in range(4):
        write(file, *(f"line {session}-{n} " + "x" * 60 for n in range(20)))
    names = sorted(path.name for path in file.parent.iterdir())
    assert names == ["run.log", "run.log.1", "run.log.2", "run.log.3"]
    assert all(path.stat().st_size <= 1000 for path in file.parent.iterdir())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in file.parent.iterdir())
    assert "line 3-19" in file.read_text()
    assert "line 3-" in file.with_name("run.log.1").read_text()


def test_a_log_that_cannot_be_written_is_passed_over(file, monkeypatch):
    monkeypatch.setattr(runlog, "LARGEST", 200)
    with RunLog(file, Secrets()) as log:
        log(Said("one"))
        file.unlink()
        file.parent.rmdir()
        for _ in range(10):
            log(Said("x" * 50))
    assert not file.exists()
