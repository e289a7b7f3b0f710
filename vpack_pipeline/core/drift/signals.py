"""Which values a monitor sees: a column of the case view, a covariate, or the index test's output.

What does not belong here: what is computed of them (``monitors``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import calls_at, most_suspicious, oriented, primary_point
from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.drift.people import People
from vpack_pipeline.core.levels import Description
from vpack_pipeline.core.printed_words import Words
from vpack_pipeline.core.variables import MISSING, value_of
from vpack_pipeline.protocol import Covariate, Evaluation, IndexTest, Monitor

OUTPUT_VARIABLES: Final[Mapping[str, str]] = {"score": "float", "call": "bool", "failure": "bool"}
"""What a monitor may watch of the index test, with its type."""


def monitored_cases(cases: pl.DataFrame, included: pl.DataFrame) -> pl.DataFrame:
    """Take the included cases, in the order of their identifiers."""
    return cases.join(included.select("case_id"), on="case_id", how="semi").sort("case_id")


def values_of(
    monitor: Monitor,
    cases: pl.DataFrame,
    index_test: pl.DataFrame,
    covariates: Sequence[Covariate],
    evaluation: Evaluation,
    test: IndexTest,
    words: Words,
) -> Any:
    """Read one value per case.

    Parameters
    ----------
    cases : the monitored cases, one row each
    index_test : evaluation/index_test
    words : what is printed for the texts of a column

    Returns
    -------
    numbers as a float array with nan for missing, or else a list with None for missing; where a
    probability is needed an (n, 2) array of score and call
    """
    needs = kind_of(monitor).needs
    if needs == "none":
        return np.ones(cases.height)
    if needs == "probability" or monitor.variable in OUTPUT_VARIABLES:
        return _output_of(monitor, cases, index_test, evaluation, test)
    series = value_of(cases, str(monitor.variable), covariates)
    if series.dtype.is_numeric():
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    printed = words.get(series.name)
    if printed is not None:
        return [None if text is None else printed[text] for text in series]
    return series.to_list()


def _output_of(
    monitor: Monitor,
    cases: pl.DataFrame,
    index_test: pl.DataFrame,
    evaluation: Evaluation,
    test: IndexTest,
) -> Any:
    own = index_test.filter(pl.col("model_id") == test.primary.id)
    if monitor.finding is not None:
        own = own.filter(pl.col("finding") == monitor.finding)
    per_case = own.group_by("case_id").agg(
        most_suspicious(test),
        pl.col("call").any(),
        (pl.col("status") != "ok").any().alias("failure"),
    )
    joined = cases.select("case_id").join(per_case, on="case_id", how="left").sort("case_id")
    if monitor.variable == "failure":
        return joined["failure"].fill_null(value=True).cast(pl.Float64).to_numpy()
    score = joined["score"].fill_null(float("nan")).to_numpy()
    own_call = joined["call"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    point = primary_point(evaluation, monitor.finding, test.primary.id)
    call = calls_at(point, oriented(score, test), own_call, test)
    if kind_of(monitor).needs == "probability":
        return np.stack([score, call], axis=1)
    return score if monitor.variable == "score" else call


def all_values(
    monitors: Sequence[Monitor],
    cases: pl.DataFrame,
    index_test: pl.DataFrame,
    covariates: Sequence[Covariate],
    evaluation: Evaluation,
    test: IndexTest,
    people: People,
    words: Words,
) -> Mapping[str, Any]:
    """Read the values of every monitor: printed levels where they describe people."""
    read = {m.name: people.description(m) if people.levels(m) else None for m in monitors}
    return {
        m.name: values_of(m, cases, index_test, covariates, evaluation, test, words)
        if (description := read[m.name]) is None
        else printed_values(description, cases)
        for m in monitors
    }


def printed_values(description: Description, cases: pl.DataFrame) -> list[str | None]:
    """Give the printed level of each case, None for missing, in the order of ``cases``."""
    placed = cases.select("case_id").join(
        description.cases.select("case_id", "printed"),
        on="case_id",
        how="left",
        maintain_order="left",
    )
    return [None if label == MISSING else label for label in placed["printed"]]


def take(values: Any, mask: Any) -> Any:
    """Select cases by a boolean mask."""
    if isinstance(values, np.ndarray):
        return values[mask]
    return [v for v, keep in zip(values, mask, strict=True) if keep]
