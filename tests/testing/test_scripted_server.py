"""The server that tests write the replies of: schedules, going down and coming back, counting."""

import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from overnight.domain.experiment import Status
from overnight.testing import (
    Call,
    Schedule,
    Scripted,
    faulty,
    keyword_script,
    scripted_server,
    wait_until,
)

A, B, C = (Scripted(content=name) for name in "ABC")


def call(text: str = "text", nth: int = 1, number: int = 1, at: float = 0.0) -> Call:
    return Call(text, "", None, {}, {}, nth, number, at)


def ask(url: str, text: str = "text", timeout: float = 5) -> str:
    """One call, by another client than ours; the content of the answer."""
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.loads(response.read())["choices"][0]["message"]["content"]


def is_refused(url: str) -> bool:
    try:
        ask(url)
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    except OSError:
        return False
    return False


# --- schedules -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fitting", "other"),
    [
        ({"calls": 3}, call(number=3), call(number=4)),
        ({"calls": range(2, 4)}, call(number=3), call(number=4)),
        ({"calls": {5, 7}}, call(number=7), call(number=6)),
        ({"nth": 1}, call(nth=1), call(nth=2)),
        ({"text": "poison"}, call("a poison text"), call("a text")),
        ({"after": 2.0}, call(at=2.0), call(at=1.9)),
        ({"until": 2.0}, call(at=1.9), call(at=2.0)),
        ({"text": "x", "nth": 2}, call("x", nth=2), call("y", nth=2)),
        ({"share": 0.0}, None, call()),
        ({}, call(), None),
    ],
)
def test_an_entry_speaks_for_the_calls_it_names(options, fitting, other):
    schedule = Schedule(lambda _call: B).on(A, **options)

    assert fitting is None or schedule(fitting) is A
    assert other is None or schedule(other) is B


def test_the_first_entry_that_fits_speaks_and_a_script_may_stand_for_a_reply():
    schedule = Schedule(lambda _call: C).on(lambda _call: A, text="a").on(B, text="ab")

    assert schedule(call("ab")) is A
    assert schedule(call("b")) is C


def test_a_schedule_is_not_changed_by_what_is_added_to_it():
    first = Schedule(lambda _call: C)
    first.on(A)

    assert first(call()) is C


def test_a_share_of_the_calls_is_the_same_share_every_time():
    schedule = Schedule(lambda _call: B).on(A, share=0.2)
    texts = [f"Case {i}" for i in range(1000)]
    spoilt = [schedule(call(text)) is A for text in texts]

    assert 150 < sum(spoilt) < 250
    assert spoilt == [schedule(call(text, number=9, at=99.0)) is A for text in texts]
    assert spoilt != [schedule(call(text, nth=2)) is A for text in texts]


# --- up and down -----------------------------------------------------------------------------


def test_a_server_goes_down_and_comes_back_on_the_same_port():
    with scripted_server() as server:
        for _ in range(3):
            url = server.url
            assert "detected" in ask(url)
            server.go_down()
            assert not server.is_up
            assert is_refused(url)
            server.come_up()
            assert server.is_up
        assert len(server.calls) == 3


def test_a_server_comes_back_by_itself():
    with scripted_server() as server:
        started = time.monotonic()
        server.go_down(1.0)
        assert is_refused(server.url)
        wait_until(lambda: server.is_up)

        assert time.monotonic() - started >= 1.0
        assert "detected" in ask(server.url)


def test_to_go_down_twice_and_to_come_up_twice_is_as_good_as_once():
    with scripted_server() as server:
        server.go_down()
        server.go_down()
        server.come_up()
        server.come_up()

        assert "detected" in ask(server.url)


def test_calls_under_way_break_when_the_server_goes_down():
    broken = []

    def wait_for_an_answer() -> None:
        try:
            ask(server.url)
        except OSError as error:
            broken.append(error)

    with scripted_server(delay=30) as server:
        thread = threading.Thread(target=wait_for_an_answer)
        thread.start()
        wait_until(lambda: server.in_flight == 1)
        server.go_down()
        thread.join(5)
        assert len(broken) == 1
        wait_until(lambda: server.in_flight == 0)


def test_a_poisonous_narrative_takes_the_server_down_for_a_while():
    schedule = Schedule().on(faulty.poison(0.3), text="poison", nth=1)
    with scripted_server(schedule) as server:
        assert "detected" in ask(server.url, "harmless")
        with pytest.raises(OSError):  # noqa: PT011 - a reset or an end, as it happens
            ask(server.url, "poison")
        wait_until(lambda: is_refused(server.url) or server.is_up)
        wait_until(lambda: server.is_up)
        assert "detected" in ask(server.url, "poison")

    assert [seen.text for seen in server.calls] == ["harmless", "poison", "poison"]


def test_a_server_that_is_down_when_the_test_ends_lets_its_port_go():
    with scripted_server() as server:
        server.go_down()
        port = int(server.url.split(":")[2].split("/")[0])
    with scripted_server(port=port) as again:
        assert again.url == server.url


# --- what it saw -----------------------------------------------------------------------------


def test_calls_know_their_number_their_time_and_how_often_they_came():
    with scripted_server() as server:
        for text in "aba":
            ask(server.url, text)

    assert [(c.text, c.number, c.nth) for c in server.calls] == [
        ("a", 1, 1),
        ("b", 2, 1),
        ("a", 3, 2),
    ]
    assert 0 < server.calls[0].at < server.calls[2].at < 60
    assert server.n_connections == 3


def test_a_client_that_gives_up_is_not_in_flight_for_ever():
    with scripted_server(lambda _call: faulty.never_answers()) as server:
        with pytest.raises(TimeoutError):
            ask(server.url, timeout=0.2)
        wait_until(lambda: server.in_flight == 0)


# --- a whole run -----------------------------------------------------------------------------


def test_a_run_gets_through_a_night_of_everything_and_its_answers_are_the_same(make_study):
    night = (
        Schedule()
        .on(faulty.server_error(503), nth=1, share=0.05)
        .on(faulty.cut_off(50), nth=1, text="Case 11 ")
        .on(faulty.hangs_up(), nth=1, text="Case 22 ")
        .on(faulty.rate_limited(0.2), nth=1, text="Case 33 ")
        .on(faulty.error_inside(), nth=1, text="Case 44 ")
        .on(faulty.drips(0.001), text="Case 55 ")
    )
    answers = []
    for name, script in (("quiet", keyword_script), ("night", night)):
        study = make_study(name).data(60)
        with scripted_server(script) as server:
            result = study.configure(server.url, run={"concurrency": 2}).run()
        assert (result.status, result.counts.answered) == (Status.COMPLETED, 60)
        answers.append(study.answers())

    assert answers[0] == answers[1]
    assert len(server.calls) > 64
