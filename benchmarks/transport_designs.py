"""Simulated studies of six cells, whose figures are carried to a target with another mix.

Prevalence and errors differ between cells, and the target has many where the study has few. The
truth is that of the target. ``benchmarks/simulations.py`` runs every design by night, and a test a
few of them. What does not belong here: targets of the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.interval_designs import Design
from vpack_pipeline.stats.estimate import Estimate
from vpack_pipeline.stats.transport import Cell, odds_factor, transported

CASES = 3000
SPECIFICITY = 0.9
_MIXES = {"even": (1,) * 6, "skew": (40, 25, 15, 10, 7, 3), "rare": (60, 20, 10, 6, 3, 1)}
_TARGETS = {"even": (1,) * 6, "reversed": (3, 7, 10, 15, 25, 40), "one cell": (1, 1, 1, 1, 1, 20)}
_PREVALENCES = {
    "2%": (0.02,) * 6,
    "10%": (0.1,) * 6,
    "rising": (0.02, 0.04, 0.06, 0.1, 0.15, 0.25),
    "falling": (0.2, 0.15, 0.1, 0.05, 0.03, 0.02),
}
_SENSITIVITIES = {
    ".80": (0.8,) * 6,
    ".90": (0.9,) * 6,
    ".95": (0.95,) * 6,
    "falling": (0.97, 0.95, 0.92, 0.9, 0.85, 0.75),
    "rising": (0.8, 0.85, 0.9, 0.93, 0.96, 0.98),
}
Bounds = Callable[[Sequence[Cell]], Estimate]


class Cells(NamedTuple):
    """A study and its target: share, prevalence, sensitivity of each cell, and the target's mix."""

    mix: tuple[float, ...]
    target: tuple[float, ...]
    prevalence: tuple[float, ...]
    sensitivity: tuple[float, ...]

    def truth(self, odds: float = 1.0) -> float:
        """Give the target's sensitivity, where each cell's odds of disease are multiplied."""
        sick = [
            q * odds * p / (odds * p + 1 - p)
            for q, p in zip(self.target, self.prevalence, strict=True)
        ]
        found = sum(s * se for s, se in zip(sick, self.sensitivity, strict=True))
        return found / sum(sick)

    def ppv(self, odds: float) -> float:
        """Give the target's positive predictive value."""
        sick = [odds * p / (odds * p + 1 - p) for p in self.prevalence]
        rows = list(zip(self.target, sick, self.sensitivity, strict=True))
        hits = sum(q * s * se for q, s, se in rows)
        return hits / (hits + sum(q * (1 - s) * (1 - SPECIFICITY) for q, s, _ in rows))

    def overall(self, odds: float) -> float:
        """Give the target's prevalence."""
        rows = zip(self.target, self.prevalence, strict=True)
        return sum(q * odds * p / (odds * p + 1 - p) for q, p in rows) / sum(self.target)

    def drawn(self, rng: np.random.Generator) -> list[Cell]:
        """Draw a study of independent patients."""
        sizes = rng.multinomial(CASES, np.array(self.mix) / sum(self.mix))
        positives = rng.binomial(sizes, self.prevalence)
        hits = rng.binomial(positives, self.sensitivity)
        cleared = rng.binomial(sizes - positives, SPECIFICITY)
        return [
            Cell(q, float(tp), float(p - tp), float(tn), float(n - p - tn), 0.0, 0.0)
            for q, n, p, tp, tn in zip(self.target, sizes, positives, hits, cleared, strict=True)
        ]


def _all_cells() -> Iterator[tuple[str, Cells]]:
    named = product(_MIXES, _TARGETS, _PREVALENCES, _SENSITIVITIES)
    for mix, target, prevalence, sensitivity in named:
        cells = Cells(
            _MIXES[mix], _TARGETS[target], _PREVALENCES[prevalence], _SENSITIVITIES[sensitivity]
        )
        words = f"{mix} here, {target} there, prevalence {prevalence}, sensitivity {sensitivity}"
        yield words, cells


def by_ratio(cells: Sequence[Cell]) -> Estimate:
    """Give the sensitivity as the pack does."""
    return transported(cells, "sensitivity")


def by_delta_method(cells: Sequence[Cell]) -> Estimate:
    """Give it with the plain delta method: no pseudo-counts, bounds on the scale of the share."""
    q = np.array([c.persons for c in cells]) / sum(c.persons for c in cells)
    n = np.maximum([c.cases for c in cells], 1.0)
    k = np.array([c.true_positives for c in cells])
    m = np.array([c.positives for c in cells])
    below = float(q @ (m / n))
    ratio = float(q @ (k / n)) / below
    p, b = k / np.maximum(m, 1.0), m / n
    variance = float(q**2 @ ((b * p * (1 - p) + (p - ratio) ** 2 * b * (1 - b)) / n)) / below**2
    reach = 1.96 * math.sqrt(variance)
    return Estimate(ratio, ratio - reach, ratio + reach, int(m.sum()), int(k.sum()), ())


def sensitivities(bounds: Bounds = by_ratio) -> Iterator[Design]:
    """Sensitivity in the target."""
    for words, cells in _all_cells():

        def draw(rng: np.random.Generator, of: Cells = cells) -> Estimate:
            return bounds(of.drawn(rng))

        yield Design(words, cells.truth(), draw)


def typed_prevalences(figure: str = "sensitivity") -> Iterator[Design]:
    """Sensitivity or PPV where the target's prevalence is typed: a third or three times as high."""
    for words, cells in list(_all_cells())[::3]:
        for odds in (1 / 3, 3.0):
            truth = cells.truth(odds) if figure == "sensitivity" else cells.ppv(odds)

            def draw(
                rng: np.random.Generator, of: Cells = cells, wanted: float = cells.overall(odds)
            ) -> Estimate:
                made = of.drawn(rng)
                return transported(made, figure, odds=odds_factor(made, wanted) or 1.0)

            yield Design(f"{words}, odds times {odds:.2g}", truth, draw)
