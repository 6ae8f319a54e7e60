"""How real servers fail, by name: replies for a script or a Schedule.

Those that spoil an answer in place of replacing it are scripts, and take the script whose answer
they spoil.
"""

import json
from dataclasses import replace

from overnight.testing.server import Call, Script, Scripted, keyword_script


def error(status: int, message: str, **more: object) -> Scripted:
    """An error as most servers send it; `more` stands beside the message."""
    return Scripted(status=status, body=json.dumps({"error": {"message": message, **more}}))


# --- the narrative's own ---------------------------------------------------------------------


def too_long(limit: int = 4096) -> Scripted:
    """The prompt exceeds the model's context, as OpenAI and vLLM say it."""
    said = f"This model's maximum context length is {limit} tokens. Please reduce the length."
    return error(400, said, code="context_length_exceeded")


def filtered() -> Scripted:
    """Azure's content filter refuses the prompt."""
    return error(400, "The response was filtered", code="content_filter", param="prompt")


# --- the server's ----------------------------------------------------------------------------


def lmstudio_no_model() -> Scripted:
    """LM Studio runs and has no model loaded."""
    return error(404, "No models loaded. Please load a model", code="model_not_found")


def lmstudio_crashed() -> Scripted:
    """LM Studio's model died."""
    said = "The model has crashed without additional information. (Exit code: 6)"
    return Scripted(status=400, body=json.dumps({"error": said}))


def ollama_terminated() -> Scripted:
    """Ollama's runner died."""
    return error(500, "llama runner process has terminated: exit status 2", type="api_error")


def ollama_busy() -> Scripted:
    """Ollama's queue is full."""
    return error(503, "server busy, please try again.  maximum pending requests exceeded")


def llamacpp_loading() -> Scripted:
    """llama.cpp is still loading its model."""
    return error(503, "Loading model", code=503, type="unavailable_error")


def vllm_dead() -> Scripted:
    """VLLM's engine died."""
    return error(500, "EngineCore encountered an issue.", type="InternalServerError", code=500)


def server_error(status: int = 500) -> Scripted:
    """Nothing but a status."""
    return Scripted(status=status, body="")


def bad_gateway(status: int = 502) -> Scripted:
    """A proxy's page instead of the server's reply."""
    page = f"<html><head><title>{status} Bad Gateway</title></head></html>"
    return Scripted(status=status, body=page, content_type="text/html")


def rate_limited(seconds: float | None = None) -> Scripted:
    """Slow down: for so many seconds, if the server says how many."""
    limited = error(429, "Rate limit reached", code="rate_limit_exceeded")
    headers = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
    return replace(limited, headers=headers)


# --- the set-up's ----------------------------------------------------------------------------


def wrong_key() -> Scripted:
    """The key is not valid."""
    return error(401, "Incorrect API key provided", code="invalid_api_key")


def no_credit() -> Scripted:
    """OpenAI's quota is used up."""
    return error(429, "You exceeded your current quota", code="insufficient_quota")


def unknown_model(name: str = "llama3") -> Scripted:
    """Ollama has no such model."""
    return error(404, f"model '{name}' not found, try pulling it first", type="api_error")


def no_schema() -> Scripted:
    """The server does not take response_format."""
    said = "'response_format.type' must be 'text'"
    return Scripted(status=400, body=json.dumps({"error": said}))


def unsupported(parameter: str = "temperature") -> Scripted:
    """OpenAI's newer models do not take a parameter."""
    said = f"Unsupported parameter: '{parameter}' is not supported with this model."
    return error(400, said, param=parameter, code="unsupported_parameter")


# --- HTTP 200, and yet no answer -------------------------------------------------------------


def empty_body() -> Scripted:
    """Nothing at all."""
    return Scripted(body="")


def web_page() -> Scripted:
    """A page for people."""
    return Scripted(body="<!doctype html><title>Log in</title>", content_type="text/html")


def half_json() -> Scripted:
    """JSON that ends too soon, though the connection is whole."""
    return Scripted(body='{"choices": [{"message": {"content": "{')


def no_choices() -> Scripted:
    """A chat completion without a choice."""
    return Scripted(body=json.dumps({"object": "chat.completion", "choices": []}))


def null_content() -> Scripted:
    """A message without content."""
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": None}}
    return Scripted(body=json.dumps({"model": "scripted", "choices": [choice]}))


def error_inside(code: int = 502) -> Scripted:
    """OpenRouter's way: HTTP 200 with an error in the body."""
    return replace(error(200, "Provider returned error", code=code), status=200)


# --- the connection --------------------------------------------------------------------------


def hangs_up() -> Scripted:
    """The connection closes without a word."""
    return Scripted(hang_up=True)


def never_answers() -> Scripted:
    """The request is taken, and then nothing."""
    return Scripted(delay=float("inf"))


def poison(seconds: float) -> Scripted:
    """The server dies of this call: every connection breaks and none is taken for so long."""
    return Scripted(down_for=seconds)


def late(seconds: float, script: Script = keyword_script) -> Script:
    """The answer comes after so many seconds."""
    return _spoilt(script, delay=seconds)


def cut_off(after: int, script: Script = keyword_script) -> Script:
    """The connection closes after so many bytes of the body."""
    return _spoilt(script, cut_after=after)


def stalls(after: int, script: Script = keyword_script) -> Script:
    """After so many bytes of the body nothing more comes, and the connection stays."""
    return _spoilt(script, cut_after=after, stall=True)


def drips(pause: float = 0.05, script: Script = keyword_script) -> Script:
    """The body comes in pieces of 16 bytes, with so many seconds before each."""
    return _spoilt(script, drip=pause)


def wrong_model(name: str, script: Script = keyword_script) -> Script:
    """Another model answers than the one that was asked."""
    return _spoilt(script, model=name)


def _spoilt(script: Script, **changes: object) -> Script:
    def spoilt(call: Call) -> Scripted:
        return replace(script(call), **changes)  # type: ignore[arg-type]

    return spoilt
