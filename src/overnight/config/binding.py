"""Which fields shape answers and are therefore fixed when an experiment starts."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from overnight.config.models import DataSection, ExperimentFile
from overnight.domain.answer import DEFAULT_ANSWER

# What stands elsewhere in the file says how calls are made and may change at each session.
_BINDING = {
    "model": (
        "provider",
        "name",
        "temperature",
        "top_p",
        "max_tokens",
        "reasoning_effort",
        "extra_body",
        "context",
    ),
    "prompt": ("system_prompt", "user_template"),
    "run": ("seed", "max_narratives", "order"),
}

WHICH = ("run.max_narratives", "run.order")  # these say which narratives are asked, not what
# Of the data section, what does not say how the file is read: where it lies, how answers are
# looked at, how its labels came about. It changes no narrative.
_NOT_READING = {"file", "keep", "split", "labels"}


def binding_fields(values: ExperimentFile) -> dict[str, Any]:
    """The binding fields by their names in the file, as they are meant: variables expanded.

    `data.file` is not among them: what binds is the dataset's content and mapping.
    """
    fields = {
        f"{section}.{key}": getattr(getattr(values, section), key)
        for section, keys in _BINDING.items()
        for key in keys
    }
    answer = values.answer  # its fields in order: a model answers in the order asked
    fields["output"] = None if answer == DEFAULT_ANSWER else dataclasses.asdict(answer)
    return fields


def binding_digest(values: ExperimentFile) -> str:
    """Equal for equal binding fields, whether written out or left to their defaults."""
    fields = binding_fields(values)
    if fields["run.order"] == "file":  # what there was before there was a choice
        del fields["run.order"]
    return _digest(fields)


def configuration_digest(values: ExperimentFile) -> str:
    """Equal where the same model is asked the same, of however many and whichever narratives."""
    fields = binding_fields(values)
    return _digest({name: fields[name] for name in fields if name not in WHICH})


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def with_binding_of(stored: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration `other`, with what shapes answers taken from `stored`.

    Both are in the form that is stored. Of the data section only the file's name, what is kept
    or set apart, and how the labels were chosen may change.
    """
    merged = {name: dict(section or {}) for name, section in other.items() if name != "output"}
    for name, keys in _BINDING.items():
        _take(merged.setdefault(name, {}), stored.get(name) or {}, keys)
    data = merged.setdefault("data", {})
    _take(data, stored.get("data") or {}, set(DataSection.model_fields) - _NOT_READING)
    if stored.get("output"):
        merged["output"] = stored["output"]
    return merged


def _take(into: dict[str, Any], source: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        into.pop(key, None)
        if key in source:
            into[key] = source[key]


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two stored configurations say differently, by the name in the file."""
    old, new = _flat(before), _flat(after)
    return {
        name: (old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }


def shapes_answers(name: str) -> bool:
    """Whether a difference named by `changed_keys` is one in what is asked, of whom or about what.

    Not: which narratives are asked, how calls are made, what things are called.
    """
    section, _, key = name.partition(".")
    if section == "data":
        return key not in _NOT_READING
    if section in _BINDING:
        return key in _BINDING[section] and name not in WHICH
    return section in ("output", "answered")


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in tree.items()
        for key, value in (values or {}).items()
    }


def mapping_json(data: DataSection) -> str:
    """How a data file is read (sheet, encoding, delimiter, columns), as text."""
    how = data.model_dump(mode="json", exclude=_NOT_READING, exclude_defaults=True)
    return json.dumps(how, sort_keys=True, ensure_ascii=False)
