"""What all tests share: a study in a folder, a scripted server, a command line."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overnight.commands.run import RunOptions, run
from overnight.stop import StopRequest
from overnight.testing import ScriptedServer, scripted_server

# A shell that starts the suite in the background has Ctrl-C ignored, in whatever it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    """No variable of the developer's decides what a test sees."""
    for name in ("OVERNIGHT_DB", "EXPERIMENTS_DB", "RESUME", "EXPERIMENT_ID", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A model server that answers at once."""
    with scripted_server() as running:
        yield running


class Study:
    """A folder with a data file and an experiment file, and ways to run and to look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "study.yaml"
        self.database = folder / "overnight.db"
        self.events: list[object] = []
        self.started: list[subprocess.Popen[str]] = []

    def data(self, n: int, *, words: int = 30) -> "Study":
        """`n` narratives; every seventh mentions a partner and is labelled so."""
        with (self.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
            for i in range(n):
                partner = "A partner was there. " if i % 7 == 0 else ""
                text = f"Case {i} is invented. {partner}" + "word " * words
                writer.writerow([f"{i:06d}", "cme" if i % 2 else "le", text, int(i % 7 == 0)])
        return self

    def configure(self, url: str | None = None, **sections: dict[str, object]) -> "Study":
        """Write the experiment file; keyword arguments add to its sections."""
        tree: dict[str, dict[str, object]] = {
            "experiment": {"name": "study"},
            "model": {"name": "scripted", "temperature": 0.2},
            "prompt": {"system_prompt": "Judge.", "user_template": "Text: <<TEXT>>"},
            "data": {"file": "narratives.csv"},
            "run": {"seed": 100, "concurrency": 4},
        }
        if url:
            tree["model"]["api_url"] = url
        for name, values in sections.items():
            tree[name] = {**tree.get(name, {}), **values}
        self.config.write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML
        return self

    def run(self, *, stop: StopRequest | None = None, **options: object):
        """`overnight run` in this process; events are kept in `events`."""
        asked = RunOptions(**options)
        return run(
            self.config, db=self.database, options=asked, handler=self.events.append, stop=stop
        )

    def command(self, *arguments: object) -> list[str]:
        """The command line of `overnight` with these arguments."""
        return [sys.executable, "-m", "overnight", *map(str, arguments)]

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        """Start `overnight` as a process of its own."""
        environ = {**os.environ, "OVERNIGHT_DB": str(self.database)}
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Nothing that a test started outlives it."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def query(self, sql: str, *values: object) -> list[tuple]:
        """Rows from the database, read as any other program would."""
        connection = sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def value(self, sql: str, *values: object) -> object:
        """The one value of a query."""
        return self.query(sql, *values)[0][0]

    def answers(self) -> list[tuple]:
        """Every answer column of every result, in order: what must not depend on what happened."""
        return self.query(
            "SELECT incident_id, narrative_type, detected, confidence, indicators, rationale,"
            " output_json, error_occurred, error_category FROM narrative_results"
            " ORDER BY incident_id, narrative_type"
        )


@pytest.fixture
def study(tmp_path) -> Iterator[Study]:
    """An empty study."""
    made = Study(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make_study(tmp_path) -> Callable[[str], Study]:
    """Several studies, each in a folder of its own."""

    def make(name: str) -> Study:
        folder = tmp_path / name
        folder.mkdir()
        return Study(folder)

    return make
