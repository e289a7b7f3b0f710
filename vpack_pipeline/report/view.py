"""What a page says, before any layout: runs of text, and the blocks that hold them.

A block is made once, of printed values, and laid out as HTML (``markup``) and for paper
(``typeset``). What does not belong here: which values a page shows (``sheet``), layout.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from vpack_pipeline.report.book import Cell, Row


@dataclass(frozen=True, slots=True)
class Strong:
    """A run that is to be seen first."""

    text: Text


@dataclass(frozen=True, slots=True)
class Quiet:
    """A run that stands back, such as an interval beside its estimate."""

    text: Text


@dataclass(frozen=True, slots=True)
class Link:
    """A run that leads to a place in the report (``#id``), or to another file of the pack."""

    text: Text
    to: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict, set apart by its frame and colour as well as by its word."""

    value: Cell


Run = str | Cell | Strong | Quiet | Link | Verdict
Text = tuple[Run, ...]
"""Runs in the order of reading; spaces between them are part of the runs."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as SVG, with what it shows in words for those who do not see it.

    ``body`` has no outer element. Its text and strokes have the classes of the style sheet.
    """

    name: str
    title: str
    description: str
    width: int
    height: float
    body: Markup


@dataclass(frozen=True, slots=True)
class Banner:
    """A warning across the page."""

    text: Text


@dataclass(frozen=True, slots=True)
class Masthead:
    """What the page is about, and of which site and data it is."""

    title: str
    purpose: str
    place: Text
    facts: Text


@dataclass(frozen=True, slots=True)
class Lead:
    """The sentences with which a page opens, one paragraph each."""

    paragraphs: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: what it is of, then one text for each further column."""

    head: Text
    cells: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of a table that belong together: below what they are of, above what is said of them.

    Head and note are empty where nothing is said.
    """

    head: Text
    lines: tuple[Line, ...]
    note: Text = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption. ``columns`` has one name more than a line has cells."""

    name: str
    caption: Text
    columns: tuple[str, ...]
    widths: tuple[float, ...]
    """Of the columns on paper, in proportion."""
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing below the sentence that says what it shows."""

    heading: Text
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class Pictures:
    """Small pictures beside one another, and how to read all of them."""

    pictures: tuple[Picture, ...]
    key: Text


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure and the words for it."""

    figure: Text
    words: Text


@dataclass(frozen=True, slots=True)
class Tiles:
    """Figures side by side, of what the title says."""

    title: Text
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One line: what is asked, and what the pack says of it."""

    term: str
    text: Text


@dataclass(frozen=True, slots=True)
class Answers:
    """Lines that a reader runs through, term by term."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Foot:
    """What identifies the page."""

    left: Text
    right: Text


Block = Banner | Masthead | Lead | Table | Pictures | Tiles | Answers | Foot


def joined(separator: str, texts: Iterable[Text]) -> Text:
    """Join texts by a separator, leaving out those that say nothing.

    >>> joined("; ", [("a",), (), ("b", "c")])
    ('a', '; ', 'b', 'c')
    """
    made: Text = ()
    for text in texts:
        if text:
            made = (*made, separator, *text) if made else text
    return made


def plain(text: Text) -> str:
    """Write runs as they read, without anchors, links or weight.

    >>> plain(("of ", Strong(("12",)), " cases"))
    'of 12 cases'
    """
    return "".join(_plain(text))


def _plain(text: Text) -> Iterator[str]:
    for run in text:
        match run:
            case str():
                yield run
            case Cell():
                yield run.text
            case Verdict(value):
                yield value.text
            case Strong(inner) | Quiet(inner) | Link(inner, _):
                yield from _plain(inner)


def filled(words: str, **values: Text | Cell) -> Text:
    """Put values where words name them.

    >>> filled("{n} of {all} cases", n=("3",), all=("7",))
    ('3', ' of ', '7', ' cases')
    """
    made: list[Run] = []
    for literal, name, _, _ in string.Formatter().parse(words):
        if literal:
            made.append(literal)
        if name is not None:
            value = values[name]
            made += (value,) if isinstance(value, Cell) else value
    return tuple(made)


def interval(row: Row) -> Text:
    """Say an estimate with its bounds, where it has any: ``79.6% (72.5 to 85.2)``."""
    bounds = bounds_of(row)
    return (row["estimate"], " ", Quiet(("(", *bounds, ")"))) if bounds else (row["estimate"],)


def bounds_of(row: Row) -> Text:
    """Say the bounds of a row; nothing where it has none."""
    lower, upper = row["lower"], row["upper"]
    return (lower, " to ", upper) if lower.number is not None and upper.number is not None else ()
