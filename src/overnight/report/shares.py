"""The share of yes among the narratives of an experiment, and what each estimate assumes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from overnight.report.evaluation_table import shown
from overnight.report.plain import plain
from overnight.report.statistics.prevalence import Judged, Labels, Prevalence, Share, prevalence
from overnight.report.table import Row
from overnight.report.tally import Seen, Tally

FEW = 30
TITLES = {
    "naive": "naive: yes among the answers",
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
    "ppi": "the labelled are a random sample; nothing of the machine, whose errors only widen the "
    "interval.",
}
CLAIMS: Mapping[Labels, str] = {
    "random": "The labelled narratives are taken as a random sample of all narratives.",
    "within-type": "The labelled narratives are taken as a random sample within each narrative "
    "type; the types are weighed as they are among all narratives.",
    "unknown": "How the labelled narratives were chosen is not known: of all narratives only the "
    "naive share can be given, with its bias; the other estimates hold for a random sample (then "
    "type --labels random), Rogan-Gladen's also where sensitivity and specificity do not depend "
    "on the choice.",
}


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of `of` (a class; None: of yes), overall and by type."""

    labels: Labels
    of: str | None
    overall: Prevalence
    by_type: Mapping[str, Prevalence]


def shares(tally: Tally, labels: Labels, of: str | None = None) -> Shares:
    """Every estimate, of the narratives that have been asked; `of` is compared as answers are."""
    types = sorted({seen.narrative_type for case in tally.profiles for seen in case.narratives})
    return Shares(
        labels=labels,
        of=of,
        overall=prevalence(_profiles(tally, of, None), by_stratum=labels == "within-type"),
        by_type={name: prevalence(_profiles(tally, of, name)) for name in types},
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
    """Everything, with the assumption beside each estimate."""
    return {
        "labels": found.labels,
        "of": found.of,
        "claim": CLAIMS[found.labels],
        "overall": _with_assumptions(found.overall),
        "by_type": {name: _with_assumptions(one) for name, one in found.by_type.items()},
    }


def _with_assumptions(found: Prevalence) -> dict[str, object]:
    values = plain(found)
    assert isinstance(values, dict)  # noqa: S101 - a dataclass is an object
    return {
        name: {**value, "assumes": ASSUMES[name]} if name in ASSUMES else value
        for name, value in values.items()
    }


def shares_table(found: Shares, *, by_type: bool) -> list[Row]:
    """A column for all narratives, and one for each type if that is asked for."""
    columns = {"all": found.overall, **(found.by_type if by_type else {})}
    groups = list(columns.values())
    return [
        ["", *columns],
        ["narratives asked", *(f"{one.n:,}" for one in groups)],
        ["labelled", *(f"{one.n_labelled:,}" for one in groups)],
        ["labelled yes", *(f"{one.n_labelled_yes:,}" for one in groups)],
        ["without an answer", *(f"{one.n_errors:,}" for one in groups)],
        *(
            [title, *(_cell(getattr(one, name)) for one in groups)]
            for name, title in TITLES.items()
        ),
        ["naive, if errors were all no / yes", *(_bounds(one) for one in groups)],
    ]


def caution(found: Prevalence) -> str | None:
    """What must be said where few are labelled yes, or no."""
    fewest = min(found.n_labelled_yes, found.n_labelled - found.n_labelled_yes)
    if fewest >= FEW:
        return None
    return (
        f"Only {fewest:,} labelled narratives are of the rarer kind: with fewer than {FEW} the "
        "intervals hold the truth less often than in 95 of 100 studies."
    )


def _cell(share: Share) -> str:
    if share.problem:
        return f"n/a ({share.problem})"
    return shown(share.estimate) + (" (set to the end)" if share.clipped else "")


def _bounds(found: Prevalence) -> str:
    return f"{found.bounds[0]:.3f} / {found.bounds[1]:.3f}" if found.bounds else "n/a"
