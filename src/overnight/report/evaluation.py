"""Every figure of an experiment: of all narratives, of each type, of cases, of pairs of sources."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, compress

from overnight.report.group import Figure, Group
from overnight.report.statistics import binary
from overnight.report.statistics.agreement import Agreement, agreement
from overnight.report.statistics.amounts import Amounts, amounts
from overnight.report.statistics.binary import FIGURES, Confusion
from overnight.report.statistics.calibration import Calibration, calibrate
from overnight.report.statistics.cases import RULES, Rule, decide
from overnight.report.statistics.classes import class_figures
from overnight.report.statistics.estimate import share_of
from overnight.report.statistics.ranking import Ranking, Scored, rank
from overnight.report.statistics.resample import Profile, added, bootstrap
from overnight.report.tally import CaseSeen, Seen, Tally, gold_of_case

_MOST_SOURCES = 6  # types; beyond, pairs of them are too many to read
_Select = Callable[[CaseSeen], Iterable[Seen]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of it. `by_case` is empty unless yes or no was asked, and some case has two narratives.

    Cases take the label of the case where the file has one (`case_labels` counts them), else
    what the rule makes of the labels of their narratives. `sources`: of two types in one case,
    how their answers agree, and their labels.
    """

    overall: Group
    by_type: Mapping[str, Group]
    by_case: Mapping[Rule, Group]
    n_cases: int
    case_labels: int
    sources: Mapping[tuple[str, str], tuple[Agreement, Agreement]]
    confidence_outside: int
    confidence_missing: int


def evaluate(tally: Tally) -> Evaluation:
    """Every figure that the tally carries; seconds, most of them for classes."""
    types = sorted({seen.narrative_type for case in tally.profiles for seen in case.narratives})
    several = any(len(case.narratives) > 1 for case in tally.profiles)
    boolean = tally.primary is not None and tally.primary.type == "boolean"
    overall = _group(tally, lambda case: case.narratives, None)
    return Evaluation(
        overall=overall,
        by_type={
            name: _group(tally, _of_type(name), name) if len(types) > 1 else overall
            for name in types
        },
        by_case={rule: _case_group(tally, rule) for rule in RULES} if boolean and several else {},
        n_cases=tally.n_cases,
        case_labels=sum(n for case, n in tally.profiles.items() if case.gold is not None),
        sources=_sources(tally, types),
        confidence_outside=tally.confidences.outside,
        confidence_missing=tally.confidences.missing,
    )


def _of_type(name: str) -> _Select:
    return lambda case: [seen for seen in case.narratives if seen.narrative_type == name]


def _group(tally: Tally, select: _Select, type_: str | None) -> Group:
    measured: Counter[tuple[Seen, ...]] = Counter()
    failed: Counter[object] = Counter()
    n = 0
    for case, count in tally.profiles.items():
        chosen = list(select(case))
        n += count * len(chosen)
        measured[tuple(s for s in chosen if s.gold is not None and s.state == "answered")] += count
        for seen in chosen:
            if seen.gold is not None and seen.state in ("error", "without value"):
                failed[seen.gold] += count
    return _measured_group(tally, measured, failed, n, type_)


def _measured_group(
    tally: Tally,
    measured: Counter[tuple[Seen, ...]],
    failed: Counter[object],
    n: int,
    type_: str | None,
) -> Group:
    kind = tally.primary.type if tally.primary is not None else None
    n_measured = sum(len(seen) * count for seen, count in measured.items())
    bare = Group(n, n_measured, failed.total())
    if kind is None or not (n_measured or bare.failed):
        return bare
    if kind == "boolean":
        figures, confusion = _binary_figures(_cells(measured), failed)
        return _with(
            bare,
            figures=figures,
            confusion=confusion,
            ranking=_ranking(tally, type_, failed),
            calibration=_calibration(tally, type_),
        )
    if kind == "enum":
        return _with(bare, **_class_group(tally, measured, failed, type_))
    calibration = _calibration(tally, type_)
    found = _amounts(tally, type_) if kind in ("number", "integer") else None
    figures = {} if kind == "number" else {"accuracy": _accuracy(measured, failed)}
    return _with(bare, figures=figures, calibration=calibration, amounts=found)


def _with(group: Group, **parts: object) -> Group:
    return Group(group.n, group.measured, group.failed, **parts)  # type: ignore[arg-type]


def _cells(measured: Mapping[tuple[Seen, ...], int]) -> Counter[Profile]:
    cells: Counter[Profile] = Counter()
    for seen, n in measured.items():
        cells[tuple(sorted(binary.cell(s.gold is True, s.said is True) for s in seen))] += n
    return cells


def _binary_figures(
    cells: Mapping[Profile, int], failed: Counter[object]
) -> tuple[dict[str, Figure], Confusion]:
    resampled = dict(zip(FIGURES, bootstrap(cells, binary.figures, 4), strict=True))
    confusion = Confusion(*added(list(cells), list(cells.values()), 4))
    bounds = binary.with_errors(confusion, failed[True], failed[False])
    shares = binary.parts(confusion)
    several = any(len(profile) > 1 for profile in cells)
    found = {}
    for name, wrong, right in zip(FIGURES, *bounds, strict=True):
        estimate = share_of(*shares[name]) if name in shares else resampled[name]
        by_case = resampled[name].interval if name in shares and several else None
        found[name] = Figure(estimate, wrong, right, by_case)
    return found, confusion


def _accuracy(measured: Mapping[tuple[Seen, ...], int], failed: Counter[object]) -> Figure:
    """Of answers that are right or wrong and nothing else."""
    n = sum(len(seen) * count for seen, count in measured.items())
    right = sum(count for seen, count in measured.items() for one in seen if one.gold == one.said)
    total = n + failed.total()
    return Figure(share_of(right, n), right / total, (right + failed.total()) / total)


def _class_group(
    tally: Tally,
    measured: Mapping[tuple[Seen, ...], int],
    failed: Counter[object],
    type_: str | None,
) -> dict[str, object]:
    names = sorted({str(w) for seen in measured for s in seen for w in (s.gold, s.said)})
    names = sorted({*names, *map(str, failed)})
    place = {name: i for i, name in enumerate(names)}
    profiles: Counter[Profile] = Counter()
    for seen, n in measured.items():
        cells = (len(names) * place[str(s.gold)] + place[str(s.said)] for s in seen)
        profiles[tuple(sorted(cells))] += n
    missing = {str(gold): n for gold, n in failed.items()}
    classes = class_figures(names, profiles, missing)
    figures = {"accuracy": _accuracy(measured, failed)}
    figures |= {
        name: Figure(estimate, classes.if_errors_wrong[name], classes.if_errors_right[name])
        for name, estimate in classes.means.items()
    }
    calibration = _calibration(tally, type_)
    return {"figures": figures, "classes": classes, "calibration": calibration}


# --- confidences and numbers ---------------------------------------------------------------------


def _chosen(tally: Tally, types: Sequence[int], type_: str | None) -> Sequence[bool]:
    place = tally.names.get(type_, -1) if type_ is not None else None
    return [place is None or one == place for one in types]


def _calibration(tally: Tally, type_: str | None) -> Calibration | None:
    packed = tally.confidences
    keep = _chosen(tally, packed.types, type_)
    confidences = array("d", compress(packed.confidences, keep))
    if not confidences:
        return None
    right, cases = (
        array("b", compress(packed.right, keep)),
        array("i", compress(packed.cases, keep)),
    )
    return calibrate(confidences, right, cases)


def _ranking(tally: Tally, type_: str | None, failed: Counter[object]) -> Ranking | None:
    """The answers sorted by how much speaks for yes: the confidence, or 1 minus it after a no."""
    packed = tally.confidences
    keep = _chosen(tally, packed.types, type_)
    gold = array("b", compress(packed.gold, keep))
    if not gold:
        return None
    right = compress(packed.right, keep)
    scores = array(
        "d",
        (
            c if g == r else 1 - c  # a right answer to a yes, or a wrong one to a no, is a yes
            for c, g, r in zip(compress(packed.confidences, keep), gold, right, strict=True)
        ),
    )
    scored = Scored(scores, gold, array("i", compress(packed.cases, keep)))
    return rank(scored, (failed[True], failed[False]))


def _amounts(tally: Tally, type_: str | None) -> Amounts:
    packed = tally.numbers
    keep = _chosen(tally, packed.types, type_)
    return amounts(
        array("d", compress(packed.labels, keep)),
        array("d", compress(packed.answers, keep)),
        array("i", compress(packed.cases, keep)),
    )


# --- cases ---------------------------------------------------------------------------------------


def _case_group(tally: Tally, rule: Rule) -> Group:
    """Each case once: what the rule makes of its answers, against its label."""
    cells: Counter[Profile] = Counter()
    failed: Counter[object] = Counter()
    for case, n in tally.profiles.items():
        gold = gold_of_case(rule, case.narratives) if case.gold is None else case.gold
        if gold is None:
            continue
        said = decide(rule, [s.said if isinstance(s.said, bool) else None for s in case.narratives])
        if said is not None:
            cells[(binary.cell(gold, said),)] += n
        elif all(seen.state != "not asked" for seen in case.narratives):
            failed[gold] += n
    bare = Group(tally.n_cases, sum(cells.values()), failed.total())
    if not (bare.measured or bare.failed):
        return bare
    figures, confusion = _binary_figures(cells, failed)
    packed = tally.case_scores[rule]
    scored = Scored(packed.scores, packed.gold, range(len(packed.gold)))
    ranking = rank(scored, (failed[True], failed[False])) if packed.gold else None
    return _with(bare, figures=figures, confusion=confusion, ranking=ranking)


def _sources(
    tally: Tally, types: Sequence[str]
) -> dict[tuple[str, str], tuple[Agreement, Agreement]]:
    """Answers, then labels, of two types in one case, for each pair of types that meet."""
    found = {}
    for first, second in combinations(types, 2) if len(types) <= _MOST_SOURCES else ():
        said: Counter[tuple[tuple[object, object], ...]] = Counter()
        gold: Counter[tuple[tuple[object, object], ...]] = Counter()
        for case, n in tally.profiles.items():
            by_type = {seen.narrative_type: seen for seen in case.narratives}
            a, b = by_type.get(first), by_type.get(second)
            if a is None or b is None:
                continue
            if a.state == b.state == "answered":
                said[((a.said, b.said),)] += n
            if a.gold is not None and b.gold is not None:
                gold[((a.gold, b.gold),)] += n
        if said and tally.primary is not None and tally.primary.type in ("boolean", "enum"):
            found[first, second] = (agreement(said), agreement(gold))
    return found
