"""Databases of the earlier R implementation become ours, whole, and say what was done."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from overnight.errors import DatabaseRefused
from overnight.store.open import open_database
from overnight.store.schema.from_r.functions import as_output, as_utc
from r_world import COMPLETED, CRASHED, RUNNING, RDatabase

SCHEMAS = ("first", "second")


@pytest.fixture(autouse=True)
def new_york(monkeypatch):
    """The machine's zone is known, and has a summer time."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(params=SCHEMAS)
def old(tmp_path, request) -> RDatabase:
    return RDatabase(tmp_path / "production.db", request.param).build()


def rows(file, sql: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()


def change(old: RDatabase, *statements: str) -> None:
    with closing(sqlite3.connect(old.path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def migrated(old: RDatabase) -> list[str]:
    notes: list[str] = []
    open_database(old.path, before_upgrade=lambda _: None, tell=notes.append).close()
    assert rows(old.path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old.path, "PRAGMA foreign_key_check") == []
    assert rows(old.path, "SELECT name FROM sqlite_master WHERE name LIKE 'r!_%' ESCAPE '!'") == []
    return notes


def test_who_only_reads_is_refused_and_told_the_command(old):
    before = old.path.read_bytes()
    with pytest.raises(DatabaseRefused, match=r"earlier R implementation.*overnight migrate --db"):
        open_database(old.path)
    assert old.path.read_bytes() == before


def test_every_answer_and_every_error_is_there_with_its_history(old):
    select = (
        "SELECT experiment_id, incident_id, narrative_type, row_num, manual_flag_ind, detected,"
        " confidence, indicators, rationale, raw_response, response_sec, prompt_tokens,"
        " completion_tokens, tokens_used, narrative_text, error_occurred, error_message"
        " FROM narrative_results WHERE result_id <= 95 AND NOT (experiment_id = ? AND row_num = 4)"
        " ORDER BY result_id"
    )
    before = rows(old.path, select, COMPLETED)
    migrated(old)
    after = rows(old.path, select, COMPLETED)
    words = {row[-1] for row in after} - {None}
    assert words == (
        {"Timeout was reached"}
        if old.schema == "first"
        else {"Timeout was reached", "timeout: Timeout was reached"}
    )
    assert [row[:-1] for row in after] == [row[:-1] for row in before]
    output = json.loads(rows(old.path, "SELECT output_json FROM narrative_results LIMIT 1")[0][0])
    assert output == {
        "detected": True,
        "confidence": 0.9,
        "indicators": ["partner"],
        "rationale": "As the text 0 says.",
    }


def test_of_results_for_one_narrative_the_first_without_error_stays(old):
    notes = "\n".join(migrated(old))
    row = rows(
        old.path,
        "SELECT result_id, error_occurred FROM narrative_results WHERE experiment_id = ?"
        " AND row_num = 4",
        COMPLETED,
    )
    if old.schema == "second":
        assert row == [(4, 1)]
        assert "duplicate_results" not in notes
        return
    assert row == [(96, 0)]
    assert "3 results were there more than once" in notes
    moved = rows(old.path, "SELECT result_id, error_occurred, rationale FROM duplicate_results")
    assert moved == [
        (4, 1, None),
        (97, 0, "As the text 3 says."),
        (98, 0, "As the text 5 says."),
    ]


def test_everything_is_accounted_for(old):
    migrated(old)
    for experiment_id, total, completed in (
        (COMPLETED, 60, 60),
        (RUNNING, 60, 25),
        (CRASHED, 20, 10),
    ):
        [(n_total, n_completed, n_results)] = rows(
            old.path,
            "SELECT n_narratives_total, n_narratives_completed, (SELECT count(*) FROM"
            " narrative_results r WHERE r.experiment_id = e.experiment_id) FROM experiments e"
            " WHERE experiment_id = ?",
            experiment_id,
        )
        assert (n_total, n_completed, n_results) == (total, completed, completed)
    uneven = (
        "SELECT count(*) FROM results r WHERE attempt_count <> (SELECT count(*) FROM attempts a"
        " WHERE a.experiment_key = r.experiment_key AND a.narrative_id = r.narrative_id)"
    )
    assert rows(old.path, uneven) == [(0,)]
    sessions = "SELECT sum(n_calls), sum(n_results) FROM run_sessions"
    assert rows(old.path, sessions) == rows(
        old.path, "SELECT count(*), (SELECT count(*) FROM results) FROM attempts"
    )
    tokens = "SELECT sum(prompt_tokens), sum(completion_tokens)"
    assert rows(old.path, f"{tokens}, sum(n_with_tokens) FROM run_sessions") == rows(
        old.path, f"{tokens}, count(prompt_tokens + completion_tokens) FROM attempts"
    )
    assert rows(old.path, "SELECT n_narratives, n_left_out FROM datasets") == [(60, 0)]


def test_a_completed_one_with_gaps_is_not_complete(old):
    change(
        old,
        f"DELETE FROM narrative_results WHERE experiment_id = '{COMPLETED}' AND row_num > 57",
        "DELETE FROM narrative_results WHERE row_num = 4",
    )
    migrated(old)
    status = (
        "SELECT n_narratives_total, status, status_reason FROM experiments WHERE experiment_id = ?"
    )
    assert rows(old.path, status, COMPLETED) == [
        (60, "failed", "its old status: completed, but 4 narratives have no result")
    ]


def test_a_completed_one_that_stopped_early_covers_what_it_has(old):
    change(
        old,
        f"DELETE FROM narrative_results WHERE experiment_id = '{COMPLETED}' AND row_num > 57",
    )
    migrated(old)
    status = (
        "SELECT n_narratives_total, status, status_reason FROM experiments WHERE experiment_id = ?"
    )
    assert rows(old.path, status, COMPLETED) == [
        (57, "completed", "was completed with 57 results of 60")
    ]


def test_statuses_are_ours_and_another_word_is_kept(old):
    notes = migrated(old)
    assert rows(old.path, "SELECT status, status_reason FROM experiments ORDER BY 1") == [
        ("completed", None),
        ("failed", "its old status: crashed"),
        ("running", None),
    ]
    assert "experiments with the status 'crashed' (1) are failed now; the word is kept" in notes


def test_local_times_are_utc_from_now_on_in_summer_and_in_winter(old):
    migrated(old)
    started = "SELECT start_time, end_time FROM experiments WHERE experiment_id = ?"
    assert rows(old.path, started, COMPLETED) == [
        ("2025-07-01 13:00:00.000", "2025-07-01 14:00:00.000")
    ]
    assert rows(old.path, started, RUNNING) == [("2025-12-01 14:00:00.000", None)]
    assert rows(old.path, "SELECT processed_at FROM results WHERE result_id = 61") == [
        ("2025-12-01 14:00:30.000",)
    ]


def test_columns_that_nobody_knows_are_carried_over_and_shown_where_they_were(old):
    odd = 'ALTER TABLE experiments ADD COLUMN "n.total (R)" REAL DEFAULT 1.5'
    change(old, odd, "ALTER TABLE source_narratives ADD COLUMN site TEXT DEFAULT 'A'")
    migrated(old)
    assert (
        rows(old.path, 'SELECT r_version, pct_overlap_with_manual, "n.total (R)" FROM experiments')
        == [("R version 4.4.1 (2024-06-14)", 91.5, 1.5)] * 3
    )
    assert rows(old.path, "SELECT DISTINCT site FROM source_narratives") == [("A",)]
    [(text,)] = rows(old.path, "SELECT narrative_text FROM narrative_results WHERE result_id = 1")
    assert text == "Case 0 is invented. A partner was there."


def test_an_unknown_column_with_a_name_of_ours_is_renamed(old):
    change(
        old,
        "ALTER TABLE experiments ADD COLUMN config_json TEXT DEFAULT 'theirs'",
        "ALTER TABLE narrative_results ADD COLUMN label TEXT DEFAULT 'theirs'",
    )
    migrated(old)
    assert rows(old.path, "SELECT DISTINCT r_config_json FROM experiments") == [("theirs",)]
    assert rows(old.path, "SELECT DISTINCT r_label FROM narrative_results") == [("theirs",)]


def test_tables_views_and_indexes_of_the_user_stay(old):
    change(
        old,
        "CREATE VIEW progress AS SELECT experiment_name, n_narratives_total FROM experiments",
        "CREATE VIEW v_errors AS SELECT * FROM narrative_results WHERE error_occurred = 1",
        "CREATE TABLE results (mine TEXT)",
        "INSERT INTO results VALUES ('kept')",
        "CREATE TABLE codebook (word TEXT)",
    )
    notes = migrated_with_renamed(old)
    assert "v_errors is now called r_v_errors" in notes
    assert "results is now called r_results" in notes
    assert rows(old.path, "SELECT count(*) FROM progress") == [(3,)]
    assert rows(old.path, "SELECT count(*) FROM r_v_errors") == rows(
        old.path, "SELECT count(*) FROM v_errors"
    )
    assert rows(old.path, "SELECT mine FROM r_results") == [("kept",)]


def migrated_with_renamed(old: RDatabase) -> list[str]:
    notes: list[str] = []
    open_database(old.path, before_upgrade=lambda _: None, tell=notes.append).close()
    return notes


def test_rows_that_are_no_narratives_and_results_of_nobody_are_set_apart(old):
    change(
        old,
        "UPDATE source_narratives SET narrative_text = ' ' WHERE narrative_id = 60",
        "PRAGMA foreign_keys = OFF",
        "INSERT INTO narrative_results (experiment_id, incident_id, narrative_type, detected)"
        " VALUES ('gone', '000001', 'cme', 1)",
    )
    notes = "\n".join(migrated(old))
    assert rows(old.path, "SELECT reason, incident_id FROM left_out_rows") == [
        ("empty text", "000059")
    ]
    assert "2 results belong to no narrative or to no experiment" in notes
    assert rows(old.path, "SELECT experiment_id, incident_id FROM orphan_results ORDER BY 2") == [
        ("gone", "000001"),
        (COMPLETED, "000059"),
    ]
    of_completed = "SELECT n_narratives_total, status FROM experiments WHERE experiment_id = ?"
    assert rows(old.path, of_completed, COMPLETED) == [(59, "completed")]


def test_two_files_are_two_datasets_and_a_result_of_the_other_one_is_not_lost(old):
    change(
        old,
        "UPDATE source_narratives SET data_source = 'other.csv' WHERE narrative_id > 40",
        f"UPDATE experiments SET data_file = 'other.csv' WHERE experiment_id = '{CRASHED}'",
    )
    migrated(old)
    assert rows(old.path, "SELECT data_source, n_narratives FROM datasets") == [
        ("narratives.csv", 60),  # 40, and the 20 that the completed experiment has results for
        ("other.csv", 30),  # 20, and the 10 of the crashed one
    ]
    assert rows(old.path, "SELECT count(*) FROM results") == [(95,)]


def test_what_is_not_stored_is_named_and_what_cannot_be_resumed_too(old):
    change(
        old,
        "UPDATE experiments SET api_url = NULL, run_seed = NULL",
        f"UPDATE experiments SET user_template = 'no place' WHERE experiment_id = '{CRASHED}'",
    )
    notes = "\n".join(migrated(old))
    assert "model.api_url is not stored of aaaaaaaa, bbbbbbbb, cccccccc" in notes
    assert "run.seed is not stored of" in notes
    assert "can be read but not resumed as it is stored: cccccccc" in notes
    assert "<<TEXT>>" in notes


def test_a_prompt_that_looks_like_a_variable_stays_as_it_is(old):
    migrated(old)
    [(stored, column)] = rows(
        old.path, "SELECT config_json, user_template FROM experiments LIMIT 1"
    )
    assert column.endswith("and ${HOME} are no variables)")
    assert "$${HOME}" in json.loads(stored)["prompt"]["user_template"]


# Of the form of the review's; `?` is an experiment's id.
REVIEW = {
    "progress": "SELECT experiment_name, n_narratives_completed, n_narratives_total,"
    " ROUND(100.0 * n_narratives_completed / n_narratives_total, 1) as pct_done"
    ' FROM experiments WHERE status = "running"',
    "discovery": "SELECT experiment_id FROM experiments WHERE status IN ('running')"
    " AND experiment_name LIKE '%study%' ORDER BY start_time DESC LIMIT 1",
    "remaining": "SELECT s.incident_id, s.narrative_type, s.narrative_text, s.manual_flag_ind"
    " FROM source_narratives s LEFT JOIN narrative_results r ON r.experiment_id = ?"
    " AND r.incident_id = s.incident_id AND r.narrative_type = s.narrative_type"
    " WHERE r.result_id IS NULL ORDER BY s.narrative_id",
    "errors to retry": "SELECT s.incident_id, r.error_message FROM source_narratives s"
    " INNER JOIN narrative_results r ON r.experiment_id = ? AND r.incident_id = s.incident_id"
    " AND r.narrative_type = s.narrative_type WHERE r.error_occurred = 1"
    " AND r.error_category IN ('api_error', 'rate_limit')",
    "abandoned": "SELECT experiment_id, experiment_name, (SELECT COUNT(*) FROM narrative_results"
    " WHERE experiment_id = e.experiment_id) as n_results FROM experiments e"
    " WHERE status IN ('running') AND start_time < datetime('now', '-7 days')"
    " ORDER BY start_time DESC",
    "metrics": "SELECT detected, manual_flag_ind, is_true_positive FROM narrative_results"
    " WHERE experiment_id = ? AND error_occurred = 0 ORDER BY result_id",
    "seed": "SELECT run_seed FROM experiments WHERE experiment_id = ?",
    "limit": "SELECT n_narratives_total FROM experiments WHERE experiment_id = ?",
    "counts": "SELECT COUNT(*) as n FROM narrative_results WHERE experiment_id = ?",
}


@pytest.mark.parametrize("name", REVIEW)
def test_the_reviews_statements_give_afterwards_what_they_gave_before(tmp_path, name):
    old = RDatabase(tmp_path / "production.db", "second").build()
    values = (RUNNING,) if "?" in REVIEW[name] else ()
    before = rows(old.path, REVIEW[name], *values)
    migrated(old)
    assert rows(old.path, REVIEW[name], *values) == before
    assert before


def test_an_empty_one_becomes_an_empty_one_of_ours(old):
    change(old, "DELETE FROM narrative_results", "DELETE FROM experiments")
    change(old, "DELETE FROM source_narratives")
    migrated(old)
    assert rows(old.path, "SELECT count(*) FROM experiments") == [(0,)]


def test_a_namesake_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        for name in ("experiments", "source_narratives", "narrative_results"):
            connection.execute(f"CREATE TABLE {name} (something TEXT)")
    with pytest.raises(DatabaseRefused, match="another program"):
        open_database(path, before_upgrade=lambda _: None)


@pytest.mark.parametrize(
    ("old_value", "utc"),
    [
        ("2025-07-01 09:00:00", "2025-07-01 13:00:00.000"),
        ("2025-07-01T09:00:00", "2025-07-01 13:00:00.000"),
        ("2025-07-01 09:00:00.123456", "2025-07-01 13:00:00.123"),
        ("2025-07-01 09:00:00 EDT", "2025-07-01 13:00:00.000"),
        ("2025-07-01T09:00:00Z", "2025-07-01 09:00:00.000"),
        ("2025-11-02 01:30:00", "2025-11-02 05:30:00.000"),  # twice that night: the first
        (1751374800.5, "2025-07-01 13:00:00.500"),
        ("yesterday", None),
        (12, None),
        (None, None),
    ],
)
def test_times_however_r_wrote_them(old_value, utc):
    assert as_utc(old_value) == utc


@pytest.mark.parametrize(
    ("indicators", "items"),
    [
        ('["a","b"]', ["a", "b"]),
        ('"a"', ["a"]),
        ("a; b", ["a; b"]),
        ("[]", []),
        ("{}", []),
        ("", []),
    ],
)
def test_indicators_however_r_wrote_them(indicators, items):
    assert json.loads(as_output(1, 0.5, indicators, None))["indicators"] == items
