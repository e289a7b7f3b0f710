"""Looks at accumulating evidence, and the power of a prospective claim.

What does not belong here: when a look takes place (a cut of the protocol) and what follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtr, ndtri

from vpack_pipeline.stats.arguments import number, numbers


def obrien_fleming_spend(alpha: float, information_fraction: float, *, sides: int = 1) -> float:
    """Error spent by a share of the information, O'Brien–Fleming type (Lan & DeMets 1983).

    Parameters
    ----------
    alpha : total error, in (0, 1); the error of the whole test, one-sided or two-sided as ``sides``
    information_fraction : (0, 1]; 1 spends all of ``alpha``
    sides : 1: 2 − 2Φ(z(1 − α/2) / √t). 2: each side spends that of α/2

    >>> round(obrien_fleming_spend(0.025, 0.5), 5), round(obrien_fleming_spend(0.025, 1.0), 5)
    (0.00153, 0.025)
    """
    if not (0 < alpha < 1 and 0 < information_fraction <= 1 and sides in (1, 2)):
        raise ValueError("alpha in (0, 1), information fraction in (0, 1], sides 1 or 2")
    z = ndtri(alpha / sides / 2)
    return float(2 * sides * ndtr(z / math.sqrt(information_fraction)))


def look_levels(
    alpha: float, information_fractions: Sequence[float], *, sides: int = 1
) -> tuple[float, ...]:
    """Nominal level of each look: the error newly spent there.

    By the union bound the looks together err at most ``alpha``, whatever their correlation. That is
    slightly conservative against the levels of a numerical integration, and needs none.

    Parameters
    ----------
    information_fractions : increasing, in (0, 1]
    """
    numbers("information fractions", information_fractions, 0.0, 1.0)
    spent = [obrien_fleming_spend(alpha, t, sides=sides) for t in information_fractions]
    levels = tuple(now - before for now, before in zip(spent, [0.0, *spent], strict=False))
    if not levels or min(levels) <= 0:
        raise ValueError("information fractions must be given, and increase")
    return levels


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
