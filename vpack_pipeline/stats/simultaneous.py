"""The level at which intervals of many correlated figures hold together.

What does not belong here: the intervals, which are computed anew at that level, each by its own
method, and the cut-off over statistics (``monitoring.budget``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr

from vpack_pipeline.stats.difference import Side, correlations
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.monitoring.budget import gaussian_null, max_t

DRAWS: Final = 20_000


def simultaneous_level(sides: Sequence[Side], level: float, rng: np.random.Generator) -> float:
    """Level of each interval at which all cover together with probability ``level``.

    Single-step max-T (Westfall & Young 1993; Hothorn, Bretz & Westfall 2008): the quantile of the
    largest of normal deviations that are correlated as the figures are, by their patients. It is
    rounded up to four digits, far within its error of drawing.

    Parameters
    ----------
    sides : figures with an interval; one alone keeps its level

    Returns
    -------
    from ``level`` to that of Bonferroni's inequality
    """
    alone = normal_quantile(level)
    if len(sides) < 2:
        return level
    null = gaussian_null(correlations(sides), DRAWS, rng)
    critical = math.ceil(max_t(np.zeros(len(sides)), null, level).critical * 1e4) / 1e4
    return float(2 * ndtr(max(critical, alone)) - 1)
