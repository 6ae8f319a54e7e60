"""Finds the objects in a reply, and names what stands around them."""

import json
import re
from collections.abc import Iterator

from overnight.parse import quoted
from overnight.parse.loose import Found, LooseObject, read_object
from overnight.parse.repairs import Repair

_START = re.compile(rf"\{{(?={quoted.BLANK}(?:[{quoted.OPENING}]|[^\W\d]|\}}|\Z))")
_FIRST_KEY = re.compile(rf"\s*+(?={quoted.QUOTED_KEY}{quoted.COLON})")
_TURN_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text|end_of_turn|return|call)\|>"
    r"|</s>|<end_of_turn>|<eos>|<\uff5cend\u2581of\u2581sentence\uff5c>",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"<\|[\w ]{1,40}\|>(?:assistant\b|model\b)?|<\uff5c[^\uff5c>]{1,40}\uff5c>|</?s>"
    r"|<(?:eos|bos|pad)>|<(?:start|end)_of_turn>(?:model\b)?|\[/?INST\]|\ufeff",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[\w+\-]{0,20}|~~~\w{0,20}|`")
_ESCAPED_OBJECT = re.compile(r'\{(?:\s|\\[nrt]){0,100}\\"')


def unquoted(text: str) -> str:
    r"""The text that a JSON string holds, also if its outer quotes are lost: `{\"a\": 1}`."""
    if not text.startswith('"') and not _ESCAPED_OBJECT.match(text):
        return text
    try:
        inner = json.loads(text if text.startswith('"') else f'"{text}"')
    except (ValueError, RecursionError):
        return text
    return inner.strip() if isinstance(inner, str) else text


def objects(text: str) -> Iterator[Found]:
    """The outermost objects of `text` in order, up to the end of the model's turn.

    What follows an end-of-turn token is a conversation that the model makes up.
    """
    at, any_found = 0, False
    if first := _FIRST_KEY.match(text):
        found = read_object(text, first.end(), opened=True)
        at, any_found = found.end, True
        yield found
    while start := _START.search(text, at):
        if any_found and _TURN_END.search(text, at, start.start()):
            return
        found = read_object(text, start.start())
        at = found.end
        if found.object.members:
            any_found = True
            yield found


def with_fields(found: LooseObject, names: frozenset[str]) -> Iterator[LooseObject]:
    """`found` if it has a field of `names` (in any case), else those objects in it that have."""
    if any(member.key.strip().casefold() in names for member in found.members):
        yield found
        return
    for member in found.members:
        items = member.value if isinstance(member.value, list) else [member.value]
        for item in items:
            if isinstance(item, LooseObject):
                yield from with_fields(item, names)


def around(outside: str) -> set[Repair]:
    """What was left out around the objects, by kind."""
    repairs: set[Repair] = set()
    for kind, pattern in ((Repair.TOKEN, _TOKEN), (Repair.FENCE, _FENCE)):
        rest = pattern.sub("", outside)
        if rest != outside:
            repairs.add(kind)
        outside = rest
    if words := outside.strip():
        repairs.add(Repair.WRAPPER if not words.strip("[]{}, \t\r\n") else Repair.PROSE)
    return repairs
