"""How narratives were drawn to be labelled, in words."""

from overnight.store.samples import Sample


def drawn_sentence(sample: Sample) -> str:
    """How many of how many, and how; without its full stop."""
    return (
        f"Sample {sample.sample_id}: {sample.n:,} of {sample.n_frame:,} narratives without a "
        f"label that can be compared, {how_drawn(sample)}"
    )


def drawn_words(sample: Sample) -> str:
    """The same for a paper, whose reader knows no numbers of samples; with its seed."""
    return (
        f"{sample.n:,} of {sample.n_frame:,} narratives without a label that can be compared, "
        f"{how_drawn(sample)} (seed {sample.seed})"
    )


def how_drawn(sample: Sample) -> str:
    """By which design."""
    if sample.design == "stratum":
        return f"at random within each answer and {sample.stratum_column or 'narrative type'}"
    if sample.design == "confidence":
        return "with larger probabilities where the machine is unsure"
    return "at random"
