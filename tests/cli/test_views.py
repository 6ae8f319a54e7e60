"""What a screen says: rates, shares, spans of time, the line of progress, the JSON of a run."""

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.commands.list import list_
from overnight.commands.status import status
from overnight.domain.meter import Meter
from overnight.events import Progressed
from overnight.views import session_json, view_json
from overnight.words import duration, iso, percent, progress_line, rate_text, short_count

# --- the meter -----------------------------------------------------------------------------------


def test_nothing_is_said_of_the_rate_before_there_is_something_to_measure():
    meter = Meter(500, 0.0)
    assert meter.rate is None
    meter.add(500, 10.0)
    assert meter.rate is None, "what earlier sessions did is no speed"
    meter.add(510, 20.0)
    assert meter.rate == 0.5


def test_the_first_instant_is_no_measurement():
    meter = Meter(0, 0.0)
    meter.add(1, 0.001)
    assert meter.rate is None


def test_the_rate_is_that_of_the_last_ten_minutes():
    meter = Meter(0, 0.0)
    now, completed = 0.0, 0
    for _ in range(1000):  # fast: 10/s
        now, completed = now + 1, completed + 10
        meter.add(completed, now)
    for _ in range(700):  # then slow: 1/s
        now, completed = now + 1, completed + 1
        meter.add(completed, now)
    assert meter.rate == pytest.approx(1.0, rel=0.01)


def test_a_slow_model_is_measured_over_as_long_as_it_takes():
    meter = Meter(0, 0.0)
    for i in range(1, 31):
        meter.add(i, i * 100.0)
    assert meter.rate == pytest.approx(0.01)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), max_size=300))
def test_the_meter_keeps_a_bounded_number_of_samples_and_no_rate_is_negative(steps):
    meter = Meter(0, 0.0)
    now, completed = 0.0, 0
    for seconds, n in steps:
        now, completed = now + seconds, completed + n
        meter.add(completed, now)
        assert meter.rate is None or meter.rate > 0
    assert len(meter._samples) <= 2000


def test_the_meter_stays_small_however_often_it_is_told():
    meter = Meter(0, 0.0)
    for i in range(100_000):
        meter.add(i, i / 50)
    assert len(meter._samples) <= 700


# --- words ---------------------------------------------------------------------------------------


def progressed(**values: object) -> Progressed:
    told = {
        "total": 35312,
        "completed": 12400,
        "errors": 3,
        "rate": 1.84,
        "eta": datetime(2026, 11, 24, 6, 12, 59, tzinfo=UTC),
        "elapsed": 6725.0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "in_flight": 4,
        "concurrency": 4,
    }
    return Progressed(**{**told, **values})


@pytest.fixture
def _in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_utc")
def test_the_line_of_progress():
    assert progress_line(progressed()) == (
        "[PROGRESS] 12,400/35,312 (35.1%) | 1.84/s | ETA 2026-11-24 06:12 | elapsed 1h 52m"
        " | errors 3"
    )


def test_the_line_of_progress_before_anything_is_known():
    assert progress_line(progressed(completed=0, errors=0, rate=None, eta=None, elapsed=0.5)) == (
        "[PROGRESS] 0/35,312 (0.0%) | rate unknown yet | ETA unknown yet | elapsed 0.5 s | errors 0"
    )


def test_an_eta_is_on_the_users_clock(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        assert "ETA 2026-11-24 07:12" in progress_line(progressed())
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0.0%"),
        (1, 3, "33.3%"),
        (2, 3, "66.6%"),
        (35311, 35312, "99.9%"),
        (999_999, 1_000_000, "99.9%"),
        (10, 10, "100.0%"),
        (0, 0, "100.0%"),
    ],
)
def test_a_share_is_rounded_down_so_that_all_means_all(part, whole, text):
    assert percent(part, whole) == text


@settings(deadline=None)
@given(st.integers(1, 10**9), st.data())
def test_only_all_is_a_hundred_percent(whole, data):
    part = data.draw(st.integers(0, whole))
    assert (percent(part, whole) == "100.0%") == (part == whole)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.25, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1m 00s"),
        (60, "1m 00s"),
        (725, "12m 05s"),
        (3599.9, "59m 59s"),
        (6725, "1h 52m"),
        (86399, "23h 59m"),
        (86400, "1d 00h"),
        (183_600, "2d 03h"),
    ],
)
def test_a_span_of_time_as_people_say_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "rate unknown yet"),
        (1.838, "1.84/s"),
        (1234.5, "1,234.50/s"),
        (0.1, "0.10/s"),
        (0.05, "3.00/min"),
    ],
)
def test_a_rate_per_second_or_per_minute(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0"),
        (950, "950"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (999_999, "999.9k"),
        (1_000_000, "1.0M"),
        (4_500_000, "4.5M"),
    ],
)
def test_a_large_number_in_few_characters(n, text):
    assert short_count(n) == text


def test_times_are_iso_8601_in_utc():
    assert iso(datetime(2026, 11, 24, 6, 12, 1, 5000, tzinfo=UTC)) == "2026-11-24T06:12:01.005Z"
    zoned = datetime.fromisoformat("2026-11-24T07:12:00+01:00")
    assert iso(zoned) == "2026-11-24T06:12:00.000Z"


# --- the JSON of a run ---------------------------------------------------------------------------


def test_a_password_in_an_address_is_in_no_json(study, server, monkeypatch):
    monkeypatch.setenv("PW", "pass-word-1")
    study.data(2).configure(server.url.replace("http://", "http://me:${PW}@")).run()
    [view] = list_(db=study.database)
    sessions = [session_json(s) for s in status(db=study.database).view.summary.sessions]
    shown = json.dumps([view_json(view), sessions])

    assert "http://me:***@127.0.0.1" in shown
    assert "pass-word-1" not in shown
