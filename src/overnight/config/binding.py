"""Which fields shape answers and are therefore fixed when an experiment starts."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from overnight.config.models import (
    DataSection,
    ModelSection,
    OutputSection,
    PromptSection,
    RunSection,
    answer_spec,
)
from overnight.domain.answer import DEFAULT_ANSWER

# What stands elsewhere in the file says how calls are made and may change at each session.
_BINDING: Mapping[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "model": (
        ModelSection,
        (
            "provider",
            "name",
            "temperature",
            "top_p",
            "max_tokens",
            "reasoning_effort",
            "extra_body",
            "context",
        ),
    ),
    "prompt": (PromptSection, ("system_prompt", "user_template")),
    "run": (RunSection, ("seed", "max_narratives")),
}


def binding_fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The binding fields by their names in the file, with the defaults of those left out.

    `data.file` is not among them: what binds is the dataset's content and mapping.
    """
    fields = {
        f"{section}.{key}": _meant(model, key, (stored.get(section) or {}).get(key))
        for section, (model, keys) in _BINDING.items()
        for key in keys
    }
    fields["output"] = _declared(stored.get("output"))
    return fields


def _meant(model: type[BaseModel], key: str, written: object) -> Any:  # noqa: ANN401 - any field
    """A value as it will be understood, however it is written; the default where it is not."""
    field = model.model_fields[key]
    if written is None:
        return field.get_default(call_default_factory=True)
    kind: Any = field.annotation
    try:
        return TypeAdapter(kind, config=model.model_config).validate_python(written)
    except ValidationError:
        return written  # ${VARIABLE}, where something else than text is wanted


def _declared(written: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON
    """The declared answer with every default in place, in order; None for the usual one."""
    if not written:
        return None
    try:
        section = OutputSection.model_validate(written)
    except ValidationError:
        return written  # as above
    spec = answer_spec(section)
    return None if spec == DEFAULT_ANSWER else dataclasses.asdict(spec)


def binding_digest(stored: Mapping[str, Any]) -> str:
    """Equal for equal binding fields."""
    text = json.dumps(binding_fields(stored), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def mapping_json(stored: Mapping[str, Any]) -> str:
    """How the data file is read (sheet, encoding, delimiter, columns), as text."""
    data = stored.get("data") or {}
    try:
        section = DataSection.model_validate(data)
    except ValidationError:
        how = {k: v for k, v in data.items() if k != "file" and v is not None}
    else:
        how = section.model_dump(mode="json", exclude={"file"}, exclude_defaults=True)
    return json.dumps(how, sort_keys=True, ensure_ascii=False)
