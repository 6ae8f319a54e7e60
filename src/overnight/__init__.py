"""Run a language model over every narrative of a dataset, for days if need be.

A data file becomes a *dataset* (ingest). A configuration over it is an *experiment*; each process
that works on it is a *session* (session, work). What remains is *planned* (plan) and handed out
(dispatch); each *call* gives a reply (call), the reply fields (parse), and both are *recorded* in
small groups (record) in a database (store). Answers are measured and exported (report).

    overnight.run("study.yaml")
    overnight.results("latest").to_pandas()
"""

from typing import TYPE_CHECKING, Any

from overnight._version import __version__
from overnight.errors import OvernightError, RefusedError, StoppedError, UsageError

if TYPE_CHECKING:
    from overnight.notebook import Results, RunResult, metrics, results, resume, run

_PUBLIC = ("Results", "RunResult", "metrics", "results", "resume", "run")

__all__ = [
    "OvernightError",
    "RefusedError",
    "Results",
    "RunResult",
    "StoppedError",
    "UsageError",
    "__version__",
    "metrics",
    "results",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Load the rest when it is first used: importing overnight costs next to nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'overnight' has no attribute {name!r}")
    from overnight import notebook  # noqa: PLC0415 - that is the point

    return getattr(notebook, name)
