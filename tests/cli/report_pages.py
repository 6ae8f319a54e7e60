"""A report read as a program reads it: its tables, its tags, its texts."""

import csv
from dataclasses import dataclass, field
from html.parser import HTMLParser

from overnight.testing import Call, Scripted, faulty

VOID = {"meta", "link", "img", "br", "hr", "input"}
OURS = {  # the elements that a report is made of: none loads, runs or asks for anything
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "li",
    ),
    *("div", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre"),
    *("figure", "figcaption", "details", "summary"),
    *("svg", "desc", "defs", "pattern", "rect", "line", "path", "circle", "text"),
}


@dataclass
class Page(HTMLParser):
    """An HTML file, taken apart."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open_: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open_.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open_.pop() == tag, "tags are nested"

    def handle_data(self, data):
        self.texts.append(data)
        if self.open_ and self.open_[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data.replace("\N{NO-BREAK SPACE}", " ")

    def named(self, *head: str) -> dict[str, list[str]]:
        """The rows of the first table with this head, by their names."""
        table = next(t for t in self.tables if t[0][: len(head)] == list(head))
        return {row[0]: row[1:] for row in table[1:]}


def parsed(text: str) -> Page:
    """A page from its text."""
    page = Page()
    page.feed(text)
    page.close()
    assert page.open_ == []
    return page


def mixed(call: Call) -> Scripted:
    """Right mostly, wrong now and then, in a fence sometimes, refused for one kind of text."""
    number = int("".join(filter(str.isdigit, call.text)) or 0)
    if "refuse me" in call.text:
        return faulty.filtered()
    yes = ("partner" in call.text) != (number % 11 == 0)
    confidence = 0.5 + number % 5 / 10
    body = (
        f'{{"detected": {str(yes).lower()}, "confidence": {confidence},'
        ' "indicators": [], "rationale": "because of it"}'
    )
    return Scripted(f"```json\n{body}\n```" if number % 9 == 0 else body)


def cases(study, n: int, **texts: str):
    """`n` cases of two narratives; one in five has no label. `texts` replace those of an id."""
    with (study.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
        for i in range(n):
            for type_ in ("cme", "le"):
                yes = i % 3 == 0
                text = f"Invented case {i}. " + ("A partner was there. " if yes else "")
                text = texts.get(f"c{i}", text + "word " * (i * 4))
                label = "" if i % 5 == 4 else int(yes != (i % 13 == 0))
                writer.writerow([f"c{i:03}", type_, text, label])
    return study
