"""The printed figures of a pack: how each is named, written from its cell, and found in the page.

``core.pack.report`` writes figures with these functions, and a reviewer makes them again with the
same ones from the tables that travel. What does not belong here: which figures there are (``core``,
``report``), what is wrong with those of a pack (``held_figures``).
"""

from __future__ import annotations

import datetime
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from vpack_pipeline.pack_format import codes, text

NAME: Final = "figures.csv"
HEADER: Final = ("anchor", "asset", "row_key", "column", "text")
FIRST: Final = "first."
"""What anchors of the first page begin with."""
COUNT_OF_ROWS: Final = "count of rows"
COUNT_OF_DIFFERENT: Final = "count of different "
EARLIEST: Final = "earliest "
"""Columns of figures that several rows give: those whose cells hold what the row key says."""
ANCHOR: Final = "data-anchor"
STATES: Final = "data-states"
"""The attributes of a page's elements that print a figure, and what a document of the pack says."""
LINE: Final = "data-line"
"""Stands for :data:`ANCHOR` in the page of a pack, which would be half as large again with it."""
_FIRST_LINE: Final = 2
"""Line 1 of ``figures.csv`` is its header."""
_ANCHORED: Final = re.compile(rf' {ANCHOR}="([^"<>]*)"')
_LINED: Final = re.compile(rf' {LINE}="([0-9]+)"')
_TWO_DIGITS: Final = "two_digits"
_ELEMENT: Final = re.compile(
    r'<span(?: class="verdict [a-z_]+")? data-(anchor|states)="([^"<>]*)">([^<>]*)</span>'
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of ``figures.csv``."""

    anchor: str
    asset: str
    row_key: str
    column: str
    text: str

    @property
    def is_tally(self) -> bool:
        """Whether several rows give it."""
        return self.column.startswith((COUNT_OF_ROWS, COUNT_OF_DIFFERENT, EARLIEST))


def row_key(values: Mapping[str, Any]) -> str:
    """Write a row's key as canonical JSON.

    >>> row_key({"b": datetime.date(2026, 1, 5), "a": 1})
    '{"a":1,"b":"2026-01-05"}'
    """
    return _KEYS.encode(values)


def _as_text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a key")


_KEYS: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text
)


def anchor(asset: str, key: str, column: str) -> str:
    """Name a cell: stable for the same row of the same table in every pack."""
    return f"{row_anchor(asset, key)}.{column}"


def row_anchor(asset: str, key: str) -> str:
    """Name a row: what the anchors of its cells begin with, before a dot and the column."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{asset.replace('/', '.')}.{digest}"


def row_texts(
    row: Mapping[str, Any],
    *,
    is_count: bool,
    sentences: Callable[[str | None, str | None], str],
) -> dict[str, str]:
    """Write every cell of a row.

    Parameters
    ----------
    is_count : whether the row's figure is a number of something
    sentences : writes what the codes of a cell say, with the row's parameters
    """
    texts = {name: text.plain(value) for name, value in row.items()}
    if is_count:
        given = [name for name in ("estimate", "lower", "upper") if row[name] is not None]
        texts |= {name: text.count(row[name]) for name in given}
    elif has_two_digits(row) and row["estimate"] is not None:
        texts["estimate"] = text.two_digits(row["estimate"])
    for name in codes.COLUMNS.keys() & row.keys() if codes.DETAIL in row else ():
        texts[name] = sentences(row[name], row[codes.DETAIL])
    return texts


def has_two_digits(row: Mapping[str, Any]) -> bool:
    """Whether a row's method says that its estimate is known to two decimals."""
    return _TWO_DIGITS in (row.get("method") or "").split(codes.SEPARATOR)


class Shares(NamedTuple):
    """A share, or a difference of shares, as the first page may write it."""

    percent: str
    points: str
    bare: str
    """Without its unit, as a bound beside its estimate."""
    size: str
    """Without unit and sign: how far something changed."""


def shares(value: float) -> Shares:
    """Write a share in each way of the first page.

    >>> shares(-0.078)
    Shares(percent='−7.8%', points='−7.8 points', bare='−7.8', size='7.8')
    """
    percent, size = text.percent(value), text.percent(abs(value))
    return Shares(percent, text.points(value), percent.removesuffix("%"), size.removesuffix("%"))


def tally(column: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write a figure that several rows give.

    >>> tally("count of different a", [{"a": 1}, {"a": 1}]), tally("earliest a", [])
    ('1', '')

    Raises
    ------
    KeyError
        The rows have no such column.
    """
    if column.startswith(COUNT_OF_DIFFERENT):
        name = column.removeprefix(COUNT_OF_DIFFERENT)
        return text.count(len({row[name] for row in rows}))
    if column.startswith(EARLIEST):
        name = column.removeprefix(EARLIEST)
        return text.plain(min((row[name] for row in rows), default=None))
    return text.count(len(rows))


def in_page(page: str, attribute: str) -> Iterator[tuple[str, str]]:
    """Give name and text of each element of a page that prints a figure or what a document says.

    Raises
    ------
    ValueError
        An element has this attribute and is not of the one form in which reports have it.
    """
    kind = attribute.removeprefix("data-")
    found = [(m[2], m[3]) for m in _ELEMENT.finditer(page) if m[1] == kind]
    if len(found) != page.count(attribute) or (attribute == ANCHOR and LINE in page):
        raise ValueError("an element of another form")
    return ((html.unescape(name), html.unescape(said)) for name, said in found)


def by_line(page: str, known: Sequence[Figure]) -> str:
    """Let a page name its figures by their lines in ``figures.csv``.

    >>> by_line('<span data-anchor="a.b">1</span>', [Figure("a.b", "", "", "", "1")])
    '<span data-line="2">1</span>'

    Raises
    ------
    KeyError
        The page prints a figure that is not known.
    """
    lines = {figure.anchor: n for n, figure in enumerate(known, start=_FIRST_LINE)}
    return _ANCHORED.sub(lambda m: f' {LINE}="{lines[html.unescape(m[1])]}"', page)


def by_anchor(page: str, known: Sequence[Figure]) -> str:
    """Let a page name its figures by their anchors again; of what there is no line, by the line.

    >>> by_anchor('<span data-line="2">1</span>', [Figure("a.b", "", "", "", "1")])
    '<span data-anchor="a.b">1</span>'
    >>> by_anchor('<span data-line="3">1</span>', [])
    '<span data-anchor="line 3">1</span>'
    """
    names = {str(n): figure.anchor for n, figure in enumerate(known, start=_FIRST_LINE)}
    return _LINED.sub(lambda m: f' {ANCHOR}="{html.escape(names.get(m[1], f"line {m[1]}"))}"', page)


def printed(page: str, known: Iterable[Figure]) -> list[Figure]:
    """Keep the figures that a page prints, by anchor."""
    shown = {name for name, _ in in_page(page, ANCHOR)}
    return sorted((f for f in known if f.anchor in shown), key=lambda f: f.anchor)
