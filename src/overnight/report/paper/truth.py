"""The share of yes in truth, as `prevalence` estimates it, with what each estimate assumes."""

from collections.abc import Iterator

from overnight.report.evaluation_table import shown, with_interval
from overnight.report.paper.document import Block, Heading, Paragraph, Sentences, Table
from overnight.report.paper.facts import Facts
from overnight.report.shares import TITLES, Shares, caution
from overnight.report.shares_table import shares_table


def share_in_truth(facts: Facts) -> Iterator[Block]:
    """Only the estimates that may be given for all narratives; what cannot be claimed is said."""
    found = facts.shares
    if found is None:
        return
    types = found.by_type if len(found.by_type) > 1 else {}
    columns = {"all": found.overall, **types}
    names = found.claimed
    yield Heading("Share of yes in truth", 3)
    yield Table(shares_table(columns, names))
    yield Paragraph(found.to_quote_sentence)
    yield Sentences([f"{TITLES[name]}: assumes that {found.assumes[name]}" for name in names])
    said = [*found.claims, facts.shares_note, caution(found.overall) if found.to_quote else None]
    yield Paragraph(" ".join(filter(None, said)))
    yield Paragraph(
        f"In brackets: 95 % intervals, {found.intervals}. All but the naive share count a "
        "narrative without an answer as no, and correct for it."
    )


def corrected_share(facts: Facts) -> Iterator[str]:
    """For the methods section: the share, how the labelled were chosen, and what it assumes."""
    found = facts.shares
    if found is None or found.to_quote is None:
        return
    share = with_interval(getattr(found.overall, found.to_quote).estimate)
    yield (
        f"The share of yes among all narratives was {with_interval(found.overall.naive.estimate)} "
        f"of the answers and, corrected by the labels, {share} ({TITLES[found.to_quote]})."
    )
    yield _assumption(found, "rules" if facts.row["model_provider"] == "rules" else "model")


def _assumption(found: Shares, machine: str) -> str:
    """What the share to quote rests on."""
    if found.labels == "drawn":
        how = "were drawn with known probabilities"
        if any(one.problem is None and one.n_labelled < one.sample.n for one in found.samples):
            how += ", and that those drawn and not labelled are like them"
    elif found.labels == "all":
        how = "are all narratives"
    else:
        within = " within each narrative type" if found.labels == "within-type" else ""
        how = f"are a random sample{within}"
    model = (
        f"it assumes nothing about the accuracy of the {machine}"
        if found.to_quote == "ppi"
        else f"the answers of the {machine} are not used"
    )
    return f"This assumes only that the labelled narratives {how}; {model}."


def share_of_yes(facts: Facts) -> str | None:
    """What the plain share of yes answers is worth."""
    scores = facts.labelled
    yes, no = scores.n_positive_detected, scores.n_negative_detected
    if yes is None or no is None or not yes + no:
        return None
    return (
        f"{yes:,} of {yes + no:,} answers are yes ({yes / (yes + no):.1%}). That is no estimate of "
        "how many are so in truth: false positives and false negatives shift it. "
        + _corrected(facts.shares)
    )


def _corrected(shares: Shares | None) -> str:
    if shares is None or shares.to_quote is None:
        return (
            "Nothing here corrects it: that takes labels of narratives that were chosen at random "
            "(overnight sample)."
        )
    title, share = TITLES[shares.to_quote], getattr(shares.overall, shares.to_quote)
    return (
        f"Corrected by the labels, the share among all narratives is {shown(share.estimate)} "
        f"({title}), see above."
    )
