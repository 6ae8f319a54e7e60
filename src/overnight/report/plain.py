"""Figures as plain JSON values; the keys are the names of the attributes."""

import dataclasses
from collections.abc import Mapping, Sequence

from overnight.report.evaluation import Evaluation, Figure
from overnight.report.statistics.agreement import Agreement
from overnight.report.statistics.ranking import Threshold
from overnight.report.statistics.resample import REPLICATES, SEED


def plain(value: object) -> object:
    """Dataclasses, mappings and sequences as objects and arrays; a figure in one object."""
    if isinstance(value, Figure):
        rest = {"if_errors_wrong": value.if_errors_wrong, "if_errors_right": value.if_errors_right}
        return {**_fields(value.estimate), **rest, "by_case": plain(value.by_case)}
    if isinstance(value, Threshold):
        return {**_fields(value), "optimistic": True}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def _fields(value: object) -> dict[str, object]:
    names = [field.name for field in dataclasses.fields(value)]  # type: ignore[arg-type]
    return {name: plain(getattr(value, name)) for name in names}


def evaluation_json(evaluation: Evaluation) -> dict[str, object]:
    """All of an evaluation, and how its intervals were made."""
    return {
        **_fields(dataclasses.replace(evaluation, sources={})),
        "sources": [
            _pair(first, second, *found) for (first, second), found in evaluation.sources.items()
        ],
        "bootstrap": {"unit": "case", "replicates": REPLICATES, "seed": SEED},
    }


def _pair(first: str, second: str, answers: Agreement, labels: Agreement) -> dict[str, object]:
    found = {"answers": plain(answers), "labels": plain(labels)}
    return {"first": first, "second": second, **found}
