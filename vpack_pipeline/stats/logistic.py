"""Logistic regression by maximum likelihood, penalised or not, with errors by patient.

What does not belong here: what is regressed on what (``calibration``, ``trend``, ``two_sample``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from vpack_pipeline.stats.arguments import amounts, labelled_scores, numbers, positions
from vpack_pipeline.stats.estimate import BoolArray, FloatArray


def fit_logistic(
    design: FloatArray,
    outcome: FloatArray,
    offset: FloatArray,
    codes: npt.NDArray[np.intp] | None = None,
    weights: FloatArray | None = None,
    penalty: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Fit by Newton's method with Armijo's step halving; give coefficients and their covariance.

    Parameters
    ----------
    design : (n, k), with a column of ones where there is an intercept
    outcome : (n,) 0 or 1
    offset : (n,) what is added to the log odds with a coefficient of 1
    codes : (n,) patient of each case, 0 to P-1, P of two or more; gives the sandwich (Liang & Zeger
        1986, with P/(P-1)) in place of the model's covariance
    weights : (n,) > 0, such as inverse sampling fractions: the likelihood is weighted, and with
        codes the sandwich holds (Binder 1983)
    penalty : (k,) >= 0, by column: half of it times the squared coefficient is taken off the log
        likelihood (Hoerl & Kennard 1970); 0 for the intercept

    Returns
    -------
    (k,) and (k, k). Where the classes are separated the maximum without a penalty is infinite, and
    what is returned is where the method stopped: ask :func:`is_separated` before

    Raises
    ------
    LinAlgError
        The columns depend on one another, or separation left no information.
    """
    x, added, y = numbers("design", design), numbers("offset", offset), numbers("outcome", outcome)
    if x.ndim != 2 or not x.shape[0] == y.size == added.size:
        raise ValueError("design, outcome and offset: one of each is needed for each case")
    if not ((y == 0) | (y == 1)).all():
        raise ValueError("outcome: every one is 0 or 1")
    who = None if codes is None else positions("codes", codes)
    if who is not None and who.shape != y.shape:
        raise ValueError("codes: one patient code is needed for each case")
    w = np.ones(y.size) if weights is None else amounts("weights", weights)
    if w.shape != y.shape or (w == 0).any():
        raise ValueError("weights: one weight above 0 is needed for each case")
    ridge = np.zeros(x.shape[1]) if penalty is None else amounts("penalty", penalty)
    if ridge.shape != x.shape[1:]:
        raise ValueError("penalty: one is needed for each column of the design")
    return _newton(x, y, added, who, w, ridge)


def is_separated(score: FloatArray, positive: BoolArray) -> bool:
    """Say whether one score parts the classes, but for ties at one value.

    Parameters
    ----------
    score, positive : (n,); both classes must be present
    """
    x, y = labelled_scores(score, positive)
    if y.all() or not y.any():
        raise ValueError("positive: both classes must be present")
    cases, controls = x[y], x[~y]
    return bool(cases.min() >= controls.max() or cases.max() <= controls.min())


def _newton(
    design: FloatArray,
    y: FloatArray,
    offset: FloatArray,
    codes: npt.NDArray[np.intp] | None,
    w: FloatArray,
    ridge: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    def gained(beta: FloatArray) -> float:
        eta = design @ beta + offset
        likelihood = float((w * y) @ eta - (w * np.logaddexp(0, eta)).sum())
        return likelihood - float(ridge @ beta**2) / 2

    def information(eta: FloatArray) -> FloatArray:
        # expit(-eta) is not 1 - expit(eta): it does not round to 0.
        return np.asarray((design.T * (w * expit(eta) * expit(-eta))) @ design + np.diag(ridge))

    beta: FloatArray = np.zeros(design.shape[1])
    now = gained(beta)
    for _ in range(200):
        eta = design @ beta + offset
        gradient = design.T @ (w * (y - expit(eta))) - ridge * beta
        step = np.linalg.solve(information(eta), gradient)
        gain = float(gradient @ step)
        scale = 1.0
        # Extreme log odds have next to no information, and a full step would leave the plane.
        while (then := gained(beta + scale * step)) < now + 1e-4 * scale * gain - 1e-9:
            scale /= 2
        beta, now = beta + scale * step, then
        if np.abs(scale * step).max() < 1e-10 * (1 + np.abs(beta).max()):
            break
    eta = design @ beta + offset
    bread: FloatArray = np.asarray(np.linalg.inv(information(eta)), dtype=np.float64)
    if codes is None:
        return beta, bread
    scores = np.zeros((int(codes.max()) + 1, design.shape[1]))
    np.add.at(scores, codes, design * (w * (y - expit(eta)))[:, None])
    factor = len(scores) / (len(scores) - 1)
    return beta, factor * bread @ (scores.T @ scores) @ bread
