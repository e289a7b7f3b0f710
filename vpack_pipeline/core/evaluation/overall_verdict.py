"""Whether the primary endpoints are met together, by the protocol's rule.

What does not belong here: the verdict on each (``endpoints``).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.verdicts import MET, verdict_of_all
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Evaluation

SINGLE: Final = "single_endpoint"
"""Stands where a rule does, for one primary endpoint or none."""


def overall_verdict(*, endpoints: pl.DataFrame, evaluation: Evaluation) -> pl.DataFrame:
    """Count the primary endpoints that are met, and judge them together.

    Parameters
    ----------
    endpoints : ``evaluation/endpoints``; the row of each that ``is_headline`` speaks for it
    """
    speaking = endpoints.filter(pl.col("is_headline"), pl.col("rank") == "primary")
    verdicts = speaking["verdict"].to_list()
    rule = evaluation.several_endpoints if len(verdicts) > 1 else None
    figures = Figures("evaluation/overall_verdict")
    figures.give(
        "n_endpoints_met",
        verdicts.count(MET),
        n=len(verdicts),
        events=verdicts.count(MET),
        method="count",
        several_endpoints=rule or SINGLE,
        verdict=verdict_of_all(verdicts),
    )
    return figures.frame()
