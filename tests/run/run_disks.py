"""Disks that can be full, and a program that locks a database."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCKER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
held.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
held.execute("ROLLBACK")
"""


@contextmanager
def locked(database: Path) -> Iterator[Callable[[], None]]:
    """Another program keeps a write transaction open; call what is given to end it earlier."""
    with subprocess.Popen(
        [sys.executable, "-c", _LOCKER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "locked\n"

        def unlock() -> None:
            if process.poll() is None:
                process.stdin.write("\n")
                process.stdin.close()
                process.wait(timeout=10)

        try:
            yield unlock
        finally:
            unlock()


class Disk:
    """A file system of its own that can be filled, enlarged and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, options: str) -> None:
        """Mount it anew with other options, such as `size=20m` or `ro`."""
        command = ["mount", "-o", f"remount,{options}", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)
