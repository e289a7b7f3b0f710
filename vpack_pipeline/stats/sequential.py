"""Looks at accumulating evidence, and the power of a prospective claim.

Error is spent as information accrues (Lan & DeMets 1983), and the level of each look follows from
the joint law of the looks: of normal statistics whose correlation is the root of the ratio of their
information. What does not belong here: when a look takes place (a cut of the protocol), what
information is, and several claims at once (``several_endpoints``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

from vpack_pipeline.stats.arguments import number, numbers, positive_number
from vpack_pipeline.stats.estimate import FloatArray

LEAST_SHARE: Final = 0.3
"""A look at less of the planned information than this is not taken, unless it is the last."""
LEAST_NEW: Final = 0.05
"""Nor is one that brings less of it than this since the look before."""
_ROUNDING: Final = 1e-12
"""Shares are ratios: one that is as large as it must be may miss that by this much."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)
_LOWEST: Final = -8.0
"""Below this a normal statistic has a probability of 1e-15."""
_MOST_ALIKE: Final = 0.99
"""Largest squared correlation of two looks in a row: one that brings less than 1% is taken as if it
brought 1%, whose level is a little lower."""


def obrien_fleming_spend(alpha: float, information_fraction: float) -> float:
    """One-sided error spent by a share of the information: 2 − 2Φ(z(1 − α/2) / √t).

    O'Brien–Fleming type (Lan & DeMets 1983).

    Parameters
    ----------
    alpha : total one-sided error, in (0, 1)
    information_fraction : (0, 1]; 1 spends all of ``alpha``

    >>> round(obrien_fleming_spend(0.025, 0.5), 5), round(obrien_fleming_spend(0.025, 1.0), 5)
    (0.00153, 0.025)
    """
    if not (0 < alpha < 1 and 0 < information_fraction <= 1):
        raise ValueError("alpha in (0, 1), information fraction in (0, 1]")
    if information_fraction == 1:
        return alpha
    return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(information_fraction)))


def share_of_information(
    observed: float, maximum: float, taken: Sequence[float] = (), *, is_last: bool
) -> float | None:
    """Say what share of the planned information a look stands at; None where it is not taken.

    The last declared look stands at 1, whatever was observed, and so does one with more information
    than was planned: those after it have none. A look below ``LEAST_SHARE``, or with less than
    ``LEAST_NEW`` since the last that was taken, is not taken, and spends nothing.

    Parameters
    ----------
    observed, maximum : information at the look, and as planned; >= 0 and > 0
    taken : shares at which earlier looks were taken, rising
    is_last : whether it is the last that was declared

    >>> share_of_information(40, 100, is_last=False), share_of_information(40, 100, is_last=True)
    (0.4, 1.0)
    """
    number("observed", observed, 0.0)
    positive_number("maximum", maximum)
    numbers("taken", taken, 0.0, 1.0)
    before = max(taken, default=0.0)
    share = 1.0 if is_last else min(observed / maximum, 1.0)
    is_early = max(LEAST_SHARE, before + LEAST_NEW if before else 0.0) - share > _ROUNDING
    return None if before >= 1.0 or (is_early and not is_last) else share


def look_levels(
    alpha: float,
    information_fractions: Sequence[float],
    information: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Nominal one-sided level of each look, so that the looks together err as often as is spent.

    The law of the looks that were not passed yet is integrated from look to look (Armitage,
    McPherson & Rowe 1969), by Gauss–Legendre quadrature: nothing is drawn.

    Parameters
    ----------
    alpha : total one-sided error, in (0, 1)
    information_fractions : shares at which error is spent; they increase, in (0, 1]
    information : observed information of each look, of which the correlation is made; where not
        given, the fractions. Looks correlate by the root of its ratio

    >>> [round(level, 5) for level in look_levels(0.025, [0.5, 1.0])]
    [0.00153, 0.0245]
    """
    # Not with the module: a check of documents imports it, and seldom solves.

    shares = numbers("information fractions", information_fractions, 0.0, 1.0)
    amounts = shares if information is None else numbers("information", information, 0.0)
    if amounts.shape != shares.shape or (amounts <= 0).any():
        raise ValueError("information: one amount above 0 is needed for each look")
    if not shares.size or (np.diff(shares, prepend=0.0) <= 0).any():
        raise ValueError("information fractions must be given, and increase")
    return _levels(alpha, tuple(shares.tolist()), tuple(amounts.tolist()))


@functools.lru_cache(maxsize=4096)
def _levels(
    alpha: float, shares: tuple[float, ...], information: tuple[float, ...]
) -> tuple[float, ...]:
    # Not with the module: a check of documents imports it, and seldom solves.
    from scipy.optimize import brentq

    spent = obrien_fleming_spend(alpha, shares[0])
    cut = -float(ndtri(spent))
    levels = [spent]
    nodes, density = _below(cut)
    density = density * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    for i in range(1, len(shares)):
        squared = min(information[i - 1] / information[i], _MOST_ALIKE)
        mean, deviation = math.sqrt(squared) * nodes, math.sqrt(1 - squared)
        new = obrien_fleming_spend(alpha, shares[i]) - spent

        def surplus(
            at: float,
            density: FloatArray = density,
            mean: FloatArray = mean,
            deviation: float = deviation,
            new: float = new,
        ) -> float:
            return float(density @ ndtr((mean - at) / deviation)) - new

        cut = float(brentq(surplus, _LOWEST, 40.0, xtol=1e-12))
        levels.append(float(ndtr(-cut)))
        spent += new
        following, weights = _below(cut)
        apart = (following[:, None] - mean) / deviation
        density = weights * ((np.exp(-(apart**2) / 2) @ density) / deviation)
        density /= math.sqrt(2 * math.pi)
        nodes = following
    return tuple(levels)


def _below(cut: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the values below a limit."""
    half = (cut - _LOWEST) / 2
    return _LOWEST + half * (_NODES + 1), half * _WEIGHTS


def power_noninferiority(
    p: float,
    margin: float,
    n_positives: float,
    *,
    n_reference: float | None = None,
    alpha: float = 0.025,
) -> float:
    """Power to show that a proportion fell by less than a margin between two windows.

    Normal approximation with equal true proportions (Chow, Shao & Wang 2008, section 4.2).

    Parameters
    ----------
    p : the proportion expected in both windows, in (0, 1), such as a sensitivity
    margin : the fall to be ruled out, > 0
    n_positives : cases behind the proportion in the prospective window
    n_reference : those in the retrospective window; the same number where not given
    alpha : one-sided

    >>> round(power_noninferiority(0.9, 0.05, 125), 2)
    0.26
    """
    _check_power(p, margin, alpha)
    other = n_positives if n_reference is None else n_reference
    number("n_positives", n_positives)
    number("n_reference", other)
    if n_positives <= 0 or other <= 0:
        raise ValueError("power needs cases in both windows: n_positives, n_reference")
    se = math.sqrt(p * (1 - p) * (1 / n_positives + 1 / other))
    return float(ndtr(margin / se + ndtri(alpha)))


def sample_size_noninferiority(
    p: float, margin: float, *, power: float = 0.8, alpha: float = 0.025
) -> int:
    """Cases needed in each of two windows for ``power_noninferiority`` to reach a power.

    The same approximation (Chow, Shao & Wang 2008, section 4.2).

    >>> sample_size_noninferiority(0.9, 0.05)
    566
    """
    _check_power(p, margin, alpha)
    if not 0 < power < 1:
        raise ValueError("the power lies strictly between 0 and 1")
    quantiles = float(ndtri(1 - alpha) + ndtri(power))
    return max(1, math.ceil(2 * p * (1 - p) * (quantiles / margin) ** 2))


def _check_power(p: float, margin: float, alpha: float) -> None:
    number("margin", margin)
    if not (0 < p < 1 and margin > 0 and 0 < alpha < 1):
        raise ValueError("p and alpha lie in (0, 1) and the margin is positive")
