"""How many calls at once are right: found out, on more than two hundred servers made of arithmetic.

What a server could do at best is what the best fixed setting reaches in the same simulation.
"""

import math
import random
import statistics

import pytest

from overnight.domain.answer import Answer
from overnight.domain.concurrency import MOST, Controller
from overnight.domain.flow import Flow, Resumed
from overnight.domain.latency import Ledger, Sample
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Reply
from overnight.domain.pace import Pace
from overnight.testing.queueing import Bucket, PerMinute, Slots, simulate

LATE = Fault(ErrorCategory.API_ERROR, "no answer within 300 s", Blame.SERVER, how=How.TIMED_OUT)
BUSY = Fault(ErrorCategory.RATE_LIMIT, "slow down", Blame.SERVER, 429)
DOWN = Fault(ErrorCategory.API_ERROR, "no connection", Blame.SERVER, how=How.REFUSED)
ANSWERED = Answered(Answer({}), Reply("{}"))
STARTED = 60.0  # seconds, after which the right number should be found
HOSTED = 10**6  # slots


def auto(first=1, most=MOST) -> Flow:
    return Flow(most, controller=Controller(first, most=most))


def drawn(slots: int, n: int) -> list[tuple[Slots, float, int]]:
    """Random servers with so many slots, how long each is looked at, and a seed."""
    dice = random.Random(slots)
    servers = []
    for seed in range(n):
        mean = math.exp(dice.uniform(math.log(0.05), math.log(2.0)))
        spread = dice.uniform(0.1, 0.35)
        # so many calls say how fast a server is to a few per cent
        seconds = max(8.0, mean * max(20.0, 600.0 / slots))
        servers.append((Slots(slots, mean, spread), seconds, seed))
    return servers


@pytest.mark.parametrize(("slots", "n"), [(1, 80), (4, 80), (16, 50), (64, 16)])
def test_a_minute_after_the_start_a_server_with_slots_does_nearly_all_that_it_can(slots, n):
    shares, most = [], []
    for server, seconds, seed in drawn(slots, n):
        course = simulate(server, auto(), STARTED + seconds, seed=seed)
        fixed = simulate(server, Flow(2 * slots), 10.0 + seconds, seed=seed)  # has nothing to find
        best = fixed.rate(10.0, 10.0 + seconds)
        shares.append(course.rate(STARTED, STARTED + seconds) / best)
        most.append(course.most_in_flight)
    good = sum(share >= 0.9 for share in shares)
    assert statistics.median(shares) >= 0.95
    assert good >= 0.9 * n, sorted(shares)[:10]
    # one of eighty: the first calls happened to be slow, and twice the number seemed to be free
    assert sum(n <= 2 * slots for n in most) >= 0.95 * n, sorted(most)[-10:]
    assert max(most) <= max(4, 2.5 * slots)


def limited(n: int) -> list[tuple[Slots, int]]:
    """Random hosted services that allow 60 to 3,000 calls a minute."""
    dice = random.Random(7)
    servers = []
    for seed in range(n):
        per_minute = round(math.exp(dice.uniform(math.log(60.0), math.log(3000.0))))
        rate = per_minute / 60.0
        bucket = Bucket(rate, max(3.0, rate * math.exp(dice.uniform(0.0, math.log(60.0)))))
        limit = bucket if seed % 3 else PerMinute(per_minute)
        mean = math.exp(dice.uniform(math.log(0.2), math.log(2.0)))
        servers.append((Slots(HOSTED, mean, limit=limit), seed))
    return servers


def test_a_rate_limit_is_used_up_and_hardly_ever_exceeded():
    shares, refused = [], []
    for server, seed in limited(24):
        allowed = server.best()
        course = simulate(server, auto(4), 900.0, seed=seed)
        shares.append(course.rate(STARTED, 900.0) / allowed)
        refused.append(course.refused_share(0.0, 900.0))
    assert min(shares) >= 0.9, sorted(shares)
    assert max(refused) <= 0.03, sorted(refused)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"slots": 4}, {"slots": 16}),
        ({"slots": 4}, {"slots": 64}),
        ({"slots": 16}, {"slots": 4}),
        ({"slots": 64}, {"slots": 8}),
        ({"slots": 16, "mean": 0.5}, {"mean": 2.0}),
        ({"slots": 16, "mean": 2.0}, {"mean": 0.5}),
    ],
)
def test_a_server_that_becomes_faster_or_slower_is_followed(before, after):
    now = {"mean": 1.0, **before, **after}
    for seed in range(5):
        server = Slots(**{"mean": 1.0, **before}, changes=[(200.0, after)])
        flow = auto()
        course = simulate(server, flow, 800.0, seed=seed)
        assert course.rate(320.0, 800.0) >= 0.9 * now["slots"] / now["mean"]
        assert 0.9 * now["slots"] <= flow.controller.level <= 2.5 * now["slots"]


def test_a_rate_limit_that_is_raised_or_lowered_is_followed():
    for first, then in ((2.0, 6.0), (6.0, 2.0)):
        server = Slots(HOSTED, 1.0, limit=Bucket(first, 10.0), changes=[(300.0, {"rate": then})])
        course = simulate(server, auto(), 1500.0)
        assert course.rate(800.0, 1500.0) >= 0.9 * then
        assert course.refused_share(0.0, 1500.0) <= 0.03


def test_where_calls_slow_each_other_down_it_goes_on_as_long_as_there_is_something_to_gain():
    for seed in range(4):
        server = Slots(MOST, 0.5, drag=0.05)
        course = simulate(server, auto(), 900.0, seed=seed)
        best = max(n / 0.5 / (1.0 + 0.05 * (n - 1)) for n in range(1, MOST + 1))
        assert course.rate(300.0, 900.0) >= 0.85 * best


def test_without_any_limit_the_cap_is_reached_and_never_exceeded():
    for most in (2, 3, 8, 100, MOST):
        course = simulate(Slots(HOSTED, 0.2), auto(most=most), 60.0)
        assert course.most_in_flight == most
        assert course.rate(40.0, 60.0) >= 0.8 * most / 0.2


# --- what nothing is learned from ------------------------------------------------------------


def started(level=8) -> Controller:
    """A controller that holds a level, with a first measurement of it."""
    controller = Controller(level)
    feed(controller, seconds=1.0)
    return controller


def feed(controller: Controller, *, seconds: float, now: float = 0.0, windows: int = 1) -> float:
    """Windows of calls that each take so long."""
    for _ in range(windows):
        sent = [controller.sent(controller.limit, now) for _ in range(max(64, controller.limit))]
        now += seconds
        for number in sent:
            controller.saw(number, seconds, now, answered=True)
    return now


def test_as_long_as_calls_take_no_longer_it_doubles():
    controller = Controller(1)
    tried = []
    for _ in range(6):
        feed(controller, seconds=1.0)
        tried.append(controller.limit)
    assert tried == [2, 4, 8, 16, 32, 64]


def test_calls_that_do_not_use_the_limit_up_say_nothing_of_it():
    """Fewer narratives are left than the limit, or calls are few after a pause or a rest."""
    controller = started(8)
    before = controller.limit
    for i in range(500):
        assert controller.sent(2, float(i)) == 0
        controller.saw(0, 1.0, i + 1.0, answered=True)
    assert controller.limit == before


def test_calls_that_were_under_way_when_something_happened_say_nothing():
    controller = started(8)
    before = controller.limit
    numbers = [controller.sent(before, 1.0) for _ in range(before)]
    controller.disturbed()
    for number in numbers:
        controller.saw(number, 500.0, 501.0, answered=True)
    assert (controller.limit, controller.level) == (before, 8)
    assert numbers[0] != controller.sent(before, 502.0)


def test_a_call_that_never_ends_holds_nothing_up():
    controller = Controller(4)
    numbers = [controller.sent(4, 0.0) for _ in range(8)]
    for number in numbers[1:]:
        controller.saw(number, 1.0, 1.0, answered=True)
    assert controller.limit == 4, "it was sent first, and may be a long one"
    controller.saw(0, 1.0, 10.0, answered=True)
    assert controller.limit == 8


def test_calls_that_fail_say_nothing_and_hold_nothing_up():
    controller = Controller(4)
    for i in range(20):
        numbers = [controller.sent(4, float(i)) for _ in range(6)]
        for number in numbers:
            controller.saw(number, 0.01, i + 0.5, answered=False)
    assert controller.limit == 4
    feed(controller, seconds=1.0, now=30.0)
    assert controller.limit == 8


def test_after_a_pause_it_is_one_two_four_also_where_calls_are_spaced():
    flow = auto(first=16)
    flow.has_answered, flow.allowance = True, MOST
    for i in range(20):
        flow.sent(16, i / 10.0)
    flow.saw(BUSY, 1, sent_at=1.9, now=2.0, n_left=1000)
    assert flow.controller.pace.rate is not None
    for i in range(5):
        flow.saw(DOWN, i, sent_at=2.5, now=3.0, n_left=1000)
    flow.sent(1, 5.0)
    assert isinstance(flow.saw(ANSWERED, 1, sent_at=5.0, now=6.0, n_left=1000), Resumed)
    limits = [flow.limit]
    for i in range(3):
        flow.saw(ANSWERED, 1, sent_at=6.0, now=7.0 + i, n_left=1000)
        limits.append(flow.limit)
    assert limits == [1, 2, 3, 4]


def test_time_outs_halve_the_limit_and_it_is_remembered():
    flow = auto(first=16)
    flow.allowance, flow.has_answered = MOST, True
    for expected in (8, 4, 2, 1):
        now = 1000.0 / expected
        assert flow.saw(LATE, expected, sent_at=now - 1.0, now=now, n_left=1000) is None
        assert flow.limit == flow.controller.level == expected
    controller = flow.controller
    end = feed(controller, seconds=1.0, now=1001.0, windows=5)
    assert controller.limit == 1, "not before some time has passed"
    feed(controller, seconds=1.0, now=end + 500.0, windows=40)
    assert controller.limit > 1


def test_a_fixed_number_needs_no_controller():
    flow = Flow(8)
    assert flow.controller is None
    assert flow.sent(1, 0.0) == 0


# --- small parts -----------------------------------------------------------------------------


def test_a_limit_that_was_forgotten_too_soon_is_remembered_longer_but_not_for_ever():
    pace, now, cycles = Pace(), 0.0, []

    def forgotten_after() -> float:
        """Seconds from a refusal until nobody is held back, at ten calls a second."""
        nonlocal now
        for _ in range(50):
            pace.sent(now)
            now += 0.1
        pace.refused(now, now, 10.0)
        began = now
        while pace.rate is not None:
            now += 0.1
            pace.sent(now)
        return now - began

    cycles = [forgotten_after() for _ in range(8)]
    assert cycles[:5] == sorted(cycles[:5])
    assert cycles[4] > 5 * cycles[0]
    assert cycles[7] == pytest.approx(cycles[4], rel=0.1)
    now += 3600.0
    assert forgotten_after() == pytest.approx(cycles[0], rel=0.5)


def test_littles_law():
    sample = Sample(n=10, in_flight=80.0, seconds=20.0, squares=40.0)
    assert (sample.latency, sample.rate) == (2.0, 4.0)


def test_short_answers_do_not_count_before_the_long_ones_that_were_sent_earlier():
    ledger = Ledger()
    first, second, third = (ledger.sent(3, 0.0) for _ in range(3))
    ledger.ended(third, 1.0, late_if_before=-math.inf)
    ledger.ended(second, None, late_if_before=-math.inf)
    assert ledger.sample.n == 0
    ledger.ended(first, 5.0, late_if_before=-math.inf)
    assert (ledger.sample.n, ledger.sample.latency) == (2, 3.0), "one of them has failed"


def test_calls_that_were_sent_at_another_limit_are_not_counted():
    ledger = Ledger()
    old = ledger.sent(1, 0.0)
    ledger.clear()
    new = ledger.sent(2, 1.0)
    ledger.ended(old, 9.0, late_if_before=-math.inf)
    ledger.ended(new, 1.0, late_if_before=-math.inf)
    assert (ledger.sample.n, ledger.sample.latency) == (1, 1.0)


def test_calls_are_spaced_by_what_was_let_through_and_slowly_closer():
    pace = Pace()
    for i in range(100):
        pace.sent(i / 10.0)
    assert pace.due == -math.inf
    n_through = pace.refused(sent_at=9.9, now=10.0, pace=10.0)
    assert n_through == 99
    assert pace.rate == pytest.approx(9.9)
    assert pace.refused(sent_at=9.95, now=10.1, pace=10.0) == 0, "this is known already"
    assert pace.pace(10.0) == pytest.approx(0.95 * 9.9)
    paces = [pace.pace(10.0 + i) for i in range(60)]
    assert paces == sorted(paces)
    pace.sent(10.0)
    assert pace.due == pytest.approx(10.0 + 1.0 / pace.pace(10.0), rel=0.01)


def test_a_pace_that_holds_nobody_back_is_forgotten():
    pace = Pace()
    pace.sent(0.0)
    pace.sent(0.5)
    assert pace.refused(0.5, 1.0, 2.0)
    pace.sent(10_000.0)
    assert (pace.rate, pace.due) == (None, -math.inf)
