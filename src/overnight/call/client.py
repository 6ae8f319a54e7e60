"""The shape that every provider of answers has."""

from typing import Literal, Protocol

from overnight.domain.outcome import Fault, Reply, Request

Structured = Literal["json_schema", "none"]


class Client(Protocol):
    """One way to get replies. `call` never raises for what a model or a server does."""

    @property
    def structured(self) -> Structured | None:
        """How the answer's form is asked for; None as long as that is not settled."""

    @property
    def max_concurrency(self) -> int | None:
        """How many calls at once make sense at the most; None where the server decides."""

    async def open(self) -> None:
        """Get ready (load a model, open a pool); raises UsageError if that cannot work."""

    async def call(self, request: Request) -> Reply | Fault:
        """Send one request and return what came back, or why nothing did."""

    async def close(self) -> None:
        """Give back what `open` took; calls still running are abandoned."""
