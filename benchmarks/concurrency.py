"""What `concurrency: auto` reaches on simulated servers, beside every fixed setting.

    python benchmarks/concurrency.py [--seeds 10] [--starts 20]

Nothing is called and no clock runs: the servers are arithmetic (overnight.testing.queueing), the
controller is the real one. Each server starts cold; from the 61st second on is counted. The last
lines are random starts at 2 s a call, `--starts` for each number of slots; `--seeds 0` gives only
those (half a minute).
"""

import argparse
import random
import statistics
from collections.abc import Callable

from overnight.domain.concurrency import Controller
from overnight.domain.flow import Flow
from overnight.testing.queueing import Bucket, Course, PerMinute, Slots, simulate

STARTED = 60.0
FIXED = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
POWERS, OTHERS = (1, 4, 16, 64), (2, 3, 6, 8, 12, 24, 32, 48, 100)  # slots of random starts
SLOW = 2.0  # seconds a call: the slowest that a minute is meant for
MANY = 10**6  # slots of a hosted service
HEAD = (
    f"{'server':38} {'best fixed':>14} {'auto':>7} {'worst':>6} {'in flight':>10} "
    f"{'429':>6} {'429, fixed':>10}"
)


def auto(first: int) -> Flow:
    return Flow(256, controller=Controller(first))


def line(
    name: str, make: Callable[[], Slots], *, seconds: float, seeds: int, hosted: bool = False
) -> None:
    """A server's row: the best fixed setting, and auto in shares of it, over some seeds."""
    end = STARTED + seconds
    fixed: list[tuple[float, int, Course]] = []
    for n in FIXED:
        course = simulate(make(), Flow(n), end)
        fixed.append((course.rate(STARTED, end), n, course))
    best = max(rate for rate, _, _ in fixed)
    least = min((n, course) for rate, n, course in fixed if rate >= 0.97 * best)
    courses = [simulate(make(), auto(4 if hosted else 1), end, seed=seed) for seed in range(seeds)]
    shares = [course.rate(STARTED, end) / best for course in courses]
    most = max(course.most_in_flight for course in courses)
    refused = max(course.refused_share(0.0, end) for course in courses)
    print(
        f"{name:38} {best:8.2f}/s {least[0]:3} {statistics.median(shares):7.0%} {min(shares):6.0%} "
        f"{most:10} {refused:6.1%} {least[1].refused_share(0.0, end):10.1%}"
    )


def random_starts(name: str, numbers: tuple[int, ...], n: int) -> None:
    """Of n starts with each number of slots: how many miss 90 %, how many exceed twice that."""
    shares, most = [], []
    for slots in numbers:
        dice = random.Random(1000 + slots)
        for seed in range(n):
            server = Slots(slots, SLOW, dice.uniform(0.1, 0.35))
            best, course = (
                simulate(server, flow, 200.0, seed=seed) for flow in (Flow(2 * slots), auto(1))
            )
            shares.append(course.rate(STARTED, 200.0) / best.rate(STARTED, 200.0))
            most.append(course.most_in_flight / slots)
    n_short, n_above = sum(share < 0.9 for share in shares), sum(x > 2.0 for x in most)
    print(
        f"{len(shares)} random starts, {name}: {n_short} below 90 % from the 61st to the 200th "
        f"second (worst {min(shares):.0%}), {n_above} above twice the slots ({max(most):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--starts", type=int, default=20)
    args = parser.parse_args()
    if args.seeds:
        servers(args.seeds)
    if args.starts:
        random_starts("slots that are doubled to", POWERS, args.starts)
        random_starts("other numbers of slots", OTHERS, args.starts)


def servers(seeds: int) -> None:
    """A row for each of them."""
    print(HEAD)
    for slots in (1, 4, 16, 64):
        for mean, seconds in ((0.05, 20.0), (0.5, 120.0), (2.0, 300.0)):
            name = f"{slots} slots, {mean:g} s a call"
            line(name, lambda s=slots, m=mean: Slots(s, m), seconds=seconds, seeds=seeds)
    for slots, mean, seconds in ((4, 4.6, 1800.0), (4, 30.0, 7200.0), (1, 30.0, 7200.0)):
        name = f"{slots} slots, {mean:g} s a call"
        line(name, lambda s=slots, m=mean: Slots(s, m), seconds=seconds, seeds=seeds)
    for drag in (0.05, 0.3):
        name = f"256 slots that slow each other, {drag:g}"
        line(name, lambda d=drag: Slots(256, 1.0, drag=d), seconds=600.0, seeds=seeds)
    for per_minute in (60, 300, 3000):
        rate = per_minute / 60.0
        for name, limit in (
            ("bucket of 5 s", lambda r=rate: Bucket(r, max(3.0, 5.0 * r))),
            ("bucket of 60 s", lambda r=rate: Bucket(r, 60.0 * r)),
            ("counted by the minute", lambda n=per_minute: PerMinute(n)),
        ):
            line(
                f"{per_minute:,} a minute, {name}",
                lambda make=limit: Slots(MANY, 1.0, limit=make()),
                seconds=840.0,
                seeds=seeds,
                hosted=True,
            )
    line(
        "60 a minute, by the minute, untold",
        lambda: Slots(MANY, 1.0, limit=PerMinute(60), tells_wait=False),
        seconds=840.0,
        seeds=seeds,
        hosted=True,
    )
    line(
        "8 slots, no queue: 429",
        lambda: Slots(MANY, 1.0, refuses_above=8),
        seconds=600.0,
        seeds=seeds,
    )


if __name__ == "__main__":
    main()
