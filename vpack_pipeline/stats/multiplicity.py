"""Many subgroups or tests at once: heterogeneity first, then adjusted p values.

What does not belong here: max-T over monitors or subgroups (``monitoring``), looks over time
(``sequential``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import FloatArray

METHODS = ("bonferroni", "holm", "hochberg", "bh", "by")


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Do subgroups differ by more than chance? Cochran's Q with its fixed and random means.

    All but ``k`` are None, with a reason, where fewer than two subgroups have a standard error
    above 0. ``i2`` is a percentage, ``tau2`` DerSimonian and Laird's.
    """

    k: int
    q: float | None = None
    df: int | None = None
    p: float | None = None
    i2: float | None = None
    fixed: float | None = None
    fixed_se: float | None = None
    tau2: float | None = None
    random: float | None = None
    random_se: float | None = None
    reason: Code | None = None


def cochran_q(estimates: FloatArray, se: FloatArray) -> Heterogeneity:
    """Cochran's Q (1954), I² (Higgins & Thompson 2002), DerSimonian–Laird means (1986).

    Parameters
    ----------
    estimates, se : (k,) one a subgroup, from disjoint cases; entries with a standard error of 0 or
        nan, or without an estimate (nan), are left out, since they have no weight
    """
    values = numbers("estimates", estimates, missing=True)
    errors = numbers("se", se, 0.0, missing=True)
    if values.shape != errors.shape:
        raise ValueError("se: one standard error is needed for each of the estimates")
    usable = ~np.isnan(values) & (errors > 0)
    values, weights = values[usable], 1 / errors[usable] ** 2
    k = int(values.size)
    if k < 2:
        return Heterogeneity(k, reason=Code("one_subgroup_with_error"))
    total = float(weights.sum())
    fixed = float(weights @ values) / total
    q = float(weights @ (values - fixed) ** 2)
    df = k - 1
    tau2 = max(0.0, (q - df) / (total - float(weights @ weights) / total))
    mixed = 1 / (1 / weights + tau2)
    return Heterogeneity(
        k=k,
        q=q,
        df=df,
        p=float(chdtrc(df, q)),
        i2=max(0.0, 100 * (q - df) / q) if q > 0 else 0.0,
        fixed=fixed,
        fixed_se=math.sqrt(1 / total),
        tau2=tau2,
        random=float(mixed @ values / mixed.sum()),
        random_se=math.sqrt(1 / float(mixed.sum())),
    )


def p_adjust(p: FloatArray, method: str = "holm") -> FloatArray:
    """Adjusted p values, in the order given.

    Parameters
    ----------
    p : (m,) in [0, 1]
    method : 'bonferroni', 'holm' (1979), 'hochberg' (1988), 'bh' (Benjamini & Hochberg 1995) or
        'by' (Benjamini & Yekutieli 2001); as R's ``p.adjust``
    """
    values = numbers("p", p, 0.0, 1.0)
    m = values.size
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}")
    if method == "bonferroni":
        return np.minimum(values * m, 1.0)
    order = np.argsort(values, kind="stable")
    rank = np.arange(1, m + 1)
    factor = {
        "holm": m - rank + 1.0,
        "hochberg": m - rank + 1.0,
        "bh": m / rank,
        "by": m / rank * (1 / rank).sum(),
    }[method]
    scaled = values[order] * factor
    if method == "holm":
        scaled = np.maximum.accumulate(scaled)
    else:
        scaled = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(scaled, 1.0)
    return adjusted
