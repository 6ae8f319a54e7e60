"""What people read when something is not as they thought: in words that say what to do."""

import csv
import json
import re
import shutil

import pytest

from overnight.cli import show_list
from overnight.cli.live import _Lines
from overnight.cli.screen import Screen
from overnight.commands.status import status
from overnight.domain.experiment import Counts, Event
from overnight.domain.meter import Meter
from overnight.errors import RefusedError
from overnight.events import Progressed, SessionEnded, Waiting
from overnight.session import Ending
from overnight.stop import StopRequest
from overnight.testing import Scripted, keyword_script
from overnight.views import Calls
from overnight.words import setting_text


def progressed(**values: object) -> Progressed:
    told = {
        "total": 100,
        "completed": 20,
        "errors": 1,
        "rate": 2.0,
        "eta": None,
        "elapsed": 60.0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "in_flight": 0,
        "concurrency": 4,
    }
    return Progressed(**{**told, **values})


# --- how a run ends ------------------------------------------------------------------------------


def test_the_last_line_of_a_stopped_run_has_no_eta_and_no_probe(capsys):
    lines = _Lines()
    lines.handle(progressed())
    lines.handle(progressed(completed=30, waiting=Waiting(0.0, "it is gone", 1.0, 1)))
    capsys.readouterr()
    lines.handle(SessionEnded("failed", "stopped", Counts(100, 29, 1), 60.0))
    assert (
        capsys.readouterr().err == "[PROGRESS] 30/100 (30.0%) | 2.00/s | worked 1m 00s | errors 1\n"
    )


def test_that_all_is_done_is_said_once_and_without_an_eta(capsys):
    lines = _Lines()
    lines.handle(progressed(completed=100))
    lines.handle(SessionEnded("completed", None, Counts(100, 99, 1), 60.0))
    assert (
        capsys.readouterr().err
        == "[PROGRESS] 100/100 (100.0%) | 2.00/s | worked 1m 00s | errors 1\n"
    )


def test_a_pause_is_no_slowness():
    meter = Meter(0, 0.0)
    meter.add(100, 100.0)
    meter.rest(500.0)
    meter.add(200, 700.0)
    assert meter.rate == 1.0


def test_where_no_reply_could_be_read_that_is_said_and_there_are_no_figures(
    overnight, study, server, monkeypatch
):
    monkeypatch.chdir(study.folder)
    server.script = lambda _call: Scripted("nothing readable")
    study.data(5).configure(server.url)
    said = overnight("run", "study.yaml")
    assert "Completed, but there is NO ANSWER: all 5 ended as errors." in said.out
    assert "accuracy" not in said.out
    assert "show" in said.out
    assert "--errors" in said.out
    assert "The answers:" not in said.out


# --- status --------------------------------------------------------------------------------------


def test_calls_add_up_and_say_what_became_of_them(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    server.script = lambda call: (
        Scripted("nothing readable") if "Case 3 " in call.text else keyword_script(call)
    )
    study.data(10).configure(server.url).run()
    made = status("latest", db=study.database).calls
    assert (made.made, made.answered, made.failed, made.lost, made.open) == (12, 9, 3, 0, 0)
    line = "12 made = 9 answered + 3 failed (no answer, or none that could be read)"
    assert line in overnight("status").out
    assert json.loads(overnight("status", "--json").out)["calls"]["made"] == 12


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "nothing"),
        ([], "nothing"),
        (True, "true"),
        (["SiteID", "Year"], "SiteID, Year"),
        ({"column": "fold", "test": ["a", "b"]}, "column: fold, test: [a, b]"),
        (0.3, "0.3"),
    ],
)
def test_a_setting_is_told_as_people_write_it(value, told):
    assert setting_text(value) == told


def test_what_is_only_entered_ahead_is_not_called_made():
    said = Calls(45, 27, failed=0, lost=0, open=18, is_alive=True).text
    assert said == (
        "45 entered = 27 answered + 18 open (under way, or entered ahead and not made yet)"
    )


# --- list ----------------------------------------------------------------------------------------


def test_list_tells_experiments_apart(overnight, done):
    done.configure(done.url, prompt={"version": "v0.3.2", "system_prompt": "Other."})
    done.run()
    wide = overnight("list").out
    for head in ("started", "config", "prompt", "model", "last progress"):
        assert head in wide.splitlines()[0]
    assert "study.yaml" in wide
    assert "v0.3.2" in wide


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.usefixtures("done")
def test_list_fits_the_terminal_and_drops_what_matters_least(overnight, monkeypatch, width):
    monkeypatch.setattr(show_list, "console", lambda: Screen(width=width, color_system=None))
    lines = overnight("list").out.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= width
    for head in ("id", "name", "state", "done"):
        assert head in lines[0]
    if width == 100:
        for head in ("started", "config", "prompt"):
            assert head in lines[0]


# --- cleanup -------------------------------------------------------------------------------------


def test_a_cleanup_that_finds_nothing_says_what_it_looked_for(
    overnight, study, server, monkeypatch
):
    monkeypatch.chdir(study.folder)
    stop = StopRequest()
    server.script = lambda call: stop.ask(Ending(Event.FAIL, "by a test")) or keyword_script(call)
    study.data(30).configure(server.url, run={"concurrency": 1}).run(stop=stop)
    said = overnight("cleanup", "--yes").out
    assert "nothing was deleted" in said
    assert "running, failed or cancelled" in said
    assert "for 7d" in said
    assert "1 of these was worked on later" in said
    assert "--older-than" in said
    assert "--status completed" in said


# --- data ----------------------------------------------------------------------------------------


def stopped(study, server, *, of=20):
    """A study that was stopped after a few narratives."""
    stop = StopRequest()

    def script(call):
        if len(server.calls) >= 5:
            stop.ask(Ending(Event.FAIL, "stopped by a test"))
        return keyword_script(call)

    server.script = script
    study.data(of).configure(server.url, run={"concurrency": 1})
    result = study.run(stop=stop)
    server.script = keyword_script
    return result.experiment_id


def test_changed_data_are_told_by_counts_first_and_checksums_after(study, server, overnight):
    stopped(study, server)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace("Case 3 ", "Case three "))
    said = overnight("run", study.config).err
    assert re.search(
        r"has changed: 19 narratives unchanged, 1 edited, 0 missing, 0 new"
        r" \(stored sha256:\w{64}, now sha256:\w{64}\)",
        said,
    )


def test_another_mapping_is_refused_before_the_file_is_loaded(study, server):
    stopped(study, server)
    file = study.folder / "narratives.csv"
    with file.open(newline="") as source:
        head, *rows = csv.reader(source)
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([[*head, "again"], *([*row, row[2]] for row in rows)])
    columns = {"id": "incident_id", "text": {"le": "again"}}
    study.configure(server.url, data={"columns": columns})
    with pytest.raises(RefusedError, match=r"differs from this configuration in data\.columns"):
        study.run()
    assert study.value("SELECT count(*) FROM datasets") == 1


def test_a_study_that_was_moved_finds_its_data_beside_the_database(
    study, server, overnight, tmp_path
):
    stopped(study, server)
    there = tmp_path / "moved"
    there.mkdir()
    for file in [
        *study.folder.glob("overnight.db*"),
        study.config,
        study.folder / "narratives.csv",
    ]:
        shutil.move(file, there / file.name)
    said = overnight("resume", "--db", there / "overnight.db")
    assert said.code == 0, said.err
    assert f"{study.folder / 'narratives.csv'} is not there any more" in said.err
    assert f"{there / 'narratives.csv'}" in said.err


def test_a_moved_study_finds_all_that_lay_below_its_folder(overnight, tmp_path, monkeypatch):
    before, after = tmp_path / "before", tmp_path / "after"
    overnight("init", before)
    (before / "data").mkdir()
    shutil.move(before / "narratives.xlsx", before / "data" / "narratives.xlsx")
    config = before / "baseline.yaml"
    config.write_text(config.read_text().replace("narratives.xlsx", "data/narratives.xlsx"))
    assert overnight("run", config, "--max-narratives", 20).code == 0
    shutil.move(before, after)
    monkeypatch.chdir(tmp_path)
    said = overnight("resume", "latest", "--db", after / "overnight.db", "--max-narratives", 40)
    assert said.code == 0, said.err
    assert f"{after / 'data' / 'narratives.xlsx'} is the same file" in said.err


def test_a_file_of_that_name_with_other_content_is_not_taken(study, server, overnight, tmp_path):
    stopped(study, server)
    there = tmp_path / "moved"
    there.mkdir()
    for file in study.folder.glob("overnight.db*"):
        shutil.move(file, there / file.name)
    (study.folder / "narratives.csv").unlink()
    (there / "narratives.csv").write_text(
        "incident_id,narrative_type,narrative_text\n1,cme,Other.\n"
    )
    said = overnight("resume", "--db", there / "overnight.db")
    assert said.code == 3
    assert "is missing" in said.err


# --- repetitions ---------------------------------------------------------------------------------


def test_repetitions_are_shown_with_how_far_they_agree(overnight, done):
    said = overnight("run", "study.yaml", "--repeat", 3, "--repeat-sample", 10)
    assert said.code == 0
    for line in ("share that flips", "0.000 [0.000, 0.278]", "Fleiss' kappa", "--repeats"):
        assert line in said.out
    assert "no call was made" not in said.out
    assert "with 30 narratives; its repetitions asked 10 + 10 of them again" in said.out
    assert "no call was made" in overnight("run", "study.yaml", "--repeat", 3).out
    assert f"study, repeat 3 of {done.id[:8]}" in overnight("list").out
    assert "Asked again" in overnight("metrics").out
    json_ = json.loads(overnight("metrics", "--json").out)
    assert json_["repeated"]["consistency"]["flips"]["value"] == 0.0
    vectors = json.loads(overnight("show", "--repeats", "--limit", 0, "--json").out)
    assert [len(one["answers"]) for one in vectors] == [3] * 10
    assert "answer 3" in overnight("show", "--repeats").out
    repetition = done.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    assert f"repeat 2 of {done.id[:8]}" in overnight("status", repetition).out
    assert overnight("run", "study.yaml", "--repeat-sample", 10).code == 2
    assert overnight("run", "study.yaml", "--repeat", 1).code == 2


@pytest.fixture
def family(overnight, done):
    """A completed study, a repetition of it, and one that copies its answers."""
    assert overnight("run", "study.yaml", "--repeat", 2, "--repeat-sample", 10).code == 0
    assert overnight("run", "study.yaml", "--reuse", done.id).code == 0
    done.repetition, done.copy = (
        str(done.value(f"SELECT experiment_id FROM experiments WHERE {which} IS NOT NULL"))
        for which in ("repeat_of", "reuse_of")
    )
    return done


def test_the_list_says_whose_answers_an_experiment_repeats_or_copies(overnight, family):
    short = family.id[:8]
    said = overnight("list").out
    assert f"study, repeat 2 of {short}" in said
    assert f"study, reuses {short}" in said
    copy, repetition, first = json.loads(overnight("list", "--json").out)
    assert (copy["reuse_of"], copy["copied"], copy["repeat_of"]) == (family.id, 30, None)
    assert (repetition["repeat_of"], repetition["repeat_no"]) == (family.id, 2)
    assert (first["reuse_of"], first["repeat_of"], first["copied"]) == (None, None, 0)


def test_what_can_be_done_with_a_completed_repetition_is_all_that_is_named(overnight, family):
    said = overnight("resume", family.repetition)
    assert said.code == 3
    assert "--max-narratives" not in said.err
    assert f"It repeats {family.id[:8]}" in said.err
    assert "overnight run CONFIG --repeat K" in said.err
    assert "--max-narratives N" in overnight("resume", family.id).err


def test_a_purge_names_what_stays_elsewhere(overnight, family):
    said = overnight("purge", family.id, "--yes")
    repetitions = f"Repetitions of it stay, with their own answers: {family.repetition[:8]}"
    assert f"{repetitions}; to delete one: overnight purge ID" in said.out
    assert f"Answers copied from it stay, in: {family.copy[:8]}" in said.out
    assert "Its narratives stay: another experiment uses them." in said.out
    orphan = overnight("show", family.repetition, "--repeats")
    assert orphan.code == 3
    assert (
        f"{family.repetition[:8]} repeats {family.id[:8]}, which has been deleted: there is "
        f"nothing to hold its answers against. Its own answers: overnight show "
        f"{family.repetition[:8]}"
    ) in orphan.err
    assert overnight("show", family.repetition).code == 0
    assert overnight("metrics", family.repetition).code == 0
    said = overnight("purge", family.repetition, "--yes").out
    assert "Repetitions of it" not in said
    assert "Answers copied" not in said


@pytest.mark.usefixtures("done")
def test_a_data_file_in_the_place_of_an_experiment_file(overnight):
    for verb in ("check", "run"):
        said = overnight(verb, "narratives.csv")
        assert said.code == 2
        assert said.err.strip() == (
            "error: narratives.csv: this is a data file: name it as data.file in an experiment "
            "file (overnight init DIR makes some to start from), and type: "
            "overnight check STUDY.yaml"
        )
    assert "no such file" in overnight("check", "nowhere.csv").err
