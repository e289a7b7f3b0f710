"""Accuracy of an index test corrected for the known errors of its reference.

Gart & Buck (1966) and Staquet et al. (1981) for errors that are independent given the truth; with
Vacek's (1985) conditional covariances where a case that misleads the reference misleads the index
test too. The reference may be a majority of readers who are misled alike. Cases alone tell nothing
of that correlation, so that it is a parameter of every statement. What does not belong here: how
the reference's errors are known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtr, ndtri

from vpack_pipeline.stats.arguments import amounts, number, numbers, whole
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.resampling import FEW_UNDEFINED, percentile_interval

NO_INFORMATION: Final = Code("reference_by_chance")
CONTRADICTED: Final = Code("counts_contradict_errors")
NO_CASES: Final = Code("no_cases")
MANY_REFUSED: Final = code("many_replicates_contradict_errors", share=FEW_UNDEFINED)
NO_REPLICATES: Final = Code("no_replicates")
_RATES: Final = ("reference_sensitivity", "reference_specificity")
_GRID: Final = 64
_BISECTIONS: Final = 26
_FAR: Final = 37.0
_ROUNDING: Final = 1e-12
_FACTOR, _FACTOR_WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
_SHARES: Final[FloatArray] = _FACTOR_WEIGHTS / _FACTOR_WEIGHTS.sum()
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(24)


class CorrectedAccuracy(NamedTuple):
    """(B,) of each; nan in both where they are refused."""

    sensitivity: FloatArray
    specificity: FloatArray


class Replicates(NamedTuple):
    """Bootstrap replicates: counts (B, 4) and the reference's sensitivity and specificity (B,)."""

    two_by_two: FloatArray
    reference_sensitivity: FloatArray
    reference_specificity: FloatArray


_Covariance = Callable[[FloatArray], FloatArray]


class _Reference(NamedTuple):
    """(B,) of each, and how many readers it is the majority of."""

    sensitivity: FloatArray
    specificity: FloatArray
    readers: int = 1

    @property
    def youden(self) -> FloatArray:
        return self.sensitivity + self.specificity - 1

    def at(self, rows: npt.NDArray[np.intp]) -> _Reference:
        return _Reference(self.sensitivity[rows], self.specificity[rows], self.readers)

    def covariances(self, correlation: float) -> tuple[_Covariance, _Covariance]:
        """How far a figure (…, B) of the index test is shared, with the disease and without."""
        if self.readers == 1:
            return (
                lambda mine: conditional_covariance(mine, self.sensitivity, correlation),
                lambda mine: conditional_covariance(mine, self.specificity, correlation),
            )
        ill, well = (
            _majority_given(rate, self.readers, correlation)
            for rate in (self.sensitivity, self.specificity)
        )
        return (
            lambda mine: _covariance_given(mine, ill, correlation),
            lambda mine: _covariance_given(mine, well, correlation),
        )


class _Apparent(NamedTuple):
    """The solution under independence, unclipped, and the masses that a covariance is divided by.

    ``diseased`` and ``healthy`` are the prevalence and its complement, times Youden's index of the
    reference.
    """

    sensitivity: FloatArray
    specificity: FloatArray
    diseased: FloatArray
    healthy: FloatArray

    def at(self, rows: npt.NDArray[np.intp]) -> _Apparent:
        return _Apparent(*(part[rows] for part in self))


def corrected_accuracy(
    two_by_two: FloatArray,
    reference_sensitivity: FloatArray,
    reference_specificity: FloatArray,
    correlation: float = 0.0,
    readers: int = 1,
) -> CorrectedAccuracy:
    """Sensitivity and specificity of the index test, for the errors of the reference.

    Parameters
    ----------
    two_by_two : (B, 4) counts or weights tp, fp, fn, tn of index test against reference
    reference_sensitivity, reference_specificity : (B,) in [0, 1]; nan, unknown, is refused as well
    correlation : ρ, in [0, 1): of the latent normal errors of index test and reference within a
        true class, as in a bivariate probit; 0 is independence
    readers : the reference is a majority of so many readers alike, and ρ that of any two latent
        errors, theirs or the index test's, which share one normal factor a case; of an even number
        ties are taken as broken at random, which makes them as one fewer

    Returns
    -------
    Both figures, nan where refused: without cases, with a reference whose sensitivity +
    specificity <= 1, and where no prevalence strictly between 0 and 1 with both figures in [0, 1]
    yields the counts. With ρ > 0 the solution is the one that independence passes into as ρ grows;
    where there is none, or more than one, both are refused.

    >>> found = corrected_accuracy(np.array([[801, 819, 499, 7881]]), np.array([0.85]),
    ...     np.array([0.95]))
    >>> found.sensitivity.round(3), found.specificity.round(3)
    (array([0.9]), array([0.92]))
    """
    if not 0 <= correlation < 1:
        raise ValueError("the correlation lies in [0, 1)")
    whole("readers", readers)
    counts = amounts("two_by_two", two_by_two)
    sensitivity, specificity = (
        numbers(name, rate, 0.0, 1.0, missing=True)
        for name, rate in zip(_RATES, (reference_sensitivity, reference_specificity), strict=True)
    )
    if not len(counts) == len(sensitivity) == len(specificity):
        raise ValueError("two_by_two: a row is needed for each rate of the reference")
    reference = _Reference(sensitivity, specificity, readers - (readers % 2 == 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        apparent = _independent(counts, reference)
        solvable = (reference.youden > 0) & (apparent.diseased > 0) & (apparent.healthy > 0)
        shared = np.zeros(len(counts))
        if correlation > 0:
            rows = np.flatnonzero(solvable)
            shared[rows] = _shared_error(apparent.at(rows), reference.at(rows), correlation)
        figures = _shifted(apparent, shared)
    held = solvable & _within(figures.sensitivity) & _within(figures.specificity)
    return CorrectedAccuracy(*(np.where(held, np.clip(f, 0, 1), np.nan) for f in figures))


def corrected_estimates(
    two_by_two: FloatArray,
    reference_sensitivity: float,
    reference_specificity: float,
    *,
    correlation: float = 0.0,
    readers: int = 1,
    replicates: Replicates | None = None,
    level: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """One table's corrected (sensitivity, specificity), with percentile intervals of replicates.

    Parameters
    ----------
    two_by_two : (4,) tp, fp, fn, tn
    replicates : patients drawn for the counts, and for what the reference's errors were taken
        from, so that the interval holds both uncertainties
    correlation, readers : see ``corrected_accuracy``

    Returns
    -------
    n counts all cases. Refused with a reason as in ``corrected_accuracy``; replicates refused alike
    are left out of the interval, their number in ``notes``.
    """
    normal_quantile(level)
    name = Code("staquet")
    if correlation > 0:
        of = "vacek_of_any_two" if readers > 1 else "vacek"
        name = code(of, correlation=correlation)
    counts = amounts("two_by_two", two_by_two)
    for rate_name, rate in zip(_RATES, (reference_sensitivity, reference_specificity), strict=True):
        number(rate_name, rate, 0.0, 1.0)
    if replicates is not None:
        _check_replicates(replicates)
    n = round(float(counts.sum()))
    known = (np.array([reference_sensitivity]), np.array([reference_specificity]))
    point = corrected_accuracy(counts[None], *known, correlation, readers)
    if np.isnan(point.sensitivity[0]):
        reason = CONTRADICTED
        if reference_sensitivity + reference_specificity <= 1:
            reason = NO_INFORMATION
        refused = undefined(NO_CASES if n == 0 else reason, method=name, n=n)
        return refused, refused
    if replicates is None:
        drawn = CorrectedAccuracy(np.empty(0), np.empty(0))
    else:
        drawn = corrected_accuracy(*replicates, correlation, readers)
    sensitivity, specificity = (
        _estimate(float(value[0]), values, n, name, level)
        for value, values in zip(point, drawn, strict=True)
    )
    return sensitivity, specificity


def _check_replicates(replicates: Replicates) -> None:
    amounts("replicates: two_by_two", replicates.two_by_two)
    for name, rate in zip(_RATES, replicates[1:], strict=True):
        numbers(f"replicates: {name}", rate, 0.0, 1.0, missing=True)
        if len(rate) != len(replicates.two_by_two):
            raise ValueError(f"replicates: one {name} is needed for each two_by_two")


def conditional_covariance(first: FloatArray, second: FloatArray, correlation: float) -> FloatArray:
    """Covariance of two tests' results in one true class under a bivariate probit.

    P(both right) less the product of the two rates, for rates (B,) in [0, 1] of being right:
    the integral of the bivariate normal density over the correlation from 0 to ρ (Plackett 1954),
    by Gauss–Legendre quadrature in its arc sine (Drezner & Wesolowsky 1990).
    """
    first = numbers("first", first, 0.0, 1.0, missing=True)
    second = numbers("second", second, 0.0, 1.0, missing=True)
    number("correlation", correlation, -1.0, 1.0)
    h, k = (np.clip(ndtri(rate), -_FAR, _FAR)[..., None] for rate in (first, second))
    reach = np.arcsin(correlation) / 2
    angle = reach * (_NODES + 1)
    density = np.exp(-(h**2 + k**2 - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2))
    summed: FloatArray = density @ _NODE_WEIGHTS * reach / (2 * np.pi)
    return summed


def _majority_given(rate: FloatArray, readers: int, correlation: float) -> FloatArray:
    """Chance (B, N) that a majority is right at each node of the common factor, from its rate (B,).

    That fixes the rate of one reader, which is looked up in a table.
    """
    threshold, rates = _majorities(readers, correlation)
    reader = np.interp(rate, rates, threshold)
    return _majority(_given(reader, correlation), readers)


def _majority(given: FloatArray, readers: int) -> FloatArray:
    return np.asarray(1 - bdtr(readers // 2, readers, given))


@lru_cache(maxsize=16)
def _majorities(readers: int, correlation: float) -> tuple[FloatArray, FloatArray]:
    """Probits of one reader's rate of being right, and the rate of a majority at each."""
    threshold = np.linspace(-8.0, 8.0, 4001)
    rates = _majority(_given(threshold, correlation), readers) @ _SHARES
    return threshold, np.maximum.accumulate(rates)


def _given(threshold: FloatArray, correlation: float) -> FloatArray:
    """Chance of being right at each node of the common factor, for probits (…,) of the rates."""
    moved = threshold[..., None] + np.sqrt(correlation) * _FACTOR
    return np.asarray(ndtr(moved / np.sqrt(1 - correlation)))


def _covariance_given(mine: FloatArray, panel: FloatArray, correlation: float) -> FloatArray:
    """Covariance of being right of a test (…, B) and of a panel (B, N) that share the factor."""
    given = _given(np.clip(ndtri(mine), -_FAR, _FAR), correlation)
    apart = _SHARES * (panel - (panel @ _SHARES)[:, None])
    return np.asarray(np.einsum("...bn,bn->...b", given, apart))


def _independent(counts: FloatArray, reference: _Reference) -> _Apparent:
    tp, fp, fn, tn = (counts / counts.sum(axis=1, keepdims=True)).T
    diseased = tp + fn - (1 - reference.specificity)
    healthy = fp + tn - (1 - reference.sensitivity)
    return _Apparent(
        ((tp + fp) * reference.specificity - fp) / diseased,
        ((fn + tn) * reference.sensitivity - fn) / healthy,
        diseased,
        healthy,
    )


def _shifted(apparent: _Apparent, shared: FloatArray) -> CorrectedAccuracy:
    """Take the covariance that all cases share, (…, B), off the independent solution."""
    return CorrectedAccuracy(
        apparent.sensitivity - shared / apparent.diseased,
        apparent.specificity - shared / apparent.healthy,
    )


def _excess(
    apparent: _Apparent,
    reference: _Reference,
    shared: FloatArray,
    covariances: tuple[_Covariance, _Covariance],
) -> FloatArray:
    """How much more covariance the figures make than was taken off to get them."""
    right = (np.clip(figure, 0, 1) for figure in _shifted(apparent, shared))
    ill, well = (share(mine) for share, mine in zip(covariances, right, strict=True))
    made = apparent.diseased * ill + apparent.healthy * well
    return np.asarray(made / reference.youden - shared, dtype=np.float64)


def _shared_error(apparent: _Apparent, reference: _Reference, correlation: float) -> FloatArray:
    """Solve for the mean conditional covariance, the only unknown that both figures depend on.

    The solution that is 0 without correlation lies where the excess changes from + to −; close to a
    figure of 1 there may be another, where it changes back.
    """
    by_sensitivity = apparent.sensitivity * apparent.diseased
    by_specificity = apparent.specificity * apparent.healthy
    high = np.minimum(by_sensitivity, by_specificity)
    low = np.maximum(by_sensitivity - apparent.diseased, by_specificity - apparent.healthy)
    low = np.maximum(low, 0.0)
    steps = low + (high - low) * np.linspace(0, 1, _GRID)[:, None]
    covariances = reference.covariances(correlation)
    sign = _excess(apparent, reference, steps, covariances) > 0
    falls = sign[:-1] & ~sign[1:]
    single = (falls.sum(axis=0) == 1) & (high >= low)
    at, rows = falls.argmax(axis=0), np.arange(len(low))
    left, right = steps[at, rows], steps[at + 1, rows]
    for _ in range(_BISECTIONS):
        middle = (left + right) / 2
        above = _excess(apparent, reference, middle, covariances) > 0
        left, right = np.where(above, middle, left), np.where(above, right, middle)
    return np.where(single, (left + right) / 2, np.nan)


def _within(figure: FloatArray) -> BoolArray:
    inside: BoolArray = (figure >= -_ROUNDING) & (figure <= 1 + _ROUNDING)
    return inside


def _estimate(value: float, drawn: FloatArray, n: int, name: Code, level: float) -> Estimate:
    if drawn.size == 0:
        return undefined(NO_REPLICATES, method=name, n=n, value=value)
    method = coded(name, "percentile_bootstrap")
    interval = percentile_interval(drawn, level, most_undefined=FEW_UNDEFINED)
    if interval.lower is None:
        return undefined(MANY_REFUSED, method=method, n=n, value=value)
    notes: Codes = ()
    if interval.n_undefined:
        left_out = interval.n_undefined
        notes = coded(code("replicates_contradict_errors", left_out=left_out, of=drawn.size))
    return Estimate(value, interval.lower, interval.upper, n, None, method, notes=notes)
