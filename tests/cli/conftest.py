"""The command line, in this process where that is enough."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from overnight.cli import main


@dataclass
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def overnight(capsys, monkeypatch) -> Callable[..., Done]:
    """Type a command; how it ended, and what it said."""

    def type_(*words: object) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["overnight", *map(str, words)])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        assert "Traceback" not in said.err
        return Done(code, said.out, said.err)

    return type_


@pytest.fixture
def done(study, server, monkeypatch):
    """A completed study of 30 narratives; the working directory is its own, the server is up."""
    monkeypatch.chdir(study.folder)
    study.url = server.url
    study.data(30).configure(server.url)
    study.run()
    study.id = str(study.value("SELECT experiment_id FROM experiments"))
    return study


@pytest.fixture
def script() -> Path:
    """The installed command."""
    return Path(sys.executable).with_name("overnight")


@pytest.fixture
def plain_environment() -> dict[str, str]:
    """An environment in which nothing asks for colours."""
    asked = ("FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "PY_COLORS", "NO_COLOR")
    return {k: v for k, v in os.environ.items() if k not in asked}
