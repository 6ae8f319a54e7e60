"""What a reader of figures must know of the labels: what is left out, and how often seen."""

from collections.abc import Iterator

from overnight.domain.split import Split
from overnight.store.looks import Look


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    teens = (11, 12, 13)
    ending = "th" if n % 100 in teens else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def part_in_words(part: str, split: Split | None) -> str | None:
    """Of which narratives the figures are, where not of all: a sentence for readers."""
    if split is None:
        return None
    which = "The test part alone" if part == "test" else "Without the test part"
    return f"{which} ({split})."


def part_sentence(part: str, split: Split | None) -> str | None:
    """The same for whoever types the commands: how to see the rest."""
    said = part_in_words(part, split)
    if said is None or part == "test":
        return said
    return f"{said[:-1]}; metrics --final shows it, once, at the end."


def labels_sentence(split: Split | None, *, drawn: bool) -> str | None:
    """What becomes of the labels of the test part where a share is estimated."""
    if split is None:
        return None
    if not drawn:
        return f"The labels of the test part ({split}) are not used."
    return (
        f"The labels of the test part ({split}) are used, too: only the whole of what was drawn "
        "speaks for all narratives. How often the answers are right there is not shown."
    )


def look_sentences(look: Look | None) -> Iterator[str]:
    """How many configurations were measured on these labels; nothing where none is counted."""
    if look is None:
        return
    which = "First" if look.ordinal == 1 else ordinal(look.ordinal)
    others = look.ordinal - 1
    if look.part != "test":
        others += look.seen_before
        warning = "; the best of several looks better than it is" if others else ""
        split = f", and {look.seen_before:,} earlier on the file's labels split otherwise"
        also = split if look.seen_before else ""
        yield f"{which} configuration measured on these labels ({look.n_labels:,}){also}{warning}."
        return
    if others:
        yield f"{which} configuration measured on the labels of the test part."
    if look.seen_before:
        n = look.seen_before
        were = "1 configuration was" if n == 1 else f"{n:,} configurations were"
        yield (
            f"Before this part was set apart, {were} measured on labels of the same file: it is "
            "not untouched."
        )


def first_look_sentence(look: Look, *, is_new: bool) -> str:
    """Whether this is the first look at the test part; else when that was, and whose."""
    if is_new and look.is_first:
        return f"The first look at the test part ({look.n_labels:,} labels); it is on record now."
    return (
        f"NO LONGER A FIRST LOOK: the test part was first looked at on "
        f"{look.first_at.astimezone():%Y-%m-%d %H:%M} by {look.first_by} "
        f"({look.first_experiment[:8]})."
    )
