"""How many local cases a test of acceptance needs, and what those that there are can show.

The goal is a fixed number, and what is counted is how often the lower bound of a share clears it at
an assumed truth. What does not belong here: the figures of a pack that give goal and truth
(``core.acceptance``), verdicts on endpoints.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc, betainc, gammainccinv, gammaincinv, gammaln

from vpack_pipeline.stats.arguments import number, positive_number, whole
from vpack_pipeline.stats.estimate import FloatArray, normal_quantile
from vpack_pipeline.stats.proportions.intervals import clopper_pearson, wilson_bounds
from vpack_pipeline.stats.weighted import Part, proportion_limits

LARGEST: Final = 1_000_000
"""More cases than this are not looked for: no site collects them for a test of acceptance."""
SHARES: Final = 100
"""Shares of the cleared cases are looked for in steps of one in a hundred."""
Sampled = Literal["failures", "successes"]
_REACH: Final = 8.0
"""Standard deviations beyond which a count has a chance below 1e-14."""


def least_right(goal: float, n: int, level: float = 0.95) -> int:
    """Cases that must be right of ``n`` for the lower bound to lie above the goal.

    The bound is Wilson's, and exact where nobody is wrong, as in ``clustered_proportion``. Where
    all right is not enough, ``n + 1``.

    >>> least_right(0.85, 378), least_right(0.9, 35), least_right(0.9, 36)
    (335, 36, 36)
    """
    number("goal", goal, 0.0, 1.0)
    found: npt.NDArray[np.int64] = _least_right(goal, np.array([whole("n", n)]), level)
    return int(found[0])


def _least_right(goal: float, n: npt.NDArray[np.int64], level: float) -> npt.NDArray[np.int64]:
    """Invert the score test, of which Wilson's bound is made, for each number of cases."""
    z = normal_quantile(level)
    enough = np.floor(n * goal + z * np.sqrt(n * goal * (1 - goal))).astype(np.int64) + 1
    all_right: FloatArray = goal ** n.astype(np.float64)
    is_exact = np.where(all_right < (1 - level) / 2, n, n + 1)
    return np.where(enough < n, enough, is_exact)


def acceptance_power(goal: float, truth: float, n: int, level: float = 0.95) -> float:
    """Chance that the lower bound of ``n`` independent cases lies above the goal.

    By enumeration of the binomial law.

    Parameters
    ----------
    goal, truth : in [0, 1]
    n : cases, at least 1
    level : two-sided, of the interval: .95 tests at .025 one-sided

    >>> round(acceptance_power(0.85, 0.9, 378), 3)
    0.836
    """
    number("truth", truth, 0.0, 1.0)
    least = least_right(goal, n, level)
    return float(bdtrc(least - 1, n, truth)) if least <= n else 0.0


def acceptance_size(
    goal: float, truth: float, power: float = 0.8, level: float = 0.95, design_effect: float = 1.0
) -> int | None:
    """Cases from which on the power stays, times the design effect.

    The power goes up and down as the number grows, since successes are whole: the number after the
    last at which it is too low.

    Parameters
    ----------
    goal, truth : in (0, 1), the truth above the goal
    power : in (0, 1)
    design_effect : by how much patients with several cases make the sample count for less; >= 1

    Returns
    -------
    None where more than ``LARGEST`` would be needed

    >>> [acceptance_size(0.85, 0.9, power) for power in (0.8, 0.9)]
    [378, 483]
    >>> [acceptance_size(0.95, 0.99, power) for power in (0.8, 0.9)]
    [173, 202]
    """
    _check(goal, truth, power)
    number("design_effect", design_effect, 1.0)
    z, beyond = normal_quantile(level), normal_quantile(2 * power - 1) if power > 0.5 else 0.0
    spread = z * math.sqrt(goal * (1 - goal)) + beyond * math.sqrt(truth * (1 - truth))
    most = math.ceil(1.5 * (spread / (truth - goal)) ** 2) + 200
    if most > 2 * LARGEST:
        return None
    n = np.arange(1, most + 1)
    least = _least_right(goal, n, level)
    reached = np.where(least <= n, _at_least(least, n, truth), 0.0)
    size = math.ceil(design_effect * (int(np.flatnonzero(reached < power)[-1]) + 2))
    return size if size <= LARGEST else None


def _at_least(k: npt.NDArray[np.int64], n: npt.NDArray[np.int64], truth: float) -> FloatArray:
    """Chance of at least k of n, k from 1 to n (else it means nothing)."""
    among = np.minimum(k, n)
    found: FloatArray = betainc(among, n - among + 1.0, truth)
    return found


def highest_goal(
    truth: float, n: int, power: float = 0.8, level: float = 0.95, design_effect: float = 1.0
) -> float | None:
    """Give the highest goal that so many cases show with a power; None where they show none.

    It is the lower bound of as many right cases as are reached with that power. A goal has to lie
    below it.

    >>> round(highest_goal(0.9, 378), 3), highest_goal(0.9, 1)
    (0.85, None)
    """
    number("truth", truth, 0.0, 1.0)
    _check_power(power)
    counted = int(whole("n", n, 0) / number("design_effect", design_effect, 1.0))
    if counted < 1:
        return None
    right = np.arange(1, counted + 1)
    reached = _at_least(right, np.full(counted, counted), truth)
    enough = np.flatnonzero(reached >= power)
    if not enough.size:
        return None
    most = int(right[enough[-1]])
    exact = clopper_pearson(counted, counted, level).lower or 0.0
    bound = exact if most == counted else wilson_bounds(most / counted, counted, level)[0]
    # One patient, and few, show next to nothing.
    return bound if bound > 0 and counted > 1 else None


def two_phase_power(
    goal: float,
    truth: float,
    n: int,
    share: float,
    level: float = 0.95,
    *,
    sampled: Sampled = "failures",
) -> float:
    """Power of a share where all flagged cases are labelled, and a share of the cleared ones.

    Of a sensitivity failures are cleared, of a specificity successes are. Each of these is labelled
    with the chance ``share``, and then stands for ``1/share``. The lower bound is that of two
    strata in ``weighted_proportion``. Enumerated over what is flagged and what is found among the
    cleared.

    Parameters
    ----------
    goal, truth : in (0, 1)
    n : cases that the share is of, flagged and cleared, independent; at least 1
    share : of the cleared cases that are labelled, in (0, 1]

    >>> round(two_phase_power(0.85, 0.9, 500, 0.71), 2)
    0.81
    """
    _check(goal, truth, 0.5)
    n = whole("n", n)
    if positive_number("share", share, 1.0) == 1:
        return acceptance_power(goal, truth, n, level)
    is_failure = sampled == "failures"
    flagged = _likely(n, truth if is_failure else 1 - truth)
    found = _likely(n, (1 - truth if is_failure else truth) * share)
    known, drawn = _sums(flagged, 1.0, level), _sums(found, 1 / share, level)
    power, place = 0.0, 0
    chances = _binomial(flagged, n, truth if is_failure else 1 - truth)
    for k, part, chance in zip(flagged, known, chances, strict=True):
        # The more is right that is known, the more failures may be found; with failures known it is
        # the number of successes needed that does not fall: one walk over both.
        while place < found.size and is_failure == _clears(
            *((part, drawn[place]) if is_failure else (drawn[place], part)), goal
        ):
            place += 1
        last = int(found[0]) + place - 1
        below = float(bdtr(min(last, n - k), n - k, share)) if last >= 0 else 0.0
        power += float(chance) * (below if is_failure else 1 - below)
    return power


def _sums(counts: npt.NDArray[np.int64], weight: float, level: float) -> list[Part]:
    """Give ``gamma_limits`` of so many counts of one weight, for all numbers at once."""
    normal_quantile(level)
    tail = (1 - level) / 2
    lower = np.where(counts > 0, gammaincinv(np.maximum(counts, 1), tail), 0.0)
    upper = gammainccinv(counts + 1.0, tail)
    return [
        Part(*(weight * float(v) for v in row)) for row in zip(counts, lower, upper, strict=True)
    ]


def _clears(succeeded: Part, failed: Part, goal: float) -> bool:
    return succeeded.total + failed.total > 0 and proportion_limits(succeeded, failed)[0] > goal


def _likely(n: int, chance: float) -> npt.NDArray[np.int64]:
    """Counts of n that are not beyond all likelihood."""
    reach = _REACH * math.sqrt(n * chance * (1 - chance)) + _REACH
    low, high = max(0, math.floor(n * chance - reach)), min(n, math.ceil(n * chance + reach))
    return np.arange(low, high + 1)


def _binomial(k: npt.NDArray[np.int64], n: int, chance: float) -> FloatArray:
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    found: FloatArray = np.exp(ways + k * math.log(chance) + (n - k) * math.log1p(-chance))
    return found


def share_to_label(
    goal: float,
    truth: float,
    n: int,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = 1.0,
    *,
    sampled: Sampled = "failures",
) -> float | None:
    """Give the share of cleared cases to label beside all flagged ones; None where all are too few.

    In steps of one in a hundred, found by halving, since power grows with the share.

    >>> share_to_label(0.85, 0.9, 500), share_to_label(0.85, 0.9, 300)
    (0.71, None)
    """
    _check(goal, truth, power)
    counted = int(whole("n", n, 0) / number("design_effect", design_effect, 1.0))

    def is_enough(step: int) -> bool:
        share = step / SHARES
        return two_phase_power(goal, truth, counted, share, level, sampled=sampled) >= power

    if counted < 1 or not is_enough(SHARES):
        return None
    few, enough = 0, SHARES
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if is_enough(middle) else (middle, enough)
    return enough / SHARES


def _check(goal: float, truth: float, power: float) -> None:
    number("goal", goal)
    number("truth", truth)
    if not 0 < goal < truth < 1:
        raise ValueError("goal and truth lie in (0, 1), and the truth above the goal")
    _check_power(power)


def _check_power(power: float) -> None:
    if not 0 < number("power", power) < 1:
        raise ValueError("power lies in (0, 1)")
