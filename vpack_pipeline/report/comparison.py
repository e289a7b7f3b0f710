"""The comparison page without a pack: its HTML, style and script, the same in every pack.

What does not belong here: what a pack puts into it (``pack_format.comparison``), what the script
computes (``scripts``).
"""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from vpack_pipeline.pack_format.comparison import EmptyPage
from vpack_pipeline.report import palette
from vpack_pipeline.report.scripts import script
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates


def empty_comparison() -> EmptyPage:
    """Lay the page out, with marks where a pack's data, and the script, belong."""
    environment = jinja2.Environment(
        loader=Templates(),
        bytecode_cache=COMPILED,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        **SYNTAX,
    )
    style = environment.get_template("style.css.j2").render(
        light=palette.LIGHT, dark=palette.DARK, site={"synthetic": ()}
    )
    html = environment.get_template("comparison.html.j2").render(style=Markup(style))
    return EmptyPage(f"{html}\n", script())
