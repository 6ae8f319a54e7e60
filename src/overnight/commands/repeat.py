"""`run --repeat`: a sample of an experiment's narratives asked again, each time as an experiment.

A repetition is an experiment in its own right (lock, ledger, resume, files), with another seed
and the same of everything else.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from overnight.commands.retest import retest_of
from overnight.commands.settings import take_over
from overnight.commands.stint import RunResult, carry_out
from overnight.config.binding import with_binding_of
from overnight.config.load import Config
from overnight.domain.experiment import Experiment, Status
from overnight.errors import RefusedError, UsageError
from overnight.events import Handler, Said
from overnight.session import Opening
from overnight.session.row import new_row
from overnight.stop import StopRequest
from overnight.store.database import Database
from overnight.store.datasets import get_dataset
from overnight.store.experiments import get_experiment
from overnight.store.members import (
    add_repetition,
    drawn_from,
    repeats,
    repetitions_of,
    sampled_from,
)
from overnight.store.study import find_study

SAMPLE = 200  # narratives, unless somebody asks for more
SEED_STEP = 1000  # repetition 2 is asked with run.seed + 1000, 3 with + 2000, ...


@dataclass(frozen=True, slots=True)
class Again:
    """How often, and how many narratives; None: as many as before, else 200 or all there are."""

    times: int  # answers for each narrative, the first one included
    sample: int | None = None


def ask_again(
    database: Database,
    main: RunResult,
    config: Config,
    again: Again,
    *,
    handler: Handler,
    stop: StopRequest,
) -> RunResult:
    """Ask a sample of a completed experiment's narratives again and again; with what came of it.

    The same command after a crash goes on where it was. Raises RefusedError where there are
    repetitions of another sample.
    """
    study = find_study(database, main.experiment_id)
    config = as_started(study.experiment, config)
    _tell_if_grown(database, study.experiment, handler)
    done: list[RunResult] = []
    for one in _repetitions(database, study.experiment, config, again):
        if one.status is Status.COMPLETED:
            take_over(database, one, config, handler)
            continue
        opening = Opening(as_started(one, config), loaded=one.data_checksum, backup=False)
        done.append(_carried_out(database, one, opening, handler, stop))
        if done[-1].status is not Status.COMPLETED or done[-1].files_cut:
            break
    return replace(main, repetitions=tuple(done), retest=retest_of(study))


def as_started(experiment: Experiment, config: Config) -> Config:
    """The settings of the file, with what shapes answers as the experiment has it."""
    return config.restored(with_binding_of(experiment.stored_config, config.stored))


def _carried_out(
    database: Database, one: Experiment, opening: Opening, handler: Handler, stop: StopRequest
) -> RunResult:
    stop.finishing = False
    seed = opening.config.values.run.seed
    handler(
        Said(
            f"repetition {one.repeat_no}: {one.n_total:,} narratives of {str(one.repeat_of)[:8]} "
            f"are asked again, with seed {seed}"
        )
    )
    return carry_out(database, one, opening, handler=handler, stop=stop)


def _repetitions(
    database: Database, experiment: Experiment, config: Config, again: Again
) -> Iterator[Experiment]:
    """One after the other; made where they are not there yet."""
    for repeat_no in range(2, again.times + 1):
        yield _repetition(database, experiment, config, again, repeat_no)


def _repetition(
    database: Database, experiment: Experiment, config: Config, again: Again, repeat_no: int
) -> Experiment:
    """The repetition of this number: the one that is there, or a new one."""
    own = config.changed("run", seed=_seed(config, repeat_no))
    dataset = get_dataset(database, experiment.dataset_id)
    with database.write() as connection:
        there = repetitions_of(connection, experiment)
        _refuse_other_sample(experiment, there, again)
        for one in there:
            if one.repeat_no == repeat_no:
                return one
        if (limit := drawn_from(connection, experiment)) is not None:  # it has grown since
            own = own.changed("run", max_narratives=limit)
        columns = new_row(
            database,
            own,
            dataset,
            repeat_of=experiment.experiment_id,
            repeat_no=repeat_no,
            configuration_sha256=experiment.configuration_sha256 or experiment.binding_sha256,
        )
        sample = there[0] if there else _drawn(experiment, config, again.sample or SAMPLE)
        key = add_repetition(connection, experiment, columns, sample)
    return get_experiment(database, key)


def _seed(config: Config, repeat_no: int) -> int:
    seed = config.values.run.seed + SEED_STEP * (repeat_no - 1)
    if seed > _LARGEST_SEED:
        raise UsageError(f"run.seed is too large for repetition {repeat_no}: {seed:,}")
    return seed


_LARGEST_SEED = 2**31 - 1000  # as in the experiment file


def _drawn(experiment: Experiment, config: Config, size: int) -> frozenset[int]:
    """A random sample of positions among all narratives, the same for the same seed."""
    rng = random.Random(f"overnight repeat {config.values.run.seed}")  # noqa: S311 - repeatable
    n = experiment.n_total
    return frozenset(rng.sample(range(n), min(size, n)))


def _refuse_other_sample(experiment: Experiment, there: list[Experiment], again: Again) -> None:
    """Answers of different samples cannot be held against each other."""
    if not there or again.sample is None:
        return
    n = there[0].n_total
    if min(again.sample, experiment.n_total) != n:
        raise RefusedError(
            f"the repetitions of {experiment.experiment_id[:8]} ({experiment.name}) cover a sample "
            f"of {n:,} narratives, which stays as it is: leave --repeat-sample out. To draw "
            f"another, delete them first: {_purges(there)}"
        )


def _tell_if_grown(database: Database, experiment: Experiment, say: Handler) -> None:
    """What a sample of a pilot does not speak for."""
    first = sampled_from(database, experiment)
    if first is None:
        return
    message = (
        f"the repetitions ask a sample of the first {first:,} narratives, drawn before there were "
        f"{experiment.n_total:,}, and speak for those. To draw one from all, delete them first: "
        f"{_purges(repeats(database, experiment))}"
    )
    say(Said(message, warning=True))


def _purges(repetitions: Sequence[Experiment]) -> str:
    return "; ".join(f"overnight purge {one.experiment_id[:8]}" for one in repetitions)
