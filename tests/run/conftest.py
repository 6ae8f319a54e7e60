"""Disks that are really full."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from run_disks import Disk


@pytest.fixture
def make_disk(tmp_path) -> Iterator[Callable[[str], Disk]]:
    """Disks of a given size; skips the test where nothing may be mounted."""
    made: list[Path] = []

    def make(size: str) -> Disk:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no file system may be mounted here")
        made.append(folder)
        return Disk(folder)

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
