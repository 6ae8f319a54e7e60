"""What is typed and how it ends: exit codes, JSON, messages, the database that is meant."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
from types import SimpleNamespace

import pytest

from overnight.store import lock

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
COMMANDS = (
    *("demo", "init", "check", "run", "resume", "list", "status", "show", "metrics", "export"),
    *("backup", "doctor"),
)


def one_sentence(err: str) -> str:
    """The error, which is a line of its own and the only one."""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


# --- help ----------------------------------------------------------------------------------------


def test_help_groups_the_commands(overnight):
    said = overnight("--help")
    assert said.code == 0
    for group, commands in {
        "Run": ("demo", "init", "check", "run", "resume"),
        "Watch": ("list", "status"),
        "Use": ("show", "metrics", "export"),
        "Keep": ("backup", "doctor"),
    }.items():
        panel = said.out.split(f"─ {group} ─")[1].split("╰")[0]
        for command in commands:
            assert re.search(rf"│ {command} +\w", panel), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(overnight, command):
    for option in ("--help", "-h"):
        said = overnight(command, option)
        assert said.code == 0
        assert f"overnight {command}" in said.out
        assert len(said.out.splitlines()) > 5


@pytest.mark.parametrize(
    "command",
    ["check", "run", "resume", "list", "status", "show", "metrics", "export", "backup", "doctor"],
)
def test_every_command_that_needs_a_database_takes_db(overnight, command):
    assert "--db" in overnight(command, "--help").out


@pytest.mark.parametrize(
    "command", ["check", "list", "status", "show", "metrics", "export", "doctor"]
)
def test_every_command_that_reads_gives_json(overnight, command):
    assert "--json" in overnight(command, "--help").out


def test_the_version(overnight):
    said = overnight("--version")
    assert said.code == 0
    assert re.fullmatch(r"overnight \d+\.\d+\S*\n", said.out)


# --- json ----------------------------------------------------------------------------------------

VIEW_KEYS = {
    "experiment_id",
    "experiment_name",
    "status",
    "status_reason",
    "model_name",
    "n_narratives_total",
    "start_time",
    "created_at",
    "csv_file",
    "state",
    "pause",
    "owner",
    "total",
    "completed",
    "copied",
    "answered",
    "errors",
    "remaining",
}


def as_json(said):
    assert said.code == 0
    assert said.err == ""
    return json.loads(said.out)


def test_list_as_json(overnight, done):
    [view] = as_json(overnight("list", "--json"))
    assert set(view) >= VIEW_KEYS
    assert (view["state"], view["owner"], view["status"]) == ("completed", None, "completed")
    assert [view[k] for k in ("total", "completed", "answered", "errors", "remaining")] == [
        30,
        30,
        30,
        0,
        0,
    ]
    columns = {row[1] for row in done.query("PRAGMA table_info(experiments)")}
    assert set(view) - columns == VIEW_KEYS - columns
    for key in ("created_at", "start_time", "end_time", "last_progress_update"):
        assert ISO.fullmatch(view[key]), key


@pytest.mark.usefixtures("done")
def test_list_as_json_of_nothing_is_an_empty_list(overnight):
    assert as_json(overnight("list", "--json", "--status", "failed")) == []


def test_status_as_json(overnight, done):
    status = as_json(overnight("status", "--json"))
    assert set(status) >= VIEW_KEYS
    [session] = status["sessions"]
    columns = {row[1] for row in done.query("PRAGMA table_info(run_sessions)")}
    assert set(session) <= columns
    assert (session["kind"], session["n_calls"], session["n_results"]) == ("start", 30, 30)
    for key in ("started_at", "last_seen_at", "ended_at"):
        assert ISO.fullmatch(session[key]), key


def test_the_owner_of_a_running_experiment_stands_in_json(overnight, done):
    key = done.value("SELECT experiment_key FROM experiments")
    connection = sqlite3.connect(done.database)
    connection.execute("UPDATE experiments SET status = 'running'")
    connection.execute("UPDATE run_sessions SET ended_at = NULL")
    connection.commit()
    connection.close()

    [view] = as_json(overnight("list", "--json"))
    assert (view["state"], view["status"], view["owner"]) == ("running (crashed)", "running", None)
    assert lock.acquire(done.database, key)
    try:
        [view] = as_json(overnight("list", "--json"))
    finally:
        lock.release(done.database, key)
    assert view["state"] == "running"
    assert view["owner"]["pid"] == os.getpid()
    assert view["owner"]["host"] == os.uname().nodename
    assert ISO.fullmatch(view["owner"]["since"])


def test_show_as_json_has_the_columns_of_an_export(overnight, done):
    shown = as_json(overnight("show", "--json", "--limit", "2"))
    overnight("export", "--format", "json", "--out", done.folder / "out")
    exported = json.loads((done.folder / "out" / "results.json").read_text())
    assert shown == exported[:2]
    assert "narrative_text" not in shown[0]
    sensitive = as_json(overnight("show", "--json", "--limit", "1", "--with-text"))[0]
    assert sensitive["narrative_text"].startswith("Case 0 is invented.")
    assert "raw_response" in sensitive


@pytest.mark.usefixtures("done")
def test_show_left_out_as_json(overnight):
    assert as_json(overnight("show", "--left-out", "--json")) == []


def test_metrics_as_json(overnight, done):
    metrics = as_json(overnight("metrics", "--json"))
    assert (metrics["experiment_id"], metrics["total"], metrics["remaining"]) == (done.id, 30, 0)
    assert metrics["accuracy"] == 1.0


def test_export_as_json_names_the_files(overnight, done):
    out = done.folder / "out"
    told = as_json(overnight("export", "--format", "csv,jsonl", "--out", out, "--json"))
    assert told["files"] == [str(out / "results.csv"), str(out / "results.jsonl")]
    assert (told["completed"], told["remaining"]) == (30, 0)


@pytest.mark.usefixtures("done")
def test_check_as_json(overnight):
    told = as_json(overnight("check", "study.yaml", "--json"))
    assert (told["data"]["n_usable"], told["n_to_run"], told["layout"]) == (30, 30, "long")
    assert told["call"]["problem"] is None
    assert told["narratives_leave_for"] is None


# --- messages for people -------------------------------------------------------------------------


def test_names_and_texts_are_shown_as_they_are(overnight, done):
    """Square brackets are no markup, `:bomb:` is no picture."""
    name = r"[bold]a[/bold] \[/x] :bomb: [link=x]"
    done.configure(done.url, experiment={"name": name}, prompt={"system_prompt": "another"})
    assert overnight("run", "study.yaml", "--new").code == 0
    for words in (["list"], ["status"], ["metrics"], ["run", "study.yaml"]):
        said = overnight(*words)
        assert said.code == 0
        assert name in said.out


def test_a_folder_with_brackets_is_shown_as_it_is(overnight, done):
    folder = done.folder / "a [b] [c]"
    folder.mkdir()
    for file in ("narratives.csv", "study.yaml"):
        shutil.copy(done.folder / file, folder / file)
    said = overnight("run", folder / "study.yaml")
    assert said.code == 0
    assert "--db 'a [b] [c]/overnight.db'" in said.out


@pytest.mark.usefixtures("done")
def test_a_run_goes_by_in_plain_lines(overnight, server):
    server.delay = 0.02
    said = overnight("run", "study.yaml", "--new")
    lines = said.err.splitlines()
    assert re.fullmatch(
        r"\[PROGRESS\] 30/30 \(100\.0%\) \| [\d,.]+/s \| worked \d\.\d s \| errors 0",
        lines[-1],
    )
    assert "30 to go" in said.err
    assert "Completed: 30 of 30." in said.out


@pytest.mark.usefixtures("done")
def test_a_completed_experiment_is_not_run_again(overnight):
    said = overnight("run", "study.yaml")
    assert said.code == 0
    assert "is already complete with" in said.out
    assert "--new" in said.out


# --- exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "show", "metrics", "export", "resume"])
def test_an_unknown_id_is_refused_and_the_nearest_are_named(overnight, done, command):
    typed = done.id[:7] + ("x" if done.id[7] != "x" else "y")
    said = overnight(command, typed)
    assert said.code == 3
    assert one_sentence(said.err) == (
        f"no experiment has the id '{typed}'; the nearest: {done.id} (study)"
    )
    assert said.out == ""


def test_the_nearest_ids_come_first(overnight, done):
    for name in ("second", "third", "fourth", "fifth"):
        done.configure(done.url, experiment={"name": name})
        assert overnight("run", "study.yaml", "--new").code == 0
    ids = dict(done.query("SELECT experiment_name, experiment_id FROM experiments"))
    wanted = ids["study"]
    typed = wanted[:3] + "zz" + wanted[5:12]
    nearest = one_sentence(overnight("status", typed).err).split("the nearest: ")[1]
    assert nearest.startswith(f"{wanted} (study)")
    assert all(one.startswith(wanted[:2]) for one in nearest.split(", "))
    by_name = one_sentence(overnight("status", "fourht").err).split("the nearest: ")[1]
    assert by_name.startswith(f"{ids['fourth']} (fourth)")


@pytest.mark.usefixtures("done")
def test_ids_that_have_nothing_to_do_with_what_was_typed_are_not_named(overnight):
    told = one_sentence(overnight("status", "zzzz").err)
    assert told == "no experiment has the id 'zzzz'; see: overnight list"


def test_a_beginning_is_enough_while_it_is_unique(overnight, done):
    assert overnight("status", done.id[:6]).code == 0
    assert overnight("status", done.id).code == 0
    assert overnight("status", "latest").code == 0
    assert overnight("run", "study.yaml", "--new").code == 0
    alike = done.id[:6] + "0" * 30
    with contextlib.closing(sqlite3.connect(done.database)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET experiment_id = ? WHERE experiment_id <> ?", (alike, done.id)
        )
    said = overnight("status", done.id[:6])
    assert said.code == 3
    assert "is the beginning of several ids" in one_sentence(said.err)


@pytest.mark.parametrize("command", ["list", "status", "show", "metrics", "export", "resume"])
def test_a_missing_database_is_wrong_usage(overnight, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    said = overnight(command)
    assert said.code == 2
    assert one_sentence(said.err).startswith(f"there is no database at {tmp_path}/overnight.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["list", "status"])
def test_a_database_of_another_kind_is_refused(overnight, tmp_path, command):
    (tmp_path / "notes.db").write_text("These are notes. " * 100)
    said = overnight(command, "--db", tmp_path / "notes.db")
    assert said.code == 3
    assert "is damaged or no SQLite database" in one_sentence(said.err)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_configuration_is_wrong_usage(overnight, study, monkeypatch, command):
    monkeypatch.chdir(study.folder)
    study.configure("http://127.0.0.1:9", run={"sed": 1})
    said = overnight(command, "study.yaml")
    assert said.code == 2
    assert one_sentence(said.err) == "study.yaml:1: run.sed: unknown key; did you mean seed?"
    assert not study.database.exists()


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_missing_configuration_is_wrong_usage(overnight, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    said = overnight(command, "nothing.yaml")
    assert (said.code, one_sentence(said.err)) == (2, "nothing.yaml: no such file")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_missing_data_file_is_wrong_usage(overnight, study, monkeypatch, command):
    monkeypatch.chdir(study.folder)
    study.configure("http://127.0.0.1:9")
    said = overnight(command, "study.yaml")
    assert said.code == 2
    assert "narratives.csv" in one_sentence(said.err)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "study.yaml", "--fast"],
        ["frobnicate"],
        ["list", "extra"],
        ["run"],
        ["run", "study.yaml", "--max-narratives", "0"],
        ["run", "study.yaml", "--concurrency", "many"],
        ["show", "--limit", "-1"],
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(overnight, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    said = overnight(*words)
    assert said.code == 2
    assert said.out == ""
    assert said.err


@pytest.mark.usefixtures("done")
def test_an_unknown_status_names_the_known_ones(overnight):
    said = overnight("list", "--status", "crashed")
    assert said.code == 2
    assert one_sentence(said.err) == (
        "no status is called 'crashed'; there are running, completed, failed, cancelled"
    )


def test_a_completed_experiment_cannot_be_resumed(overnight, done):
    said = overnight("resume", done.id)
    assert said.code == 3
    assert "is already completed" in one_sentence(said.err)
    assert overnight("resume").code == 3, "nothing is unfinished"


def test_a_database_by_url_is_refused_in_one_sentence(overnight):
    said = overnight("list", "--db", "postgresql://me:pass-word@host/db")
    assert said.code == 2
    assert "--db takes a path, not a URL" in one_sentence(said.err)
    assert "pass-word" not in said.err


# --- init and check ------------------------------------------------------------------------------


def test_init_never_overwrites(overnight, tmp_path):
    folder = tmp_path / "study"
    first = overnight("init", folder)
    assert first.code == 0
    made = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert {"baseline.yaml", "lmstudio.yaml", "narratives.xlsx"} <= set(made)
    (folder / "baseline.yaml").write_text("mine")
    (folder / "vllm.yaml").unlink()

    again = overnight("init", folder)
    assert again.code == 2
    assert "exists; choose another folder" in one_sentence(again.err)
    assert (folder / "baseline.yaml").read_text() == "mine"
    assert not (folder / "vllm.yaml").exists(), "all or nothing"


def test_init_works_in_a_folder_that_holds_other_things(overnight, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert overnight("init", tmp_path).code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_init_here_needs_no_cd(overnight, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "  cd " not in overnight("init", ".").out
    assert "  cd study\n" in overnight("init", "study").out


def test_init_where_nothing_can_be_written_is_told_in_a_sentence(overnight, tmp_path):
    (tmp_path / "file").touch()
    said = overnight("init", tmp_path / "file" / "study")
    assert said.code == 2
    assert "nothing can be written to" in one_sentence(said.err)


def test_what_init_makes_can_be_run_at_once(overnight, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert overnight("init", "study").code == 0
    said = overnight("run", "study/baseline.yaml", "--max-narratives", 20)
    assert said.code == 0
    assert "Completed: 20 of 20." in said.out
    assert (tmp_path / "study" / "overnight.db").exists()


def test_check_offline_sends_nothing(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.data(5).configure(server.url)
    said = overnight("check", "study.yaml", "--offline")
    assert said.code == 0
    assert "not made (--offline)" in said.out
    assert server.calls == []
    assert server.n_connections == 0
    assert not study.database.exists()


@pytest.mark.parametrize("command", [("check", "--offline"), ("run",)])
def test_a_file_with_a_header_and_no_rows_is_not_ready(overnight, study, monkeypatch, command):
    monkeypatch.chdir(study.folder)
    study.data(0).configure("http://127.0.0.1:9")
    said = overnight(command[0], "study.yaml", *command[1:])
    assert said.code == 2
    assert one_sentence(said.err).endswith("narratives.csv has a header and no rows")
    assert "Ready" not in said.out


COLUMNS = {"id": "site", "text": {"cme": "story"}, "label": {"cme": "verdict"}}


def test_check_warns_where_most_ids_occur_before_and_most_labels_are_texts(
    overnight, study, monkeypatch
):
    monkeypatch.chdir(study.folder)
    rows = [f"{i % 8},Text {i} is invented.,{'A long sentence. ' * 4}\n" for i in range(20)]
    (study.folder / "narratives.csv").write_text("site,story,verdict\n" + "".join(rows))
    study.configure("http://127.0.0.1:9", data={"columns": COLUMNS})
    said = overnight("check", "study.yaml", "--offline")
    assert said.code == 0
    told = " ".join(said.out.split())
    assert (
        "12 of 20 texts are left out because their id occurs before: is site alone the id? "
        "(data.columns.id)"
    ) in told
    assert "8 of 8 labels are longer than 40 characters" in told
    assert len(as_json(overnight("check", "study.yaml", "--offline", "--json"))["warnings"]) == 2


@pytest.mark.usefixtures("done")
def test_check_has_nothing_to_warn_of(overnight):
    assert as_json(overnight("check", "study.yaml", "--offline", "--json"))["warnings"] == []


def test_show_says_that_there_is_more_only_where_there_is(overnight, done):
    for limit, more in ((30, False), (29, True)):
        said = overnight("show", done.id[:8], "--limit", limit).out
        assert ("all of them: --limit 0" in said) is more


def test_check_sends_one_invented_text_and_writes_nothing(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.data(5).configure(server.url)
    said = overnight("check", "study.yaml")
    assert said.code == 0
    [call] = server.calls
    assert "This text is invented" in call.text
    assert "Case 0" not in call.text
    assert not study.database.exists()


def test_check_of_a_server_that_is_not_there_fails_and_says_why(overnight, study, monkeypatch):
    monkeypatch.chdir(study.folder)
    study.data(5).configure("http://127.0.0.1:9")
    said = overnight("check", "study.yaml")
    assert said.code == 1
    assert "FAILED" in said.out
    assert "cannot connect" in said.out


def test_check_says_when_narratives_will_leave_this_machine(overnight, study, monkeypatch):
    monkeypatch.chdir(study.folder)
    monkeypatch.setenv("PW", "pass-word")
    study.data(5).configure("https://me:${PW}@models.example/v1")
    said = overnight("check", "study.yaml", "--offline")
    assert "narratives will leave this machine to models.example" in said.out
    assert "pass-word" not in said.out + said.err


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_check_fails_where_the_disk_has_too_little_room(overnight, monkeypatch, option):
    usage = SimpleNamespace(total=10**6, used=10**6, free=5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert overnight("check", "study.yaml", "--offline", *option).code == 1


# --- the database that is meant ------------------------------------------------------------------


def test_db_wins_over_the_environment_and_overnight_db_over_experiments_db(
    overnight, make_study, monkeypatch, server
):
    studies = {name: make_study(name) for name in ("option", "first", "second", "here")}
    for name, study in studies.items():
        study.data(2).configure(server.url, experiment={"name": name}).run()
    monkeypatch.chdir(studies["here"].folder)

    def named(*words: object) -> str:
        [view] = as_json(overnight("list", "--json", *words))
        return view["experiment_name"]

    assert named() == "here"
    monkeypatch.setenv("EXPERIMENTS_DB", str(studies["second"].database))
    assert named() == "second"
    monkeypatch.setenv("OVERNIGHT_DB", str(studies["first"].database))
    assert named() == "first"
    assert named("--db", studies["option"].database) == "option"
    monkeypatch.setenv("OVERNIGHT_DB", "")
    assert named() == "second", "an empty variable is none"


def test_a_run_keeps_its_database_beside_its_configuration(overnight, done, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said = overnight("run", done.config, "--new")
    assert said.code == 0
    assert list(elsewhere.iterdir()) == []
    assert done.value("SELECT count(*) FROM experiments") == 2
    assert "--db ../overnight.db" in said.out, "what is typed next works from here"
