"""The experiment file: what it may say, and how it is read."""

from overnight.config.blame import naming_the_line
from overnight.config.load import (
    Config,
    declared_answer,
    declared_price,
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
    "declared_answer",
    "declared_price",
    "declared_split",
    "load_config",
    "naming_the_line",
    "resolve_path",
    "restore_config",
]
