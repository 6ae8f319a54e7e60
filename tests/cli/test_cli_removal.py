"""`cleanup` and `purge`, as typed."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from overnight.errors import RefusedError
from overnight.store.database import Database
from overnight.store.experiments import list_experiments
from overnight.store.open import open_database
from overnight.store.removal import remove_experiment
from overnight.testing import scripted_server, wait_until
from r_world import COMPLETED, RDatabase

SECRET = "A very rare word: quizzaciously."


def age(study, days: int) -> None:
    """As if nobody had touched the database for so long."""
    back = f"datetime(%s, '-{days} days')"
    with closing(sqlite3.connect(study.database)) as connection:
        for table, columns in (
            ("experiments", ("created_at", "last_progress_update")),
            ("run_sessions", ("started_at", "last_seen_at", "ended_at")),
        ):
            sets = ", ".join(f"{column} = {back % column}" for column in columns)
            connection.execute(f"UPDATE {table} SET {sets}")
        connection.commit()


def fail(study) -> None:
    with closing(sqlite3.connect(study.database)) as connection:
        connection.execute("UPDATE experiments SET status = 'failed'")
        connection.commit()


@pytest.fixture
def abandoned(done):
    """A failed experiment that nobody has touched for ten days."""
    fail(done)
    age(done, 10)
    return done


def tables(study) -> dict[str, int]:
    names = study.query("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: study.value(f"SELECT count(*) FROM {name}") for (name,) in names}


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


# --- cleanup -------------------------------------------------------------------------------------


def test_a_dry_run_lists_counts_and_files_and_deletes_nothing(overnight, abandoned):
    before = tables(abandoned)
    said = overnight("cleanup", "--dry-run")
    assert said.code == 0
    assert abandoned.id[:8] in said.out
    assert "30 of 30" in said.out
    assert f"exports/{abandoned.id}/results.csv" in said.out
    assert f"logs/experiments/{abandoned.id}/run.log" in said.out
    assert tables(abandoned) == before
    assert not (abandoned.folder / "backups").exists()


def test_without_a_terminal_and_without_yes_nothing_is_deleted(overnight, abandoned):
    before = tables(abandoned)
    said = overnight("cleanup")
    assert said.code == 2
    assert "--yes deletes without asking" in said.err
    assert abandoned.id[:8] in said.out
    assert tables(abandoned) == before


def test_with_yes_rows_and_files_are_gone_and_a_backup_has_them(overnight, abandoned):
    said = overnight("cleanup", "--yes")
    assert said.code == 0
    assert f"Deleted {abandoned.id}" in said.out
    left = tables(abandoned)
    assert left["narratives"] == 30
    for table in ("experiments", "results", "attempts", "run_sessions"):
        assert left[table] == 0
    assert not list(abandoned.folder.glob(f"*/**/{abandoned.id}"))
    [backup] = (abandoned.folder / "backups").glob("*.db")
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM results").fetchone() == (30,)


@pytest.mark.parametrize(
    "words", [("--older-than", "20d"), ("--status", "running,cancelled"), ("--status", "running")]
)
def test_what_is_younger_or_of_another_status_stays(overnight, abandoned, words):
    said = overnight("cleanup", *words, "--yes")
    assert said.code == 0
    assert "nothing was deleted" in said.out
    assert tables(abandoned)["experiments"] == 1


def test_a_completed_one_only_if_asked_for(overnight, done):
    age(done, 10)
    assert "nothing was deleted" in overnight("cleanup", "--yes").out
    assert "Deleted" in overnight("cleanup", "--yes", "--status", "completed").out


@pytest.mark.parametrize("words", [("--older-than", "a week"), ("--status", "crashed")])
@pytest.mark.usefixtures("abandoned")
def test_slips_are_wrong_usage(overnight, words):
    assert overnight("cleanup", *words).code == 2


def test_what_is_being_worked_on_is_never_deleted(overnight, abandoned):
    with scripted_server(delay=0.1) as server:
        abandoned.data(60).configure(server.url)
        process = abandoned.start("run", "study.yaml", "--new")
        wait_until(lambda: len(server.calls) >= 3)
        said = overnight("cleanup", "--older-than", "0.001s", "--yes")
        assert abandoned.value("SELECT count(*) FROM experiments") == 1
        running = abandoned.value("SELECT experiment_id FROM experiments")
        assert running not in said.out
        said = overnight("purge", running, "--yes")
        assert said.code == 3
        assert "overnight cancel" in said.err
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


# --- purge ---------------------------------------------------------------------------------------


@pytest.fixture
def secret(study, server, monkeypatch):
    """A completed study one of whose narratives holds a word that nothing else holds."""
    monkeypatch.chdir(study.folder)
    study.data(30).configure(server.url)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace("Case 5 is invented.", SECRET))
    study.run()
    file.unlink()
    study.id = str(study.value("SELECT experiment_id FROM experiments"))
    assert SECRET.encode() in bytes_of(study.folder)
    return study


def test_nothing_of_a_purged_experiment_is_left_in_any_file(overnight, secret):
    said = overnight("purge", secret.id[:8], "--yes")
    assert said.code == 0
    assert "30 results" in said.out
    assert "30 narratives" in said.out
    assert set(tables(secret).values()) == {0}
    left = bytes_of(secret.folder)
    for trace in (SECRET, "Case 6 is invented", secret.id, "keyword"):
        assert trace.encode() not in left
    assert overnight("purge", secret.id, "--yes").code == 3


def test_backups_are_named_and_go_if_asked_for(overnight, secret):
    backup = overnight("backup").out.strip()
    said = overnight("purge", secret.id)
    assert said.code == 2
    assert backup in said.out
    assert "--with-backups" in said.out
    assert overnight("purge", secret.id, "--yes", "--with-backups").code == 0
    assert not Path(backup).exists()
    assert SECRET.encode() not in bytes_of(secret.folder)


def test_narratives_that_another_experiment_uses_stay(overnight, done):
    done.run(new=True)
    said = overnight("purge", done.id, "--yes")
    assert "another experiment uses them" in said.out
    left = tables(done)
    assert (left["experiments"], left["narratives"], left["results"]) == (1, 30, 30)
    assert overnight("export", "latest").code == 0


def test_files_that_r_noted_are_named_and_duplicates_go_too(overnight, tmp_path):
    old = RDatabase(tmp_path / "r.db", "first").build()
    said = overnight("purge", COMPLETED, "--yes", "--db", old.path)
    assert said.code == 0
    assert "benchmark_results/x.csv: noted by R" in said.out
    with closing(sqlite3.connect(old.path)) as connection:
        assert connection.execute("SELECT count(*) FROM duplicate_results").fetchone() == (0,)


@pytest.mark.usefixtures("done")
def test_purge_wants_an_id(overnight):
    assert overnight("purge", "latest", "--yes").code == 2
    assert overnight("purge", "ffffffff", "--yes").code == 3


def test_a_reader_that_keeps_the_journal_is_told(overnight, secret):
    with closing(sqlite3.connect(secret.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM results").fetchone()
        said = overnight("purge", secret.id, "--yes")
        assert said.code == 0
        assert "another program is reading the database" in said.err


@pytest.mark.parametrize("with_data", [False, True])
def test_broken_off_at_any_transaction_it_cannot_be_resumed_and_is_finished_later(
    overnight, done, with_data, monkeypatch
):
    database = open_database(done.database)
    [experiment] = list_experiments(database)
    whole = Database.remove
    n_left = [0]

    def breaking(self):
        if n_left[0] == 0:
            raise KeyboardInterrupt
        n_left[0] -= 1
        return whole(self)

    monkeypatch.setattr(Database, "remove", breaking)
    for n in range(9):
        n_left[0] = n
        try:
            remove_experiment(database, experiment, with_data=with_data)
        except KeyboardInterrupt:
            assert done.value("SELECT status_reason FROM experiments") == "being deleted"
            with pytest.raises(RefusedError, match="overnight purge"):
                done.run()
            assert "half deleted" in overnight("cleanup", "--dry-run").out
        else:
            break
    database.close()
    left = tables(done)
    assert (left["experiments"], left["narratives"]) == (0, 0 if with_data else 30)


def test_a_purge_that_was_broken_off_can_be_finished_by_a_cleanup(overnight, done, monkeypatch):
    database = open_database(done.database)
    [experiment] = list_experiments(database)
    monkeypatch.setattr(Database, "remove", lambda _: pytest.fail("broken off"))
    with pytest.raises(pytest.fail.Exception):
        remove_experiment(database, experiment, with_data=True)
    monkeypatch.undo()
    monkeypatch.chdir(done.folder)
    database.close()
    assert overnight("cleanup", "--yes").code == 0
    assert tables(done)["narratives"] == 0


def test_the_same_file_can_be_loaded_while_its_old_rows_are_half_purged(overnight, done, server):
    with closing(sqlite3.connect(done.database)) as connection:
        connection.execute(
            "UPDATE experiments SET status = 'cancelled', status_reason = 'being deleted'"
        )
        connection.execute("UPDATE datasets SET loaded_at = NULL, data_checksum = 'deleted-1'")
        connection.commit()
    done.configure(server.url, experiment={"name": "anew"})
    done.config = done.config.rename(done.folder / "anew.yaml")
    assert done.run(new=True).counts.completed == 30
    assert overnight("purge", done.id, "--yes").code == 0
    assert tables(done)["narratives"] == 30


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 0), (b"n\n", 1)])
def test_on_a_terminal_it_asks(abandoned, answer, left):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "overnight", "purge", abandoned.id],
        cwd=abandoned.folder,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, answer)
    assert process.wait(timeout=30) == 0
    os.close(ours)
    assert tables(abandoned)["experiments"] == left
