"""Rules on how cases were drawn: whether a set that is called consecutive has gaps.

What does not belong here: who is in the study (``enrolment``), figures under sampling weights
(``core.sampling``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import polars as pl

from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged
from vpack_pipeline.core.time_bands import BANDS, with_bands
from vpack_pipeline.core.windows import lies_within
from vpack_pipeline.stats.codes import Code, code

_LEAST_WEEKS: Final = 4
_LEAST_SURPRISE: Final = 0.01
"""What is missing counts where chance would leave it out in less than 1 of 100 studies."""
_KINDS: Final = ("weekday", "quarter_of_day")
_NUMBERING: Final = {
    "not_stated": Code("numbering_not_stated"),
    "shared": Code("numbering_shared"),
    "none": Code("numbering_none"),
}
_N_BANDS: Final = sum(len(BANDS[kind]) for kind in _KINDS)


def consecutive(study: Study) -> Outcome:
    """No week of the prospective window lacks a case, where cases come often enough to tell."""
    unit = "weeks"
    reason = _not_claimed(study)
    if reason is not None:
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


def days_and_hours(study: Study) -> Outcome:
    """No weekday and no part of the day has less than half of the cases that the archive's studies
    lead one to expect, where there are enough to tell.

    Of the archive's studies of the prospective window, those that belong to a case, included or
    not, are held against all. That a band has so few by chance has at most the probability of
    Hoeffding (1963), which holds without replacement too; all bands share what is allowed.
    """
    unit = "days_and_parts"
    reason = _not_claimed(study)
    if reason is not None:
        return Outcome(0, 0, unit, reason=reason)
    told = [band for band in _bands(study) if _chance(0, band.expected) < _LEAST_SURPRISE]
    if not told:
        return Outcome(0, 0, unit, reason=Code("few_studies_to_tell"))
    left_out = tuple(
        band.name
        for band in told
        if 2 * band.n_cases < band.expected
        and _chance(band.n_cases, band.expected) < _LEAST_SURPRISE
    )
    reason = code("fewer_cases_then", parts=left_out) if left_out else None
    return Outcome(len(told), len(left_out), unit, reason=reason)


def no_accession_gap(study: Study) -> Outcome:
    """No accession number is missing before that of a study of the archive in the prospective
    window, where the site numbers its own studies one after another."""
    unit = "studies"
    said = study.accession_numbers
    reason = _not_claimed(study)
    if reason is None and (said is None or said.numbering != "own"):
        reason = _NUMBERING["not_stated" if said is None else said.numbering]
    if reason is not None:
        return Outcome(0, 0, unit, reason=reason)
    in_window = lies_within(pl.col("study_date"), study.evaluation.prospective)
    studies = study.studies.filter(in_window)
    numbered = studies.join(study.accession_gaps, on="study_id", how="left")
    found = judged(numbered, pl.col("n_numbers_missing") > 0, unit)
    if found.violations == 0:
        return found
    missing = numbered["n_numbers_missing"].drop_nulls().to_list()
    return replace(found, reason=code("largest_gap", missing=sum(missing), largest=max(missing)))


class _Band(NamedTuple):
    name: str
    n_cases: int
    expected: float


def _bands(study: Study) -> Iterator[_Band]:
    """Count the archive's studies that belong to a case, and how many were to be expected."""
    in_window = lies_within(pl.col("study_date"), study.evaluation.prospective)
    used = study.case_studies.filter("in_force")["study_id"].unique()
    banded = with_bands(study.studies.filter(in_window)).with_columns(
        pl.col("study_id").is_in(used.implode()).alias("is_used")
    )
    for kind in _KINDS:
        known = banded.drop_nulls(kind)
        share = known["is_used"].mean()
        counted = known.group_by(kind).agg(pl.len(), pl.col("is_used").sum())
        for name, n, n_cases in counted.sort(kind).iter_rows():
            yield _Band(name, n_cases, n * share)


def _chance(found: int, expected: float) -> float:
    """Bound the probability that in some band so few are found."""
    gap = expected - found
    return _N_BANDS * math.exp(-gap - (found * math.log(found / expected) if found else 0.0))


def _not_claimed(study: Study) -> Code | None:
    method = study.sampling.prospective.method
    return None if method == "consecutive" else code("sampling_claimed", sampling=method)
