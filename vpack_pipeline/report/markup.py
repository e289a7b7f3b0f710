"""Blocks laid out as HTML.

What does not belong here: what a block says (``view`` and its makers).
"""

import functools
from collections.abc import Iterable

from markupsafe import Markup, escape

from vpack_pipeline.pack_format.text import WORDS
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell
from vpack_pipeline.report.view import (
    Answers,
    Banner,
    Block,
    Drawing,
    Foot,
    Group,
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
)


def blocks(made: Iterable[Block]) -> Markup:
    """Lay out blocks, one below the other."""
    return Markup("\n").join(block(one) for one in made)


@functools.singledispatch
def block(made: Block) -> Markup:
    """Lay out one block.

    Raises
    ------
    TypeError
        It is no block.
    """
    raise TypeError(type(made).__name__)


@block.register
def _banner(made: Banner) -> Markup:
    return Markup('<p class="warning" role="note">{}</p>').format(text(made.text))


@block.register
def _lead(made: Lead) -> Markup:
    said = Markup("").join(Markup("<p>{}</p>").format(text(p)) for p in made.paragraphs)
    return Markup('<div class="opening">{}</div>').format(said)


@block.register
def _answers(made: Answers) -> Markup:
    lines = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(a.term, text(a.text))
        for a in made.answers
    )
    return Markup('<dl class="facts lines">{}</dl>').format(lines)


@block.register
def _foot(made: Foot) -> Markup:
    return Markup('<p class="foot"><span>{}</span> <span>{}</span></p>').format(
        text(made.left), text(made.right)
    )


def text(runs: Text) -> Markup:
    """Lay out runs of text."""
    return Markup("").join(_run(run) for run in runs)


def _run(run: str | Cell | Strong | Quiet | Link | Verdict) -> Markup:
    match run:
        case str():
            return escape(run)
        case Cell():
            return run.__html__()
        case Strong(inner):
            return Markup("<strong>{}</strong>").format(text(inner))
        case Quiet(inner):
            return Markup('<span class="ci">{}</span>').format(text(inner))
        case Link(inner, to):
            return Markup('<a href="{}">{}</a>').format(to, text(inner))
        case Verdict(value):
            return Markup('<span class="verdict {}" data-anchor="{}">{}</span>').format(
                value.text, value.anchor, WORDS.get(value.text, value.text)
            )


def drawing(made: Drawing) -> Markup:
    """Lay out a drawing, with title and description for a screen reader."""
    style = "drawing fit" if made.width <= svg.NARROW else "drawing"
    return Markup(
        '<svg class="{6}" role="img" aria-labelledby="{0}-title {0}-desc" '
        'viewBox="0 0 {3} {4:.0f}" width="{3}" height="{4:.0f}">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>{5}</svg>'
    ).format(made.name, made.title, made.description, made.width, made.height, made.body, style)


@block.register
def _masthead(made: Masthead) -> Markup:
    return Markup(
        '<div class="masthead"><div><p class="product">{}</p><p class="quiet">{}</p></div>'
        '<div class="place"><p><strong>{}</strong></p><p class="quiet">{}</p></div></div>'
    ).format(made.title, made.purpose, text(made.place), text(made.facts))


@block.register
def _table(made: Table) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(c) for c in made.columns)
    lines = Markup("\n").join(_group(group, made.columns) for group in made.groups)
    return Markup(
        '<div class="scroll" role="region" aria-labelledby="{0}-caption" tabindex="0">'
        '<table class="verdicts"><caption id="{0}-caption">{1}</caption>'
        "<thead><tr>{2}</tr></thead>{3}</table></div>"
    ).format(made.name, text(made.caption), head, lines)


def _group(group: Group, columns: tuple[str, ...]) -> Markup:
    head = Markup("")
    if group.head:
        head = Markup('<tr class="group"><th scope="rowgroup" colspan="{}">{}</th></tr>\n').format(
            len(columns), text(group.head)
        )
    lines = Markup("\n").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            text(line.head),
            Markup("").join(Markup("<td>{}</td>").format(text(cell)) for cell in line.cells),
        )
        for line in group.lines
    )
    note = Markup("")
    if group.note:
        note = Markup('\n<tr><td class="ci wrapped" colspan="{}">{}</td></tr>').format(
            len(columns), text(group.note)
        )
    return Markup("<tbody>{}{}{}</tbody>").format(head, lines, note)


@block.register
def _pictures(made: Pictures) -> Markup:
    shown = Markup("").join(
        Markup('<figure><figcaption>{}</figcaption><div class="fit">{}</div></figure>').format(
            text(p.heading), drawing(p.drawing)
        )
        for p in made.pictures
    )
    return Markup('<div class="strip">{}</div><p class="notes">{}</p>').format(
        shown, text(made.key)
    )


@block.register
def _tiles(made: Tiles) -> Markup:
    shown = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(text(t.words), text(t.figure))
        for t in made.tiles
    )
    return Markup('<p class="notes">{}</p><dl class="tiles">{}</dl>').format(
        text(made.title), shown
    )
