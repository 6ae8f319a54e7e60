"""A document as Markdown: tables in place of plots."""

import re
from collections.abc import Iterator, Sequence

from overnight.report.paper.document import (
    Block,
    Document,
    Heading,
    Paragraph,
    Plot,
    Sentences,
    Table,
    Verbatim,
)
from overnight.report.paper.markup import fit
from overnight.report.table import Row

# Every sign that could begin markup, HTML or a link in some dialect of Markdown.
_SIGNS = re.compile(r"([\\`*_\[\]<>#|~&!$])")
_STARTS = re.compile(r"^(\d*)([-+=:]|[.)](?=\s|$))")
_TICKS = re.compile(r"`+")


def markdown(document: Document) -> Iterator[str]:
    """The file, a block at a time."""
    yield f"# {_plain(document.title)}\n"
    for block in document.blocks:
        if not (isinstance(block, Plot) and block.above):
            yield f"\n{_text(block)}\n"


def _plain(text: str) -> str:
    """A text on one line that is nothing but a text, and begins no list and no heading."""
    return _STARTS.sub(_not_a_start, _inline(text))


def _inline(text: str) -> str:
    """Likewise, within a line."""
    return _SIGNS.sub(r"\\\1", " ".join(fit(text).split()))


def _not_a_start(found: re.Match[str]) -> str:
    return f"{found[1]}\\{found[2]}"


def _text(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Paragraph(text, warning):
            return f"**{_plain(text)}**" if warning else _plain(text)
        case Sentences(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table(rows, caption, words):
            return _titled(caption, rows, words=words)
        case Verbatim(title, text):
            return f"#### {_plain(title)}\n\n{_fenced(fit(text))}"
        case Plot(caption=caption, numbers=numbers):
            table = _titled(caption.title, numbers, words=False)
            return f"{table}\n\n{_plain(caption.note)}" if caption.note else table


def _fenced(text: str) -> str:
    """Between fences that are longer than any in the text."""
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in _TICKS.findall(text))])
    return f"{fence}text\n{text}\n{fence}"


def _titled(title: str, rows: Sequence[Row], *, words: bool) -> str:
    head, *body = rows
    rule = ["---", *(["---" if words else "---:"] * (len(head) - 1))]
    lines = [_line([_inline(c) for c in head]), _line(rule)]
    lines += [_line([_inline(cell) for cell in row]) for row in body]
    table = "\n".join(lines)
    return f"**{_plain(title)}**\n\n{table}" if title else table


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
