"""The report: printed figures and documents in, one page of HTML out; and the page to compare on.

What does not belong here: any number that is not in ``pack/report``; judgement (``core``).
"""

from __future__ import annotations

from vpack_pipeline.report.comparison import empty_comparison
from vpack_pipeline.report.rendering import render
from vpack_pipeline.report.template_text import template_sources

__all__ = ["empty_comparison", "render", "template_sources"]
