"""Takes the model's thinking out of a reply, whole, so that no draft in it can pass for an answer.

An opened block that never closes is thinking to its end; a closing tag that nothing opened ends
thinking that began in the prompt. Both leave too little rather than too much.
"""

import re

_NAMES = r"(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis|seed:think)"
_TAG = re.compile(
    rf"(<{_NAMES}(?:\s[^<>/]{{0,60}})?>|\[THINK\]|◁think▷"
    r"|<\|(?:begin_of_thought|start_thinking)\|>|<\|channel>)"
    rf"|</{_NAMES}\s?>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|end_thinking)\|>|<channel\|>",
    re.IGNORECASE,
)
_MESSAGE_TOKEN = re.compile(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_HAS_MESSAGES = re.compile(r"<\|(?:start|channel|message)\|>")
_CHANNEL = re.compile(r"\s*(\w*)")
# What is left of the analysis channel where a server has removed the tokens but not the words.
_ANALYSIS, _FINAL = "analysis", "assistantfinal"


def answer_part(text: str) -> str:
    """`text` without thinking; `text` itself if it holds none. Linear in its length."""
    return _outside_thinking(_final_messages(text))


def _final_messages(text: str) -> str:
    if _HAS_MESSAGES.search(text):
        return "\n".join(_final_bodies(_MESSAGE_TOKEN.split(text)))
    if not text.startswith(_ANALYSIS):
        return text
    _, final, answer = text.rpartition(_FINAL)
    thinking = final or text[len(_ANALYSIS) : len(_ANALYSIS) + 1].isalpha()
    return answer if thinking == final and final else "" if thinking else text


def _final_bodies(pieces: list[str]) -> list[str]:
    """The messages of the final channel, from alternating texts and tokens."""
    bodies: list[str] = []
    final = True
    for token, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if token == "start":  # noqa: S105 - a role follows
            final = piece.strip() in {"", "assistant"}
        elif token == "channel":  # noqa: S105 - its name follows
            final = final and _channel(piece) == "final"
        elif token == "message" and final:  # noqa: S105 - the text follows
            bodies.append(piece)
    return bodies


def _channel(header: str) -> str:
    name = _CHANNEL.match(header)
    return name[1] if name else ""


def _outside_thinking(text: str) -> str:
    kept: list[str] = []
    at, thinking, tag = 0, False, None
    for tag in _TAG.finditer(text):
        opens = tag[1] is not None
        if opens and not thinking:
            kept.append(text[at : tag.start()])
        if not opens and not thinking:
            kept.clear()
        at, thinking = tag.end(), opens
    if tag is None:
        return text
    return "\n".join(kept if thinking else [*kept, text[at:]])
