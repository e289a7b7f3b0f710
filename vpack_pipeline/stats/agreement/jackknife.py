"""Intervals of agreement: the figure without each patient, Fisher's z or the logit, Student's t.

The jackknife leaves out one patient with all of their units (Efron & Tibshirani 1993, chapter 11),
its standard error is carried to Fisher's z of a coefficient, or to the logit of a share, and the
interval there is Student's t on the patients less one. Simulated coverage stands in
``docs/statistics.md``; a coefficient on fewer units or rarer ratings than it was shown for has no
interval. What does not belong here: point estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtrit

from vpack_pipeline.stats.agreement.coefficients import ONE_UNIT
from vpack_pipeline.stats.agreement.sums import BLOCKS, STATISTICS, RatedUnits, block
from vpack_pipeline.stats.arguments import clusters, number, numbers, whole
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
)
from vpack_pipeline.stats.resampling import patient_codes

FEWEST_UNITS: Final = 60
"""Units below which a coefficient has no interval: at 30 it covers .88 where .95 is meant."""
FEWEST_MINORITY: Final = 6
"""Ratings other than the commonest that a reader of all units would give, below which there is
none."""
ONE_PATIENT: Final = Code("one_patient")
AT_EDGE: Final = Code("coefficient_at_edge")
SHARE_AT_EDGE: Final = Code("figure_at_edge")
UNDEFINED_WITHOUT: Final = Code("undefined_without_a_patient")
NO_DIFFERENCE: Final = Code("patients_without_influence")
_CHUNK: Final = 1 << 16
"""Patients evaluated at once, which bounds memory."""
_NOISE: Final = 1e-12


class Jackknife(NamedTuple):
    """A figure without each patient, and on how much the interval rests.

    ``left_out`` (P,), nan = undefined; ``patients`` with a unit that enters the figure;
    ``minority`` the ratings other than the commonest that a reader of all these units would give.
    """

    left_out: FloatArray
    patients: int
    minority: float
    is_share: bool


def agreement_jackknife(
    ratings: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    statistics: Sequence[str],
) -> dict[str, Jackknife]:
    """Give coefficients without each patient, in one pass over sums.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    categories : the declared categories; of positive and negative agreement two, the higher being
        positive
    cluster : (units,) patient of each unit
    statistics : names of ``sums.STATISTICS``

    Raises
    ------
    ValueError
        A statistic is unknown, patients and units differ in number, or a rating is none of the
        categories.
    """
    if unknown := set(statistics) - set(STATISTICS):
        known = ", ".join(STATISTICS)
        raise ValueError(f"statistics are of {known}; {len(unknown)} of those asked are not")
    units = RatedUnits.of(ratings, categories)
    codes, n_patients = patient_codes(clusters("cluster", cluster, len(units.ratings)))
    asked = {name: STATISTICS[name] for name in statistics}
    names = [b for b in BLOCKS if any(b in s.blocks for s in asked.values())]
    sums = {name: _by_patient(block(name, units), codes, n_patients) for name in names}
    whole_sums = {name: of.sum(axis=0, keepdims=True) for name, of in sums.items()}
    left_out = {name: np.full(n_patients, np.nan) for name in asked}
    for start in range(0, n_patients, _CHUNK):
        rows = slice(start, start + _CHUNK)
        totals = {name: whole_sums[name] - of[rows] for name, of in sums.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, statistic in asked.items():
                left_out[name][rows] = statistic.of_sums(totals, units)
    return {
        name: Jackknife(left_out[name], *_base(units, codes, name), statistic.is_share)
        for name, statistic in asked.items()
    }


def jackknifed(estimate: Estimate, found: Jackknife, level: float = 0.95) -> Estimate:
    """Give an estimate its interval, or say why it has none.

    Returns
    -------
    the estimate with the interval by patient in place of its own. There is none, with a code, of
    one unit or one patient; at a share of 0 or 1, a coefficient of 1, or of −1 or less; where the
    figure is undefined without a patient, or the same without any; and of a coefficient on fewer
    than ``FEWEST_UNITS`` units, or fewer than ``FEWEST_MINORITY`` expected minority ratings.
    """
    normal_quantile(level)
    numbers("left_out", found.left_out, missing=True)
    whole("patients", found.patients, 0)
    number("minority", found.minority, 0.0)
    if estimate.value is None:
        return estimate
    how = "logit_jackknife_by_patient" if found.is_share else "fisher_z_jackknife_by_patient"
    bare = replace(estimate, lower=None, upper=None, notes=())
    why = _why_none(estimate, found)
    if why is not None:
        return replace(bare, notes=coded(why))
    scale = _SHARE if found.is_share else _COEFFICIENT
    value, se = estimate.value, _standard_error(found.left_out)
    reach = float(stdtrit(found.patients - 1, 0.5 + level / 2)) * se / scale.slope(value)
    middle = scale.there(value)
    lower, upper = (float(scale.back(middle + sign * reach)) for sign in (-1, 1))
    return replace(bare, lower=lower, upper=upper, method=coded(estimate.method, how))


class _Scale(NamedTuple):
    """Where an interval is symmetric: the way there and back, and d value / d scale."""

    there: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


_COEFFICIENT: Final = _Scale(math.atanh, math.tanh, lambda value: 1 - value**2)
_SHARE: Final = _Scale(logit, expit, lambda value: value * (1 - value))


def _why_none(estimate: Estimate, found: Jackknife) -> Code | None:
    value = estimate.value or 0.0
    is_few = not found.is_share and estimate.n < FEWEST_UNITS
    is_rare = not found.is_share and found.minority < FEWEST_MINORITY - _NOISE
    low = 0.0 if found.is_share else -1.0
    reasons: tuple[tuple[bool, Code], ...] = (
        (estimate.n < 2, ONE_UNIT),
        (found.patients < 2, ONE_PATIENT),
        (is_few, code("few_units_for_interval", fewest=FEWEST_UNITS)),
        (
            not low + _NOISE < value < 1 - _NOISE,
            SHARE_AT_EDGE if found.is_share else AT_EDGE,
        ),
        (is_rare, code("few_minority_ratings", fewest=FEWEST_MINORITY)),
        (bool(np.isnan(found.left_out).any()), UNDEFINED_WITHOUT),
        (_standard_error(found.left_out) < _NOISE, NO_DIFFERENCE),
    )
    return next((why for is_so, why in reasons if is_so), None)


def _standard_error(left_out: FloatArray) -> float:
    n = left_out.size
    return math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))


def _by_patient(columns: FloatArray, codes: npt.NDArray[np.intp], n_patients: int) -> FloatArray:
    """Sums of each column by patient: (P, columns)."""
    sums = [np.bincount(codes, column, n_patients) for column in columns.T]
    return np.stack(sums, axis=1)


def _base(units: RatedUnits, codes: npt.NDArray[np.intp], name: str) -> tuple[int, float]:
    entering: BoolArray = units.is_complete if name == "icc" else units.is_paired
    of_category = units.counts[entering].sum(axis=0)
    return int(np.unique(codes[entering]).size), expected_minority(of_category, int(entering.sum()))


def expected_minority(of_category: FloatArray, units: int) -> float:
    """Ratings other than the commonest, expected of a reader of so many units.

    Parameters
    ----------
    of_category : (q,) ratings in each category

    >>> expected_minority(np.array([162.0, 18.0]), 60)
    6.0
    """
    counts = numbers("of_category", of_category, 0.0)
    total = float(counts.sum())
    return whole("units", units, 0) * (total - float(counts.max())) / total if total else 0.0
