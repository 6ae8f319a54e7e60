"""How the labelled narratives were chosen: whom the figures are about depends on it."""

from collections.abc import Iterator

from overnight.report.drawn_text import drawn_sentence, drawn_words
from overnight.report.paper.facts import Facts
from overnight.store.samples import Sample

_FILE_SAYS = {
    "unknown": "How they were chosen is not on record: the figures hold for all narratives only if "
    "the labelled ones are a random sample of them.",
    "random": "The experiment file says that they are a random sample: then the figures hold for "
    "all narratives, within their intervals.",
    "all": "The experiment file says that the data label all narratives: those without a label "
    "that can be compared may differ.",
}
_OTHERS = {
    "unknown": "how these were chosen is not on record",
    "random": "the experiment file says that these were chosen at random",
    "all": "the experiment file says that the data label all narratives",
}
_WHOM = {
    "all": "all narratives",
    "develop": "all narratives but those set apart",
    "test": "the narratives set apart",
}


def choice_of_labels(facts: Facts) -> str | None:
    """How many have a label, how they came to it, and what follows for the figures."""
    scores, drawn = facts.labelled, facts.drawn
    if not scores.labelled:
        return None
    if scores.labelled == scores.answered:
        return (
            f"All {scores.answered:,} answered narratives have a label: the figures describe these "
            "narratives, and others only so far as they are alike."
        )
    said = [
        f"{scores.labelled:,} of {scores.answered:,} answered narratives have a label that can be "
        "compared."
    ]
    samples = [one for one in drawn.samples if one[2]]
    if not samples:
        return " ".join([*said, _FILE_SAYS[facts.label_design]])
    said += [_account(*one) for one in samples]
    if drawn.n_other:
        have = "other has a label" if drawn.n_other == 1 else "others have labels"
        said.append(f"{drawn.n_other:,} {have}; {_OTHERS[facts.label_design]}.")
    return " ".join([*said, *_conclusion(facts)])


def _account(sample: Sample, n: int, n_labelled: int) -> str:
    """Of a sample, `n` of which are among the narratives that the figures are of."""
    if n < sample.n:
        return (
            f"{drawn_sentence(sample)}; {n:,} of them are among the narratives that these figures "
            f"are of, {n_labelled:,} of these are labelled."
        )
    return f"{drawn_sentence(sample)}; {n_labelled:,} are labelled so far."


def _conclusion(facts: Facts) -> list[str]:
    if facts.drawn.n_unequal:
        return [
            "The figures here do not weigh unequal probabilities: they are of the labelled, not of "
            "all narratives. The share of yes among all, weighed: overnight prevalence."
        ]
    if _is_random_sample(facts):
        return [
            f"So the labelled are a random sample of {_WHOM[facts.part_name]}: the figures hold "
            "for these, within their intervals."
        ]
    if any(0 < n_labelled < n for _, n, n_labelled in facts.drawn.samples):
        return ["While a part of a sample has no label, the labelled may differ from the rest."]
    return []


def _is_random_sample(facts: Facts) -> bool:
    """Whether all labels come from random samples, each of all that the earlier ones had left."""
    left = facts.status.dataset.n_narratives
    for sample, n, n_labelled in facts.drawn.samples:
        if sample.design != "random" or n_labelled < n or sample.n_frame != left:
            return False
        left -= sample.n
    return not facts.drawn.n_other


def drawn_sentences(facts: Facts, design: str) -> Iterator[str]:
    """The samples that labels come from; `design` says how the other ones came about."""
    drawn = facts.drawn
    if not drawn.n_labelled:
        return
    used = [one for one in drawn.samples if one[2]]
    for i, one in enumerate(used, start=1):
        number = f"Sample {i}: " if len(used) > 1 else ""
        yield f"{number}{_drawn(*one)}."
    if drawn.n_other:
        have = "other has a label" if drawn.n_other == 1 else "others have labels"
        yield f"{drawn.n_other:,} {have}{design}."
    if drawn.n_unequal:
        yield (
            "The figures are of the labelled, which were drawn with unequal probabilities and are "
            "not weighed by them."
        )


def _drawn(sample: Sample, n: int, n_labelled: int) -> str:
    """A sample, for a paper: `n` of it are among the narratives that the figures are of."""
    those = "them" if n == sample.n else f"the {n:,} of them that the figures are of"
    said = f"{drawn_words(sample)}, were drawn to be labelled; "
    if n_labelled == n:
        return f"{said}all of {those} were labelled"
    return (
        f"{said}{n_labelled:,} of {those if n < sample.n else f'{n:,}'} were labelled; that these "
        "are like the others the design does not warrant"
    )


def samples_json(facts: Facts) -> list[dict[str, object]]:
    """Each sample, and how many of the measured narratives in it are labelled."""
    return [
        {
            "sample_id": sample.sample_id,
            "design": sample.design,
            "stratum_column": sample.stratum_column,
            "seed": sample.seed,
            "n": sample.n,
            "n_frame": sample.n_frame,
            "n_labelled": n_labelled,
        }
        for sample, _, n_labelled in facts.drawn.samples
    ]
