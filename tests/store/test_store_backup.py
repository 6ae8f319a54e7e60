"""Backups are whole or not there, hold one moment, and nobody waits for them."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from store_world import World

from overnight.errors import NoRoom, OvernightError, RefusedError, StoppedError, UsageError
from overnight.store import lock, shelf, snapshot
from overnight.store.backup import back_up
from overnight.store.open import open_database
from overnight.store.schema.tables import APPLICATION_ID, SCHEMA_VERSION
from overnight.store.shelf import backups_of, leftovers_of
from overnight.testing import wait_until

WRITER = """
import sys, itertools
from pathlib import Path
from overnight.store.open import open_database
d = open_database(Path(sys.argv[1]))
for i in itertools.count():
    with d.write() as c:
        c.execute("INSERT INTO left_out_rows (dataset_id, source_row, reason)"
                          " VALUES (1, ?, ?)", (i, "x" * 2000))
    print(i, flush=True)
"""
BACK_UP = """
import sys
from pathlib import Path
from overnight.store.backup import back_up
print('begins', flush=True)
while True:
    print(back_up(Path(sys.argv[1])).path, flush=True)
"""


def opened(file: Path) -> contextlib.closing:
    return contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True))


def value(file: Path, query: str) -> object:
    with opened(file) as connection:
        return connection.execute(query).fetchone()[0]


def assert_whole(file: Path) -> None:
    """One file, private, in no need of another, ours, and without a fault."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_nlink == 1
    before = sorted(file.parent.iterdir())
    assert value(file, "PRAGMA integrity_check") == "ok"
    assert value(file, "PRAGMA journal_mode") == "delete"
    assert value(file, "PRAGMA application_id") == APPLICATION_ID
    assert value(file, "PRAGMA user_version") == SCHEMA_VERSION
    assert sorted(file.parent.iterdir()) == before, "looking at it left something beside it"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def said(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture
def filled(world) -> World:
    """A database with a dataset, an experiment and 30 answers."""
    dataset = world.dataset(30)
    experiment = world.experiment(dataset, 30)
    session, _ = world.session(experiment)
    world.answer_all(session, experiment, world.remaining(experiment, dataset))
    world.dataset_id, world.experiment_key, world.session_id = dataset, experiment, session
    return world


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The time that names of backups are made from."""
    at = SimpleNamespace(now=1795489920.0)  # 2026-11-24 03:12:00
    fake = SimpleNamespace(
        gmtime=lambda: time.gmtime(at.now), strftime=time.strftime, monotonic=time.monotonic
    )
    monkeypatch.setattr(shelf, "time", fake)
    return at


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


# --- what a backup is ----------------------------------------------------------------------------


def test_a_backup_is_one_private_file_that_holds_everything(filled):
    made = back_up(filled.database)
    assert made.is_new
    assert made.n_bytes == made.path.stat().st_size > 0
    assert made.seconds > 0
    assert_whole(made.path)
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    with opened(made.path) as copy:
        for table, rows in filled.everything().items():
            assert copy.execute(f"SELECT * FROM {table}").fetchall() == rows


def test_a_backup_can_be_used_in_place_of_its_database(filled):
    made = back_up(filled.database)
    before = filled.everything()
    restored = World(open_database(made.path))
    assert restored.everything() == before
    restored.session(filled.experiment_key)
    restored.database.close()


def test_it_lies_beside_the_real_database_and_is_named_after_it_and_the_time(tmp_path, clock):
    (tmp_path / "far").mkdir()
    database = open_database(tmp_path / "far" / "study.one.sqlite", create=True)
    database.close()
    (tmp_path / "link.db").symlink_to(tmp_path / "far" / "study.one.sqlite")
    for _ in range(2):
        back_up(tmp_path / "link.db")
    clock.now += 1
    back_up(tmp_path / "link.db", before_migration=True)
    folder = tmp_path / "far" / "backups"
    assert names(folder) == [
        "study.one-20261124-031200-2.sqlite",
        "study.one-20261124-031200.sqlite",
        "study.one-20261124-031201-before-migration.sqlite",
    ]
    newest_first = [2, 0, 1]
    assert [backup.name for backup in backups_of(tmp_path / "link.db")] == [
        names(folder)[i] for i in newest_first
    ]


@pytest.mark.parametrize("umask", [0, 0o777])
def test_it_is_private_from_its_first_instant(filled, umask, monkeypatch):
    modes = []
    copy = snapshot.Snapshot.copy

    def look_first(self, target, tell):
        modes.append(stat.S_IMODE(target.stat().st_mode))
        copy(self, target, tell)
        modes.append(stat.S_IMODE(target.stat().st_mode))

    monkeypatch.setattr(snapshot.Snapshot, "copy", look_first)
    if umask and os.geteuid():
        pytest.skip("only root can write to a file without permissions")
    (filled.path.parent / "backups").mkdir(mode=0o700)
    before = os.umask(umask)
    try:
        back_up(filled.database)
    finally:
        os.umask(before)
    assert {mode & 0o077 for mode in modes} == {0}


# --- the newest five -----------------------------------------------------------------------------


def test_the_newest_five_are_kept_and_those_before_a_migration_apart(filled, clock):
    others = ["overnight.db", "overnight-20200101-000000.db.bak", "other-20200101-000000.db"]
    folder = filled.path.parent / "backups"
    folder.mkdir()
    for name in others:
        (folder / name).touch()
    for i in range(14):
        clock.now += 1
        back_up(filled.database, before_migration=bool(i % 2))
    kept = [name for name in names(folder) if name not in others]
    assert len(kept) == 10
    usual = [name for name in kept if "migration" not in name]
    apart = [name for name in kept if "migration" in name]
    assert usual[0] == "overnight-20261124-031205.db"
    assert usual[-1] == "overnight-20261124-031213.db"
    assert apart[0] == "overnight-20261124-031206-before-migration.db"
    assert set(others) <= set(names(folder))


def test_a_clock_that_went_backwards_does_not_cost_the_new_backup(filled, clock):
    for _ in range(5):
        clock.now += 1
        back_up(filled.database)
    clock.now = 86400.0
    made = back_up(filled.database)
    assert made.path.name == "overnight-19700102-000000.db"
    assert made.path.exists()
    assert len(backups_of(filled.path)) == 5


def test_more_than_nine_in_one_second_are_in_order(filled, clock):
    made = [back_up(filled.database).path for _ in range(12)]
    assert clock.now
    assert backups_of(filled.path) == made[::-1][:5]


# --- elsewhere -----------------------------------------------------------------------------------


def test_out_may_be_a_new_file_or_a_folder_and_nothing_is_removed_there(filled, tmp_path):
    share = tmp_path / "a share"
    share.mkdir()
    assert back_up(filled.database, share / "copy.db").path == share / "copy.db"
    for _ in range(7):
        back_up(filled.database, share)
    assert len(names(share)) == 8
    for file in share.iterdir():
        assert_whole(file)
    assert not (filled.path.parent / "backups").exists()
    assert back_up(filled.database, f"{share}/new/").path.parent == share / "new"


def test_an_existing_file_is_never_replaced(filled, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for name in ("mine", "nowhere", "overnight.db"):
        with pytest.raises(RefusedError, match="exists; a backup replaces nothing") as caught:
            back_up(filled.database, tmp_path / name)
        assert said(caught.value)
        assert caught.value.exit_code == 3
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "missing").exists()


def test_nor_is_one_that_appears_while_the_copy_is_made(filled, tmp_path):
    def somebody_is_quicker(_done, _total):
        (tmp_path / "copy.db").write_text("mine")

    with pytest.raises(RefusedError, match="exists"):
        back_up(filled.database, tmp_path / "copy.db", on_progress=somebody_is_quicker)
    assert (tmp_path / "copy.db").read_text() == "mine"
    assert not list(tmp_path.glob("*.partial"))


def test_a_drive_without_hard_links_gets_its_backup_too(filled, tmp_path, monkeypatch):
    def refuse(_self, _target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    made = back_up(filled.database, tmp_path / "copy.db")
    assert_whole(made.path)
    (tmp_path / "other.db").touch()
    with pytest.raises(RefusedError, match="exists"):
        back_up(filled.database, tmp_path / "other.db")
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_that_is_not_there_is_not_made_by_a_slip_of_the_finger(filled, tmp_path):
    with pytest.raises(UsageError, match="there is no folder") as caught:
        back_up(filled.database, tmp_path / "shaer" / "copy.db")
    assert said(caught.value)
    assert not (tmp_path / "shaer").exists()


def test_where_nothing_can_be_written_is_told_in_a_sentence(filled, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UsageError, match=r"no backup can be written to .*Read-only") as caught:
        back_up(filled.database, small_disk)
    assert said(caught.value)


# --- a disk without room -------------------------------------------------------------------------


def test_without_room_nothing_is_begun(filled, small_disk):
    with pytest.raises(NoRoom, match=r"no room for a backup: 18 MB needed, 2 MB free") as caught:
        back_up(filled.database, small_disk)
    assert isinstance(caught.value, StoppedError)
    assert said(caught.value)
    assert names(small_disk) == []


def test_a_disk_that_fills_up_in_between_keeps_nothing_of_it(filled, small_disk, monkeypatch):
    with filled.database.write() as connection:
        connection.execute(
            "INSERT INTO left_out_rows (dataset_id, source_row, reason) VALUES (1, 1, ?)",
            ("x" * 4_000_000,),
        )
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**9))
    with pytest.raises(NoRoom, match="became full, and nothing of the backup was kept") as caught:
        back_up(filled.database, small_disk / "copy.db")
    assert said(caught.value)
    assert names(small_disk) == []
    assert back_up(filled.database).is_new, "the lock has been given back"


# --- nothing new ---------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_copied_again(filled, clock):
    first = back_up(filled.database, skip_unchanged=True)
    assert first.is_new
    clock.now += 10
    again = back_up(filled.database, skip_unchanged=True)
    assert (again.path, again.is_new, again.n_bytes) == (first.path, False, first.n_bytes)
    assert back_up(filled.database).is_new, "unless it is asked for"


def add_result(world):
    more = world.dataset(5, checksum="sha256:1")
    back_up(world.database)  # the dataset itself is no news any more
    experiment = world.experiment(more, 5)
    session, _ = world.session(experiment)
    back_up(world.database)
    world.answer_all(session, experiment, world.remaining(experiment, more)[:1])


def write(world, sql):
    with world.database.write() as connection:
        connection.execute(sql)


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        (add_result, True),
        (lambda w: w.dataset(1, checksum="sha256:2"), True),
        (lambda w: w.experiment(w.dataset_id, 3), True),
        (lambda w: write(w, "UPDATE experiments SET max_narratives = 7"), True),
        (lambda w: write(w, "UPDATE experiments SET accuracy = 0.5"), True),
        (lambda w: w.session(w.experiment_key, kind="resume"), False),
        (
            lambda w: write(w, "UPDATE experiments SET status = 'failed', status_reason = 'x'"),
            False,
        ),
        (lambda w: write(w, "UPDATE experiments SET end_time = 'x', log_dir = '/l'"), False),
    ],
)
def test_what_counts_as_a_change(filled, clock, change, is_new):
    back_up(filled.database)
    clock.now += 10
    change(filled)
    assert back_up(filled.database, skip_unchanged=True).is_new == is_new


def test_a_backup_of_an_older_make_is_compared_by_what_both_know(filled, clock):
    first = back_up(filled.database, before_migration=True)
    clock.now += 1
    write(filled, "ALTER TABLE experiments ADD COLUMN cost REAL")
    assert back_up(filled.database, skip_unchanged=True).path == first.path


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\x5a" * 9000])
def test_a_backup_that_cannot_be_read_is_no_reason_to_make_none(filled, clock, damage):
    first = back_up(filled.database)
    first.path.write_bytes(damage)
    clock.now += 1
    assert back_up(filled.database, skip_unchanged=True).is_new


# --- while others write --------------------------------------------------------------------------


@contextlib.contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen]:
    running = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def grow(world: World, megabytes: int) -> None:
    with world.database.write() as connection:
        for i in range(megabytes * 10):
            connection.execute(
                "INSERT INTO left_out_rows (dataset_id, source_row, reason) VALUES (1, ?, ?)",
                (-i, "y" * 100_000),
            )


def test_a_backup_beside_a_writer_at_full_speed_holds_all_committed_before_it(filled, monkeypatch):
    grow(filled, 10)
    monkeypatch.setattr(snapshot, "_STEP_PAGES", 20)  # many steps: many chances to start over
    steps = []
    with process(WRITER, filled.path) as writer:
        for _ in range(20):
            last = int(writer.stdout.readline())
        made = back_up(filled.database, on_progress=lambda done, total: steps.append((done, total)))
        wait_until(lambda: writer.poll() is None and writer.stdout.readline())
    assert_whole(made.path)
    copied = value(made.path, "SELECT max(source_row) FROM left_out_rows")
    assert copied >= last
    present = value(made.path, "SELECT count(*) FROM left_out_rows WHERE source_row > 0")
    assert present == copied, "one moment, without a gap"
    now = filled.value("SELECT max(source_row) FROM left_out_rows")
    assert now > copied + 5, "the writer went on"
    copying = [done for done, total in steps if done < total]
    assert copying == sorted(copying), "it never started over"
    assert {total for _, total in steps} == {made.n_bytes}


def test_ctrl_c_ends_a_backup_between_two_steps_and_leaves_nothing(filled, monkeypatch):
    monkeypatch.setattr(snapshot, "_STEP_PAGES", 5)

    def press(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(filled.database, on_progress=press)
    assert names(filled.path.parent / "backups") == []
    assert not lock.is_held(filled.path, lock.BACKING_UP)


def test_ctrl_c_ends_the_verification_too(filled, monkeypatch):
    monkeypatch.setattr(snapshot, "_TICK", 10)
    monkeypatch.setattr(snapshot.Snapshot, "copy", lambda *_: shutil.copy(filled.path, target()))

    def target():
        return next(iter(leftovers_of(filled.path)))

    write(filled, "DELETE FROM left_out_rows")
    with filled.database.read() as connection:
        connection.execute("PRAGMA wal_checkpoint")

    def press(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(filled.database, on_progress=press)
    assert names(filled.path.parent / "backups") == []


def test_a_copy_that_is_not_what_was_copied_is_not_kept(filled, monkeypatch):
    copy = snapshot.Snapshot.copy

    def lose_a_row(self, target, tell):
        copy(self, target, tell)
        with contextlib.closing(sqlite3.connect(target)) as connection:
            connection.execute("DELETE FROM results WHERE result_id = 1")
            connection.commit()

    monkeypatch.setattr(snapshot.Snapshot, "copy", lose_a_row)
    with pytest.raises(StoppedError, match="does not hold the same rows") as caught:
        back_up(filled.database)
    assert said(caught.value)
    assert names(filled.path.parent / "backups") == []


def test_a_damaged_database_is_not_backed_up_and_old_backups_stay(filled, clock):
    grow(filled, 1)
    first = back_up(filled.database)
    filled.database.close()
    size = filled.path.stat().st_size
    with filled.path.open("r+b") as file:
        file.seek(size // 8192 // 2 * 8192)
        file.write(b"\x5a" * 8192)
    clock.now += 1
    with pytest.raises(OvernightError, match="overnight doctor") as caught:
        back_up(filled.path)
    assert said(caught.value)
    assert backups_of(filled.path) == [first.path]


# --- one at a time, and none that is killed is in the way ----------------------------------------


def test_a_second_backup_waits_and_says_so(filled):
    calls = []
    assert lock.acquire(filled.path, lock.BACKING_UP)
    timer = threading.Timer(1.5, lock.release, (filled.path, lock.BACKING_UP))
    timer.start()
    made = back_up(filled.database, on_progress=lambda done, total: calls.append((done, total)))
    timer.join()
    assert made.seconds > 1.4
    assert calls[0] == (0, 0)
    assert (0, 0) not in calls[1:]


def test_what_is_being_written_is_swept_by_nobody(filled):
    folder = filled.path.parent / "backups"
    folder.mkdir()
    mine = folder / "overnight-20261124-031200.db.0123abcd.partial"
    strange = folder / "other-20261124-031200.db.0123abcd.partial"
    for file in (mine, strange):
        file.touch()
    seen = []

    def stop(_done, _total):
        seen.append(mine.exists())
        raise StoppedError("enough")

    assert lock.acquire(filled.path, lock.BACKING_UP)
    with pytest.raises(StoppedError):
        back_up(filled.database, on_progress=stop)
    lock.release(filled.path, lock.BACKING_UP)
    assert seen == [True]
    back_up(filled.database)
    assert not mine.exists()
    assert strange.exists(), "another database's"


def test_on_a_share_only_ones_own_leftovers_are_swept(filled, tmp_path):
    share = tmp_path / "share"
    share.mkdir()
    token = shelf.find_place(filled.path.resolve(), share, "").token
    (share / f"overnight-20261124-031200.db.{token}.partial").touch()
    (share / "overnight-20261124-031200.db.0123abcd.partial").touch()
    (share / f"copy.db.{token}.partial").touch()
    back_up(filled.database, share)
    assert [name for name in names(share) if "partial" in name] == [
        f"copy.db.{token}.partial",
        "overnight-20261124-031200.db.0123abcd.partial",
    ]
    back_up(filled.database, share / "copy.db")
    assert not (share / f"copy.db.{token}.partial").exists()


def test_killed_at_any_instant_only_whole_backups_are_left_and_the_rest_is_swept(filled):
    """A real process, really killed, again and again."""
    grow(filled, 30)
    dice = random.Random(1)
    folder = filled.path.parent / "backups"
    n_leftovers = 0
    for _ in range(12):
        with process(BACK_UP, filled.path) as running:
            assert running.stdout.readline() == "begins\n"
            time.sleep(dice.uniform(0.0, 0.25))
            running.send_signal(signal.SIGKILL)
        leftovers = leftovers_of(filled.path)
        n_leftovers += len(leftovers)
        whole = set(folder.iterdir()) - set(leftovers) if folder.exists() else set()
        for file in whole:
            assert value(file, "PRAGMA integrity_check") == "ok"
            assert value(file, "SELECT count(*) FROM results") == 30
    assert n_leftovers, "no instant was one in between: kill it at others"
    made = back_up(filled.database)
    assert_whole(made.path)
    assert leftovers_of(filled.path) == []
    assert set(folder.iterdir()) == set(backups_of(filled.path))


def test_a_database_that_is_yet_to_be_migrated_is_backed_up_as_it_is(tmp_path):
    old = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TABLE narrative_results (result_id INTEGER, detected INTEGER)")
        connection.execute("INSERT INTO narrative_results VALUES (1, 1)")
        connection.commit()
    made = back_up(old, before_migration=True, skip_unchanged=True)
    assert made.is_new
    assert made.path.name.endswith("-before-migration.db")
    assert value(made.path, "SELECT count(*) FROM narrative_results") == 1
    assert back_up(old, skip_unchanged=True).is_new, "what cannot be compared counts as changed"
