"""Input forms: a site's CSV or parquet export, read as the site declares it, into typed rows.

What does not belong here: which deliveries count (``deliveries``), and rules that need another
row, delivery or table (``cohort.inputs``).
"""

from __future__ import annotations

from vpack_pipeline.io.forms.cells import AS_ACCESSION, AS_UID, plain_text, typed, typed_schema
from vpack_pipeline.io.forms.fields import FIELDS, KINDS, ONE_OF, Field, fields_of, template_headers
from vpack_pipeline.io.forms.headers import Form, form_problems, nearest, read_form
from vpack_pipeline.io.forms.hints import Hint, normalisation_hint
from vpack_pipeline.io.forms.reasons import REASONS, Reason

__all__ = [
    "AS_ACCESSION",
    "AS_UID",
    "FIELDS",
    "KINDS",
    "ONE_OF",
    "REASONS",
    "Field",
    "Form",
    "Hint",
    "Reason",
    "fields_of",
    "form_problems",
    "nearest",
    "normalisation_hint",
    "plain_text",
    "read_form",
    "template_headers",
    "typed",
    "typed_schema",
]
