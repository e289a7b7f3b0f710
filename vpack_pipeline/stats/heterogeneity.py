"""Do subgroups differ by more than chance? Cochran's Q with variances at the common figure.

A subgroup's own variance is smallest where its figure is best, so that weights by it make
differences of chance. Here each has the variance that it would have if all had the common figure.
What does not belong here: Q of any estimates with their errors, adjustment over variables
(``multiplicity``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from vpack_pipeline.stats.arguments import amounts, numbers
from vpack_pipeline.stats.auc_interval import Area
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.multiplicity import Heterogeneity, cochran_q

_ROUNDING: Final = 1e-12


def proportions_differ(values: FloatArray, sizes: FloatArray) -> Heterogeneity:
    """Q of proportions p_k: Σ n_k (p_k − p̄)² / (p̄(1 − p̄)), p̄ their mean by size.

    With whole sizes it is the chi-squared statistic of homogeneity (Pearson 1900).

    Parameters
    ----------
    values, sizes : (k,) proportion and effective size of each subgroup, of disjoint cases

    >>> found = proportions_differ(np.array([0.9, 0.2]), np.array([10.0, 10.0]))
    >>> round(found.q, 6)
    9.89899
    """
    p, n = numbers("values", values, 0.0, 1.0), amounts("sizes", sizes)
    if p.shape != n.shape or (n == 0).any():
        raise ValueError("values and sizes: one size above 0 is needed for each proportion")
    return _at_common_figure(p, lambda common: common * (1 - common) / n)


def areas_differ(areas: Sequence[Area]) -> Heterogeneity:
    """Q of areas under the ROC curve: Σ (A_k − Ā)² / (d · V(Ā; m_k, n_k)).

    V is Hanley and McNeil's variance on each subgroup's effective sizes; ``d`` is the sum of the
    variances over patients (Obuchowski 1997) over ΣV(A_k), at least 1.

    Parameters
    ----------
    areas : of disjoint cases
    """
    values = numbers("areas: value", [area.value for area in areas], 0.0, 1.0)
    sizes = numbers("areas: cases", [area[1:3] for area in areas], 0.0)
    numbers("areas: observed", [area.observed for area in areas], 0.0)
    if (sizes == 0).any():
        raise ValueError("areas: every one has positives and negatives")
    expected = sum(area.variance() for area in areas)
    observed = sum(area.observed for area in areas)
    d = max(1.0, observed / expected) if expected > 0 else 1.0
    return _at_common_figure(
        values, lambda common: d * np.array([area.variance(common) for area in areas])
    )


def _at_common_figure(values: FloatArray, variance: Callable[[float], FloatArray]) -> Heterogeneity:
    """Q about the mean weighted by the variances that the mean itself gives."""
    if values.size < 2:
        return cochran_q(values, np.ones(values.size))
    common = float(values.mean())
    for _ in range(100):
        # Where all are 0, or 1, nothing varies and nothing differs: any error gives a Q of 0.
        inner = min(max(common, _ROUNDING), 1 - _ROUNDING)
        weights = 1 / variance(inner)
        before, common = common, float(weights @ values / weights.sum())
        if abs(common - before) <= _ROUNDING:
            break
    return cochran_q(values, 1 / np.sqrt(weights))
