"""The JSON Schema that servers are given."""

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.parse import answer_schema

EVENT = AnswerSpec(
    (
        AnswerField("share", "number", min=0, max=1),
        AnswerField("event", "enum", values=("11", "42"), required=False, description="OIICS"),
        AnswerField("injured", "boolean", required=False),
        AnswerField("parts", "list", max_items=3, max_length=20),
        AnswerField("ages", "list", of="integer", min=0),
        AnswerField("note", "string", required=False, max_length=50),
    )
)


def test_the_conservative_schema_says_types_values_and_ranges():
    assert answer_schema(EVENT, bounded=False) == {
        "type": "object",
        "properties": {
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "event": {
                "type": ["string", "null"],
                "enum": ["11", "42", None],
                "description": "OIICS",
            },
            "injured": {"type": ["boolean", "null"]},
            "parts": {"type": "array", "items": {"type": "string"}},
            "ages": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "note": {"type": ["string", "null"]},
        },
        "required": ["share", "event", "injured", "parts", "ages", "note"],
        "additionalProperties": False,
    }


def test_the_bounded_schema_leaves_a_small_model_no_room_to_ramble():
    schema = answer_schema(EVENT, bounded=True)
    assert schema["required"] == ["event", "injured", "share", "parts", "ages", "note"]
    assert schema["properties"]["parts"] == {
        "type": "array",
        "items": {"type": "string", "maxLength": 20},
        "maxItems": 3,
    }
    assert schema["properties"]["ages"]["maxItems"] == 5
    assert schema["properties"]["note"]["maxLength"] == 50


def test_the_default_answer_is_bounded_by_default_lengths():
    properties = answer_schema(DEFAULT_ANSWER, bounded=True)["properties"]
    assert properties["rationale"] == {"type": "string", "maxLength": 200}
    assert properties["indicators"]["maxItems"] == 5
    assert next(iter(properties)) == "detected"
