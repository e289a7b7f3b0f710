"""What is correct: which reads count, which rule decided, how well readers agreed.

Labels come from reads whose purpose is reference and from independent sources, never from the
index test. What does not belong here: who belongs to the set (``eligibility``), how the index test
did (``evaluation``), and how a coefficient is computed (``stats.agreement``).
"""

from __future__ import annotations

from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.core.adjudication.rules import RULES

__all__ = ["RULES", "agreement", "label_noise", "reader_performance", "reference_standard"]
