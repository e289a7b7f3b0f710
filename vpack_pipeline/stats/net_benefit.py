"""Net benefit of acting on a call: hits less false alarms at their exchange rate.

What does not belong here: which threshold is right, and whether a score is a probability.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import clusters, labels, number
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    symmetric,
    undefined,
)
from vpack_pipeline.stats.proportions.intervals import NO_CASES
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import ONE_CLASS

METHOD: Final = coded("net_benefit")


def net_benefit(
    flagged: BoolArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    threshold: float,
    prevalence: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """Net benefit of the flagged cases at a threshold probability (Vickers & Elkin 2006).

    The share of hits less the share of false alarms times t/(1 − t). Its variance is that of a
    ratio over patients (Cochran 1977, section 3.12). At a stated prevalence π it is
    π·sensitivity − (1 − π)·(1 − specificity)·t/(1 − t), π taken as known, with the influence of
    each case by patient (Pfeiffer & Gail 2020).

    Parameters
    ----------
    flagged, positive : (n,)
    cluster : (n,) patient of each case
    threshold : t, in [0, 1)
    prevalence : in [0, 1]; where not given, the share of positives among the cases

    Returns
    -------
    n and events count cases, and the flagged among them. No value without a case, nor at a stated
    prevalence without both classes; no interval, with a note, of a single patient.

    >>> flagged, positive = np.arange(10) < 4, np.arange(10) < 3
    >>> round(net_benefit(flagged, positive, np.arange(10), 0.2).value, 4)
    0.275
    """
    call, outcome = labels("flagged", flagged), labels("positive", positive)
    if call.shape != outcome.shape:
        raise ValueError("flagged and positive: one label is needed for each case")
    codes, n_patients = patient_codes(clusters("cluster", cluster, call.size))
    t = number("threshold", threshold, 0.0, 1.0)
    if t == 1:
        raise ValueError("threshold is below 1")
    normal_quantile(level)
    n, events = int(call.size), int(call.sum())
    if n == 0:
        return undefined(NO_CASES, method=METHOD, n=0, events=0)
    odds = t / (1 - t)
    if prevalence is None:
        gain = np.where(outcome, 1.0, -odds) * call
        value, influence = float(gain.mean()), (gain - gain.mean()) / n
    else:
        pi = number("prevalence", prevalence, 0.0, 1.0)
        if outcome.all() or not outcome.any():
            return undefined(ONE_CLASS, method=METHOD, n=n, events=events)
        value, influence = _at_prevalence(call, outcome, pi, (1 - pi) * odds)
    if n_patients < 2:
        return undefined("one_patient", method=METHOD, n=n, events=events, value=value)
    added = np.bincount(codes, weights=influence)
    se = math.sqrt(n_patients / (n_patients - 1) * float(added @ added))
    return symmetric(value, se, n=n, events=events, method=METHOD, level=level)


def _at_prevalence(
    call: BoolArray, outcome: BoolArray, per_hit: float, per_alarm: float
) -> tuple[float, FloatArray]:
    hits, alarms = call[outcome].mean(), call[~outcome].mean()
    influence = np.where(
        outcome,
        per_hit * (call - hits) / outcome.sum(),
        per_alarm * (alarms - call) / (~outcome).sum(),
    )
    return float(per_hit * hits - per_alarm * alarms), np.asarray(influence)
