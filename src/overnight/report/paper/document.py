"""A report as a row of blocks, before any format has its say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from overnight.report.table import Row


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a section (2), or of a part of one (3)."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One or more sentences; a `warning` stands out."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences that are read one by one."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text: the first is the head, the first cell of each its name.

    `words`: the cells are words, not numbers.
    """

    rows: Sequence[Row]
    caption: str = ""
    words: bool = False


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text of somebody else's, kept as it is: a prompt, a narrative."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Caption:
    """What a picture shows, in words; `key` tells it from the others of the same file.

    `note` is about the numbers, `marks` about how they are drawn.
    """

    key: str
    title: str
    note: str = ""
    marks: str = ""

    @property
    def said(self) -> str:
        """All that helps to read the picture."""
        return f"{self.note} {self.marks}".strip()


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, and its numbers as a table; `above`: these stand in a table above it already."""

    caption: Caption
    picture: Element
    numbers: Sequence[Row]
    above: bool = False


Block = Heading | Paragraph | Sentences | Table | Verbatim | Plot


@dataclass(frozen=True, slots=True)
class Document:
    """A title and what follows, read once: it may be long."""

    title: str
    blocks: Iterable[Block]
