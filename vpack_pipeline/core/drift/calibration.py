"""Limits from the null: what every monitor does when nothing has changed, all of them together.

Patients of reference and window are resampled at the site's own window size; the limits share one
false-alarm budget over the whole plan (the joint minimum of p values: Westfall & Young 1993), and
are then tried on patients who were held out. What does not belong here: what a monitor computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.drift.monitors import MONITORS, Encoding, Kind
from vpack_pipeline.core.drift.signals import take
from vpack_pipeline.protocol import Drift, Monitor
from vpack_pipeline.stats.estimate import FloatArray

HELD_OUT_SHARE: Final = 0.3
QUARTER_DAYS: Final = 365.25 / 4
TWO_YEARS_DAYS: Final = 365.25 * 2
_CELLS: Final = 10_000_000
"""Weights drawn at once: replicates × patients."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The cases that a baseline is made from, and those held out to try the limits on.

    Attributes
    ----------
    values : monitor → values of the reference cases
    patient : (n,) patient code of each reference case
    held_out : (n,) whether the case's patient is held out
    days : length of the reference window, days
    """

    values: Mapping[str, Any]
    patient: Any
    held_out: Any
    days: int

    @property
    def n(self) -> int:
        """Cases, held out ones included."""
        return len(self.patient)


def reference_of(cases: pl.DataFrame, values: Mapping[str, Any], drift: Drift) -> Reference:
    """Select the reference cases and hold out some patients, by the protocol's seed."""
    span = drift.reference
    mask = cases["index_date"].is_between(span.start, span.end).to_numpy()
    patients, codes = np.unique(cases["patient_id"].to_numpy()[mask], return_inverse=True)
    order = np.random.default_rng(drift.seed).permutation(patients.size)
    held = np.zeros(patients.size, dtype=bool)
    held[order[: int(patients.size * HELD_OUT_SHARE)]] = True
    return Reference(
        values={name: take(v, mask) for name, v in values.items()},
        patient=codes,
        held_out=held[codes] if patients.size else np.zeros(0, dtype=bool),
        days=(span.end - span.start).days + 1,
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A monitor's encoding and the reference sums that windows are compared with."""

    monitor: Monitor
    encoding: Encoding
    sums: FloatArray

    def statistic(self, window: FloatArray) -> FloatArray:
        """Compare window sums (r, k) with the reference: (r,)."""
        reference = np.broadcast_to(self.sums, (window.shape[0], self.sums.size))
        return MONITORS[self.monitor.statistic].statistic(reference, window)


def baseline_of(monitor: Monitor, reference: Reference, drift: Drift) -> Baseline:
    """Make a monitor's baseline from the reference patients who are not held out.

    An event looks at all of them: what a held-out patient had was seen before.
    """
    kind = MONITORS[monitor.statistic]
    return _baseline(monitor, reference, drift, behind_baseline(kind, reference))


def behind_baseline(kind: Kind, reference: Reference) -> Any:
    """Mark the reference cases that a baseline is made of: (n,) bool."""
    return np.ones(reference.n, dtype=bool) if kind.is_event else ~reference.held_out


def _baseline(monitor: Monitor, reference: Reference, drift: Drift, mask: Any) -> Baseline:
    kind = MONITORS[monitor.statistic]
    own = take(reference.values[monitor.name], mask)
    encoding = kind.prepare(own, monitor.bins)
    sums = encoding.encode(own, 0.0).sum(axis=0)
    if kind.is_volume:
        sums = sums * volume_factor(reference, drift)
    return Baseline(monitor, encoding, sums)


def volume_factor(reference: Reference, drift: Drift) -> float:
    """Bring reference volume (patients not held out) to that of a whole window."""
    kept = int((~reference.held_out).sum())
    return reference.n / max(kept, 1) * drift.window_days / reference.days


@dataclass(frozen=True, slots=True)
class Limit:
    """Calibrated limits of one monitor; rates per window, None where refused."""

    warning: float | None
    action: float | None
    warning_rate: float | None
    action_rate: float | None
    warning_power: float | None
    action_power: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """All limits, and the plan-wide chance of a false signal in a window, on held-out patients.

    ``reason`` says why there are no limits at all, where there are none.
    """

    limits: Mapping[str, Limit]
    window_n: int
    warning_budget: float
    action_budget: float
    warning_rate: float | None
    action_rate: float | None
    reason: str | None = None


def calibrate(reference: Reference, drift: Drift) -> Calibration:
    """Calibrate every monitor's limits under one budget.

    Raises nothing on thin data: a reference that cannot carry limits gives limits of None with the
    reason.
    """
    window_n = round(reference.n * drift.window_days / reference.days)
    budgets = (
        min(0.5, drift.false_alarms.warnings_per_quarter * drift.cadence_days / QUARTER_DAYS),
        min(0.5, drift.false_alarms.actions_per_two_years * drift.cadence_days / TWO_YEARS_DAYS),
    )
    reason = _too_thin(reference, drift, window_n) or _too_coarse(drift, budgets[1])
    if reason is not None:
        refused = Limit(None, None, None, None, None, None, reason)
        names = [m.name for m in drift.monitors]
        return Calibration(dict.fromkeys(names, refused), window_n, *budgets, None, None, reason)
    kept = ~reference.held_out
    baselines = [_baseline(m, reference, drift, kept) for m in drift.monitors]
    rng = np.random.default_rng(drift.seed + 1)
    shift = drift.minimum_detectable_change
    null = _statistics(baselines, reference, drift, rng, _Draw(kept, is_null=True))
    held = _statistics(baselines, reference, drift, rng, _Draw(reference.held_out))
    moved = _statistics(baselines, reference, drift, rng, _Draw(reference.held_out, shift))
    warning = _shared_limits(null, baselines, budgets[0])
    action = _shared_limits(null, baselines, budgets[1])
    limits = {
        b.monitor.name: _limit(i, warning, action, held, _certain(b, moved))
        for i, b in enumerate(baselines)
    }
    return Calibration(
        limits,
        window_n,
        *budgets,
        _any_rate(held, warning),
        _any_rate(held, action),
    )


def _too_thin(reference: Reference, drift: Drift, window_n: int) -> str | None:
    if reference.n == 0:
        return "no case lies in the reference window"
    if window_n < drift.minimum_cases:
        return (
            f"a window holds about {window_n} cases at this site, fewer than the"
            f" {drift.minimum_cases} that the protocol asks for"
        )
    if not reference.held_out.any():
        return "too few patients to hold some out"
    return None


def _too_coarse(drift: Drift, budget: float) -> str | None:
    """Say so where the rarest signal of the budget is rarer than replicates can show."""
    if budget * drift.replicates >= len(drift.monitors):
        return None
    return (
        f"{drift.replicates} replicates cannot show a rate of {budget:.2g} per window shared by"
        f" {len(drift.monitors)} monitors"
    )


@dataclass(frozen=True, slots=True)
class _Draw:
    """From whom windows are drawn, and what change is injected.

    For the null the reference is drawn again as well: limits allow for its sampling error.
    """

    pool: Any
    shift: float = 0.0
    is_null: bool = False


def _statistics(
    baselines: Sequence[Baseline],
    reference: Reference,
    drift: Drift,
    rng: np.random.Generator,
    draw: _Draw,
) -> FloatArray:
    """Simulate windows: (replicates, monitors), all monitors on the same drawn patients."""
    base_tables = _per_patient(baselines, reference, ~reference.held_out, 0.0)
    pool_tables = _per_patient(baselines, reference, draw.pool, draw.shift)
    n_base, n_pool = base_tables[0].shape[0], pool_tables[0].shape[0]
    rate = drift.window_days / reference.days * reference.n / int(draw.pool.sum())
    made = np.empty((drift.replicates, len(baselines)))
    step = max(1, _CELLS // max(n_base, n_pool))
    for start in range(0, drift.replicates, step):
        rows = min(step, drift.replicates - start)
        # Poisson weights, so that the volume of a window and of the reference vary as they do.
        if draw.is_null:
            base_weights = rng.poisson(1.0, (rows, n_base)).astype(np.float64)
            window_weights = rng.poisson(rate, (rows, n_pool)).astype(np.float64)
        else:
            base_weights = np.ones((1, n_base))
            window_weights = _dealt(rng.poisson(rate * n_pool, rows), n_pool, rng)
        for i, baseline in enumerate(baselines):
            kind = MONITORS[baseline.monitor.statistic]
            sums = np.broadcast_to(base_weights @ base_tables[i], (rows, baseline.sums.size))
            if kind.is_volume:
                sums = sums * volume_factor(reference, drift)
            made[start : start + rows, i] = kind.statistic(sums, window_weights @ pool_tables[i])
    return made


def _dealt(sizes: Any, n_pool: int, rng: np.random.Generator) -> FloatArray:
    """Draw so many patients a row: none twice before all were drawn.

    A few held-out patients drawn with replacement would stand for a population of their own, and
    its distance to the reference would be counted as false alarms.
    """
    rank = np.argsort(rng.random((len(sizes), n_pool)), axis=1)
    whole, rest = np.divmod(sizes, n_pool)
    return np.asarray(whole[:, None] + (rank < rest[:, None]), dtype=np.float64)


def _per_patient(
    baselines: Sequence[Baseline], reference: Reference, mask: Any, shift: float
) -> list[FloatArray]:
    patients, codes = np.unique(reference.patient[mask], return_inverse=True)
    tables = []
    for baseline in baselines:
        own = take(reference.values[baseline.monitor.name], mask)
        amounts = baseline.encoding.encode(own, shift)
        table = np.zeros((patients.size, amounts.shape[1]))
        np.add.at(table, codes, amounts)
        tables.append(table)
    return tables


def _shared_limits(
    null: FloatArray, baselines: Sequence[Baseline], budget: float
) -> list[float | None]:
    """Give each monitor a limit so that any of them signals with no more than the budget's chance.

    Each monitor's limit leaves the same number of its own null values above it: the largest number
    for which the smallest of a replicate's ranks stays within the budget.
    """
    limits: list[float | None] = [
        0.0 if MONITORS[b.monitor.statistic].is_event else None for b in baselines
    ]
    calibrated = [
        i for i, limit in enumerate(limits) if limit is None and np.isfinite(null[:, i]).any()
    ]
    if not calibrated:
        return limits
    values = np.where(np.isfinite(null[:, calibrated]), null[:, calibrated], -np.inf)
    replicates = values.shape[0]
    ordered = np.sort(values, axis=0)
    reached = np.stack(
        [
            replicates - np.searchsorted(o, v, "left")
            for o, v in zip(ordered.T, values.T, strict=True)
        ]
    )
    smallest = np.sort(reached.min(axis=0))
    # As many replicates as the budget allows may signal; ties at the edge must not.
    above = int(smallest[math.floor(budget * replicates)]) - 1
    for j, i in enumerate(calibrated):
        limit = float(ordered[replicates - 1 - above, j])
        limits[i] = limit if math.isfinite(limit) else None
    return limits


def _certain(baseline: Baseline, moved: FloatArray) -> FloatArray:
    """A new category signals with its first case, whatever else is drawn."""
    if MONITORS[baseline.monitor.statistic].is_event:
        return np.ones_like(moved)
    return moved


def _exceeds(values: FloatArray, limit: float | None) -> Any:
    if limit is None:
        return np.zeros(values.shape, dtype=bool)
    return np.nan_to_num(values, nan=-np.inf) > limit


def _limit(
    i: int,
    warning: Sequence[float | None],
    action: Sequence[float | None],
    held: FloatArray,
    moved: FloatArray,
) -> Limit:
    if warning[i] is None:
        return Limit(None, None, None, None, None, None, "the monitor is undefined on this data")
    return Limit(
        warning[i],
        action[i],
        float(_exceeds(held[:, i], warning[i]).mean()),
        float(_exceeds(held[:, i], action[i]).mean()),
        float(_exceeds(moved[:, i], warning[i]).mean()),
        float(_exceeds(moved[:, i], action[i]).mean()),
        None,
    )


def _any_rate(held: FloatArray, limits: Sequence[float | None]) -> float:
    hits = np.stack([_exceeds(held[:, i], limit) for i, limit in enumerate(limits)], axis=1)
    return float(hits.any(axis=1).mean())
