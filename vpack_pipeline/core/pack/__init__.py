"""The pack's own tables: the CLAIM items and every figure that the report prints.

What does not belong here: the HTML (``vpack_pipeline.report``), publication (``io.packs``).
"""

from __future__ import annotations

from vpack_pipeline.core.pack.claim import claim
from vpack_pipeline.core.pack.report import report

__all__ = ["claim", "report"]
