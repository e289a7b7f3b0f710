"""A page of its own beside the report, in its style: one file that needs nothing else.

What does not belong here: the report (``rendering``), what such a page says.
"""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

from vpack_pipeline.report import palette
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates


def stand_alone(template: str, synthetic: object = (), **values: Any) -> str:
    """Lay a page out.

    Parameters
    ----------
    template : its file's name without the endings
    synthetic : whether, or what, was made up, for a banner; falsy where nothing was
    values : what its template names
    """
    environment = jinja2.Environment(
        loader=Templates(),
        bytecode_cache=COMPILED,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        **SYNTAX,
    )
    style = environment.get_template("style.css.j2").render(
        light=palette.LIGHT, dark=palette.DARK, site={"synthetic": synthetic}
    )
    page = environment.get_template(f"{template}.html.j2")
    return page.render(style=Markup(style), synthetic=synthetic, **values)
