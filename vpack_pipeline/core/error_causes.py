"""What a review of an error may say: its cause, and who reviewed it. Fixed, so that sites compare.

What does not belong here: which cases are errors, and what was found (``evaluation.error_review``).
"""

from __future__ import annotations

from typing import Final

CAUSES: Final = (
    "subtle",
    "obscured",
    "atypical",
    "image_quality",
    "normal_structure",
    "other_disease",
    "device",
    "outside_use",
    "processing",
    "label_in_doubt",
    "unexplained",
    "other",
)
"""Why the index test was wrong, in the order of print; ``contracts/metrics.yaml`` has the words."""
REVIEWERS: Final = ("radiologist", "reference_reader", "vendor", "researcher", "other")
"""In what role somebody reviewed an error."""
