"""What the rules of integrity look at, and what one of them finds.

What does not belong here: the rules, and how a finding becomes a row (the package).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.analysis import AnalysisSet, counts_in
from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    AnySampling,
    Eligibility,
    Evaluation,
    Finding,
    IndexTest,
)
from vpack_pipeline.site import AccessionNumbers, InputForm, InputKind
from vpack_pipeline.stats.codes import Code

OF_STUDIES: Final = (
    *("study_id", "patient_id", "device_id"),
    *("study_date", "study_time_s", "kvp", "exposure_mas"),
)
"""What rules look at of the archive's studies."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that the rules look at."""

    time_split: pl.DataFrame
    reference_standard: pl.DataFrame
    inferences: pl.DataFrame
    included: pl.DataFrame
    cases: pl.DataFrame
    patients: pl.DataFrame
    studies: pl.DataFrame
    case_studies: pl.DataFrame
    reads: pl.DataFrame
    readers: pl.DataFrame
    reference: pl.DataFrame
    predictions: pl.DataFrame
    development: pl.DataFrame
    accession_gaps: pl.DataFrame
    about: About
    index_test: IndexTest
    findings: tuple[Finding, ...]
    eligibility: Eligibility
    sampling: AnySampling
    adjudication: Adjudication
    evaluation: Evaluation
    inputs: Mapping[InputKind, InputForm]
    accession_numbers: AccessionNumbers | None
    cut: datetime.date

    def is_denied_once(self, kind: InputKind, column: str) -> bool:
        """Whether the site's form says no for all rows, in place of a column that was recorded."""
        form = self.inputs.get(kind)
        return form is not None and form.constants.get(column) is False

    @property
    def start(self) -> datetime.datetime:
        """The first moment of the prospective window, in UTC."""
        day = self.evaluation.prospective.start
        return datetime.datetime.combine(day, datetime.time(), datetime.UTC)

    def analysis(self) -> AnalysisSet:
        """The cases that figures count."""
        return AnalysisSet(
            index_test=self.index_test,
            time_split=self.time_split,
            reference_standard=self.reference_standard,
            inferences=self.inferences,
        )

    def prospective(self) -> pl.DataFrame:
        """Included case × finding of the prospective window, with the primary model's output."""
        counts = counts_in(PROSPECTIVE, is_mature=None)
        split = self.time_split.filter(counts).select("case_id", "finding", "is_mature")
        primary = self.inferences.filter(pl.col("model_id") == self.index_test.primary.id)
        return split.join(primary, on=["case_id", "finding"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule found among ``n`` units that could be checked."""

    n: int
    violations: int
    unit: str
    """One of the words of the code ``count_of``."""
    has_unknown: bool = False
    reason: Code | None = None
    """Why nothing could be checked; or what to know beside the count."""
    is_withheld: bool = False


def judged_by_case(frame: pl.DataFrame, is_violation: pl.Expr) -> Outcome:
    """Count cases of which any row breaks a rule; one whose rows tell too little is not checked."""
    # Any that breaks it decides; without one, an unknown row leaves its case open.
    by_case = frame.group_by("case_id").agg(is_violation.any(ignore_nulls=False).alias("broken"))
    return judged(by_case, pl.col("broken"), "cases")


def judged(frame: pl.DataFrame, is_violation: pl.Expr, unit: str) -> Outcome:
    """Count rows that break a rule; a null could not be checked."""
    found = frame.select(is_violation.alias("is_violation"))["is_violation"]
    n_unknown = found.null_count()
    return Outcome(found.len() - n_unknown, int(found.sum()), unit, n_unknown > 0)
