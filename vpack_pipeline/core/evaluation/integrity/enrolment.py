"""Rules on who is in the study: nobody twice, nobody left out.

What does not belong here: how cases were drawn (``sampling``), what development shares (``leaks``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.core.evaluation.analysis import counts_in
from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged, judged_by_case
from vpack_pipeline.core.windows import WINDOWS, lies_within


def disjoint_patients(study: Study) -> Outcome:
    """No patient has included cases in both windows."""
    counts = pl.any_horizontal(counts_in(window, is_mature=None) for window in WINDOWS)
    included = study.time_split.filter(counts)
    windows = included.group_by("patient_id").agg(pl.col("window").n_unique())
    return judged(windows, pl.col("window") > 1, "patients")


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
