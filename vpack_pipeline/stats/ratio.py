"""The ratio of two figures that are at least 0, with limits from those of both.

What does not belong here: the figures of one side (``proportions``), their difference
(``difference``).
"""

from __future__ import annotations

import math
from typing import Final

from vpack_pipeline.stats.arguments import amount, number, positive_number
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.difference import Side, check_sides, correlations
from vpack_pipeline.stats.estimate import Estimate

MOVER_R: Final = Code("mover_r_by_patient")
NO_UPPER_BOUND: Final = Code("ratio_without_upper_bound")


def ratio(first: Side, second: Side) -> Estimate:
    """Give the first figure over the second, with limits from those of both (MOVER-R).

    Donner & Zou 2012, with the correlation of patients' total influence on either figure, as in
    ``difference``.

    Returns
    -------
    ``n`` and ``events`` are sums over both sides. No value, with a reason, where a side has none or
    the second is 0; no upper bound, as is noted, where the second may be 0

    Raises
    ------
    ValueError
        A figure, or a limit, is below 0.

    >>> import numpy as np
    >>> from vpack_pipeline.stats.difference import proportion_side
    >>> one = proportion_side(np.arange(50) < 10, np.arange(50))
    >>> rest = proportion_side(np.arange(200) < 20, np.arange(50, 250))
    >>> found = ratio(one, rest)
    >>> round(found.value, 2), round(found.lower, 2), round(found.upper, 2)
    (2.0, 1.0, 3.86)
    """
    check_sides(first, second)
    one, two = first.estimate, second.estimate
    n, events = one.n + two.n, (one.events or 0) + (two.events or 0)
    method = coded(MOVER_R, one.method, two.method)
    if one.value is None or two.value is None or two.value == 0:
        empty = Code("ratio_with_empty_cell")
        reason = one.reason if one.value is None else two.reason if two.value is None else empty
        return Estimate(None, None, None, n, events, method, reason)
    value, notes = one.value / two.value, coded(one.notes, two.notes)
    if one.lower is None or one.upper is None or two.lower is None or two.upper is None:
        return Estimate(value, None, None, n, events, method, notes=notes)
    if min(one.lower, two.lower) < 0:
        raise ValueError("first and second: no figure and no limit is below 0")
    r = float(correlations([first, second])[0, 1])
    lower = lowest_ratio(one.value, one.lower, two.value, two.upper, r)
    upper = _upper(one.value, one.upper, two.value, two.lower, r)
    notes = coded(notes, NO_UPPER_BOUND if upper is None else None)
    return Estimate(value, min(lower, value), upper, n, events, method, notes=notes)


def lowest_ratio(x: float, low: float, y: float, up: float, r: float = 0.0) -> float:
    """Lower limit of x/y from the lower limit of x and the upper one of y (MOVER-R).

    Written so that nothing cancels. The upper limit of independent figures is 1 over that of y/x.

    Parameters
    ----------
    x, low, y, up : 0 <= low <= x and y <= up, above 0
    r : correlation of the two
    """
    x, low, y = amount("x", x), amount("low", low), amount("y", y)
    up, r = positive_number("up", up), number("r", r)
    reached, against = low * (2 * x - low), up * (2 * y - up)
    if reached == 0:
        return 0.0
    product = x * y - r * (x - low) * (up - y)
    return reached / (product + math.sqrt(max(product**2 - reached * against, 0.0)))


def _upper(x: float, up: float, y: float, low: float, r: float) -> float | None:
    product = x * y - r * (up - x) * (y - low)
    reached, against = up * (2 * x - up), low * (2 * y - low)
    if against <= 0:
        return None
    return (product + math.sqrt(max(product**2 - reached * against, 0.0))) / against
