"""The difference of two packs as one page of HTML: without script and network, to be printed.

What does not belong here: its words and figures (``diff_words``).
"""

from __future__ import annotations

from vpack_pipeline.cli import diff_words as words
from vpack_pipeline.core.diff.pack_diff import PackDiff
from vpack_pipeline.report.stand_alone import stand_alone


def page(found: PackDiff, *, everything: bool) -> str:
    """Write the page."""
    made_up = dict.fromkeys((*found.a.synthetic, *found.b.synthetic))
    return stand_alone(
        "diff",
        "; ".join(said.removesuffix(".") for said in made_up),
        sides=[(name, words.side_line(side), side.digest) for name, side in words.sides(found)],
        sections=words.sections(found, everything=everything),
    )
