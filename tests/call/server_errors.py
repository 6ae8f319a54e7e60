"""What servers answer when they do not answer: the table behind test_faults.py.

The words are facts of those interfaces. A source with the number of an issue was read, sometimes as
a line of a log: then its words stand here in the body that this server usually sends, and long ones
are shortened. A source without a number names the part of the server, or of its documents, that the
reply belongs to, and was not looked up again. Names, numbers and narratives are invented.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from overnight.domain.outcome import Blame, ErrorCategory

API, RATE = ErrorCategory.API_ERROR, ErrorCategory.RATE_LIMIT
DATA, REFUSAL = ErrorCategory.DATA_ERROR, ErrorCategory.REFUSAL
NARRATIVE, SERVER, SETUP, FORM = Blame.NARRATIVE, Blame.SERVER, Blame.SETUP, Blame.FORM
TEXT = "The decedent was seen on the porch by a neighbour at noon. All of this is invented."
TELLING = "content_filter response_format maximum context length is 5, try again in 5 minutes"
INVALID = "invalid_request_error"


@dataclass(frozen=True)
class Case:
    """One reply, and what it amounts to."""

    server: str
    what: str
    status: int
    category: ErrorCategory
    blame: Blame
    source: str
    body: Any  # text, or what becomes JSON
    wait: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    formed: bool = True  # a first call, which asks for a schema
    says: str = ""  # what the message must hold
    narrative: str = TEXT

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    def __str__(self) -> str:
        return f"{self.server}: {self.what}"


def said(message: str, **more: object) -> dict:
    """The body that most servers send."""
    return {"error": {"message": message, **more}}


def page(title: str) -> str:
    """What a proxy sends."""
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body></html>"


def completion(content: object = None, finish_reason: object = "stop", **more: object) -> dict:
    """A chat completion, or what was meant to be one."""
    message = {"role": "assistant", "content": content}
    return {"choices": [{"finish_reason": finish_reason, "message": message}], **more}


# fmt: off
TOO_LONG = [
    Case("OpenAI", "prompt too long", 400, DATA, NARRATIVE, "webtimemachine/wtm2 #579",
        said(
            "This model's maximum context length is 128000 tokens. However, your messages"
            " resulted in 204308 tokens. Please reduce the length of the messages.",
            type=INVALID, param="messages", code="context_length_exceeded",
        )),
    Case("OpenAI", "prompt and answer too long together", 400, DATA, NARRATIVE,
        "mckaywrigley/chatbot-ui #102",
        said(
            "This model's maximum context length is 4097 tokens. However, you requested 4120"
            " tokens (3120 in the messages, 1000 in the completion). Please reduce the length"
            " of the messages or completion.",
            type=INVALID, param="messages", code="context_length_exceeded",
        )),
    Case("OpenAI", "context exceeded, newer words", 400, DATA, NARRATIVE,
        "OpenAI, newer models",
        said(
            "Input tokens exceed the configured limit of 272000 tokens. Your messages"
            " resulted in 300210 tokens. Please reduce the length of the messages.",
            type=INVALID, param="messages", code="context_length_exceeded",
        )),
    Case("OpenAI", "one request above the tokens of a minute", 429, DATA, NARRATIVE,
        "vanderschaarlab/climb #1",
        said(
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM):"
            " Limit 30000, Requested 30601. The input or output tokens must be reduced in"
            " order to run successfully.",
            type="tokens", param=None, code="rate_limit_exceeded",
        )),
    Case("Azure", "prompt too long", 400, DATA, NARRATIVE, "Azure OpenAI, as OpenAI",
        said(
            "This model's maximum context length is 16385 tokens. However, you requested"
            " 20012 tokens (19012 in the messages, 1000 in the completion). Please reduce the"
            " length of the messages or completion.",
            type=INVALID, param="messages", code="context_length_exceeded",
        )),
    Case("vLLM", "prompt too long, older form", 400, DATA, NARRATIVE, "vllm-project/vllm #20409",
        {
            "object": "error", "type": "BadRequestError", "param": None, "code": 400,
            "message": "This model's maximum context length is 16384 tokens. However, you"
            " requested 122946 tokens (112946 in the messages, 10000 in the"
            " completion). Please reduce the length of the messages or completion.",
        }),
    Case("vLLM", "prompt too long, newer form", 400, DATA, NARRATIVE, "vllm-project/vllm #33418",
        said(
            "This model's maximum context length is 65536 tokens. However, your request has"
            " 93196 input tokens. Please reduce the length of the input messages."
            " (parameter=input_tokens, value=93196)",
            type="BadRequestError", param="input_tokens", code=400,
        )),
    Case("vLLM", "no room left for the answer", 400, DATA, NARRATIVE, "stepfun-ai/Step-Audio-R1 #3",
        said(
            "'max_tokens' or 'max_completion_tokens' is too large: 1000. This model's"
            " maximum context length is 8192 tokens and your request has 7900 input tokens"
            " (1000 > 8192 - 7900).",
            type="BadRequestError", param=None, code=400,
        )),
    Case("vLLM", "less than no room", 400, DATA, NARRATIVE, "vllm-project/vllm #4667",
        {
            "object": "error", "message": "max_tokens must be at least 1, got -186.",
            "type": "BadRequestError", "param": None, "code": 400,
        }),
    Case("llama.cpp", "prompt too long", 400, DATA, NARRATIVE, "tests/peers/llamacpp_server.py",
        said(
            "request (5182 tokens) exceeds the available context size (4096 tokens), try"
            " increasing it",
            code=400, type="exceed_context_size_error", n_prompt_tokens=5182, n_ctx=4096,
        )),
    Case("llama.cpp", "prompt too long, before its status was 400", 500, DATA, NARRATIVE,
        "ggml-org/llama.cpp #15780",
        said(
            "the request exceeds the available context size. try increasing the context size"
            " or enable context shift",
            code=500, type="exceed_context_size_error", n_prompt_tokens=1407, n_ctx=256,
        )),
    Case("llama.cpp", "prompt above the batch", 500, DATA, NARRATIVE, "llama.cpp, tools/server",
        said(
            "input (5012 tokens) is too large to process. increase the physical batch size"
            " (current batch size: 512)",
            code=500, type="server_error",
        )),
    Case("LM Studio", "prompt too long", 400, DATA, NARRATIVE,
        "lmstudio-ai/lmstudio-bug-tracker #546",
        {
            "error": "Trying to keep the first 111490 tokens when context the overflows."
            " However, the model is loaded with context length of only 32768 tokens,"
            " which is not enough. Try to load the model with a larger context length,"
            " or provide a shorter input.",
        }),
    Case("LM Studio", "prompt too long, corrected words", 400, DATA, NARRATIVE,
        "n4ze3m/page-assist #356",
        {
            "error": "Trying to keep the first 6547 tokens when context overflows. However, the"
            " model is loaded with a context length of only 4096 tokens, which is not"
            " enough.",
        }),
    Case("LM Studio", "answer met the end of the context", 400, DATA, NARRATIVE,
        "lmstudio-ai/lmstudio-bug-tracker #2339", {"error": "Context size has been exceeded."}),
    Case("LM Studio", "newest words", 400, DATA, NARRATIVE, "aaif-goose/goose #11318",
        said(
            "Input does not fit in context length. The input has 31430 tokens, but the"
            " context length only supports 30000 tokens.",
        )),
    Case("Ollama", "prompt too long, where truncation is off", 400, DATA, NARRATIVE,
        "Ollama, server/routes.go",
        said("the input length exceeds the context length", type=INVALID, param=None, code=None)),
    Case("OpenRouter", "prompt too long", 400, DATA, NARRATIVE,
        "OpenRouter, page Errors and debugging",
        said(
            "This endpoint's maximum context length is 8192 tokens. However, you requested"
            " about 12000 tokens (10000 of text input, 2000 in the output). Please reduce the"
            ' length of either one, or use the "middle-out" transform to compress your prompt'
            " automatically.",
            code=400, metadata={"provider_name": None},
        )),
    Case("OpenRouter", "prompt too long for the provider behind it", 400, DATA, NARRATIVE,
        "aaif-goose/goose #7442, reVrost/go-openrouter #21",
        said(
            "Provider returned error", code=400,
            metadata={
                "provider_name": "OpenAI",
                "raw": json.dumps(
                    said("prompt is too long: 227255 tokens > 200000 maximum", type=INVALID),
                ),
            },
        ),
        says="prompt is too long"),
    Case("nginx", "body too large", 413, DATA, NARRATIVE, "nginx, client_max_body_size",
        page("413 Request Entity Too Large")),
    Case("a gateway", "body too large", 400, DATA, NARRATIVE, "aaif-goose/goose #11171",
        "Server received a request which exceeds maximum allowed content length."
        " RequestSize(bytes): 34021227, Limit(bytes): 33554432."),
]

NO_ROOM = [
    Case("vLLM", "the answer alone may be as long as the context", 400, API, SETUP,
        "stepfun-ai/Step-Audio-R1 #3",
        said(
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's"
            " maximum context length is 8192 tokens and your request has 45 input tokens"
            " (32000 > 8192 - 45).",
            type="BadRequestError", param=None, code=400,
        ),
        says="model.max_tokens"),
    Case("OpenAI", "the answer alone may be longer than the context", 400, API, SETUP,
        "mckaywrigley/chatbot-ui #102",
        said(
            "This model's maximum context length is 4097 tokens. However, you requested 8120"
            " tokens (120 in the messages, 8000 in the completion). Please reduce the length"
            " of the messages or completion.",
            type=INVALID, param="messages", code="context_length_exceeded",
        ),
        says="model.max_tokens"),
    Case("OpenAI", "more tokens than the model ever answers with", 400, API, SETUP,
        "OpenAI, page Error codes",
        said(
            "max_tokens is too large: 100000. This model supports at most 16384 completion"
            " tokens, whereas you provided 100000.",
            type=INVALID, param="max_tokens", code="invalid_value",
        ),
        says="set model.max_tokens lower"),
]

FILTERED = [
    Case("Azure", "prompt filtered", 400, REFUSAL, NARRATIVE, "compl-ai/compl-ai #20",
        said(
            "The response was filtered due to the prompt triggering Azure OpenAI's content"
            " management policy. Please modify your prompt and retry.",
            type=None, param="prompt", code="content_filter", status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
            },
        )),
    Case("Azure", "prompt filtered, without the details", 400, REFUSAL, NARRATIVE,
        "openai/openai-python #331",
        '{"error":{"message":"The response was filtered due to the prompt triggering Azure'
        " OpenAI\\u2019s content management"
        ' policy.","type":null,"param":"prompt","code":"content_filter","status":400}}'),
    Case("OpenAI", "prompt flagged", 400, REFUSAL, NARRATIVE,
        "BeehiveInnovations/pal-mcp-server #178",
        said(
            "Invalid prompt: your prompt was flagged as potentially violating our usage"
            " policy. Please try again with a different prompt.",
            type=INVALID, param=None, code="invalid_prompt",
        )),
    Case("OpenRouter", "input flagged by moderation", 403, REFUSAL, NARRATIVE,
        "OpenRouter, page Errors and debugging",
        said(
            "Your chosen model requires moderation and your input was flagged", code=403,
            metadata={
                "reasons": ["violence"], "flagged_input": TEXT[:60], "provider_name": "OpenAI",
                "model_slug": "a/b",
            },
        )),
    Case("LiteLLM", "Azure's filter, passed on", 400, REFUSAL, NARRATIVE, "BerriAI/litellm #16231",
        said(
            "litellm.ContentPolicyViolationError: AzureException - The response was filtered"
            " due to the prompt triggering Azure OpenAI's content management policy.",
            type=None, param=None, code="400",
        )),
]

NO_MODEL_READY = [
    Case("LM Studio", "no model loaded", 404, API, SERVER, "canopyai/Orpheus-TTS #229",
        said(
            "No models loaded. Please load a model in the developer page or use the `lms"
            " load` command.",
            type=INVALID, param="model", code="model_not_found",
        ),
        says="no model that is ready"),
    Case("LM Studio", "no model loaded, as a 400", 400, API, SERVER, "tinyhumansai/openhuman #4181",
        said("No models loaded. Please load a model ...", type=INVALID, param="model")),
    Case("LM Studio", "model unloaded meanwhile", 400, API, SERVER,
        "lmstudio-ai/lmstudio-bug-tracker #1492", {"error": "Model unloaded."}),
    Case("LM Studio", "model is unloaded", 400, API, SERVER,
        "lmstudio-ai/lmstudio-bug-tracker #914", {"error": "Model is unloaded."}),
    Case("LM Studio", "model crashed", 400, API, SERVER, "lmstudio-ai/lmstudio-bug-tracker #1347",
        {
            "error": "The model has crashed without additional information. (Exit code:"
            " 18446744072635812000)",
        }),
    Case("LM Studio", "model cannot be loaded", 400, API, SERVER, "continuedev/continue #10150",
        {"error": 'Failed to load model "gpt-oss-20b". Error: Error loading model.'}),
    Case("LM Studio", "guardrail against full memory", 400, API, SERVER,
        "LM Studio, page Model loading guardrails",
        {
            "error": "Failed to load model. Model loading was stopped due to insufficient system"
            " resources.",
        }),
    Case("LM Studio", "engine gone", 400, API, SERVER, "lmstudio-ai/mlx-engine #208",
        {"error": "Channel Error"}),
    Case("LM Studio", "prediction failed", 400, API, SERVER,
        "lmstudio-ai/lmstudio-bug-tracker #407", {"error": "Error: received prediction-error"}),
    Case("llama.cpp", "still loading", 503, API, SERVER, "llama.cpp, tools/server README",
        said("Loading model", code=503, type="unavailable_error")),
    Case("llama.cpp", "shared context full: anybody's", 500, API, SERVER, "llama.cpp, tools/server",
        said("Context size has been exceeded.", code=500, type="server_error")),
    Case("llama.cpp", "no slot", 503, API, SERVER, "llama.cpp, tools/server README",
        said("no slot available", code=503, type="unavailable_error")),
    Case("llama.cpp", "computation failed", 500, API, SERVER, "llama.cpp, tools/server",
        said("Compute error.", code=500, type="server_error")),
    Case("Ollama", "queue full", 503, API, SERVER, "Ollama, server/sched.go",
        said("server busy, please try again.  maximum pending requests exceeded",
            type="api_error")),
    Case("Ollama", "runner died", 500, API, SERVER, "ollama/ollama #8770",
        said("llama runner process has terminated: exit status 2", type="api_error")),
    Case("Ollama", "runner stopped", 500, API, SERVER, "continuedev/continue #11241",
        said(
            "model runner has unexpectedly stopped, this may be due to resource limitations"
            " or an internal error, check ollama server logs for details",
            type="api_error",
        )),
    Case("Ollama", "no memory", 500, API, SERVER, "continuedev/continue #11767",
        said("model requires more system memory (5.3 GiB) than is available (3.3 GiB)")),
    Case("Ollama", "request cancelled", 499, API, SERVER, "Ollama, server/routes.go",
        {"error": "request canceled"}),
    Case("vLLM", "engine dead", 500, API, SERVER, "vllm-project/vllm #42363",
        said(
            "EngineCore encountered an issue. See stack trace (above) for the root cause.",
            type="InternalServerError", param=None, code=500,
        )),
    Case("vLLM", "engine dead, plain text", 500, API, SERVER, "vllm-project/vllm #42362",
        "Internal Server Error"),
    Case("vLLM", "engine dead, as a 503", 503, API, SERVER, "vLLM, launcher",
        said("EngineCore encountered an issue.", type="ServiceUnavailable", code=503)),
]

SERVER_FAILS = [
    Case("OpenAI", "server error", 500, API, SERVER, "OpenAI, page Error codes",
        said(
            "The server had an error while processing your request. Sorry about that!",
            type="server_error", param=None, code=None,
        )),
    Case("OpenAI", "overloaded", 503, API, SERVER, "OpenAI, page Error codes",
        said("The engine is currently overloaded, please try again later", type="server_error"),
        wait=30.0, headers={"retry-after": "30"}),
    Case("Azure", "timed out", 408, API, SERVER, "Azure OpenAI, page Troubleshooting",
        said("The operation was timeout.", code="Timeout")),
    Case("OpenRouter", "timed out", 408, API, SERVER, "OpenRouter, page Errors and debugging",
        said("Request timed out", code=408)),
    Case("OpenRouter", "provider is down", 502, API, SERVER,
        "OpenRouter, page Errors and debugging",
        said("Provider returned error", code=502, metadata={"provider_name": "X", "raw": ""})),
    Case("OpenRouter", "no provider left", 503, API, SERVER,
        "OpenRouter, page Errors and debugging",
        said("No available model provider that meets your routing requirements", code=503)),
    Case("nginx", "server away", 502, API, SERVER, "nginx",
        page("502 Bad Gateway")),
    Case("nginx", "server slow", 504, API, SERVER, "nginx",
        page("504 Gateway Time-out")),
    Case("nginx", "down for maintenance", 503, API, SERVER, "nginx",
        page("503 Service Temporarily Unavailable"), wait=120.0, headers={"retry-after": "120"}),
    *(
        Case("Cloudflare", what, status, API, SERVER, "Cloudflare, page 5xx errors",
            page(f"{status}: {what}"))
        for status, what in (
            (520, "unknown error"), (521, "web server is down"), (522, "connection timed out"),
            (523, "origin is unreachable"), (524, "a timeout occurred"),
            (529, "site is overloaded"),
        )
    ),
    Case("any", "conflict with a deployment", 409, API, SERVER, "RFC 9110",
        said("conflict")),
    Case("any", "too early", 425, API, SERVER, "RFC 8470",
        ""),
    Case("any", "accepted, but nothing comes", 202, API, SERVER, "RFC 9110",
        ""),
    Case("any", "an echo of a narrative full of telling words", 500, API, SERVER,
        "a narrative may hold any words",
        said(f"cannot parse: {TELLING}"), narrative=TELLING),
    Case("any", "an echo, as a 400", 400, API, SETUP, "a narrative may hold any words",
        said(f"cannot parse: {TELLING}"), narrative=TELLING),
]

LIMITED = [
    Case("OpenAI", "tokens per minute, milliseconds", 429, RATE, SERVER,
        "jekalmin/extended_openai_conversation #147",
        said(
            "Rate limit reached for gpt-3.5-turbo in organization org-x on tokens per min"
            " (TPM): Limit 40000, Used 39485, Requested 787. Please try again in 408ms.",
            type="tokens", param=None, code="rate_limit_exceeded",
        ),
        wait=0.408),
    Case("OpenAI", "tokens per minute, seconds", 429, RATE, SERVER, "semanser/codel #72",
        said(
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM):"
            " Limit 30000, Used 14567, Requested 24754. Please try again in 18.642s.",
            type="tokens", code="rate_limit_exceeded",
        ),
        wait=18.642),
    Case("OpenAI", "requests per day", 429, RATE, SERVER, "OpenAI, page Rate limits",
        said(
            "Rate limit reached for gpt-4 in organization org-x on requests per day (RPD):"
            " Limit 200, Used 200, Requested 1. Please try again in 7m12s.",
            type="requests", code="rate_limit_exceeded",
        ),
        wait=432.0),
    Case("OpenAI", "a limit that mentions billing is still only a limit", 429, RATE, SERVER,
        "TomFrankly/pipedream-notion-voice-notes #21",
        said(
            "Rate limit reached for default-moderation-api in organization org-x on requests"
            " per min. Limit: 3 / min. Please try again in 20s. Please add a payment method"
            " to your account to increase your rate limit. Visit /account/billing to add one.",
        ),
        wait=20.0),
    Case("OpenAI", "headers say it exactly", 429, RATE, SERVER, "openai/openai-python, retries",
        said("Rate limit reached", type="requests"), wait=1.25,
        headers={"retry-after-ms": "1250", "retry-after": "2"}),
    Case("OpenAI", "only what remains is told", 429, RATE, SERVER, "OpenAI, page Rate limits",
        said("Rate limit reached", type="tokens"), wait=360.0,
        headers={
            "x-ratelimit-remaining-requests": "4999", "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
        }),
    Case("OpenAI", "what remains, but not which is used up", 429, RATE, SERVER,
        "OpenAI, page Rate limits", said("Rate limit reached"), wait=1.0,
        headers={"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}),
    Case("Azure", "calls", 429, RATE, SERVER, "microsoft/action-python #12",
        said(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version"
            " 2024-02-01 have exceeded call rate limit of your current OpenAI S0 pricing"
            " tier. Please retry after 26 seconds.",
            code="429",
        ),
        wait=26.0),
    Case("Azure", "tokens, for a day", 429, RATE, SERVER, "jasonacox/TinyLLM #17",
        said(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version"
            " 2023-05-15 have exceeded token rate limit of your current AIServices S0 pricing"
            " tier. Please retry after 86400 seconds.",
            code="429",
        ),
        wait=86400.0),
    Case("Azure", "short words", 429, RATE, SERVER, "microsoft/copilot-camp #551",
        said("Rate limit is exceeded. Try again in 2 seconds.", code="429"), wait=2.0),
    Case("Azure", "headers of no use", 429, RATE, SERVER, "openai/openai-dotnet #838",
        said("Too Many Requests", code="429"),
        headers={"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0"}),
    Case("OpenRouter", "provider's limit", 429, RATE, SERVER, "open-webui/computer #293",
        said(
            "Provider returned error", code=429,
            metadata={
                "raw": "z-ai/glm is temporarily rate-limited upstream. Please retry shortly.",
                "provider_name": "X",
            },
        ),
        says="temporarily rate-limited"),
    Case("OpenRouter", "budget of calls in flight", 402, RATE, SERVER,
        "OpenRouter, page Errors and debugging",
        said(
            "Too much in flight", code=402,
            metadata={"limit_source": "openrouter_in_flight_budget"},
        ),
        wait=5.0, headers={"retry-after": "5"}),
    Case("Gemini", "a quota of a minute is only a limit", 429, RATE, SERVER,
        "Gemini, page Rate limits",
        said(
            "You exceeded your current quota, please check your plan and billing details."
            " Please retry in 34.07s.",
            code=429, status="RESOURCE_EXHAUSTED",
        ),
        wait=34.07),
    Case("a proxy", "limit without a word", 429, RATE, SERVER, "RFC 6585",
        ""),
]

NO_CREDIT = [
    Case("OpenAI", "quota used up", 429, API, SETUP, "OpenHands/OpenHands #998",
        said(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota", param=None, code="insufficient_quota",
        ),
        says="no credit"),
    Case("OpenAI", "balance used up", 429, API, SETUP, "OpenAI, page Error codes",
        said("Your credit balance is exhausted.", code="credit_balance_exhausted"),
        says="no credit"),
    Case("OpenAI", "account not active", 429, API, SETUP, "OpenAI, page Error codes",
        said(
            "Your account is not active, please check your billing details on our website.",
            type="billing_not_active", code="billing_not_active",
        ),
        says="no credit"),
    Case("OpenRouter", "no credits", 402, API, SETUP, "OpenRouter, page Errors and debugging",
        said("Insufficient credits", code=402), says="no credit"),
    Case("OpenRouter", "credits for a shorter answer only", 402, API, SETUP, "babikov/doka-site #7",
        said(
            "This request requires more credits, or fewer max_tokens. You requested up to"
            " 65536 tokens, but can only afford 10114.",
            code=402, metadata={"provider_name": None},
        ),
        says="no credit"),
    Case("OpenRouter", "the key's own limit", 403, API, SETUP, "OpenRouter, page Limits",
        said("Key limit exceeded (total limit).", code=403), says="no credit"),
]

WRONG_KEY = [
    Case("OpenAI", "wrong key", 401, API, SETUP, "OpenAI, page Error codes",
        said("Incorrect API key provided: sk-inv***.", type=INVALID, code="invalid_api_key"),
        says="model.api_key_env"),
    Case("OpenAI", "no key", 401, API, SETUP, "OpenAI, page Error codes",
        said("You didn't provide an API key.", type=INVALID, code=None), says="model.api_key_env"),
    Case("OpenAI", "address not on the list", 401, API, SETUP, "OpenAI, page Error codes",
        said("IP not authorized", code="ip_not_authorized")),
    Case("OpenAI", "country", 403, API, SETUP, "OpenAI, page Error codes",
        said(
            "Country, region, or territory not supported", type="request_forbidden",
            code="unsupported_country_region_territory",
        ),
        says="refuses access"),
    Case("OpenAI", "project without the model", 403, API, SETUP, "OpenAI, page Error codes",
        said(
            "Project `proj_x` does not have access to model `gpt-4o`", type=INVALID, param=None,
            code="model_not_found",
        ),
        says="model.name"),
    Case("Azure", "wrong key", 401, API, SETUP, "Azure OpenAI, page Troubleshooting",
        said(
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure"
            " to provide a valid key for an active subscription.",
            code="401",
        ),
        says="model.api_key_env"),
    Case("Azure", "firewall", 403, API, SETUP, "Azure OpenAI, page Virtual networks",
        said("Access denied due to Virtual Network/Firewall rules.", code="403"),
        says="refuses access"),
    Case("OpenRouter", "wrong key", 401, API, SETUP, "OpenRouter, page Errors and debugging",
        said("No auth credentials found", code=401), says="model.api_key_env"),
    Case("vLLM", "wrong key", 401, API, SETUP, "vLLM, page OpenAI-compatible server",
        {"error": "Unauthorized"}, says="model.api_key_env"),
    Case("llama.cpp", "wrong key", 401, API, SETUP, "tests/peers/llamacpp_server.py",
        said("Invalid API Key", code=401, type="authentication_error"), says="model.api_key_env"),
    Case("Gemini", "wrong key, as a 400", 400, API, SETUP, "Gemini, page OpenAI compatibility",
        [said("API key not valid. Please pass a valid API key.", code=400)],
        says="model.api_key_env"),
]

UNKNOWN_MODEL = [
    Case("Ollama", "not pulled", 404, API, SETUP, "netease-youdao/QAnything #555",
        said('model "llama3" not found, try pulling it first', type="api_error", code=None),
        says="model.name"),
    Case("Ollama", "not pulled, native form", 404, API, SETUP, "otwld/ollama-helm #61",
        {"error": "model 'tinyllama' not found, try pulling it first"}, says="model.name"),
    Case("Ollama", "a model for embeddings", 400, API, SETUP, "Ollama, server/routes.go",
        said('"all-minilm:latest" does not support chat', type=INVALID), says="model.name"),
    Case("vLLM", "unknown", 404, API, SETUP, "vLLM, serving_models",
        {
            "object": "error", "message": "The model `meta/llama-3.1` does not exist.",
            "type": "NotFoundError", "param": None, "code": 404,
        },
        says="model.name"),
    Case("OpenAI", "unknown", 404, API, SETUP, "continuedev/continue #10414",
        said(
            "The model `gpt-4.9` does not exist or you do not have access to it.", type=INVALID,
            param=None, code="model_not_found",
        ),
        says="model.name"),
    Case("LM Studio", "unknown", 404, API, SETUP, "gitbutlerapp/gitbutler #8706",
        said(
            'Model "default" not found. Please specify a valid model.\n\nYour models:\n\nqwen3-32b',
            type=INVALID, param="model", code="model_not_found",
        ),
        says="model.name"),
    Case("LM Studio", "several loaded, none named", 400, API, SETUP,
        "LM Studio, page OpenAI compatibility",
        {
            "error": "Multiple models are loaded. Please specify a model by providing a 'model'"
            " field.",
        },
        says="model.name"),
    Case("OpenRouter", "unknown", 400, API, SETUP, "OpenRouter, page Errors and debugging",
        said("a/b is not a valid model ID", code=400), says="model.name"),
    Case("OpenRouter", "withdrawn", 404, API, SETUP, "vyancharuk/nodejs-api-boilerplate #16",
        said("No endpoints found for a/b-3.1-405b:free.", code=404), says="model.name"),
    Case("Azure", "no such deployment", 404, API, SETUP, "OpenBMB/AgentVerse #140",
        said(
            "The API deployment for this resource does not exist. If you created the"
            " deployment within the last 5 minutes, please wait a moment and try again.",
            code="DeploymentNotFound",
        ),
        says="model.name"),
    Case("Azure", "a model for something else", 400, API, SETUP,
        "Azure OpenAI, page Troubleshooting",
        said(
            "The chatCompletion operation does not work with the specified model, x. Please"
            " choose different model and try again.",
            code="OperationNotSupported",
        ),
        says="model.name"),
]

WRONG_PATH = [
    Case("OpenAI", "wrong path", 404, API, SETUP, "OpenAI, page Error codes",
        said("Invalid URL (POST /v2/chat/completions)", type=INVALID), says="model.api_url"),
    Case("Azure", "wrong path", 404, API, SETUP, "Significant-Gravitas/AutoGPT #4023",
        said("Resource not found", code="404"), says="model.api_url"),
    Case("vLLM", "wrong path", 404, API, SETUP, "FastAPI",
        {"detail": "Not Found"}, says="model.api_url"),
    Case("Ollama", "wrong path", 404, API, SETUP, "gin",
        "404 page not found", says="model.api_url"),
    Case("llama.cpp", "wrong path", 404, API, SETUP, "llama.cpp, tools/server",
        said("File Not Found", code=404, type="not_found_error"), says="model.api_url"),
    Case("nginx", "wrong path", 404, API, SETUP, "nginx",
        page("404 Not Found"), says="api_url"),
    Case("nginx", "http where https is spoken", 400, API, SETUP, "nginx",
        page("400 The plain HTTP request was sent to HTTPS port"), says="https://"),
    Case("any", "method not allowed", 405, API, SETUP, "FastAPI",
        {"detail": "Method Not Allowed"}, says="model.api_url"),
    Case("any", "gone", 410, API, SETUP, "RFC 9110",
        "", says="model.name"),
    Case("any", "moved", 301, API, SETUP, "RFC 9110",
        "", says="model.api_url"),
    Case("any", "moved for now", 307, API, SETUP, "RFC 9110",
        "", says="model.api_url"),
    Case("a proxy", "wants a password", 407, API, SETUP, "RFC 9110",
        page("407"), says="proxy"),
]

NO_SCHEMA = [
    Case("LM Studio", "another type", 400, API, FORM, "LoadShine/tada #16",
        {"error": "'response_format.type' must be 'json_schema' or 'text'"}),
    Case("OpenAI", "model without schemas", 400, API, FORM, "langchain-ai/langchain #31490",
        said(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported"
            " with this model.",
            type=INVALID, param=None, code=None,
        )),
    Case("Azure", "old API version", 400, API, FORM, "langgenius/dify #8994",
        said(
            "response_format value as json_schema is enabled only for api versions"
            " 2024-08-01-preview and later",
            type=None, param=None, code="BadRequest",
        )),
    Case("Azure", "old model", 400, API, FORM, "BerriAI/litellm #5295",
        said(
            "Invalid parameter: 'response_format' must be one of 'json_object', 'text'.",
            type=INVALID, param="response_format", code=None,
        )),
    Case("vLLM", "old version", 400, API, FORM, "vllm-project/vllm, protocol",
        {
            "object": "error", "type": "BadRequestError", "param": None, "code": 400,
            "message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'),"
            ' \'msg\': "Input should be \'text\' or \'json_object\'"}]',
        }),
    Case("vLLM", "a schema it cannot hold to", 400, API, FORM,
        "vllm-project/vllm, structured outputs",
        said(
            "The provided JSON schema contains features not supported by xgrammar.",
            type="BadRequestError", code=400,
        )),
    Case("llama.cpp", "a schema it cannot hold to", 400, API, FORM, "ggml-org/llama.cpp #19349",
        said("Failed to initialize samplers: failed to parse grammar", code=400, type=INVALID)),
    Case("llama.cpp", "schema conversion failed", 400, API, FORM, "ggml-org/llama.cpp #19051",
        said("JSON schema conversion failed: unsupported $ref", code=400, type=INVALID)),
    Case("Ollama", "no format", 500, API, FORM, "Ollama, llm/server.go",
        said("invalid JSON schema in format", type="api_error", param=None, code=None)),
    Case("OpenRouter", "no provider with it", 404, API, FORM, "OpenRouter, page Structured outputs",
        said("No endpoints found that support structured outputs.", code=404)),
    Case("LM Studio", "refused after all", 400, API, SETUP, "lmstudio-ai/lmstudio-bug-tracker #307",
        {"error": "'response_format.type' must be 'text'"}, formed=False, says="response_format"),
]

PARAMETERS = [
    Case("OpenAI", "max_tokens has another name", 400, API, SETUP,
        "FoundationAgents/OpenManus #555",
        said(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            type=INVALID, param="max_tokens", code="unsupported_parameter",
        ),
        says="extra_body: {max_tokens: null, max_completion_tokens: 1000}"),
    Case("OpenAI", "a temperature it does not take", 400, API, SETUP, "decolua/9router #560",
        said(
            "Unsupported value: 'temperature' does not support 0.16 with this model. Only"
            " the default (1) value is supported.",
            type=INVALID, param="temperature", code="unsupported_value",
        ),
        says="model.temperature"),
    Case("OpenAI", "no temperature at all", 400, API, SETUP, "OpenAI, page Reasoning models",
        said(
            "Unsupported parameter: 'temperature' is not supported with this model.",
            type=INVALID, param="temperature", code="unsupported_parameter",
        ),
        says="model.temperature"),
    Case("OpenAI", "no top_p", 400, API, SETUP, "OpenAI, page Reasoning models",
        said("Unsupported parameter: 'top_p' is not supported with this model.", param="top_p"),
        says="model.top_p"),
    Case("OpenAI", "effort of another model", 400, API, SETUP, "OpenAI, page Reasoning models",
        said("Unrecognized request argument supplied: reasoning_effort", type=INVALID, param=None),
        says="model.reasoning_effort"),
    Case("OpenAI", "unknown parameter", 400, API, SETUP, "OpenAI, page Error codes",
        said("Unknown parameter: 'min_p'.", param="min_p", code="unknown_parameter"),
        says="model.extra_body"),
    Case("vLLM", "temperature below zero", 400, API, SETUP, "vLLM, sampling_params",
        {
            "object": "error", "message": "temperature must be non-negative, got -1.0.",
            "type": "BadRequestError", "param": None, "code": 400,
        },
        says="model.temperature"),
    Case("vLLM", "unknown parameter", 422, API, SETUP, "FastAPI, page Handling errors",
        {
            "detail": [
                {
                    "type": "extra_forbidden", "loc": ["body", "min_q"],
                    "msg": "Extra inputs are not permitted", "input": 1,
                },
            ],
        },
        says="Extra inputs are not permitted"),
    Case("Mistral", "no seed", 422, API, SETUP, "Mistral, page Chat completion",
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden", "loc": ["body", "seed"],
                        "msg": "Extra inputs are not permitted", "input": 1,
                    },
                ],
            },
        },
        says="extra_body: {seed: null}"),
    Case("LiteLLM", "a parameter of another provider", 400, API, SETUP,
        "LiteLLM, page Drop unsupported params",
        said("litellm.UnsupportedParamsError: x does not support parameters: ['temperature']"),
        says="model.temperature"),
    Case("Anthropic", "two at once", 400, API, SETUP, "Anthropic, page OpenAI SDK compatibility",
        said("`temperature` and `top_p` cannot both be specified for this model.", type=INVALID),
        says="model.temperature"),
]

NOT_UNDERSTOOD = [
    Case("vLLM", "template of another model", 400, API, SETUP, "vLLM, page Chat templates",
        said("Conversation roles must alternate user/assistant/user/assistant/...", code=400),
        says="the section model"),
    Case("any", "nothing said", 400, API, SETUP, "RFC 9110",
        "", says="HTTP 400"),
    Case("any", "not even text", 418, API, SETUP, "RFC 2324",
        "\x00�"),
]

ALL = [
    *TOO_LONG, *NO_ROOM, *FILTERED, *NO_MODEL_READY, *SERVER_FAILS, *LIMITED, *NO_CREDIT,
    *WRONG_KEY, *UNKNOWN_MODEL, *WRONG_PATH, *NO_SCHEMA, *PARAMETERS, *NOT_UNDERSTOOD,
]

REPLIES = [  # HTTP 200, and yet no answer
    Case("OpenRouter", "provider failed", 200, API, SERVER, "xyOz-dev/Saturn #43",
        {"error": {"code": 502, "message": "Provider returned error"}, "user_id": "user_x"},
        says="error 502 inside"),
    Case("OpenRouter", "provider failed half-way", 200, API, SERVER,
        "OpenRouter, page Errors and debugging",
        {"choices": [{
            "finish_reason": "error", "message": {"role": "assistant", "content": '{"detected": t'},
            "error": {"code": 502, "message": "Upstream closed the stream"},
        }]},
        says="Upstream closed"),
    Case("OpenRouter", "finish reason error alone", 200, API, SERVER, "gethouston/houston #1211",
        completion('{"detected": t', "error")),
    Case("OpenRouter", "finish reason error; the model's words are no error's", 200, API, SERVER,
        "gethouston/houston #1211", completion(TELLING, "error")),
    Case("OpenRouter", "provider's limit", 200, RATE, SERVER, "open-webui/computer #293",
        said("Provider returned error", code=429,
            metadata={"raw": "temporarily rate-limited upstream. Try again in 3 seconds."}),
        wait=3.0),
    Case("OpenRouter", "provider's limit, by its header", 200, RATE, SERVER,
        "open-webui/computer #293", said("limited", code=429), wait=7.0,
        headers={"retry-after": "7"}),
    Case("OpenRouter", "prompt too long", 200, DATA, NARRATIVE,
        "OpenRouter, page Errors and debugging",
        said("maximum context length is 8192 tokens", code=400)),
    Case("OpenRouter", "flagged", 200, REFUSAL, NARRATIVE, "OpenRouter, page Errors and debugging",
        said("Your input was flagged", code=403, metadata={"flagged_input": TEXT})),
    Case("OpenRouter", "no credits", 200, API, SETUP, "OpenRouter, page Errors and debugging",
        said("Insufficient credits", code="402"), says="no credit"),
    Case("OpenRouter", "refused by the provider, nobody knows why", 200, API, SETUP,
        "reVrost/go-openrouter #21",
        said("Provider returned error", code=400, metadata={"raw": json.dumps(said("no"))})),
    Case("LM Studio", "unknown path", 200, API, SETUP, "lmstudio-ai/lmstudio-bug-tracker #618",
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        says="model.api_url"),
    Case("LM Studio", "prompt too long, as an event", 200, DATA, NARRATIVE,
        "aaif-goose/goose #11318",
        'event: error\ndata: {"error":{"message":"Input does not fit in context length. The input'
        ' has 31430 tokens, but the context length only supports 30000 tokens."}}\n\n'),
    Case("LM Studio", "no model", 200, API, SERVER, "lmstudio-ai/lmstudio-bug-tracker #914",
        {"error": "Model is unloaded."}),
    Case("LM Studio", "no schema", 200, API, FORM, "LoadShine/tada #16",
        {"error": "'response_format.type' must be 'json_schema' or 'text'"}),
    Case("textgen", "too long, without the status", 200, DATA, NARRATIVE, "oobabooga/textgen #7257",
        said("the request exceeds the available context size.", code=400,
            type="exceed_context_size_error")),
    Case("vLLM", "engine died half-way", 200, API, SERVER, "vLLM, finish reason abort",
        completion("", "abort")),
    Case("Azure", "answer filtered", 200, REFUSAL, NARRATIVE,
        "Azure OpenAI, page Content filtering", completion("", "content_filter")),
    Case("Azure", "answer filtered, message left out", 200, REFUSAL, NARRATIVE,
        "Azure OpenAI, page Content filtering",
        {"choices": [{"finish_reason": "content_filter", "index": 0}]}),
    Case("OpenAI", "the model refused", 200, REFUSAL, NARRATIVE, "OpenAI, page Structured outputs",
        {"choices": [{
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": None, "refusal": "I cannot help."},
        }]}),
    Case("any", "nothing", 200, API, SERVER, "a proxy that gave up", ""),
    Case("any", "null", 200, API, SERVER, "a proxy that gave up", "null"),
    Case("any", "a number", 200, API, SERVER, "a proxy that gave up", "1"),
    Case("any", "half a reply", 200, API, SERVER, "a connection that broke", '{"choices": [{"mess'),
    Case("any", "brackets without end", 200, API, SERVER, "a hostile server", "[" * 100_000),
    Case("any", "a web page", 200, API, SETUP, "a portal of a network", page("Please log in"),
        says="model.api_url"),
    Case("any", "no choices", 200, API, SERVER, "langgenius/dify #9197",
        {"id": "x", "object": "chat.completion", "choices": []}),
    Case("any", "choices of nothing", 200, API, SERVER, "langgenius/dify #9197",
        {"choices": None}),
    Case("any", "a choice that is a word", 200, API, SERVER, "a hostile server",
        {"choices": ["stop"]}),
    Case("any", "a choice without message", 200, API, SERVER, "a hostile server",
        {"choices": [{"finish_reason": "stop"}]}),
    Case("any", "a message that is a word", 200, API, SERVER, "a hostile server",
        {"choices": [{"message": "yes"}]}),
]
