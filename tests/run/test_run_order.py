"""`run.order: random`: a limit covers a sample, and raising it extends the sample."""

import json
import sqlite3
from contextlib import closing

import pytest

from overnight.commands.doctor import doctor
from overnight.commands.evaluate import evaluate
from overnight.commands.resume import Changes, resume
from overnight.commands.run import run
from overnight.domain.experiment import Event, Status
from overnight.domain.order import RandomOrder
from overnight.errors import RefusedError
from overnight.session import Ending
from overnight.stop import StopRequest
from overnight.testing import keyword_script, scripted_server

N, SEED = 400, 100
RUN = {"order": "random", "seed": SEED}


def asked(study) -> list[int]:
    return [int(row) for (row,) in study.query("SELECT row_num FROM narrative_results")]


def drawn(n: int) -> list[int]:
    order = RandomOrder(SEED, N)
    return sorted(order.row_at(position) for position in range(1, n + 1))


def accounting(study) -> list[str]:
    report = doctor(db=study.database)
    return [found.state for found in report.findings if found.check == "accounting"]


def go_on(study, **changes):
    return resume(
        "latest", db=study.database, changes=Changes(**changes), handler=study.events.append
    )


def test_a_pilot_asks_a_sample_of_all_and_raising_the_limit_extends_it(study, server):
    study.data(N).configure(server.url, run={**RUN, "max_narratives": 50})
    assert study.run().status is Status.COMPLETED
    assert sorted(asked(study)) == drawn(50)
    assert len(server.calls) == 50

    assert go_on(study, max_narratives=120).status is Status.COMPLETED
    assert sorted(asked(study)) == drawn(120)
    assert len(server.calls) == 120  # none of the pilot's twice

    assert go_on(study, max_narratives=N).status is Status.COMPLETED
    assert sorted(asked(study)) == list(range(1, N + 1))
    assert len(server.calls) == N


def test_calls_are_made_in_that_order(study, server):
    study.data(N).configure(server.url, run={**RUN, "concurrency": 1})
    study.run()
    order = RandomOrder(SEED, N)
    rows = study.query(
        "SELECT row_num FROM narrative_attempts JOIN narratives USING"
        " (incident_id, narrative_type) ORDER BY attempt_id"
    )
    assert [row for (row,) in rows] == [order.row_at(p) for p in range(1, N + 1)]


def test_an_interrupted_sample_is_gone_on_with_and_nothing_is_asked_twice(study):
    seen = []

    def script(call):
        seen.append(call.text)
        if len(seen) == 30:
            stop()
        return keyword_script(call)

    request = StopRequest()

    def stop():
        request.ask(Ending(Event.CANCEL, "stopped by Ctrl-C"))

    with scripted_server(script) as server:
        study.data(N).configure(server.url, run={**RUN, "max_narratives": 90})
        first = run(study.config, db=study.database, handler=study.events.append, stop=request)
        assert first.status is Status.CANCELLED
        begun = len(asked(study))
        assert 0 < begun < 90
        assert set(asked(study)) <= set(drawn(90))
        assert study.run().status is Status.COMPLETED
    assert sorted(asked(study)) == drawn(90)
    assert len(set(seen)) == 90


def test_everything_is_accounted_for_and_measured_on_what_is_covered(study, server):
    study.data(N).configure(server.url, run={**RUN, "max_narratives": 60})
    study.run()
    assert accounting(study) == ["ok"]
    found = evaluate(db=study.database)
    assert found.evaluation.overall.n == found.metrics.overall.n == 60

    with (
        closing(sqlite3.connect(study.database)) as other,
        other,
    ):  # a result of a narrative outside the sample
        outside = min(set(range(1, N + 1)) - set(drawn(60)))
        other.execute("UPDATE results SET narrative_id = ? WHERE result_id = 1", (outside,))
    assert "problem" in accounting(study)


def test_the_order_binds_since_it_says_which_narratives_a_limit_covers(study, server):
    study.data(N).configure(server.url, run={"max_narratives": 50, "seed": SEED})
    study.run()
    study.configure(server.url, run={**RUN, "max_narratives": 50})
    with pytest.raises(RefusedError, match=r"nothing but run\.order.*--reuse"):
        study.run()
    assert not study.run(new=True).already_complete
    assert study.value("SELECT count(*) FROM experiments") == 2
    study.configure(server.url, run={"max_narratives": 70, "seed": SEED})
    with pytest.raises(RefusedError, match=r"run.max_narratives"):
        study.run()


def test_an_experiment_from_before_there_was_a_choice_is_resumed(study, server):
    """Its digest of the binding fields knows nothing of an order."""
    study.data(20).configure(server.url, run={"seed": SEED, "order": "file"})
    study.run()
    study.configure(server.url, run={"seed": SEED})
    assert study.run().already_complete
    stored = json.loads(study.value("SELECT config_json FROM experiments"))
    assert stored["run"]["order"] == "file"
