"""Waiting for what a test is about, instead of sleeping and hoping."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; AssertionError if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds:g} s: {condition}")
        time.sleep(0.01)
