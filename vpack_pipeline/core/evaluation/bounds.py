"""How far a figure can move with labels that are missing: worst and best case of the AUC.

For proportions the bounds need no search (``operating_points``). What does not belong here: which
cases lack a label, and why.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vpack_pipeline.stats.estimate import BoolArray, FloatArray


class AucBounds(NamedTuple):
    """Smallest and largest AUC over every assignment; None where none gives both classes."""

    worst: float | None
    best: float | None


def auc_bounds(
    score: FloatArray, positive: BoolArray, unlabelled: FloatArray, n_free: int = 0
) -> AucBounds:
    """Bound the AUC over the labels of unlabelled cases, and the labels and scores of free ones.

    For a given number of positives among the unlabelled the pairs won are fewest where those with
    the lowest scores are the positives (exchanging any two against this order wins no fewer), so
    that all assignments are covered by one pass over the sorted scores.

    Parameters
    ----------
    score, positive : (n,) cases with a label
    unlabelled : (u,) scores of cases without one
    n_free : cases with neither score nor label: each is set against, or for, the model
    """
    worst = _fewest_wins(score, positive, unlabelled, n_free)
    # Turning scores around turns every win into a loss.
    flipped = _fewest_wins(-score, positive, -unlabelled, n_free)
    return AucBounds(worst, None if flipped is None else 1 - flipped)


def best_with_errors(
    score: FloatArray,
    positive: BoolArray,
    unlabelled: FloatArray,
    n_errors: int,
    ends: tuple[float, float],
) -> float | None:
    """Largest AUC where some cases without a label are errors whatever it is.

    Such a case is a positive of the lowest score or a negative of the highest, so that every
    number of positives among them is tried.

    Parameters
    ----------
    score, positive, unlabelled : see :func:`auc_bounds`
    n_errors : cases that are errors either way
    ends : the lowest and the highest score
    """
    found = []
    for k in range(n_errors + 1):
        classes = np.arange(n_errors) < k
        made = auc_bounds(
            np.concatenate([score, np.where(classes, *ends)]),
            np.concatenate([positive, classes]),
            unlabelled,
        )
        found += [] if made.best is None else [made.best]
    return max(found, default=None)


def _fewest_wins(
    score: FloatArray, positive: BoolArray, unlabelled: FloatArray, n_free: int
) -> float | None:
    cases, controls = np.sort(score[positive]), np.sort(score[~positive])
    free = np.sort(unlabelled)
    labelled_wins = _wins(cases, controls).sum()
    # Wins of each unlabelled case were it positive (over controls), or negative (under cases).
    as_positive = _wins(free, controls)
    as_negative = cases.size - _wins(free, cases)
    k = np.arange(free.size + 1)
    among = _ties_across(free)
    wins = (
        labelled_wins
        + np.concatenate([[0.0], np.cumsum(as_positive)])
        + as_negative.sum()
        - np.concatenate([[0.0], np.cumsum(as_negative)])
        + among / 2
    )
    # A free case adds no win either way, so its class is chosen to make the pairs most numerous.
    n_positive = cases.size + k
    n_negative = controls.size + free.size - k
    half = (n_negative + n_free - n_positive) / 2
    pairs = np.zeros(k.size)
    for extra in (np.floor(half), np.ceil(half)):
        chosen = np.clip(extra, 0, n_free)
        pairs = np.maximum(pairs, (n_positive + chosen) * (n_negative + n_free - chosen))
    if not pairs.max() > 0:
        return None
    return float((wins[pairs > 0] / pairs[pairs > 0]).min())


def _wins(values: FloatArray, ordered: FloatArray) -> FloatArray:
    """How many of ``ordered`` lie below each value, ties counted one half."""
    below = np.searchsorted(ordered, values, side="left")
    through = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + through) / 2, dtype=np.float64)


def _ties_across(ordered: FloatArray) -> FloatArray:
    """Pairs of equal values that a cut after the first k parts, for k from 0 to all."""
    k = np.arange(1, ordered.size)
    value = ordered[:-1]
    before = k - np.searchsorted(ordered, value, side="left")
    after = np.searchsorted(ordered, value, side="right") - k
    inner = np.asarray(before * after, dtype=np.float64)
    return np.concatenate([[0.0], inner, [0.0]])[: ordered.size + 1]
