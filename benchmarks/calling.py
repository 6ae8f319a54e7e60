"""`overnight run STUDY`, and what its calling phase cost, from the first plan to the last commit.

    python calling.py STUDY     prints {"cpu": seconds, "watching": seconds, "threads": {name:
                                seconds}} on the last line

*watching* is the log and the progress: counting, log lines, what the screen shows. Start-up,
loading, metrics and exports are outside; everything that goes on between is inside, on whatever
thread.
"""

import json
import resource
import sys
import threading
import time

from overnight import app, work
from overnight.cli.main import main
from overnight.stop import StopRequest

_work = work.work


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def by_thread() -> dict[str, float]:
    """CPU seconds of the threads alive, where the system tells."""
    try:
        return {
            t.name: time.clock_gettime(time.pthread_getcpuclockid(t.ident))
            for t in threading.enumerate()
        }
    except (AttributeError, OSError):
        return {}


def timed(method: str) -> None:
    """Add up the CPU of a method that tells the log and the screen what goes on."""
    progress = app._Progress  # noqa: SLF001 - measured from outside
    plain = getattr(progress, method)

    def watched(*given: object) -> None:
        began = time.thread_time()
        plain(*given)
        told["watching"] += time.thread_time() - began

    setattr(progress, method, watched)


async def measured(parts: work.Parts, stop: StopRequest) -> work.Ending:
    finish, threads = parts.recorder.finish, {}

    async def look_first() -> None:
        threads.update(by_thread())
        await finish()

    parts.recorder.finish = look_first
    before, first = cpu_seconds(), by_thread()
    try:
        return await _work(parts, stop)
    finally:
        cost = {name: used - first.get(name, 0.0) for name, used in threads.items()}
        told["watching"] += cost.get("overnight-screen", 0.0)
        told.update(cpu=cpu_seconds() - before, threads=cost)


told: dict[str, object] = {"watching": 0.0}
timed("committed")
timed("tick")
work.work = measured
sys.argv[:] = ["overnight", "run", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(told))
