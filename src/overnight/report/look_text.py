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
    which = "test part alone" if part == "test" else "development part, without the test part"
    return f"Of the {which} ({split})."


def part_sentence(part: str, split: Split | None) -> str | None:
    """The same for whoever types the commands: how to see the rest."""
    said = part_in_words(part, split)
    if said is None or part == "test":
        return said
    return f"{said[:-1]}; --final shows that one, once, at the end."


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


def look_sentences(look: Look | None, n_odd: int = 0) -> Iterator[str]:
    """How many configurations were measured on these labels; nothing where none is counted.

    `n_odd` of the labels cannot be compared: figures beside these sentences do not count them.
    """
    if look is None:
        return
    is_test, others = look.part == "test", look.n_configurations - 1
    if not is_test or others:
        yield f"{_place(look, n_odd)}{'' if is_test else _split_otherwise(look)}{_warning(look)}."
    if is_test and look.seen_before:
        yield _untouched_no_more(look)


def measured_on(look: Look | None, n_odd: int = 0) -> Iterator[str]:
    """The same for a paper, where one configuration is not worth a sentence.

    Of the test part always: when it was first looked at, and with what; nobody is named.
    """
    if look is None:
        return
    if look.part == "test":
        first = "this configuration" if look.ordinal == 1 else "another configuration"
        changed = "; labels of it have changed since" if look.labels_changed else ""
        yield (
            f"The test part was first looked at on {look.first_at:%Y-%m-%d %H:%M} UTC, with "
            f"{first} (experiment {look.first_experiment}){changed}."
        )
    if look.n_configurations > 1:
        place = _place(look, n_odd)
        yield f"This was the {place[0].lower()}{place[1:]}."
    if look.part == "test" and look.seen_before:
        yield _untouched_no_more(look)


def _untouched_no_more(look: Look) -> str:
    n = look.seen_before
    were = "1 configuration was" if n == 1 else f"{n:,} configurations were"
    return (
        f"Before this part was set apart, {were} measured on labels of the same file: it is "
        "not untouched."
    )


def _place(look: Look, n_odd: int) -> str:
    """Which configuration this is, measured on what."""
    which = "First" if look.ordinal == 1 else ordinal(look.ordinal)
    later = f", {look.n_later:,} more since" if look.n_later else ""
    if look.labels_changed:
        changed = _changed(look, n_odd)
        return f"{which} configuration measured on labels of {_whose(look)}{later}{changed}"
    if look.part == "test":
        return f"{which} configuration measured on the labels of the test part{later}"
    return f"{which} configuration measured on these labels ({_n_labels(look, n_odd)}){later}"


def _whose(look: Look) -> str:
    return "the test part" if look.part == "test" else "this data"


def _n_labels(look: Look, n_odd: int) -> str:
    return f"{look.n_labels:,}" + (f", of them {n_odd:,} that cannot be compared" if n_odd else "")


def _changed(look: Look, n_odd: int) -> str:
    since = "it was first measured" if look.n_configurations == 1 else "the first was measured"
    return f" (the labels, now {_n_labels(look, n_odd)}, have changed since {since})"


def _split_otherwise(look: Look) -> str:
    n = look.seen_before
    return f", and {n:,} earlier on the file's labels split otherwise" if n else ""


def _warning(look: Look) -> str:
    several = look.n_configurations > 1 or (look.part != "test" and look.seen_before)
    return "; the best of several looks better than it is" if several else ""


def first_look_sentence(look: Look, *, is_new: bool) -> str:
    """Whether this is the first look at the test part; else when that was, and whose."""
    if is_new and look.is_first:
        return f"The first look at the test part ({look.n_labels:,} labels); it is on record now."
    return (
        f"NO LONGER A FIRST LOOK: the test part was first looked at on "
        f"{look.first_at.astimezone():%Y-%m-%d %H:%M} by {look.first_by} "
        f"({look.first_experiment[:8]})."
    )
