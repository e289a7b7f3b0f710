"""How far two distributions lie apart, and weights that bring one to the other.

A distance between samples is above 0 without any difference: print its null beside it. What does
not belong here: thresholds, and monitoring over time (``monitoring``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov

from vpack_pipeline.stats.arguments import (
    amounts,
    number,
    numbers,
    positions,
    positive_number,
    whole,
)
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.estimate import (
    Estimate,
    FloatArray,
    HypothesisTest,
    normal_quantile,
    undefined,
)

PSI_FLOOR: Final = 1e-4
"""Least share of a bin in the PSI: without it an empty bin would make it infinite."""


class Moments(NamedTuple):
    """Mean, standard deviation (with n − 1) and size of a sample."""

    mean: float
    sd: float
    n: float


def smd(a: Moments, b: Moments, level: float = 0.95) -> Estimate:
    """Standardised mean difference (a − b) over √((s²a + s²b) / 2) (Austin 2009).

    The interval is Hedges & Olkin's (1985). ``n`` is that of both samples. Undefined, with a
    reason, where neither varies or a sample is empty.

    >>> round(smd(Moments(60, 10, 50), Moments(55, 10, 50)).value, 3)
    0.5
    """
    _check_moments("a", a)
    _check_moments("b", b)
    method = coded("smd", "hedges_olkin")
    n = round(a.n + b.n)
    pooled = math.sqrt((a.sd**2 + b.sd**2) / 2)
    if min(a.n, b.n) <= 0 or not pooled > 0:
        return undefined("sample_empty_or_constant", method=method, n=n)
    return _hedges_olkin((a.mean - b.mean) / pooled, a.n, b.n, method, level)


def smd_categorical(counts_a: FloatArray, counts_b: FloatArray) -> Estimate:
    """Standardised difference of two categorical distributions (Yang & Dalton 2012).

    The Mahalanobis distance of the shares, under the mean of their multinomial covariances. It has
    no sign and no interval: without any difference it is above 0, and an interval about it would
    never hold the 0 that is true. ``smd_categorical_null`` says how far above.

    Parameters
    ----------
    counts_a, counts_b : (k,) counts over the same categories

    Returns
    -------
    ``n`` is the total of both. Undefined, with a reason, where a set is empty, only one category is
    used, or no category is used by both (the distance is infinite).
    """
    method = coded("smd_yang_dalton")
    a, b = _pair(counts_a, counts_b)
    n_a, n_b = float(a.sum()), float(b.sum())
    n = round(n_a + n_b)
    reason = None
    if min(n_a, n_b) <= 0:
        reason = "set_empty"
    elif not ((a > 0) & (b > 0)).any():
        reason = "no_category_in_common"
    elif ((a + b) > 0).sum() == 1:
        reason = "one_category"
    if reason is not None:
        return undefined(reason, method=method, n=n)
    used = (a + b) > 0
    p, q = (a[used] / n_a)[1:], (b[used] / n_b)[1:]
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    squared = float((p - q) @ np.linalg.solve(covariance, p - q))
    return Estimate(math.sqrt(max(squared, 0.0)), None, None, n, None, method)


def smd_categorical_null(
    shares: FloatArray,
    n_a: int,
    n_b: int,
    replicates: int,
    rng: np.random.Generator,
    *,
    quantile: float = 0.95,
) -> float | None:
    """The distance that two sets without any difference would stay below, by simulation.

    Parameters
    ----------
    shares : (k,) pooled distribution, counts or shares
    n_a, n_b : sizes of both sets, >= 1, each drawn (multinomial)

    Returns
    -------
    the smallest distance that the share ``quantile`` of draws does not exceed; None where that is
    infinite, since so small sets may have no category in common
    """
    p = _distribution("shares", shares)
    sizes = [whole(name, n) for name, n in (("n_a", n_a), ("n_b", n_b))]
    whole("replicates", replicates)
    number("quantile", quantile, 0.0, 1.0)
    first, second = (rng.multinomial(n, p, size=replicates) / n for n in sizes)
    found = float(np.quantile(_mahalanobis_rows(first, second), quantile, method="higher"))
    return found if math.isfinite(found) else None


def _mahalanobis_rows(p: FloatArray, q: FloatArray) -> FloatArray:
    """``smd_categorical`` of each row of two (r, k) arrays of shares; inf without overlap."""
    covariance = sum(
        (shares[:, :, None] * (np.eye(shares.shape[1]) - shares[:, None, :])) / 2
        for shares in (p, q)
    )
    # Over all categories the covariance has no inverse; the generalised one gives the same distance
    # whichever category is left out, and passes by those that nobody uses.
    inverse = np.linalg.pinv(covariance, rcond=1e-10, hermitian=True)
    squared = np.einsum("ri,rij,rj->r", p - q, inverse, p - q)
    overlap = np.minimum(p, q).sum(axis=1) > 0
    return np.where(overlap, np.sqrt(np.maximum(squared, 0.0)), np.inf)


def jensen_shannon(counts_a: FloatArray, counts_b: FloatArray) -> float | None:
    """Jensen–Shannon divergence in bits, in [0, 1] (Lin 1991); its root is the distance.

    None where a set is empty. Counts or shares over the same categories.

    >>> jensen_shannon(np.array([1, 0]), np.array([0, 1]))
    1.0
    """
    a, b = _pair(counts_a, counts_b)
    if min(a.sum(), b.sum()) <= 0:
        return None
    return float(jensen_shannon_rows(a[None, :] / a.sum(), b[None, :] / b.sum())[0])


def jensen_shannon_null(
    shares: FloatArray,
    n: int,
    replicates: int,
    rng: np.random.Generator,
    *,
    quantile: float = 0.95,
    n_target: int | None = None,
) -> float:
    """The divergence that a sample without any difference would stay below, by simulation.

    Parameters
    ----------
    shares : (k,) pooled or target distribution, counts or shares
    n : size of the sample, >= 1
    n_target : size of the other sample, drawn as well; where not given the target is taken as known
    """
    p = _distribution("shares", shares)
    for name, value in (("n", n), ("replicates", replicates)):
        whole(name, value)
    number("quantile", quantile, 0.0, 1.0)
    sample = rng.multinomial(n, p, size=replicates) / n
    if n_target is None:
        target = np.broadcast_to(p, sample.shape)
    else:
        target = rng.multinomial(whole("n_target", n_target), p, size=replicates) / n_target
    return float(np.quantile(jensen_shannon_rows(sample, target), quantile))


def psi(counts_a: FloatArray, counts_b: FloatArray, floor: float = PSI_FLOOR) -> float | None:
    """Population stability index Σ (a − b) ln(a / b) over shares, each at least ``floor``.

    None where a set is empty. Its null expectation depends on the sizes (``psi_null_expectation``):
    fixed cut-offs such as 0.1 mean nothing without them (Yurdakul 2018).
    """
    a, b = _pair(counts_a, counts_b)
    if min(a.sum(), b.sum()) <= 0:
        return None
    return float(psi_rows(a[None, :] / a.sum(), b[None, :] / b.sum(), floor)[0])


def psi_rows(p: FloatArray, q: FloatArray, floor: float = PSI_FLOOR) -> FloatArray:
    """``psi`` of each row of two (r, k) arrays of shares: (r,); nan from nan."""
    positive_number("floor", floor)
    first, second = (
        np.maximum(amounts(name, shares, missing=True), floor)
        for name, shares in (("p", p), ("q", q))
    )
    index: FloatArray = ((first - second) * np.log(first / second)).sum(axis=1)
    return index


def kolmogorov_smirnov(a: FloatArray, b: FloatArray) -> HypothesisTest:
    """Two-sample distance (Smirnov 1939) with its limiting p value, conservative with ties."""
    method = coded("kolmogorov_smirnov")
    x, y = np.sort(numbers("a", a)), np.sort(numbers("b", b))
    if min(x.size, y.size) == 0:
        return HypothesisTest(None, None, method, reason=Code("set_empty"))
    at = np.concatenate([x, y])
    below_x = np.searchsorted(x, at, side="right") / x.size
    below_y = np.searchsorted(y, at, side="right") / y.size
    distance = float(np.abs(below_x - below_y).max())
    root = math.sqrt(x.size * y.size / (x.size + y.size))
    return HypothesisTest(distance, float(kolmogorov(distance * root)), method)


def kish_ess(weights: FloatArray) -> float:
    """Effective sample size (Σw)² / Σw² (Kish 1965); 0 where there is no weight.

    >>> kish_ess(np.array([1, 1, 2]))
    2.6666666666666665
    """
    w = amounts("weights", weights)
    squares = float(w @ w)
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Raking:
    """Weights in the order of the cases; None, with a reason, where no weights can meet targets."""

    weights: FloatArray | None
    iterations: int
    reason: Code | None = None


def raking(
    margins: Sequence[npt.NDArray[np.integer]],
    targets: Sequence[FloatArray],
    total: float | None = None,
    *,
    base: FloatArray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
) -> Raking:
    """Weights under which each margin has its target shares (Deming & Stephan 1940).

    Parameters
    ----------
    margins : one (n,) array of codes 0 … k−1 a variable
    targets : one (k,) array of shares or counts a variable
    total : sum of the weights; n where not given
    base : (n,) weights to start from, of which the result keeps the odds ratios; else all alike. A
        weight of 0 stays so

    Returns
    -------
    Refused where a target category has no case of positive weight, or where the margins contradict
    one another. A case in a category of target 0 gets weight 0.
    """
    n = len(margins[0])
    size = float(n) if total is None else number("total", total, 0.0)
    goals = [amounts("targets", t) for t in targets]
    margins = [positions("margins", m, goal.size) for m, goal in zip(margins, goals, strict=True)]
    if any(len(codes) != n for codes in margins):
        raise ValueError("margins: one code is needed for each case")
    if not all(goal.sum() > 0 for goal in goals):
        raise ValueError("targets sum to more than 0")
    number("tolerance", tolerance, 0.0)
    whole("max_iterations", max_iterations)
    wanted = [goal / goal.sum() * size for goal in goals]
    start = _start(base, n)
    for codes, goal in zip(margins, wanted, strict=True):
        if (np.bincount(codes, weights=start, minlength=goal.size)[goal > 0] == 0).any():
            return Raking(None, 0, Code("target_without_case"))
    weights = start * (size / start.sum())
    for iteration in range(1, max_iterations + 1):
        before = weights
        for codes, goal in zip(margins, wanted, strict=True):
            now = np.bincount(codes, weights=weights, minlength=goal.size)
            factor = np.divide(goal, now, out=np.zeros(goal.size), where=now > 0)
            weights = weights * factor[codes]
        if np.abs(weights - before).max() <= tolerance * size / n:
            return _settled(weights, margins, wanted, iteration, size)
    return Raking(None, max_iterations, Code("margins_contradict"))


def _start(base: FloatArray | None, n: int) -> FloatArray:
    start = np.ones(n) if base is None else amounts("base", base)
    if start.shape != (n,):
        raise ValueError("base: one weight is needed for each case")
    return start


def _settled(
    weights: FloatArray,
    margins: Sequence[npt.NDArray[np.integer]],
    wanted: Sequence[FloatArray],
    iteration: int,
    size: float,
) -> Raking:
    """The weights, if they meet every margin: a contradiction can also come to rest."""
    for codes, goal in zip(margins, wanted, strict=True):
        reached = np.bincount(codes, weights=weights, minlength=goal.size)
        if np.abs(reached - goal).max() > 1e-6 * size:
            return Raking(None, iteration, Code("margins_contradict"))
    return Raking(weights, iteration)


def _check_moments(name: str, of: Moments) -> None:
    number(f"{name}.n", of.n, 0.0)
    # The deviation of one value or none is undefined, and so is the distance.
    if of.n > 1 or not (math.isnan(of.mean) or math.isnan(of.sd)):
        number(f"{name}.mean", of.mean)
        number(f"{name}.sd", of.sd, 0.0)


def _distribution(name: str, counts: FloatArray) -> FloatArray:
    given = amounts(name, counts)
    if not given.sum() > 0:
        raise ValueError(f"{name} sum to more than 0")
    shares: FloatArray = given / given.sum()
    return shares


def _pair(counts_a: FloatArray, counts_b: FloatArray) -> tuple[FloatArray, FloatArray]:
    a, b = amounts("counts_a", counts_a), amounts("counts_b", counts_b)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError("counts_a and counts_b need to be of the same categories")
    return a, b


def _hedges_olkin(d: float, n_a: float, n_b: float, method: Codes, level: float) -> Estimate:
    se = math.sqrt((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b)))
    reach = normal_quantile(level) * se
    return Estimate(float(d), float(d - reach), float(d + reach), round(n_a + n_b), None, method)


def jensen_shannon_rows(p: FloatArray, q: FloatArray) -> FloatArray:
    """``jensen_shannon`` of each row of two (r, k) arrays of shares: (r,); nan from nan."""
    p, q = amounts("p", p, missing=True), amounts("q", q, missing=True)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p == 0, 0.0, p * np.log2(p / middle))
        right = np.where(q == 0, 0.0, q * np.log2(q / middle))
    # Equal rows come out at ±1e-17.
    divergence: FloatArray = np.maximum((left + right).sum(axis=1) / 2, 0.0)
    return divergence
