"""Simulated studies of a known ROC curve, on which its band and the areas of its parts are judged.

``benchmarks/simulations.py`` runs every design by night. What does not belong here: targets, and
designs of the whole area (``interval_designs``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from benchmarks.sampling_designs import Service
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray
from vpack_pipeline.stats.resampling import patient_codes, patient_weights
from vpack_pipeline.stats.roc_curve import CurveBand, partial_auc, roc_band
from vpack_pipeline.stats.weighted_curve import weighted_roc_band

GRID = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9])
Band = Callable[[FloatArray, BoolArray, IntArray, np.random.Generator], CurveBand]


class Curve(NamedTuple):
    """Binormal scores: ``spread`` is the standard deviation of negatives over that of positives."""

    positives: int
    negatives: int
    area: float
    spread: float
    per_patient: int
    alike: float

    @property
    def shift(self) -> float:
        return float(ndtri(self.area) * np.sqrt(1 + 1 / self.spread**2))

    def truth(self, rates: FloatArray) -> FloatArray:
        # At 0 the inverse is -inf, and so the truth 0.
        return np.asarray(ndtr(self.spread * (self.shift + ndtri(rates))))

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, BoolArray, IntArray]:
        sides = []
        for n in (self.positives, self.negatives):
            own = rng.normal(size=(n // self.per_patient, self.per_patient))
            shared = rng.normal(size=(len(own), 1))
            sides.append((np.sqrt(self.alike) * shared + np.sqrt(1 - self.alike) * own).ravel())
        score = np.concatenate([self.shift + sides[0] / self.spread, sides[1]])
        positive = np.arange(score.size) < sides[0].size
        return score, positive, np.arange(score.size) // self.per_patient


def curves() -> Iterator[Curve]:
    """12/12 to 20/480 cases, one or four a patient."""
    sizes = ((12, 12), (32, 100), (100, 100), (48, 240), (20, 480))
    for (m, n), area, spread, (per, alike) in product(
        sizes, (0.7, 0.9, 0.98), (1.0, 0.6), ((1, 0.0), (4, 0.5))
    ):
        yield Curve(m, n, area, spread, per, alike)


def of_package(
    score: FloatArray, positive: BoolArray, patient: IntArray, _: np.random.Generator
) -> CurveBand:
    """The band that is printed."""
    band = roc_band(score, positive, patient, GRID)
    assert band is not None
    return band


def of_bootstrap(
    score: FloatArray, positive: BoolArray, patient: IntArray, rng: np.random.Generator
) -> CurveBand:
    """Percentiles of 200 curves of patients drawn with replacement."""
    value = of_package(score, positive, patient, rng).value
    drawn = []
    codes, n_patients = patient_codes(patient)
    for of_patients in patient_weights(n_patients, 200, rng):
        weights = of_patients[:, codes]
        for row in weights:
            resampled = np.repeat(np.arange(score.size), row)
            outcome = positive[resampled]
            if outcome.any() and not outcome.all():
                drawn.append(_curve(score[resampled], outcome))
    lower, upper = np.quantile(drawn, [0.025, 0.975], axis=0)
    return CurveBand(value, lower, upper)


def _curve(score: FloatArray, positive: BoolArray) -> FloatArray:
    """The curve without its band: the share of positives above as many negatives as may be."""
    negatives = np.append(np.sort(score[~positive])[::-1], -np.inf)
    cuts = negatives[np.floor(GRID * (~positive).sum() + 1e-9).astype(np.int64)]
    return np.asarray((score[positive][:, None] > cuts).mean(axis=0))


def missed(curve: Curve, runs: int, seed: int, band: Band = of_package) -> tuple[float, float]:
    """How often the truth lies below the lower limit, and above the upper, at the worst point."""
    rng = np.random.default_rng([seed, *map(int, (curve.positives, curve.negatives))])
    truth, below, above = curve.truth(GRID), np.zeros(GRID.size), np.zeros(GRID.size)
    for _ in range(runs):
        found = band(*curve.draw(rng), rng)
        below += found.lower > truth + 1e-12
        above += found.upper < truth - 1e-12
    return float(below.max()) / runs, float(above.max()) / runs


def missed_areas(curve: Curve, runs: int, seed: int) -> tuple[float, float]:
    """The same of the partial area up to a false positive rate of .1."""
    rng = np.random.default_rng([seed, *map(int, (curve.positives, curve.negatives))])
    rates = np.linspace(0, 0.1, 20_001)
    truth = float(np.trapezoid(curve.truth(rates), rates))
    below = above = 0
    for _ in range(runs):
        found = partial_auc(*curve.draw(rng), 0.1).area
        assert found.lower is not None
        assert found.upper is not None
        below += found.lower > truth
        above += found.upper < truth
    return below / runs, above / runs


class Sampled(NamedTuple):
    """A service of which all cases above ``above`` are taken and few of the rest."""

    service: Service
    above: float
    few: float


def two_phase_curves() -> Iterator[Sampled]:
    """All flagged, or all above a lower score, and 2 to 30% of the rest; 20 to 1,000 positives."""
    services = (
        (1000, 0.05, 0.8, 1),
        (1000, 0.02, 0.9, 1),
        (4000, 0.05, 0.8, 1),
        (4000, 0.05, 0.95, 1),
        (4000, 0.02, 0.9, 4),
        (20_000, 0.05, 0.9, 1),
    )
    for (n, prevalence, sensitivity, most), (above, few) in product(
        services, ((1.28, 0.05), (0.5, 0.3))
    ):
        yield Sampled(Service.of_sensitivity(n, prevalence, sensitivity, most), above, few)


def missed_weighted(sampled: Sampled, runs: int, seed: int) -> tuple[float, float]:
    """How often the truth lies below the weighted band, and above it, at the worst printed point.

    At a false positive rate of 0 no band can miss; at 1 none does.
    """
    grid = np.arange(101) / 100
    service, above, few = sampled
    truth = ndtr(service.shift + ndtri(grid))
    rng = np.random.default_rng([seed, *str(sampled).encode()])
    missed = np.zeros((2, grid.size))
    for _ in range(runs):
        d = service.draw(rng, lambda s, _: np.where(s > above, 1.0, few))
        band = weighted_roc_band(d.score, d.positive, d.weight, d.patient, grid, heaviest=1 / few)
        if band is not None:
            missed += band.lower > truth + 1e-12, band.upper < truth - 1e-12
    return float(missed[0].max()) / runs, float(missed[1].max()) / runs
