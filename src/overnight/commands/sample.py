"""`sample`: draws the narratives that people should label next, and writes them to a sheet."""

import dataclasses
import random
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from overnight.commands.columns import column_of
from overnight.commands.results import refuse_repetition
from overnight.config.declared import declared_answer
from overnight.domain.answer import AnswerField, AnswerSpec
from overnight.domain.experiment import Experiment
from overnight.errors import RefusedError, UsageError
from overnight.events import Handler
from overnight.report.sheet import refuse_unless_writable, write_sheet
from overnight.report.statistics.sampling import (
    SMALLEST,
    allocate,
    doubt,
    probabilities,
    simple,
    systematic,
)
from overnight.report.tally import word_of
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.datasets import get_dataset, refuse_unless_loaded
from overnight.store.experiments import counts, find_experiment
from overnight.store.labels import last_label_id
from overnight.store.open import connected, folder_of
from overnight.store.results import iterate_judgements
from overnight.store.samples import (
    Member,
    Sample,
    add_sample,
    members_of,
    newest_sample_id,
    samples_of,
    sheet_rows,
)

Design = Literal["random", "confidence", "stratum"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sample, and the sheet to be filled in.

    `n_waiting` are those of earlier samples that have no label; `again`: nothing was drawn.
    """

    experiment: Experiment
    sample: Sample
    file: Path
    n_waiting: int
    again: bool


@dataclass(slots=True)
class _Frame:
    """Those that can be drawn, in parallel arrays; `waiting` were drawn and have no label.

    `stamp`: the newest sample and label that it knows of.
    """

    stamp: tuple[int, int]
    column: str | None  # that strata are made by; None: the narrative type
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    doubts: "array[float]" = field(default_factory=lambda: array("d"))
    strata: list[str] = field(default_factory=list)  # the same few texts
    waiting: int = 0
    confident: int = 0  # how many answers have a confidence


def sample(
    name: str = "latest",
    *,
    n: int | None = None,
    by: Design = "random",
    stratum: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    with_answers: bool = False,
    again: bool = False,
    db: Path | str | None = None,
    handler: Handler,
) -> Sampled:
    """Draw `n` of the narratives without a label, none that was drawn before, and keep how.

    Without `seed`, that of the experiment. `stratum` is a kept column, by whose values and the
    answers strata are made, in place of narrative types. With `again` the sheet of the newest
    sample is written anew, and nothing is drawn. Raises RefusedError for an experiment that is
    not complete, and UsageError where there are fewer, or the sheet cannot be written.
    """
    if again == (n is not None):
        raise UsageError("give either --n, to draw so many, or --again, to draw none")
    if stratum is not None and by != "stratum":
        raise UsageError(f"--stratum {stratum} goes with --by stratum")
    with connected(db, writes=handler) as database:
        experiment = find_experiment(database, name)
        refuse_repetition(experiment, "sample")
        spec = declared_answer(experiment.stored_config)
        primary = _primary(spec)
        _refuse_unless_complete(database, experiment)
        kept = get_dataset(database, experiment.dataset_id).kept
        column = None if stratum is None else column_of(kept, stratum)
        frame = _frame(database, experiment, primary, column)
        if n is None:
            drawn = _newest(database, experiment)
            file = out or _default_file(database, experiment, drawn.sample_id)
            refuse_unless_writable(file)
        else:
            if out is not None:
                refuse_unless_writable(out)
            drawn = _draw(database, experiment, frame, n=n, by=by, seed=seed)
            file = out or _default_file(database, experiment, drawn.sample_id)
        rows = sheet_rows(database, drawn.sample_id, experiment.experiment_key)
        try:
            write_sheet(file, rows, primary, with_answers=with_answers)
        except UsageError as error:
            short = experiment.experiment_id[:8]
            raise UsageError(
                f"{error}; sample {drawn.sample_id} is drawn, only its sheet is missing: "
                f"overnight sample {short} --again --out FILE.csv"
            ) from None
    return Sampled(experiment, drawn, file, frame.waiting, again)


def _primary(spec: AnswerSpec) -> AnswerField:
    if spec.primary_field is None:
        raise UsageError(
            "the answer of this experiment has no primary field: nothing in it goes with a label"
        )
    return spec.primary_field


def _refuse_unless_complete(database: Database, experiment: Experiment) -> None:
    remaining = counts(database, experiment).remaining
    if remaining:
        short = experiment.experiment_id[:8]
        raise RefusedError(
            f"{remaining:,} narratives of {short} have no result yet, so they could not be drawn; "
            f"complete it first: overnight resume {short}"
        )


def _frame(
    database: Database, experiment: Experiment, primary: AnswerField, column: str | None
) -> _Frame:
    drawn = {one.row_num for one in members_of(database, experiment.dataset_id)}
    with database.read() as connection:
        frame = _Frame(_stamp(connection, experiment), column)
    names: dict[str, str] = {}
    for one in iterate_judgements(database, experiment, kept=column):
        if word_of(primary, one.label) is not None:
            continue
        if one.row_num in drawn:
            frame.waiting += 1
            continue
        answered = one.error_category is None and one.primary is not None
        frame.rows.append(one.row_num)
        frame.confident += answered and one.confidence is not None
        frame.doubts.append(doubt(one.confidence if answered else None))
        kind = one.narrative_type if column is None else one.kept or "(blank)"
        name = f"{_said(primary, one.primary) if answered else 'no answer'}, {kind}"
        frame.strata.append(names.setdefault(name, name))
    return frame


def _said(primary: AnswerField, answer: str | None) -> str:
    if primary.type not in ("boolean", "enum"):
        return "answered"
    return {"1": "yes", "0": "no"}.get(str(answer), str(answer))


def _newest(database: Database, experiment: Experiment) -> Sample:
    found = samples_of(database, experiment.dataset_id)
    if not found:
        raise UsageError("no sample of its narratives was drawn yet: --n 300 draws one")
    return found[-1]


def _default_file(database: Database, experiment: Experiment, sample_id: int) -> Path:
    return folder_of(database, "exports", experiment.experiment_id) / f"sample-{sample_id}.xlsx"


def _draw(
    database: Database,
    experiment: Experiment,
    frame: _Frame,
    *,
    n: int,
    by: Design,
    seed: int | None,
) -> Sample:
    """Draw, and record it; the sample with its id.

    Raises RefusedError if somebody has drawn or labelled meanwhile.
    """
    if not 0 < n <= len(frame.rows):
        raise UsageError(
            f"--n {n:,}: {len(frame.rows):,} narratives have no label and were not drawn before"
        )
    seed = _seed(experiment) if seed is None else seed
    rng = random.Random(f"{seed} {frame.stamp[0]}")  # noqa: S311 - anybody may draw the same again
    places, strata, chances = _chosen(frame, n, by, rng)
    members = [
        Member(0, frame.rows[place], number, strata[place], chances[place])
        for number, place in enumerate(places, 1)
    ]
    drawn = Sample(
        sample_id=0,
        experiment_id=experiment.experiment_id,
        design=by,
        n=n,
        seed=seed,
        drawn_at=datetime.fromtimestamp(time.time(), UTC),
        n_covered=experiment.n_total,
        n_frame=len(frame.rows),
        last_label_id=frame.stamp[1],
        order_seed=experiment.order.seed if experiment.order else None,
        strata=_sizes(strata, places),
        stratum_column=frame.column,
    )
    with database.write() as connection:
        if _stamp(connection, experiment) != frame.stamp:
            raise RefusedError(
                "somebody has drawn a sample or read labels in just now; type the same again"
            )
        refuse_unless_loaded(connection, experiment.dataset_id, experiment.experiment_id)
        sample_id = add_sample(connection, experiment.dataset_id, drawn, members)
    return dataclasses.replace(drawn, sample_id=sample_id)


def _stamp(connection: Connection, experiment: Experiment) -> tuple[int, int]:
    dataset = experiment.dataset_id
    return newest_sample_id(connection, dataset), last_label_id(connection, dataset)


def _seed(experiment: Experiment) -> int:
    run = experiment.stored_config.get("run") or {}
    return int(run.get("seed") or 0)


def _chosen(
    frame: _Frame, n: int, by: Design, rng: random.Random
) -> tuple[list[int], Sequence[str], Sequence[float]]:
    """Places within the frame, in random order; of each place its stratum and its probability."""
    size = len(frame.rows)
    if by == "stratum":
        return _by_stratum(frame, n, rng)
    if by == "confidence":
        if not frame.confident:
            raise UsageError("no answer has a confidence: draw --by random, or --by stratum")
        chances = probabilities(frame.doubts, n)
        return systematic(chances, n, rng), [""] * size, chances
    return simple(n, size, rng), [""] * size, array("d", [n / size]) * size


def _by_stratum(
    frame: _Frame, n: int, rng: random.Random
) -> tuple[list[int], Sequence[str], Sequence[float]]:
    members: dict[str, array[int]] = {}
    for place, name in enumerate(frame.strata):
        members.setdefault(name, array("q")).append(place)
    sizes = {name: len(places) for name, places in sorted(members.items())}
    least = sum(min(size, SMALLEST) for size in sizes.values())
    if n < least:
        what = frame.column or "narrative type"
        raise UsageError(
            f"--n {n:,}: from {len(sizes):,} strata (answer and {what}) {SMALLEST} each are "
            f"drawn at least, {least:,} in all"
        )
    allocation = allocate(sizes, n)
    places = [
        members[name][at] for name, k in allocation.items() for at in simple(k, sizes[name], rng)
    ]
    rng.shuffle(places)
    shares = {name: allocation[name] / size for name, size in sizes.items()}
    chances = array("d", (shares[name] for name in frame.strata))
    return places, frame.strata, chances


def _sizes(strata: Sequence[str], places: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Of each stratum how many there are, and how many were drawn."""
    drawn = Counter(strata[place] for place in places)
    return {name: (size, drawn[name]) for name, size in sorted(Counter(strata).items())}
