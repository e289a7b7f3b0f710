"""Where the index test gave no answer: status of every included case, by window and covariate.

What does not belong here: how a missing answer counts (``analysis``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet, cells
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.levels import describe
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.core.variables import MISSING, bin_labels, binned, with_typed_covariates
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code

STATUSES: Final = ("ok", "failed", "refused", "not_sent", "missing")
_OPEN: Final = frozenset({"n_cases", "failure_share", *(f"n_{status}" for status in STATUSES)})


def failures(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    disclosure: Disclosure,
    levels: pl.DataFrame,
    included: pl.DataFrame,
    sampling: AnySampling,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Count the statuses of all included cases, mature or not, by finding, model and window.

    No label is read, so nothing is withheld. ``stratum_kind`` is ``all`` or a variable of the
    profile, ``stratum`` its bin; one that is printed as part of another
    (``representativeness/levels``) has no figures. A missing value of what describes people is a
    count without results: its one row is ``n_cases``. ``failure_share`` is the share of cases
    without a usable inference; where cases were not drawn alike, it is weighted or refused as
    ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures("evaluation/failures", evaluation, cut, open_metrics=_OPEN)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    cases = with_typed_covariates(cases, covariates)
    variables = representativeness.variables
    level_of_case = {
        v.name: cases.select("case_id", binned(cases, v, covariates).alias("level"))
        for v in variables
    }
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    sampled = SampledCases(cases, sampling, evaluation)
    for finding, model_id, window in cells(findings, index_test):
        counted = _Counted(sampled, finding, evaluation.interval.level)
        everyone = analysis.cases(finding, model_id, window, is_mature=None)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        counted.give(figures.at(**keys, stratum_kind="all", stratum="all"), everyone, None)
        for variable in variables:
            level_of = everyone.joined(level_of_case[variable.name], "level")
            described = known[variable.name]
            too_small = described.too_small(everyone.rows_in(cases["case_id"]))
            for label in bin_labels(variable):
                place = figures.at(**keys, stratum_kind=variable.name, stratum=label)
                stratum = everyone.take((level_of == label).to_numpy())
                if label == MISSING and described.levels.is_personal:
                    _give_count(place, stratum, too_small)
                    continue
                counted.give(place, stratum, too_small or described.levels.reason(label, stratum.n))
    return figures.frame()


def _give_count(place: Place, stratum: CaseSet, reason: Code | None) -> None:
    if reason is None:
        place.count("n_cases", stratum.n, stratum.n)
    else:
        place.refuse("n_cases", reason)


@dataclass(frozen=True, slots=True)
class _Counted:
    """Counts the statuses of the cases of one finding."""

    sampled: SampledCases
    finding: str
    level: float

    def give(self, place: Place, stratum: CaseSet, reason: Code | None) -> None:
        _give_count(place, stratum, reason)
        if reason is not None:
            for metric in (*(f"n_{status}" for status in STATUSES), "failure_share"):
                place.refuse(metric, reason)
            return
        for status in STATUSES:
            place.count(f"n_{status}", int((stratum.status == status).sum()), stratum.n)
        everyone = np.ones(stratum.n, dtype=np.bool_)
        weighing = self.sampled.weigh(
            condition_of("failure_share"), self.finding, stratum.case_id, groups=(everyone,)
        )
        found = weighing.proportion(~stratum.is_usable, everyone, stratum.patient, self.level)
        place.give("failure_share", found)
