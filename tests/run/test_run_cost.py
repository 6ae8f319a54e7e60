"""`model.price`: what a run costs, by the tokens of its calls; it can be given at any time."""

import json

import pytest

from overnight.commands.check import INVENTED_TEXT, check
from overnight.commands.repeat import Again
from overnight.commands.resume import Changes, resume
from overnight.commands.status import status
from overnight.domain.experiment import Status
from overnight.testing import Scripted, faulty, keyword_script
from overnight.usage import cost_json

N = 40
PRICE = {"input": 2.0, "output": 10.0}


def without_tokens(call):
    """The answer of `keyword_script`, from a server that counts nothing."""
    content = json.dumps(keyword_script(call).content)
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": content}}
    return Scripted(body=json.dumps({"model": "scripted", "choices": [choice]}))


def usage(study, name="latest"):
    return status(name, db=study.database).usage


def paid(study, where="1"):
    """The cost of the calls on the ledger, counted call by call."""
    rows = study.query(
        f"SELECT prompt_tokens, completion_tokens FROM narrative_attempts WHERE {where}"
    )
    return sum((i or 0) * 2e-6 + (o or 0) * 10e-6 for i, o in rows)


def said(study):
    return [getattr(event, "message", "") for event in study.events]


@pytest.fixture
def priced(study, server):
    """A study of 40 narratives whose file gives a price."""
    return study.data(N).configure(server.url, model={"price": PRICE})


def test_the_cost_is_that_of_every_call_of_every_session(priced, server):
    server.script = lambda call: (
        Scripted("no answer at all") if "Case 3 " in call.text else keyword_script(call)
    )
    done = priced.run()
    found = usage(priced)
    in_vain = paid(priced, "status = 'failed'")
    assert in_vain > 0
    assert found.so_far == done.usage.so_far == pytest.approx(paid(priced))
    assert found.price.of(found.in_vain) == pytest.approx(in_vain)
    assert (found.n_answered, found.answered.n_calls, found.gap) == (N - 1, N - 1, None)
    assert found.expected is None, "nothing is left to be paid for"
    server.script = keyword_script
    resume(
        db=priced.database,
        name="latest",
        changes=Changes(retry_errors=True),
        handler=priced.events.append,
    )
    assert found.so_far < usage(priced).so_far == pytest.approx(paid(priced))


def stops_at(n):
    """`n` answers, then another model, which ends the session at once."""
    seen = []

    def script(call):
        seen.append(call)
        right = len(seen) <= n
        return keyword_script(call) if right else faulty.wrong_model("other")(call)

    return script


def test_what_the_rest_will_cost_is_told_from_twenty_on(study, server):
    study.data(N).configure(server.url, model={"price": PRICE}, run={"concurrency": 1})
    server.script = stops_at(19)
    assert study.run().status is Status.FAILED
    assert usage(study).expected is None
    assert usage(study).text.endswith("USD so far")
    server.script = stops_at(1)
    assert study.run().status is Status.FAILED
    found = usage(study)
    assert found.expected == pytest.approx(paid(study) / 20 * N)
    assert " so far, about " in found.text
    assert found.text.endswith(" in all")


def test_a_price_is_given_to_a_completed_experiment_without_a_call(study, server):
    study.data(N).configure(server.url)
    first = study.run()
    digests = "SELECT binding_sha256, configuration_sha256, served_model FROM experiments"
    before = study.query(digests)
    assert first.usage.text is None
    assert cost_json(usage(study)) is None
    for price in (PRICE, {**PRICE, "currency": "EUR"}):
        study.configure(server.url, model={"price": price})
        done = study.run()
        assert done.already_complete
        assert done.usage.so_far == pytest.approx(paid(study))
    assert usage(study).text.endswith(" EUR")
    assert "changed: model.price: nothing before, now input: 2.0, output: 10.0" in said(study)
    study.configure(server.url)
    assert study.run().usage.text is None, "a price that is taken away is no price"
    assert (len(server.calls), study.query(digests)) == (N, before)


def test_a_price_is_given_at_a_resume(study, server):
    study.data(N).configure(server.url, run={"max_narratives": 10})
    study.run()
    study.configure(server.url, model={"price": PRICE})
    changes = Changes(config_file=study.config, max_narratives=N)
    done = resume("latest", db=study.database, changes=changes, handler=study.events.append)
    assert done.usage.so_far == pytest.approx(paid(study)), "also for what was paid before"
    assert "changed: model.price: nothing before, now input: 2.0, output: 10.0" in said(study)
    assert not any("model.price" in line and "not used" in line for line in said(study))


def test_a_stopped_run_goes_on_with_another_price_as_the_same_experiment(priced, server):
    server.script = stops_at(10)
    assert priced.run().status is Status.FAILED
    server.script = keyword_script
    priced.configure(server.url, model={"price": {"input": 1, "output": 1}})
    done = priced.run()
    assert (done.status, done.usage.price.input) == (Status.COMPLETED, 1)
    assert priced.value("SELECT count(*) FROM experiments") == 1


def test_where_no_tokens_are_told_the_cost_is_unknown(priced, server):
    server.script = without_tokens
    found = priced.run().usage
    assert (found.so_far, found.text) == (None, "unknown: the server reported no tokens")
    assert cost_json(found)["so_far"] is None


def test_it_is_said_for_how_many_answers_the_cost_is_known(priced, server):
    server.script = lambda call: (
        without_tokens(call) if call.number % 4 == 0 else keyword_script(call)
    )
    found = priced.run().usage
    assert found.so_far == pytest.approx(paid(priced))
    assert "(known for 30 of 40 answers; " in found.text


def test_copied_answers_cost_nothing(priced, server):
    first = priced.run()
    again = priced.run(reuse=first.experiment_id)
    assert again.counts.copied == N
    assert again.usage.so_far == 0
    assert len(server.calls) == N


def test_repetitions_cost_their_own_and_take_a_new_price_too(study, server):
    study.data(N).configure(server.url)

    def asked_again():
        return study.run(again=Again(2, 10))

    done = asked_again()
    study.configure(server.url, model={"price": PRICE})
    again = asked_again()
    assert again.repetitions == ()
    main = usage(study, done.experiment_id)
    repetition = usage(study, done.repetitions[0].experiment_id)
    own = f"experiment_id = '{done.repetitions[0].experiment_id}'"
    assert repetition.so_far == pytest.approx(paid(study, own))
    assert main.so_far == pytest.approx(paid(study, f"NOT {own}"))
    assert len(server.calls) == N + 10


def test_check_tells_from_its_one_call_what_all_would_cost(priced, server):
    found = check(priced.config)
    (call,) = server.calls
    assert INVENTED_TEXT in call.text
    one = found.call.prompt_tokens * 2e-6 + found.call.completion_tokens * 10e-6
    assert found.cost_of_call == pytest.approx(one)
    assert found.estimated_cost == pytest.approx(one * N)


@pytest.mark.parametrize("script", [without_tokens, lambda _call: faulty.server_error()])
def test_check_makes_no_cost_up(priced, server, script):
    server.script = script
    assert check(priced.config).estimated_cost is None
    assert check(priced.config, offline=True).estimated_cost is None
