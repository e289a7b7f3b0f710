"""Intervals of agreement: the figure without each patient, Fisher's z or the logit, Student's t.

The jackknife leaves out one patient with all of their units (Efron & Tibshirani 1993, chapter 11),
its standard error is carried to Fisher's z of a coefficient, or to the logit of a share, and the
interval there is Student's t on the patients less one. Simulated coverage stands in
``docs/statistics.md``; a coefficient on fewer units or rarer ratings than it was shown for has no
interval. What does not belong here: point estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtrit

from vpack_pipeline.stats.agreement.coefficients import ONE_UNIT
from vpack_pipeline.stats.agreement.sums import BLOCKS, STATISTICS, RatedUnits, Statistic, block
from vpack_pipeline.stats.agreement.unseen import UNSEEN, with_unseen
from vpack_pipeline.stats.arguments import clusters, number, numbers, whole
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
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
OF_UNSEEN: Final = Code("unseen_units_of_largest_weight")
_CHUNK: Final = 1 << 16
"""Patients evaluated at once, which bounds memory."""
_NOISE: Final = 1e-12


class Weighted(NamedTuple):
    """The figure of weighted units, and with those that might have been drawn (``unseen``).

    ``lacks_weight``: no unit that enters has a weight that others have, so that there is no figure.
    """

    value: float
    with_unseen: float
    lacks_weight: bool = False


class Jackknife(NamedTuple):
    """A figure without each patient, and on how much the interval rests.

    ``left_out`` (P,), nan = undefined; ``patients`` with a unit that enters the figure;
    ``minority`` the ratings other than the commonest that a reader of all these units would give.
    ``weighted`` is there where units are; then ``left_out`` goes on with each unit that was not
    seen left out. Patients and minority ratings are counted, whatever they weigh.
    """

    left_out: FloatArray
    patients: int
    minority: float
    is_share: bool
    weighted: Weighted | None = None


def agreement_jackknife(
    ratings: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    statistics: Sequence[str],
    weight: FloatArray | None = None,
) -> dict[str, Jackknife]:
    """Give coefficients without each patient, in one pass over sums.

    A unit of weight w enters observed and chance agreement as w units would. Two coefficients have
    a term for small samples, alpha (a rating is not paired with itself) and the ICC (degrees of
    freedom): there ratings, or units, count as many as their Kish size, so that weights that are
    all alike change nothing.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    categories : the declared categories; of positive and negative agreement two, the higher being
        positive
    cluster : (units,) patient of each unit
    statistics : names of ``sums.STATISTICS``
    weight : (units,) above 0, the inverse of each unit's sampling fraction

    Raises
    ------
    ValueError
        A statistic is unknown, patients or weights and units differ in number, a weight is not
        above 0, or a rating is none of the categories.
    """
    if unknown := set(statistics) - set(STATISTICS):
        known = ", ".join(STATISTICS)
        raise ValueError(f"statistics are of {known}; {len(unknown)} of those asked are not")
    units = RatedUnits.of(ratings, categories, weight)
    codes, n_patients = patient_codes(clusters("cluster", cluster, len(units.ratings)))
    asked = {name: STATISTICS[name] for name in statistics}
    if units.weight is not None and units.is_paired.any():
        return _weighted_jackknives(units, codes, n_patients, asked)
    _, left_out = _evaluated(units, codes, n_patients, asked)
    return {
        name: Jackknife(left_out[name], *_base(units, codes, name), statistic.is_share)
        for name, statistic in asked.items()
    }


def _weighted_jackknives(
    units: RatedUnits,
    codes: npt.NDArray[np.intp],
    n_patients: int,
    asked: Mapping[str, Statistic],
) -> dict[str, Jackknife]:
    weight = units.weight
    assert weight is not None
    of_all, _ = _evaluated(units, codes, n_patients, asked)
    patients = np.append(codes, n_patients + np.arange(UNSEEN))
    found: dict[str, Jackknife] = {}
    for name, statistic in asked.items():
        added = with_unseen(units, by_all=name == "icc")
        raised, left_out = _evaluated(added, patients, n_patients + UNSEEN, {name: statistic})
        entering = np.unique(weight[_enters(units, name)])
        figure = Weighted(of_all[name], raised[name], entering.size < np.unique(weight).size)
        base = _base(units, codes, name)
        found[name] = Jackknife(left_out[name], *base, statistic.is_share, figure)
    return found


def _evaluated(
    units: RatedUnits,
    codes: npt.NDArray[np.intp],
    n_patients: int,
    asked: Mapping[str, Statistic],
) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """Each statistic of all patients, and without each."""
    names = [b for b in BLOCKS if any(b in s.blocks for s in asked.values())]
    sums = {name: _by_patient(block(name, units), codes, n_patients) for name in names}
    whole_sums = {name: of.sum(axis=0, keepdims=True) for name, of in sums.items()}
    left_out = {name: np.full(n_patients, np.nan) for name in asked}
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in range(0, n_patients, _CHUNK):
            rows = slice(start, start + _CHUNK)
            totals = {name: _without(whole_sums[name], of[rows]) for name, of in sums.items()}
            for name, statistic in asked.items():
                left_out[name][rows] = statistic.of_sums(totals, units)
        of_all = {name: float(s.of_sums(whole_sums, units)[0]) for name, s in asked.items()}
    return of_all, left_out


def jackknifed(estimate: Estimate, found: Jackknife, level: float = 0.95) -> Estimate:
    """Give an estimate its interval, or say why it has none.

    Returns
    -------
    the estimate with the interval by patient in place of its own. Of weighted units their figure
    stands in place of its own, the variance is with the units that were not seen, and the limits
    lie about the smaller and the larger of the figures with and without these; where the units that
    enter lack a stratum there is no figure, with a reason. There is no interval, with
    a code, of one unit or one patient; at a share of 0 or 1, a coefficient of 1, or of −1 or less;
    where the figure is undefined without a patient, or the same without any; and of a coefficient
    on fewer than ``FEWEST_UNITS`` units, or fewer than ``FEWEST_MINORITY`` expected minority
    ratings.
    """
    normal_quantile(level)
    numbers("left_out", found.left_out, missing=True)
    whole("patients", found.patients, 0)
    number("minority", found.minority, 0.0)
    if estimate.value is None:
        return estimate
    if found.weighted is not None and found.weighted.lacks_weight:
        return undefined("sampled_stratum_without_case", method=estimate.method, n=estimate.n)
    how = "logit_jackknife_by_patient" if found.is_share else "fisher_z_jackknife_by_patient"
    value = estimate.value if found.weighted is None else number("weighted", found.weighted.value)
    bare = replace(estimate, value=value, lower=None, upper=None, notes=())
    middle = value if found.weighted is None else number("weighted", found.weighted.with_unseen)
    why = _why_none(estimate.n, (value, middle), found)
    if why is not None:
        return replace(bare, notes=coded(why))
    scale = _SHARE if found.is_share else _COEFFICIENT
    se = _standard_error(found.left_out)
    reach = float(stdtrit(found.patients - 1, 0.5 + level / 2)) * se / scale.slope(middle)
    lower = float(scale.back(scale.there(min(value, middle)) - reach))
    upper = float(scale.back(scale.there(max(value, middle)) + reach))
    method = coded(estimate.method, how, None if found.weighted is None else OF_UNSEEN)
    return replace(bare, lower=lower, upper=upper, method=method)


class _Scale(NamedTuple):
    """Where an interval is symmetric: the way there and back, and d value / d scale."""

    there: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


_COEFFICIENT: Final = _Scale(math.atanh, math.tanh, lambda value: 1 - value**2)
_SHARE: Final = _Scale(logit, expit, lambda value: value * (1 - value))


def _why_none(n: int, values: tuple[float, float], found: Jackknife) -> Code | None:
    is_few = not found.is_share and n < FEWEST_UNITS
    is_rare = not found.is_share and found.minority < FEWEST_MINORITY - _NOISE
    low = 0.0 if found.is_share else -1.0
    is_inside = low + _NOISE < min(values) and max(values) < 1 - _NOISE
    reasons: tuple[tuple[bool, Code], ...] = (
        (n < 2, ONE_UNIT),
        (found.patients < 2, ONE_PATIENT),
        (is_few, code("few_units_for_interval", fewest=FEWEST_UNITS)),
        (not is_inside, SHARE_AT_EDGE if found.is_share else AT_EDGE),
        (is_rare, code("few_minority_ratings", fewest=FEWEST_MINORITY)),
        (bool(np.isnan(found.left_out).any()), UNDEFINED_WITHOUT),
        (_standard_error(found.left_out) < _NOISE, NO_DIFFERENCE),
    )
    return next((why for is_so, why in reasons if is_so), None)


def _standard_error(left_out: FloatArray) -> float:
    n = left_out.size
    return math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))


def _without(of_all: FloatArray, of_each: FloatArray) -> FloatArray:
    """Sums without each patient; what subtraction leaves of one who has all of it is rounding."""
    rest = of_all - of_each
    return np.where(np.abs(rest) > _NOISE * np.abs(of_all), rest, 0.0)


def _by_patient(columns: FloatArray, codes: npt.NDArray[np.intp], n_patients: int) -> FloatArray:
    """Sums of each column by patient: (P, columns)."""
    sums = [np.bincount(codes, column, n_patients) for column in columns.T]
    return np.stack(sums, axis=1)


def _enters(units: RatedUnits, name: str) -> BoolArray:
    return units.is_complete if name == "icc" else units.is_paired


def _base(units: RatedUnits, codes: npt.NDArray[np.intp], name: str) -> tuple[int, float]:
    entering = _enters(units, name)
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
