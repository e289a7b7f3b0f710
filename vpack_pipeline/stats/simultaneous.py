"""Many correlated figures together: the quantile at which intervals hold, and who deviates.

What does not belong here: the intervals, which are computed anew at its level, each by its own
method, and the cut-off over statistics (``monitoring.budget``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import ndtr

from vpack_pipeline.stats.arguments import clusters, labels, number, positions
from vpack_pipeline.stats.difference import Side, correlations
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, normal_quantile
from vpack_pipeline.stats.monitoring.budget import gaussian_null, max_t
from vpack_pipeline.stats.proportions import effective_size
from vpack_pipeline.stats.resampling import patient_codes

DRAWS: Final = 20_000
_ROUNDING: Final = 1e-12


def simultaneous_quantile(sides: Sequence[Side], level: float, rng: np.random.Generator) -> float:
    """Quantile in place of the normal one, at which all intervals cover with probability ``level``.

    Single-step max-T (Westfall & Young 1993; Hothorn, Bretz & Westfall 2008): of the largest of
    normal deviations that are correlated as the figures are, by their patients. It is rounded up to
    four digits, far within its error of drawing.

    Parameters
    ----------
    sides : figures with an interval; one alone keeps the normal quantile

    Returns
    -------
    from that of one interval to that of Bonferroni's inequality; :func:`level_of` gives the level
    """
    alone = normal_quantile(level)
    if len(sides) < 2:
        return alone
    null = gaussian_null(correlations(sides), DRAWS, rng)
    critical = max_t(np.zeros(len(sides)), null, level).critical
    return max(math.ceil(critical * 1e4) / 1e4, alone)


def deviations_from_whole(
    success: BoolArray,
    cluster: npt.NDArray[np.generic],
    groups: Sequence[npt.NDArray[np.integer]],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """How far each group's proportion lies from the whole's, and p of so large a deviation.

    A score statistic: z = (p_k − p) / √(d · p(1 − p) · (1/n_k − 1/n)), d the design effect of the
    whole. Its p holds for all groups together: single-step max-T over normal deviations that are
    correlated as the groups are, by their patients (Westfall & Young 1993).

    Parameters
    ----------
    success, cluster : (n,) outcome and patient of each unit
    groups : of each, the positions of its units; they may overlap

    Returns
    -------
    (z, p), in the order of the groups. A group that is empty, or the whole, deviates by 0, with a p
    of 1; and so does each where all units are alike
    """
    outcome = labels("success", success)
    n = outcome.size
    codes, n_patients = patient_codes(clusters("cluster", cluster, n))
    members = [positions("groups", group, n) for group in groups]
    z, p = np.zeros(len(members)), np.ones(len(members))
    common = float(outcome.mean()) if n else 0.0
    compared = [k for k, m in enumerate(members) if 0 < m.size < n]
    if not compared or common in (0.0, 1.0):
        return z, p
    spread = common * (1 - common) * n / effective_size(outcome, codes)
    residual = outcome - common
    whole = np.bincount(codes, weights=residual, minlength=n_patients) / n
    parts = [members[k] for k in compared]
    starts = np.cumsum([0, *(m.size for m in parts)])
    joined = np.concatenate(parts)
    scaled = residual[joined] / np.repeat([m.size for m in parts], [m.size for m in parts])
    totals = csr_array((scaled, codes[joined], starts), shape=(len(parts), n_patients))
    totals.sum_duplicates()
    beside = totals @ whole
    product = (totals @ totals.T).toarray() - beside[:, None] - beside + whole @ whole
    size = np.sqrt(np.maximum(np.diag(product), 0.0))
    size[size <= _ROUNDING] = np.inf
    correlation = np.clip(product / np.outer(size, size), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    n_k = np.array([m.size for m in parts])
    shares = np.array([outcome[m].mean() for m in parts])
    z[compared] = (shares - common) / np.sqrt(spread * (1 / n_k - 1 / n))
    p[compared] = max_t(z[compared], gaussian_null(correlation, DRAWS, rng)).p
    return z, p


def level_of(quantile: float) -> float:
    """The level of an interval whose two-sided normal quantile this is.

    >>> round(level_of(1.959964), 6)
    0.95
    """
    return float(2 * ndtr(number("quantile", quantile, 0.0)) - 1)
