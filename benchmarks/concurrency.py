"""What `concurrency: auto` reaches on simulated servers, beside every fixed setting.

    python benchmarks/concurrency.py [--seeds 10]

Nothing is called and no clock runs: the servers are arithmetic (overnight.testing.queueing), the
controller is the real one. Each server starts cold; from the 61st second on is counted.
"""

import argparse
import statistics
from collections.abc import Callable

from overnight.domain.concurrency import Controller
from overnight.domain.flow import Flow
from overnight.testing.queueing import Bucket, Course, PerMinute, Slots, simulate

STARTED = 60.0
FIXED = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
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
