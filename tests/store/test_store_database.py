"""Opening a database: ours, private, whole; and what is said of everything else."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.errors import DatabaseRefused, StoppedError, UsageError
from overnight.store import database as database_module
from overnight.store import lock
from overnight.store.database import Database
from overnight.store.open import open_database
from overnight.store.schema.tables import APPLICATION_ID, SCHEMA_VERSION
from overnight.testing import wait_until


def query(database: Database, sql: str) -> list[tuple]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(sql)]


def write(database: Database, sql: str, *values: object) -> None:
    with database.write() as connection:
        connection.execute(sql, values)


def said(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "sqlalche" not in text
    return text


# --- what can be opened ------------------------------------------------------------------------


def test_a_new_database_is_ours_and_waits_for_nobody(tmp_path):
    path = tmp_path / "overnight.db"
    open_database(path, create=True).close()
    connection = sqlite3.connect(path)
    try:
        for pragma, value in (
            ("application_id", APPLICATION_ID),
            ("user_version", SCHEMA_VERSION),
            ("journal_mode", "wal"),
            ("integrity_check", "ok"),
        ):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)
    finally:
        connection.close()


def test_a_commit_survives_a_power_cut(tmp_path):
    database = open_database(tmp_path / "overnight.db", create=True)
    with database.read() as connection:
        settings = {
            name: connection.value(f"PRAGMA {name}")
            for name in ("synchronous", "foreign_keys", "journal_mode", "fullfsync")
        }
    database.close()
    full = 2
    assert settings == {
        "synchronous": full,
        "foreign_keys": 1,
        "journal_mode": "wal",
        "fullfsync": 1,
    }


def test_a_database_that_lost_its_journal_mode_gets_it_back(tmp_path):
    path = tmp_path / "overnight.db"
    open_database(path, create=True).close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
    database = open_database(path)
    with database.read() as connection:
        assert connection.value("PRAGMA journal_mode") == "wal"
    database.close()


def test_what_is_not_committed_is_not_there(tmp_path):
    database = open_database(tmp_path / "overnight.db", create=True)

    class Bang(Exception):
        pass

    def half() -> None:
        with database.write() as connection:
            connection.execute(
                "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
                " VALUES ('a', 'b', 'c', 'd')"
            )
            raise Bang

    with pytest.raises(Bang):
        half()
    with database.read() as connection:
        assert connection.value("SELECT count(*) FROM datasets") == 0
    database.close()


def test_a_reader_sees_one_moment_and_blocks_nobody(tmp_path):
    database = open_database(tmp_path / "overnight.db", create=True)
    insert = (
        "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
        " VALUES ('a', 'b', 'c', 'd')"
    )
    count = "SELECT count(*) FROM datasets"
    with database.read() as reader:
        assert reader.value(count) == 0
        with database.write() as writer:
            writer.execute(insert)
        assert reader.value(count) == 0
    with database.read() as reader:
        assert reader.value(count) == 1
    database.close()


def test_two_creators_make_one_schema(tmp_path):
    code = (
        "import sys; from pathlib import Path; from overnight.store.open import open_database\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "open_database(Path(sys.argv[1]), create=True).close(); print('made')"
    )
    path = tmp_path / "overnight.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [(process.communicate(timeout=60)[0], process.returncode) for process in processes]
    assert said == [("made\n", 0)] * len(processes)


# --- private -----------------------------------------------------------------------------------


def test_everything_that_is_made_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        path = tmp_path / "new" / "folder" / "overnight.db"
        database = open_database(path, create=True)
        with database.write() as connection:
            connection.execute("DELETE FROM left_out_rows")
        assert lock.acquire(path, 1)
        lock.release(path, 1)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        folders = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parents[1])}
        database.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(
        ("overnight.db", "overnight.db-wal", "overnight.db-shm", "overnight.db.lock"), 0o600
    )
    assert folders == {"folder": 0o700, "new": 0o700}


def test_a_folder_that_was_there_stays_as_it_is(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    open_database(folder / "overnight.db", create=True).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


# --- what cannot be used -----------------------------------------------------------------------


def test_where_there_is_none_it_is_said_how_to_make_one(tmp_path):
    with pytest.raises(UsageError) as caught:
        open_database(tmp_path / "none.db")
    assert "there is no database at" in said(caught.value)
    assert "overnight run CONFIG" in said(caught.value)
    assert list(tmp_path.iterdir()) == []


def bytes_of(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()}


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_database_of_another_program_is_refused_and_left_untouched(tmp_path, version, create):
    path = tmp_path / "places.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()
    before = bytes_of(path)

    with pytest.raises(DatabaseRefused, match=r"is a database of another program") as caught:
        open_database(path, create=create)
    assert said(caught.value)
    assert bytes_of(path) == before


@pytest.mark.parametrize("create", [False, True])
def test_a_newer_database_is_refused_and_left_untouched(tmp_path, create):
    path = tmp_path / "overnight.db"
    open_database(path, create=True).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = bytes_of(path)

    with pytest.raises(DatabaseRefused, match=r"newer overnight.*update overnight") as caught:
        open_database(path, create=create)
    assert said(caught.value)
    assert bytes_of(path) == before


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("size", [20, 100, 5000, 20000])
def test_a_file_that_is_no_database_is_refused_and_left_untouched(tmp_path, size, create):
    path = tmp_path / "notes.txt"
    path.write_text("These are notes. " * (size // 17 + 1))
    before = bytes_of(path)

    with pytest.raises(DatabaseRefused, match="damaged or no SQLite database") as caught:
        open_database(path, create=create)
    assert said(caught.value)
    assert bytes_of(path) == before


def test_an_empty_file_is_no_database_to_read(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(DatabaseRefused, match="is empty") as caught:
        open_database(path)
    assert said(caught.value)
    assert bytes_of(path) == {"empty.db": b""}


def test_an_empty_file_becomes_a_database_where_one_may_be_made(tmp_path):
    """A power cut between making the file and its schema leaves an empty one."""
    path = tmp_path / "empty.db"
    path.touch()
    open_database(path, create=True).close()
    open_database(path).close()


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_is_no_database(tmp_path, create):
    with pytest.raises(UsageError, match="is a folder; --db takes a file in it"):
        open_database(tmp_path, create=create)


def test_a_path_through_a_file_can_hold_no_database(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no database can be made at"):
        open_database(tmp_path / "file" / "overnight.db", create=True)


def test_a_damaged_database_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "overnight.db"
    database = open_database(path, create=True)
    database.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\x5a" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(DatabaseRefused, match=r"damaged.*a copy of it") as caught:
        open_database(path)
    assert said(caught.value)


def test_damage_that_shows_only_later_is_told_in_a_sentence_too(tmp_path):
    path = tmp_path / "overnight.db"
    database = open_database(path, create=True)
    root = "SELECT rootpage FROM sqlite_master WHERE name = 'experiments'"
    with database.read() as connection:
        page = connection.value(root)
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 8192)
        file.write(b"\x5a" * 8192)
    database = open_database(path)
    with pytest.raises(DatabaseRefused, match=r"damaged.*a copy of it") as caught:
        query(database, "SELECT * FROM experiments ORDER BY 1")
    database.close()
    assert said(caught.value)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that the rest of the test, which is not root, may only look at."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    yield folder
    if is_root and os.geteuid() != 0:
        os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def look_only(folder: Path) -> None:
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_a_folder_that_cannot_be_written_is_told_so(as_nobody):
    look_only(as_nobody)
    with pytest.raises(UsageError, match=r"no database can be made at.*Permission denied"):
        open_database(as_nobody / "overnight.db", create=True)


def test_a_database_that_may_only_be_read_is_told_so_when_it_must_be_written(as_nobody):
    path = as_nobody / "overnight.db"
    open_database(path, create=True).close()
    path.chmod(0o444)
    look_only(as_nobody)

    with pytest.raises(UsageError, match=r"cannot be written here.*permissions") as caught:
        write(open_database(path), "DELETE FROM left_out_rows")
    assert said(caught.value)


def test_a_database_that_may_not_be_read_is_told_so(as_nobody):
    path = as_nobody / "overnight.db"
    open_database(path, create=True).close()
    path.chmod(0o600 if os.geteuid() == 0 else 0)
    look_only(as_nobody)
    with pytest.raises(UsageError, match="check its permissions"):
        open_database(path)


def test_a_database_locked_by_another_program_stops_the_run_with_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "overnight.db"
    open_database(path, create=True).close()
    monkeypatch.setattr(database_module, "PATIENCE", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = open_database(path)
    try:
        with pytest.raises(StoppedError, match=r"another program has held .* locked") as caught:
            write(database, "DELETE FROM left_out_rows")
    finally:
        database.close()
        other.close()
    assert said(caught.value)


def test_a_full_disk_stops_the_run_with_a_sentence_and_nothing_half_written(tmp_path):
    path = tmp_path / "overnight.db"
    database = open_database(path, create=True)
    insert = (
        "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
        " VALUES (?, ?, 'c', 'd')"
    )

    def fill() -> None:
        with database.write() as connection:
            pages = connection.value("PRAGMA page_count")
            connection.execute(f"PRAGMA max_page_count = {pages}")
            for i in range(1000):
                connection.execute(insert, (str(i), "x" * 4000))

    with pytest.raises(StoppedError, match=r"the disk that holds .* is full") as caught:
        fill()
    assert said(caught.value)
    assert query(database, "SELECT count(*) FROM datasets") == [(0,)]
    database.close()


def test_a_writer_that_is_killed_leaves_what_it_had_committed_and_no_more(tmp_path):
    path = tmp_path / "overnight.db"
    code = (
        "import sys, itertools; from pathlib import Path\n"
        "from overnight.store.open import open_database\n"
        "d = open_database(Path(sys.argv[1]), create=True)\n"
        "for i in itertools.count():\n"
        "    with d.write() as c:\n"
        "        for j in range(10):\n"
        "            c.execute('INSERT INTO datasets (data_checksum, mapping_json,"
        " data_source, layout) VALUES (?, ?, 1, 1)', (str(i), str(j)))\n"
        "    print(i, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    lines = [process.stdout.readline() for _ in range(20)]
    process.kill()
    rest, _ = process.communicate()
    last = int((rest.splitlines() or [lines[-1]])[-1])

    database = open_database(path)
    with database.read() as connection:
        rows = connection.rows("SELECT data_checksum, count(*) FROM datasets GROUP BY 1")
    database.close()
    assert {n for _, n in rows} == {10}
    assert len(rows) in (last + 1, last + 2), "all that was said to be there, at most one more"
    wait_until(lambda: process.poll() is not None)
