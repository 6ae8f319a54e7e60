"""Do 95 % intervals hold the truth in 95 of 100 studies? 1,000 studies are invented to see.

    python tests/chaos/interval_coverage.py [STUDIES]    (two minutes; exit code 1: no)

Each study has cases of two narratives that share a label and a difficulty, so that narratives of
one case are alike; some fail, the difficult ones more often. The truth is computed from the same
probabilities, by adding up, not by drawing. For 1,000 studies a coverage of exactly 95 % is seen
between 93.6 and 96.4 % in 95 of 100 runs. There are some 150 labelled yes in each study; with 20,
intervals of AUC hold the truth in 77 to 81 of 100, with 40 in 89, with 80 in 94: then `metrics`
says that they are few.
"""

import random
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import product

from overnight.report.statistics import binary
from overnight.report.statistics.amounts import amounts
from overnight.report.statistics.calibration import calibrate
from overnight.report.statistics.designed import Designed, Draw, Drawn, designed
from overnight.report.statistics.estimate import Estimate, share_of
from overnight.report.statistics.paired import difference
from overnight.report.statistics.prevalence import Judged, prevalence
from overnight.report.statistics.ranking import Scored, rank
from overnight.report.statistics.resample import bootstrap
from overnight.report.statistics.sampling import (
    allocate,
    doubt,
    probabilities,
    simple,
    systematic,
)

LOWEST, HIGHEST = 0.93, 0.97
N_CASES = 250
N_CASES_OF_SHARES = 1500
N_DRAWN = 300
DESIGNS = ("random", "confidence", "stratum")
LABELLED = {"cme": 0.3, "le": 0.1}  # where the probabilities differ
TYPES = ("cme", "le")

# --- the world: every probability that is drawn from ---------------------------------------------

CASE_YES, DIFFICULT, LIKE_ITS_CASE = 0.25, 0.3, 0.9
SAYS_YES = {  # (difficult, label) -> probability
    (False, True): 0.92,
    (False, False): 0.04,
    (True, True): 0.65,
    (True, False): 0.2,
}
SECOND_SAYS_YES = {key: p * 0.85 + 0.05 for key, p in SAYS_YES.items()}
FAILS = {False: 0.02, True: 0.12}  # by difficulty
CONFIDENCE = {True: (0.6, 0.8, 0.9, 0.95), False: (0.5, 0.6, 0.8, 0.9)}  # by being right


def one_of(rng: random.Random, p: float) -> bool:
    return rng.random() < p


class Narrative:
    """One that was drawn."""

    def __init__(self, rng: random.Random, type_: str, case: tuple[bool, bool]) -> None:
        difficult, case_yes = case
        self.type = type_
        self.gold = case_yes if one_of(rng, LIKE_ITS_CASE) else not case_yes
        self.said = one_of(rng, SAYS_YES[difficult, self.gold])
        self.second = one_of(rng, SECOND_SAYS_YES[difficult, self.gold])
        self.failed = one_of(rng, FAILS[difficult])
        self.confidence = rng.choice(CONFIDENCE[self.said == self.gold])

    @property
    def score(self) -> float:
        return self.confidence if self.said else 1 - self.confidence


def study(rng: random.Random, n_cases: int) -> list[list[Narrative]]:
    cases = []
    for _ in range(n_cases):
        case = (one_of(rng, DIFFICULT), one_of(rng, CASE_YES))
        cases.append([Narrative(rng, type_, case) for type_ in TYPES])
    return cases


def weighed() -> Iterator[tuple[float, bool, bool, bool]]:
    """(probability, difficult, label, answer): the world of one narrative, added up."""
    for difficult, case_yes, gold, said in product((False, True), repeat=4):
        p = DIFFICULT if difficult else 1 - DIFFICULT
        p *= CASE_YES if case_yes else 1 - CASE_YES
        p *= LIKE_ITS_CASE if gold == case_yes else 1 - LIKE_ITS_CASE
        yes = SAYS_YES[difficult, gold]
        yield p * (yes if said else 1 - yes), difficult, gold, said


def truths() -> dict[str, float]:
    cells, scores, brier, share, second = [0.0] * 4, defaultdict(lambda: [0.0, 0.0]), 0.0, 0.0, 0.0
    for p, difficult, gold, said in weighed():
        cells[binary.cell(gold, said)] += p
        share += p * gold
        also = SECOND_SAYS_YES[difficult, gold]
        second += p * (also if gold else 1 - also)
        for confidence in CONFIDENCE[said == gold]:
            score = round(confidence if said else 1 - confidence, 9)
            scores[score][gold] += p / 4
            brier += p / 4 * (confidence - (said == gold)) ** 2
    found = dict(zip(binary.FIGURES, binary.figures(cells), strict=True))
    found |= ranked(scores)
    accuracy = cells[binary.TP] + cells[binary.TN]
    return found | {"brier": brier, "difference": accuracy - second, "share": share}


def ranked(scores: dict[float, list[float]]) -> dict[str, float]:
    """AUC and average precision of probabilities."""
    n_no, n_yes = (sum(one[label] for one in scores.values()) for label in (0, 1))
    auc = ap = tp = fp = 0.0
    for score in sorted(scores, reverse=True):
        no, yes = scores[score]
        auc += yes * (n_no - fp - no / 2)
        tp, fp = tp + yes, fp + no
        ap += yes * tp / (tp + fp)
    return {"auc": auc / (n_yes * n_no), "average_precision": ap / n_yes}


# --- what is estimated in each study -------------------------------------------------------------


def figures(rng: random.Random) -> Iterator[tuple[str, str, Estimate]]:
    """(figure, whose interval, estimate): those of answers against labels."""
    cases = study(rng, N_CASES)
    profiles = Counter(tuple(sorted(binary.cell(n.gold, n.said) for n in case)) for case in cases)
    for name, estimate in zip(binary.FIGURES, bootstrap(profiles, binary.figures, 4), strict=True):
        yield name, "bootstrap", estimate
    flat = [n for case in cases for n in case]
    yield "accuracy", "wilson", share_of(sum(n.gold == n.said for n in flat), len(flat))
    places = array("i", (i for i, case in enumerate(cases) for _ in case))
    scores = array("d", (round(n.score, 9) for n in flat))
    ranking = rank(Scored(scores, array("b", (n.gold for n in flat)), places))
    yield "auc", "linearised", ranking.auc
    yield "average_precision", "linearised", ranking.average_precision
    right = array("b", (n.gold == n.said for n in flat))
    yield "brier", "linearised", calibrate([n.confidence for n in flat], right, places).brier
    pairs = (tuple((n.said == n.gold, n.second == n.gold) for n in case) for case in cases)
    yield "difference", "linearised", difference(Counter(pairs))


def shares(rng: random.Random) -> Iterator[tuple[str, str, Estimate]]:
    """The share of yes, from a sample that is labelled, at random or within types."""
    cases = study(rng, N_CASES_OF_SHARES)
    for design in ("random", "within type"):
        profiles = Counter(
            tuple(judged(rng, n, 0.15 if design == "random" else LABELLED[n.type]) for n in case)
            for case in cases
        )
        found = prevalence(profiles, by_stratum=design == "within type")
        yield "share", f"PPI++, {design}", found.ppi.estimate
        yield "share", f"labelled only, {design}", found.labelled_only.estimate
        yield "share", f"Rogan-Gladen, {design}", found.rogan_gladen.estimate
        yield "share", f"naive, {design}", found.naive.estimate


def judged(rng: random.Random, one: Narrative, p: float) -> Judged:
    gold = one.gold if one_of(rng, p) else None
    return Judged(one.type, gold, None if one.failed else one.said)


def designs(rng: random.Random) -> Iterator[tuple[str, str, Estimate, float]]:
    """The same with the true share: that of the very narratives from which samples are drawn."""
    population = [one for case in study(rng, N_CASES_OF_SHARES) for one in case]
    everybody = list(range(len(population)))
    for design in DESIGNS:
        drawn = [draw(rng, population, everybody, set(), design)]
        yield from estimates(population, drawn, design)
    # labels that were there before, of what the machine calls yes; then two samples, one after
    # the other, the second from what the first has left
    known = {i for i in everybody if says_yes(population[i]) and one_of(rng, 0.3)}
    drawn = []
    for design in ("stratum", "confidence"):
        frame = [i for i in everybody if i not in known]
        drawn.append(draw(rng, population, frame, known, design))
        known |= {i for i, _, _ in drawn[-1][1]}
    yield from estimates(population, drawn, "two, after others")
    of_one_type = [i for i in everybody if population[i].type == "le"]
    for design in ("random", "confidence"):
        drawn = [draw(rng, population, everybody, set(), design)]
        yield from estimates(population, drawn, f"{design}, one type", inside=set(of_one_type))


Known = set[int]
Chosen = list[tuple[int, str, float]]  # which narrative, its stratum, its probability


def draw(
    rng: random.Random, population: list[Narrative], frame: list[int], known: Known, design: str
) -> tuple[Known, Chosen]:
    """As `overnight sample` does."""
    if design == "random":
        chosen = [(frame[at], "", N_DRAWN / len(frame)) for at in simple(N_DRAWN, len(frame), rng)]
    elif design == "confidence":
        doubts = [doubt(None if one.failed else one.confidence) for one in of(population, frame)]
        chances = probabilities(doubts, N_DRAWN)
        chosen = [(frame[at], "", chances[at]) for at in systematic(chances, N_DRAWN, rng)]
    else:
        strata = defaultdict(list)
        for i, one in zip(frame, of(population, frame), strict=True):
            strata["failed" if one.failed else str(one.said), one.type].append(i)
        sizes = {str(name): len(members) for name, members in strata.items()}
        allocation = allocate(sizes, N_DRAWN)
        chosen = [
            (members[at], str(name), allocation[str(name)] / len(members))
            for name, members in strata.items()
            for at in simple(allocation[str(name)], len(members), rng)
        ]
    return set(known), chosen


def of(population: list[Narrative], places: list[int]) -> list[Narrative]:
    return [population[i] for i in places]


def says_yes(one: Narrative) -> bool:
    return one.said and not one.failed


def estimates(
    population: list[Narrative],
    samples: list[tuple[Known, Chosen]],
    name: str,
    inside: set[int] | None = None,
) -> Iterator[tuple[str, str, Estimate, float]]:
    """Of the whole population, or of those inside."""
    inside = set(range(len(population))) if inside is None else inside
    draws = [
        Draw(
            n=N_DRAWN,
            known=Counter((population[i].gold, says_yes(population[i])) for i in known & inside),
            drawn=[
                Drawn(stratum, p, i in inside, population[i].gold, says_yes(population[i]))
                for i, stratum, p in chosen
            ],
        )
        for known, chosen in samples
    ]
    truth = sum(population[i].gold for i in inside) / len(inside)
    found: Designed = designed(draws, len(inside), sum(says_yes(population[i]) for i in inside))
    yield "share", f"PPI++, drawn: {name}", found.ppi.estimate, truth
    yield "share", f"labelled only, drawn: {name}", found.labelled_only.estimate, truth
    yield "share", f"Rogan-Gladen, drawn: {name}", found.rogan_gladen.estimate, truth


def numbers(rng: random.Random) -> Iterator[tuple[str, str, Estimate]]:
    """Labels and answers that share a part by case; normal, so that the truth is known."""
    label, answer, cases = [], [], []
    for case in range(N_CASES):
        shared, error = rng.gauss(0, 1), rng.gauss(0, 0.5)
        for _ in TYPES:
            label.append(shared + rng.gauss(0, 1))
            answer.append(label[-1] + error + rng.gauss(0, 0.5))
            cases.append(case)
    found = amounts(label, answer, cases)
    yield "mean_absolute_error", "linearised", found.mean_absolute_error
    yield "bias", "linearised", found.bias
    yield "pearson", "linearised", found.pearson


NUMBERS = {
    "mean_absolute_error": (0.5 * 2 / 3.141592653589793) ** 0.5,
    "bias": 0.0,
    "pearson": 2 / (2 * 2.5) ** 0.5,
}
# Wilson's interval takes narratives as independent, and the naive share is biased: both are shown
# to fall short, which is why the others exist. Rogan-Gladen from some 45 labelled yes errs to the
# other side: its intervals are wider than they need be.
NOT_PROMISED = (
    "wilson",
    "naive",
    "Rogan-Gladen, drawn: random, one type",
    "Rogan-Gladen, drawn: confidence, one type",
)


def main(n_studies: int = 1000) -> int:
    """Print the coverage of every interval; 0 if each that is promised covers 93 to 97 %."""
    rng, truth = random.Random(20240229), truths() | NUMBERS
    held, made, widths = Counter(), Counter(), Counter()
    for _ in range(n_studies):
        for name, how, estimate, *true in (
            *figures(rng),
            *shares(rng),
            *numbers(rng),
            *designs(rng),
        ):
            if estimate.interval is None:
                continue
            low, high = estimate.interval
            made[name, how] += 1
            held[name, how] += low <= (true[0] if true else truth[name]) <= high
            widths[name, how] += high - low
    failed = 0
    for (name, how), n in made.items():
        share = held[name, how] / n
        promised = not how.startswith(NOT_PROMISED)
        bad = promised and not (LOWEST <= share <= HIGHEST and n == n_studies)
        failed += bad
        mark = "FAILED" if bad else "" if promised else "not promised"
        print(
            f"{name:20} {how:45} truth {truth[name]:.3f}  covered {share:.3f} of {n:,}"
            f"  width {widths[name, how] / n:.3f}  {mark}"
        )
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
