"""Whether a proportion changes over time: odds by calendar month, errors by patient.

What does not belong here: periods, which are for the eye (``core.evaluation.trend``), and changes
from one window to another (``difference``, ``mix_change``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import clusters, labels, numbers, positions
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.logistic import fit_logistic, is_separated
from vpack_pipeline.stats.resampling import patient_codes

FEWEST_MONTHS: Final = 6
FEWEST_PATIENTS: Final = 10
MONTHS_A_QUARTER: Final = 3
ALL_ALIKE: Final = Code("outcome_does_not_vary")
SEPARATED: Final = Code("time_or_mix_separates")
METHOD: Final = coded("logistic_on_month", "sandwich_by_patient")
_EXTREME: Final = 15.0
"""Log odds beyond which a fitted share is 0 or 1 but for 3 in 10 million: then it runs away."""


@dataclass(frozen=True, slots=True)
class _Data:
    """Cases of the regression; ``codes`` are patients, ``mix`` level codes of each variable."""

    success: BoolArray
    month: FloatArray
    codes: npt.NDArray[np.intp]
    mix: tuple[npt.NDArray[np.intp], ...]

    def take(self, kept: BoolArray) -> _Data:
        return _Data(
            self.success[kept],
            self.month[kept],
            patient_codes(self.codes[kept])[0],
            tuple(levels[kept] for levels in self.mix),
        )

    @property
    def refusal(self) -> Code | None:
        """Say why time cannot be told from chance in these cases."""
        if np.unique(self.month).size < FEWEST_MONTHS:
            return code("few_months", fewest=FEWEST_MONTHS)
        if np.unique(self.codes).size < FEWEST_PATIENTS:
            return code("few_patients_for_trend", fewest=FEWEST_PATIENTS)
        if self.success.all() or not self.success.any():
            return ALL_ALIKE
        return SEPARATED if is_separated(self.month, self.success) else None

    def design(self) -> FloatArray:
        """Ones, months about their mean, and indicators of levels, less those that depend."""
        columns = [np.ones(self.month.size), self.month - self.month.mean()]
        for levels in self.mix:
            counts = np.bincount(levels)
            used = np.flatnonzero(counts)
            others = used[used != counts.argmax()]
            columns += [(levels == level).astype(np.float64) for level in others]
        return _independent(np.column_stack(columns))

    def without_certain_levels(self) -> _Data:
        """Leave out levels in which all cases are alike: they say nothing of time."""
        found = self
        while True:
            kept = np.ones(found.success.size, dtype=np.bool_)
            for levels in found.mix:
                n = np.bincount(levels)
                k = np.bincount(levels, weights=found.success, minlength=n.size)
                kept &= ((k > 0) & (k < n))[levels]
            if kept.all():
                return found
            found = found.take(kept)


def odds_ratio_per_quarter(
    success: BoolArray,
    month: npt.NDArray[np.integer],
    cluster: npt.NDArray[np.generic],
    mix: Sequence[npt.NDArray[np.integer]] = (),
    level: float = 0.95,
) -> tuple[Estimate, float | None]:
    """Odds ratio of success a quarter later, by logistic regression on calendar month.

    Cox 1958; errors by patient (sandwich: Liang & Zeger 1986, with P/(P-1)), on the log scale.

    Parameters
    ----------
    success, cluster : (n,) outcome and patient of each case
    month : (n,) calendar month, counted on from any
    mix : of each variable that is adjusted for, (n,) codes of its levels from 0; a level in which
        all cases are alike is left out with them

    Returns
    -------
    the ratio, and its two-sided p. Neither, with a reason, below six months with cases or ten
    patients, where all cases are alike, or where time or mix parts successes from failures
    """
    y, when = labels("success", success), numbers("month", month)
    n = y.size
    codes, _ = patient_codes(clusters("cluster", cluster, n))
    parts = tuple(positions("mix", levels) for levels in mix)
    if when.shape != (n,) or any(levels.shape != (n,) for levels in parts):
        raise ValueError("success, month and mix: one of each is needed for each case")
    normal_quantile(level)
    data = _Data(y, when, codes, parts)
    used = data.without_certain_levels() if n else data
    size, events = int(used.success.size), int(used.success.sum())
    reason = data.refusal or used.refusal
    fitted = None if reason is not None else _slope(used)
    if fitted is None:
        return undefined(reason or SEPARATED, method=METHOD, n=size, events=events), None
    slope, se = fitted
    at = MONTHS_A_QUARTER
    reach = at * normal_quantile(level) * se
    bounds = (math.exp(at * slope - reach), math.exp(at * slope + reach))
    p = math.erfc(abs(slope / se) / math.sqrt(2))
    return Estimate(math.exp(at * slope), *bounds, size, events, METHOD), p


def _slope(data: _Data) -> tuple[float, float] | None:
    """Log odds a month and its standard error; None where the likelihood has no maximum."""
    design = data.design()
    y = data.success.astype(np.float64)
    try:
        beta, covariance = fit_logistic(design, y, np.zeros(y.size), data.codes)
    except np.linalg.LinAlgError:
        return None
    variance = float(covariance[1, 1])
    if np.abs(design @ beta).max() > _EXTREME or variance <= 0:
        return None
    return float(beta[1]), math.sqrt(variance)


def _independent(columns: FloatArray) -> FloatArray:
    """Drop columns that those before them make up."""
    gram = columns.T @ columns
    scale = np.sqrt(np.diag(gram))
    kept: list[int] = []
    for i in range(columns.shape[1]):
        own = 1.0
        if kept:
            among = gram[np.ix_(kept, kept)] / np.outer(scale[kept], scale[kept])
            beside = gram[kept, i] / (scale[kept] * scale[i])
            own = 1.0 - float(beside @ np.linalg.solve(among, beside))
        if own > 1e-9:
            kept.append(i)
    return np.ascontiguousarray(columns[:, kept])
