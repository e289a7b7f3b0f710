"""The inputs as typed tables: one function per table of ``cohort`` that a site delivers.

What does not belong here: how a file is read (``forms``), which deliveries there are
(``deliveries``), and anything about images (``images``).
"""

from __future__ import annotations

from vpack_pipeline.io.cohort.inputs.cases import case_studies, cases, patient_map
from vpack_pipeline.io.cohort.inputs.delivered import deliveries, quarantine
from vpack_pipeline.io.cohort.inputs.facts import (
    development,
    error_review,
    operations,
    population,
    predictions,
    readers,
    reads,
    reference,
)
from vpack_pipeline.io.cohort.inputs.loading import accounted, clean_kept

__all__ = [
    "accounted",
    "case_studies",
    "cases",
    "clean_kept",
    "deliveries",
    "development",
    "error_review",
    "operations",
    "patient_map",
    "population",
    "predictions",
    "quarantine",
    "readers",
    "reads",
    "reference",
]
