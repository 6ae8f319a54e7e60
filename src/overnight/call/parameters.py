"""Which parameter of a request a server objects to, and what to change in the experiment file."""

import re

_OURS = "temperature|top_p|max_tokens|max_completion_tokens|reasoning_effort|seed"
_ELSEWHERE = ("messages", "model", "prompt", "input", "response_format", "json_schema")
_OBJECTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:unsupported|unknown|unrecognized|unexpected|invalid) (?:request )?"
        r"(?:parameter|value|field|name|argument|key)s?(?: supplied)?\W{1,8}([a-z]\w*)",
        r"does not support parameters\W{1,6}([a-z]\w*)",
        r"\bloc\b\W{1,8}body\W{1,8}([a-z]\w*)",
        rf"\b({_OURS})\b\W{{0,4}}"
        r"(?:is|are|does|do|must|cannot|should|and|range|has|was|not|parameter|supports?)\b",
        rf"\bparam\b\W{{3,8}}({_OURS})\b",
    )
)


def objected(text: str) -> str | None:
    """The parameter that an error body is about; None where it is about something else."""
    for objection in _OBJECTIONS:
        found = objection.search(text)
        if found and found[1].lower() not in _ELSEWHERE:
            return found[1].lower()
    return None


def advice(text: str) -> str:
    """What the server does not take and what to do about it. Holds no word of the server's."""
    name = objected(text)
    if name in ("temperature", "top_p", "reasoning_effort"):
        return f"does not take this {name}: change model.{name} in the experiment file or drop it"
    if name == "max_tokens" and "max_completion_tokens" in text:
        return (
            "takes no max_tokens: write extra_body: {max_tokens: null, max_completion_tokens: 1000}"
            " under model in the experiment file"
        )
    if name in ("max_tokens", "max_completion_tokens"):
        return f"does not take this {name}: set model.max_tokens lower in the experiment file"
    if name == "seed":
        return "takes no seed: write extra_body: {seed: null} under model in the experiment file"
    return "does not know a parameter: take it out of model.extra_body in the experiment file"
