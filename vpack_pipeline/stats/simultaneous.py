"""The quantile at which intervals of many correlated figures hold together.

What does not belong here: the intervals, which are computed anew at its level, each by its own
method, and the cut-off over statistics (``monitoring.budget``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr

from vpack_pipeline.stats.arguments import number
from vpack_pipeline.stats.difference import Side, correlations
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.monitoring.budget import gaussian_null, max_t

DRAWS: Final = 20_000


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


def level_of(quantile: float) -> float:
    """The level of an interval whose two-sided normal quantile this is.

    >>> round(level_of(1.959964), 6)
    0.95
    """
    return float(2 * ndtr(number("quantile", quantile, 0.0)) - 1)
