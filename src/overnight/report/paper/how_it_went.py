"""The second part of a report: throughput, calls, errors, repairs."""

from collections.abc import Iterator

from overnight.domain.cost import Price
from overnight.report.paper.course import Course, course_picture, course_table
from overnight.report.paper.document import Block, Caption, Heading, Paragraph, Plot, Table
from overnight.report.paper.facts import Facts, counted
from overnight.report.table import Row
from overnight.words import duration, money, percent, rate_text


def how_it_went(facts: Facts) -> Iterator[Block]:
    """What the calls amounted to, over time and in all."""
    counts = facts.counts
    yield Heading("How it went")
    yield Paragraph(
        f"{counts.completed:,} of {counts.total:,} narratives have a result "
        f"({percent(counts.completed, counts.total)}): {counts.answered:,} answered, "
        f"{counted(counts.errors, 'error')}."
        + (f" {counts.remaining:,} have not been asked." if counts.remaining else "")
        + _copied(facts)
    )
    yield from _over_time(facts)
    yield Table([["calls", "n"], *_call_rows(facts)], "Calls")
    if facts.status.view.summary.errors:
        rows = [[name, f"{n:,}"] for name, n in facts.status.view.summary.errors.items()]
        yield Table([["category", "narratives"], *rows], "Narratives without an answer")
    yield from _tokens(facts)
    if facts.metrics.repaired:
        rows = [[name, f"{n:,}"] for name, n in facts.metrics.repaired.items()]
        yield Table([["repair", "replies"], *rows], "Replies that were mended before reading")
        yield Paragraph(
            f"A reply may have needed several{facts.of_part}; what cannot be mended is an error."
        )
    elif counts.answered:
        yield Paragraph(f"No reply had to be mended before it could be read{facts.of_part}.")


def _copied(facts: Facts) -> str:
    n = facts.counts.copied
    source = facts.row["reuse_of"]
    return (
        f" {n:,} of the answers were copied from {source}: the same request, no call." if n else ""
    )


def _over_time(facts: Facts) -> Iterator[Block]:
    found = facts.course
    if not found.n:
        return
    caption = Caption("throughput", "Throughput", _note(facts), _marks(found))
    yield Plot(caption, course_picture(caption, found), course_table(found))


def _note(facts: Facts) -> str:
    found = facts.course
    mean = rate_text(found.n / found.seconds)
    said = f"Results by the time at which they came; {mean} over {duration(found.seconds)}."
    if facts.totals.n_repeated:
        said += " A narrative that was asked again counts at its last result."
    return said


def _marks(found: Course) -> str:
    stretches, said = found.stretches, []
    if len(stretches) > 1:
        said.append("A dashed line: a session ended and the next went on; what lay between is cut.")
    if any(stretch.session.ended_how == "crashed" for stretch in stretches):
        said.append("A cross: it crashed.")
    if any(stretch.pauses for stretch in stretches):
        said.append("Hatched: paused, the server gave no answers.")
    if any(stretch.limits for stretch in stretches):
        said.append("Below: how many calls at once were found to be right; a dot where it changed.")
    return " ".join(said)


def _call_rows(facts: Facts) -> list[Row]:
    failed = [calls for calls in facts.failed_calls if calls.status == "failed"]
    n_failed, totals = facts.called("failed"), facts.totals
    rows = [
        ["made, in all sessions", f"{facts.n_calls:,}"],
        ["answered", f"{facts.n_answered_calls:,}"],
        ["failed: no answer, or none that could be read", f"{n_failed:,}"],
        *([f"... of them {c.error_category or 'of no category'}", f"{c.n:,}"] for c in failed),
        ["lost in an interruption, perhaps paid for", f"{facts.called('lost'):,}"],
        ["under way", f"{facts.called('open'):,}"],
        ["narratives asked more than once", f"{totals.n_repeated:,}"],
        ["most calls for one narrative", f"{totals.most_calls:,}"],
    ]
    if totals.mean_sec is not None:
        rows.append(["mean time of a call that gave the result", _seconds(totals.mean_sec)])
    return rows


def _seconds(mean: float) -> str:
    if mean >= 1:
        return duration(mean)
    return f"{mean * 1000:.0f} ms" if mean >= 0.01 else f"{mean * 1000:.2g} ms"  # noqa: PLR2004 - two digits


def _tokens(facts: Facts) -> Iterator[Block]:
    usage = facts.status.usage
    price = usage.price
    if not facts.n_calls:
        return
    if not any(usage.total):
        unknown = " So their cost is not known." if price else ""
        yield Paragraph(f"The server reported no tokens.{unknown}")
        return
    used = {"of calls that were answered": usage.answered, "of calls that were not": usage.in_vain}
    caption = "Tokens, as the server counted"
    if price is None:
        rows = [[name, f"{of.prompt:,}", f"{of.completion:,}"] for name, of in used.items()]
        yield Table([["tokens", "in", "out"], *rows], caption)
        yield Paragraph(
            "No cost is given, since the experiment file holds no price (model.price, which may be "
            "added at any time)."
        )
        return
    used["in all"] = usage.total
    rows = [
        [name, f"{of.prompt:,}", f"{of.completion:,}", money(price.of(of), price.currency)]
        for name, of in used.items()
    ]
    yield Table([["tokens", "in", "out", "cost"], *rows], f"{caption}, and what they cost")
    yield Paragraph(" ".join(_cost_notes(facts, price)))


def _cost_notes(facts: Facts, price: Price) -> Iterator[str]:
    """What the cost is of, and what it leaves out."""
    usage, n_lost = facts.status.usage, facts.called("lost")
    yield (
        f"At {price.input:.12g} {price.currency} for a million tokens in and {price.output:.12g} "
        f"{price.currency} for a million out (model.price), without discounts for cached or "
        "batched input, which are not known."
    )
    if usage.gap:
        yield f"It is {usage.gap}."
    n_silent = facts.called("failed") - usage.in_vain.n_calls
    unknown = [
        f"{counted(n_lost, 'lost call')}" if n_lost else "",
        f"{counted(n_silent, 'call')} that failed without tokens being reported"
        if n_silent
        else "",
    ]
    if any(unknown):
        yield f"{' and '.join(filter(None, unknown))} may have been paid for and are not counted."
    if facts.counts.copied:
        yield "Copied answers cost nothing."
    if facts.retest is not None:
        yield "Repetitions are experiments of their own, and so is their cost."
