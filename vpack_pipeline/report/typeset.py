"""Blocks laid out for paper: one PDF (PDF/UA-1), of equal bytes for equal blocks.

The blocks reach ``templates/summary.typ`` as data, so that no text is ever read as code. What does
not belong here: what a block says (``view`` and its makers), the HTML (``markup``).
"""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typst
from markupsafe import Markup

from vpack_pipeline.pack_format.text import WORDS
from vpack_pipeline.report import palette
from vpack_pipeline.report.book import Cell
from vpack_pipeline.report.template_text import FONTS, layout
from vpack_pipeline.report.view import (
    Answers,
    Banner,
    Block,
    Drawing,
    Foot,
    Lead,
    Link,
    Masthead,
    Pictures,
    Quiet,
    Strong,
    Table,
    Text,
    Tiles,
    Verdict,
    plain,
)

FONT: Final = "Noto Sans"
GOOD: Final = frozenset({"met"})
BAD: Final = frozenset({"not_met"})
_STROKES: Final = """
text { font-family: 'Noto Sans'; font-size: 12px; fill: INK; }
.tick { font-size: 10.5px; fill: QUIET; } .grid { stroke: RULE; } .bar { stroke-width: 2; }
.goal { stroke: BAD; stroke-width: 1.2; stroke-dasharray: 4 3; }
.curve { fill: none; stroke-width: 2; } .before { stroke: ACCENT; stroke-dasharray: 6 3; }
.after { stroke: OPEN; } .shade { stroke: none; fill-opacity: .1; }
.lock { stroke: INK; stroke-width: 1.2; } .band { fill: RULE; fill-opacity: .45; }
.event { fill: OPEN; fill-opacity: .12; }
.w0 { stroke: ACCENT; fill: ACCENT; } .w1 { stroke: OPEN; fill: OPEN; }
.open-dot { fill: GROUND; stroke-width: 1.6; }
"""


def typeset(blocks: Sequence[Block], *, title: str, day: str) -> bytes:
    """Set one page in A4.

    Parameters
    ----------
    title : of the document
    day : the data cut, as the document's date; no clock is read

    Returns
    -------
    a PDF that conforms to PDF/UA-1
    """
    page: dict[str, Any] = {"title": title, "day": day, "font": FONT}
    page["colours"] = dict(palette.LIGHT)
    page["loose"] = sum(len(b.groups) for b in blocks if isinstance(b, Table)) < 2
    data = json.dumps(page | {"blocks": [_block(b) for b in blocks]}, ensure_ascii=False)
    # Its annotations take a list of fonts for one of the kind of the input.
    made: bytes = typst.compile(  # type: ignore[call-overload]
        layout().encode(),
        format="pdf",
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        pdf_standards=["ua-1"],
        sys_inputs={"page": data},
    )
    return made


@functools.singledispatch
def _block(block: Block) -> Mapping[str, Any]:
    raise TypeError(type(block).__name__)


@_block.register
def _banner(block: Banner) -> Mapping[str, Any]:
    return {"kind": "banner", "text": _runs(block.text)}


@_block.register
def _masthead(block: Masthead) -> Mapping[str, Any]:
    return {
        "kind": "masthead",
        "title": block.title,
        "purpose": block.purpose,
        "place": _runs(block.place),
        "facts": _runs(block.facts),
    }


@_block.register
def _lead(block: Lead) -> Mapping[str, Any]:
    return {"kind": "lead", "paragraphs": [_runs(p) for p in block.paragraphs]}


@_block.register
def _table(block: Table) -> Mapping[str, Any]:
    groups = [
        {
            "head": _runs(group.head),
            "note": _runs(group.note),
            "lines": [[_runs(line.head), *(_runs(c) for c in line.cells)] for line in group.lines],
        }
        for group in block.groups
    ]
    caption, columns = _runs(block.caption), list(block.columns)
    return {
        "kind": "table",
        "caption": caption,
        "columns": columns,
        "widths": list(block.widths),
        "groups": groups,
    }


@_block.register
def _pictures(block: Pictures) -> Mapping[str, Any]:
    shown = [
        {
            "heading": _runs(p.heading),
            "svg": drawing(p.drawing),
            "alt": f"{plain(p.heading)}. {p.drawing.description}",
        }
        for p in block.pictures
    ]
    return {"kind": "pictures", "pictures": shown, "key": _runs(block.key)}


@_block.register
def _tiles(block: Tiles) -> Mapping[str, Any]:
    tiles = [{"figure": _runs(t.figure), "words": _runs(t.words)} for t in block.tiles]
    return {"kind": "tiles", "title": _runs(block.title), "tiles": tiles}


@_block.register
def _answers(block: Answers) -> Mapping[str, Any]:
    said = [{"term": a.term, "text": _runs(a.text)} for a in block.answers]
    return {"kind": "answers", "answers": said}


@_block.register
def _foot(block: Foot) -> Mapping[str, Any]:
    return {"kind": "foot", "left": _runs(block.left), "right": _runs(block.right)}


def _runs(text: Text) -> list[Any]:
    return [_run(run) for run in text]


def _run(run: str | Cell | Strong | Quiet | Link | Verdict) -> Any:
    match run:
        case str():
            return run
        case Cell():
            return run.text
        case Strong(inner):
            return {"kind": "strong", "text": _runs(inner)}
        case Quiet(inner):
            return {"kind": "quiet", "text": _runs(inner)}
        case Link(inner, to):
            place = f"report.html{to}" if to.startswith("#") else to
            return {"kind": "link", "text": _runs(inner), "to": place}
        case Verdict(value):
            tone = "good" if value.text in GOOD else "bad" if value.text in BAD else "open"
            return {"kind": "verdict", "text": WORDS.get(value.text, value.text), "tone": tone}


def drawing(made: Drawing) -> str:
    """Write a drawing as an SVG that stands alone, in the light colours."""
    style = _STROKES
    for name, colour in palette.LIGHT.items():
        style = style.replace(name.upper(), colour)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1:.0f}" width="{0}" '
        'height="{1:.0f}"><style>{2}</style>{3}</svg>'
    ).format(made.width, made.height, Markup(style), made.body)
