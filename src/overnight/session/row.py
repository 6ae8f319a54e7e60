"""The row of an experiment: how it is made, and what of it each session sets anew."""

import socket
import time
import uuid
from typing import Any

from overnight.config.binding import binding_digest, configuration_digest
from overnight.config.load import Config
from overnight.domain.experiment import Status
from overnight.store.database import Database
from overnight.store.datasets import Dataset
from overnight.store.open import folder_of
from overnight.store.texts import storable_text
from overnight.store.times import as_text


def new_row(
    database: Database, config: Config, dataset: Dataset, **more: str | int | None
) -> dict[str, Any]:
    """The columns of a new experiment, with an id of its own; `more` take the place of these."""
    experiment_id, now = str(uuid.uuid4()), as_text(time.time())
    values, primary = config.values, config.values.answer.primary_field
    prompt = config.stored.get("prompt") or {}
    return {
        **configured(config),
        "experiment_id": experiment_id,
        "status": Status.RUNNING,
        "model_name": config.written("model", "name"),
        "model_provider": values.model.provider,
        "temperature": values.model.temperature,
        "system_prompt": prompt.get("system_prompt"),
        "user_template": prompt.get("user_template"),
        "run_seed": values.run.seed,
        "data_file": config.secrets.hide(str(values.data.file)),
        "n_narratives_total": n_covered(config, dataset),
        "n_narratives_skipped": dataset.n_left_out,
        "start_time": now,
        "created_at": now,
        "hostname": socket.gethostname(),
        "dataset_id": dataset.dataset_id,
        "data_checksum": dataset.checksum,
        "config_file": stored_file(config),
        "run_order": values.run.order,
        "primary_type": primary.type if primary else None,
        "log_dir": str(folder_of(database, "logs/experiments", experiment_id)),
        **more,
    }


def configured(config: Config) -> dict[str, Any]:
    """The columns that say how it is configured; binding ones do not change."""
    values, written = config.values, config.written
    return {
        "experiment_name": written("experiment", "name"),
        "notes": written("experiment", "notes"),
        "prompt_version": written("prompt", "version"),
        "prompt_author": written("prompt", "author") or written("experiment", "author"),
        "api_url": config.secrets.hide(values.model.api_url or "") or None,
        "max_narratives": values.run.max_narratives,
        "config_json": config.stored_json,
        "binding_sha256": binding_digest(values),
        "configuration_sha256": configuration_digest(values),
    }


def n_covered(config: Config, dataset: Dataset) -> int:
    """How many narratives of a dataset the configuration asks."""
    limit = config.values.run.max_narratives
    return min(dataset.n_narratives, limit or dataset.n_narratives)


def stored_file(config: Config) -> str | None:
    """The experiment file as it is stored."""
    return storable_text(str(config.file.resolve())) if config.file else None
