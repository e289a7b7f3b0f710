"""In which window a case lies and whether its label is due: decided here and nowhere else.

What does not belong here: which windows may be seen at a cut (``looks``).
"""

from __future__ import annotations

import datetime

import polars as pl

from vpack_pipeline.core.evaluation.looks import PROSPECTIVE, RETROSPECTIVE
from vpack_pipeline.document import Window
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Evaluation

OUTSIDE = "outside"


def time_split(
    *,
    cases: pl.DataFrame,
    reference_standard: pl.DataFrame,
    included: pl.DataFrame,
    evaluation: Evaluation,
    cut: datetime.date,
) -> pl.DataFrame:
    """Place every case × finding in its window, and say whether it is mature.

    A case is mature when its index date plus the days of its expected source lies before the cut,
    whether or not a label has come: else early labels, which are mostly positive, would decide.

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
        An expected source has no maturity in the protocol.
    """
    days = _days(reference_standard, evaluation)
    date = pl.col("index_date")
    mature_on = date + pl.duration(days=pl.col("maturity_days"))
    return (
        reference_standard.select("case_id", "finding", "expected_source")
        .join(cases.select("case_id", "patient_id", "index_date"), on="case_id")
        .join(days, on="expected_source")
        .join(
            included.select("case_id", pl.lit(True).alias("is_included")), on="case_id", how="left"
        )
        .select(
            "case_id",
            "finding",
            "patient_id",
            "index_date",
            pl.when(_within(date, evaluation.retrospective))
            .then(pl.lit(RETROSPECTIVE))
            .when(_within(date, evaluation.prospective))
            .then(pl.lit(PROSPECTIVE))
            .otherwise(pl.lit(OUTSIDE))
            .alias("window"),
            "expected_source",
            mature_on.alias("mature_on"),
            (mature_on < cut).alias("is_mature"),
            pl.col("is_included").fill_null(value=False),
        )
        .sort("case_id", "finding")
    )


def _within(date: pl.Expr, window: Window) -> pl.Expr:
    return date.is_between(window.start, window.end)


def _days(reference_standard: pl.DataFrame, evaluation: Evaluation) -> pl.DataFrame:
    expected = sorted(set(reference_standard["expected_source"]))
    maturity = {str(source): days for source, days in evaluation.maturity.items()}
    missing = [source for source in expected if source not in maturity]
    if missing:
        raise InputError(
            [
                Problem("evaluation.maturity", f"{source!r} is missing", "add its days")
                for source in missing
            ]
        )
    return pl.DataFrame(
        {"expected_source": expected, "maturity_days": [maturity[s] for s in expected]},
        schema={"expected_source": pl.String, "maturity_days": pl.Int64},
    )
