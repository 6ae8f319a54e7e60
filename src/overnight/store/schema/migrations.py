"""How the schema came to be what it is: a step for each version, all of them in one transaction.

A step is SQL of its own time: it never reads schema.sql or views.sql, which say what is wanted
today. The views are made anew at the end of every migration.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from overnight.errors import ConfigError
from overnight.store.connection import Connection
from overnight.store.schema import tables

FROM_R = -1  # in the place of a version: a database of the earlier R implementation
_R_BECOMES = 2  # the version that its conversion makes
# Tables that may have columns of an older program, and the view that shows them too.
_SHOWN = {"source_narratives": "narratives n", "narrative_results": "results r"}


def create_schema(connection: Connection) -> None:
    """Make every table, index and view in an empty database."""
    for statement in tables.schema():
        connection.execute(statement)
    _finish(connection)


def migrate_schema(connection: Connection, version: int) -> list[str]:
    """Bring an older database up to date, inside the caller's transaction; what is worth saying."""
    notes = []
    if version == FROM_R:
        from overnight.store.schema.from_r.convert import convert  # noqa: PLC0415 - hardly needed

        notes, version = convert(connection), _R_BECOMES
        _count_tokens(connection)
    for step in range(version, tables.SCHEMA_VERSION):
        STEPS[step](connection)
    for name in connection.column("SELECT name FROM sqlite_master WHERE type = 'view'"):
        if name in tables.views():  # those that users made stay as they are
            connection.execute(f'DROP VIEW "{name}"')
    _finish(connection)
    return notes


def _finish(connection: Connection) -> None:
    for name, statement in tables.views().items():
        connection.execute(_with_kept_columns(connection, name, statement))
    connection.execute(f"PRAGMA application_id = {tables.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {tables.SCHEMA_VERSION}")


def _with_kept_columns(connection: Connection, view: str, statement: str) -> str:
    """A view's statement, with the columns that an older program had and that are kept."""
    if view not in _SHOWN:
        return statement
    table, alias = _SHOWN[view].split()
    ours = tables.columns_made_by(tables.schema())[table]
    found = connection.column("SELECT name FROM pragma_table_info(?)", (table,))
    added = "".join(f', {alias}."{name}"' for name in found if name not in ours)
    return statement.replace(f"\nFROM {_SHOWN[view]}", f"{added}\nFROM {_SHOWN[view]}", 1)


_TO_2 = """
    ALTER TABLE run_sessions ADD COLUMN runtime_sec FLOAT;
    ALTER TABLE run_sessions ADD COLUMN stood_still_sec FLOAT;
    ALTER TABLE run_sessions ADD COLUMN stop_asked_at TEXT;
    ALTER TABLE run_sessions ADD COLUMN stop_asked_by TEXT;
    ALTER TABLE run_sessions ADD COLUMN prompt_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run_sessions ADD COLUMN completion_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run_sessions ADD COLUMN n_with_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE experiments ADD COLUMN reuse_of TEXT;
    ALTER TABLE experiments ADD COLUMN reused_rows INTEGER;
    ALTER TABLE experiments ADD COLUMN repeat_of TEXT;
    ALTER TABLE experiments ADD COLUMN repeat_no INTEGER;
    ALTER TABLE experiments ADD COLUMN run_order TEXT NOT NULL DEFAULT 'file';
    ALTER TABLE experiments ADD COLUMN configuration_sha256 TEXT;
    ALTER TABLE results ADD COLUMN copied INTEGER;
    ALTER TABLE datasets ADD COLUMN kept_json TEXT;
    ALTER TABLE narratives ADD COLUMN kept TEXT;
    CREATE INDEX ix_results_copied ON results (experiment_key, copied) WHERE copied IS NOT NULL;
    UPDATE run_sessions
    SET runtime_sec = max(0.0, round((julianday(coalesce(ended_at, last_seen_at, started_at))
                                      - julianday(started_at)) * 86400.0, 3));
    CREATE TABLE pauses (
        pause_id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES run_sessions (session_id),
        experiment_key INTEGER NOT NULL REFERENCES experiments (experiment_key),
        began_at TEXT NOT NULL,
        ended_at TEXT,
        reason TEXT NOT NULL,
        n_probes INTEGER NOT NULL,
        next_probe_at TEXT
    );
    CREATE INDEX ix_pauses_experiment ON pauses (experiment_key);
    CREATE TABLE limits (
        limit_id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES run_sessions (session_id),
        experiment_key INTEGER NOT NULL REFERENCES experiments (experiment_key),
        at TEXT NOT NULL,
        concurrency INTEGER NOT NULL,
        rate FLOAT
    );
    CREATE INDEX ix_limits_session ON limits (experiment_key, session_id);
    CREATE TABLE looks (
        look_id INTEGER PRIMARY KEY,
        labels_sha256 TEXT NOT NULL,
        configuration_sha256 TEXT NOT NULL,
        part TEXT NOT NULL,
        data_checksum TEXT NOT NULL,
        split_json TEXT,
        n_labels INTEGER NOT NULL,
        experiment_id TEXT NOT NULL,
        first_at TEXT NOT NULL,
        first_by TEXT NOT NULL,
        CONSTRAINT ck_part CHECK (part IN ('all', 'develop', 'test'))
    );
    CREATE INDEX ix_looks_data ON looks (data_checksum);
    CREATE UNIQUE INDEX uq_look ON looks (labels_sha256, part, configuration_sha256);
    CREATE TABLE members (
        experiment_key INTEGER NOT NULL REFERENCES experiments (experiment_key),
        narrative_id INTEGER NOT NULL REFERENCES narratives (narrative_id),
        PRIMARY KEY (experiment_key, narrative_id)
    ) WITHOUT ROWID;
    CREATE TABLE samples (
        sample_id INTEGER PRIMARY KEY,
        dataset_id INTEGER NOT NULL REFERENCES datasets (dataset_id),
        experiment_id TEXT NOT NULL,
        design TEXT NOT NULL,
        n INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        drawn_at TEXT NOT NULL,
        n_covered INTEGER NOT NULL,
        order_seed INTEGER,
        n_frame INTEGER NOT NULL,
        last_label_id INTEGER NOT NULL,
        strata_json TEXT NOT NULL,
        stratum_column TEXT,
        CONSTRAINT ck_design CHECK (design IN ('random', 'confidence', 'stratum'))
    );
    CREATE INDEX ix_samples_dataset ON samples (dataset_id);
    CREATE TABLE sample_members (
        member_id INTEGER PRIMARY KEY,
        dataset_id INTEGER NOT NULL REFERENCES datasets (dataset_id),
        sample_id INTEGER NOT NULL REFERENCES samples (sample_id),
        narrative_id INTEGER NOT NULL REFERENCES narratives (narrative_id),
        number INTEGER NOT NULL,
        stratum TEXT NOT NULL,
        probability FLOAT NOT NULL,
        CONSTRAINT ck_probability CHECK (probability > 0 AND probability <= 1)
    );
    CREATE INDEX ix_sample_members_dataset ON sample_members (dataset_id);
    CREATE UNIQUE INDEX uq_sample_member ON sample_members (sample_id, narrative_id);
    CREATE TABLE human_labels (
        label_id INTEGER PRIMARY KEY,
        dataset_id INTEGER NOT NULL REFERENCES datasets (dataset_id),
        narrative_id INTEGER NOT NULL REFERENCES narratives (narrative_id),
        label TEXT NOT NULL,
        replaced TEXT,
        labelled_by TEXT NOT NULL,
        labelled_at TEXT NOT NULL,
        source_file TEXT NOT NULL,
        note TEXT,
        source_checksum TEXT
    );
    CREATE INDEX ix_human_labels_dataset ON human_labels (dataset_id);
    CREATE INDEX ix_human_labels_narrative ON human_labels (narrative_id);
"""


def _from_1(connection: Connection) -> None:
    """Sessions keep how long they worked by their own clock, when they paused, and the limit.

    Narratives keep columns of their file, people label samples of them, and it is counted how
    often labels were looked at.
    """
    for statement in tables.statements(_TO_2):
        connection.execute(statement)
    _count_tokens(connection)
    _tell_configurations(connection)


def _tell_configurations(connection: Connection) -> None:
    """Let each experiment know its configuration's digest, by which looks at labels are counted.

    It stays unknown where a variable that the configuration uses is not set, or is another now.
    """
    from overnight.config.binding import binding_digest, configuration_digest  # noqa: PLC0415
    from overnight.config.load import restore_config  # noqa: PLC0415 - hardly ever needed

    rows = connection.rows("SELECT experiment_key, config_json, binding_sha256 FROM experiments")
    for key, stored, binding in rows:
        with suppress(ConfigError):
            values = restore_config(json.loads(stored), Path("/")).values
            if binding_digest(values) == binding:
                connection.execute(
                    "UPDATE experiments SET configuration_sha256 = ? WHERE experiment_key = ?",
                    (configuration_digest(values), key),
                )


def _count_tokens(connection: Connection) -> None:
    """Let each session know the tokens of its calls, which an older program did not count."""
    connection.execute(
        "UPDATE run_sessions SET prompt_tokens = told.prompt, completion_tokens = told.completion,"
        " n_with_tokens = told.n"
        " FROM (SELECT session_id, coalesce(sum(prompt_tokens), 0) AS prompt,"
        "       coalesce(sum(completion_tokens), 0) AS completion,"
        "       count(prompt_tokens + completion_tokens) AS n"
        "       FROM attempts GROUP BY session_id) AS told"
        " WHERE told.session_id = run_sessions.session_id"
    )


STEPS: dict[int, Callable[[Connection], None]] = {1: _from_1}  # by the version they start from
