"""Why a delivered row was not taken: the registry of reason codes, which is its own documentation.

What does not belong here: how a reason is found (``cells``, ``cohort.inputs``), and why an image
file was set aside (``cohort.images``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong with a row, and what its sender can do about it."""

    what: str
    remedy: str


REASONS: Final[Mapping[str, Reason]] = {
    "RAGGED_ROW": Reason(
        "the row has more or fewer cells than the header",
        "quote cells that hold the separator; write an empty cell for nothing",
    ),
    "MISSING_VALUE": Reason(
        "a cell that must be filled is empty",
        "fill it, or declare a constant or a value map in site.yaml",
    ),
    "BAD_NUMBER": Reason(
        "the cell is no number in the declared form",
        "check `decimal` in site.yaml; write no thousands separators and no units",
    ),
    "OUT_OF_RANGE": Reason(
        "the number lies outside what the column can hold",
        "correct it; durations and counts are never negative, attempts and sessions start at 1",
    ),
    "NOT_FINITE": Reason(
        "the number is NaN or infinite",
        "write an empty cell and the status that explains it",
    ),
    "SCORE_RANGE": Reason(
        "the score lies outside index_test.output of the protocol",
        "deliver the score in the range that the protocol declares",
    ),
    "BAD_DATE": Reason(
        "the cell is no date or time in the declared form",
        "check `date_format` and `datetime_format` in site.yaml",
    ),
    "TIME_WITHOUT_ZONE": Reason(
        "the time names no zone and site.yaml declares none",
        "write times with their zone, or declare `zone`",
    ),
    "AMBIGUOUS_TIME": Reason(
        "the local time occurs twice or never, because clocks change in that hour",
        "write this time with its offset from UTC",
    ),
    "EVENT_AFTER_DELIVERY": Reason(
        "the event is later than the day on which its row was delivered",
        "correct the time or its zone",
    ),
    "UNKNOWN_CODE": Reason(
        "the cell is none of the values that the column can hold",
        "use a value of the column's list, or map the site's code under `values` in site.yaml",
    ),
    "UNKNOWN_FINDING": Reason(
        "the finding is not in the protocol",
        "use a name of the protocol's `findings`, or map the site's name under `values`",
    ),
    "UNKNOWN_RATING": Reason(
        "the rating is none of the finding's categories",
        "use a category's value, or map the site's code under `values`",
    ),
    "UNKNOWN_MODEL": Reason(
        "the model is not in the protocol",
        "use an id of the protocol's `index_test.models`, or map the site's name under `values`",
    ),
    "UNKNOWN_READER": Reason(
        "the reader is not in the roster at this cut",
        "deliver the reader in `readers`, or correct the identifier",
    ),
    "UNKNOWN_CASE": Reason(
        "the case is not among the delivered cases at this cut",
        "deliver the case in `cases`, or correct the identifier; `vpack check` says whether zero"
        " padding or upper and lower case is the difference",
    ),
    "UNMATCHED_KEY": Reason(
        "no study of the archive has this study UID or accession number",
        "check `identifiers` in site.yaml; `vpack check` says whether zero padding or upper and"
        " lower case is the difference",
    ),
    "AMBIGUOUS_KEY": Reason(
        "several studies of the archive have this accession number",
        "name the study by its StudyInstanceUID",
    ),
    "PATIENT_MISMATCH": Reason(
        "the study belongs to another patient than the case",
        "correct the study or the patient; check `issuer`, and `patient_map` for merged patients",
    ),
    "DUPLICATE_ROW": Reason(
        "the delivery holds the same row before",
        "nothing has to be done; export each row once",
    ),
    "DUPLICATE_KEY": Reason(
        "the delivery holds this key more than once with different content",
        "none of them is taken: deliver the right one; revisions need distinct times",
    ),
    "CHAIN_IN_PATIENT_MAP": Reason(
        "the identifier that a patient is mapped to is mapped itself",
        "map each identifier directly to the one that is kept",
    ),
    "CYCLE": Reason(
        "the patient map leads back to where it started",
        "decide which identifier is kept and map the others to it",
    ),
}
"""Code → what it means and what to do. A row has one code: the first that was found."""
