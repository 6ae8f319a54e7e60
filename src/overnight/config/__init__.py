"""The experiment file: what it may say, and how it is read."""

from overnight.config.load import (
    Config,
    blamed,
    declared_answer,
    declared_split,
    load_config,
    resolve_path,
    restore_config,
)
from overnight.config.models import ColumnMapping, DataSection, ExperimentFile

__all__ = [
    "ColumnMapping",
    "Config",
    "DataSection",
    "ExperimentFile",
    "blamed",
    "declared_answer",
    "declared_split",
    "load_config",
    "resolve_path",
    "restore_config",
]
