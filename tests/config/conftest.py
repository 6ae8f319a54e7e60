"""Experiment files of a few lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from overnight.config.load import Config, load_config
from overnight.errors import ConfigError

MINIMAL = """\
experiment:
  name: study
model:
  name: invented
  api_url: http://localhost:1234/v1
data:
  file: narratives.csv
"""


@pytest.fixture
def write_file(tmp_path) -> Callable[[str], Path]:
    """Write an experiment file."""

    def write(text: str) -> Path:
        file = tmp_path / "study.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def loaded(write_file) -> Callable[..., Config]:
    """Write an experiment file and load it, with variables."""

    def load(text: str, **environ: str) -> Config:
        return load_config(write_file(text), environ)

    return load


@pytest.fixture
def refusal(write_file) -> Callable[..., str]:
    """What is said of an experiment file that is wrong, without its folder."""

    def load(text: str, **environ: str) -> str:
        file = write_file(text)
        with pytest.raises(ConfigError) as caught:
            load_config(file, environ)
        said = str(caught.value)
        assert caught.value.exit_code == 2
        assert "\n" not in said
        assert "pydantic" not in said
        return said.replace(f"{file.parent}/", "")

    return load


@pytest.fixture
def minimal() -> str:
    """The shortest experiment file; its lines are numbered 1 to 7."""
    return MINIMAL
