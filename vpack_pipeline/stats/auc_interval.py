"""The interval of an area under the ROC curve, by inverting its score test.

The bounds are the areas A whose test is just not rejected: (Â − A)² = q² · d · V(A), where V is the
variance of Hanley and McNeil (1982) at A. So an area of 1 has an interval, and none leaves the
scale. What does not belong here: the area itself and its variance from placement values (``roc``),
differences of areas (``difference``).

Newcombe (2006) inverts the same variance: his method 5 with both sizes set to their mean, which
auRoc and SingleCaseES compute; here each class keeps its own size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from vpack_pipeline.stats.arguments import clusters, labelled_scores
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import (
    ONE_CLASS,
    ONE_IN_CLASS,
    ONE_PATIENT_IN_CLASS,
    auc,
    midranks,
    obuchowski_variance,
    placements,
)

SCORE = coded("hanley_mcneil_score")
BY_PATIENT = Code("sizes_by_patient_and_t")


class Area(NamedTuple):
    """An area with what its test is made of, as of independent cases.

    ``positives`` and ``negatives`` are effective sizes; ``observed`` is Obuchowski's variance;
    ``df`` are the degrees of freedom of Student's t, None where the normal law serves; ``n`` and
    ``events`` count cases, and the positives among them.
    """

    value: float
    positives: float
    negatives: float
    observed: float
    df: int | None
    n: int
    events: int

    def variance(self, truth: float | None = None) -> float:
        """Hanley and McNeil's variance where the area is ``truth``; where not given, at its own."""
        a = self.value if truth is None else truth
        m, n = self.positives, self.negatives
        return a * (1 - a) * (1 + (m - 1) * (1 - a) / (2 - a) + (n - 1) * a / (1 + a)) / (m * n)

    def inflation(self) -> float:
        """By how much the observed variance is above Hanley and McNeil's; at least 1."""
        expected = self.variance()
        return max(1.0, self.observed / expected) if expected > 0 else 1.0

    def quantile(self, level: float) -> float:
        """The two-sided quantile of the law that serves."""
        normal = normal_quantile(level)
        return normal if self.df is None else float(stdtrit(self.df, 0.5 + level / 2))

    def estimate(self, level: float) -> Estimate:
        """Give the area with the areas that the score test at this level just does not reject."""
        reach = self.quantile(level) ** 2 * self.inflation()
        lower, upper = (self._edge(reach, end) for end in (0.0, 1.0))
        method = coded(SCORE, None if self.df is None else BY_PATIENT)
        return Estimate(self.value, lower, upper, self.n, self.events, method)

    def _edge(self, reach: float, outside: float) -> float:
        """Halve to the one root between the area and an end of the scale, to the last digit.

        Times (2 − A)(1 + A), the equation is a quartic with a root below 0 and one above 1, so that
        one is left on either side of the area. An area at an end is its own bound there.
        """
        inside = self.value
        while inside != (middle := (inside + outside) / 2) != outside:
            if (self.value - middle) ** 2 > reach * self.variance(middle):
                outside = middle
            else:
                inside = middle
        return inside


def auc_by_inversion(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """AUC with its score interval; patients may give several cases.

    Cases of a patient are alike: the sizes of the two classes are divided by design effects
    1 + ρ(Σk²/Σk − 1), k the cases of the class that a patient gives, ρ the larger of two intraclass
    correlations (analysis of variance, one way): of normal scores within the class, and of
    placement values. Where one is undefined, as of values that are all equal, ρ is 1. ``d`` is the
    variance over patients (Obuchowski 1997) over V(Â), at least 1, which also holds what positives
    and negatives of the same patients share. The quantile is Student's t, on the fewer of the
    patients with positives and those with negatives, less one. Where each patient gives one case
    the sizes are whole and the quantile is normal.

    Parameters
    ----------
    score, positive : (n,)
    cluster : (n,) patient of each case

    Returns
    -------
    n and events count cases. No value, with a reason, where a class has no case; no interval, with
    a note, where one comes from a single patient.

    >>> score, positive = np.arange(40.0), np.arange(40) >= 20
    >>> found = auc_by_inversion(score, positive, np.arange(40))
    >>> found.value, round(found.lower, 3), found.upper
    (1.0, 0.899, 1.0)
    """
    found = area(score, positive, cluster)
    return found if isinstance(found, Estimate) else found.estimate(level)


def area(
    score: FloatArray, positive: BoolArray, cluster: npt.NDArray[np.generic]
) -> Area | Estimate:
    """Give an area with its effective sizes; where it has no interval, an estimate that says why.

    Parameters
    ----------
    score, positive, cluster : as of :func:`auc_by_inversion`
    """
    score, positive = labelled_scores(score, positive)
    n, events = int(score.size), int(positive.sum())
    codes, n_patients = patient_codes(clusters("cluster", cluster, n))
    if events in (0, n):
        return undefined(ONE_CLASS, method=SCORE, n=n, events=events)
    patients = [int(np.count_nonzero(np.bincount(codes[side]))) for side in (positive, ~positive)]
    if min(patients) < 2:
        why = ONE_IN_CLASS if min(events, n - events) == 1 else ONE_PATIENT_IN_CLASS
        return undefined(why, method=SCORE, n=n, events=events, value=auc(score, positive))
    placed = placements(score, positive)
    return Area(
        value=float(placed[0].mean()),
        positives=_independent_cases(score[positive], placed[0], codes[positive]),
        negatives=_independent_cases(score[~positive], placed[1], codes[~positive]),
        observed=obuchowski_variance(placed, positive, codes),
        df=None if n_patients == n else min(patients) - 1,
        n=n,
        events=events,
    )


def _independent_cases(score: FloatArray, placed: FloatArray, codes: npt.NDArray[np.intp]) -> float:
    """Cases of one class over their design effect: so many independent ones would tell as much."""
    cases = np.bincount(codes)
    alike = float(cases @ cases) / score.size
    if alike == 1:
        return float(score.size)
    normal_scores = ndtri((midranks(score) + 0.5) / (score.size + 1))
    rho = max(_intraclass_correlation(values, codes) for values in (normal_scores, placed))
    return score.size / (1 + rho * (alike - 1))


def _intraclass_correlation(values: FloatArray, codes: npt.NDArray[np.intp]) -> float:
    """One-way intraclass correlation by analysis of variance, kept in [0, 1]; 1 where undefined.

    Groups of unlike sizes count by n₀ = (N − Σk²/N)/(P − 1).
    """
    sizes = np.bincount(codes).astype(np.float64)
    used = sizes > 0
    sizes, sums = sizes[used], np.bincount(codes, weights=values)[used]
    n, groups = values.size, sizes.size
    means = sums / sizes
    between = float(sizes @ (means - values.mean()) ** 2) / (groups - 1)
    within = float(((values**2).sum() - sizes @ means**2) / (n - groups))
    n0 = (n - float(sizes @ sizes) / n) / (groups - 1)
    total = between + (n0 - 1) * within
    # Values that are all equal vary by rounding alone.
    if total <= 1e-20 * n:
        return 1.0
    return min(max((between - within) / total, 0.0), 1.0)
