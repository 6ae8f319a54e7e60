"""Studies whose real processes are killed, and a server that keeps books of its own."""

import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overnight.testing import Call, Scripted, keyword_script, scripted_server, wait_until

SEED = 100
CONCURRENCY = 8
AHEAD = 16
DELAY = 0.01  # seconds before each reply
_CASE = re.compile(r"Case (\d+) ")
_IMPATIENT = (
    "from overnight.record import recorder as r; r.PATIENCE = 1; from overnight.cli import main;"
    " main()"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Narratives: of the data file, and of the two kinds of study over it."""

    rows: int = 20_000
    small: int = 160
    large: int = 6_000


@dataclass(slots=True)
class Study:
    """An experiment file in a folder, and what the server has seen of it."""

    folder: Path
    n_rows: int
    limit: int
    said: Path  # what its processes said
    seen: Counter[int] = field(default_factory=Counter)  # calls by case
    seen_at: list[tuple[float, int]] = field(default_factory=list)
    n_kills: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "overnight.db"

    @property
    def n_calls(self) -> int:
        return len(self.seen_at)

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start `overnight` as the process that a user would start."""
        return self._popen([sys.executable, "-m", "overnight", *map(str, words)])

    def start_impatient(self, *words: str) -> subprocess.Popen[bytes]:
        """The same, but it waits for a locked database for a second only."""
        return self._popen([sys.executable, "-c", _IMPATIENT, *words])

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "OVERNIGHT_DB": str(self.database)}
        with self.said.open("ab") as said:
            said.write(f"\n$ {' '.join(command[2:])}\n".encode())
            said.flush()
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self.processes.append(process)
        return process

    def finish(self, *words: object, seconds: float = 240.0) -> int:
        """Carry a command out; its exit code."""
        return self.start(*words).wait(timeout=seconds)

    def stop_all(self) -> None:
        """End what is still running of what was started here."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def query(self, sql: str) -> list[tuple]:
        """Rows, read as another program would; none where there is no such table yet."""
        try:
            with contextlib.closing(self._reader()) as reader:
                return reader.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []

    def _reader(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30)


@dataclass(frozen=True, slots=True)
class State:
    """How far a study may have come, and how it comes there."""

    kind: str
    reach: Callable[["Bench", Study], None]


@dataclass(frozen=True, slots=True)
class Saved:
    """A study as it was, to begin from again."""

    kind: str
    folder: Path
    seen: Counter[int]
    seen_at: tuple[tuple[float, int], ...]
    n_kills: int


class Bench:
    """A data file, a server, and one study at a time over them."""

    def __init__(self, folder: Path, sizes: Sizes, states: Mapping[str, State]) -> None:
        self.folder, self.sizes = folder, sizes
        self._states = states
        self.study: Study | None = None
        self.life = 1.0  # seconds that a whole run takes
        self._saved: dict[str, Saved] = {}
        self._server = contextlib.ExitStack()
        self.server = self._server.enter_context(scripted_server(self._reply, delay=DELAY))
        _write_data(folder / "narratives.csv", sizes.rows)

    def close(self) -> None:
        if self.study is not None:
            self.study.stop_all()
        self._server.close()

    def _reply(self, call: Call) -> Scripted:
        case = int(_CASE.search(call.text)[1])
        study = self.study
        study.seen[case] += 1
        study.seen_at.append((time.monotonic(), case))
        return reply(call, case, study.seen[case])

    def new(self, kind: str) -> Study:
        """A study that has not begun."""
        if self.study is not None:
            self.study.stop_all()
        self.server.calls.clear()
        folder = self.folder / kind
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        limit = self.sizes.small if kind == "small" else self.sizes.large
        said = self.folder / "said.txt"
        said.write_bytes(b"")
        self.study = Study(folder, self.sizes.rows, limit, said)
        configure(self.study, self.server.url)
        return self.study

    def saved(self, name: str) -> Study:
        """A study that has come so far as its name says; made the first time it is wanted."""
        if name == "new":
            return self.new("small")
        if name not in self._saved:
            state = self._states[name]
            study = self.new(state.kind)
            state.reach(self, study)
            self.quiet()
            self._saved[name] = self.keep(study, name)
        return self.back_to(self._saved[name])

    def keep(self, study: Study, name: str) -> Saved:
        """Keep a copy of a study as it is; nothing of it may be running."""
        kept = self.folder / "kept" / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(study.folder, kept)
        return Saved(
            study.folder.name, kept, Counter(study.seen), tuple(study.seen_at), study.n_kills
        )

    def back_to(self, saved: Saved) -> Study:
        """The study as it was when it was kept."""
        study = self.new(saved.kind)
        shutil.rmtree(study.folder)
        shutil.copytree(saved.folder, study.folder)
        study.seen, study.seen_at = Counter(saved.seen), list(saved.seen_at)
        study.n_kills = saved.n_kills
        return study

    def quiet(self) -> None:
        """Wait until the server has seen everything that a dead process had sent."""
        wait_until(
            lambda: (
                self.server.in_flight == 0
                and all(connection.is_closing() for connection in list(self.server._connections))
            )
        )


def reply(call: Call, case: int, nth: int) -> Scripted:
    """A model whose answers depend on text and seed; some cannot be read, some calls fail once."""
    unreadable = call.seed - SEED
    if case % 151 == 100 and nth == 1:
        return Scripted(status=503, body="busy")
    if case % 23 == 5 and unreadable < 1:
        return Scripted("I would rather tell a story.")
    if case % 31 == 7 and unreadable < 3:  # an error, unless it is asked more often than it may be
        return Scripted("Once upon a time.")
    said = keyword_script(call)
    return Scripted({**said.content, "rationale": f"seed {call.seed} of case {case}"})


def _write_data(file: Path, n: int) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
        for i in range(n):
            partner = "A partner was there. " if i % 3 == 0 else ""
            text = f"Case {i} is invented. {partner}" + "Nothing else was seen. " * 15
            writer.writerow([f"{i:06d}", "cme" if i % 2 else "le", text, int(i % 4 == 0)])


def configure(
    study: Study, url: str, *, timeout_sec: float = 300.0, concurrency: int = CONCURRENCY
) -> None:
    """Write the experiment file."""
    tree = {
        "experiment": {"name": "study"},
        "model": {"name": "scripted", "api_url": url, "timeout_sec": timeout_sec},
        "prompt": {"system_prompt": "Judge.", "user_template": "Text: <<TEXT>>"},
        "data": {"file": "../narratives.csv"},
        "run": {"seed": SEED, "concurrency": concurrency, "max_narratives": study.limit},
    }
    (study.folder / "study.yaml").write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the right to write, as a forgotten transaction of another program does."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
