"""An experiment and its repetitions, narrative by narrative: test-retest agreement."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from overnight.domain.answer import AnswerField
from overnight.domain.judgement import Judgement
from overnight.report.evaluation_table import shown
from overnight.report.statistics.estimate import unmeasured
from overnight.report.statistics.repeated import Answers, Consistency, consistency
from overnight.report.table import Row
from overnight.report.tally import word_of

_NAMED = ("boolean", "enum")  # whose values repeat by chance, so that kappa means something


@dataclass(frozen=True, slots=True)
class Repeated:
    """One narrative, and what was answered to it each time; None: no answer. No text in it."""

    row_num: int
    incident_id: str
    narrative_type: str
    label: str | None
    answers: tuple[str | None, ...]
    flips: bool | None  # None where an answer is missing


@dataclass(frozen=True, slots=True)
class Retest:
    """What the repetitions show: `consistency` of the narratives that were answered each time.

    Numbers and texts hardly agree by chance: of these there is no kappa.
    """

    times: int
    n_asked: int  # narratives that each of them has asked
    n_unanswered: int  # of these, with an error or without a value at least once
    consistency: Consistency
    n_drawn_from: int | None = None  # the first so many, where the experiment has grown since


def repeated(judgements: Sequence[Iterable[Judgement]], primary: AnswerField) -> Iterator[Repeated]:
    """Each narrative that all have asked; the iterables are over the same ones, in one order."""
    for group in zip(*judgements, strict=True):
        if not all(one.asked for one in group):
            continue
        words = [None if one.error_category else word_of(primary, one.primary) for one in group]
        missing = any(word is None for word in words)
        first = group[0]
        yield Repeated(
            row_num=first.row_num,
            incident_id=first.incident_id,
            narrative_type=first.narrative_type,
            label=first.label,
            answers=tuple(None if one.error_category else one.primary for one in group),
            flips=None if missing else len(set(words)) > 1,
        )


def retest(judgements: Sequence[Iterable[Judgement]], primary: AnswerField) -> Retest:
    """How far an experiment and its repetitions agree; one pass over each."""
    profiles: Counter[tuple[Answers, ...]] = Counter()
    n_asked = n_unanswered = 0
    for _, case in groupby(repeated(judgements, primary), key=lambda one: one.incident_id):
        said = []
        for one in case:
            n_asked += 1
            if one.flips is None:
                n_unanswered += 1
            else:
                said.append(_compared(one, primary))
        if said:
            profiles[tuple(said)] += 1
    found = consistency(profiles, len(judgements))
    if primary.type not in _NAMED:
        found = replace(found, kappa=unmeasured(None, found.n))
    return Retest(len(judgements), n_asked, n_unanswered, found)


def _compared(one: Repeated, primary: AnswerField) -> Answers:
    """The answers as they are compared; numbers and texts only by which of them are equal."""
    words = [word_of(primary, answer) for answer in one.answers]
    if primary.type in _NAMED:
        return tuple(words)
    different = list(dict.fromkeys(words))
    return tuple(different.index(word) for word in words)


def retest_table(found: Retest) -> list[Row]:
    """Its figures, each with its interval."""
    c = found.consistency
    missing = f"{found.n_unanswered:,}"
    return [
        ["", ""],
        ["answers for each narrative", f"{found.times:,}"],
        ["narratives asked so often", f"{found.n_asked:,}"],
        *([["drawn from the first", f"{found.n_drawn_from:,}"]] if found.n_drawn_from else []),
        *([["an answer is missing, not compared", missing]] if found.n_unanswered else []),
        ["answers not all equal (flips)", f"{c.n_flips:,}"],
        ["share that flips", shown(c.flips)],
        ["pairs of answers that agree", shown(c.agreement)],
        ["Fleiss' kappa", shown(c.kappa)],
    ]
