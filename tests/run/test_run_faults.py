"""The disk, the clock, the machine and other people's programs misbehave; the run does not."""

import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from run_disks import locked

from overnight import clock
from overnight.commands.resume import Changes, resume
from overnight.domain.experiment import Status
from overnight.errors import DatabaseBusy
from overnight.events import StoodStill
from overnight.record import recorder
from overnight.store.rescue import SUFFIX
from overnight.testing import keyword_script, scripted_server, wait_until


def said(study) -> str:
    return "\n".join(getattr(event, "message", "") for event in study.events)


def on(disk, study):
    """The study with its database on a disk of its own."""
    study.database = disk.folder / "overnight.db"
    return study


# --- a database that somebody else has locked --------------------------------------------------


def test_a_locked_database_is_waited_for_without_new_calls_and_nothing_is_lost(study):
    def script(call):
        if len(server.calls) == 20:
            holding.append(locked(study.database))
            unlock.append(holding[0].__enter__())
            since.append(time.monotonic())
        return keyword_script(call)

    holding, unlock, since = [], [], []
    with scripted_server(script, delay=0.01) as server:
        study.data(100).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: since and time.monotonic() - since[0] > 2.5)
        stalled_at = len(server.calls)
        while "locked the database" not in process.stderr.readline():
            assert process.poll() is None
        assert len(server.calls) == stalled_at
        unlock[0]()
        process.communicate(timeout=30)

    assert process.returncode == 0
    assert stalled_at <= 20 + 4 + 16
    assert len(server.calls) == 100
    assert study.query("SELECT DISTINCT status FROM narrative_attempts") == [("answered",)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_database_is_locked_takes_moments_and_loses_nothing(study, how):
    """SLURM kills 30 s after SIGTERM; what cannot be recorded by then waits in a file."""

    def script(call):
        if len(server.calls) == 20:
            holding.append(locked(study.database))
            unlock.append(holding[0].__enter__())
            since.append(time.monotonic())
        return keyword_script(call)

    holding, unlock, since = [], [], []
    with scripted_server(script, delay=0.01) as server:
        study.data(60).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: since and time.monotonic() - since[0] > 1.5)
        process.send_signal(how)
        asked = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - asked < 10
        assert process.returncode == 128 + how
        assert "that could not be recorded" in err
        assert list(study.folder.glob(f"*{SUFFIX}"))
        unlock[0]()
        assert study.run().counts.answered == 60
        assert len(server.calls) == 60  # every answer that was paid for counts
    assert not list(study.folder.glob(f"*{SUFFIX}"))


def test_a_stop_is_heard_before_the_first_call_too(study, server):
    """A start that waits for a locked database."""
    study.data(5).configure(server.url).run()
    with locked(study.database):
        process = study.start("run", "study.yaml", "--new")
        wait_until(lambda: b"narratives in" in os.read(process.stderr.fileno(), 1000))
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.wait(timeout=20)
    assert process.returncode == 143
    assert time.monotonic() - asked < 5


def test_what_cannot_be_recorded_for_too_long_is_kept_and_recorded_at_the_end(study, monkeypatch):
    monkeypatch.setattr(recorder, "PATIENCE", 1.0)
    modes: list[int] = []

    def hold_until_something_is_kept():
        with locked(study.database) as unlock:
            ready.set()
            wait_until(lambda: list(study.folder.glob(f"*{SUFFIX}")))
            (file,) = study.folder.glob(f"*{SUFFIX}")
            modes.append(file.stat().st_mode & 0o777)
            unlock()

    def script(call):
        if len(server.calls) == 20:
            threading.Thread(target=hold_until_something_is_kept).start()
            ready.wait()
        return keyword_script(call)

    ready = threading.Event()
    with scripted_server(script, delay=0.2) as server:
        study.data(100).configure(server.url)
        with pytest.raises(DatabaseBusy, match="close it, then type the same command again"):
            study.run()

    assert modes == [0o600]
    assert "that could not be recorded" in said(study)
    assert not list(study.folder.glob(f"*{SUFFIX}"))
    assert study.value("SELECT status FROM experiments") == "failed"
    answered = "SELECT count(*) FROM narrative_attempts WHERE status = 'answered'"
    assert study.value(answered) >= len(server.calls) - 1
    with scripted_server() as server:
        study.configure(server.url)
        assert study.run().counts.answered == 100


def test_a_session_that_died_with_unrecorded_answers_leaves_them_to_the_next(study, make_study):
    reference = make_study("reference")
    with scripted_server() as server:
        reference.data(60).configure(server.url).run()

    def script(call):
        if len(server.calls) == 20:
            holding.append(locked(study.database))
            unlock.append(holding[0].__enter__())
        return keyword_script(call)

    holding, unlock = [], []
    code = (
        "from overnight.cli import main; from overnight.record import recorder;"
        " recorder.PATIENCE = 1.0; main()"
    )
    with scripted_server(script, delay=0.3) as server:
        study.data(60).configure(server.url)
        process = subprocess.Popen(
            [sys.executable, "-c", code, "run", "study.yaml"],
            cwd=study.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while "that could not be recorded" not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
        process.communicate()
        unlock[0]()
        n_before = len(server.calls)
        server.script = keyword_script
        assert study.run().status is Status.COMPLETED

    assert "that the last session could not record" in said(study)
    assert not list(study.folder.glob(f"*{SUFFIX}"))
    assert n_before >= 20
    assert len(server.calls) == 60
    assert study.answers() == reference.answers()
    assert study.value("SELECT sum(n_results) FROM run_sessions") == 60


def test_a_reader_that_holds_a_snapshot_for_the_whole_run_disturbs_nothing(study, server):
    study.data(400).configure(server.url, run={"max_narratives": 1}).run()
    with closing(sqlite3.connect(study.database, isolation_level=None)) as notebook:
        notebook.execute("BEGIN")
        before = notebook.execute("SELECT count(*) FROM narrative_results").fetchone()
        result = resume(
            "latest",
            db=study.database,
            changes=Changes(max_narratives=400),
            handler=study.events.append,
        )
        assert result.counts.answered == 400
        assert notebook.execute("SELECT count(*) FROM narrative_results").fetchone() == before


# --- a disk that is full, or may not be written --------------------------------------------------


@pytest.mark.parametrize(("size", "n_calls"), [("200k", 0), ("1m", 1)])
def test_a_full_disk_stops_the_run_and_after_making_room_the_same_command_goes_on(
    study, server, make_disk, size, n_calls
):
    disk = make_disk(size)
    on(disk, study).data(1500).configure(
        server.url, data={"file": str(study.folder / "narratives.csv")}
    )
    process = study.start("run", "study.yaml")
    _, told = process.communicate(timeout=60)

    assert process.returncode == 1, told
    assert str(study.database) in told
    assert "MB free" in told
    assert "Traceback" not in told
    assert (len(server.calls) > 0) == (n_calls > 0)
    disk.change("size=50m")
    safe = len(study.query("SELECT 1 FROM narrative_results")) if n_calls else 0
    assert study.run().counts.answered == 1500
    lost = study.value("SELECT count(*) FROM narrative_attempts WHERE status = 'lost'")
    assert len(server.calls) <= 1500 + lost
    assert safe >= 0


def test_a_disk_without_room_for_a_backup_is_no_reason_not_to_go_on(study, server, make_disk):
    disk = make_disk("40m")
    on(disk, study).data(300).configure(server.url, run={"max_narratives": 150}).run()
    room = os.statvfs(disk.folder)
    (disk.folder / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_frsize - 700_000))
    result = resume(
        "latest",
        db=study.database,
        changes=Changes(max_narratives=160),
        handler=study.events.append,
    )
    assert result.status is Status.COMPLETED
    assert "no backup was made" in said(study)
    assert "--no-backup" in said(study)
    assert not list((disk.folder / "backups").glob("*"))


def test_a_folder_that_may_not_be_written_is_said_in_a_sentence(study, server, make_disk):
    disk = make_disk("10m")
    on(disk, study).data(5).configure(server.url, run={"max_narratives": 3})
    assert study.start("run", "study.yaml").wait(timeout=30) == 0
    disk.change("ro")
    for words in (["run", "study.yaml"], ["resume", "latest", "--max-narratives", "5"], ["list"]):
        process = study.start(*words)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 2, told
        assert str(disk.folder) in told
        assert "Traceback" not in told


def test_a_damaged_database_is_said_in_a_sentence_that_names_the_backup(study, server):
    study.data(50).configure(server.url, run={"max_narratives": 40}).run()
    resume(
        "latest",
        db=study.database,
        changes=Changes(max_narratives=45),
        handler=study.events.append,
    )
    page = study.value("SELECT rootpage FROM sqlite_master WHERE name = 'results'")
    with study.database.open("r+b") as file:
        file.seek((page - 1) * 8192)
        file.write(b"\x5a" * 8192)
    process = study.start("resume", "latest", "--max-narratives", "50")
    _, told = process.communicate(timeout=30)
    (backup,) = (study.folder / "backups").glob("*.db")  # and none is made of what is damaged
    assert process.returncode == 3, told
    assert "damaged" in told
    assert str(backup) in told
    assert "Traceback" not in told


# --- the process and the machine stand still ------------------------------------------------------


def test_a_stopped_owner_keeps_its_experiment_and_goes_on_when_it_is_continued(study):
    with scripted_server(delay=0.3) as server:
        study.data(40).configure(server.url, model={"timeout_sec": 2})
        owner = study.start("run", "study.yaml")
        wait_until(lambda: server.in_flight == 4)
        owner.send_signal(signal.SIGSTOP)
        second = study.start("run", "study.yaml")
        _, told = second.communicate(timeout=20)
        assert second.returncode == 3
        assert f"process {owner.pid} " in told
        time.sleep(6)  # longer than any of its timeouts: that is what is tested
        owner.send_signal(signal.SIGCONT)
        _, told = owner.communicate(timeout=60)

    assert owner.returncode == 0, told
    assert "nothing happened here for" in told
    assert study.value("SELECT count(*) FROM narrative_attempts") == len(server.calls)
    assert study.value("SELECT count(*) FROM narrative_results WHERE error_occurred") == 0
    assert study.value("SELECT count(*) FROM run_sessions") == 1
    assert study.value("SELECT stood_still_sec FROM run_sessions") > 5
    assert study.value("SELECT total_runtime_sec FROM experiments") < 10 + 40 * 0.3


def test_a_machine_that_slept_for_an_hour_is_shown_as_having_slept_not_as_slow(study, monkeypatch):
    def script(call):
        if len(server.calls) == 30:
            asleep.append(3600.0)
        return keyword_script(call)

    asleep: list[float] = []
    awake = clock.seconds_since_boot
    monkeypatch.setattr(clock, "seconds_since_boot", lambda: awake() + sum(asleep))
    with scripted_server(script, delay=0.02) as server:
        assert study.data(60).configure(server.url).run().counts.answered == 60

    (still,) = [event for event in study.events if isinstance(event, StoodStill)]
    assert 3600 <= still.seconds < 3610
    assert study.value("SELECT total_runtime_sec FROM experiments") < 30
    assert study.value("SELECT stood_still_sec FROM run_sessions") >= 3600


def test_a_clock_that_jumps_back_an_hour_falsifies_nothing(study, monkeypatch):
    def script(call):
        if len(server.calls) == 30:
            jumped.append(-3600.0)
        return keyword_script(call)

    jumped: list[float] = []
    honest = time.time
    monkeypatch.setattr(time, "time", lambda: honest() + sum(jumped))
    with scripted_server(script, delay=0.02) as server:
        assert study.data(60).configure(server.url, run={"max_narratives": 50}).run().status
        first = study.value("SELECT experiment_id FROM experiments")
        study.configure(server.url, run={"seed": 5}, experiment={"name": "later"})
        study.config = study.folder / "later.yaml"
        study.configure(server.url, run={"seed": 5}, experiment={"name": "later"}).run()

    assert study.query("SELECT n_narratives_completed FROM experiments ORDER BY 1") == [
        (50,),
        (60,),
    ]
    assert all(0 < row[0] < 60 for row in study.query("SELECT total_runtime_sec FROM experiments"))
    process = study.start("status", "latest", "--json")
    out, _ = process.communicate(timeout=20)
    assert first not in out  # the newest is what was made last, whatever its clock said


# --- terminals -----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("setsid") is None, reason="a terminal needs a session of its own")
def test_a_run_outlives_its_terminal(study):
    with scripted_server(delay=0.05) as server:
        study.data(60).configure(server.url)
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *study.command("run", "study.yaml")],
            cwd=study.folder,
            stdin=follower,
            stdout=follower,
            stderr=follower,
        )
        os.close(follower)
        wait_until(lambda: len(server.calls) >= 5)
        os.close(leader)  # the kernel sends SIGHUP to whoever the terminal belonged to
        assert process.wait(timeout=30) == 0
    assert study.value("SELECT status FROM experiments") == "completed"
