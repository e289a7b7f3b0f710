"""Net benefit of acting on a call: hits less false alarms at their exchange rate.

What does not belong here: which threshold is right, and whether a score is a probability.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from vpack_pipeline.stats.arguments import amounts, number
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.estimate import (
    Estimate,
    FloatArray,
    normal_quantile,
    symmetric,
    undefined,
)
from vpack_pipeline.stats.proportions.intervals import NO_CASES
from vpack_pipeline.stats.roc import ONE_CLASS

METHOD: Final = coded("net_benefit")


class Flagged(NamedTuple):
    """Of each patient the flagged positives (hits) and negatives (alarms), among how many cases."""

    hits: FloatArray
    alarms: FloatArray
    positives: FloatArray
    negatives: FloatArray


def net_benefit(
    flagged: Flagged, threshold: float, prevalence: float | None = None, level: float = 0.95
) -> Estimate:
    """Net benefit of the flagged cases at a threshold probability (Vickers & Elkin 2006).

    The share of hits less the share of false alarms times t/(1 − t). Its variance is that of a
    ratio over patients (Cochran 1977, section 3.12). At a stated prevalence π it is
    π·sensitivity − (1 − π)·(1 − specificity)·t/(1 − t), π taken as known, with what each patient
    adds to its deviation (Pfeiffer & Gail 2020).

    Parameters
    ----------
    flagged : (P,) counts of each patient; every patient has a case
    threshold : t, in [0, 1)
    prevalence : in [0, 1]; where not given, the share of positives among the cases

    Returns
    -------
    n and events count cases, and the flagged among them. No value without a case, nor at a stated
    prevalence without both classes; no interval, with a note, of a single patient.

    >>> import numpy as np
    >>> one, none = np.ones(3), np.zeros(3)
    >>> round(net_benefit(Flagged(one, none, one, 2 * one), 0.2).value, 4)
    0.3333
    """
    hits, alarms, positives, negatives = _checked(flagged)
    t = number("threshold", threshold, 0.0, 1.0)
    if t == 1:
        raise ValueError("threshold is below 1")
    normal_quantile(level)
    cases = positives + negatives
    n, events = int(cases.sum()), int((hits + alarms).sum())
    if n == 0:
        return undefined(NO_CASES, method=METHOD, n=0, events=0)
    odds = t / (1 - t)
    if prevalence is None:
        gain = hits - odds * alarms
        value = float(gain.sum()) / n
        added = (gain - value * cases) / n
    else:
        pi = number("prevalence", prevalence, 0.0, 1.0)
        sizes = positives.sum(), negatives.sum()
        if min(sizes) == 0:
            return undefined(ONE_CLASS, method=METHOD, n=n, events=events)
        rates = hits.sum() / sizes[0], alarms.sum() / sizes[1]
        per_hit, per_alarm = pi, (1 - pi) * odds
        value = float(per_hit * rates[0] - per_alarm * rates[1])
        added = per_hit * (hits - rates[0] * positives) / sizes[0]
        added -= per_alarm * (alarms - rates[1] * negatives) / sizes[1]
    n_patients = cases.size
    if n_patients < 2:
        return undefined("one_patient", method=METHOD, n=n, events=events, value=value)
    se = math.sqrt(n_patients / (n_patients - 1) * float(added @ added))
    most = 1.0 if prevalence is None else prevalence
    bounds = (-math.inf, max(most, value))
    return symmetric(value, se, n=n, events=events, method=METHOD, level=level, bounds=bounds)


def _checked(flagged: Flagged) -> Flagged:
    found = Flagged(*(amounts("flagged", part) for part in flagged))
    if len({part.shape for part in found}) > 1:
        raise ValueError("flagged: one count is needed for each patient")
    if (found.hits > found.positives).any() or (found.alarms > found.negatives).any():
        raise ValueError("flagged: each patient has at most as many as cases")
    if (found.positives + found.negatives < 1).any():
        raise ValueError("flagged: each patient has one case or more")
    return found
