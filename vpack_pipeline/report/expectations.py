"""``gates/index.html``: what was asked of each table, in words, with its outcome.

The page follows from the receipts that travel. What does not belong here: what of it is held
against them (``pack_format.expectations``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jinja2
from markupsafe import Markup

from vpack_pipeline import contracts
from vpack_pipeline.pack_format import documents, expectations
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report import palette, wording, words
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates
from vpack_pipeline.sections import SECTIONS
from vpack_pipeline.site import Site

PACKAGE_DATA: Final = ("contracts",)


def expectations_page(
    *, receipts: Sequence[Mapping[str, Any]], protocol: Protocol, site: Site, cut: str
) -> bytes:
    """Lay out what was asked of each table.

    Parameters
    ----------
    receipts : of the tables upstream, in the order to print
    cut : the data cut

    Returns
    -------
    one HTML page, UTF-8

    Raises
    ------
    DocumentError
        Protocol or site would put a forbidden claim into the page.
    """
    environment = jinja2.Environment(
        loader=Templates(),
        bytecode_cache=COMPILED,
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        **SYNTAX,
    )
    style = environment.get_template("style.css.j2").render(
        light=palette.LIGHT, dark=palette.DARK, site=site
    )
    with_rows = [r for r in receipts if not expectations.is_empty(r)]
    html = environment.get_template("expectations.html.j2").render(
        style=Markup(style),
        site=site,
        synthetic_line=words.listed([s.part for s in site.synthetic]),
        protocol=protocol,
        cut=cut,
        receipts=receipts,
        sections=[
            (name, purpose, [r for r in with_rows if _section(r) == name])
            for name, purpose in SECTIONS.items()
        ],
        without_rows=[r for r in receipts if expectations.is_empty(r)],
        open_checks=expectations.open_checks(receipts),
        contracts=contracts.load(),
        expectations=expectations,
        documents=documents,
    )
    wording.check(html)
    return html.encode()


def _section(receipt: Mapping[str, Any]) -> str:
    return str(receipt["asset"]).partition("/")[0]
