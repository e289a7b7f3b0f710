"""Limits from the null: what every monitor does when nothing has changed, all of them together.

Patients of reference and window are resampled at the site's own window size; the limits share one
false-alarm budget over the whole plan (the joint minimum of p values: Westfall & Young 1993). They
come from all reference patients; how often they are exceeded without cause is found by making
baselines and limits again, in the same way, without some of the patients, and drawing windows of
those. What does not belong here: what a monitor computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpack_pipeline.core.drift.held_out import REPEATS, Rate, deals_of, folds_of, rate_of
from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.drift.reference import Baseline, Reference
from vpack_pipeline.core.drift.windows import held_out_values, null_values, pool_of
from vpack_pipeline.protocol import Drift
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import FloatArray

QUARTER_DAYS: Final = 365.25 / 4
TWO_YEARS_DAYS: Final = 365.25 * 2


NOTHING_DESCRIBED: Final = Code("no_reference_described")


@dataclass(frozen=True, slots=True)
class Limit:
    """Calibrated limits of one monitor; rates and powers per window, all None where refused."""

    warning: float | None = None
    action: float | None = None
    warning_rate: Rate | None = None
    action_rate: Rate | None = None
    warning_power: float | None = None
    action_power: float | None = None
    reason: Code | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """All limits, and the plan-wide chance of a false signal in a window, on held-out patients.

    ``reason`` says why there are no limits at all, where there are none.
    """

    limits: Mapping[str, Limit]
    window_n: int
    warning_budget: float
    action_budget: float
    warning_rate: Rate | None = None
    action_rate: Rate | None = None
    reason: Code | None = None


def calibrate(reference: Reference, drift: Drift) -> Calibration:
    """Calibrate every monitor's limits under one budget.

    Raises nothing on thin data: a reference that cannot carry limits gives limits of None with the
    reason. Rates and power are those of limits made from fewer patients than the ones given, by a
    fold: of the procedure, which is the same.
    """
    window_n = round(reference.n * drift.window_days / reference.days)
    budgets = (
        min(0.5, drift.false_alarms.warnings_per_quarter * drift.cadence_days / QUARTER_DAYS),
        min(0.5, drift.false_alarms.actions_per_two_years * drift.cadence_days / TWO_YEARS_DAYS),
    )
    folds = folds_of(reference, drift)
    reason = _too_thin(reference, drift, window_n, folds) or _too_coarse(drift, budgets[1])
    if reason is not None:
        refused = Limit(reason=reason)
        names = [m.name for m in drift.monitors]
        return Calibration(dict.fromkeys(names, refused), window_n, *budgets, reason=reason)
    deals = deals_of(reference.n_patients, folds, drift.seed)
    pool = pool_of(reference, drift)
    rng = np.random.default_rng(drift.seed + 1)
    null, *split_nulls = (
        _ranked(values, pool.baselines)
        for values in null_values(pool, deals, drift.replicates, rng)
    )
    windows = drift.replicates // REPEATS
    tried = [held_out_values(pool, fold, windows, rng) for deal in deals for fold in deal]
    warning, action = (
        _level(pool.baselines, null, split_nulls, tried, budget) for budget in budgets
    )
    limits = {m.name: _limit(i, warning, action, folds) for i, m in enumerate(drift.monitors)}
    return Calibration(
        limits,
        window_n,
        *budgets,
        rate_of(warning.false.any(axis=2), folds),
        rate_of(action.false.any(axis=2), folds),
    )


def _too_thin(reference: Reference, drift: Drift, window_n: int, folds: int) -> Code | None:
    if not drift.monitors:
        return NOTHING_DESCRIBED
    if reference.n == 0:
        return Code("no_case_in_reference")
    if window_n < drift.minimum_cases:
        return code("window_below_minimum", cases=window_n, minimum=drift.minimum_cases)
    if reference.n_patients < folds:
        return Code("few_patients_to_hold_out")
    return None


def _too_coarse(drift: Drift, budget: float) -> Code | None:
    """Say so where the rarest signal of the budget is rarer than replicates can show."""
    if budget * drift.replicates >= len(drift.monitors):
        return None
    return code(
        "few_replicates_for_budget",
        replicates=drift.replicates,
        rate=float(f"{budget:.2g}"),
        monitors=len(drift.monitors),
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """Limits of one level, and what exceeded those of each split: (splits, windows, monitors)."""

    limits: list[float | None]
    false: Any
    found: Any


def _level(
    baselines: Sequence[Baseline],
    null: _Null,
    split_nulls: Sequence[_Null],
    tried: Sequence[tuple[FloatArray, FloatArray]],
    budget: float,
) -> _Level:
    of_splits = [n.shared_limits(budget) for n in split_nulls]
    both = list(zip(tried, of_splits, strict=True))
    false = np.stack([_exceeds(quiet, limits) for (quiet, _), limits in both])
    found = np.stack([_exceeds(moved, limits) for (_, moved), limits in both])
    # A new category signals with its first case, whatever else is drawn.
    found[:, :, [_is_event(b) for b in baselines]] = True
    return _Level(null.shared_limits(budget), false, found)


def _is_event(baseline: Baseline) -> bool:
    return kind_of(baseline.monitor).is_event


@dataclass(frozen=True, slots=True)
class _Null:
    """Null values ranked, for limits of any budget.

    Attributes
    ----------
    limits : monitor → its limit where none is calibrated: 0 for an event, None where undefined
    ordered : position of a calibrated monitor → its null values, rising
    smallest : (replicates,) smallest rank of any monitor's value in its replicate, rising; a rank
        says how many of the monitor's values are as large
    """

    limits: list[float | None]
    ordered: dict[int, FloatArray]
    smallest: Any

    def shared_limits(self, budget: float) -> list[float | None]:
        """Give each monitor a limit so that any signals with no more than the budget's chance.

        Each limit leaves the same number of the monitor's own null values above it: the largest
        number with which each replicate, judged by limits from all the others, signals within the
        budget. Judged by limits that it made itself it would signal less often than a new window.
        """
        limits = list(self.limits)
        if not self.ordered:
            return limits
        replicates = self.smallest.size
        # As many replicates as the budget allows may signal; ties at the edge must not. A limit
        # with ``above`` values over it is exceeded, by a value left out, at ranks up to above + 1.
        above = int(self.smallest[math.floor(budget * replicates)]) - 2
        for i, values in self.ordered.items():
            limit = float(values[replicates - 1 - above])
            limits[i] = limit if math.isfinite(limit) else None
        return limits


def _ranked(null: FloatArray, baselines: Sequence[Baseline]) -> _Null:
    limits: list[float | None] = [0.0 if _is_event(b) else None for b in baselines]
    replicates = null.shape[0]
    smallest = np.full(replicates, replicates)
    ordered: dict[int, FloatArray] = {}
    for i, limit in enumerate(limits):
        values = np.where(np.isfinite(null[:, i]), null[:, i], -np.inf)
        if limit is None and np.isfinite(values).any():
            order = np.argsort(values)
            ordered[i] = values[order]
            # The ranks of rising values fall: as large are those from a value's first place on.
            ranks = replicates - np.searchsorted(ordered[i], ordered[i], "left")
            smallest[order] = np.minimum(smallest[order], ranks)
    return _Null(limits, ordered, np.sort(smallest))


def _exceeds(values: FloatArray, limits: Sequence[float | None]) -> Any:
    """Mark the (windows, monitors) above their limit; nothing is above one that is not given."""
    bounds = np.array([np.inf if limit is None else limit for limit in limits])
    return values > bounds


def _limit(i: int, warning: _Level, action: _Level, folds: int) -> Limit:
    if warning.limits[i] is None:
        return Limit(reason=Code("monitor_undefined"))
    return Limit(
        warning.limits[i],
        action.limits[i],
        rate_of(warning.false[:, :, i], folds),
        rate_of(action.false[:, :, i], folds),
        float(warning.found[:, :, i].mean()),
        float(action.found[:, :, i].mean()),
    )
