"""The interface of the earlier scripts: RESUME, EXPERIMENT_ID and RETRY_ERRORS_ONLY."""

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.errors import UsageError


@dataclass(frozen=True, slots=True)
class Asked:
    """What the environment asks for."""

    experiment_id: str | None  # to be resumed; None: an ordinary run
    retry_errors_only: bool = False
    warning: str | None = None


def asked_by(environ: Mapping[str, str]) -> Asked:
    """Read the three variables. Raises UsageError where they make no sense together."""
    resume, retry = _switch(environ, "RESUME"), _switch(environ, "RETRY_ERRORS_ONLY")
    experiment_id = environ.get("EXPERIMENT_ID", "").strip()
    if not resume:
        warning = "RETRY_ERRORS_ONLY=1 has no effect without RESUME=1" if retry else None
        return Asked(None, warning=warning)
    if not experiment_id:
        raise UsageError(
            "RESUME=1 needs EXPERIMENT_ID too, set to the id of the experiment (overnight list "
            "shows them); or type: overnight resume"
        )
    return Asked(experiment_id, retry_errors_only=retry)


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip()
    if value not in ("", "0", "1"):
        raise UsageError(f"{name} is {value!r} in the environment; it is 1 or 0")
    return value == "1"
