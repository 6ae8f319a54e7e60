"""`backup` and `doctor`, as typed."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from overnight.store import lock
from overnight.testing import scripted_server, wait_until


def as_json(said):
    assert said.err == ""
    return json.loads(said.out)


def count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


# --- backup --------------------------------------------------------------------------------------


def test_backup_prints_the_path_of_the_copy_and_nothing_else(overnight, done):
    said = overnight("backup")
    assert said.code == 0
    file = Path(said.out.strip())
    assert file.parent == done.folder / "backups"
    assert count(file, "results") == 30
    assert "copied and verified in" in said.err


def test_backup_as_json_names_file_and_size(overnight, done):
    made = as_json(overnight("backup", "--out", done.folder / "copy.db", "--json"))
    assert made["file"] == str(done.folder / "copy.db")
    assert made["bytes"] == (done.folder / "copy.db").stat().st_size
    assert made["seconds"] > 0


def test_backup_into_a_folder_and_never_over_a_file(overnight, done):
    (done.folder / "share").mkdir()
    assert overnight("backup", "--out", done.folder / "share").code == 0
    [file] = (done.folder / "share").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    said = overnight("backup", "--out", file)
    assert said.code == 3
    assert said.err.startswith(f"error: {file} exists; ")
    assert said.out == ""


def test_backup_without_a_database_or_folder_is_wrong_usage(overnight, done, tmp_path):
    assert overnight("backup", "--db", tmp_path / "none.db").code == 2
    said = overnight("backup", "--out", done.folder / "nowhere" / "copy.db")
    assert said.code == 2
    assert "there is no folder" in said.err


def test_backup_while_a_run_goes_on_says_when_it_waits(done):
    study = done
    with scripted_server(delay=0.05) as server:
        study.data(2000).configure(server.url)
        run = study.start("run", "study.yaml", "--new")
        wait_until(lambda: len(server.calls) >= 20)
        assert lock.acquire(study.database, lock.BACKING_UP)
        backup = study.start("backup")
        assert "waiting for another backup" in backup.stderr.readline()
        lock.release(study.database, lock.BACKING_UP)
        out, _ = backup.communicate(timeout=20)
        assert run.poll() is None
        assert count(Path(out.strip()), "results") > 30
        run.terminate()
        run.wait()


# --- doctor --------------------------------------------------------------------------------------


def test_doctor_says_a_line_for_each_check_and_ends_with_the_verdict(overnight, done):
    overnight("backup")
    said = overnight("doctor")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "ok      integrity: every page, index and reference is in order"
    assert lines[-1] == f"{done.database}: fine"
    assert said.err == ""


def test_doctor_with_a_problem_is_exit_1_and_names_the_command_on_a_line_of_its_own(
    overnight, done
):
    done.database.chmod(0o644)
    said = overnight("doctor")
    assert said.code == 1
    assert f"PROBLEM permissions: others can get at {done.database} (mode 644)" in said.out
    assert f"        chmod 600 {done.database}" in said.out.splitlines()
    assert said.out.splitlines()[-1] == f"{done.database}: a problem"


def test_doctor_lists_files_where_asked(overnight, done):
    said = overnight("doctor", "--files")
    assert said.code == 0
    assert f"{done.folder}/narratives.csv" in said.out
    assert "ids and counts, no text" in said.out
    assert "narratives.csv" not in overnight("doctor").out


def test_doctor_as_json_has_findings_and_files(overnight, done):
    report = as_json(overnight("doctor", "--json"))
    assert report["is_fine"] is True
    assert report["files"] is None
    assert report["database"] == str(done.database)
    assert {"check", "state", "message", "advice"} == set(report["findings"][0])
    files = as_json(overnight("doctor", "--json", "--files"))["files"]
    assert {"path", "kind", "holds", "n_bytes", "mode"} == set(files[0])


def test_doctor_of_what_is_no_database_ends_in_a_finding(overnight, tmp_path):
    (tmp_path / "notes.db").write_text("These are notes. " * 1000)
    said = overnight("doctor", "--db", tmp_path / "notes.db")
    assert said.code == 1
    assert "PROBLEM integrity: " in said.out
    assert said.err == ""
    assert overnight("doctor", "--db", tmp_path / "none.db").code == 2
