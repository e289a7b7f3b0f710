"""The sheet as a file of its own, ``summary.pdf``, for a committee that reads paper.

What does not belong here: what the sheet says (``sheet``), how it is set (``typeset``).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report.book import Book
from vpack_pipeline.report.sheet import Subject, sheet
from vpack_pipeline.report.typeset import typeset
from vpack_pipeline.report.view import Banner, Block, Strong, Text
from vpack_pipeline.site import Site


def summary(
    *,
    report: pl.DataFrame,
    protocol: Protocol,
    site: Site,
    cut: str,
    quotes: Mapping[str, Quote] | None = None,
) -> bytes:
    """Set the sheet of one pack.

    Parameters
    ----------
    report : ``pack/report``
    cut : the data cut
    quotes : tables that are those of an earlier release

    Returns
    -------
    a PDF
    """
    banners: list[Block] = []
    if site.synthetic:
        told: Text = (
            Strong(("Synthetic data.",)),
            " No figure here is evidence about any product.",
        )
        banners.append(Banner(told))
    for release, of in {q.release: q.cut for q in (quotes or {}).values()}.items():
        told = (f"Tables about people are those of the earlier release {release}, data cut {of}.",)
        banners.append(Banner(told))
    made = (*banners, *sheet(Subject(Book(report), protocol, site, cut)))
    title = f"{protocol.about.title} – {site.title}, data cut {cut}"
    return typeset(made, title=title, day=cut.partition(".")[0])
