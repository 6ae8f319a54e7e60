"""Judgements counted in one pass, so that a million of them need little memory.

What the figures need of a case is which narratives it has and how each was judged. Cases that look
alike are counted, not kept; only confidences and numbers, which hardly repeat, are kept, packed.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Literal, NamedTuple

from overnight.domain.agreement import comparable
from overnight.domain.answer import AnswerField
from overnight.domain.judgement import Judgement
from overnight.domain.narrative import as_binary
from overnight.report.statistics.cases import RULES, Rule, case_score, decide

State = Literal["answered", "error", "without value", "not asked"]
Word = bool | str | None


class Seen(NamedTuple):
    """A narrative as far as counting goes.

    `gold` is None without a comparable label. Of a string or a whole number only whether it is
    right is kept: `gold` is True, `said` whether they are equal.
    """

    narrative_type: str
    gold: Word
    said: Word  # None unless `state` is answered
    state: State


class CaseSeen(NamedTuple):
    """A case: the label of the case itself (None: none) and its narratives, by type."""

    gold: bool | None
    narratives: tuple[Seen, ...]


@dataclass(slots=True)
class Confidences:
    """Measured answers that have a confidence, in parallel arrays; those of a case together."""

    confidences: "array[float]" = field(default_factory=lambda: array("d"))
    right: "array[int]" = field(default_factory=lambda: array("b"))
    gold: "array[int]" = field(default_factory=lambda: array("b"))  # of yes and no
    types: "array[int]" = field(default_factory=lambda: array("i"))
    cases: "array[int]" = field(default_factory=lambda: array("i"))
    outside: int = 0  # not within 0..1
    missing: int = 0


@dataclass(slots=True)
class CaseScores:
    """Cases with a score for each rule, and the labels, in parallel arrays."""

    scores: "array[float]" = field(default_factory=lambda: array("d"))
    gold: "array[int]" = field(default_factory=lambda: array("b"))


@dataclass(slots=True)
class Numbers:
    """Measured answers that are numbers, in parallel arrays; those of a case together."""

    labels: "array[float]" = field(default_factory=lambda: array("d"))
    answers: "array[float]" = field(default_factory=lambda: array("d"))
    types: "array[int]" = field(default_factory=lambda: array("i"))
    cases: "array[int]" = field(default_factory=lambda: array("i"))


@dataclass(slots=True)
class Tally:
    """All that the figures of an experiment are computed from.

    `profiles` counts the cases that look alike. `names` numbers the types in the arrays.
    """

    primary: AnswerField | None
    profiles: Counter[CaseSeen] = field(default_factory=Counter)
    names: dict[str, int] = field(default_factory=dict)
    confidences: Confidences = field(default_factory=Confidences)
    case_scores: dict[Rule, CaseScores] = field(
        default_factory=lambda: {rule: CaseScores() for rule in RULES}
    )
    numbers: Numbers = field(default_factory=Numbers)
    n_cases: int = 0


def tally(judgements: Iterable[Judgement], primary: AnswerField | None) -> Tally:
    """Count judgements that come with those of a case together."""
    found = Tally(primary)
    known: dict[tuple[object, ...], Seen] = {}  # as many as there are different answers
    for _, group in groupby(judgements, key=attrgetter("incident_id")):
        _add_case(found, list(group), known)
    return found


def tallies(
    judgements: Iterable[Judgement], primary: AnswerField | None, values: Iterable[str | None]
) -> dict[str | None, Tally]:
    """The same for each of some values of the kept column, in one pass; others are passed over.

    A case whose narratives differ in it counts in each of their groups, with what is in it.
    """
    found = {value: Tally(primary) for value in values}
    known: dict[tuple[object, ...], Seen] = {}
    for _, group in groupby(judgements, key=attrgetter("incident_id")):
        parts: dict[str | None, list[Judgement]] = {}
        for one in group:
            parts.setdefault(one.kept, []).append(one)
        for value, judged in parts.items():
            if value in found:
                _add_case(found[value], judged, known)
    return found


def _add_case(found: Tally, judged: list[Judgement], known: dict[tuple[object, ...], Seen]) -> None:
    seen = tuple([_seen(one, found.primary, known) for one in judged])
    case_gold = _case_gold(judged)
    found.profiles[CaseSeen(case_gold, seen)] += 1
    if found.primary is not None:
        _pack(found, judged, seen, case_gold)
    found.n_cases += 1


def _case_gold(judged: list[Judgement]) -> bool | None:
    """The first that is there: the label of a case stands in each of its rows."""
    return next((g for one in judged if (g := as_binary(one.case_label)) is not None), None)


def _seen(
    one: Judgement, primary: AnswerField | None, known: dict[tuple[object, ...], Seen]
) -> Seen:
    if primary is None or primary.type in ("boolean", "enum"):
        key = (one.narrative_type, one.label, one.primary, one.error_category is None, one.asked)
        found = known.get(key)
        if found is None:
            found = known[key] = _look(one, primary)
        return found
    plain = _look(one, primary)
    return known.setdefault(tuple(plain), plain)


def _look(one: Judgement, primary: AnswerField | None) -> Seen:
    gold = word_of(primary, one.label)
    said = word_of(primary, one.primary) if one.error_category is None else None
    if primary is not None and primary.type not in ("boolean", "enum"):
        said = None if said is None else gold == said
        gold = None if gold is None else True
    return Seen(one.narrative_type, gold, said, _state(one, said))


def word_of(primary: AnswerField | None, text: str | None) -> Word:
    """A label or an answer as it is compared; a blank one is none."""
    if primary is None or text is None or not text.strip():
        return None
    value = comparable(primary, text)
    return value if value is None or isinstance(value, (bool, str)) else str(value.normalize())


def _state(one: Judgement, said: Word) -> State:
    if not one.asked:
        return "not asked"
    if one.error_category is not None:
        return "error"
    return "without value" if said is None else "answered"


def _pack(
    found: Tally, judged: list[Judgement], seen: tuple[Seen, ...], case_gold: bool | None
) -> None:
    scores = []
    for one, looked in zip(judged, seen, strict=True):
        if looked.state != "answered":
            continue
        place = found.names.setdefault(looked.narrative_type, len(found.names))
        if one.confidence is not None and looked.said is not None:
            scores.append(one.confidence if looked.said else 1 - one.confidence)
        if looked.gold is not None:
            _pack_confidence(found, one.confidence, looked, place)
            _pack_number(found, one, place)
    if found.primary is not None and found.primary.type == "boolean" and len(scores) == len(seen):
        _pack_case(found, seen, scores, case_gold)


def _pack_confidence(found: Tally, confidence: float | None, looked: Seen, place: int) -> None:
    packed = found.confidences
    if confidence is None:
        packed.missing += 1
    elif not 0 <= confidence <= 1:
        packed.outside += 1
    else:
        packed.confidences.append(confidence)
        packed.right.append(looked.gold == looked.said)
        packed.gold.append(looked.gold is True)
        packed.types.append(place)
        packed.cases.append(found.n_cases)


def _pack_number(found: Tally, one: Judgement, place: int) -> None:
    if found.primary is None or found.primary.type not in ("number", "integer"):
        return
    label, answer = comparable(found.primary, one.label), comparable(found.primary, one.primary)
    if label is not None and answer is not None:
        found.numbers.labels.append(float(label))
        found.numbers.answers.append(float(answer))
        found.numbers.types.append(place)
        found.numbers.cases.append(found.n_cases)


def _pack_case(
    found: Tally, seen: tuple[Seen, ...], scores: list[float], case_gold: bool | None
) -> None:
    for rule, packed in found.case_scores.items():
        gold = gold_of_case(rule, seen) if case_gold is None else case_gold
        if gold is not None and all(0 <= score <= 1 for score in scores):
            packed.scores.append(case_score(rule, scores))
            packed.gold.append(gold)


def gold_of_case(rule: Rule, seen: Iterable[Seen]) -> bool | None:
    """The label that a rule makes of the labels of a case's narratives."""
    return decide(rule, [one.gold if isinstance(one.gold, bool) else None for one in seen])
