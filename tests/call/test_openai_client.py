"""The client against a server that fails in every way it can: a value comes back, never an error.

What the server does is in overnight.testing.faulty, which is tested along with it.
"""

import asyncio
import time

import pytest

from overnight.call.openai import Endpoint, OpenAIClient
from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request
from overnight.testing import Schedule, Scripted, faulty, keyword_script, scripted_server

API, RATE = ErrorCategory.API_ERROR, ErrorCategory.RATE_LIMIT
NARRATIVE, SERVER, SETUP = Blame.NARRATIVE, Blame.SERVER, Blame.SETUP
REQUEST = Request("Judge.", "Text: invented", "invented", 7)


def client_of(url: str, *, timeout: float = 5.0, structured=None, **parameters) -> OpenAIClient:
    endpoint = Endpoint(f"{url}/chat/completions", timeout=timeout)
    return OpenAIClient(
        endpoint, {"model": "scripted", **parameters}, {"type": "object"}, structured=structured
    )


def calls(url: str, n: int = 1, **options) -> list[Reply | Fault]:
    """What `n` calls, one after the other, come to."""

    async def run() -> list[Reply | Fault]:
        client = client_of(url, **options)
        await client.open()
        try:
            return [await client.call(REQUEST) for _ in range(n)]
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "category", "blame"),
    [
        (faulty.too_long(), ErrorCategory.DATA_ERROR, NARRATIVE),
        (faulty.filtered(), ErrorCategory.REFUSAL, NARRATIVE),
        (faulty.lmstudio_no_model(), API, SERVER),
        (faulty.lmstudio_crashed(), API, SERVER),
        (faulty.ollama_terminated(), API, SERVER),
        (faulty.ollama_busy(), API, SERVER),
        (faulty.llamacpp_loading(), API, SERVER),
        (faulty.vllm_dead(), API, SERVER),
        (faulty.server_error(), API, SERVER),
        (faulty.server_error(524), API, SERVER),
        (faulty.bad_gateway(), API, SERVER),
        (faulty.rate_limited(), RATE, SERVER),
        (faulty.rate_limited(3), RATE, SERVER),
        (faulty.wrong_key(), API, SETUP),
        (faulty.no_credit(), API, SETUP),
        (faulty.unknown_model(), API, SETUP),
        (faulty.unsupported(), API, SETUP),
        (faulty.empty_body(), API, SERVER),
        (faulty.web_page(), API, SETUP),
        (faulty.half_json(), API, SERVER),
        (faulty.no_choices(), API, SERVER),
        (faulty.error_inside(), API, SERVER),
        (faulty.hangs_up(), API, SERVER),
        (faulty.no_schema(), API, Blame.FORM),
    ],
    ids=lambda value: value.body or str(value) if isinstance(value, Scripted) else str(value),
)
def test_a_server_that_fails_gives_a_fault(said, category, blame):
    with scripted_server(lambda _call: said) as server:
        (fault,) = calls(server.url)

    assert isinstance(fault, Fault)
    assert (fault.category, fault.blame) == (category, blame), fault.message
    assert len(server.calls) == 1


def test_a_message_without_content_is_a_reply_without_words():
    with scripted_server(lambda _call: faulty.null_content()) as server:
        (reply,) = calls(server.url)

    assert isinstance(reply, Reply)
    assert reply.text == ""


@pytest.mark.parametrize("script", [lambda _c: faulty.never_answers(), faulty.stalls(40)])
def test_a_server_that_never_ends_its_answer_is_given_up_after_the_timeout(script):
    with scripted_server(script) as server:
        started = time.monotonic()
        (fault,) = calls(server.url, timeout=0.3)

        assert 0.3 <= time.monotonic() - started < 3
    assert fault.message == "no answer within 0.3 s (timeout_sec)"
    assert fault.blame is SERVER


@pytest.mark.parametrize("after", [0, 1, 100])
def test_a_body_that_breaks_off_is_the_servers_fault(after):
    with scripted_server(faulty.cut_off(after)) as server:
        (fault,) = calls(server.url)

    assert "the connection broke" in fault.message
    assert fault.blame is SERVER


def test_a_slow_drip_is_read_to_its_end():
    with scripted_server(faulty.drips(0.01)) as server:
        started = time.monotonic()
        (reply,) = calls(server.url)

    assert time.monotonic() - started > 0.1
    assert reply.text.startswith('{"detected"')


def test_a_server_that_refuses_connections_is_asked_whether_it_runs():
    with scripted_server() as server:
        server.go_down()
        (fault,) = calls(server.url)
        assert "is the server running?" in fault.message
        assert fault.blame is SERVER

        server.come_up()
        (reply,) = calls(server.url)
        assert isinstance(reply, Reply)


def test_https_to_a_server_that_speaks_http_names_the_address():
    with scripted_server() as server:
        (fault,) = calls(server.url.replace("http://", "https://"))

    assert "model.api_url" in fault.message
    assert fault.blame is SETUP


def test_a_server_that_takes_no_schema_is_asked_without_at_once():
    schedule = Schedule().on(faulty.no_schema(), calls=1)
    with scripted_server(schedule) as server:
        fault, reply = calls(server.url, 2)

    assert fault.blame is Blame.FORM
    assert isinstance(reply, Reply)
    assert ["response_format" in call.body for call in server.calls] == [True, False]


def test_calls_that_were_sent_together_are_all_refused_for_their_form():
    async def run(url: str) -> list[Reply | Fault]:
        client = client_of(url)
        await client.open()
        try:
            return await asyncio.gather(*(client.call(REQUEST) for _ in range(4)))
        finally:
            await client.close()

    with scripted_server(lambda _call: faulty.no_schema(), delay=0.1) as server:
        faults = asyncio.run(run(server.url))

    assert {fault.blame for fault in faults} == {Blame.FORM}


def test_a_null_leaves_a_parameter_out_whichever_it_is():
    left_out = dict.fromkeys(("seed", "max_tokens", "response_format"))
    with scripted_server() as server:
        calls(server.url, **left_out, max_completion_tokens=5)

    body = server.calls[0].body
    assert not set(left_out) & set(body)
    assert body["max_completion_tokens"] == 5


def test_a_schema_that_somebody_left_out_was_not_asked_for():
    client = client_of("http://127.0.0.1:9", response_format=None)

    assert client.structured == "none"
    assert client_of("http://127.0.0.1:9", structured="json_schema").structured == "json_schema"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1"])
def test_an_address_that_cannot_be_used_is_the_set_ups(url):
    (fault,) = calls(url)

    assert fault.blame is SETUP
    assert "model.api_url" in fault.message


def test_a_wrong_model_name_is_in_the_reply():
    with scripted_server(faulty.wrong_model("other")) as server:
        (reply,) = calls(server.url)

    assert reply.model == "other"


def test_keyword_script_is_what_is_spoilt_by_default():
    with scripted_server(faulty.late(0.05)) as server:
        (reply,) = calls(server.url)
    with scripted_server(keyword_script) as server:
        (other,) = calls(server.url)

    assert reply == other
