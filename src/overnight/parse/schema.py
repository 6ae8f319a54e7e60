"""The JSON Schema of an answer, as servers take it for structured output."""

from collections.abc import Sequence

from overnight.domain.answer import AnswerField, AnswerSpec

MAX_LENGTH = 200  # characters of a text, where a small model must be bounded
MAX_ITEMS = 5
_FIRST = ("boolean", "enum")  # what a small model can say before it begins to ramble

Schema = dict[str, object]


def answer_schema(spec: AnswerSpec, *, bounded: bool) -> dict[str, object]:
    """The JSON Schema of `spec`, in the subset that OpenAI's strict mode takes.

    Every name is in `required`; an optional field may be null. `bounded` is for a small model
    under a grammar: no text or list without an end, and the short fields first.
    """
    fields: Sequence[AnswerField] = spec.fields
    if bounded:
        fields = sorted(fields, key=lambda one: one.type not in _FIRST)
    return {
        "type": "object",
        "properties": {one.name: _property(one, bounded=bounded) for one in fields},
        "required": [one.name for one in fields],
        "additionalProperties": False,
    }


def _property(one: AnswerField, *, bounded: bool) -> Schema:
    schema = _form(one, bounded=bounded)
    if not one.required:
        schema["type"] = [schema["type"], "null"]
        if one.type == "enum":
            schema["enum"] = [*one.values, None]
    if one.description:
        schema["description"] = one.description
    return schema


def _form(one: AnswerField, *, bounded: bool) -> Schema:
    if one.type == "enum":
        return {"type": "string", "enum": list(one.values)}
    if one.type != "list":
        return _scalar(one, one.type, bounded=bounded)
    schema: Schema = {"type": "array", "items": _scalar(one, one.of, bounded=bounded)}
    if bounded:
        schema["maxItems"] = MAX_ITEMS if one.max_items is None else one.max_items
    return schema


def _scalar(one: AnswerField, type_: str, *, bounded: bool) -> Schema:
    schema: Schema = {"type": type_}
    if type_ in {"number", "integer"}:
        bounds = {"minimum": one.min, "maximum": one.max}
        schema |= {word: bound for word, bound in bounds.items() if bound is not None}
    if type_ == "string" and bounded:
        schema["maxLength"] = MAX_LENGTH if one.max_length is None else one.max_length
    return schema
