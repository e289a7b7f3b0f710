"""The participant flow: what remains on the left, what each rule removed on the right.

What does not belong here: which counts are shown (``study``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell
from vpack_pipeline.report.view import Drawing

_SPINE: Final = 14.0
_LEFT, _RIGHT = 190.0, 200.0
"""Where boxes on the left end, and those on the right begin."""
_EDGE: Final = svg.NARROW - 0.5
_PADDING: Final = 12.0
_GAP: Final = 10.0
_TALLEST: Final = 1080.0
"""A flow as high still fits on a printed page, where it is set a little smaller."""
_DESCRIPTION: Final = (
    "From what was delivered to what was counted; the same counts stand in the table."
)

Counts = Sequence[tuple[Cell, str]]
"""Counts, each with its unit."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule of the participant flow, as printed."""

    title: str
    removed: Counts
    remaining: Counts


@dataclass(frozen=True, slots=True)
class _Block:
    """One part of the flow: how high it is, and how it is drawn from its top."""

    height: float
    drawn: Callable[[float], Markup]


def flow(
    start: Counts,
    steps: Sequence[Step],
    ends: Sequence[Sequence[str]],
    outside: Sequence[str] = (),
) -> tuple[Drawing, ...]:
    """Draw the participant flow, in as many pictures as printed pages are needed.

    Parameters
    ----------
    start : counts delivered
    steps : the rules in order
    ends : one box per window, two in a row: window, finding, then its lines
    outside : what is included and stands in no window, beside the last box; empty: no box
    """
    included = steps[-1].remaining if steps else start
    blocks = [
        _between(_box("Delivered", start), []),
        *(_rule(i, step) for i, step in enumerate(steps, start=1)),
        _between(_box("Included", included), _headed(outside), is_last=not ends),
        *_ends(ends),
    ]
    pages = list(_pages(blocks))
    made = []
    for i, page in enumerate(pages, start=1):
        body, y = Markup(""), 0.5
        for block in page:
            body += block.drawn(y)
            y += block.height
        name = "drawing-flow" if i == 1 else f"drawing-flow-{i}"
        part = "" if len(pages) == 1 else f", part {i} of {len(pages)}"
        title = f"Participant flow{part}"
        made.append(Drawing(name, title, _DESCRIPTION, svg.NARROW, y + 1, body))
    return tuple(made)


def _pages(blocks: Sequence[_Block]) -> Iterator[list[_Block]]:
    page: list[_Block] = []
    for block in blocks:
        if page and sum(b.height for b in page) + block.height > _TALLEST - 2:
            yield page
            page = []
        page.append(block)
    yield page


_Lines = list[tuple[str, str]]
"""Lines of text, each with its class."""


def _wrapped(words: str, width: float, style: str = "") -> _Lines:
    return [(line, style) for line in svg.wrapped(words, width - 2 * _PADDING)]


def _each(counts: Counts) -> list[str]:
    return [f"{cell} {unit}" for cell, unit in counts]


def _box(title: str, counts: Counts) -> _Lines:
    return [(title, "head"), *(one for said in _each(counts) for one in _wrapped(said, _LEFT))]


def _headed(lines: Sequence[str]) -> _Lines:
    styles = ["head", *[""] * len(lines)]
    return [
        one
        for line, style in zip(lines, styles, strict=False)
        for one in _wrapped(line, _EDGE - _RIGHT, style)
    ]


def _between(left: _Lines, aside: _Lines, *, is_last: bool = False) -> _Block:
    """A box on the left, and one beside it if there is anything to say."""
    height = max(svg.height_of(left), svg.height_of(aside) if aside else 0.0)

    def drawn(y: float) -> Markup:
        made = svg.box(0.5, y, _LEFT, left)
        if aside:
            made += svg.line(_LEFT + 0.5, y + 20, _RIGHT, y + 20, "link")
            made += svg.box(_RIGHT, y, _EDGE - _RIGHT, aside)
        if not is_last:
            end = y + svg.height_of(left)
            made += svg.line(_SPINE, end, _SPINE, y + height + _GAP, "link")
        return made

    return _Block(height + (0.0 if is_last else _GAP), drawn)


def _rule(i: int, step: Step) -> _Block:
    width = _EDGE - _RIGHT
    removed = _wrapped(f"{i}. {step.title}", width, "head")
    removed += _wrapped(f"removed: {', '.join(_each(step.removed))}", width)
    room = _RIGHT - _SPINE - _PADDING
    remaining = [line for said in _each(step.remaining) for line in svg.wrapped(said, room)]
    height = max(svg.height_of(removed), 30 + len(remaining) * svg.LINE) + _GAP

    def drawn(y: float) -> Markup:
        made = svg.line(_SPINE, y, _SPINE, y + height, "link")
        made += svg.line(_SPINE, y + 20, _RIGHT, y + 20, "link")
        made += svg.box(_RIGHT, y, width, removed)
        return made + svg.paragraph(_SPINE + _PADDING, y + 40, remaining)

    return _Block(height, drawn)


def _ends(ends: Sequence[Sequence[str]]) -> Iterator[_Block]:
    for k in range(0, len(ends), 2):
        yield _pair(ends[k : k + 2])


def _pair(ends: Sequence[Sequence[str]]) -> _Block:
    """Two windows beside one another."""
    width = (_EDGE - _GAP) / 2
    boxes = [_end(lines, width) for lines in ends]
    height = max(svg.height_of(lines) for lines in boxes)

    def drawn(y: float) -> Markup:
        made = svg.arrow(_SPINE, y, y + 16)
        if len(boxes) > 1:
            other = width + _GAP + _SPINE
            made += svg.line(_SPINE, y, other, y, "link") + svg.arrow(other, y, y + 16)
        for i, lines in enumerate(boxes):
            made += svg.box(0.5 + i * (width + _GAP), y + 16, width, lines)
        return made

    return _Block(height + 16 + _GAP, drawn)


def _end(lines: Sequence[str], width: float) -> _Lines:
    window, finding, *counts = lines
    made = _wrapped(window, width, "head") + _wrapped(finding, width, "quiet")
    return [*made, *(one for line in counts for one in _wrapped(line, width))]
