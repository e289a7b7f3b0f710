"""Control charts over time, and how long they run before an alarm.

Average run lengths are exact up to quadrature: the Fredholm integral equation of the chart, solved
on Gauss–Legendre nodes (Page 1954; Crowder 1987; Knoth's ``spc``). What does not belong here:
standardising a figure into the z that a chart takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from vpack_pipeline.stats.arguments import number, numbers
from vpack_pipeline.stats.estimate import FloatArray


def p_chart_limits(
    p: float, n: float, width: float = 3.0, *, dispersion: float = 1.0
) -> tuple[float, float]:
    """Shewhart (1931) limits of a proportion of n cases: p ± width · √(dispersion · p(1 − p) / n).

    Parameters
    ----------
    p : the reference proportion, in [0, 1]
    n : cases in the window, > 0
    width : in standard errors
    dispersion : design effect, >= 1 where patients repeat

    Returns
    -------
    (lower, upper), clipped to [0, 1]
    """
    for name, value in (("n", n), ("width", width), ("dispersion", dispersion)):
        number(name, value, 0.0)
    if not (0 <= p <= 1 and n > 0):
        raise ValueError("p lies in [0, 1] and n is positive")
    reach = width * math.sqrt(dispersion * p * (1 - p) / n)
    return max(0.0, p - reach), min(1.0, p + reach)


def cusum_path(z: FloatArray, k: float) -> tuple[FloatArray, FloatArray]:
    """Upper and lower CUSUM of standardised values, from 0 (Page 1954).

    Parameters
    ----------
    z : (n,) in order of time
    k : reference value, half the shift to be found, in standard deviations

    Returns
    -------
    (upper, lower), each (n,) and >= 0: an alarm where one exceeds the threshold h
    """
    values = numbers("z", z)
    number("k", k)
    upper, lower = np.empty(values.size), np.empty(values.size)
    up = down = 0.0
    for i, value in enumerate(values):
        up, down = max(0.0, up + value - k), max(0.0, down - value - k)
        upper[i], lower[i] = up, down
    return upper, lower


def ewma_path(z: FloatArray, smoothing: float) -> FloatArray:
    """Exponentially weighted moving average of standardised values, from 0 (Roberts 1959).

    Parameters
    ----------
    z : (n,) in order of time
    smoothing : weight of the newest value, in (0, 1]; the alarm is at ± width · √(λ / (2 − λ))
    """
    values = numbers("z", z)
    if not 0 < smoothing <= 1:
        raise ValueError("smoothing lies in (0, 1]")
    path = np.empty(values.size)
    now = 0.0
    for i, value in enumerate(values):
        now += smoothing * (value - now)
        path[i] = now
    return path


def cusum_arl(k: float, h: float, shift: float = 0.0, *, two_sided: bool = True) -> float:
    """Average run length of a CUSUM from 0, for independent standard normal values.

    Parameters
    ----------
    k, h : reference value >= 0 and threshold > 0, in standard deviations
    shift : true mean, in standard deviations; 0 gives the in-control run length
    two_sided : both sides together (1/ARL = 1/ARL⁺ + 1/ARL⁻: Kemp 1961), or the upper side only

    >>> round(cusum_arl(0.5, 4), 1), round(cusum_arl(0.5, 5), 1)
    (167.7, 465.4)
    """
    upper = _cusum_one_sided(k, h, shift)
    if not two_sided:
        return upper
    return 1 / (1 / upper + 1 / _cusum_one_sided(k, h, -shift))


def ewma_arl(smoothing: float, width: float, shift: float = 0.0) -> float:
    """Average run length of a two-sided EWMA from 0, with constant limits.

    Parameters
    ----------
    smoothing : λ in (0, 1]
    width : L > 0, in standard deviations of the EWMA

    >>> round(ewma_arl(0.1, 2.8143))
    500
    """
    number("width", width)
    number("shift", shift)
    if not (0 < smoothing <= 1 and width > 0):
        raise ValueError("smoothing lies in (0, 1] and the width is positive")
    limit = width * math.sqrt(smoothing / (2 - smoothing))
    nodes, weights = _nodes(2 * limit / smoothing)
    nodes, weights = nodes * limit, weights * limit
    start = (1 - smoothing) * np.append(nodes, 0.0)[:, None]
    kernel = weights * _density((nodes - start) / smoothing - shift) / smoothing
    run = np.linalg.solve(np.eye(nodes.size) - kernel[:-1], np.ones(nodes.size))
    return float(1 + kernel[-1] @ run)


def cusum_threshold(k: float, arl: float, *, two_sided: bool = True) -> float:
    """The threshold h whose in-control average run length is ``arl`` (> 2).

    >>> round(cusum_threshold(0.5, 500), 3)
    5.071
    """
    return _invert(lambda h: cusum_arl(k, h, two_sided=two_sided), arl)


def ewma_width(smoothing: float, arl: float) -> float:
    """The width L whose in-control average run length is ``arl`` (> 2).

    >>> round(ewma_width(0.1, 500), 3)
    2.814
    """
    return _invert(lambda width: ewma_arl(smoothing, width), arl)


def _cusum_one_sided(k: float, h: float, shift: float) -> float:
    for name, value in (("k", k), ("h", h), ("shift", shift)):
        number(name, value)
    if not (k >= 0 and h > 0):
        raise ValueError("k is not negative and h is positive")
    nodes, weights = _nodes(h)
    nodes, weights = (nodes + 1) * h / 2, weights * h / 2
    # The state is 0 with positive probability, so 0 joins the nodes with an atom of its own.
    state = np.append(nodes, 0.0)
    kernel = np.empty((state.size, state.size))
    kernel[:, :-1] = weights * _density(nodes - state[:, None] + k - shift)
    kernel[:, -1] = ndtr(k - state - shift)
    run = np.linalg.solve(np.eye(state.size) - kernel, np.ones(state.size))
    return float(run[-1])


def _nodes(span: float) -> tuple[FloatArray, FloatArray]:
    """Gauss–Legendre nodes on [-1, 1], several a standard deviation of a span of so many."""
    nodes, weights = np.polynomial.legendre.leggauss(50 + math.ceil(4 * span))
    return nodes, weights


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-x * x / 2) / math.sqrt(2 * math.pi), dtype=np.float64)


def _invert(run_length: Callable[[float], float], target: float) -> float:
    """Bisection on a run length that grows with the limit."""
    if not 2 < target < 1e6:
        raise ValueError("arl, the in-control run length, lies between 2 and a million")
    low, high = 0.01, 0.02
    while run_length(high) < target:
        low, high = high, high * 2
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if run_length(middle) < target else (low, middle)
    return (low + high) / 2
