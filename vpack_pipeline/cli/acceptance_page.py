"""The acceptance sheet as a page of its own, to print and sign.

What does not belong here: its sentences (``acceptance_words``).
"""

from __future__ import annotations

from vpack_pipeline.cli import acceptance_words as words
from vpack_pipeline.core.acceptance import AcceptanceSheet, Hospital
from vpack_pipeline.report.stand_alone import stand_alone


def render(subject: words.Subject, typed: str, sheet: AcceptanceSheet, hospital: Hospital) -> str:
    """Lay the sheet out as HTML that needs nothing else.

    Parameters
    ----------
    typed : what the reader said of their hospital, as a sentence
    """
    return stand_alone(
        "acceptance",
        subject.synthetic,
        subject=subject,
        typed=typed,
        answer=words.answer(sheet, hospital),
        head=words.HEAD,
        rows=words.table(sheet, hospital),
        assumptions=words.assumptions(sheet, hospital),
        forms=(("Before the first case", words.BEFORE), ("After the last", words.AFTER)),
        signatures=words.SIGNATURES,
    )
