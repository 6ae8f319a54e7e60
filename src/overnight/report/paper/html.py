"""A document as one HTML file: no script, nothing from elsewhere, fit for paper."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, tostring

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
from overnight.report.paper.markup import element

# Nothing may be loaded and nothing run, whatever a text might manage to put in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --quiet: #595959; --line: #cfcfcf; --soft: #f4f4f2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.5 "Charter", "Georgia", "Cambria", "Noto Serif", serif; }
main { max-width: 47rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 1rem 0 .5rem; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.75rem 0 .75rem; padding-top: .6rem;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .4rem; }
h4 { font-size: .95rem; margin: 1.25rem 0 .3rem; }
p { margin: .5rem 0; }
li { margin: .4rem 0; }
.warning { border: 2px solid var(--ink); padding: .6rem .8rem; font-weight: 600; }
figure, .table { margin: 1rem 0 1.5rem; }
figcaption, caption { text-align: left; font-weight: 600; padding-bottom: .35rem; }
figcaption + p, .said { color: var(--quiet); font-size: .875rem; margin: 0 0 .5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font: .84rem/1.4 system-ui, "Segoe UI", "Helvetica Neue",
  Arial, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .22rem .9rem .22rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; }
tbody th { font-weight: 400; min-width: 6.5rem; }
thead th { border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
.numbers th:not(:first-child), .numbers td { text-align: right; padding: .22rem 0 .22rem 1.1rem; }
.numbers td { white-space: nowrap; }
.words td { overflow-wrap: break-word; }
.words td:nth-child(2):last-child { overflow-wrap: anywhere; }
caption { white-space: nowrap; }
@media (max-width: 34rem) { caption { white-space: normal; }
  table { font-size: .75rem; }
  main { padding: 1rem .75rem 3rem; }
  .words th, .words td { padding-right: .33rem; }
  tbody th { min-width: 4.6rem; }
  .words tbody th { min-width: 0; }
  .numbers th:not(:first-child), .numbers td { white-space: normal; padding-left: .35rem; } }
pre { background: var(--soft); border-left: 3px solid var(--line); margin: .3rem 0 1rem;
  padding: .6rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .8rem/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; overflow: visible; }
svg text { font: 12.5px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1b1b1b; }
details { font-size: .875rem; margin: .4rem 0; }
summary { color: var(--quiet); cursor: pointer; }
@page { margin: 18mm 16mm; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h2, h3, h4, figcaption, caption { break-after: avoid; }
  figure, tr, li, .short, .warning { break-inside: avoid; }
  thead { display: table-header-group; }
  .table { overflow: visible; }
  table { font-size: 8.5pt; }
  svg { max-width: 12.5cm; }
  details { display: none; }
  pre { font-size: 8pt; }
}
"""
_SHORT = 30  # rows that stay together on paper
_SMALL = 100  # rows of a plot's table that are still worth their place


def html(document: Document) -> Iterator[str]:
    """The file, a block at a time."""
    yield '<!DOCTYPE html>\n<html lang="en">\n'
    yield _text(_head(document.title))
    yield "<body>\n<main>\n"
    yield _text(element("h1", document.title))
    for block in document.blocks:
        yield from map(_text, _elements(block))
    yield "</main>\n</body>\n</html>\n"


def _text(made: Element) -> str:
    return tostring(made, encoding="unicode", method="html") + "\n"


def _head(title: str) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", _STYLE),
    )


def _elements(block: Block) -> Iterator[Element]:
    match block:
        case Heading(text, level):
            yield element(f"h{level}", text)
        case Paragraph(text, warning):
            yield element("p", text, **({"class_": "warning"} if warning else {}))
        case Sentences(items):
            yield element("ul", *(element("li", item) for item in items))
        case Table():
            yield _table(block)
        case Verbatim(title, text):
            yield element("h4", title)
            yield element("pre", text)
        case Plot():
            yield _figure(block)


def _figure(block: Plot) -> Element:
    caption = block.caption
    parts = [element("figcaption", caption.title), element("p", caption.said), block.picture]
    if len(block.numbers) <= _SMALL:
        numbers = _table(Table(block.numbers))
        parts.append(element("details", element("summary", "the numbers"), numbers))
    return element("figure", *parts)


def _table(block: Table) -> Element:
    head, *rows = block.rows
    return element(
        "div",
        element(
            "table",
            *([element("caption", block.caption)] if block.caption else []),
            *(
                [element("thead", element("tr", *(element("th", c, scope="col") for c in head)))]
                if any(head)
                else []
            ),
            element("tbody", *map(_row, rows)),
            class_="words" if block.words else "numbers",
        ),
        class_="table short" if len(rows) <= _SHORT else "table",
        tabindex=0,
    )


def _cell(text: str) -> Element:
    """An interval stays on one line."""
    return element("td", text.replace(", ", ",\N{NO-BREAK SPACE}") if "[" in text else text)


def _row(row: list[str]) -> Element:
    first, *cells = row
    return element("tr", element("th", first, scope="row"), *map(_cell, cells))
