"""Narratives that no experiment uses are named, and `purge --unused` deletes them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from overnight.commands.purge_unused import purge_unused
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.open import open_database
from overnight.store.removal import discard_dataset, unused_datasets

SECRET = "A very rare word: quizzaciously."


def narratives(study) -> int:
    return study.value("SELECT count(*) FROM narratives")


@pytest.fixture
def cleaned(overnight, study, server, monkeypatch):
    """A study whose experiment was cleaned up; its narratives stayed, one with a rare word."""
    monkeypatch.chdir(study.folder)
    study.data(30).configure(server.url)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace("Case 5 is invented.", SECRET))
    study.run()
    file.unlink()
    said = overnight("cleanup", "--status", "completed", "--older-than", "0s", "--yes")
    assert (said.code, narratives(study)) == (0, 30)
    assert "overnight purge --unused" in said.out
    return study


def test_nothing_is_left_of_them_in_any_file(overnight, cleaned):
    said = overnight("purge", "--unused", "--with-backups", "--yes")
    assert said.code == 0
    assert f"30 loaded from {cleaned.folder}" in said.out
    assert "Purged 30 narratives" in said.out
    assert narratives(cleaned) == cleaned.value("SELECT count(*) FROM looks") == 0
    left = b"".join(file.read_bytes() for file in cleaned.folder.rglob("*") if file.is_file())
    assert SECRET.encode() not in left
    assert "is used by an experiment" in overnight("purge", "--unused", "--yes").out


def test_labels_that_people_gave_and_backups_are_named_before_the_question(overnight, cleaned):
    with closing(sqlite3.connect(cleaned.database)) as connection:
        connection.execute(
            "INSERT INTO human_labels (dataset_id, narrative_id, label, labelled_by, labelled_at,"
            " source_file) VALUES (1, 1, '1', 'anna', '2026-11-30T00:00:00Z', 'labels.csv')"
        )
        connection.commit()
    said = overnight("purge", "--unused")
    assert said.code == 2
    assert "1 of them labelled by people" in said.out
    assert "--with-backups" in said.out
    assert narratives(cleaned) == 30


def test_backups_that_still_hold_them_can_be_deleted_afterwards(overnight, cleaned):
    """Whoever has read of them only then, or was interrupted in between."""
    assert overnight("purge", "--unused", "--yes").code == 0
    assert list((cleaned.folder / "backups").glob("*.db"))
    said = overnight("purge", "--unused", "--with-backups", "--yes")
    assert said.code == 0
    assert "and 1 backup." in said.out
    assert not list((cleaned.folder / "backups").glob("*.db"))


@pytest.mark.parametrize("words", [("purge", "ID"), ("purge", "--unused")])
def test_a_backup_that_cannot_be_deleted_is_named_with_the_command_that_tries_again(
    overnight, done, monkeypatch, words
):
    monkeypatch.chdir(done.folder)
    backup = overnight("backup").out.strip()
    command = [done.id if word == "ID" else word for word in words]
    with monkeypatch.context() as refusing:
        refusing.setattr(Path, "unlink", refuse_backups(Path.unlink))
        said = overnight(*command, "--with-backups", "--yes")
    assert said.code == 2
    assert backup in said.err
    assert "type: overnight purge --unused --with-backups" in said.err
    assert overnight("purge", "--unused", "--with-backups", "--yes").code == 0
    assert not Path(backup).exists()


def refuse_backups(unlink):
    def refusing(path, **options):
        if path.parent.name == "backups":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **options)

    return refusing


def test_a_file_can_be_loaded_while_somebody_is_asked(cleaned):
    def asked(found):
        assert found.found
        assert not lock.is_held(cleaned.database.resolve(), lock.LOADING)
        return False

    assert not purge_unused(db=cleaned.database, confirm=asked, handler=print).done


def test_that_looks_at_labels_go_too_is_said(overnight, cleaned):
    assert cleaned.value("SELECT count(*) FROM looks") == 1
    assert "looked at their labels (1)" in overnight("purge", "--unused", "--yes").out
    assert cleaned.value("SELECT count(*) FROM looks") == 0


def test_what_a_refused_run_had_loaded_is_named_by_a_purge(overnight, done):
    file = done.folder / "narratives.csv"
    file.write_text(file.read_text().replace("Case 5 is invented.", "Case 5 is corrected."))
    assert overnight("run", done.config).code == 3
    said = overnight("purge", done.id, "--yes")
    assert "30 narratives of no experiment stay" in said.out
    assert overnight("purge", "--unused", "--yes").code == 0
    assert narratives(done) == 0


def test_what_an_experiment_uses_stays(overnight, done):
    said = overnight("purge", "--unused", "--yes")
    assert said.code == 0
    assert "Nothing was deleted" in said.out
    assert narratives(done) == 30


def test_an_experiment_that_begins_meanwhile_keeps_its_narratives(done):
    with closing(open_database(done.database)) as database:
        assert not discard_dataset(database, 1)
    assert narratives(done) == 30


def test_what_is_being_loaded_is_waited_for(overnight, cleaned):
    assert lock.acquire(cleaned.database.resolve(), lock.LOADING)
    try:
        said = overnight("purge", "--unused", "--yes")
    finally:
        lock.release(cleaned.database.resolve(), lock.LOADING)
    assert said.code == 3
    assert "is being loaded" in said.err
    assert narratives(cleaned) == 30


def test_broken_off_it_is_finished_by_the_same_command(overnight, cleaned, monkeypatch):
    with closing(open_database(cleaned.database)) as database:
        [unused] = unused_datasets(database)
        monkeypatch.setattr(Database, "remove", lambda _: pytest.fail("broken off"))
        with pytest.raises(pytest.fail.Exception):
            discard_dataset(database, unused.dataset_id)
    monkeypatch.undo()
    assert narratives(cleaned) == 30
    said = overnight("purge", "--unused", "--yes", "--db", cleaned.database)
    assert said.code == 0
    assert cleaned.value("SELECT count(*) FROM datasets") == 0


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("words", [(), ("latest", "--unused")])
def test_one_of_the_two_must_be_said(overnight, words):
    said = overnight("purge", *words, "--yes")
    assert said.code == 2
    assert "--unused" in said.err
