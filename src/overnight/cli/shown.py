"""What of a text may reach a terminal: data files and models write it, terminals obey it."""

# Control characters, which move the cursor or name the window, and those that turn the direction
# of whatever follows. A tab and the end of a line are what they seem.
_OBEYED = {*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {9, 10}
_LEFT_OUT = dict.fromkeys(_OBEYED)
_ESCAPED = {code: f"\\u{code:04x}" for code in _OBEYED}


def shown(text: str) -> str:
    """A text without what a terminal would obey instead of showing it."""
    return text.translate(_LEFT_OUT)


def shown_json(document: str) -> str:
    """The same JSON document, with such characters, which only its strings can hold, escaped."""
    return document.translate(_ESCAPED)
