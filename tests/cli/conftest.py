"""The command line, in this process where that is enough."""

import csv
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from corrected import read, truth
from sheets import fill, is_case

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
def study_without_labels(study, server, monkeypatch):
    """60 narratives, a completed experiment, no label but one of the data file: 000001, no."""
    monkeypatch.chdir(study.folder)
    with (study.folder / "narratives.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
        for i in range(60):
            partner = " A partner was there." if is_case(i) else ""
            text = f"=Case {i} is invented.{partner}"
            writer.writerow([f"{i:06d}", "cme" if i % 2 else "le", text, "0" if i == 1 else ""])
    study.configure(server.url)
    study.run()
    study.id = str(study.value("SELECT experiment_id FROM experiments"))
    return study


@pytest.fixture
def drawn(overnight, study_without_labels):
    """A sample of 20; its sheet is sample.csv."""
    said = overnight("sample", "--n", 20, "--out", "sample.csv")
    assert said.code == 0, said.err
    return study_without_labels


@pytest.fixture
def labelled(overnight, drawn):
    """A sample of 20 that two readers labelled; the machine was wrong of some."""
    rows = fill(drawn.folder, truth((3, 10, 25, 31)))
    read(overnight, drawn, "first", rows[:11])
    read(overnight, drawn, "second", [rows[0], *rows[11:]], by="Reader Two")
    drawn.members = [int(row[1]) for row in rows[1:]]
    drawn.others = [i for i in range(60) if i not in (1, *drawn.members)]
    return drawn


@pytest.fixture
def script() -> Path:
    """The installed command."""
    return Path(sys.executable).with_name("overnight")


@pytest.fixture
def plain_environment() -> dict[str, str]:
    """An environment in which nothing asks for colours."""
    asked = ("FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "PY_COLORS", "NO_COLOR")
    return {k: v for k, v in os.environ.items() if k not in asked}
