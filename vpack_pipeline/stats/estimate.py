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

from vpack_pipeline.stats.arguments import number, whole
from vpack_pipeline.stats.codes import Code, Coded, Codes, coded

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

NO_WIDTH = Code("interval_without_width")


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure with its interval.

    ``value`` None means undefined or refused, and ``reason`` says why. ``notes`` are what to know
    beside it, as that the interval is missing or not to be taken at face value. ``method`` says how
    value and interval were made. ``n`` counts the units that entered, ``events`` those of them with
    the outcome.
    """

    value: float | None
    lower: float | None
    upper: float | None
    n: int
    events: int | None
    method: Codes
    reason: Code | None = None
    notes: Codes = ()


@dataclass(frozen=True, slots=True)
class HypothesisTest:
    """One test. ``statistic`` and ``p`` are None, with a reason, where the test is undefined.

    ``difference`` with its interval is given where the test is one of a difference.
    """

    statistic: float | None
    p: float | None
    method: Codes
    df: float | None = None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: Code | None = None


def undefined(
    reason: Coded,
    *,
    method: Coded | Codes,
    n: int,
    events: int | None = None,
    value: float | None = None,
) -> Estimate:
    """An estimate without an interval, and, unless ``value`` is given, without a value.

    Beside a value the reason is a note: it says why there is no interval.
    """
    (why,) = coded(reason)
    _check_sizes(n, events)
    if value is not None:
        number("value", value)
        return Estimate(value, None, None, n, events, coded(method), notes=(why,))
    return Estimate(None, None, None, n, events, coded(method), why)


def normal_quantile(level: float) -> float:
    """The two-sided standard normal quantile of a confidence level in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError("the confidence level lies strictly between 0 and 1")
    return float(ndtri(0.5 + level / 2))


def _check_sizes(n: int, events: int | None) -> None:
    whole("n", n, 0)
    if events is not None:
        whole("events", events, 0)


def symmetric(
    value: float,
    se: float,
    *,
    n: int,
    method: Coded | Codes,
    level: float,
    events: int | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    df: float | None = None,
) -> Estimate:
    """Value ± quantile × standard error, clipped to ``bounds``.

    The quantile is normal, or Student's t on ``df`` degrees of freedom. A standard error of 0 gives
    an interval without width, which ``notes`` say.
    """
    number("value", value)
    number("se", se, 0.0)
    _check_sizes(n, events)
    z = normal_quantile(level)
    if df is not None:
        number("df", df, 0.0)
    quantile = z if df is None else float(stdtrit(df, 0.5 + level / 2))
    lower, upper = (
        float(min(max(value + sign * quantile * se, bounds[0]), bounds[1])) for sign in (-1, 1)
    )
    notes = coded(NO_WIDTH if se == 0 else None)
    return Estimate(float(value), lower, upper, n, events, coded(method), notes=notes)
