"""How often limits are exceeded by windows of patients whom they were not made from.

Every reference patient is held out equally often, in folds (Stone 1974), and the folds are dealt
anew. What does not belong here: how limits are made (``calibration``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vpack_pipeline.core.drift.reference import Reference
from vpack_pipeline.protocol import Drift
from vpack_pipeline.stats.estimate import FloatArray

MOST_FOLDS: Final = 5
REPEATS: Final = 2
"""How often each patient is held out."""


def folds_of(reference: Reference, drift: Drift) -> int:
    """Say into how many folds patients fall: at most five, such that a fold can fill a window."""
    return max(2, min(MOST_FOLDS, reference.days // drift.window_days))


def deals_of(n_patients: int, folds: int, seed: int) -> list[list[Any]]:
    """Deal patients into folds, several times: the codes of each fold's patients.

    Parameters
    ----------
    n_patients : at least ``folds``
    seed : the protocol's

    Examples
    --------
    >>> [[len(fold) for fold in deal] for deal in deals_of(7, 3, seed=1)]
    [[3, 2, 2], [3, 2, 2]]
    """
    rng = np.random.default_rng(seed)
    return [np.array_split(rng.permutation(n_patients), folds) for _ in range(REPEATS)]


@dataclass(frozen=True, slots=True)
class Rate:
    """A chance per window, tried in several splits of the patients.

    Attributes
    ----------
    mean : over the splits
    spread : standard deviation between splits, without what the number of drawn windows explains
    monte_carlo_error : half-width of the 95% interval of the mean for the number of drawn windows
    splits, folds : how many splits, and into how many folds each was dealt
    """

    mean: float
    spread: float
    monte_carlo_error: float
    splits: int
    folds: int

    def is_above(self, budget: float) -> bool:
        """Say whether the rate lies above a budget by more than chance explains.

        Splits share patients: their variance is corrected as Nadeau & Bengio (2003) do, by the
        held-out patients per patient kept.
        """
        of_mean = self.spread * math.sqrt(1 / self.splits + 1 / (self.folds - 1))
        return self.mean - math.hypot(1.96 * of_mean, self.monte_carlo_error) > budget


def rate_of(exceeded: Any, folds: int) -> Rate:
    """Estimate a rate.

    Parameters
    ----------
    exceeded : (splits, windows) bool

    Examples
    --------
    >>> rate_of(np.array([[True, False], [True, True]]), folds=2).mean
    0.75
    """
    splits, windows = exceeded.shape
    by_split: FloatArray = exceeded.mean(axis=1)
    mean = float(by_split.mean())
    chance = float((by_split * (1 - by_split)).mean()) / (windows - 1)
    between = float(by_split.var(ddof=1)) - chance
    # Add two successes and two failures, so that a rate of 0 does not claim certainty.
    n = splits * windows + 4
    p = (mean * splits * windows + 2) / n
    error = 1.96 * math.sqrt(p * (1 - p) / n)
    return Rate(mean, math.sqrt(max(between, 0.0)), error, splits, folds)
