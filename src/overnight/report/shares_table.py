"""The estimates of a share as rows of text: the first row is the head, the first cell the name."""

from collections.abc import Mapping, Sequence

from overnight.report.evaluation_table import shown
from overnight.report.shares import TITLES
from overnight.report.statistics.prevalence import Prevalence, Share
from overnight.report.table import Row


def shares_table(
    columns: Mapping[str, Prevalence], names: Sequence[str] = tuple(TITLES)
) -> list[Row]:
    """A column for each of some groups of narratives, by their heads; a row for each estimate."""
    groups = list(columns.values())
    return [
        ["", *columns],
        ["narratives asked", *(f"{one.n:,}" for one in groups)],
        ["labelled", *(f"{one.n_labelled:,}" for one in groups)],
        ["labelled yes", *(f"{one.n_labelled_yes:,}" for one in groups)],
        *(_errors(groups)[:1]),
        *([TITLES[name], *(_cell(getattr(one, name)) for one in groups)] for name in names),
        *(_errors(groups)[1:]),
    ]


def _errors(groups: Sequence[Prevalence]) -> list[Row]:
    """How many have no answer, and what they could do to the naive share; nothing where all do."""
    if not any(one.n_errors for one in groups):
        return []
    return [
        ["without an answer", *(f"{one.n_errors:,}" for one in groups)],
        ["naive, if errors were all no / yes", *(_bounds(one) for one in groups)],
    ]


def groups_table(
    column: str, groups: Mapping[str, Prevalence], to_quote: str | None = None
) -> list[Row]:
    """A row for each value of a column: the naive share, and the one that corrects it."""
    other = to_quote or "ppi"
    return [
        [column, "asked", "labelled", "labelled yes", "naive", TITLES[other]],
        *(
            [
                name,
                f"{one.n:,}",
                f"{one.n_labelled:,}",
                f"{one.n_labelled_yes:,}",
                shown(one.naive.estimate),
                shown(getattr(one, other).estimate),
            ]
            for name, one in groups.items()
        ),
    ]


def _cell(share: Share) -> str:
    if share.problem:
        return f"n/a ({share.problem})"
    return shown(share.estimate) + (" (set to the end)" if share.clipped else "")


def _bounds(found: Prevalence) -> str:
    return f"{found.bounds[0]:.3f} / {found.bounds[1]:.3f}" if found.bounds else "n/a"
