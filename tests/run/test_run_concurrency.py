"""`concurrency: auto` over real connections, and what is shown of it."""

import json

import pytest

from overnight.events import LimitMoved
from overnight.testing import scripted_server


@pytest.mark.parametrize("slots", [1, 4])
def test_auto_over_real_connections(study, slots):
    """A server that takes 50 ms a call, and so many at once."""
    n = 200 * slots
    with scripted_server(delay=0.05, slots=slots) as server:
        result = study.data(n).configure(server.url, run={"concurrency": "auto"}).run()
    assert result.counts.answered == n
    assert server.most_in_flight <= 2 * slots
    seconds = study.value("SELECT runtime_sec FROM run_sessions")
    assert seconds <= 1.3 * n * 0.05 / slots + 4.0


def test_status_shows_how_many_at_once_were_right(study):
    with scripted_server(delay=0.02, slots=4) as server:
        study.data(600).configure(server.url, run={"concurrency": "auto"}).run()
    moved = [event for event in study.events if isinstance(event, LimitMoved)]
    assert moved[0].limit == 1
    status = study.start("status", "latest").communicate(timeout=60)[0]
    shown = next(line for line in status.splitlines() if "concurrency" in line)
    assert f"now {moved[-1].limit}" in shown
    assert "/s" in shown
    told = json.loads(study.start("status", "latest", "--json").communicate(timeout=60)[0])
    assert [point["concurrency"] for point in told["limits"]] == [event.limit for event in moved]
    assert told["sessions"][0]["concurrency"] is None


def test_status_shows_a_fixed_number_as_it_is(study, server):
    study.data(5).configure(server.url, run={"concurrency": 3}).run()
    status = study.start("status", "latest").communicate(timeout=60)[0]
    shown = next(line for line in status.splitlines() if "concurrency" in line)
    assert shown.split()[-1] == "3"
