"""What ``vpack check`` says of texts that a pack would print by a number, since nobody lists them.

Cells of input files are counted and never shown. Words of an image's header that describe no person
are shown at a terminal, to whoever may read the archive: a file or a log keeps what it is given.
What does not belong here: which texts are printed, and how (``core.printed_words``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from vpack_pipeline.core.printed_words import PrintedText, printed_texts
from vpack_pipeline.io.dicom.fields import BY_COLUMN
from vpack_pipeline.io.dicom.state import scan_headers
from vpack_pipeline.site import InputKind
from vpack_pipeline.study import Study

MOST_SHOWN: Final = 20


def unlisted_notes(
    loaded: Study,
    cells: Callable[[InputKind, str], list[str]],
    state: Path,
    *,
    shows_words: bool,
) -> Iterator[str]:
    """Say of each column that a pack prints how many texts are not listed, and where to list them.

    Parameters
    ----------
    cells : kind and column → texts of the input, as value maps have them
    state : the scanner's private folder
    shows_words : whether words of headers may be shown
    """
    protocol, site = loaded.protocol, loaded.site
    headers = scan_headers(state)
    if not site.readers_agreed:
        yield (
            "readers stand together in a pack, and what the roster says of them stays out:"
            " site.yaml does not state readers_agreed"
        )
    named = {v.name for v in protocol.representativeness.variables}
    named |= {str(m.variable) for m in protocol.drift.monitors}
    for text in printed_texts(
        protocol.representativeness, protocol.covariates, protocol.disclosure
    ):
        is_printed = site.readers_agreed if text.kind == "readers" else text.field in named
        if not is_printed:
            continue
        if text.kind == "image":
            found = _of_headers(text, headers, site.value_maps.get(text.field, {}))
        else:
            found = set(cells(text.kind, text.field))
        unlisted = sorted(found - text.listed(site.inputs, site.value_maps))
        if unlisted:
            shown = ""
            if text.kind == "image":
                shown = _shown(unlisted) if shows_words else " (a terminal shows which)"
            kind = "headers" if text.kind == "image" else text.kind
            yield (
                f"{kind}, {text.field}: {len(unlisted)} of {len(found)} texts are not listed, so"
                f" that no pack would print them; list those that one may show under"
                f" {text.place} in site.yaml{shown}"
            )


def _of_headers(text: PrintedText, headers: pl.LazyFrame, names: Mapping[str, str]) -> set[str]:
    declared = BY_COLUMN[text.field]
    if declared.is_free_text:
        # Only what a value map says that it means is ever stored.
        return set()
    source = f"{text.field}_raw" if declared.is_tracked else text.field
    pairs = headers.select(value=text.field, source=source).unique().collect().drop_nulls("value")
    return {names.get(written, value) for value, written in pairs.iter_rows()}


def _shown(words: list[str]) -> str:
    """Quote words so that no control character of a header reaches the terminal."""
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return f": {', '.join(map(repr, words[:MOST_SHOWN]))}{more}"
