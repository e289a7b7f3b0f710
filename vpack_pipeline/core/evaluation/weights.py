"""Weights of cases: inverse sampling fractions, and proportions under any weights.

What does not belong here: weights towards another population (``transport``).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.protocol import Sampling
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.distances import kish_ess
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, undefined
from vpack_pipeline.stats.proportions import clopper_pearson, clustered_proportion, wilson_bounds

NO_FRACTION = Code("no_sampling_fraction")
LABEL_SAMPLED = Code("label_sampled")


class SamplingWeights:
    """Inverse sampling fractions (Horvitz & Thompson 1952) of the strata, looked up by case.

    Parameters
    ----------
    cases : the case view; ``case_id`` and ``stratum``
    """

    def __init__(self, cases: pl.DataFrame, sampling: Sampling) -> None:
        inverse = {s.name: 1 / s.fraction for s in sampling.strata}
        self.is_weighted = bool(inverse)
        self.depends_on_label = "label" in sampling.depends_on
        weight = cases["stratum"].replace_strict(inverse, default=None, return_dtype=pl.Float64)
        self._frame = cases.select("case_id").with_columns(weight.alias("weight"))

    def of(self, cases: CaseSet) -> FloatArray | None:
        """Give the weight of each case; None where a stratum has no stated fraction."""
        if not self.is_weighted:
            return np.ones(cases.n)
        found = cases.joined(self._frame, "weight")
        return None if found.null_count() else found.to_numpy()

    def notes(self) -> Codes:
        """Say where the set's own prevalence is all that a predictive value can speak for."""
        return coded(LABEL_SAMPLED if self.depends_on_label and not self.is_weighted else None)


def weighted_proportion(
    success: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float,
) -> Estimate:
    """Proportion of weight, with Wilson's interval on the effective sample size.

    The variance is that of the ratio estimator over patients (Cochran 1977, chapter 6), the
    effective size at most Kish's (1965). At 0 and 1 the interval is exact, on the whole part of
    Kish's size of the patients' total weights. Equal weights give ``clustered_proportion``.

    Parameters
    ----------
    success, weight, cluster : (n,) outcome, weight >= 0 and patient of each case

    Returns
    -------
    n and events count cases of positive weight
    """
    used = weight > 0
    outcome, w = success[used], weight[used]
    n, events = int(outcome.size), int(outcome.sum())
    if n == 0 or np.ptp(w) == 0:
        return clustered_proportion(outcome, cluster[used], level)
    codes = np.unique(cluster[used], return_inverse=True)[1].reshape(-1)
    totals = np.bincount(codes, weights=w).astype(np.float64)
    size = kish_ess(totals)
    if events in (0, n):
        whole = max(1, math.floor(size))
        exact = clopper_pearson(whole if events else 0, whole, level)
        method = coded("clopper_pearson_on_effective_patients", "weighted")
        return Estimate(exact.value, exact.lower, exact.upper, n, events, method)
    value = float(w @ outcome / w.sum())
    method = coded("wilson_on_effective_size", "weighted")
    if totals.size == 1:
        return undefined("one_patient", method=method, n=n, events=events, value=value)
    residual = np.bincount(codes, weights=w * (outcome - value))
    variance = totals.size / (totals.size - 1) * float(residual @ residual) / float(w.sum()) ** 2
    effective = kish_ess(w)
    if variance > 0:
        effective = min(effective, value * (1 - value) / variance)
    return Estimate(value, *wilson_bounds(value, effective, level), n, events, method)


def per_thousand(estimate: Estimate) -> Estimate:
    """Turn a share into a number per 1,000 examinations."""
    value, lower, upper = (
        None if v is None else 1000 * v for v in (estimate.value, estimate.lower, estimate.upper)
    )
    return replace(estimate, value=value, lower=lower, upper=upper)
