"""One false-alarm budget for many correlated statistics: single-step max-T.

Serves monitors and subgroups alike. What does not belong here: the statistics, and the shares of a
budget among tiers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpack_pipeline.stats.arguments import number, numbers, whole
from vpack_pipeline.stats.estimate import FloatArray


@dataclass(frozen=True, slots=True)
class MaxT:
    """Adjusted p values in the order of the statistics, and the cut-off common to all."""

    p: FloatArray
    critical: float


def max_t(statistics: FloatArray, null: FloatArray, level: float = 0.95) -> MaxT:
    """Two-sided single-step max-T (Westfall & Young 1993).

    Parameters
    ----------
    statistics : (m,) standardised statistics
    null : (B, m) the same, jointly, when nothing differs: from a bootstrap or ``gaussian_null``;
        rows with nan are left out
    level : 1 − the chance of any false alarm

    Returns
    -------
    p is (1 + count) / (1 + B), so never 0 (Phipson & Smyth 2010)
    """
    observed = np.abs(numbers("statistics", statistics))
    draws = numbers("null", null, missing=True)
    if draws.shape != (len(draws), observed.size):
        raise ValueError("null: one column is needed for each of the statistics")
    number("level", level, 0.0, 1.0)
    largest = np.abs(draws[~np.isnan(draws).any(axis=1)]).max(axis=1)
    if largest.size == 0:
        raise ValueError("no replicate of the null is complete")
    reached = largest.size - np.searchsorted(np.sort(largest), observed, side="left")
    p = (1 + reached) / (1 + largest.size)
    return MaxT(np.asarray(p, dtype=np.float64), float(np.quantile(largest, level)))


def gaussian_null(correlation: FloatArray, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Draws of correlated standard normals: (replicates, m), for ``max_t``.

    Raises
    ------
    ValueError
        The matrix is no correlation matrix: not symmetric, no unit diagonal, or not positive
        semidefinite.
    """
    whole("replicates", replicates)
    matrix = numbers("correlation", correlation)
    values, vectors = np.linalg.eigh(matrix)
    symmetric = np.allclose(matrix, matrix.T)
    if not symmetric or not np.allclose(np.diag(matrix), 1) or values.min() < -1e-9:
        raise ValueError("a correlation matrix is symmetric, with unit diagonal, and semidefinite")
    root = vectors * np.sqrt(np.maximum(values, 0))
    return np.asarray(rng.standard_normal((replicates, len(matrix))) @ root.T, dtype=np.float64)
