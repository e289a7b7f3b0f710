"""The table of words: every text that may be printed, with the word that is printed for it.

What does not belong here: which texts those are and how they are numbered
(``core.printed_words``).
"""

from __future__ import annotations

from functools import partial

import polars as pl

from vpack_pipeline.core.printed_words import numbered, printed_texts
from vpack_pipeline.core.variables import value_of
from vpack_pipeline.io.edge import Edge

_SCHEMA = dict.fromkeys(("kind", "field", "word", "printed_word"), pl.String)


def printed_words(
    *, edge: Edge, readers: pl.DataFrame, cases: pl.DataFrame, studies: pl.LazyFrame
) -> pl.DataFrame:
    """Give every text that may be printed its printed word.

    Parameters
    ----------
    edge : its site lists words, and its secret decides the order of the others
    readers, cases : rows in force count
    studies : every study that has an image

    Returns
    -------
    one row per column and text
    """
    protocol, site = edge.protocol, edge.site
    shown = list(
        printed_texts(protocol.representativeness, protocol.covariates, protocol.disclosure)
    )
    frames = {"readers": readers.filter("in_force"), "cases": cases.filter("in_force")}
    headers = [text.field for text in shown if text.kind == "image"]
    frames["image"] = studies.select(headers).unique().collect()
    rows = []
    for text in shown:
        covariates = protocol.covariates if text.kind == "cases" else ()
        known = value_of(frames[text.kind], text.field, covariates).drop_nulls().to_list()
        listed = text.listed(site.inputs, site.value_maps)
        digest = partial(edge.pseudonyms.text, text.field)
        made = numbered(known, listed, digest)
        rows += [(text.kind, text.field, *pair) for pair in made.items()]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
