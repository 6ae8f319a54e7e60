"""Figures as plain JSON values; the keys are the names of the attributes."""

import dataclasses
from collections.abc import Mapping, Sequence

from overnight.report.evaluation import Evaluation
from overnight.report.statistics.agreement import Agreement
from overnight.report.statistics.resample import REPLICATES, SEED


def plain(value: object) -> object:
    """Dataclasses, mappings and sequences as objects and arrays.

    An attribute `estimate` is not nested: value, low and high stand beside what belongs to them.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def _fields(value: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        part = getattr(value, field.name)
        found |= _fields(part) if field.name == "estimate" else {field.name: plain(part)}
    return found


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
