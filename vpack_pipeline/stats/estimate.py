"""The records in which statistics come back, and the normal quantile that intervals share.

An undefined statistic is a record whose ``value`` is None and whose ``reason`` says why: never a
NaN, and never a number standing in for one. What does not belong here: any statistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

NO_WIDTH = "the variance estimate is 0: the interval has no width and understates the uncertainty"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure with its interval.

    ``value`` None means undefined or refused, and ``reason`` says why. A ``reason`` beside a value
    is a caution: the value stands, its interval is missing or is not to be taken at face value.
    ``n`` counts the units that entered, ``events`` those of them with the outcome.
    """

    value: float | None
    lower: float | None
    upper: float | None
    n: int
    events: int | None
    method: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HypothesisTest:
    """One test. ``statistic`` and ``p`` are None, with a reason, where the test is undefined.

    ``difference`` with its interval is given where the test is one of a difference.
    """

    statistic: float | None
    p: float | None
    method: str
    df: float | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None


def undefined(
    reason: str, *, method: str, n: int, events: int | None = None, value: float | None = None
) -> Estimate:
    """An estimate without an interval, and, unless ``value`` is given, without a value."""
    return Estimate(value, None, None, n, events, method, reason)


def normal_quantile(level: float) -> float:
    """The two-sided standard normal quantile of a confidence level in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError("the confidence level lies strictly between 0 and 1")
    return float(ndtri(0.5 + level / 2))


def symmetric(
    value: float,
    se: float,
    *,
    n: int,
    method: str,
    level: float,
    events: int | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    df: float | None = None,
) -> Estimate:
    """Value ± quantile × standard error, clipped to ``bounds``.

    The quantile is normal, or Student's t on ``df`` degrees of freedom. A standard error of 0 gives
    an interval without width, flagged in ``reason``.
    """
    z = normal_quantile(level)
    quantile = z if df is None else float(stdtrit(df, 0.5 + level / 2))
    lower, upper = (
        float(min(max(value + sign * quantile * se, bounds[0]), bounds[1])) for sign in (-1, 1)
    )
    reason = NO_WIDTH if se == 0 else None
    return Estimate(float(value), lower, upper, n, events, method, reason)
