"""The report: printed figures and documents in, one page of HTML out.

What does not belong here: any number that is not in ``pack/report``; judgement (``core``).
"""

from __future__ import annotations

from vpack_pipeline.report.rendering import render

__all__ = ["render"]
