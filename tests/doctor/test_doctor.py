"""`doctor` finds each thing that can be wrong, says what to do, and changes nothing itself."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from overnight.commands import doctor as doctor_package
from overnight.commands.backup import backup
from overnight.commands.doctor import Report, doctor, files, work
from overnight.errors import UsageError
from overnight.store import examine, filesystem, lock
from overnight.store.open import open_database
from overnight.store.schema.tables import SCHEMA_VERSION
from overnight.testing import scripted_server, wait_until

PAGE = 8192


@pytest.fixture
def done(study, server):
    """A completed study of 30 narratives."""
    study.data(30).configure(server.url).run()
    return study


def findings(report: Report, check: str, state: str | None = None) -> list:
    return [f for f in report.findings if f.check == check and state in (None, f.state)]


def the(report: Report, check: str, state: str):
    """The one finding of a check, in a state; it is a sentence."""
    [finding] = findings(report, check)
    assert finding.state == state, finding
    assert "\n" not in finding.message
    return finding


def problems(report: Report) -> list[str]:
    return [finding.check for finding in report.findings if finding.state == "problem"]


def write(study, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(study.database)) as connection:
        connection.execute(sql, values)
        connection.commit()


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def destroy_page(database: Path, sql: str) -> None:
    """Overwrite the root page of a table or index."""
    with closing(sqlite3.connect(database)) as connection:
        page = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (sql,)
        ).fetchone()[0]
    with database.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\x5a" * PAGE)


# --- all is well ---------------------------------------------------------------------------------


def test_a_healthy_study_is_fine_and_nothing_is_changed(done):
    backup(db=done.database)
    before = everything_in(done.folder)
    report = doctor(db=done.database, with_files=True)
    assert report.is_fine
    assert {finding.state for finding in report.findings} == {"ok"}
    assert {finding.check for finding in report.findings} == {
        *("integrity", "accounting", "datasets", "backups", "sessions", "locks", "endpoint"),
        *("room", "place", "journal", "rescue", "leftovers", "permissions"),
    }
    assert everything_in(done.folder) == before


def test_no_lock_is_taken(done, monkeypatch):
    monkeypatch.setattr(lock, "acquire", lambda *_: pytest.fail("a lock was taken"))
    assert doctor(db=done.database).is_fine


def test_a_running_experiment_is_examined_while_it_runs(study):
    with scripted_server(delay=0.02) as server:
        study.data(3000).configure(server.url)
        run = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) > 30)
        reports = [doctor(db=study.database) for _ in range(5)]
        assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        run.communicate()
    for report in reports:
        assert report.is_fine, problems(report)
        held = the(report, "locks", "ok").message
        assert held.startswith(f"process {run.pid} on {socket.gethostname()} works on ")


def test_what_a_crash_left_in_the_journal_is_read_and_left_there(study):
    with scripted_server(delay=0.02) as server:
        study.data(2000).configure(server.url)
        run = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) > 30)
        run.kill()
        run.communicate()
    journal = study.database.with_name("overnight.db-wal")
    before = (study.database.read_bytes(), journal.read_bytes())
    assert before[1]
    report = doctor(db=study.database)
    assert (study.database.read_bytes(), journal.read_bytes()) == before
    assert problems(report) == ["endpoint"]
    crashed = the(report, "sessions", "note")
    assert "crashed about" in crashed.message
    assert "calls open" in crashed.message
    identity = study.value("SELECT experiment_id FROM experiments")
    assert crashed.advice == f"overnight resume {identity[:8]} --db {study.database}"


def test_where_there_is_no_database_is_wrong_usage(tmp_path):
    for path in (tmp_path, tmp_path / "none.db"):
        with pytest.raises(UsageError, match="there is no database to examine"):
            doctor(db=path)
    assert list(tmp_path.iterdir()) == []


# --- damage --------------------------------------------------------------------------------------


def test_a_destroyed_page_is_found_and_the_commands_named_bring_back_the_backup(done):
    made = backup(db=done.database)
    answers = done.answers()
    destroy_page(done.database, "narratives")
    newer = made.path.with_name("overnight-20991231-000000.db")
    shutil.copy(done.database, newer)  # a newer backup, but no whole one
    before = everything_in(done.folder)

    report = doctor(db=done.database)
    assert everything_in(done.folder) == before
    damage = the(report, "integrity", "problem")
    assert "the database is damaged" in damage.message
    assert made.path.name in damage.advice
    assert "overnight-20991231" not in damage.advice
    assert the(report, "accounting", "problem").message.endswith("the database is damaged there")
    assert the(report, "datasets", "ok"), "what can be read is checked all the same"
    assert the(report, "permissions", "ok")

    _, *commands = damage.advice.splitlines()
    for command in commands:
        subprocess.run(command, shell=True, check=True)
    assert done.answers() == answers
    assert doctor(db=done.database).findings[0].state == "ok"


def test_damage_without_a_backup_names_what_can_still_be_done(done):
    destroy_page(done.database, "results")
    damage = the(doctor(db=done.database), "integrity", "problem")
    assert "there is no whole backup" in damage.advice
    assert ".recover" in damage.advice


def test_a_damaged_index_is_found(done):
    with closing(sqlite3.connect(done.database)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'incident_id, narrative_type',"
            " 'narrative_type, incident_id') WHERE name = 'uq_source_narrative'"
        )
        connection.commit()
    assert "index" in the(doctor(db=done.database), "integrity", "problem").message


def test_rows_that_point_to_nothing_are_found(done):
    write(done, "DELETE FROM run_sessions")
    [problem] = findings(doctor(db=done.database), "integrity")
    assert problem.state == "problem"
    assert "rows of attempts point to run_sessions that are gone" in problem.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"These are notes. " * 1000, "is no SQLite database, or its head is destroyed"),
        (b"short", "is no SQLite database, or its head is destroyed"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_database_is_said_to_be_none_and_its_files_are_looked_at(done, content, said):
    made = backup(db=done.database)
    done.database.write_bytes(content)
    done.database.chmod(0o644)
    report = doctor(db=done.database, with_files=True)
    found = the(report, "integrity", "problem")
    assert said in found.message
    assert not content or made.path.name in found.advice
    assert problems(report) == ["integrity", "permissions"]
    assert made.path in [file.path for file in report.files]


def test_a_database_of_others_or_of_tomorrow_is_not_judged(done, tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "of another program" in the(doctor(db=other), "integrity", "problem").message
    write(done, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert "newer overnight" in the(doctor(db=done.database), "integrity", "problem").message


def test_a_missing_table_spares_the_other_checks(done):
    write(done, "DROP TABLE left_out_rows")
    report = doctor(db=done.database)
    assert "no such table" in the(report, "accounting", "problem").message
    assert the(report, "sessions", "ok")


# --- accounting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE experiments SET n_narratives_total = 40", "covers 40 narratives, but 30 have"),
        ("UPDATE experiments SET n_narratives_total = 20", "has 10 results of narratives that it"),
        ("UPDATE datasets SET n_narratives = 31", "should hold 31 narratives, not 30"),
        ("UPDATE datasets SET n_left_out = 2", "should name 2 narratives left out, not 0"),
        ("UPDATE narratives SET row_num = 99 WHERE row_num = 30", "from 1 to 30"),
    ],
)
def test_what_does_not_add_up_is_named(done, sql, said):
    write(done, sql)
    report = doctor(db=done.database)
    assert problems(report)
    assert all(check == "accounting" for check in problems(report))
    assert any(said in finding.message for finding in findings(report, "accounting"))
    assert all(finding.advice for finding in findings(report, "accounting"))


def test_calls_for_another_dataset_are_named(done):
    write(
        done,
        "INSERT INTO datasets SELECT 2, 'sha256:x', mapping_json, data_source, layout, loaded_at,"
        " 1, 0, '{}', NULL FROM datasets",
    )
    write(
        done,
        "INSERT INTO narratives (narrative_id, dataset_id, row_num, incident_id, narrative_type,"
        " text_sha256, narrative_text) VALUES (999, 2, 1, 'a', 'cme', x'00', 'invented')",
    )
    assert doctor(db=done.database).is_fine
    write(done, "UPDATE attempts SET narrative_id = 999 WHERE attempt_id = 1")
    found = the(doctor(db=done.database), "accounting", "problem")
    assert "has 1 calls for narratives of another dataset" in found.message


def test_results_that_are_still_to_come_are_no_problem(done):
    write(done, "DELETE FROM results WHERE result_id > 20")
    assert the(doctor(db=done.database), "accounting", "ok")


def test_a_half_loaded_dataset_is_a_note_or_somebodys_work(done):
    write(
        done,
        "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
        " VALUES ('x', '{}', '/data/half.csv', 'long')",
    )
    report = doctor(db=done.database)
    assert report.is_fine
    assert "/data/half.csv was left half loaded" in the(report, "datasets", "note").message
    assert lock.acquire(done.database, lock.LOADING)
    try:
        report = doctor(db=done.database)
    finally:
        lock.release(done.database, lock.LOADING)
    assert the(report, "datasets", "ok").message == "/data/half.csv is being loaded"
    assert the(report, "locks", "ok").message == "data is being loaded"


# --- locks ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="told by /proc")
def test_a_lock_file_deleted_under_a_run_is_found(study):
    with scripted_server(delay=0.05) as server:
        study.data(2000).configure(server.url)
        run = study.start("run", "study.yaml")
        wait_until(lambda: len(server.calls) > 8)
        lock.lock_path(study.database).unlink()
        code = "import sys; from overnight.cli import main; main()"
        said = subprocess.run(
            [sys.executable, "-c", code, "doctor", "--db", study.database],
            capture_output=True,
            text=True,
            check=False,
        )
        run.kill()
        run.communicate()
    assert said.returncode == 1
    assert f"PROBLEM locks: process {run.pid} works on " in said.stdout
    assert "was deleted: a second run would not be refused" in said.stdout
    assert f"kill {run.pid}, then overnight resume " in said.stdout


def test_a_lock_file_replaced_under_this_very_process_is_found(done):
    assert lock.acquire(done.database, 77)
    lock.release(done.database, 77)
    path = lock.lock_path(done.database)
    path.unlink()
    assert not lock.is_on_disk(done.database)
    path.touch(mode=0o600)
    problem = the(doctor(db=done.database), "locks", "problem")
    assert "is not the file that this process has open" in problem.message


def test_a_backup_that_is_being_made_is_named(done):
    assert lock.acquire(done.database, lock.BACKING_UP)
    try:
        assert the(doctor(db=done.database), "locks", "ok").message == "a backup is being made"
    finally:
        lock.release(done.database, lock.BACKING_UP)


# --- room, journal, files ------------------------------------------------------------------------


def test_room_is_what_the_unfinished_experiments_need(done, monkeypatch):
    write(done, "DELETE FROM results WHERE result_id > 10")
    write(done, "UPDATE experiments SET status = 'failed'")
    with examine.looked_at(done.database) as connection:
        each = examine.bytes_per_result(connection, 1)
    assert 500 < each < 2000
    free = SimpleNamespace(free=int(20 * each) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: free)
    assert "make room" in the(doctor(db=done.database), "room", "problem").advice
    free.free += 2
    assert "no room for a backup" in the(doctor(db=done.database), "room", "note").message
    free.free = 10**12
    assert "1,000.0 GB free" in the(doctor(db=done.database), "room", "ok").message


def test_a_large_journal_is_a_problem_unless_a_backup_holds_it(done, monkeypatch):
    monkeypatch.setattr(files, "_LARGE_JOURNAL", 0)
    database = open_database(done.database)
    with database.write() as connection:
        connection.execute("UPDATE experiments SET notes = 'x'")
    problem = the(doctor(db=done.database), "journal", "problem")
    assert "overnight.db-wal has grown to" in problem.message
    assert "close notebooks" in problem.advice
    assert lock.acquire(done.database, lock.BACKING_UP)
    try:
        assert the(doctor(db=done.database), "journal", "ok")
    finally:
        lock.release(done.database, lock.BACKING_UP)
        database.close()


def test_rescued_results_are_announced(done):
    file = done.folder / "overnight.db.rescue.jsonl"
    file.touch(mode=0o600)
    report = doctor(db=done.database)
    assert report.is_fine
    assert the(report, "rescue", "note").message == (
        f"{file} holds uncommitted results: the next session reads it in"
    )


def test_what_dead_exports_and_backups_left_is_named(done):
    made = backup(db=done.database).path
    partial = made.with_name(f"{made.name}.0123abcd.partial")
    partial.touch(mode=0o600)
    [exports] = (done.folder / "exports").iterdir()
    young, old = exports / ".export-young.partial", exports / ".export-old.partial"
    for folder in (young, old):
        folder.mkdir(mode=0o700)
    os.utime(old, (time.time() - 7200,) * 2)
    report = doctor(db=done.database)
    assert report.is_fine
    assert [finding.message for finding in findings(report, "leftovers", "note")] == [
        f"{partial} was left by a dead backup; the next one removes it",
        f"{old} was left by a dead export; the next one removes it",
    ]
    assert lock.acquire(done.database, lock.BACKING_UP)
    try:
        assert len(findings(doctor(db=done.database), "leftovers", "note")) == 1
    finally:
        lock.release(done.database, lock.BACKING_UP)


def test_whatever_others_can_read_is_named_with_the_command_that_ends_it(done):
    made = backup(db=done.database).path
    [log] = (done.folder / "logs" / "experiments").rglob("run.log")
    csv = next((done.folder / "exports").rglob("*.csv"))
    opened = {
        done.database: 0o644,
        lock.lock_path(done.database): 0o660,
        made: 0o640,
        made.parent: 0o755,
        log: 0o604,
        csv.parent: 0o750,
    }
    for path, mode in opened.items():
        path.chmod(mode)
    (done.folder / "narratives.csv").chmod(0o644)
    report = doctor(db=done.database)
    found = findings(report, "permissions", "problem")
    assert len(found) == len(opened)
    assert problems(report) == ["permissions"] * len(opened)
    for finding in found:
        subprocess.run(finding.advice, shell=True, check=True)
    assert doctor(db=done.database).is_fine


def test_many_readable_files_are_not_named_one_by_one(done, monkeypatch):
    monkeypatch.setattr(files, "_NAMED", 2)
    for path in (done.folder / "exports").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    done.database.chmod(0o644)
    report = doctor(db=done.database)
    found = findings(report, "permissions", "problem")
    assert len(found) == 3
    for finding in found:
        subprocess.run(finding.advice, shell=True, check=True)
    assert doctor(db=done.database).is_fine


def test_a_database_on_a_network_drive_is_examined_and_said_to_be_there(done, monkeypatch):
    table = f"2 1 0:2 / {done.folder.resolve()} rw - nfs nas:/x rw\n"
    monkeypatch.setattr(filesystem, "mount_table", lambda: table)
    report = doctor(db=done.database)
    assert problems(report) == ["place"]
    assert "NFS, nas:/x" in the(report, "place", "problem").message


def test_the_list_of_files_has_all_that_holds_narratives_or_answers(done):
    made = backup(db=done.database).path
    (done.folder / "overnight.db.rescue.jsonl").touch(mode=0o600)
    listed = doctor(db=done.database, with_files=True).files
    kinds = {file.path.name: file.kind for file in listed}
    assert kinds["overnight.db"] == "database"
    assert kinds[made.name] == "backup"
    assert kinds["narratives.csv"] == "source"
    assert kinds["run.log"] == "log"
    assert kinds["overnight.db.rescue.jsonl"] == "rescue"
    assert sum(kind == "export" for kind in kinds.values()) >= 2
    for file in listed:
        assert file.n_bytes == file.path.stat().st_size
        assert file.mode == file.path.stat().st_mode & 0o777
    text = b"Case 7 is invented."
    holding = {p for p in done.folder.rglob("*") if p.is_file() and text in p.read_bytes()}
    said = {file.path for file in listed if "narratives" in file.holds}
    assert holding <= said
    assert all("no text" in file.holds for file in listed if file.kind == "log")


def test_a_source_that_is_gone_is_listed_as_gone(done):
    (done.folder / "narratives.csv").unlink()
    report = doctor(db=done.database, with_files=True)
    [source] = [file for file in report.files if file.kind == "source"]
    assert (source.n_bytes, source.mode) == (None, None)
    assert report.is_fine


# --- the endpoint --------------------------------------------------------------------------------


def test_a_server_that_is_gone_is_a_problem_only_for_what_is_unfinished(study):
    with scripted_server() as server:
        study.data(5).configure(server.url).run()
    assert the(doctor(db=study.database), "endpoint", "ok")
    write(study, "DELETE FROM results WHERE result_id > 3")
    write(study, "UPDATE experiments SET status = 'cancelled'")
    problem = the(doctor(db=study.database), "endpoint", "problem")
    assert "takes no connection (Connection refused)" in problem.message
    assert "start the server" in problem.advice


def test_a_server_that_is_there_is_sent_nothing(done):
    write(done, "DELETE FROM results WHERE result_id > 3")
    write(done, "UPDATE experiments SET status = 'failed'")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        write(done, "UPDATE run_sessions SET api_url = ?", url)
        report = doctor(db=done.database)
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(100) == b""
    assert "takes connections" in the(report, "endpoint", "ok").message


def test_nobody_waits_longer_than_the_patience(monkeypatch):
    monkeypatch.setattr(work, "_PATIENCE", 0.3)

    def slow(*_arguments, **_options):
        over.wait(60)
        raise OSError

    over = threading.Event()
    monkeypatch.setattr(socket, "create_connection", slow)
    started = time.monotonic()
    found = work.connect_all([("a.example", 1), ("b.example", 2)])
    assert time.monotonic() - started < 30
    over.set()
    assert set(found.values()) == {"no connection within 0.3 s"}


# --- looking twice -------------------------------------------------------------------------------


def test_what_changes_while_it_is_looked_at_is_looked_at_again(done, monkeypatch):
    """Nobody had it open, so it was read without a thought of others; then somebody wrote."""
    looks = []
    examine_once = doctor_package._examine

    def meanwhile(*arguments, **options):
        looks.append(1)
        report = examine_once(*arguments, **options)
        if len(looks) == 1:
            write(done, "UPDATE experiments SET notes = 'x'")
            broken = SimpleNamespace(state="problem")
            return Report(report.database, (broken,), None)
        return report

    monkeypatch.setattr(doctor_package, "_examine", meanwhile)
    assert doctor(db=done.database).is_fine
    assert len(looks) == 2


def test_ctrl_c_ends_a_long_statement(done):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt), examine.looked_at(done.database) as connection:
        connection.execute(endless).fetchone()
    timer.join()


def test_ctrl_c_ends_a_check_at_once(done):
    def press(name: str) -> None:
        if name == "accounting":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        doctor(db=done.database, on_check=press)
