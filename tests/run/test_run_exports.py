"""The files that follow a run: they grow, they are true again after a crash, they stop nothing."""

import csv
import json
import signal
import subprocess
import sys

import pytest

from overnight.commands import exports, stint
from overnight.commands.repeat import Again
from overnight.commands.results import export
from overnight.commands.resume import Changes, resume
from overnight.commands.retry import retry
from overnight.domain.experiment import Event, Status
from overnight.session import Ending
from overnight.stop import StopRequest
from overnight.testing import Scripted, keyword_script, scripted_server, wait_until


def file_of(study, name="results.jsonl"):
    return next(iter(study.folder.glob(f"exports/*/{name}")), None)


def lines(study) -> list[dict]:
    """Those that are whole: a reader may come in the middle of one."""
    file = file_of(study)
    whole, _, _ = file.read_text().rpartition("\n") if file else ("", "", "")
    return [json.loads(line) for line in whole.splitlines()]


def in_database(study) -> list[tuple]:
    """Incident and detected, in the order of commits."""
    return [
        (incident, None if detected is None else bool(detected))
        for incident, detected in study.query(
            "SELECT incident_id, detected FROM narrative_results ORDER BY result_id"
        )
    ]


def in_file(study) -> list[tuple]:
    return [(row["incident_id"], row["detected"]) for row in lines(study)]


def said(study) -> list[str]:
    return [getattr(event, "message", "") for event in study.events]


def test_it_grows_with_the_commits_and_is_whole_at_the_end(study, monkeypatch):
    monkeypatch.setattr(exports, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr("overnight.domain.allowance.SHARE", 1.0)
    seen = []

    def script(call):
        seen.append(len(lines(study)))
        return keyword_script(call)

    with scripted_server(script, delay=0.05) as server:
        study.data(60).configure(server.url)
        result = study.run()
    assert sorted(seen) == seen
    assert 0 < seen[-1] <= 60
    assert len(set(seen)) > 3
    assert in_file(study) == in_database(study)
    assert {file.name for file in result.files} == {
        "results.csv",
        "results.json",
        "results.jsonl",
    }


def test_after_a_kill_whatever_is_in_the_files_the_next_session_makes_them_true(study):
    with scripted_server(delay=0.3) as server:
        study.data(60).configure(server.url)
        process = study.start("run", "study.yaml")
        wait_until(lambda: len(lines(study)) > 2)
        process.kill()
        process.communicate()
    killed_at = in_file(study)
    assert killed_at == in_database(study)[: len(killed_at)]
    assert file_of(study, "results.csv") is None
    with file_of(study).open("a") as torn:
        torn.write('{"row_num": 3, "inc')

    with scripted_server(delay=0.2) as server:
        process = study.start("resume", "--api-url", server.url)
        wait_until(lambda: file_of(study, "results.csv"))
        seen = in_file(study)  # once: the process goes on writing
        assert seen == in_database(study)[: len(seen)]
        process.kill()
        process.communicate()
    with scripted_server() as server:
        study.configure(server.url)
        assert study.run().status is Status.COMPLETED
    assert in_file(study) == in_database(study)
    with file_of(study, "results.csv").open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 60


def test_a_retry_changes_old_lines_and_the_file_is_true_again_at_its_end(study):
    healed = []

    def script(call):
        bad = "Case 3 " in call.text and not healed
        return Scripted("no answer at all") if bad else keyword_script(call)

    with scripted_server(script) as server:
        study.data(8).configure(server.url).run()
        assert [row["error_category"] for row in lines(study) if row["row_num"] == 4] == [
            "parse_error"
        ]
        healed.append(True)
        retry("latest", db=study.database, handler=study.events.append)
    assert [row["error_category"] for row in lines(study) if row["row_num"] == 4] == [None]
    assert in_file(study) == in_database(study)


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(study):
    (study.folder / "exports").write_text("in the way")
    with scripted_server(delay=0.05) as server:
        study.data(120).configure(server.url)
        assert study.run().status is Status.COMPLETED
    told = [line for line in said(study) if "no files were exported" in line]
    assert 1 <= len(told) <= 2  # while it runs, and at its end


@pytest.mark.parametrize("incremental", [True, False])
@pytest.mark.parametrize("tables", [True, False])
def test_only_the_files_that_are_wanted(study, server, incremental, tables):
    study.data(5).configure(
        server.url, run={"save_incremental": incremental, "save_csv_json": tables}
    )
    names = {file.name for file in study.run().files}
    wanted = {"results.csv", "results.json"} if tables else set()
    assert names == wanted | ({"results.jsonl"} if incremental else set())
    assert {file.name for file in study.folder.glob("exports/*/*")} == names


def test_it_does_not_grow_in_time_that_has_not_been_earned(study, monkeypatch):
    """A fast server: what came in a second may take longer to write than a second allows."""
    monkeypatch.setattr(exports, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr("overnight.domain.allowance.SHARE", 0.0)
    seen = []

    def script(call):
        seen.append(len(lines(study)))
        return keyword_script(call)

    with scripted_server(script, delay=0.05) as server:
        study.data(60).configure(server.url)
        study.run()
    assert set(seen) == {0}
    assert in_file(study) == in_database(study)


def test_what_it_takes_stays_under_a_hundredth_of_the_time(study, monkeypatch):
    monkeypatch.setattr(exports, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(exports, "_REFRESH_EVERY", 0.01)
    paid = []
    whole = exports.Allowance.pay
    monkeypatch.setattr(
        exports.Allowance, "pay", lambda self, s: (paid.append(s), whole(self, s))[1]
    )
    with scripted_server(delay=0.1) as server:
        study.data(150).configure(server.url)
        study.run()
    [(worked,)] = study.query("SELECT total_runtime_sec FROM experiments")
    # what takes longer than it was reckoned to is paid back by waiting: one step beyond at most
    assert sum(paid) - max(paid) <= 0.01 * worked
    assert paid


# --- somebody wants the end while the files are written ------------------------------------------


@pytest.fixture
def asked_at_row(monkeypatch):
    """Something happens while the 5th row of 40 is read, for csv and json at the end of a run."""
    monkeypatch.setattr(stint, "_MOMENT", 0.0)
    monkeypatch.setattr("overnight.report.export._TELL_EVERY", 1)

    def arm(happens):
        def rows(*arguments, **options):
            found = list(iterate(*arguments, **options))
            for n, row in enumerate(found, start=1):
                if n == 5 and len(found) == 40:
                    happens()
                yield row

        iterate = exports.iterate_results
        monkeypatch.setattr(exports, "iterate_results", rows)

    return arm


def test_the_end_of_a_run_is_not_held_up_by_its_files(study, server, asked_at_row, monkeypatch):
    stop = StopRequest()
    asked_at_row(lambda: stop.ask(Ending(Event.CANCEL, "stopped by a test")))
    study.data(40).configure(server.url)
    done = study.run(stop=stop)
    assert (done.status, done.counts.completed, done.files_cut) == (Status.COMPLETED, 40, True)
    assert done.files == ()
    assert study.value("SELECT accuracy FROM experiments") == 1.0
    folder = study.folder / "exports" / done.experiment_id
    assert [file.name for file in folder.iterdir() if file.name != "results.jsonl"] == []
    [told] = [line for line in said(study) if "stopped by a test" in line]
    short = done.experiment_id[:8]
    assert told.endswith(f"to write them: overnight export {short} --format csv,json,jsonl")
    monkeypatch.undo()
    export(db=study.database, formats=told.split()[-1].split(","))
    assert len((folder / "results.csv").read_text().splitlines()) == 41
    assert len((folder / "results.jsonl").read_text().splitlines()) == 40


def test_old_files_stand_where_new_ones_were_not_written_to_their_end(study, server, asked_at_row):
    study.data(40).configure(server.url)
    first = study.run(max_narratives=20)
    before = file_of(study, "results.csv").read_bytes()
    stop = StopRequest()
    asked_at_row(lambda: stop.ask(Ending(Event.FAIL, "stopped by a test")))
    done = resume(
        first.experiment_id,
        db=study.database,
        changes=Changes(max_narratives=40),
        handler=study.events.append,
        stop=stop,
    )
    assert (done.status, done.counts.completed, done.files_cut) == (Status.COMPLETED, 40, True)
    assert file_of(study, "results.csv").read_bytes() == before


def test_a_second_ctrl_c_stops_at_once_and_the_same_command_writes_the_files(
    study, server, asked_at_row, monkeypatch
):
    """Nobody waits for the second; what is complete is said to be so by the next session."""

    def twice():
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    study.data(40).configure(server.url)
    asked_at_row(twice)
    with pytest.raises(KeyboardInterrupt):
        study.run()
    monkeypatch.undo()
    short = str(study.value("SELECT experiment_id FROM experiments"))[:8]
    assert said(study)[-1].endswith(f"nothing is lost; to go on: overnight resume {short}")
    assert study.value("SELECT status FROM experiments") == "cancelled"
    folder = study.folder / "exports" / study.value("SELECT experiment_id FROM experiments")
    assert [file.name for file in folder.iterdir()] == ["results.jsonl"]
    n_calls = len(server.calls)
    done = study.run()
    assert (done.status, len(server.calls)) == (Status.COMPLETED, n_calls)
    assert len((folder / "results.csv").read_text().splitlines()) == 41


def test_no_repetition_is_begun_after_that(study, server, asked_at_row):
    stop = StopRequest()
    asked_at_row(lambda: stop.ask(Ending(Event.CANCEL, "stopped by a test")))
    study.data(40).configure(server.url)
    done = study.run(again=Again(2, 10), stop=stop)
    assert done.repetitions == ()
    assert study.value("SELECT count(*) FROM experiments") == 1


_SIGNALLED = """
import os, sys
from overnight.cli import main
from overnight.commands import exports, stint
import overnight.report.export as export

def rows(*arguments, **options):
    for n, row in enumerate(iterate(*arguments, **options), start=1):
        if n == 5:
            os.kill(os.getpid(), number)
        yield row

iterate, exports.iterate_results = exports.iterate_results, rows
stint._MOMENT, export._TELL_EVERY = 0.0, 1
number = int(sys.argv.pop())
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_files_are_written_ends_the_process_completed(study, server, number, code):
    study.data(40).configure(server.url)
    words = ("run", "study.yaml", "--db", str(study.database), str(int(number)))
    done = subprocess.run(
        [sys.executable, "-c", _SIGNALLED, *words],
        cwd=study.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Completed: 40 of 40" in done.stdout
    assert "Exported" not in done.stdout
    assert "overnight export" in done.stderr
    assert study.value("SELECT status FROM experiments") == "completed"
    assert study.run().already_complete
