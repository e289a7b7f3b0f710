"""The section ``cohort`` at its edge: one function per table, from images and input forms.

What does not belong here: any judgement about what was read (``core``).
"""

from __future__ import annotations

from vpack_pipeline.io.cohort.accession_gaps import accession_gaps
from vpack_pipeline.io.cohort.images import files, instances
from vpack_pipeline.io.cohort.inputs import (
    case_studies,
    cases,
    deliveries,
    development,
    error_review,
    operations,
    patient_map,
    population,
    predictions,
    quarantine,
    readers,
    reads,
    reference,
)
from vpack_pipeline.io.cohort.printed_words import printed_words

__all__ = [
    "accession_gaps",
    "case_studies",
    "cases",
    "deliveries",
    "development",
    "error_review",
    "files",
    "instances",
    "operations",
    "patient_map",
    "population",
    "predictions",
    "printed_words",
    "quarantine",
    "readers",
    "reads",
    "reference",
]
