"""An experiment of the R implementation as a configuration that it can be resumed with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight.config.binding import binding_digest, configuration_digest
from overnight.config.expand import literal
from overnight.config.load import restore_config
from overnight.errors import ConfigError

_SOMEWHERE = "http://localhost/v1"  # an address binds nothing; without one none is valid
# What a row tells, by its name in the experiment file.
_COLUMNS = {
    "experiment": {"name": "experiment_name", "author": "prompt_author", "notes": "notes"},
    "model": {
        "provider": "model_provider",
        "name": "model_name",
        "api_url": "api_url",
        "temperature": "temperature",
    },
    "prompt": {
        "version": "prompt_version",
        "author": "prompt_author",
        "system_prompt": "system_prompt",
        "user_template": "user_template",
    },
    "data": {"file": "data_file"},
    "run": {"seed": "run_seed"},
}
_WANTED = ("model.api_url", "prompt.system_prompt", "prompt.user_template", "data.file", "run.seed")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is stored of an experiment, and what its row does not tell."""

    stored: Mapping[str, Any]
    binding: str
    configuration: str | None
    unknown: tuple[str, ...]  # keys that are left out: defaults hold, or the user says them
    unusable: str | None = None  # why it cannot be resumed as it is


def rebuild(row: Mapping[str, Any], limit: int | None) -> Settings:
    """The sections of an experiment file, from the columns of `experiments`."""
    stored: dict[str, dict[str, Any]] = {}
    for section, keys in _COLUMNS.items():
        values = {key: row.get(column) for key, column in keys.items()}
        stored[section] = {k: _as_written(v) for k, v in values.items() if v not in (None, "")}
    if limit is not None:
        stored["run"]["max_narratives"] = limit
    stored["data"].setdefault("file", "unknown")
    told = {f"{section}.{key}" for section, values in stored.items() for key in values}
    told -= {"data.file"} if not row.get("data_file") else set()
    unknown = tuple(name for name in _WANTED if name not in told)
    model = {"api_url": _SOMEWHERE, **stored["model"]}
    try:
        config = restore_config({**stored, "model": model}, Path("/"), environ={})
    except ConfigError as error:
        return Settings(stored, "", None, unknown, str(error))
    found = config.values
    return Settings(stored, binding_digest(found), configuration_digest(found), unknown)


def _as_written(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return literal(value) if isinstance(value, str) else value
