"""How frequent a finding is: among the cases themselves, and where somebody states it.

What does not belong here: what follows at a prevalence (``predictive_values``, ``decision_curve``).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import Evaluation
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import Estimate

NOT_STATED: Final = Code("no_stated_prevalence")


def own_prevalence(decided: CaseSet, sampled: SampledCases, finding: str, level: float) -> Estimate:
    """Give the share of positives among those from whom the cases were drawn, or why there is none.

    Where cases were drawn by label, score or a covariate, their own share is what the design made
    of it; stated fractions undo that.
    """
    everyone = np.ones(decided.n, dtype=np.bool_)
    condition = condition_of("prevalence")
    weighing = sampled.weigh(condition, finding, decided.case_id, groups=(everyone,))
    return weighing.share(decided.is_positive, everyone, decided.patient, level).estimate


def stated_prevalence(evaluation: Evaluation, finding: str) -> float | None:
    """Give the prevalence of a finding that the protocol states; None where it states none."""
    stated = {one.finding: one.prevalence for one in evaluation.stated_prevalence}
    return stated.get(finding)
