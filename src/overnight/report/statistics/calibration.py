"""Whether a confidence of 0.8 means right in 80 of 100."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overnight.report.statistics.estimate import (
    Estimate,
    Proportion,
    linearised,
    spread_of_sums,
    unmeasured,
    wilson,
)
from overnight.report.statistics.ranking import sums_by_case

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with a confidence in [low, high); the last bin holds 1 too."""

    low: float
    high: float
    confidence: float  # mean
    right: Proportion


@dataclass(frozen=True, slots=True)
class Calibration:
    """Confidence against being right.

    `brier`: mean squared distance between the confidence and being right (1 or 0); for yes and
    no the same as Brier's (1950) between the probability of yes and the label. `expected_error`:
    the mean distance between confidence and share of right answers over the bins, weighted by
    their sizes (ECE); it is biased upwards where bins are small, and has no interval.
    """

    brier: Estimate
    expected_error: float | None
    overconfidence: float | None  # mean confidence minus share of right answers
    bins: tuple[Bin, ...]  # only those with answers


def calibrate(
    confidences: Sequence[float], right: Sequence[int], cases: Sequence[int]
) -> Calibration:
    """Confidences of 0..1, whether each answer was right (1 or 0), and its case (ascending)."""
    n = len(confidences)
    if not n:
        return Calibration(unmeasured(None, 0), None, None, ())
    bins = tuple(_bins(confidences, right))
    return Calibration(
        brier=_brier(confidences, right, cases),
        expected_error=sum(b.right.n * abs(b.confidence - b.right.value) for b in bins) / n,
        overconfidence=(sum(confidences) - sum(right)) / n,
        bins=bins,
    )


def _brier(confidences: Sequence[float], right: Sequence[int], cases: Sequence[int]) -> Estimate:
    n = len(confidences)
    value = sum((c - r) ** 2 for c, r in zip(confidences, right, strict=True)) / n
    influences = (((c - r) ** 2 - value) / n for c, r in zip(confidences, right, strict=True))
    variance = spread_of_sums(sums_by_case(cases, influences))
    return linearised(value, variance, n, logit=True)


def _bins(confidences: Sequence[float], right: Sequence[int]) -> Iterator[Bin]:
    counts, hits, sums = [0] * BINS, [0] * BINS, [0.0] * BINS
    for confidence, hit in zip(confidences, right, strict=True):
        # 0.3 * 10 is 3.0000000000000004 and 0.29 * 100 is 28.999999999999996: round before cutting
        place = min(int(round(confidence * BINS, 9)), BINS - 1)
        counts[place] += 1
        hits[place] += hit
        sums[place] += confidence
    for place, n in enumerate(counts):
        ends = wilson(hits[place], n)
        if ends is not None:
            yield Bin(
                low=place / BINS,
                high=(place + 1) / BINS,
                confidence=sums[place] / n,
                right=Proportion(hits[place] / n, *ends, hits[place], n),
            )
