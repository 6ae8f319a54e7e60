"""Which fields shape answers and are therefore fixed when an experiment starts."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# What stands elsewhere in the file says how calls are made and may change at each session.
_MODEL = (
    "provider",
    "name",
    "temperature",
    "top_p",
    "max_tokens",
    "reasoning_effort",
    "extra_body",
    "context",
)


def binding_fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The binding fields by their names in the file, as written; what is left out is None.

    `data.file` is not among them: what binds is the dataset's content and mapping.
    """
    model = stored.get("model") or {}
    prompt = stored.get("prompt") or {}
    run = stored.get("run") or {}
    fields = {f"model.{key}": model.get(key) for key in _MODEL}
    fields["prompt.system_prompt"] = prompt.get("system_prompt")
    fields["prompt.user_template"] = prompt.get("user_template")
    fields["run.seed"] = run.get("seed")
    fields["run.max_narratives"] = run.get("max_narratives")
    fields["output"] = stored.get("output")
    return fields


def binding_digest(stored: Mapping[str, Any]) -> str:
    """Equal for equal binding fields."""
    text = json.dumps(binding_fields(stored), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def mapping_json(stored: Mapping[str, Any]) -> str:
    """How the data file is read (sheet, encoding, delimiter, columns), as text."""
    data = stored.get("data") or {}
    how = {k: v for k, v in data.items() if k != "file" and v is not None}
    return json.dumps(how, sort_keys=True, ensure_ascii=False)
