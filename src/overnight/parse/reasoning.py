"""Takes the model's thinking out of a reply, whole, so that no draft in it can pass for an answer.

An opened block that never closes is thinking to its end; a closing tag that nothing opened ends
thinking that began in the prompt. Both leave too little rather than too much.
"""

import re

from overnight.parse.repairs import Repair

_NAMES = r"(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis|seed:think)"
_TAG = re.compile(
    rf"(<{_NAMES}(?:\s[^<>/]{{0,60}})?>|\[THINK\]|◁think▷"
    r"|<\|(?:begin_of_thought|start_thinking|think)\|>|<\|channel>)"
    rf"|</{_NAMES}\s?>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|end_thinking|/think)\|>|<channel\|>",
    re.IGNORECASE,
)
_MESSAGE_TOKEN = re.compile(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_HAS_MESSAGES = re.compile(r"<\|(?:start|channel|message)\|>")
_CHANNEL = re.compile(r"\s*(\w*)")
# What is left of the analysis channel where a server has removed the tokens but not the words.
_ANALYSIS, _FINAL = "analysis", "assistantfinal"


def answer_part(text: str, repairs: set[Repair]) -> str:
    """`text` without thinking; `text` itself if it holds none. Linear in its length."""
    said = _final_messages(text, repairs)
    outside = _outside_thinking(said)
    if outside is not said:
        repairs.add(Repair.REASONING)
    return outside


def _final_messages(text: str, repairs: set[Repair]) -> str:
    if _HAS_MESSAGES.search(text):
        bodies = _final_bodies(_MESSAGE_TOKEN.split(text), repairs)
        repairs.add(Repair.TOKEN)
        return "\n".join(bodies)
    if not text.startswith(_ANALYSIS):
        return text
    _, final, answer = text.rpartition(_FINAL)
    if not final and not text[len(_ANALYSIS) : len(_ANALYSIS) + 1].isalpha():
        return text
    repairs.add(Repair.REASONING)
    return answer if final else ""


def _final_bodies(pieces: list[str], repairs: set[Repair]) -> list[str]:
    """The messages of the final channel, from alternating texts and tokens."""
    bodies: list[str] = []
    ours, final = True, True  # who speaks, and whether to the user
    if pieces[0].strip():  # the channel was named in the prompt
        repairs.add(Repair.REASONING)
    for token, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if token == "start":  # noqa: S105 - a role follows
            ours, final = piece.strip() in {"", "assistant"}, True
        elif token == "channel":  # noqa: S105 - its name follows
            final = _channel(piece) == "final"
        elif token == "message":  # noqa: S105 - the text follows
            if ours and final:
                bodies.append(piece)
            elif piece.strip():
                repairs.add(Repair.REASONING)
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
