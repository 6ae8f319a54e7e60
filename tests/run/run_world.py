"""One study whose processes can be killed, stopped and robbed at a chosen call, and the truth."""

import contextlib
import csv
import io
import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from overnight.testing import Call, Scripted, keyword_script, scripted_server, wait_until

CONCURRENCY = 3
AHEAD = 16

# Forked from a server that has imported everything: a start costs 50 ms instead of 500.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["overnight.commands.run", "overnight.commands.resume", "aiohttp"]
)


def _command(folder: str, words: dict[str, object]) -> None:
    """In the child: one command; its exit code is that of the command line."""
    from overnight.commands.resume import Changes, resume  # noqa: PLC0415 - in the child
    from overnight.commands.run import run  # noqa: PLC0415
    from overnight.errors import OvernightError  # noqa: PLC0415

    db = Path(folder) / "overnight.db"
    try:
        if words["verb"] == "run":
            result = run(Path(folder) / "study.yaml", db=db, handler=lambda _event: None)
        else:
            changes = Changes(
                max_narratives=words.get("limit"), use_stored_data=bool(words.get("stored"))
            )
            name = "latest" if changes.max_narratives else None
            result = resume(name, db=db, changes=changes, handler=lambda _event: None)
    except OvernightError as error:
        os._exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit({"completed": 0, "failed": 1, "cancelled": 130}[str(result.status)])


class RunWorld:
    """A study of `n` narratives over a scripted server, and what happened to it."""

    def __init__(self, folder: Path, n: int, limit: int, order: str = "file") -> None:
        self.folder, self.database = folder, folder / "overnight.db"
        self.texts = [
            f"Case {i} is invented." + " A partner was there." * (i % 3 == 0) for i in range(n)
        ]
        self.stored: list[str] | None = None  # what the first start loaded
        self.at: tuple[int, Callable[[int], None]] | None = None  # at which call, what
        self.n_calls = 0
        self._guard = threading.Lock()
        self._server = contextlib.ExitStack()
        self.server = self._server.enter_context(scripted_server(self._script))
        self.newline = "\r\n"
        self.write_data()
        config = {
            "experiment": {"name": "study"},
            "model": {"name": "scripted", "api_url": self.server.url},
            "data": {"file": "narratives.csv"},
            "run": {"seed": 1, "concurrency": CONCURRENCY, "order": order},
        }
        config["run"]["max_narratives"] = limit
        (folder / "study.yaml").write_text(json.dumps(config))

    def close(self) -> None:
        self._server.close()

    def write_data(self) -> None:
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator=self.newline)
        writer.writerow(["incident_id", "narrative_type", "narrative_text"])
        writer.writerows([f"{i:04d}", "cme", text] for i, text in enumerate(self.texts))
        (self.folder / "narratives.csv").write_text(out.getvalue(), newline="")

    def _script(self, call: Call) -> Scripted:
        with self._guard:
            self.n_calls += 1
            if self.at is not None and self.n_calls >= self.at[0]:
                do, self.at = self.at[1], None
                do(self.n_calls)
        return keyword_script(call)

    def command(self, *, at: int | None = None, do: str = "kill", **words: object) -> int:
        """Carry a command out; at its call number `at` something happens. Its exit code."""
        if self.stored is None:
            self.stored = list(self.texts)
        process = _processes.Process(target=_command, args=(str(self.folder), words))
        happens = {"kill": self.kill, "interrupt": self.interrupt, "steal": self.steal}[do]
        if at is not None:
            self.at = (self.n_calls + at, lambda _n: happens(process.pid))
        process.start()
        process.join(60)
        assert process.exitcode is not None, "it hangs"
        self.at = None
        code = process.exitcode
        process.close()
        return code

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def interrupt(self, pid: int) -> None:
        os.kill(pid, signal.SIGINT)

    def steal(self, _pid: int) -> None:
        """Another session takes the experiment over, by force."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as other, other:
            other.execute(
                "UPDATE run_sessions SET ended_at = started_at, ended_how = 'stolen'"
                " WHERE ended_at IS NULL"
            )
            self.stolen_at = other.execute("SELECT count(*) FROM results").fetchone()[0]

    def rows(self, sql: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as reader:
            return reader.execute(sql).fetchall()

    def results(self) -> dict[str, tuple]:
        if not self.exists:
            return {}
        return {
            row[0]: row[1:]
            for row in self.rows(
                "SELECT incident_id, detected, confidence, indicators, rationale, output_json,"
                " error_category, attempt_count FROM narrative_results"
            )
        }

    @property
    def exists(self) -> bool:
        return self.database.exists() and bool(
            self.rows("SELECT 1 FROM sqlite_master WHERE name = 'results'")
        )

    def expected(self, incident_id: str) -> str:
        """The answer that an uninterrupted run gives, as JSON."""
        said = keyword_script(Call(self.stored[int(incident_id)], "", 1, {}, {}, 1))
        return json.dumps(said.content, separators=(",", ":"))

    def cancel_when(self, n: int, **words: object) -> int:
        """Start a command, and cancel it from another process after `n` calls; its exit code."""
        from overnight.commands.cancel import cancel  # noqa: PLC0415 - used here only

        if self.stored is None:
            self.stored = list(self.texts)
        before = self.n_calls
        self.server.delay = 0.05
        process = _processes.Process(target=_command, args=(str(self.folder), words))
        process.start()
        wait_until(lambda: self.n_calls >= before + n or process.exitcode is not None)
        with contextlib.suppress(Exception):  # it may be complete by now: that is checked below
            cancel("latest", db=self.database, handler=lambda _event: None)
        self.server.delay = 0.0
        process.join(60)
        code = process.exitcode
        process.close()
        return code
