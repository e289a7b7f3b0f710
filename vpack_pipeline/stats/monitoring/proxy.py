"""Performance expected from probabilities alone, before any label has come.

It holds only where the probabilities are calibrated and the relation of image to disease has not
changed (no concept drift): whoever prints it says so. What does not belong here: observed figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vpack_pipeline.stats.arguments import number, numbers
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.roc import auc


@dataclass(frozen=True, slots=True)
class ExpectedPerformance:
    """Expected counts at a threshold and the figures from them; None where a denominator is 0.

    ``auc`` is that of the expected ROC curve, in which each case is weighed against itself too
    (NannyML); ``auc_between_cases`` leaves those pairs out.
    """

    n: int
    tp: float
    fp: float
    fn: float
    tn: float
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None
    ppv: float | None
    npv: float | None
    f1: float | None
    auc: float | None
    auc_between_cases: float | None


def cbpe(prob: FloatArray, threshold: float) -> ExpectedPerformance:
    """Confidence-based performance estimation (NannyML's CBPE).

    Parameters
    ----------
    prob : (n,) calibrated probabilities in [0, 1]
    threshold : cases with prob >= threshold are called positive
    """
    p = numbers("prob", prob, 0.0, 1.0)
    number("threshold", threshold)
    called = p >= threshold
    tp, fp = float(p[called].sum()), float((1 - p[called]).sum())
    fn, tn = float(p[~called].sum()), float((1 - p[~called]).sum())
    curve = auc(np.tile(p, 2), np.repeat([True, False], p.size), weights=np.concatenate([p, 1 - p]))
    return ExpectedPerformance(
        n=p.size,
        tp=tp,
        fp=fp,
        fn=fn,
        tn=tn,
        accuracy=_share(tp + tn, fp + fn),
        sensitivity=_share(tp, fn),
        specificity=_share(tn, fp),
        ppv=_share(tp, fp),
        npv=_share(tn, fn),
        f1=_share(2 * tp, fp + fn),
        auc=curve,
        auc_between_cases=None if curve is None else _between_cases(p, curve),
    )


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest > 0 else None


def _between_cases(p: FloatArray, curve: float) -> float | None:
    pairs = float(p.sum()) * float((1 - p).sum())
    own = float(p @ (1 - p))
    # One case alone, or certainty throughout: nothing is left between cases.
    if math.isclose(pairs, own, rel_tol=1e-12):
        return None
    return (curve * pairs - own / 2) / (pairs - own)
