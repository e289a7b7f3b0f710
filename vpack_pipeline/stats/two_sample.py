"""A classifier two-sample test: how well cases of two sets can be told apart by what they are.

Where nothing tells them apart, the area under the ROC curve of a classifier on cases that it was
not fitted to is near one half (Lopez-Paz & Oquab 2017); what chance alone reaches is found by
handing the sets out among patients anew. What does not belong here: which sets and variables.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from vpack_pipeline.stats.arguments import clusters, labels, numbers, positions, whole
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray
from vpack_pipeline.stats.logistic import fit_logistic
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import auc

PENALTY: Final = 1.0
"""Strength of the squared penalty, on columns of the order of 1 (scikit-learn's ``1 / C``)."""
_DECIMALS: Final = 9
"""Of scores: cases alike in every column tie, in whatever order their terms are added up."""
_BLOCK: Final = 500
"""Draws that are held at once."""


def folds_by_patient(
    patient: npt.NDArray[np.generic],
    is_second: BoolArray,
    n_folds: int,
    rng: np.random.Generator,
) -> IntArray:
    """Deal patients into folds, those with a case of the second set evenly.

    Parameters
    ----------
    patient : (n,) of each case
    is_second : (n,) whether a case is of the second set
    n_folds : >= 2

    Returns
    -------
    (n,) the fold of each case, 0 to ``n_folds`` - 1; all cases of a patient are in one
    """
    whole("n_folds", n_folds, 2)
    second = labels("is_second", is_second)
    code, n_patients = patient_codes(clusters("patient", patient, second.size))
    has_second = np.zeros(n_patients, dtype=np.int64)
    np.maximum.at(has_second, code, second)
    shuffled = rng.permutation(n_patients)
    dealt = shuffled[np.argsort(has_second[shuffled], kind="stable")]
    fold_of = np.empty(n_patients, dtype=np.int64)
    fold_of[dealt] = np.arange(n_patients) % n_folds
    return np.asarray(fold_of[code])


def cross_fitted_auc(features: FloatArray, is_second: BoolArray, fold: IntArray) -> float | None:
    """Give the area under the ROC curve of a logistic regression on cases it was not fitted to.

    Each fold is scored by a regression with a squared penalty, fitted to the others; cases are
    compared within folds alone, since scores of two fits are not on one scale.

    Parameters
    ----------
    features : (n, p) finite numbers of the order of 1
    is_second : (n,) whether a case is of the second set
    fold : (n,) of :func:`folds_by_patient`

    Returns
    -------
    the share of pairs of both sets in which the case of the second scores higher, ties as one half;
    None where no fold has a pair that can be scored
    """
    x = numbers("features", features)
    y = labels("is_second", is_second)
    folds = positions("fold", fold)
    if x.shape[:1] != y.shape or folds.shape != y.shape or x.ndim != 2:
        raise ValueError("features, is_second and fold have one row a case")
    design = np.column_stack([np.ones(y.size), x])
    ridge = np.full(design.shape[1], PENALTY)
    ridge[0] = 0.0
    concordant, pairs = 0.0, 0
    for number in np.unique(folds):
        here = folds == number
        n_second = int(y[here].sum())
        n_pairs = n_second * (int(here.sum()) - n_second)
        if n_pairs == 0 or y[~here].all() or not y[~here].any():
            continue
        fitted_to = design[~here]
        beta, _ = fit_logistic(
            fitted_to, y[~here].astype(np.float64), np.zeros(len(fitted_to)), penalty=ridge
        )
        area = auc(np.round(design[here] @ beta, _DECIMALS), y[here])
        concordant += n_pairs * (area or 0.0)
        pairs += n_pairs
    return concordant / pairs if pairs else None


def null_areas(
    features: FloatArray,
    is_second: BoolArray,
    patient: npt.NDArray[np.generic],
    fold: IntArray,
    n_draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Give areas as of :func:`cross_fitted_auc` where the sets are handed out among patients anew.

    Each regression is one Newton step from no difference: without any, the coefficients are small,
    and a second step hardly changes the order of cases. One inverse a fold then serves all draws.

    Parameters
    ----------
    features, is_second, fold : as of :func:`cross_fitted_auc`
    patient : (n,) of each case
    n_draws : >= 1

    Returns
    -------
    (at most n_draws,) areas; a draw in which no fold has both sets is left out
    """
    whole("n_draws", n_draws, 1)
    x = numbers("features", features)
    y = labels("is_second", is_second)
    folds = positions("fold", fold)
    if x.shape[:1] != y.shape or folds.shape != y.shape or x.ndim != 2:
        raise ValueError("features, is_second and fold have one row a case")
    steps = [_first_step(x, y, folds == number) for number in np.unique(folds)]
    found = []
    for start in range(0, n_draws, _BLOCK):
        drawn = np.array(
            [sets_handed_out_anew(patient, y, rng) for _ in range(min(_BLOCK, n_draws - start))]
        ).T
        concordant, pairs = np.zeros(drawn.shape[1]), np.zeros(drawn.shape[1])
        for number, step in zip(np.unique(folds), steps, strict=True):
            here = folds == number
            second = drawn[here]
            n_second = second.sum(axis=0)
            # Mann and Whitney's U: the rank sum of the second set less its least possible value.
            ranks = rankdata(step @ drawn[~here], axis=0)
            u = (ranks * second).sum(axis=0) - n_second * (n_second + 1) / 2
            concordant += u
            pairs += n_second * (here.sum() - n_second)
        found.append(concordant[pairs > 0] / pairs[pairs > 0])
    return np.concatenate(found)


def _first_step(x: FloatArray, is_second: BoolArray, here: BoolArray) -> FloatArray:
    """Give the matrix from the sets of all other cases to the scores of those of a fold."""
    others = x[~here] - x[~here].mean(axis=0)
    share = is_second[~here].mean()
    information = others.T @ others * share * (1 - share) + np.eye(x.shape[1]) * PENALTY
    return np.asarray(x[here] @ np.linalg.solve(information, others.T))


def sets_handed_out_anew(
    patient: npt.NDArray[np.generic], is_second: BoolArray, rng: np.random.Generator
) -> BoolArray:
    """Exchange the sets of patients among those with equally many cases.

    Parameters
    ----------
    patient : (n,) of each case
    is_second : (n,) whether a case is of the second set

    Returns
    -------
    (n,) whether a case is of the second set now; a patient has all of another's, in their order
    """
    second = labels("is_second", is_second)
    code, _ = patient_codes(clusters("patient", patient, second.size))
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code)
    starts = np.cumsum(sizes) - sizes
    made = second.copy()
    for size in np.unique(sizes[sizes > 0]):
        alike = np.flatnonzero(sizes == size)
        rows = order[starts[alike][:, None] + np.arange(size)]
        made[rows] = second[rows[rng.permutation(alike.size)]]
    return made
