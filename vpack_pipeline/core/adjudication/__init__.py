"""What is correct: which reads count, which rule decided, how well readers agreed.

Labels come from reads whose purpose is reference and from independent sources, never from the
index test. What does not belong here: who belongs to the set (``eligibility``), how the index test
did (``evaluation``), and how a coefficient is computed (``stats.agreement``).
"""

from __future__ import annotations

from vpack_pipeline.core.adjudication.rules import RULES

__all__ = ["RULES"]
