"""What comes from a server may hold what no database takes."""

_LARGEST = 2**63 - 1


def storable(value: object) -> object:
    """`value` as a database can hold it.

    Half a surrogate pair (of a text that a server cut) and NUL become other characters; a whole
    number that no column can hold is no number.
    """
    if isinstance(value, str) and ("\0" in value or not value.isascii()):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and abs(value) > _LARGEST:
        return None
    return value
