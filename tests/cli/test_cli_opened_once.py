"""What a command needs is opened once, and figures that must agree are of one moment."""

import sqlite3
from collections import Counter
from contextlib import closing, contextmanager

import pytest

import overnight as package
from overnight.commands.compare import compare
from overnight.commands.evaluate import evaluate
from overnight.commands.prevalence import prevalence
from overnight.commands.report import facts_of
from overnight.store.database import Database

READING = [
    "status",
    "show",
    "show --errors",
    "show --errors --json",
    "show --left-out",
    "show --wrong fp --with-text",
    "show --repeats",
    "show --disagree {id} {again}",
    "metrics",
    "metrics --json",
    "compare {id} {again}",
    "prevalence --by type",
    "export --with-text",
    "report",
    "report --with-text --format md",
    "methods",
    "methods --json",
]
WRITING = [
    "sample --n 4",
    "label {id} sheet.csv",
    "label {again} --from {id}",
    "reparse {id}",
    "retry {id} --dry-run",
    "retry {id}",
    "cancel {id}",
    "run study.yaml",
    "run study.yaml --repeat 3",
    "resume {id} --max-narratives 30",
    "purge {again} --yes",
]


@pytest.fixture
def opened(monkeypatch) -> Counter:
    """How often each database was opened."""
    counted: Counter = Counter()
    before = Database.__init__

    def counting(self, path):
        counted[path] += 1
        before(self, path)

    monkeypatch.setattr(Database, "__init__", counting)
    return counted


@pytest.fixture
def repeated(done, overnight):
    """A study with a repetition of it."""
    overnight("run", "study.yaml", "--repeat", 2, "--repeat-sample", 10)
    again = done.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    done.names = {"id": done.id[:8], "again": str(again)[:8]}
    (done.folder / "sheet.csv").write_text(
        "incident_id,narrative_type,label,note\n000001,cme,no,\n"
    )
    return done


@pytest.mark.parametrize("words", [*READING, *WRITING])
def test_a_command_opens_the_database_once(repeated, overnight, opened, words):
    overnight(*words.format(**repeated.names).split())
    assert list(opened.values()) == [1]


def test_so_does_a_notebook(done, opened):
    pytest.importorskip("pandas")
    package.results(db=done.database).to_pandas()
    assert list(opened.values()) == [1]


@pytest.mark.parametrize("command", [evaluate, facts_of, prevalence, compare])
def test_figures_are_of_one_moment(repeated, monkeypatch, command):
    """Another program takes an answer away whenever it can: no figure is older than another."""
    read = Database.read

    @contextmanager
    def losing(self):
        with read(self) as connection:
            yield connection
        with closing(sqlite3.connect(self.path, timeout=30)) as other, other:
            other.execute("DELETE FROM results WHERE result_id IN (SELECT min(result_id)"
                          " FROM results GROUP BY experiment_key)")  # fmt: skip

    monkeypatch.setattr(Database, "read", losing)
    if command is compare:
        found = compare(list(repeated.names.values()), db=repeated.database).sides[0]
    else:
        found = command(db=repeated.database)
    assert len(set(answered(found))) == 1


def answered(found):
    """How many narratives were answered, all of them labelled, by each figure that says so."""
    if hasattr(found, "metrics"):
        yield found.metrics.overall.answered
        yield found.evaluation.overall.measured
    if hasattr(found, "counts"):
        yield found.counts.answered
    if hasattr(found, "status"):
        yield found.status.view.counts.answered
        yield sum(one.n for one in found.outcomes)
    if getattr(found, "shares", None):
        yield found.shares.overall.n - found.shares.overall.n_errors
