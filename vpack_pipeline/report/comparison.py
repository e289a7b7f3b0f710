"""The comparison page without a pack: its HTML, style and script, the same in every pack.

What does not belong here: what a pack puts into it (``pack_format.comparison``), what the script
computes (``scripts``).
"""

from __future__ import annotations

from vpack_pipeline.pack_format.comparison import EmptyPage
from vpack_pipeline.report.scripts import script
from vpack_pipeline.report.stand_alone import stand_alone


def empty_comparison() -> EmptyPage:
    """Lay the page out, with marks where a pack's data, and the script, belong."""
    return EmptyPage(f"{stand_alone('comparison')}\n", script())
