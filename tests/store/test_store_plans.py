"""The hot queries are answered by the indexes that were made for them, at any size."""

import sqlite3
from collections.abc import Callable, Iterator

import pytest
from store_world import UNREADABLE, World, answered, ended

from overnight.domain.answer import DEFAULT_ANSWER
from overnight.domain.split import Split
from overnight.store.connection import Connection, Values
from overnight.store.course import failed_calls, results_over_time
from overnight.store.experiments import counts, find_experiment, get_experiment
from overnight.store.kept import label_counts_by
from overnight.store.labels import NewLabel, add_labels, first_labels
from overnight.store.ledger import close_lost
from overnight.store.looks import find_look, labels_of
from overnight.store.open import open_database
from overnight.store.parts import WHOLE, Part, set_apart
from overnight.store.remaining import done_until, remaining_among
from overnight.store.results import iterate_judgements, iterate_results, label_counts
from overnight.store.reuse import BY_KEY, BY_TEXT, FILL_TEXTS, answered_texts
from overnight.store.samples import labelled_members
from overnight.store.summary import summarize
from overnight.store.versions import differences, given_labels, labelled_version

N = 1200


@pytest.fixture(scope="module", params=["fresh", "analyzed"])
def seeded(request, tmp_path_factory) -> Iterator[World]:
    """Two datasets, three experiments, a few thousand results and calls; with and without
    statistics, since somebody may run ANALYZE.
    """
    database = open_database(tmp_path_factory.mktemp("plans") / "overnight.db", create=True)
    world = World(database)
    world.dataset_id = world.dataset(N)
    world.older = world.dataset(300, checksum="sha256:1")
    labels = [NewLabel(N + i, "1", None, None, by="R", at="2026-01-01") for i in range(1, 300)]
    with database.write() as connection:
        add_labels(connection, world.older, labels, source_file="sheet.csv")
    world.experiment(world.older, 300)
    for _ in range(3):
        world.key = world.experiment(world.dataset_id, N)
        session, _ = world.session(world.key)
        opened = world.open(session, world.key, world.remaining(world.key, world.dataset_id)[:1000])
        outcomes = [answered() if i % 50 else UNREADABLE for i in range(len(opened))]
        world.close(
            session,
            world.key,
            *[
                ended(attempt, outcome, final=i % 100 != 0)
                for i, (attempt, outcome) in enumerate(zip(opened, outcomes, strict=True))
            ],
        )
    if request.param == "analyzed":
        with database.write() as connection:
            connection.execute("ANALYZE")
        database.close()  # statistics are read when a connection opens
    yield world
    database.close()


def plans(world: World, ask: Callable[[], object]) -> list[list[str]]:
    """How SQLite goes about each statement that `ask` sends."""
    sent: dict[str, Values] = {}

    def remember(connection: Connection, statement: str, values: Values = ()) -> sqlite3.Cursor:
        sent.setdefault(statement, values)
        return sqlite3.Connection.execute(connection, statement, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "execute", remember)
        ask()
    found = []
    with world.database.read() as connection:
        for statement, parameters in sent.items():
            if statement.split()[0] not in ("BEGIN", "COMMIT", "INSERT", "PRAGMA"):
                rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found.append([row[3] for row in rows])
    return found


def lost(world: World) -> None:
    with world.database.write() as connection:
        close_lost(connection, world.key)


def among(world: World) -> None:
    with world.database.read() as connection:
        rows = range(N, 0, -5)
        remaining_among(connection, world.key, world.dataset_id, rows)


def done(world: World) -> None:
    with world.database.read() as connection:
        done_until(connection, world.key, world.dataset_id, N)


def failed(world: World) -> None:
    with world.database.read() as connection:
        failed_calls(connection, world.key)


def given(world: World) -> None:
    with world.database.read() as connection:
        assert len(given_labels(connection, world.older, world.dataset_id)) == 299


def labels_elsewhere(world: World) -> None:
    found = labelled_version(world.database, get_experiment(world.database, world.key))
    assert found is not None
    assert found.n_labels == 299


APART = Part(*set_apart(Split("fold", ("test",)), ["fold"]))


QUERIES: dict[str, tuple[Callable[[World], object], list[str]]] = {
    "what remains": (
        lambda w: w.remaining(w.key, w.dataset_id),
        [
            "n USING INDEX ix_narratives_order (dataset_id=? AND row_num>? AND row_num<?)",
            "r USING COVERING INDEX uq_result_per_exp_narrative (experiment_key=? AND narrative_id",
            "a USING INDEX ix_attempts_unanswered (experiment_key=? AND narrative_id=?)",
            "attempts USING INTEGER PRIMARY KEY",
        ],
    ),
    "what remains, in a random order": (
        among,
        [
            "n USING INDEX ix_narratives_order (dataset_id=? AND row_num=?)",
            "r USING COVERING INDEX uq_result_per_exp_narrative (experiment_key=? AND narrative_id",
            "a USING INDEX ix_attempts_unanswered (experiment_key=? AND narrative_id=?)",
        ],
    ),
    "how far all is done": (
        done,
        [
            "narratives USING COVERING INDEX ix_narratives_order (dataset_id=? AND row_num>? AND",
            "results USING COVERING INDEX uq_result_per_exp_narrative (experiment_key=? AND narr",
        ],
    ),
    "judgements of what is not set apart": (
        lambda w: list(iterate_judgements(w.database, get_experiment(w.database, w.key), APART)),
        [
            "n USING INDEX uq_source_narrative (dataset_id=? AND (incident_id,narrative_type)>",
            "m USING INDEX uq_source_narrative (dataset_id=? AND incident_id=?)",
        ],
    ),
    "metrics": (
        lambda w: label_counts(w.database, w.key),
        [
            "r USING INDEX uq_result_per_exp_narrative (experiment_key=?)",
            "n USING INTEGER PRIMARY KEY",
        ],
    ),
    "a summary": (
        lambda w: summarize(w.database, w.key),
        [
            "results USING COVERING INDEX uq_result_per_exp_narrative (experiment_key=?)",
            "results USING COVERING INDEX ix_results_errors (experiment_key=?",
            "results USING COVERING INDEX ix_results_copied (experiment_key=?",
            "attempts USING INDEX ix_attempts_unanswered (experiment_key=?)",
            "run_sessions USING INDEX ix_sessions_experiment (experiment_key=?)",
        ],
    ),
    "counts": (
        lambda w: counts(w.database, get_experiment(w.database, w.key)),
        [
            "results USING COVERING INDEX uq_result_per_exp_narrative (experiment_key=?)",
            "results USING COVERING INDEX ix_results_errors (experiment_key=?",
        ],
    ),
    "an export": (
        lambda w: list(iterate_results(w.database, w.key, w.dataset_id, DEFAULT_ANSWER)),
        [
            "n USING INDEX ix_narratives_order (dataset_id=? AND row_num>?)",
            "r USING INDEX uq_result_per_exp_narrative (experiment_key=? AND narrative_id=?)",
        ],
    ),
    "judgements": (
        lambda w: list(iterate_judgements(w.database, get_experiment(w.database, w.key))),
        [
            "n USING INDEX uq_source_narrative (dataset_id=? AND (incident_id,narrative_type)>",
            "r USING INDEX uq_result_per_exp_narrative (experiment_key=? AND narrative_id=?)",
        ],
    ),
    "labels given to another version": (
        given,
        [
            "o USING INTEGER PRIMARY KEY",
            "n USING INDEX uq_source_narrative (dataset_id=? AND incident_id=? AND narrative_",
        ],
    ),
    "whether there are such": (
        labels_elsewhere,
        [
            "o USING INTEGER PRIMARY KEY",
            "n USING INDEX uq_source_narrative (dataset_id=? AND incident_id=? AND narrative_",
        ],
    ),
    "what differs between versions": (
        lambda w: list(differences(w.database, w.older, w.dataset_id, 300)),
        [
            "n USING INDEX ix_narratives_order (dataset_id=? AND row_num>? AND row_num<?)",
            "m USING INDEX ix_narratives_order (dataset_id=? AND row_num=?)",
        ],
    ),
    "throughput over time": (
        lambda w: results_over_time(w.database, w.key, 16),
        [
            "r USING INDEX uq_result_per_exp_narrative (experiment_key=? AND narrative_id>?",
            "n USING INTEGER PRIMARY KEY",
        ],
    ),
    "calls that gave no answer": (
        failed,
        ["attempts USING INDEX ix_attempts_unanswered (experiment_key=?)"],
    ),
    "figures by a kept column": (
        lambda w: label_counts_by(w.database, w.key, APART, "fold", ["a"]),
        [
            "r USING INDEX uq_result_per_exp_narrative (experiment_key=?)",
            "n USING INTEGER PRIMARY KEY",
        ],
    ),
    "labels of a sample": (
        lambda w: labelled_members(w.database, w.dataset_id),
        [
            "m USING INDEX ix_sample_members_dataset (dataset_id=?)",
            "n USING INTEGER PRIMARY KEY",
            "h USING COVERING INDEX ix_human_labels_narrative (narrative_id=?)",
        ],
    ),
    "first labels": (
        lambda w: first_labels(w.database, w.older),
        [
            "f USING COVERING INDEX ix_human_labels_narrative (narrative_id=?)",
            "n USING INTEGER PRIMARY KEY",
        ],
    ),
    "what was lost": (lost, ["attempts USING INDEX ix_attempts_unanswered (experiment_key=?)"]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_hot_query_uses_its_indexes(seeded, name):
    ask, wanted = QUERIES[name]
    steps = [step for plan in plans(seeded, lambda: ask(seeded)) for step in plan]

    for index in wanted:
        assert any(step.startswith(f"SEARCH {index}") for step in steps), (index, steps)
    for step in steps:
        assert not step.startswith(("SCAN narratives", "SCAN results", "SCAN attempts")), steps
        assert step not in ("SCAN n", "SCAN r", "SCAN a"), steps
        assert "TEMP B-TREE FOR ORDER BY" not in step, steps
        assert "AUTOMATIC" not in step, steps


def test_looks_at_earlier_versions_are_found_by_a_thousand_narratives_of_each(seeded):
    labels = labels_of(seeded.database, seeded.dataset_id, WHOLE)
    experiment = get_experiment(seeded.database, seeded.key)

    def look() -> None:
        with seeded.database.read() as connection:
            find_look(connection, experiment, labels)

    [steps] = plans(seeded, look)
    of_each = steps.index("SEARCH n USING INDEX ix_narratives_order (dataset_id=? AND row_num<?)")
    assert "m USING COVERING INDEX uq_source_narrative (dataset_id=? AND inc" in steps[of_each + 1]
    assert not any(step.startswith(("SCAN n", "SCAN m")) for step in steps), steps


def test_copying_answers_looks_each_narrative_up(seeded):
    """Going through all answers once, for their texts, is meant."""
    values = dict.fromkeys(
        ("experiment", "dataset", "source", "source_dataset", "after", "last"), 1
    )
    with (
        seeded.database.writer() as writer,
        answered_texts(writer, seeded.key) as connection,
    ):

        def steps(sql, values):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            return [row[3] for row in plan.fetchall()]

        for sql in (each.format(covered="1") for each in (BY_KEY, BY_TEXT)):
            found = steps(sql, values)
            assert "n USING INDEX ix_narratives_order (dataset_id=? AND row_num>?" in found[0]
            assert all(step.startswith(("SEARCH", "CORRELATED")) for step in found), found
        assert steps(FILL_TEXTS, (1,)) == [
            "SEARCH r USING INDEX uq_result_per_exp_narrative (experiment_key=?)",
            "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)",
            "USE TEMP B-TREE FOR GROUP BY",
        ]


def test_finding_an_experiment_reads_no_results(seeded):
    for plan in plans(seeded, lambda: find_experiment(seeded.database, "latest")):
        assert all(
            "experiments" in step or step.startswith(("SEARCH d ", "CORRELATED")) for step in plan
        )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM narrative_results WHERE experiment_id = ?",
        "SELECT detected, manual_flag_ind FROM narrative_results WHERE experiment_id = ?",
        "SELECT s.incident_id FROM source_narratives s WHERE NOT EXISTS (SELECT 1"
        " FROM narrative_results r WHERE r.experiment_id = ? AND r.incident_id = s.incident_id"
        " AND r.narrative_type = s.narrative_type)",
    ],
)
def test_a_reader_of_the_views_is_answered_by_the_indexes_as_well(seeded, sql):
    with seeded.database.read() as connection:
        rows = connection.rows(f"EXPLAIN QUERY PLAN {sql}", ("id",))
    steps = [row[3] for row in rows]
    assert not any(step.startswith(("SCAN r", "SCAN results")) for step in steps), steps
    assert not any("AUTOMATIC" in step for step in steps), steps
