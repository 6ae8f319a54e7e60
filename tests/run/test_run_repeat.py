"""A sample of the narratives is asked again and again: how far the model agrees with itself."""

import random
import threading
from collections import Counter

import pytest

from overnight.commands.compare import compare
from overnight.commands.doctor import doctor
from overnight.commands.evaluate import evaluate
from overnight.commands.purge import purge
from overnight.commands.repeat import Again
from overnight.commands.resume import Changes, resume
from overnight.commands.retest import repeated_answers
from overnight.domain.experiment import Event, Status
from overnight.errors import RefusedError, UsageError
from overnight.report.repeats import retest_table
from overnight.session import Ending
from overnight.stop import StopRequest
from overnight.testing import Scripted, keyword_script

EACH = (
    "SELECT repeat_no, count(r.result_id) FROM experiments e LEFT JOIN results r"
    " ON r.experiment_key = e.experiment_key GROUP BY e.experiment_key ORDER BY 1"
)


def repeated(study, times, sample=None, **options):
    return study.run(again=Again(times, sample), **options)


def moody(call):
    """Says yes or no by the seed and the text: a model that is not of one mind."""
    yes = random.Random(f"{call.seed} {call.text}").random() < 0.5
    said = {"detected": yes, "confidence": 0.5, "indicators": [], "rationale": ""}
    return Scripted(said)


@pytest.fixture
def asked(study, server):
    """A study of 40 narratives."""
    return study.data(40).configure(server.url)


def test_a_sample_is_asked_again_each_time_with_another_seed(asked, server):
    done = repeated(asked, 3, 10)
    assert [one.status for one in (done, *done.repetitions)] == [Status.COMPLETED] * 3
    assert asked.query(EACH) == [(None, 40), (2, 10), (3, 10)]
    seeds = Counter(call.seed for call in server.calls)
    assert seeds == {100: 40, 1100: 10, 2100: 10}
    by_seed = {
        seed: {call.text for call in server.calls if call.seed == seed} for seed in (1100, 2100)
    }
    assert by_seed[1100] == by_seed[2100], "the same sample each time"
    assert doctor(db=asked.database).is_fine
    assert done.retest.consistency.n == 10
    assert done.retest.consistency.n_flips == 0


def test_the_sample_is_random_and_the_same_for_the_same_seed(make_study, server):
    drawn = []
    for name, seed in (("a", 100), ("b", 100), ("c", 7)):
        study = make_study(name).data(40).configure(server.url, run={"seed": seed})
        repeated(study, 2, 10)
        drawn.append(study.query("SELECT narrative_id FROM members ORDER BY 1"))
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != [(i,) for i in range(1, 11)]


def test_what_flips_is_counted_and_can_be_looked_at(asked, server):
    server.script = moody
    done = repeated(asked, 3, 30)
    vectors = repeated_answers("latest", db=asked.database)
    assert len(vectors) == 30
    flips = [one for one in vectors if len(set(one.answers)) > 1]
    assert vectors[: len(flips)] == flips
    found = done.retest.consistency
    assert (found.n, found.n_flips) == (30, len(flips))
    assert 0 < found.flips.low < found.flips.value < found.flips.high <= 1
    assert found.kappa.value < 0.4
    for one in vectors:
        texts = [c for c in server.calls if f"Case {int(one.incident_id)} is" in c.text]
        said = [str(int(moody(call).content["detected"])) for call in texts]
        assert list(one.answers) == said


def test_the_same_command_goes_on_after_a_stop(asked, server):
    stop = StopRequest()

    def script(call):
        if len(server.calls) == 45:
            stop.ask(Ending(Event.FAIL, "stopped by a test"))
        return keyword_script(call)

    server.script = script
    asked.configure(server.url, run={"concurrency": 1})
    done = repeated(asked, 3, 10, stop=stop)
    assert (done.status, done.last.status) == (Status.COMPLETED, Status.FAILED)
    server.script = keyword_script
    done = repeated(asked, 3, 10)
    assert asked.query(EACH) == [(None, 40), (2, 10), (3, 10)]
    assert len(server.calls) == 60
    assert done.retest.times == 3
    assert repeated(asked, 3).repetitions == ()
    assert len(server.calls) == 60


def test_a_repetition_can_be_resumed_by_itself_but_not_enlarged(asked, server):
    stop = StopRequest()
    server.script = lambda call: (
        (call.seed > 1000 and not stop.ending and stop.ask(Ending(Event.FAIL, "by a test")))
        or keyword_script(call)
    )
    asked.configure(server.url, run={"concurrency": 1})
    assert repeated(asked, 2, 10, stop=stop).last.status is Status.FAILED
    result = resume(db=asked.database, handler=asked.events.append)
    assert (result.status, result.counts.total) == (Status.COMPLETED, 10)
    with pytest.raises(RefusedError, match="repeats a sample of 10 narratives"):
        resume(
            result.experiment_id,
            db=asked.database,
            changes=Changes(max_narratives=20),
            handler=asked.events.append,
        )


def test_more_repetitions_keep_the_sample(asked):
    repeated(asked, 2, 10)
    repeated(asked, 4)
    assert asked.query(EACH) == [(None, 40), (2, 10), (3, 10), (4, 10)]
    assert asked.query("SELECT count(DISTINCT narrative_id) FROM members") == [(10,)]
    with pytest.raises(RefusedError, match="sample of 10 narratives, which stays as it is"):
        repeated(asked, 5, 20)


def test_a_repetition_is_never_taken_for_the_experiment_itself(asked):
    main = repeated(asked, 2, 10)
    assert asked.run().experiment_id == main.experiment_id
    assert evaluate("latest", db=asked.database).experiment.experiment_id == main.experiment_id


def test_the_figures_of_an_experiment_say_how_far_it_agrees_with_itself(asked, server):
    server.script = moody
    main = repeated(asked, 3, 20)
    found = evaluate(main.experiment_id, db=asked.database).retest
    assert (found.times, found.n_asked) == (3, 20)
    other = asked.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    assert evaluate(other, db=asked.database).counts.total == 20
    [pair] = compare([main.experiment_id, other], db=asked.database).pairs
    assert pair.comparison.paired == 20


def test_errors_are_no_flips(asked, server):
    server.script = lambda call: (
        Scripted("nothing readable")
        if call.seed > 1000 and call.text.endswith("word ") and "Case 1" in call.text
        else keyword_script(call)
    )
    found = repeated(asked, 2, 40).retest
    assert found.n_unanswered > 0
    assert found.consistency.n + found.n_unanswered == 40
    assert found.consistency.n_flips == 0


def test_an_experiment_without_repetitions_says_how_to_get_them(asked):
    asked.run()
    with pytest.raises(UsageError, match="--repeat 3"):
        repeated_answers("latest", db=asked.database)


def test_either_can_be_purged_without_the_other(asked):
    main = repeated(asked, 3, 10)
    ids = dict(asked.query("SELECT repeat_no, experiment_id FROM experiments"))

    def gone(name):
        purge(name, db=asked.database, confirm=lambda _asked: True, handler=asked.events.append)
        assert doctor(db=asked.database).is_fine

    gone(ids[2])
    assert len(repeated_answers(ids[3], db=asked.database)[0].answers) == 2
    gone(main.experiment_id)
    with pytest.raises(RefusedError, match="which has been deleted"):
        repeated_answers(ids[3], db=asked.database)
    gone(ids[3])
    assert asked.query("SELECT count(*) FROM members") == [(0,)]
    assert asked.query("SELECT count(*) FROM narratives") == [(0,)]


def test_two_starts_at_once_make_one_set_of_repetitions(asked, server):
    server.delay = 0.01
    errors = []

    def start():
        try:
            repeated(asked, 2, 10)
        except Exception as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    repeated(asked, 2)
    assert asked.query(EACH) == [(None, 40), (2, 10)]
    assert len(server.calls) == 50


def test_a_sample_of_a_random_pilot_is_of_what_the_pilot_covers(asked, server):
    asked.configure(server.url, run={"order": "random", "max_narratives": 12})
    done = repeated(asked, 2, 5)
    assert done.last.status is Status.COMPLETED
    assert asked.query(
        "SELECT count(*) FROM members m JOIN results r ON r.narrative_id = m.narrative_id"
        " AND r.experiment_key = 1"
    ) == [(5,)]
    assert doctor(db=asked.database).is_fine


def test_repetitions_are_no_further_configuration_measured_on_the_labels(asked):
    repeated(asked, 3, 10)
    assert asked.value("SELECT count(DISTINCT configuration_sha256) FROM looks") == 1


# --- the experiment has grown since --------------------------------------------------------------


@pytest.fixture
def grown(asked, server):
    """A pilot of 15, of which 10 were asked again, that covers all 40 now."""
    server.script = moody
    main = repeated(asked, 2, 10, max_narratives=15)
    changes = Changes(max_narratives=40)
    resume(main.experiment_id, db=asked.database, changes=changes, handler=asked.events.append)
    asked.events.clear()
    server.calls.clear()
    return asked


def test_repetitions_of_a_pilot_that_has_grown_keep_their_sample_and_say_so(grown, server):
    done = repeated(grown, 3)
    assert grown.query(EACH) == [(None, 40), (2, 10), (3, 10)]
    assert len(server.calls) == 10
    [told] = [m for e in grown.events if "sample of the first" in (m := getattr(e, "message", ""))]
    assert "a sample of the first 15 narratives, drawn before there were 40" in told
    ids = [i for (i,) in grown.query("SELECT experiment_id FROM experiments WHERE repeat_no > 1")]
    assert f"overnight purge {ids[0][:8]}" in told
    assert done.retest.n_drawn_from == 15
    assert done.retest.n_asked == 10
    assert ["drawn from the first", "15"] in retest_table(done.retest)
    answers = {one.row_num: one.answers for one in repeated_answers("latest", db=grown.database)}
    assert len(answers) == 10
    assert max(answers) <= 15


def test_the_sample_is_still_known_to_be_a_pilots_when_its_first_repetition_is_gone(grown):
    repeated(grown, 3)
    second = grown.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    purge(second, db=grown.database, confirm=lambda _asked: True, handler=grown.events.append)
    assert repeated(grown, 3).retest.n_drawn_from == 15


def test_another_sample_of_a_grown_pilot_needs_the_old_one_deleted(grown):
    with pytest.raises(RefusedError, match=r"To draw another, delete them first: overnight purge"):
        repeated(grown, 2, 30)
    second = grown.value("SELECT experiment_id FROM experiments WHERE repeat_no = 2")
    purge(second, db=grown.database, confirm=lambda _asked: True, handler=grown.events.append)
    done = repeated(grown, 2, 30)
    assert grown.query(EACH) == [(None, 40), (2, 30)]
    assert done.retest.n_drawn_from is None


def test_a_pilot_in_random_order_is_a_random_sample_itself(asked, server):
    asked.configure(server.url, run={"order": "random"})
    main = repeated(asked, 2, 10, max_narratives=15)
    changes = Changes(max_narratives=40)
    resume(main.experiment_id, db=asked.database, changes=changes, handler=asked.events.append)
    done = repeated(asked, 3)
    assert done.retest.n_drawn_from is None
    assert not any("of the first" in getattr(event, "message", "") for event in asked.events)
