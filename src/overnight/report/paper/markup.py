"""Elements of HTML and SVG. Texts go in as texts: nothing that they hold can become markup."""

import re
from xml.etree.ElementTree import Element

# What neither HTML nor a file in UTF-8 can hold: control characters, lone surrogates, no letters.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def fit(text: str) -> str:
    """`text` with a mark in place of each character that no document can hold."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def element(name: str, /, *children: Element | str, **attributes: object) -> Element:
    """An element with its attributes: `class_` is class, stroke_width is stroke-width."""
    made = Element(
        name,
        {key.rstrip("_").replace("_", "-"): fit(str(v)) for key, v in attributes.items()},
    )
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + fit(child)
        else:
            last.tail = (last.tail or "") + fit(child)
    return made
