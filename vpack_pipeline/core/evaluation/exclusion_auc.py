"""Worst and best AUC with excluded cases back in, over every label and score that is missing.

What does not belong here: the observed AUC, proportions, and which cases come back
(``exclusion_audit``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.bounds import auc_bounds, best_with_errors
from vpack_pipeline.stats.estimate import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class OpenCases:
    """Included cases without a decided label: their scores, how many are errors whatever it is, and
    the ends of the scale."""

    score: FloatArray
    n_errors: int
    ends: tuple[float, float]


def auc_range(
    score: FloatArray, positive: BoolArray, back: CaseSet, base: OpenCases
) -> tuple[float | None, float | None]:
    """Worst and best AUC: labelled cases without a score go to the end that hurts, or helps."""
    unscored = back.take(back.is_decided & ~back.is_usable)
    unlabelled = np.concatenate([base.score, back.score[~back.is_decided & back.is_usable]])
    n_free = int((~back.is_decided & ~back.is_usable).sum())

    def with_ends(sign: float) -> tuple[FloatArray, BoolArray]:
        ends = np.where(unscored.is_positive, sign, -sign) * np.inf
        labels = np.concatenate([positive, unscored.is_positive])
        return np.concatenate([score, ends]), labels

    worst = auc_bounds(*with_ends(-1.0), unlabelled, n_free + base.n_errors).worst
    if base.n_errors == 0:
        return worst, auc_bounds(*with_ends(1.0), unlabelled, n_free).best
    # A free case that helps lies at the end that its label asks for: every number is tried.
    best = []
    for k in range(n_free + 1):
        classes = np.arange(n_free) < k
        scores, labels = with_ends(1.0)
        made = best_with_errors(
            np.concatenate([scores, np.where(classes, np.inf, -np.inf)]),
            np.concatenate([labels, classes]),
            unlabelled,
            base.n_errors,
            base.ends,
        )
        best += [] if made is None else [made]
    return worst, max(best, default=None)
