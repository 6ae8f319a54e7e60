"""What comes from a server may hold what no database takes."""

_LARGEST = 2**63 - 1


def storable(value: object) -> object:
    """`value` as a database can hold it.

    Half a surrogate pair (of a text that a server cut) and NUL become other characters; a whole
    number that no column can hold is no number.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        return None
    return value


def storable_text(text: str) -> str:
    """A text as a database can hold it; also one that was typed in another encoding."""
    if "\0" in text or not text.isascii():
        return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return text
