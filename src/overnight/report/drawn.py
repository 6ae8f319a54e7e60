"""From judgements and samples to draws: who could be drawn, who was, and whose label was known.

One pass over the judgements; kept are counts, and the narratives that were drawn. Of a sample that
is labelled in part, the others are taken to be like those of their stratum that are labelled; a
sample of which nothing is labelled counts as if it had not been drawn: later ones speak for it too.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from overnight.domain.answer import AnswerField
from overnight.domain.judgement import Judgement
from overnight.domain.order import RandomOrder
from overnight.report.statistics.designed import Designed, Draw, Drawn, designed
from overnight.report.tally import word_of
from overnight.store.labels import FirstLabel
from overnight.store.samples import Member, Sample

_OTHER = ""  # is no value: blank ones are not kept


class Group(NamedTuple):
    """The narratives of a type, or those with a value in a kept column (None: a blank one)."""

    by: Literal["type", "column"]
    value: str | None


class _Looked(NamedTuple):
    narrative_type: str
    kept: str | None  # _OTHER: a value that nobody asked for
    gold: bool | None
    said: bool  # an error counts as no

    def belongs(self, group: Group | None) -> bool:
        if group is None:
            return True
        return group.value == (self.narrative_type if group.by == "type" else self.kept)


@dataclass(frozen=True, slots=True)
class Used:
    """A sample, how many of it are labelled, and why it cannot be used yet (None: it is)."""

    sample: Sample
    n_labelled: int
    problem: str | None


class Samples:
    """All samples of a dataset, the oldest first, seen with the answers of one experiment."""

    def __init__(
        self,
        samples: Sequence[Sample],
        members: Iterable[Member],
        first: Mapping[int, FirstLabel],
        *,
        n_total: int,
        order: RandomOrder | None = None,
        size: int | None = None,
    ) -> None:
        """The experiment asks the first `n_total` in its order; the dataset has `size`."""
        self._samples = samples
        self._members = {one.row_num: one for one in members}
        self._first = first
        self._n_total, self._order_seed = n_total, order.seed if order else None
        self._size = n_total if size is None else size
        self._counts: Counter[tuple[_Looked, int]] = Counter()
        self._seen: dict[int, _Looked] = {}  # of the members, by row number

    def noting(
        self,
        judgements: Iterable[Judgement],
        primary: AnswerField,
        of: str | None,
        values: Collection[str | None] = (),
    ) -> Iterator[Judgement]:
        """Take in the narratives that have been asked, and hand all of them on.

        `of` is a class as it is compared, None for yes; `values` are those of the kept column
        that shares will be asked for.
        """
        for one in judgements:
            if one.asked:
                kept = one.kept if one.kept in values else _OTHER
                self._note(one, primary, kept, yes=True if of is None else of)
            yield one

    def _note(
        self, one: Judgement, primary: AnswerField, kept: str | None, *, yes: bool | str
    ) -> None:
        gold = word_of(primary, one.label)
        said = one.error_category is None and word_of(primary, one.primary) == yes
        looked = _Looked(one.narrative_type, kept, None if gold is None else gold == yes, said)
        if one.row_num in self._members:
            self._seen[one.row_num] = looked
        else:
            self._counts[looked, self._known_at(one, primary)] += 1

    def _known_at(self, one: Judgement, primary: AnswerField) -> int:
        """The place of the first sample that found its label known; after the last one: none."""
        first = self._first.get(one.row_num)
        if word_of(primary, one.label if first is None else first.of_file) is not None:
            return 0
        if first is None:
            return len(self._samples)
        found = (k for k, s in enumerate(self._samples) if s.last_label_id >= first.label_id)
        return next(found, len(self._samples))

    @cached_property
    def used(self) -> list[Used]:
        """Each sample, and what keeps it from being used."""
        found = []
        for sample in self._samples:
            members = [m for m in self._members.values() if m.sample_id == sample.sample_id]
            seen = [self._seen[m.row_num] for m in members if m.row_num in self._seen]
            n_labelled = sum(looked.gold is not None for looked in seen)
            found.append(Used(sample, n_labelled, self._problem(sample, members, n_labelled)))
        return found

    def _problem(self, sample: Sample, members: Sequence[Member], n_labelled: int) -> str | None:
        if not n_labelled:
            asked = any(member.row_num in self._seen for member in members)
            return "none of it is labelled yet" if asked else "none of it has been asked"
        if not self._reaches_all(sample):
            return f"it was drawn from the first {sample.n_covered:,} narratives only" + (
                "" if sample.order_seed == self._order_seed else " of another order"
            )
        labelled = {member.stratum for member in members if self._is_labelled(member)}
        bare = next((name for name in sample.strata if name not in labelled), None)
        return None if bare is None else f"none of its stratum {bare} is labelled yet"

    def _reaches_all(self, sample: Sample) -> bool:
        """Whether all that the experiment asks were among those that the draw was from."""
        same = sample.order_seed == self._order_seed
        return sample.n_covered >= (self._n_total if same else self._size)

    def estimate(self, group: Group | None = None) -> Designed:
        """The share of yes among all that were asked, or among those of a group."""
        asked = Counter(looked for looked in self._seen.values() if looked.belongs(group))
        for (looked, _), n in self._counts.items():
            if looked.belongs(group):
                asked[looked] += n
        said_yes = sum(n for looked, n in asked.items() if looked.said)
        draws = [
            self._draw(place, group) for place, one in enumerate(self.used) if one.problem is None
        ]
        return designed(draws, asked.total(), said_yes)

    def _draw(self, place: int, group: Group | None) -> Draw:
        sample = self._samples[place]
        known: dict[tuple[bool, bool], float] = defaultdict(float)
        for (looked, known_at), n in self._counts.items():
            if known_at <= place and looked.gold is not None and looked.belongs(group):
                known[looked.gold, looked.said] += n
        n_missing = 0
        for row, looked in self._seen.items():
            member = self._members[row]
            if member.sample_id >= sample.sample_id:
                continue
            if looked.gold is None:
                n_missing += (member.sample_id, member.stratum) not in self._response
            elif looked.belongs(group):
                known[looked.gold, looked.said] += 1 / self._responded(member)
        reached = sample.n_frame / (sample.n_frame + n_missing)
        drawn = [
            self._drawn(member, group, reached)
            for member in self._members.values()
            if member.sample_id == sample.sample_id and self._is_labelled(member)
        ]
        return Draw(sample.n, known, drawn)

    def _drawn(self, member: Member, group: Group | None, reached: float) -> Drawn:
        looked = self._seen.get(member.row_num)
        return Drawn(
            stratum=member.stratum,
            probability=member.probability * self._responded(member) * reached,
            inside=looked is not None and looked.belongs(group),
            gold=looked is not None and looked.gold is True,
            said=looked is not None and looked.said,
        )

    def _is_labelled(self, member: Member) -> bool:
        """One that this experiment has not asked has no bearing on it: as if it were."""
        looked = self._seen.get(member.row_num)
        return looked is None or looked.gold is not None

    def _responded(self, member: Member) -> float:
        return self._response.get((member.sample_id, member.stratum), 1.0)

    @cached_property
    def _response(self) -> Mapping[tuple[int, str], float]:
        """Of each stratum of the samples that are used, the share that is labelled."""
        usable = {one.sample.sample_id for one in self.used if one.problem is None}
        drawn: Counter[tuple[int, str]] = Counter()
        labelled: Counter[tuple[int, str]] = Counter()
        for member in self._members.values():
            if member.sample_id in usable:
                drawn[member.sample_id, member.stratum] += 1
                labelled[member.sample_id, member.stratum] += self._is_labelled(member)
        return {key: labelled[key] / n for key, n in drawn.items()}
