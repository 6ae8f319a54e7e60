"""Files and folders that nobody else can read, from their first instant."""

import os
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make a folder and those above it that are missing, 0700; one that exists stays as it is."""
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
