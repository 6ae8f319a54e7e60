"""The tables that other people's scripts rely on: their columns, their indexes, their checks."""

import hashlib
import re
import sqlite3

import pytest
from store_world import DOWN, UNREADABLE, World, answered, ended

from overnight.domain.narrative import SourceNarrative
from overnight.errors import OvernightError
from overnight.store.experiments import record_progress
from overnight.store.loading import add_narratives, begin_dataset

# The contract's columns, word for word.
COLUMNS = {
    "source_narratives": """narrative_id, incident_id, narrative_type, narrative_text,
        manual_flag_ind, manual_flag, data_source, data_checksum, loaded_at, dataset_id, label,
        text_sha256""",
    "experiments": """experiment_id, experiment_name, status, model_name, model_provider,
        temperature, system_prompt, user_template, prompt_version, prompt_author, run_seed,
        data_file, n_narratives_total, n_narratives_processed, n_narratives_skipped,
        n_narratives_completed, last_progress_update, estimated_completion_time, start_time,
        end_time, total_runtime_sec, avg_time_per_narrative_sec, api_url, hostname,
        n_positive_detected, n_negative_detected, n_positive_manual, n_negative_manual, accuracy,
        precision_ipv, recall_ipv, f1_ipv, n_true_positive, n_true_negative, n_false_positive,
        n_false_negative, csv_file, json_file, log_dir, created_at, notes, config_json,
        data_checksum, status_reason""",
    "narrative_results": """result_id, experiment_id, incident_id, narrative_type, row_num,
        manual_flag_ind, manual_flag, detected, confidence, indicators, rationale,
        reasoning_steps, raw_response, response_sec, processed_at, error_occurred, error_message,
        error_category, attempt_count, first_error_message, last_attempt_at, prompt_tokens,
        completion_tokens, tokens_used, is_true_positive, is_true_negative, is_false_positive,
        is_false_negative, output_json, repaired""",
    "run_sessions": """session_id, experiment_id, kind, host, pid, started_at, ended_at,
        ended_how, n_calls, n_results, api_url, served_model, system_fingerprint, structured,
        overnight_version""",
    "narrative_attempts": """attempt_id, session_id, experiment_id, incident_id, narrative_type,
        attempt_no, status, error_category, http_status, error_message, finish_reason, reply,
        started_at, response_sec, prompt_tokens, completion_tokens""",
    "datasets": "dataset_id, data_checksum, data_source, loaded_at",
    "left_out_rows": "dataset_id, source_row, incident_id, narrative_type, reason",
    "v_results": "experiment_id, experiment_name, model_name, incident_id, narrative_type, label, "
    "detected, output_json, error_category, error_message",
    "v_errors": "experiment_id, incident_id, narrative_type, error_category, error_message",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_of_the_contract_is_there(world, table):
    wanted = {name.strip() for name in COLUMNS[table].split(",")}
    there = {row[1] for row in world.rows(f"PRAGMA table_info({table})")}
    assert wanted - there == set()


@pytest.fixture
def filled(world) -> World:
    """One experiment over six narratives: three answered, one error, one open call."""
    dataset = world.dataset(6)
    world.dataset_id = dataset
    world.key = world.experiment(dataset, 6)
    world.session_id, _ = world.session(world.key)
    jobs = world.remaining(world.key, dataset)
    opened = world.open(world.session_id, world.key, jobs[:5])
    world.close(
        world.session_id,
        world.key,
        ended(opened[0], answered(detected=True)),  # label 1
        ended(opened[1], answered(detected=True)),  # label 0
        ended(opened[2], answered(detected=False)),  # no label
        ended(opened[3], UNREADABLE),
    )
    return world


# --- unique and checked ----------------------------------------------------------------------


def why_refused(world: World, sql: str) -> str:
    """Which kind of constraint holds."""
    with pytest.raises((OvernightError, sqlite3.IntegrityError)) as caught:
        execute(world, sql)
    found = re.search(
        "UNIQUE|CHECK|NOT NULL|FOREIGN KEY", f"{caught.value} {caught.value.__cause__}"
    )
    return found[0] if found else str(caught.value)


def execute(world: World, sql: str) -> None:
    with world.database.write() as connection:
        connection.execute(sql)


@pytest.mark.parametrize(
    ("index", "table", "columns"),
    [
        ("uq_source_narrative", "narratives", ["dataset_id", "incident_id", "narrative_type"]),
        ("uq_result_per_exp_narrative", "results", ["experiment_key", "narrative_id"]),
        ("uq_dataset", "datasets", ["data_checksum", "mapping_json"]),
    ],
)
def test_the_unique_indexes_are_there(world, index, table, columns):
    assert [r[2] for r in world.rows(f"PRAGMA index_info({index})")] == columns
    assert (index, 1) in [(r[1], r[2]) for r in world.rows(f"PRAGMA index_list({table})")]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO narratives (dataset_id, row_num, incident_id, narrative_type, text_sha256,"
        " narrative_text) SELECT dataset_id, 99, incident_id, narrative_type, text_sha256, 'other'"
        " FROM narratives WHERE row_num = 1",
        "INSERT INTO narratives (dataset_id, row_num, incident_id, narrative_type, text_sha256,"
        " narrative_text) SELECT dataset_id, 1, 'new', narrative_type, text_sha256, 'other'"
        " FROM narratives WHERE row_num = 1",
        "INSERT INTO results (experiment_key, narrative_id, processed_at, attempt_count)"
        " SELECT experiment_key, narrative_id, 'now', 1 FROM results LIMIT 1",
        "UPDATE experiments SET status = 'crashed'",
        "UPDATE experiments SET status = 'Running'",
        "UPDATE experiments SET status = NULL",
        "UPDATE results SET error_category = 'timeout'",
        "UPDATE attempts SET status = 'done'",
        "UPDATE run_sessions SET kind = 'again'",
        "INSERT INTO datasets (data_checksum, mapping_json, data_source, layout)"
        " SELECT data_checksum, mapping_json, 'elsewhere', layout FROM datasets",
        "INSERT INTO results (experiment_key, narrative_id, processed_at, attempt_count)"
        " VALUES (99, 1, 'now', 1)",
        "DELETE FROM narratives",
        "INSERT INTO experiments (experiment_id, experiment_name, status, model_name,"
        " model_provider, created_at, dataset_id, data_checksum, config_json, binding_sha256)"
        " SELECT experiment_id, 'b', status, model_name, model_provider, created_at, dataset_id,"
        " data_checksum, config_json, binding_sha256 FROM experiments",
    ],
)
def test_what_must_not_be_cannot_be_written(filled, sql):
    before = filled.everything()
    assert why_refused(filled, sql) in ("UNIQUE", "CHECK", "NOT NULL", "FOREIGN KEY")
    assert filled.everything() == before


# --- the statements of the review --------------------------------------------------------------


def other_program(world: World, sql: str, *values: object) -> list[tuple]:
    """As R, a notebook or the sqlite3 command would ask."""
    connection = sqlite3.connect(f"file:{world.path}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def experiment_id(world: World) -> str:
    return str(world.value("SELECT experiment_id FROM experiments"))


def test_the_reviews_watch_of_the_progress(filled):
    with filled.database.write() as connection:
        record_progress(connection, filled.key, completed=4, now=1_700_000_000.5, eta=None)
    rows = other_program(
        filled,
        "SELECT experiment_name, n_narratives_completed, n_narratives_total,"
        " ROUND(100.0 * n_narratives_completed / n_narratives_total, 1) as pct_done"
        ' FROM experiments WHERE status = "running"',
    )
    assert rows == [("study", 4, 6, 66.7)]
    assert other_program(
        filled, "SELECT strftime('%s', last_progress_update) FROM experiments"
    ) == [("1700000000",)]


def test_the_reviews_discovery_of_an_experiment_to_resume(filled):
    for where in ("status != 'completed'", "status IN ('running', 'failed')"):
        rows = other_program(
            filled,
            f"SELECT experiment_id FROM experiments WHERE {where}"
            " AND experiment_name LIKE '%stud%' ORDER BY start_time DESC LIMIT 1",
        )
        assert rows == [(experiment_id(filled),)]


def test_the_reviews_remaining_work(filled):
    left_join = other_program(
        filled,
        "SELECT s.* FROM source_narratives s LEFT JOIN narrative_results r"
        " ON r.experiment_id = ? AND r.incident_id = s.incident_id"
        " AND r.narrative_type = s.narrative_type WHERE r.result_id IS NULL"
        " ORDER BY s.narrative_id",
        experiment_id(filled),
    )
    not_exists = other_program(
        filled,
        "SELECT s.* FROM source_narratives s WHERE NOT EXISTS (SELECT 1 FROM narrative_results r"
        " WHERE r.experiment_id = ? AND r.incident_id = s.incident_id"
        " AND r.narrative_type = s.narrative_type) ORDER BY s.narrative_id",
        experiment_id(filled),
    )
    assert left_join == not_exists
    assert [row[1] for row in left_join] == ["000004", "000005"]


def test_the_reviews_errors_to_retry(filled):
    rows = other_program(
        filled,
        "SELECT s.incident_id, r.error_category, r.error_message FROM source_narratives s"
        " INNER JOIN narrative_results r ON r.experiment_id = ? AND r.incident_id = s.incident_id"
        " AND r.narrative_type = s.narrative_type WHERE r.error_occurred = 1"
        " AND r.error_category IN ('api_error', 'rate_limit', 'parse_error')",
        experiment_id(filled),
    )
    assert rows == [("000003", "parse_error", "no JSON in it")]
    assert other_program(
        filled,
        "SELECT error_category, count(*) FROM narrative_results"
        " WHERE error_occurred = 1 GROUP BY error_category",
    ) == [("parse_error", 1)]


def test_the_reviews_results_for_metrics(filled):
    rows = other_program(
        filled,
        "SELECT detected, manual_flag_ind, is_true_positive, is_true_negative, is_false_positive,"
        " is_false_negative FROM narrative_results"
        " WHERE experiment_id = ? AND error_occurred = 0 ORDER BY row_num",
        experiment_id(filled),
    )
    assert rows == [
        (1, 1, 1, 0, 0, 0),
        (1, 0, 0, 0, 1, 0),
        (0, None, None, None, None, None),
    ]


def test_an_error_is_in_no_cell_of_the_matrix(filled):
    assert other_program(
        filled,
        "SELECT manual_flag_ind, detected, is_true_positive, is_false_negative"
        " FROM narrative_results WHERE error_occurred = 1",
    ) == [(1, None, None, None)]


def test_the_reviews_stored_seed_and_limit(filled):
    with filled.database.write() as connection:
        connection.execute("UPDATE experiments SET run_seed = 1024")
    one = experiment_id(filled)
    assert other_program(
        filled, "SELECT run_seed FROM experiments WHERE experiment_id = ?", one
    ) == [(1024,)]
    assert other_program(
        filled,
        "SELECT n_narratives_total, status FROM experiments WHERE experiment_id = ?",
        one,
    ) == [(6, "running")]
    assert other_program(
        filled, "SELECT COUNT(*) as n FROM narrative_results WHERE experiment_id = ?", one
    ) == [(4,)]


def test_the_reviews_abandoned_experiments(filled):
    rows = other_program(
        filled,
        "SELECT experiment_id, experiment_name, status, start_time, (SELECT COUNT(*)"
        " FROM narrative_results WHERE experiment_id = e.experiment_id) as n_results"
        " FROM experiments e WHERE status IN ('running', 'failed')"
        " AND start_time < datetime('now', '+1 day') ORDER BY start_time DESC",
    )
    assert [(row[0], row[4]) for row in rows] == [(experiment_id(filled), 4)]


def test_the_reviews_checksum_of_the_data(filled):
    assert other_program(
        filled,
        "SELECT DISTINCT data_checksum FROM source_narratives WHERE data_source = ?",
        "/data/narratives.csv",
    ) == [("sha256:0",)]


def test_the_views_for_several_datasets(filled):
    assert other_program(filled, "SELECT count(*), count(error_category) FROM v_results") == [
        (4, 1)
    ]
    assert other_program(
        filled, "SELECT incident_id, error_category, attempt_count FROM v_errors"
    ) == [("000003", "parse_error", 1)]


def test_a_dataset_that_is_still_being_loaded_is_not_seen(world):
    dataset = begin_dataset(world.database, "sha256:1", "{}", data_source="x", layout="long")
    add_narratives(world.database, dataset, [SourceNarrative("1", "cme", "text")], 1)
    assert other_program(world, "SELECT * FROM source_narratives") == []


def test_tokens_are_added_and_the_text_can_be_checked(filled):
    assert other_program(filled, "SELECT DISTINCT tokens_used FROM narrative_results") == [
        (15,),
        (None,),
    ]
    assert other_program(filled, "SELECT text_sha256 FROM source_narratives LIMIT 1") == [
        (hashlib.sha256(b"text 0").hexdigest(),)
    ]


# --- a retry updates the row -------------------------------------------------------------------


def test_a_later_outcome_replaces_the_row_and_keeps_its_history(filled):
    job = filled.remaining(filled.key, filled.dataset_id)[0]
    [attempt] = filled.open(filled.session_id, filled.key, [job])
    job.first_error = "no connection"
    filled.close(filled.session_id, filled.key, ended(attempt, DOWN))
    where = f"WHERE incident_id = '{job.narrative.incident_id}'"
    before = filled.rows(
        "SELECT result_id, error_category, error_message, first_error_message, attempt_count,"
        f" output_json FROM narrative_results {where}"
    )
    [attempt] = filled.open(filled.session_id, filled.key, [job])
    job.first_error = "another word"
    filled.close(filled.session_id, filled.key, ended(attempt, answered()))
    after = filled.rows(
        "SELECT result_id, error_category, error_message, first_error_message, attempt_count"
        f" FROM narrative_results {where}"
    )

    assert before[0][1:5] == ("api_error", "no connection", "no connection", before[0][4])
    assert after == [(before[0][0], None, None, "no connection", before[0][4] + 1)]
