"""Rules on who is in the study: nobody twice, nobody left out."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.analysis import counts_in
from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged, judged_by_case
from vpack_pipeline.core.windows import WINDOWS, lies_within
from vpack_pipeline.stats.codes import Code, code

_LEAST_WEEKS: Final = 4
_LEAST_SURPRISE: Final = 0.01
"""An empty week counts as a gap where chance would leave one in less than 1 of 100 studies."""


def disjoint_patients(study: Study) -> Outcome:
    """No patient has included cases in both windows."""
    counts = pl.any_horizontal(counts_in(window, is_mature=None) for window in WINDOWS)
    included = study.time_split.filter(counts)
    windows = included.group_by("patient_id").agg(pl.col("window").n_unique())
    return judged(windows, pl.col("window") > 1, "patients")


def consecutive(study: Study) -> Outcome:
    """No week of the prospective window lacks a case, where cases come often enough to tell."""
    unit = "weeks"
    if study.sampling.method != "consecutive":
        reason = code("sampling_claimed", sampling=study.sampling.method)
        return Outcome(0, 0, unit, reason=reason)
    window = study.evaluation.prospective
    dates = study.cases.filter(lies_within(pl.col("index_date"), window))["index_date"].to_list()
    n_weeks = (max(dates, default=window.start) - window.start).days // 7
    weeks = [week for date in dates if (week := (date - window.start).days // 7) < n_weeks]
    if n_weeks < _LEAST_WEEKS:
        return Outcome(0, 0, unit, reason=code("few_whole_weeks", fewest=_LEAST_WEEKS))
    if n_weeks * math.exp(-len(weeks) / n_weeks) >= _LEAST_SURPRISE:
        return Outcome(0, 0, unit, reason=Code("few_cases_a_week"))
    return Outcome(n_weeks, n_weeks - len(set(weeks)), unit)


def every_study_has_case(study: Study) -> Outcome:
    """Every study of the archive in the prospective window belongs to a case."""
    studies = study.studies.filter(lies_within(pl.col("study_date"), study.evaluation.prospective))
    used = study.case_studies.filter("in_force").select(
        "study_id", pl.lit(value=True).alias("is_used")
    )
    found = studies.join(used.unique(), on="study_id", how="left")
    return judged(found, pl.col("is_used").is_null(), "studies")


def every_case_accounted(study: Study) -> Outcome:
    """Every included mature prospective case was sent to the index test, or is reported as not."""
    mature = study.prospective().filter("is_mature")
    return judged_by_case(mature, pl.col("status") == "missing")
