"""The difference of two packs as one page of HTML: without script and network, to be printed.

What does not belong here: its words and figures (``diff_words``).
"""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from vpack_pipeline.cli import diff_words as words
from vpack_pipeline.core.diff.pack_diff import PackDiff
from vpack_pipeline.report import palette
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates


def page(found: PackDiff, *, everything: bool) -> str:
    """Write the page."""
    environment = jinja2.Environment(
        loader=Templates(),
        bytecode_cache=COMPILED,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        **SYNTAX,
    )
    made_up = dict.fromkeys((*found.a.synthetic, *found.b.synthetic))
    synthetic = "; ".join(said.removesuffix(".") for said in made_up)
    style = environment.get_template("style.css.j2").render(
        light=palette.LIGHT, dark=palette.DARK, site={"synthetic": synthetic}
    )
    return environment.get_template("diff.html.j2").render(
        style=Markup(style),
        synthetic=synthetic,
        sides=[(name, words.side_line(side), side.digest) for name, side in found.sides],
        sections=words.sections(found, everything=everything),
    )
