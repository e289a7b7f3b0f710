"""In which window a case lies and whether its label is due: decided here and nowhere else.

What does not belong here: which windows may be seen at a cut (``looks``).
"""

from __future__ import annotations

import datetime

import polars as pl

from vpack_pipeline.core.evaluation.looks import PROSPECTIVE, RETROSPECTIVE
from vpack_pipeline.document import Window
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Adjudication, Evaluation

OUTSIDE = "outside"


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
    mature_on = date + pl.duration(days=slowest_days(adjudication, evaluation))
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


def slowest_days(adjudication: Adjudication, evaluation: Evaluation) -> int:
    """Days until every source that may label a case is due.

    One span for all cases: by the source that labelled it, a case would mature early because a
    quick label came, and quick labels are not those of the rest.

    Raises
    ------
    InputError
        A source of labels has no maturity in the protocol.
    """
    maturity = {str(source): days for source, days in evaluation.maturity.items()}
    missing = [source for source in adjudication.label_sources if source not in maturity]
    if missing:
        raise InputError(
            [
                Problem("evaluation.maturity", f"{source!r} is missing", "add its days")
                for source in missing
            ]
        )
    return max(maturity[source] for source in adjudication.label_sources)
