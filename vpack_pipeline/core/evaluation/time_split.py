"""The table that says of every case which window it lies in and whether its label is due.

What does not belong here: how either is decided (``core.windows``), which windows may be seen at a
cut (``looks``).
"""

from __future__ import annotations

import datetime

import polars as pl

from vpack_pipeline.core.windows import is_mature, mature_on, window_of
from vpack_pipeline.protocol import Adjudication, Evaluation


def time_split(
    *,
    cases: pl.DataFrame,
    reference_standard: pl.DataFrame,
    included: pl.DataFrame,
    adjudication: Adjudication,
    evaluation: Evaluation,
    cut: datetime.date,
) -> pl.DataFrame:
    """Place every case × finding in its window, and say whether it is mature.

    A case is mature when its index date plus the days of the slowest source that may label it lies
    before the cut, whether or not a label has come: else early labels, which are not like the rest,
    would decide.

    Parameters
    ----------
    cases : the case view; ``index_date``
    reference_standard : one row per case × finding; only ``expected_source`` is read, no label
    included : cases that eligibility kept

    Returns
    -------
    one row per case × finding; ``window`` is outside where the index date lies in neither

    Raises
    ------
    InputError
        A source of labels has no maturity in the protocol.
    """
    date = pl.col("index_date")
    due = mature_on(date, adjudication, evaluation)
    return (
        reference_standard.select("case_id", "finding", "expected_source")
        .join(cases.select("case_id", "patient_id", "index_date"), on="case_id")
        .join(
            included.select("case_id", pl.lit(True).alias("is_included")), on="case_id", how="left"
        )
        .select(
            "case_id",
            "finding",
            "patient_id",
            "index_date",
            window_of(date, evaluation).alias("window"),
            "expected_source",
            due.alias("mature_on"),
            is_mature(due, cut).alias("is_mature"),
            pl.col("is_included").fill_null(value=False),
        )
        .sort("case_id", "finding")
    )
