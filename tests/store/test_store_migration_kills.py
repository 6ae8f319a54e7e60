"""A migration that is killed leaves the old database or the new one, and the next one finishes it.

OVERNIGHT_KILLS says how often (make chaos: 50).
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from overnight.store.open import open_database
from overnight.store.schema.tables import APPLICATION_ID
from r_world import COMPLETED, RUNNING, RDatabase

KILLS = int(os.environ.get("OVERNIGHT_KILLS", "5"))
N = 5_000
_CHILD = """
import sys
from pathlib import Path
import overnight.store.schema.from_r.convert
from overnight.store.open import open_database
print("ready", flush=True)
sys.stdin.readline()
open_database(Path(sys.argv[1]), before_upgrade=lambda _: None).close()
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> RDatabase:
    path = tmp_path_factory.mktemp("r") / "production.db"
    return RDatabase(path, "first", n=N, results={COMPLETED: N, RUNNING: N // 2}).build()


def start(path: Path) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()
    return child


def end(child: subprocess.Popen) -> None:
    child.wait()
    child.stdin.close()
    child.stdout.close()


def copied(old: RDatabase, folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(old.path, folder / "production.db"))


def state(path: Path) -> dict[str, object]:
    """What any program sees of it."""
    with closing(sqlite3.connect(path)) as connection:

        def ask(sql: str) -> object:
            return connection.execute(sql).fetchone()[0]

        assert ask("PRAGMA quick_check") == "ok"
        return {
            "application_id": ask("PRAGMA application_id"),
            "kinds": connection.execute(
                "SELECT name, type FROM sqlite_master WHERE name IN ('source_narratives',"
                " 'experiments', 'narrative_results', 'datasets', 'attempts') ORDER BY name"
            ).fetchall(),
            "answers": connection.execute(
                "SELECT count(*), count(DISTINCT incident_id), sum(detected), sum(error_occurred)"
                " FROM narrative_results"
            ).fetchone(),
            "narratives": ask("SELECT count(*) FROM source_narratives"),
            "experiments": ask("SELECT count(*) FROM experiments"),
        }


@pytest.fixture(scope="module")
def whole(old, tmp_path_factory) -> tuple[dict[str, object], float]:
    """What a migration makes of it, and how many seconds that takes."""
    path = copied(old, tmp_path_factory.mktemp("whole") / "r")
    child = start(path)
    began = time.monotonic()
    assert child.stdout.readline() == "done\n"
    seconds = time.monotonic() - began
    end(child)
    return state(path), seconds


@pytest.mark.parametrize("n", range(KILLS))
def test_killed_at_any_instant_it_is_the_old_database_or_the_new_one(old, whole, tmp_path, n):
    was, (new, seconds) = state(old.path), whole
    assert new["application_id"] == APPLICATION_ID
    path = copied(old, tmp_path / "r")
    child = start(path)
    time.sleep(random.Random(n).uniform(0, seconds))
    journal = path.with_name(f"{path.name}-wal")
    child.send_signal(signal.SIGKILL)
    end(child)
    written = journal.stat().st_size if journal.exists() else 0
    found = state(path)
    assert found in (was, new)
    open_database(path, before_upgrade=lambda _: None).close()
    assert state(path) == new
    print("new" if found == new else "old", written)  # noqa: T201 - pytest -s shows where it fell
