"""The acceptance sheet as a page of its own, to print and sign.

What does not belong here: its sentences (``acceptance_words``).
"""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from vpack_pipeline.cli import acceptance_words as words
from vpack_pipeline.core.acceptance import AcceptanceSheet, Hospital
from vpack_pipeline.report import palette
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates


def render(subject: words.Subject, typed: str, sheet: AcceptanceSheet, hospital: Hospital) -> str:
    """Lay the sheet out as HTML that needs nothing else.

    Parameters
    ----------
    typed : what the reader said of their hospital, as a sentence
    """
    environment = jinja2.Environment(
        loader=Templates(),
        bytecode_cache=COMPILED,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        **SYNTAX,
    )
    style = environment.get_template("style.css.j2").render(
        light=palette.LIGHT, dark=palette.DARK, site={"synthetic": subject.synthetic}
    )
    return environment.get_template("acceptance.html.j2").render(
        subject=subject,
        typed=typed,
        style=Markup(style),
        answer=words.answer(sheet, hospital),
        head=words.HEAD,
        rows=words.table(sheet, hospital),
        assumptions=words.assumptions(sheet, hospital),
        forms=(("Before the first case", words.BEFORE), ("After the last", words.AFTER)),
        signatures=words.SIGNATURES,
    )
