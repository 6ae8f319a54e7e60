"""Two experiments over the same narratives: where they agree, and which is right more often."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from overnight.domain.answer import AnswerField, FieldType
from overnight.domain.judgement import Judgement
from overnight.report.statistics.agreement import Agreement, agreement
from overnight.report.statistics.estimate import Estimate, share_of
from overnight.report.statistics.paired import McNemar, Pair, difference, mcnemar
from overnight.report.tally import Word, word_of

_KINDS_WITH_KAPPA = ("boolean", "enum")


@dataclass(frozen=True, slots=True)
class Differing:
    """A narrative that the two answer differently; its text only where it was asked for."""

    row_num: int
    incident_id: str
    narrative_type: str
    label: str | None
    first: str | None
    second: str | None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of the narratives that both have answered.

    `measured` of the `paired` have a label: on them rest `accuracy_difference` (the first minus
    the second, its interval by case) and `mcnemar`. Narratives whose texts differ are not paired.
    """

    only_first: int
    only_second: int
    texts_differ: int
    unanswered: int  # asked by both, and an error in at least one
    paired: int
    same: Estimate
    agreement: Agreement | None  # of yes and no, and of classes
    measured: int
    accuracy_difference: Estimate
    mcnemar: McNemar
    n_differing: int
    differing: tuple[Differing, ...]  # the first so many of them, in the order of their keys
    kind: FieldType = "string"  # of the field that is compared


@dataclass(slots=True)
class _Seen:
    """What is counted on the way."""

    limit: int  # of `differing`; 0 for all
    counts: Counter[str] = field(default_factory=Counter)
    said: Counter[tuple[tuple[Hashable, Hashable], ...]] = field(default_factory=Counter)
    right: Counter[tuple[Pair, ...]] = field(default_factory=Counter)
    differing: list[Differing] = field(default_factory=list)


def merged(
    first: Iterable[Judgement], second: Iterable[Judgement]
) -> Iterator[tuple[Judgement | None, Judgement | None]]:
    """Both in one pass, matched by key; each comes ordered by it, and None is put where one lacks.

    The order is that of `store.results.iterate_judgements`.
    """
    left, right = iter(first), iter(second)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and _key(a) < _key(b)):
            yield a, None
            a = next(left, None)
        elif a is None or _key(b) < _key(a):
            yield None, b
            b = next(right, None)
        else:
            yield a, b
            a, b = next(left, None), next(right, None)


def _key(one: Judgement) -> tuple[str, str]:
    return (one.incident_id, one.narrative_type)


def compare(
    first: Iterable[Judgement],
    second: Iterable[Judgement],
    primary: AnswerField,
    *,
    limit: int = 0,
) -> Comparison:
    """Compare the answers to the primary field, which both have, narrative by narrative."""
    seen = _Seen(limit)
    pairs = merged(first, second)
    for _, case in groupby(pairs, key=lambda pair: (pair[0] or pair[1]).incident_id):  # type: ignore[union-attr]
        _add_case(seen, list(case), primary)
    counts = seen.counts
    with_kappa = primary.type in _KINDS_WITH_KAPPA
    return Comparison(
        only_first=counts["only first"],
        only_second=counts["only second"],
        texts_differ=counts["texts differ"],
        unanswered=counts["unanswered"],
        paired=counts["paired"],
        same=share_of(counts["same"], counts["paired"]),
        agreement=agreement(seen.said) if with_kappa else None,
        measured=counts["measured"],
        accuracy_difference=difference(seen.right),
        mcnemar=mcnemar(counts["first right"], counts["second right"]),
        n_differing=counts["paired"] - counts["same"],
        differing=tuple(seen.differing),
        kind=primary.type,
    )


def _add_case(
    seen: _Seen, pairs: list[tuple[Judgement | None, Judgement | None]], primary: AnswerField
) -> None:
    said, right = [], []
    for a, b in pairs:
        words = _paired(seen, a, b, primary)
        if words is None or a is None or b is None:
            continue
        said.append(words)
        if words[0] != words[1]:
            _keep(seen, a, b)
        gold = word_of(primary, a.label)
        if gold is not None and gold == word_of(primary, b.label):
            pair = (words[0] == gold, words[1] == gold)
            right.append(pair)
            seen.counts["measured"] += 1
            seen.counts["first right"] += pair[0] and not pair[1]
            seen.counts["second right"] += pair[1] and not pair[0]
    seen.right[tuple(sorted(right))] += 1
    if primary.type in _KINDS_WITH_KAPPA:  # numbers and texts hardly repeat
        seen.said[tuple(said)] += 1


def _paired(
    seen: _Seen, a: Judgement | None, b: Judgement | None, primary: AnswerField
) -> tuple[Word, Word] | None:
    """Both answers as they are compared, or None, and why is counted."""
    if a is None or not a.asked:
        seen.counts["only second"] += b is not None and b.asked
        return None
    if b is None or not b.asked:
        seen.counts["only first"] += 1
        return None
    if a.text_sha256 != b.text_sha256:
        seen.counts["texts differ"] += 1
        return None
    words = (word_of(primary, a.primary), word_of(primary, b.primary))
    if None in words or a.error_category is not None or b.error_category is not None:
        seen.counts["unanswered"] += 1
        return None
    seen.counts["paired"] += 1
    seen.counts["same"] += words[0] == words[1]
    return words


def _keep(seen: _Seen, a: Judgement, b: Judgement) -> None:
    if not seen.limit or len(seen.differing) < seen.limit:
        found = (a.row_num, a.incident_id, a.narrative_type, a.label, a.primary, b.primary)
        seen.differing.append(Differing(*found))
