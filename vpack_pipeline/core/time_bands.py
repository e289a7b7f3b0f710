"""Days of the week and parts of the day in which a study began, as its header says (local time).

They describe people, so a kind of them is printed of a set only where each band is of nobody or of
enough patients. What does not belong here: whether they tell of a selection
(``evaluation.integrity``), the table that counts them (``evaluation.study_times``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

WEEKDAYS: Final = (
    *("monday", "tuesday", "wednesday", "thursday", "friday"),
    *("saturday", "sunday"),
)
BANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "weekday": WEEKDAYS,
    "part_of_week": ("monday_to_friday", "saturday_and_sunday"),
    "quarter_of_day": ("00_to_06", "06_to_12", "12_to_18", "18_to_24"),
    "half_of_day": ("06_to_18", "18_to_06"),
}
"""Kind → its bands; the second and the fourth are coarser than those before them."""
_HOUR_S: Final = 3600


def with_bands(studies: pl.DataFrame) -> pl.DataFrame:
    """Add a column for each kind: the band in which a study began, null where it is not known.

    Parameters
    ----------
    studies : ``study_date`` and ``study_time_s``

    Examples
    --------
    >>> import datetime
    >>> one = {"study_date": [datetime.date(2025, 1, 5)], "study_time_s": [86_400.0]}
    >>> with_bands(pl.DataFrame(one)).select(*BANDS).row(0)
    ('sunday', 'saturday_and_sunday', '18_to_24', '18_to_06')
    """
    day = pl.col("study_date").dt.weekday()
    # A leap second is of the last hour.
    hour = (pl.col("study_time_s") // _HOUR_S).clip(0, 23)
    is_day = (hour >= 6) & (hour < 18)
    place = {
        "weekday": day - 1,
        "part_of_week": pl.when(day <= 5).then(0).when(day > 5).then(1),
        "quarter_of_day": hour // 6,
        "half_of_day": pl.when(is_day).then(0).when(~is_day).then(1),
    }
    return studies.with_columns(
        at.cast(pl.Int64).replace_strict(dict(enumerate(BANDS[kind]))).alias(kind)
        for kind, at in place.items()
    )


def described_kinds(cases: pl.DataFrame, smallest: int) -> frozenset[str]:
    """Say by which kinds a window's cases can be described.

    Each band holds nobody or enough patients, among all cases, those included and those excluded.

    Parameters
    ----------
    cases : ``patient_id``, ``is_included`` and a column for each kind (:func:`with_bands`)
    """
    sets = (cases, cases.filter("is_included"), cases.filter(~pl.col("is_included")))
    return frozenset(
        kind
        for kind in BANDS
        if not any(
            0 < n < smallest
            for one in sets
            for n in one.drop_nulls(kind)
            .group_by(kind)
            .agg(pl.n_unique("patient_id"))["patient_id"]
        )
    )
