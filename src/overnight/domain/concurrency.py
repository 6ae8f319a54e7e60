"""How many calls at once."""

AHEAD = 16  # calls entered in the ledger beyond those that may be in flight
_LOCAL = 4  # what common local servers work on in parallel without being told
_HOSTED = 16


def starting_limit(wanted: int | str, *, local: bool, client_limit: int | None) -> int:
    """The number of calls at once: as asked for, else what suits the kind of server."""
    limit = wanted if isinstance(wanted, int) else _LOCAL if local else _HOSTED
    if client_limit is None:
        return limit
    return client_limit if wanted == "auto" else min(limit, client_limit)
