"""The report: printed figures and documents in, one page of HTML out.

What does not belong here: any number that is not in ``pack/report``; judgement (``core``).
"""

from __future__ import annotations

from vpack_pipeline.report.rendering import render
from vpack_pipeline.report.template_text import template_sources

__all__ = ["render", "template_sources"]
