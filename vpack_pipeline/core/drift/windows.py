"""Windows drawn from the reference: what every monitor would have shown, all of them together.

What does not belong here: limits (``calibration``), and how often they are exceeded (``held_out``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.drift.reference import Baseline, Reference, baseline_of
from vpack_pipeline.protocol import Drift
from vpack_pipeline.stats.estimate import FloatArray

_CELLS: Final = 1_000_000
"""Weights drawn at once, replicates × patients: few enough to stay near the processor."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The patients of the reference, whose amounts are drawn and added up.

    Bins, and the size of the change to be detected, are those of all patients, whoever is drawn.

    Attributes
    ----------
    baselines : every monitor's, of all patients
    amounts : (patients, columns of all baselines side by side)
    moved : the same with the smallest change to be detected injected
    cases : (patients,) cases of each
    share : of the reference's volume that a window holds
    """

    baselines: tuple[Baseline, ...]
    amounts: FloatArray
    moved: FloatArray
    cases: Any
    share: float

    def parts(self, sums: FloatArray) -> list[FloatArray]:
        """Part sums of all baselines side by side by baseline."""
        ends = np.cumsum([b.sums.size for b in self.baselines])
        return np.split(sums, ends[:-1], axis=1)


def pool_of(reference: Reference, drift: Drift) -> Pool:
    """Add up each patient's amounts."""
    baselines = tuple(baseline_of(m, reference, drift) for m in drift.monitors)
    order = np.argsort(reference.patient, kind="stable")
    starts = np.searchsorted(reference.patient[order], np.arange(reference.n_patients))

    def summed(shift: float) -> FloatArray:
        columns = [b.encoding.encode(reference.values[b.monitor.name], shift) for b in baselines]
        made: FloatArray = np.add.reduceat(np.concatenate(columns, axis=1)[order], starts, axis=0)
        return made

    return Pool(
        baselines,
        summed(0.0),
        summed(drift.minimum_detectable_change),
        np.bincount(reference.patient),
        drift.window_days / reference.days,
    )


def null_values(
    pool: Pool, deals: Sequence[Sequence[Any]], replicates: int, rng: np.random.Generator
) -> list[FloatArray]:
    """Simulate windows without change: (replicates, monitors).

    The reference is drawn again as well as the window, so that limits allow for its sampling error.
    Weights are Poisson: the volume of both varies as it does. All monitors see the same patients.

    Parameters
    ----------
    deals : the patients in folds, several times; folds of one position are as large in every deal

    Returns
    -------
    first windows and references of all patients, then those of each split, which lack the patients
    of one fold; a split's windows are as large
    """
    monitors = len(pool.baselines)
    ends = np.cumsum([len(fold) for fold in deals[0]])
    rates = (pool.share, pool.share * len(ends) / (len(ends) - 1))
    whole = np.empty((replicates, monitors))
    splits = [np.empty((replicates, monitors)) for deal in deals for _ in deal]
    for rows in _chunks(replicates, int(ends[-1])):
        shape = (rows.stop - rows.start, int(ends[-1]))
        base, window = (_poisson(rate, shape, rng) for rate in (1.0, rates[0]))
        larger = window + _poisson(rates[1] - rates[0], shape, rng)
        for i, deal in enumerate(deals):
            # The patients change places and the weights stay: every deal is made from one draw.
            dealt = [pool.amounts[fold] for fold in deal]
            of_base, of_window = (
                [w @ a for w, a in zip(np.split(weights, ends[:-1], axis=1), dealt, strict=True)]
                for weights in (base, larger)
            )
            bases, windows = np.sum(of_base, axis=0), np.sum(of_window, axis=0)
            for j, (b, w) in enumerate(zip(of_base, of_window, strict=True)):
                made = _null_statistics(pool, bases - b, windows - w, rates[1])
                splits[i * len(deal) + j][rows] = made
            if i == 0:
                drawn = window @ np.concatenate(dealt)
                whole[rows] = _null_statistics(pool, bases, drawn, rates[0])
    return [whole, *splits]


def _null_statistics(pool: Pool, bases: FloatArray, windows: FloatArray, rate: float) -> FloatArray:
    made = []
    for baseline, base, window in zip(
        pool.baselines, pool.parts(bases), pool.parts(windows), strict=True
    ):
        kind = kind_of(baseline.monitor)
        made.append(kind.statistic(base * rate if kind.is_volume else base, window))
    return np.stack(made, axis=1)


def _poisson(rate: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Draw independent Poisson weights: their sum by row, then whom each of it falls on."""
    rows, patients = shape
    sums = rng.poisson(rate * patients, rows)
    cells = np.repeat(np.arange(rows) * patients, sums) + rng.integers(0, patients, sums.sum())
    weights = np.bincount(cells, np.ones(cells.size), rows * patients)
    return np.asarray(weights, dtype=np.float64).reshape(shape)


def held_out_values(
    pool: Pool, fold: Any, replicates: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Compare windows of a fold's patients with the baselines of all others.

    The volume that is expected is that of the reference, whoever is held out.

    Returns
    -------
    (replicates, monitors): windows without change, and the same ones with the change injected
    """
    kept = np.delete(pool.amounts, fold, axis=0).sum(axis=0)
    baselines = [
        b if kind_of(b.monitor).is_volume else replace(b, sums=sums[0])
        for b, sums in zip(pool.baselines, pool.parts(kept[None, :]), strict=True)
    ]
    expected = pool.share * pool.cases.sum() / pool.cases[fold].mean()
    made = [np.empty((replicates, len(baselines))) for _ in range(2)]
    for rows in _chunks(replicates, len(fold)):
        weights = _dealt(rng.poisson(expected, rows.stop - rows.start), len(fold), rng)
        for values, amounts in zip(made, (pool.amounts, pool.moved), strict=True):
            seen = pool.parts(weights @ amounts[fold])
            for i, baseline in enumerate(baselines):
                values[rows, i] = baseline.statistic(seen[i])
    return made[0], made[1]


def _dealt(sizes: Any, n_pool: int, rng: np.random.Generator) -> FloatArray:
    """Draw so many patients a row: none twice before all were drawn.

    Drawn with replacement, a few patients would stand for a population of their own, and its
    distance to the reference would be counted as false alarms.
    """
    rank = np.argsort(rng.random((len(sizes), n_pool)), axis=1)
    whole, rest = np.divmod(sizes, n_pool)
    return np.asarray(whole[:, None] + (rank < rest[:, None]), dtype=np.float64)


def _chunks(replicates: int, patients: int) -> Iterator[slice]:
    step = max(1, _CELLS // patients)
    for start in range(0, replicates, step):
        yield slice(start, min(start + step, replicates))
