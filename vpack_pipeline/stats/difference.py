"""The difference of two figures of cases whose patients may be on both sides, with its interval.

The limits of both figures, as they are printed, give the variances that the limits of the
difference need (MOVER: Zou & Donner 2008; for independent proportions Newcombe 1998, method 10), so
that a difference never has less doubt than its parts: 40 of 40 and then 3 of 3 is a difference of
0, and its interval as wide as that of 3 of 3. What does not belong here: the figures of one side
(``proportions``, ``auc_interval``), and whether a difference is tolerable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from vpack_pipeline.stats.arguments import clusters, number, numbers
from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.codes import Codes, coded
from vpack_pipeline.stats.estimate import NO_WIDTH, BoolArray, Estimate, FloatArray
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import auc_influence

MOVER: Final = coded("mover_by_patient")
_ROUNDING: Final = 1e-12


class Side(NamedTuple):
    """A figure with its interval, and what each case adds to its deviation from the truth.

    ``influence`` and ``cluster`` have one entry a case. The influences add up to 0.
    """

    estimate: Estimate
    influence: FloatArray
    cluster: npt.NDArray[Any]


def proportion_side(
    success: BoolArray, cluster: npt.NDArray[np.generic], level: float = 0.95
) -> Side:
    """One side of a difference of proportions; see :func:`clustered_proportion`."""
    estimate = clustered_proportion(success, cluster, level)
    outcome = np.asarray(success, dtype=np.float64)
    centre = 0.0 if estimate.value is None else estimate.value
    return Side(estimate, (outcome - centre) / max(outcome.size, 1), np.asarray(cluster))


def auc_side(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Side:
    """One side of a difference of areas under the ROC curve; see :func:`auc_by_inversion`."""
    estimate = auc_by_inversion(score, positive, cluster, level)
    if estimate.value is None:
        return without_figure(estimate)
    return Side(estimate, auc_influence(score, positive), np.asarray(cluster))


def without_figure(estimate: Estimate) -> Side:
    """One side of a difference without the cases of its figure, or without a figure: it is
    correlated with no other.
    """
    return Side(estimate, np.zeros(0), np.zeros(0, dtype=np.int64))


def difference(first: Side, second: Side) -> Estimate:
    """Give the first figure less the second, with limits from those of both.

    lower = d − √(a² − 2rab + b²), a the distance of the first to its lower limit, b that of the
    second to its upper; and so the other way round. r is the correlation of patients' total
    influence on either figure, over all patients of both sides; 0 where a side has no variance.

    Returns
    -------
    ``n`` and ``events`` are sums over both sides; ``method`` names those of the sides. Where a side
    has no value there is none, with that side's reason; where one has no interval there is none,
    with its notes. A limit that equals the difference, as where the same patients err alike on
    both sides, speaks for nothing, and is noted.

    >>> before = proportion_side(np.ones(40, bool), np.arange(40))
    >>> after = proportion_side(np.ones(3, bool), np.arange(40, 43))
    >>> found = difference(after, before)
    >>> found.value, round(found.lower, 3), round(found.upper, 3)
    (0.0, -0.708, 0.088)
    """
    check_sides(first, second)
    one, two = first.estimate, second.estimate
    n, events = one.n + two.n, (one.events or 0) + (two.events or 0)
    method = coded(MOVER, one.method, two.method)
    if one.value is None or two.value is None:
        reason = one.reason if one.value is None else two.reason
        return Estimate(None, None, None, n, events, method, reason)
    value = one.value - two.value
    ends = (one.lower, one.upper, two.lower, two.upper)
    low1, up1, low2, up2 = (math.nan if end is None else end for end in ends)
    r = float(correlations([first, second])[0, 1])
    below = _reach(one.value - low1, up2 - two.value, r)
    above = _reach(up1 - one.value, two.value - low2, r)
    if math.isnan(below + above):
        return Estimate(value, None, None, n, events, method, notes=coded(one.notes, two.notes))
    notes = coded(one.notes, two.notes, _without_width(value, below, above))
    return Estimate(value, value - below, value + above, n, events, method, notes=notes)


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """Give the first figure less the second where no patient is on both sides.

    Only figures and limits are needed, of the same level: see :func:`difference`, with r = 0.

    >>> later = Estimate(0.8, 0.7, 0.9, 50, 40, ())
    >>> earlier = Estimate(0.9, 0.85, 0.95, 100, 90, ())
    >>> found = independent_difference(later, earlier)
    >>> round(found.value, 3), round(found.lower, 3), round(found.upper, 3)
    (-0.1, -0.212, 0.012)
    """
    return difference(without_figure(first), without_figure(second))


def correlations(sides: Sequence[Side]) -> FloatArray:
    """Correlations of figures by what each patient adds to either: symmetric, of unit diagonal.

    A figure without variance, as a proportion of 1, is correlated with none.
    """
    if any(side.cluster.shape != side.influence.shape for side in sides):
        raise ValueError("sides: one patient code is needed for each influence")
    patients = clusters("sides", np.concatenate([side.cluster for side in sides]))
    codes, n_patients = patient_codes(patients)
    starts = np.cumsum([0, *(side.influence.size for side in sides)])
    influence = numbers("sides", np.concatenate([side.influence for side in sides]))
    # Most patients add to few of many figures; entries of one patient and figure are summed up.
    added = csr_array((influence, codes, starts), shape=(len(sides), n_patients))
    added.sum_duplicates()
    products = (added @ added.T).toarray()
    spread = np.sqrt(np.diag(products))
    # Influences that are all 0 but for rounding vary no more than those that are.
    spread[spread <= _ROUNDING] = np.inf
    made = np.clip(products / np.outer(spread, spread), -1.0, 1.0)
    np.fill_diagonal(made, 1.0)
    return np.asarray(made, dtype=np.float64)


def check_sides(first: Side, second: Side) -> None:
    """Refuse a side whose numbers are none, or that lacks the patient of a case.

    Raises
    ------
    ValueError
        A number is not finite, or a patient's code is missing.
    """
    for name, side in (("first", first), ("second", second)):
        _check_side(name, side)


def _check_side(name: str, side: Side) -> None:
    figure = side.estimate
    for part, value in (("value", figure.value), ("lower", figure.lower), ("upper", figure.upper)):
        if value is not None:
            number(f"{name}: {part}", value)
    n = numbers(f"{name}: influence", side.influence).size
    clusters(f"{name}: cluster", side.cluster, n)


def _reach(a: float, b: float, r: float) -> float:
    squared, apart = a * a - 2 * r * a * b + b * b, a * a + b * b
    # Of two sides that move as one, what is left is rounding.
    return 0.0 if squared <= _ROUNDING * apart else math.sqrt(squared)


def _without_width(value: float, below: float, above: float) -> Codes:
    """Say that a limit is the figure itself, though not at an end of the scale."""
    is_bare = (below == 0 and value > -1) or (above == 0 and value < 1)
    return coded(NO_WIDTH if is_bare else None)
