"""Comparisons and shares, for people and for programs."""

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from rich.console import Console

from overnight.cli.screen import console, show_json, table
from overnight.cli.show_metrics import by_json, heads, look_json, show_groups, show_section, so_far
from overnight.commands.compare import Compared, Side, Versus
from overnight.commands.prevalence import Estimated
from overnight.domain.narrative import as_binary
from overnight.report.comparison import Comparison, Differing
from overnight.report.evaluation_table import agreement_rows, figure_rows, p_value, shown
from overnight.report.look_text import labels_sentence, look_sentences, part_sentence
from overnight.report.metrics import metrics_json
from overnight.report.plain import evaluation_json, plain
from overnight.report.shares import (
    ADVICE,
    TITLES,
    caution,
    groups_json,
    shares_json,
)
from overnight.report.shares_table import groups_table, shares_table
from overnight.report.table import confusion_rows, count_rows

_LONGEST_VALUE = 60
_SHOWN_BEFORE = 20  # characters that long values share, before the first that differs


def show_comparison(found: Compared, *, as_json: bool) -> None:
    """Several experiments side by side, then each pair."""
    if as_json:
        show_json(
            {
                "experiments": [_side_json(side) for side in found.sides],
                "differences": found.differences,
                "pairs": [_versus_json(pair) for pair in found.pairs],
            }
        )
        return
    out = console()
    head = ["", *(_name(side) for side in found.sides)]
    told = [[name, *_values(found.differences[name])] for name in found.shaping]
    if told:
        show_section(out, "What they were told differently", [head, *told])
    else:
        out.print("They were told the same.")
    others = [n for n in found.differences if n not in found.shaping]
    rows = [[name, *_values(found.differences[name])] for name in others]
    if rows:
        show_section(out, "Other settings that differ", [head, *rows])
    show_section(out, "Figures", [head, *_figures(found.sides)])
    for side in found.sides:
        _show_labels(out, side)
    for pair in found.pairs:
        _show_versus(out, pair)
    out.print(
        "\nIn brackets: 95 % intervals; Wilson for proportions, resampled or summed by case "
        "otherwise. McNemar's test takes narratives as independent; the interval of the "
        "difference does not.",
        style="dim",
    )


def _show_labels(out: Console, side: Side) -> None:
    """What the figures of one side leave out, and how often their labels were looked at."""
    looks = look_sentences(side.looked.look, side.metrics.overall.odd_labels)
    said = [part_sentence("develop", side.split), *looks]
    if side.looked.uncounted:
        said.append(f"This look at the labels could not be counted: {side.looked.uncounted}.")
    for sentence in filter(None, said):
        out.print(f"{_name(side)}: {sentence}", style="yellow", soft_wrap=True)


def _name(side: Side) -> str:
    return f"{side.experiment.experiment_id[:8]} {side.experiment.name}"


def _values(values: Sequence[object]) -> list[str]:
    """Cells of one setting; long ones begin shortly before they first differ."""
    lines = [_line(value) for value in values]
    same = takewhile(lambda chars: len(set(chars)) == 1, zip(*lines, strict=False))
    shared = len(list(same))
    is_hidden = shared >= _LONGEST_VALUE // 2 and any(len(one) > _LONGEST_VALUE for one in lines)
    begin = shared - _SHOWN_BEFORE if is_hidden else 0
    return [_cut(("…" if begin else "") + one[begin:]) for one in lines]


def _line(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"


def _figures(sides: Sequence[Side]) -> list[list[str]]:
    scores = [side.metrics.overall for side in sides]
    boolean = any(side.metrics.kind == "boolean" for side in sides)
    return [
        *count_rows(scores),
        *figure_rows([side.evaluation.overall for side in sides]),
        *(confusion_rows(scores) if boolean else []),
    ]


def _show_versus(out: Console, pair: Versus) -> None:
    out.print(f"\n{pair.first[:8]} (first) against {pair.second[:8]} (second)", style="bold")
    if pair.comparison is None:
        out.print("They ask different things: their answers do not compare.")
        return
    out.print(table([["", ""], *_versus_rows(pair.comparison, pair.p_holm)]))
    show_differing(out, pair.comparison)


def _versus_rows(found: Comparison, p_holm: float | None) -> list[list[str]]:
    asked = [
        ("answered by both", found.paired),
        ("an error in at least one", found.unanswered),
        ("only the first was asked", found.only_first),
        ("only the second was asked", found.only_second),
        ("the texts differ", found.texts_differ),
    ]
    rows = [[name, f"{n:,}"] for name, n in asked if n or name == "answered by both"]
    rows += agreement_rows([found.agreement])[1:] if found.agreement else []
    if not found.agreement:
        rows.append(["equal", shown(found.same)])
    if not found.measured:
        return [*rows, ["right", "n/a (no labelled narratives)"]]
    test = found.mcnemar
    adjusted = "" if p_holm is None or p_holm == test.p else f" (for all pairs: {p_value(p_holm)})"
    return [
        *rows,
        ["labelled", f"{found.measured:,}"],
        ["only the first / only the second right", f"{test.only_first:,} / {test.only_second:,}"],
        ["accuracy, first minus second", shown(found.accuracy_difference)],
        [f"McNemar, {test.how}", p_value(test.p) + adjusted],
    ]


def show_differing(out: Console, found: Comparison) -> None:
    """The narratives that were answered differently, as far as they are listed."""
    n = found.n_differing
    if not found.differing:
        return
    out.print(f"\n{n:,} answered differently:")
    head = ["row", "incident", "type", "label", "first", "second"]
    rows = [_differing_row(one, found.kind) for one in found.differing]
    out.print(table([head, *rows], right=False))
    for one in found.differing:
        if one.text is not None:
            out.print(f"\nrow {one.row_num:,}", style="bold")
            out.print(one.text)
    if len(found.differing) < n:
        out.print(f"\nThe first {len(found.differing):,}; all of them: --limit 0")


def _differing_row(one: Differing, kind: str) -> list[str]:
    said = [_as_said(value, kind) for value in (one.label, one.first, one.second)]
    return [f"{one.row_num:,}", one.incident_id, one.narrative_type, *said]


def _as_said(value: str | None, kind: str) -> str:
    """A label or an answer; of a yes or no always in the same words."""
    flag = as_binary(value) if kind == "boolean" else None
    return (value or "") if flag is None else ("no", "yes")[flag]


def show_disagreements(found: Versus, *, as_json: bool) -> None:
    """Only the narratives."""
    comparison = found.comparison
    if as_json:
        show_json([plain(one) for one in comparison.differing] if comparison else [])
    elif comparison is None or not comparison.differing:
        console().print("No narrative was answered differently.")
    else:
        show_differing(console(), comparison)


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "experiment_id": side.experiment.experiment_id,
        "experiment_name": side.experiment.name,
        "status": side.experiment.status,
        "look": look_json(side.looked),
        **metrics_json(side.metrics),
        "evaluation": evaluation_json(side.evaluation),
    }


def _versus_json(pair: Versus) -> dict[str, Any]:
    comparison = plain(pair.comparison)
    return {
        "first": pair.first,
        "second": pair.second,
        **(comparison if isinstance(comparison, dict) else {"comparable": False}),
        "p_holm": pair.p_holm,
    }


def show_shares(found: Estimated, *, by_type: bool, as_json: bool) -> None:
    """The share of yes by every estimator, and what each assumes."""
    c, experiment = found.counts, found.experiment
    if as_json:
        show_json(
            {
                "experiment_id": experiment.experiment_id,
                "experiment_name": experiment.name,
                "status": experiment.status,
                "total": c.total,
                "remaining": c.remaining,
                "split": None if found.split is None else dataclasses.asdict(found.split),
                "test_labels_used": None if found.split is None else found.is_drawn,
                **shares_json(found.shares),
                **(
                    {} if found.by is None else {"by": by_json(found.by, groups_json(found.shares))}
                ),
            }
        )
        return
    out = console()
    out.print(experiment.name, style="bold")
    if c.remaining:
        out.print(so_far(c, in_random_order=experiment.order is not None), style="yellow")
    _show_estimates(out, found, by_type=by_type)
    _show_claims(out, found)


def _show_estimates(out: Console, found: Estimated, *, by_type: bool) -> None:
    """Every estimate, the one to quote marked, and what each assumes."""
    shares = found.shares
    what = "yes" if shares.of is None else shares.of
    columns = {"all": shares.overall, **(shares.by_type if by_type else {})}
    show_section(out, f"Share of {what} among narratives", shares_table(columns))
    out.print(shares.to_quote_sentence, style="bold")
    rows = [["", ""], *([title, shares.assumes[name]] for name, title in TITLES.items())]
    out.print("\nWhat each assumes", style="bold")
    out.print(table(rows, right=False))
    if found.by is not None:
        named = zip(heads(found.by.values), shares.by_value.values(), strict=True)
        table_of = partial(groups_table, to_quote=shares.to_quote)
        show_groups(out, found.by, dict(named), table_of)
        out.print(
            "Intervals of groups with few labels are rough, and none is adjusted for the number of "
            "groups. Every estimate of each group: --json.",
            style="dim",
        )


def _show_claims(out: Console, found: Estimated) -> None:
    """What may be claimed, and what must be known to read the brackets."""
    out.print()
    said = [
        *found.shares.claims,
        ADVICE if found.shares.labels == "unknown" else None,
        labels_sentence(found.split, drawn=found.is_drawn),
        caution(found.shares.overall),
    ]
    for sentence in filter(None, said):
        out.print(sentence, style="yellow")
    out.print(
        f"In brackets: 95 % intervals, {found.shares.intervals}. All but the naive share count a "
        "narrative without an answer as no, labelled or not, and correct for it.",
        style="dim",
    )
