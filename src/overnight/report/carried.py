"""Whether a draw from one version of the data is still a draw from another.

A sample speaks for the narratives that could be drawn. Texts have no part in that: it needs the
same narratives in the same rows, and the same of them known, by a label, when it was drawn.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from overnight.domain.answer import AnswerField
from overnight.domain.order import RandomOrder
from overnight.report.tally import word_of
from overnight.store.labels import FirstLabel
from overnight.store.samples import Member, Sample
from overnight.store.versions import Difference


@dataclass(frozen=True, slots=True)
class Carried:
    """Samples that hold, the oldest first, each with its last label in the newer version.

    `problem` is why the next one does not hold; None where all do.
    """

    samples: Sequence[tuple[Sample, int]]
    problem: str | None


@dataclass(slots=True)
class Versions:
    """What two versions of the data have in common, as far as these samples go.

    `size` and `size_now` are how many narratives they have.
    """

    samples: Sequence[Sample]  # of the older, the oldest first
    members: Sequence[Member]
    primary: AnswerField
    size: int
    size_now: int
    # Samples whose narratives are others now.
    _moved: set[int] = field(default_factory=set, init=False)
    # Rows of which one file alone has a label: whether it is the newer one.
    _by_file: dict[int, bool] = field(default_factory=dict, init=False)

    def take_in(self, found: Iterable[Difference]) -> None:
        """Note what differs; no more is read than is needed to see that no sample holds."""
        for sample in self.samples:
            if sample.order_seed is not None and self.size != self.size_now:
                self._moved.add(sample.sample_id)
        for one in found:
            if not one.is_same_narrative:
                self._moved |= {s.sample_id for s in self.samples if self._covers(s, one.row_num)}
            if not self.samples or self.samples[0].sample_id in self._moved:
                return
            if self._is_known(one.before) != (now := self._is_known(one.now)):
                self._by_file[one.row_num] = now

    def carried(
        self, before: Mapping[int, FirstLabel], now: Mapping[int, FirstLabel], *, n_there: int = 0
    ) -> Carried:
        """Which samples hold, given the first label that people gave each narrative.

        Each is drawn from what the earlier ones have left, so that none holds without those. The
        first `n_there` have been carried before.
        """
        problem = None
        for n in range(len(self.samples), n_there, -1):
            among = {sample.sample_id for sample in self.samples[:n]}
            drawn = {one.row_num for one in self.members if one.sample_id in among}
            seen = [
                self._last_and_problem(sample, drawn, before, now)
                for sample in self.samples[n_there:n]
            ]
            found = next((said for _, said in seen if said), None)
            if found is None:
                lasts = [last for last, _ in seen]
                return Carried(list(zip(self.samples[n_there:n], lasts, strict=True)), problem)
            problem = found
        return Carried([], problem)

    def _last_and_problem(
        self,
        sample: Sample,
        drawn: Collection[int],
        before: Mapping[int, FirstLabel],
        now: Mapping[int, FirstLabel],
    ) -> tuple[int, str | None]:
        """Its last label now, and what keeps it from holding.

        Of those that were drawn it does not matter when they were labelled.
        """
        if sample.sample_id in self._moved:
            return 0, (
                f"the {sample.n_covered:,} narratives that sample {sample.sample_id} was drawn "
                "from are not the same here, in the same rows"
            )
        rows = {
            row
            for row in {*before, *now, *self._by_file}
            if row not in drawn and self._covers(sample, row)
        }
        known = {
            row for row in rows if row in before and before[row].label_id <= sample.last_label_id
        }
        last = max((now[row].label_id for row in known if row in now), default=0)
        lost = early = 0
        for row in rows:
            by_file, by_file_now = self._known_by_file(row, before, now)
            was = by_file or row in known
            is_ = by_file_now or (row in now and now[row].label_id <= last)
            lost += was and not is_
            early += is_ and not was
        is_too_late = any(row in now and row not in known for row in rows)
        return last, _problem(sample, lost, early, is_too_late=is_too_late)

    def _known_by_file(
        self, row: int, before: Mapping[int, FirstLabel], now: Mapping[int, FirstLabel]
    ) -> tuple[bool, bool]:
        if row in self._by_file:
            now_known = self._by_file[row]
            return not now_known, now_known
        of_file = (before.get(row) or now[row]).of_file
        return self._is_known(of_file), self._is_known(of_file)

    def _is_known(self, of_file: str | None) -> bool:
        return word_of(self.primary, of_file) is not None

    def _covers(self, sample: Sample, row: int) -> bool:
        if sample.order_seed is None or sample.n_covered >= self.size:
            return row <= sample.n_covered
        return RandomOrder(sample.order_seed, self.size).position_of(row) <= sample.n_covered


def _problem(sample: Sample, lost: int, early: int, *, is_too_late: bool) -> str | None:
    """`is_too_late`: what is labelled from now on comes after labels that the draw did not know."""
    name = f"sample {sample.sample_id}"
    if lost:
        advice = "" if is_too_late else " (label them, and type the same again)"
        return (
            f"{lost:,} narratives that were labelled before {name} was drawn have no label here"
            + advice
        )
    if early:
        return (
            f"{early:,} narratives that {name} could have drawn, and did not, have got a label "
            "here in another way"
        )
    return None
