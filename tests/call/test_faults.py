"""Whose fault an error is, and how long to wait: the table, its messages, and any reply at all."""

import json
import time
from email.utils import formatdate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from server_errors import ALL, REPLIES, TEXT, said

from overnight.call.faults import from_reply, from_status
from overnight.call.openai import _read
from overnight.call.waits import retry_after
from overnight.config.expand import Secrets
from overnight.domain.outcome import Blame, Fault, Reply, Request


def request(text: str = TEXT) -> Request:
    return Request("Judge.", f"Text: {text}", text, 1)


def judged(case) -> Fault:
    """The fault that the client makes of a case."""
    if case.status != 200:
        asked = request(case.narrative)
        return from_status(case.status, case.headers, case.text, asked, formed=case.formed)
    read = _read(case.text.encode())
    return read or from_reply(case.headers, case.text, request(), formed=case.formed)


@pytest.mark.parametrize("case", ALL + REPLIES, ids=str)
def test_a_reply_without_an_answer_is_judged_by_what_it_says(case):
    fault = judged(case)

    assert (fault.category, fault.blame) == (case.category, case.blame), fault.message
    assert fault.retry_after == (None if case.wait is None else pytest.approx(case.wait))
    assert fault.http_status == case.status
    assert case.says in fault.message


@pytest.mark.parametrize("case", ALL + REPLIES, ids=str)
def test_a_message_is_one_line_that_names_the_status_and_holds_nothing_of_the_narrative(case):
    message = judged(case).message

    assert "\n" not in message
    assert len(message) < 450
    assert f"HTTP {case.status}" in message or message.startswith("the model refused")
    assert not message.endswith((":", " "))
    assert "{how}" not in message
    assert "decedent" not in message


def test_the_table_is_as_long_as_it_claims_and_names_its_sources():
    assert len(ALL) >= 80
    assert len({(str(case), case.status) for case in ALL + REPLIES}) == len(ALL + REPLIES)
    assert all(case.source for case in ALL + REPLIES)


@pytest.mark.parametrize(
    "case", [case for case in ALL if case.blame is Blame.FORM and case.formed], ids=str
)
def test_once_a_server_has_shown_that_it_takes_the_schema_it_is_not_asked_without(case):
    fault = from_status(case.status, {}, case.text, request(), formed=False)

    assert fault.blame is not Blame.FORM


def test_a_server_cannot_draw_on_the_terminal_nor_write_what_no_database_takes():
    body = '{"error": "\\u001b[2Jred\\u0000 \\ud800 \\u0007\\u2028bell"}'

    message = from_status(500, {}, body, request(), formed=False).message

    assert message == "the server failed (HTTP 500): [2Jred bell"


# --- how long to wait ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [
        ({"retry-after": "30"}, "", 30.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "604800"}, "", 604800.0),
        ({"retry-after": "6m0s"}, "", 360.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5),
        ({"retry-after": "30"}, "try again in 5s", 30.0),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "9" * 400}, "", None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, "", 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00"}, "", None),
        ({"retry-after": "Thu, 99 Foo 99999 00:00:00 GMT"}, "", None),
        ({}, "Please try again in 1.2s.", 1.2),
        ({}, "Please try again in 20ms. Visit", 0.02),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "Please try again in 1h2m3s.", 3723.0),
        ({}, "Please retry after 26 seconds.", 26.0),
        ({}, "Try again in 5 minutes", 300.0),
        ({}, "please retry in 250 milliseconds", 0.25),
        ({}, "Please wait a moment and try again.", None),
        ({"x-ratelimit-reset-requests": "1s"}, "", 1.0),
        ({"x-ratelimit-reset-requests": "1s"}, "try again in 9s", 9.0),
        ({"x-ratelimit-reset-tokens": "0"}, "", None),
        ({"x-ratelimit-reset-tokens": "-1"}, "", None),
        ({"x-ratelimit-reset": "17"}, "", 17.0),
    ],
)
def test_the_time_to_wait_is_found_wherever_a_server_says_it(headers, words, seconds):
    found = retry_after(headers, words, limited=True)

    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("scale", [1, 1000])
def test_a_reset_may_be_a_moment_in_seconds_or_milliseconds(scale):
    headers = {"x-ratelimit-reset": str(int((time.time() + 90) * scale))}

    assert retry_after(headers, limited=True) == pytest.approx(90, abs=2)


def test_a_date_is_as_good_as_seconds():
    headers = {"retry-after": formatdate(time.time() + 90, usegmt=True)}

    assert retry_after(headers) == pytest.approx(90, abs=2)


def test_what_remains_of_a_limit_counts_only_where_the_limit_was_met():
    headers = {"x-ratelimit-reset-requests": "1s"}

    assert from_status(503, headers, "", request(), formed=False).retry_after is None
    assert from_status(429, headers, "", request(), formed=False).retry_after == 1.0


# --- any reply at all ------------------------------------------------------------------------

statuses = st.integers(0, 1100) | st.sampled_from([200, 400, 401, 403, 404, 413, 422, 429, 500])
TELLTALES = [
    "",
    "maximum context length is 5 ",
    "Unsupported parameter: '",
    "response_format ",
    "Please try again in ",
    "No models loaded ",
    "flagged ",
    '{"error": {"message": "',
    '{"error": {"code": 429, "message": "',
    '{"choices": [{"error": {"message": "',
    '{"detail": [{"loc": ["body", "',
    "data: ",
    "<html>",
]
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "detail", "choices", "metadata", "raw", "status", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = (
    st.binary(max_size=200)
    | JSONS.map(lambda data: json.dumps(data).encode())
    | st.builds(
        lambda a, b: (a + b).encode("utf-8", "replace"), st.sampled_from(TELLTALES), st.text()
    )
)
some_headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]
    ),
    st.text(max_size=12) | st.integers().map(str) | st.floats().map(str),
)


def everything(status: int, headers: dict[str, str], body: bytes, asked: Request, hide) -> Fault:
    """What the client does with a reply, without a connection."""
    text = body.decode("utf-8", "replace")
    if status == 200:
        return _read(body) or from_reply(headers, text, asked, formed=True, hide=hide)
    return from_status(status, headers, text, asked, formed=True, hide=hide)


@settings(deadline=None)
@given(status=statuses, headers=some_headers, body=bodies)
@example(status=200, headers={}, body=b"[" * 100_000)
@example(status=500, headers={}, body=b'{"error":' * 50_000)
@example(status=400, headers={}, body=b'{"error": {"code": "' + b"9" * 9000 + b'"}}')
@example(status=200, headers={}, body=b'{"choices": [{"message": {"content": 5}}], "usage": [1]}')
@example(status=200, headers={}, body='{"error": {"code": "\N{SUPERSCRIPT TWO}00"}}'.encode())
def test_no_reply_raises_and_no_wait_is_negative_or_endless(status, headers, body):
    came = everything(status, headers, body, request(), str)

    if isinstance(came, Fault):
        assert came.message
        assert len(came.message) < 450
        assert came.retry_after is None or 0 <= came.retry_after < float("inf")
    else:
        assert isinstance(came, Reply)


words = st.text(
    st.sampled_from("abcdefghij klmnopqrstuvwxyz ÄÖéñ\n'\"\\.,"), min_size=30, max_size=400
)


def spellings(text: str) -> list[str]:
    return [
        text,
        text.upper(),
        json.dumps(text),
        json.dumps(json.dumps(text)),
        "".join(f"\\u{ord(c):04x}" for c in text),
        text.replace(" ", "\n"),
        text.replace(" ", "  "),
    ]


@settings(deadline=None)
@given(
    text=words,
    data=st.data(),
    status=st.sampled_from([200, 400, 403, 413, 422, 429, 500]),
    telltale=st.sampled_from(TELLTALES),
)
def test_no_message_repeats_twenty_characters_of_a_narrative(text, data, status, telltale):
    start = data.draw(st.integers(0, len(text) - 20))
    echo = data.draw(st.sampled_from(spellings(text[start:])))
    body = data.draw(st.sampled_from([echo, telltale + echo, json.dumps(said(telltale + echo))]))
    asked = Request("Judge.", f"Read this: {text}", text, 1)

    came = everything(status, {}, body.encode(), asked, str)

    if isinstance(came, Fault):
        shown = came.message
        runs = {shown[i : i + 20] for i in range(len(shown) - 19)}
        assert not any(run in text for run in runs)


keys = st.text(st.sampled_from("ABCDEFGHIJabcdefghij0123456789-_"), min_size=16, max_size=300)


@settings(deadline=None)
@given(
    key=keys,
    status=st.sampled_from([200, 400, 401, 403, 422, 500]),
    telltale=st.sampled_from(TELLTALES),
    padding=st.integers(0, 2100),
)
def test_no_message_holds_a_key_or_a_part_of_one(key, status, telltale, padding):
    secrets = Secrets()
    secrets.add(key)
    escaped = "".join(f"\\u{ord(c):04x}" for c in key)
    for body in (
        f"{telltale}{' ' * padding}{key}",
        json.dumps(said("x" * padding + key)),
        f'{{"error": "{escaped}"}}',
    ):
        came = everything(status, {}, body.encode(), request(), secrets.hide)
        shown = came.message
        assert key not in shown
        assert not any(key[i : i + 12] in shown for i in range(len(key) - 11))
