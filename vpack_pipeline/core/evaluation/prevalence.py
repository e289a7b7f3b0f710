"""How frequent a finding is: among the cases themselves, and where somebody states it.

What does not belong here: what follows at a prevalence (``predictive_values``, ``decision_curve``).
"""

from __future__ import annotations

from typing import Final

from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.weights import (
    NO_FRACTION,
    SamplingWeights,
    weighted_proportion,
)
from vpack_pipeline.protocol import Evaluation, Sampling
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import Estimate, undefined

NOT_STATED: Final = Code("no_stated_prevalence")
_METHOD: Final = "wilson_on_effective_size"


def own_prevalence(
    decided: CaseSet, weights: SamplingWeights, sampling: Sampling, level: float
) -> Estimate:
    """Give the share of positives among those from whom the cases were drawn, or why there is none.

    Where cases were drawn by label, score or a covariate, their own share is what the design made
    of it; stated fractions undo that.
    """
    n, events = decided.n, int(decided.is_positive.sum())
    if sampling.depends_on and not sampling.strata:
        return undefined("prevalence_by_design", method=_METHOD, n=n, events=events)
    weight = weights.of(decided)
    if weight is None:
        return undefined(NO_FRACTION, method=_METHOD, n=n, events=events)
    return weighted_proportion(decided.is_positive, weight, decided.patient, level)


def stated_prevalence(evaluation: Evaluation, finding: str) -> float | None:
    """Give the prevalence of a finding that the protocol states; None where it states none."""
    stated = {one.finding: one.prevalence for one in evaluation.stated_prevalence}
    return stated.get(finding)
