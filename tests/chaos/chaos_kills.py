"""The life of a study: killed, looked at, gone on with, killed again, completed."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from chaos_invariants import check, check_complete, leftovers, unrecorded, unrecorded_replies
from chaos_look import Look, look
from chaos_phases import BACKUP, EXPORT, LATER, PHASES, RESUME, RUN, Phase
from chaos_study import DELAY, Bench, Study

_PATIENCE = 120.0  # seconds in which a condition must hold, or the process end
_TRIES = 10  # before a phase is given up whose process always ends before the kill


@dataclass(frozen=True, slots=True)
class Kill:
    """What a kill did. `n_repeated`: calls made again; `n_replies`: of these, already answered."""

    phase: str
    hit: bool  # the process was alive
    n_repeated: int = 0
    n_replies: int = 0


def measure(bench: Bench) -> dict[int, Look]:
    """Run each kind of study without a kill: how it ends, by its limit; how long a life is."""
    references = {}
    for kind in ("large", "small"):
        study = bench.new(kind)
        began = time.monotonic()
        assert study.finish(*RUN) == 0, study.said.read_text()
        bench.life = time.monotonic() - began
        references[study.limit] = look(study)
    return references


def live(
    bench: Bench,
    first: Sequence[Phase],
    random: Random,
    references: dict[int, Look],
    *,
    more: int = 0,
) -> Iterator[Kill]:
    """Kill a study in these phases, and up to `more` times later on; bring it to its end.

    The phases begin with the same state of a study. A kill that comes too late is tried again,
    from the study as it was before. AssertionError where anything is not as it must be.
    """
    study = bench.saved(first[0].state)
    for phase in first:
        kept = bench.keep(study, "before")
        for n_missed in range(_TRIES):
            done = kill(bench, study, phase, random, n_missed=n_missed)
            yield done
            if done.hit:
                break
            study = bench.back_to(kept)
        if not _possible(study) and phase is not first[-1]:  # killed when it was complete already
            complete(bench, study, random, references[study.limit])
            study = bench.back_to(kept)
    for _ in range(random.randint(0, more)):
        if phases := _possible(study):
            yield kill(bench, study, random.choice(phases), random)
    complete(bench, study, random, references[study.limit])


def _possible(study: Study) -> Sequence[Phase]:
    """In what phases a study can be killed as it is now."""
    statuses = study.query("SELECT status FROM experiments")
    if statuses:
        return () if statuses == [("completed",)] else LATER
    return tuple(phase for phase in PHASES if phase.state == "new")


def kill(bench: Bench, study: Study, phase: Phase, random: Random, *, n_missed: int = 0) -> Kill:
    """Start a command, kill it at its moment, and check everything.

    The more often that moment came too late, the earlier it is.
    """
    before = look(study)
    in_vain = unrecorded(study, before)
    condition = phase.when(study, random)
    process = study.start(*random.choice(phase.words))
    deadline = time.monotonic() + _PATIENCE
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, f"{phase.name}: never came so far"
        time.sleep(0.0002)
    time.sleep(phase.delay(bench, study, random) / (1 + n_missed))
    killed_at = time.monotonic()
    process.kill()
    hit = process.wait() == -signal.SIGKILL
    study.n_kills += hit
    bench.quiet()
    now = look(study)
    check(study, before, now)
    return Kill(
        phase.name,
        hit,
        max(0, unrecorded(study, now) - in_vain),
        max(0, unrecorded_replies(study, now, killed_at - DELAY) - in_vain),
    )


def complete(bench: Bench, study: Study, random: Random, reference: Look) -> None:
    """Go on until the study is complete, and check everything again."""
    before = look(study)
    words = random.choice((RUN, RESUME)) if _possible(study) is LATER else RUN
    assert study.finish(*words) == 0, words
    bench.quiet()
    now = look(study)
    check(study, before, now)
    if leftovers(now):
        _age(study)  # a young one may belong to an export that is just beginning
        assert study.finish(*BACKUP) == 0
        assert study.finish(*EXPORT) == 0
    check_complete(study, now, look(study), reference)


def _age(study: Study) -> None:
    for folder in study.folder.glob("exports/*/.export-*.partial"):
        os.utime(folder, (0, 0))
