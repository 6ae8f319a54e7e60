"""Databases of earlier versions of ours are brought up to date and lose nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from overnight.errors import DatabaseRefused
from overnight.store import examine
from overnight.store import open as open_module
from overnight.store.open import open_database
from overnight.store.schema import migrations, tables
from overnight.store.schema.tables import SCHEMA_VERSION
from r_world import RDatabase

SCHEMA_1 = (Path(__file__).parent / "older" / "schema_1.sql").read_text(encoding="utf-8")
_ROWS = """
    INSERT INTO datasets (dataset_id, data_checksum, mapping_json, data_source, layout, loaded_at,
                          n_narratives, n_left_out, odd_labels_json)
                         VALUES (1, 'sha256:0', '{}', 'n.csv', 'long', '2026-01-01 00:00:00.000',
                                 1, 0, '{}');
    INSERT INTO narratives (narrative_id, dataset_id, row_num, incident_id, narrative_type,
                            text_sha256, narrative_text) VALUES (1, 1, 1, '7', 'cme', x'00', 't');
    INSERT INTO experiments (experiment_key, experiment_id, experiment_name, status, model_name,
                             model_provider, created_at, dataset_id, data_checksum, config_json,
                             binding_sha256)
        VALUES (1, 'e', 'old', 'running', 'm', 'openai', '2026-01-01 00:00:00.000', 1,
                'sha256:0', '{}', '0');
    INSERT INTO run_sessions (experiment_key, experiment_id, kind, host, pid, started_at,
                              ended_at, overnight_version)
        VALUES (1, 'e', 'start', 'h', 1, '2026-01-01 00:00:00.000', '2026-01-01 00:01:30.500',
                '0.0.1');
    INSERT INTO results (experiment_key, narrative_id, detected, processed_at, attempt_count)
        VALUES (1, 1, 1, '2026-01-01 00:00:10.000', 1);"""


@pytest.fixture
def first(tmp_path) -> Path:
    path = tmp_path / "overnight.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA_1 + _ROWS)
    return path


def test_it_is_refused_to_readers_and_brought_up_to_date_for_writers(first):
    with pytest.raises(DatabaseRefused, match=r"earlier overnight.*overnight migrate --db"):
        open_database(first)
    backed_up = []
    database = open_database(first, before_upgrade=backed_up.append)
    with database.read() as connection:
        assert connection.value("PRAGMA user_version") == SCHEMA_VERSION
        one = "SELECT runtime_sec FROM run_sessions"
        assert connection.value(one) == 90.5
        assert connection.value("SELECT detected FROM narrative_results") == 1
    database.close()
    assert len(backed_up) == 1
    open_database(first).close()


def test_views_of_users_survive(first):
    with closing(sqlite3.connect(first)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT count(*) AS n FROM narrative_results")
        connection.commit()
    open_database(first, before_upgrade=lambda _: None).close()
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute("SELECT n FROM mine").fetchone() == (1,)


def test_an_older_one_can_be_examined_as_it_is(first):
    with closing(sqlite3.connect(first)) as connection:
        [state] = examine.states(connection)
        assert examine.remaining_rows(connection, state) == 0
    assert (state.n_results, state.is_repetition) == (1, False)


# --- a next version that is only pretended ------------------------------------------------------


@pytest.fixture
def next_version(monkeypatch) -> int:
    """A version that knows one more column, as the next one will."""
    today = tables.schema()
    column = "experiments_remark TEXT, experiment_id TEXT"

    def schema() -> list[str]:
        return [
            one.replace("experiment_id TEXT", column, 1) if "TABLE experiments" in one else one
            for one in today
        ]

    def step(connection) -> None:
        connection.execute("ALTER TABLE experiments ADD COLUMN experiments_remark TEXT")

    new = SCHEMA_VERSION + 1
    monkeypatch.setattr(tables, "schema", schema)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", new)
    monkeypatch.setattr(open_module, "SCHEMA_VERSION", new)
    monkeypatch.setitem(migrations.STEPS, SCHEMA_VERSION, step)
    return new


def shape(path: Path) -> set[tuple]:
    """Each column of each table and view, and each index with its columns."""
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute(
            'SELECT m.name, c.name, c.type, c."notnull" OR c.pk FROM sqlite_master m'
            " JOIN pragma_table_info(m.name) c WHERE m.type IN ('table', 'view')"
        ).fetchall()
        indexes = connection.execute(
            "SELECT m.tbl_name, m.name, i.name, i.seqno FROM sqlite_master m"
            " JOIN pragma_index_info(m.name) i WHERE m.type = 'index'"
        ).fetchall()
    return {*columns, *indexes}


def of_version(version: int, path: Path) -> None:
    """A database as this version left it, with a row in each of the first tables."""
    if version == migrations.FROM_R:
        RDatabase(path, "second").build()
        return
    with closing(sqlite3.connect(path)) as connection:
        script = (Path(__file__).parent / "older" / f"schema_{version}.sql").read_text("utf-8")
        connection.executescript(script + _ROWS)


@pytest.mark.parametrize("version", [migrations.FROM_R, 1, 2])
def test_every_earlier_version_becomes_what_a_new_database_is(version, tmp_path, next_version):
    """Of today's schema a step knows nothing, so it leads to the same end after the next change."""
    of_version(version, tmp_path / "older.db")
    open_database(tmp_path / "older.db", before_upgrade=lambda _: None).close()
    open_database(tmp_path / "new.db", create=True).close()
    older, new = shape(tmp_path / "older.db"), shape(tmp_path / "new.db")
    assert new <= older
    assert older == new or version == migrations.FROM_R  # whose own columns are kept
    with closing(sqlite3.connect(tmp_path / "older.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (next_version,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() != (0,)
