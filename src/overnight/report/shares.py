"""The share of yes among the narratives of an experiment, and what each estimate assumes."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.report.drawn import Group, Samples, Used
from overnight.report.drawn_text import drawn_sentence
from overnight.report.evaluation_table import shown
from overnight.report.plain import plain
from overnight.report.statistics.prevalence import Judged, Labels, Prevalence, Share, prevalence
from overnight.report.tally import Seen, Tally

FEW = 30
FEW_WRONG = 10
_HARDLY = 0.001  # so rarely a random sample of all would leave out a whole type
TITLES = {
    "naive": "naive (yes among the answers)",
    "labelled_only": "labelled narratives only",
    "rogan_gladen": "Rogan-Gladen",
    "ppi": "prediction-powered (PPI++)",
}
ASSUMES = {
    "naive": "the machine errs as often towards yes as towards no, and what failed is like what "
    "was answered.",
    "labelled_only": "the labelled are a random sample; the answers of the machine are not used.",
    "rogan_gladen": "sensitivity and specificity are the same among the unlabelled as among the "
    "labelled; these may hold more yes, or fewer.",
    "ppi": "the labelled are a random sample; nothing about how accurate the answers are, since "
    "errors only widen the interval.",
}
_ASSUMES_DRAWN = {
    "naive": ASSUMES["naive"],
    "labelled_only": "the labelled were drawn with the probabilities on record; the answers of the "
    "machine are not used.",
    "rogan_gladen": "the labelled were drawn with the probabilities on record, and are many.",
    "ppi": "the labelled were drawn with the probabilities on record; nothing about how "
    "accurate the answers are, since errors only widen the interval.",
}
_INTERVALS = {
    False: "narratives of one case counting together",
    True: "of what is drawn; of the naive share, narratives of one case counting together",
}
CLAIMS: Mapping[Labels, str] = {
    "random": "The labelled narratives are taken as a random sample of all narratives.",
    "within-type": "The labelled narratives are taken as a random sample within each narrative "
    "type; the types are weighed as they are among all narratives.",
    "all": "The experiment file says that the data labels all narratives. The share among the "
    "labelled is then the share itself; its interval is of the process that made the narratives.",
    "drawn": "The labelled were drawn with known probabilities; the intervals are of the share "
    "among exactly these narratives. What was labelled before a sample was drawn counts as known, "
    "however it was chosen.",
    "unknown": "How the labelled narratives were chosen is not known: of all narratives only the "
    "naive share can be given, with its bias. What the labels correct holds for a random sample, "
    "Rogan-Gladen's estimate also where sensitivity and specificity do not depend on the choice.",
}
_UNLABELLED = (
    "No narrative has a label that is used here: only the naive share can be given, with its bias."
)
ADVICE = (
    "If they were chosen at random, type --labels random. To know more, label a sample: overnight "
    "sample."
)


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of `of` (a class; None: of yes), overall, by type and by a kept column's values.

    `samples`: those that were drawn for people to label, whether they are used or not; `n_wrong`
    of the narratives in them were answered wrongly.
    """

    labels: Labels
    of: str | None
    overall: Prevalence
    by_type: Mapping[str, Prevalence]
    by_value: Mapping[str | None, Prevalence]
    samples: Sequence[Used] = ()
    n_wrong: int | None = None

    @property
    def assumes(self) -> Mapping[str, str]:
        """A sentence for each estimate."""
        return _ASSUMES_DRAWN if self.labels == "drawn" else ASSUMES

    @property
    def claimed(self) -> Sequence[str]:
        """The estimates that may be given for all narratives, by what is known of the labelled."""
        return {"unknown": ("naive",), "all": ("naive", "labelled_only")}.get(
            self.labels, tuple(TITLES)
        )

    @property
    def to_quote(self) -> str | None:
        """The estimate that assumes least of those with an interval; None where none corrects."""
        if self.untouched_types:
            return None
        corrected = [name for name in ("ppi", "labelled_only") if name in self.claimed]
        found = (name for name in corrected if getattr(self.overall, name).estimate.interval)
        return next(found, None)

    @property
    def to_quote_sentence(self) -> str:
        """The same in words, with its value."""
        if self.to_quote is None:
            return "To quote for all narratives: none without reservation, see below."
        share: Share = getattr(self.overall, self.to_quote)
        return f"To quote: {shown(share.estimate)}, {TITLES[self.to_quote]}."

    @property
    def intervals(self) -> str:
        """Of what the intervals are."""
        return _INTERVALS[self.labels == "drawn"]

    @property
    def claims(self) -> list[str]:
        """What may be said, how it is known, and what may not."""
        if not self.overall.n_labelled:
            return [_UNLABELLED]
        said = [CLAIMS[self.labels]]
        if self.labels == "all" and self.overall.n_labelled < self.overall.n:
            n = self.overall.n - self.overall.n_labelled
            said.append(f"But {n:,} have no label that can be read: of these nothing is known.")
        if self.labels == "drawn":
            said += [_account(one) for one in self.samples]
            said += _of_several([one for one in self.samples if one.problem is None])
        if self.untouched_types:
            said.append(self._not_random())
        if self.n_wrong is not None and self.n_wrong < FEW_WRONG:
            said.append(  # not how many: some of them may be of a test part
                f"Fewer than {FEW_WRONG} of the drawn were answered wrongly: then the intervals "
                "of PPI++ hold the truth in some 90 of 100 samples, and with none there is none."
            )
        elif self.n_wrong is not None:
            said.append(
                "The intervals hold the share in 95 of 100 such samples, however accurate the "
                "answers are."
            )
        return said

    @property
    def untouched_types(self) -> Sequence[str]:
        """The types of which a random sample would hardly hold none, and none is labelled."""
        if self.labels != "random" or not self.overall.n_labelled:
            return []
        n, n_labelled = self.overall.n, self.overall.n_labelled
        return [
            name
            for name, one in self.by_type.items()
            if not one.n_labelled and (1 - one.n / n) ** n_labelled < _HARDLY
        ]

    def _not_random(self) -> str:
        names, n = self.untouched_types, self.overall.n_labelled
        of = " or ".join(names)
        return (
            f"None of the {n:,} labelled narratives is of the type {of}: a random sample of all "
            f"narratives would hardly hold none ({_HARDLY:.1%} at the most), so what the labels "
            "correct may be quoted for the labelled types alone (--by type), and for all only when "
            f"some of {of} are labelled (overnight sample)."
        )


def _account(one: Used) -> str:
    sample = one.sample
    said = f"{drawn_sentence(sample)}; {one.n_labelled:,} are labelled."
    if one.problem:
        return f"{said} It is not used: {one.problem}."
    if one.n_labelled < sample.n:
        return f"{said} The others are taken to be like them; the design does not warrant that."
    return said


def _of_several(used: Sequence[Used]) -> list[str]:
    if len(used) < 2:  # noqa: PLR2004 - several
        return []
    return [
        "Each sample was drawn from what the earlier ones had left, and gives an estimate of its "
        "own without bias; they are weighted by their sizes. That holds if the size of a later "
        "sample was not chosen by what the earlier ones had shown."
    ]


def shares(
    tally: Tally,
    labels: Labels,
    of: str | None = None,
    samples: Samples | None = None,
    by_value: Mapping[str | None, Tally] | None = None,
) -> Shares:
    """Every estimate, of the narratives that have been asked; `of` is compared as answers are.

    `samples` are those of `labels` drawn; `by_value` has the narratives with each value of a
    kept column.
    """
    types = sorted({seen.narrative_type for case in tally.profiles for seen in case.narratives})

    def estimated(among: Tally, group: Group | None = None) -> Prevalence:
        type_ = group.value if group and group.by == "type" else None
        by_stratum = type_ is None and labels == "within-type"
        found = prevalence(_profiles(among, of, type_), by_stratum=by_stratum)
        if samples is None:
            return found
        by_design = samples.estimate(group)
        return dataclasses.replace(
            found,
            labelled_only=by_design.labelled_only,
            rogan_gladen=by_design.rogan_gladen,
            ppi=by_design.ppi,
        )

    return Shares(
        labels=labels,
        of=of,
        overall=estimated(tally),
        by_type={name: estimated(tally, Group("type", name)) for name in types},
        by_value={
            value: estimated(one, Group("column", value)) for value, one in (by_value or {}).items()
        },
        samples=samples.used if samples else (),
        n_wrong=samples.estimate().n_wrong if samples else None,
    )


def _profiles(tally: Tally, of: str | None, type_: str | None) -> Counter[tuple[Judged, ...]]:
    profiles: Counter[tuple[Judged, ...]] = Counter()
    for case, n in tally.profiles.items():
        profiles[
            tuple(
                _judged(seen, of)
                for seen in case.narratives
                if seen.state != "not asked" and type_ in (None, seen.narrative_type)
            )
        ] += n
    return profiles


def _judged(seen: Seen, of: str | None) -> Judged:
    yes = True if of is None else of
    return Judged(
        stratum=seen.narrative_type,
        gold=None if seen.gold is None else seen.gold == yes,
        said=seen.said == yes if seen.state == "answered" else None,
    )


def shares_json(found: Shares) -> dict[str, object]:
    """Everything but the groups of a column, with the assumption beside each estimate."""
    return {
        "labels": found.labels,
        "of": found.of,
        "claim": " ".join(found.claims),
        "samples": [
            {
                "sample_id": one.sample.sample_id,
                "design": one.sample.design,
                "n": one.sample.n,
                "n_frame": one.sample.n_frame,
                "n_labelled": one.n_labelled,
                "problem": one.problem,
            }
            for one in found.samples
        ],
        "overall": _with_assumptions(found.overall, found.assumes),
        "by_type": {
            name: _with_assumptions(one, found.assumes) for name, one in found.by_type.items()
        },
    }


def groups_json(found: Shares) -> list[dict[str, object]]:
    """The same for each value of the kept column."""
    return [
        {"value": value, **_with_assumptions(one, found.assumes)}
        for value, one in found.by_value.items()
    ]


def _with_assumptions(found: Prevalence, assumes: Mapping[str, str]) -> dict[str, object]:
    values = plain(found)
    assert isinstance(values, dict)  # noqa: S101 - a dataclass is an object
    return {
        name: {**value, "assumes": assumes[name]} if name in assumes else value
        for name, value in values.items()
    }


def caution(found: Prevalence) -> str | None:
    """What must be said where few are labelled yes, or no."""
    fewest = min(found.n_labelled_yes, found.n_labelled - found.n_labelled_yes)
    if fewest >= FEW or not found.n_labelled:
        return None
    return (
        f"Only {fewest:,} labelled narratives are of the rarer kind: with fewer than {FEW} the "
        "intervals hold the truth less often than in 95 of 100 studies."
    )
