"""What the how-to pages show is run here, as far as it can be without cron and SLURM."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from overnight.commands.label import label
from overnight.testing import Scripted, scripted_server

HOW_TO = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (HOW_TO / page).read_text(), flags=re.DOTALL)


def statements() -> list[str]:
    r = "\n".join(blocks("read-from-r.md", "r"))
    return re.findall(r'dbGetQuery\(con, "(.*?)"\)', r, flags=re.DOTALL)


@pytest.fixture
def broken_off(study, server):
    """Ten of twenty narratives are done, one of them an error; the run is still called running."""
    study.data(20).configure(server.url, run={"max_narratives": 10}).run()
    with closing(sqlite3.connect(study.database)) as connection:
        connection.execute("UPDATE experiments SET status = 'running', n_narratives_total = 20")
        connection.execute("UPDATE results SET error_category = 'api_error' WHERE result_id = 1")
        connection.commit()
    return study


@pytest.mark.parametrize("sql", statements())
def test_the_statements_for_r_give_something_from_a_read_only_connection(broken_off, sql):
    assert broken_off.query(sql)


def test_there_are_statements_for_r():
    assert len(statements()) == 4


HAS_PACKAGES = "cat(all(sapply(c('DBI', 'RSQLite', 'readr'), requireNamespace, quietly = TRUE)))"


def in_r(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["Rscript", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(
    shutil.which("Rscript") is None or in_r("-e", HAS_PACKAGES).stdout != "TRUE",
    reason="needs R with DBI, RSQLite and readr",
)
def test_the_pieces_for_r_run_in_r(broken_off, tmp_path):
    (experiment,) = broken_off.query("SELECT experiment_id FROM experiments")[0]
    pieces = "\n".join(blocks("read-from-r.md", "r")).replace("/ID/", f"/{experiment}/")
    script = tmp_path / "pieces.R"
    script.write_text(pieces.replace("my-study", str(broken_off.folder)) + "cat(nrow(answers))")
    done = in_r(str(script))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("10")


def test_the_commands_for_a_corrected_file_are_run_as_they_stand(study, server):
    file = study.data(30).folder / "narratives.csv"
    file.write_text(file.read_text().replace(",0\n", ",\n"))
    old = study.configure(server.url).run().experiment_id
    sheet = study.folder / "sheet.csv"
    sheet.write_text("incident_id,narrative_type,label\n000003,cme,no\n000005,cme,no\n")
    label(old, sheet, db=study.database, handler=study.events.append)
    file.write_text(file.read_text().replace("Case 3 ", "Case three "))
    commands = [block.split()[1:] for block in blocks("corrected-data.md", "sh")]
    assert [words[0] for words in commands] == ["run", "label", "run"]
    before, said = len(server.calls), []
    for words in commands:
        meant = [{"NEW": "latest", "OLD": old}.get(word, word) for word in words]
        process = study.start(*meant)
        said.append("".join(process.communicate(timeout=60)))
        assert process.returncode == 0
    assert len(server.calls) - before == 1 + 2 * 30
    assert "1 label that people gave" in said[0]
    assert "1 labels of" in said[1]
    assert "share that flips" in said[2]


@pytest.fixture
def cluster(study):
    """Commands of a cluster that do the least they can, and a study at home."""
    bin_ = study.folder / "bin"
    bin_.mkdir()
    for name, text in (
        ("srun", 'shift; exec "$@"'),
        ("scontrol", f'echo "$@" >> {study.folder}/requeued'),
        ("overnight", f'exec {sys.executable} -m overnight "$@"'),
    ):
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin_ / name).chmod(0o755)
    return study


def job(study, home: Path, disk: Path) -> subprocess.CompletedProcess[str]:
    [script] = [text for text in blocks("slurm.md", "sh") if text.startswith("#!")]
    file = study.folder / "job.sh"
    file.write_text(script)
    environ = {
        **os.environ,
        "PATH": f"{study.folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "SLURM_TMPDIR": str(disk),
        "SLURM_JOB_ID": "42",
    }
    return subprocess.run(
        ["bash", file], env=environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_job_for_slurm_goes_on_on_another_node(cluster, server):
    home = cluster.folder / "home"
    at_home = home / "my-study"
    at_home.mkdir(parents=True)
    cluster.data(12).configure(server.url)
    for file in (cluster.folder / "narratives.csv", cluster.config):
        file.rename(at_home / file.name)

    done = job(cluster, home, cluster.folder / "node1")
    assert done.returncode == 0, done.stderr
    [copy] = (at_home / "copies").glob("*.db")
    again = job(cluster, home, cluster.folder / "node2")
    assert again.returncode == 0
    assert "already complete" in again.stdout
    assert copy.exists()
    assert not (cluster.folder / "requeued").exists()


def test_the_job_for_slurm_asks_to_be_called_again_where_it_was_stopped(cluster):
    home = cluster.folder / "home"
    at_home = home / "my-study"
    at_home.mkdir(parents=True)
    with scripted_server(lambda _: Scripted(status=401, body="{}")) as server:
        cluster.data(12).configure(server.url)
        for file in (cluster.folder / "narratives.csv", cluster.config):
            file.rename(at_home / file.name)
        assert job(cluster, home, cluster.folder / "node1").returncode == 1
    assert (cluster.folder / "requeued").read_text() == "requeue 42\n"
    assert list((at_home / "copies").glob("*.db"))
