"""A study that the earlier R implementation began goes on here."""

import sqlite3
from contextlib import closing

import pytest

from overnight.commands.doctor import doctor
from overnight.commands.list import list_
from overnight.commands.migrate import migrate
from overnight.commands.resume import Changes, resume
from overnight.commands.retry import retry
from overnight.domain.experiment import Status
from overnight.errors import AlreadyCompleted, DatabaseRefused, DataChanged
from overnight.testing import scripted_server
from r_world import COMPLETED, CRASHED, RUNNING, RDatabase


@pytest.fixture(params=["first", "second"])
def old(study, server, monkeypatch, request) -> RDatabase:
    """R's database in the study's place, R's server answering; we are in R's folder."""
    monkeypatch.chdir(study.folder)
    return RDatabase(study.database, request.param, url=server.url).build()


def going_on(study, name, **changes):
    return resume(name, db=study.database, changes=Changes(**changes), handler=study.events.append)


def said(study) -> str:
    return "\n".join(getattr(event, "message", "") for event in study.events)


@pytest.mark.usefixtures("old")
def test_resume_backs_it_up_brings_it_up_to_date_and_goes_on_where_r_stopped(study, server):
    result = going_on(study, RUNNING)
    assert (result.status, result.counts.completed, len(server.calls)) == (
        Status.COMPLETED,
        60,
        35,
    )
    assert said(study).count("is brought up to date; as it was: ") == 1
    [backup] = (study.folder / "backups").glob("*-before-migration.db")
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT count(*) FROM narrative_results").fetchone()[0] in (95, 98)
    assert {call.seed for call in server.calls} == {1024}
    assert {call.system for call in server.calls} == {"Judge."}
    assert "(a price of ${5} and ${HOME} are no variables)" in server.calls[0].text


@pytest.mark.usefixtures("old")
def test_the_old_checksum_is_replaced_by_todays_where_the_file_holds_what_is_stored(study):
    going_on(study, RUNNING)
    assert "narratives.csv holds the 60 narratives that are stored" in said(study)
    assert "labels" not in said(study)
    [(checksum,)] = study.query(
        "SELECT data_checksum FROM experiments WHERE experiment_id = ?", RUNNING
    )
    assert checksum.startswith("sha256:")


def test_a_file_that_holds_something_else_is_refused_and_the_stored_data_can_be_used(study, old):
    text = old.file.read_text()
    old.file.write_text(text.replace("Case 7 is invented", "Case 7 is edited"))
    with pytest.raises(DataChanged, match="59 narratives unchanged, 1 edited") as refused:
        going_on(study, RUNNING)
    stored = "none" if old.schema == "first" else r"[0-9a-f]{32}"
    assert refused.match(rf"stored {stored}, now sha256:")
    assert going_on(study, RUNNING, use_stored_data=True).status is Status.COMPLETED


@pytest.mark.usefixtures("old")
def test_a_limited_one_keeps_its_limit_and_can_grow(study, server):
    assert going_on(study, CRASHED).counts.total == 20
    assert len(server.calls) == 10
    assert going_on(study, CRASHED, max_narratives=1000).counts.total == 60


@pytest.mark.usefixtures("old")
def test_a_completed_one_is_completed_and_its_errors_can_be_retried(study, server):
    with pytest.raises(AlreadyCompleted):
        going_on(study, COMPLETED)
    errors = study.value("SELECT count(*) FROM v_errors WHERE experiment_id = ?", COMPLETED)
    done = retry(COMPLETED, db=study.database, handler=study.events.append)
    assert done.result.counts.errors == 0
    assert len(server.calls) == errors


@pytest.mark.usefixtures("old")
def test_without_a_name_the_newest_that_r_left_is_resumed(study):
    assert going_on(study, None).experiment_id == CRASHED


@pytest.mark.usefixtures("old")
def test_reading_is_refused_until_it_is_migrated(study):
    with pytest.raises(DatabaseRefused, match="overnight migrate"):
        list_(db=study.database)
    done = migrate(db=study.database, handler=study.events.append)
    assert any("from the earlier R implementation: 3 experiments" in line for line in done.said)
    assert [view.state for view in list_(db=study.database)] == [
        "failed",
        "running (crashed)",
        "completed",
    ]
    assert not migrate(db=study.database, handler=study.events.append).said


@pytest.mark.usefixtures("old")
def test_run_beside_old_experiments_starts_its_own(study, server):
    study.configure(server.url)
    assert study.run().counts.completed == 60
    assert study.value("SELECT count(*) FROM experiments") == 4
    assert study.value("SELECT count(*) FROM datasets") == 2


@pytest.mark.usefixtures("old")
def test_a_configuration_says_what_r_did_not_store(study):
    with closing(sqlite3.connect(study.database)) as connection:
        connection.execute("UPDATE experiments SET api_url = NULL")
        connection.commit()
    with scripted_server() as other:
        study.configure(other.url, run={"seed": 7})
        assert going_on(study, RUNNING, config_file=study.config).status is Status.COMPLETED
        assert {call.seed for call in other.calls} == {1024}


@pytest.mark.usefixtures("old")
def test_the_doctor_names_the_command_and_finds_nothing_amiss_afterwards(study):
    [finding] = [one for one in doctor(db=study.database).findings if one.check == "integrity"]
    assert "earlier R implementation" in finding.message
    assert "overnight migrate" in finding.advice
    migrate(db=study.database, handler=study.events.append)
    wrong = [one for one in doctor(db=study.database).findings if one.state == "problem"]
    assert {one.check for one in wrong} <= {"permissions"}  # R's files are readable by others
