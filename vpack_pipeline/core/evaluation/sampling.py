"""Which figures a way of drawing cases leaves as they are, which it weights, which it forbids.

One function decides for every table (:func:`standing`), and :class:`SampledCases` carries it out:

====================  ================================  ======================================
the draw depends on   stands as it is                   is weighted by 1 / sampling fraction,
                                                        and refused without fractions
====================  ================================  ======================================
nothing               everything                        –
the label             what is conditional on the label  everything else
the score             what is conditional on the score  everything else
covariates            everything within one stratum     totals over strata
several of these      –                                 everything
====================  ================================  ======================================

A metric's declaration says what it is conditional on (``contracts/metrics.yaml``): sensitivity,
specificity and AUC on the label, predictive values and calibration by score on the score,
prevalence and shares of all cases on nothing. What does not belong here: intervals under weights
(``stats.weighted``), weights towards another population (``transport``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from vpack_pipeline.contracts import metrics
from vpack_pipeline.contracts.metrics import Condition
from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.protocol import Sampling
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.distances import kish_ess
from vpack_pipeline.stats.estimate import BoolArray, FloatArray

Standing = Literal["stands", "weighted", "refused"]

NO_FRACTION: Final = Code("no_sampling_fraction")
NOT_WEIGHTED: Final = Code("not_computed_weighted")
_BY: Final = ("label", "score", "covariates")


def standing(sampling: Sampling, condition: Condition, finding: str) -> Standing:
    """Say whether a figure may be given as it is, must be weighted, or cannot be given.

    Parameters
    ----------
    condition : what the figure is conditional on
    finding : whose figure it is; a draw by the label or score of another finding is to this one a
        draw by a covariate
    """
    by = selection(sampling)
    is_own = sampling.finding in (None, finding)
    if not by or (by == {condition} and is_own):
        return "stands"
    is_known = bool(sampling.strata) and all(s.fraction is not None for s in sampling.strata)
    return "weighted" if is_known else "refused"


def selection(sampling: Sampling) -> frozenset[str]:
    """Name what the draw depended on; strata of unlike fractions are a covariate at the least."""
    unlike = len({s.fraction for s in sampling.strata}) > 1
    return frozenset(sampling.depends_on or (("covariates",) if unlike else ()))


@dataclass(frozen=True, slots=True)
class Weighing:
    """How the cases of one figure count.

    ``weight`` is None where all count alike, or where ``reason`` says why there is no figure.
    ``heaviest`` is the largest weight that a case could have, seen or not. ``notes`` say for whom
    the figure speaks, ``lacking`` names strata that were sampled and have no case among them.
    """

    weight: FloatArray | None
    reason: Code | None = None
    notes: Codes = ()
    heaviest: float = 0.0
    lacking: tuple[str, ...] = ()

    @property
    def method(self) -> Codes:
        """Say that cases are weighted, and how many of equal weight would weigh as much."""
        if self.weight is None:
            return ()
        return coded(code("weighted_for_sampling", size=round(kish_ess(self.weight), 1)))

    def if_computed(self, *, under_weights: bool) -> Weighing:
        """Refuse what is not computed under weights, or not without a case of every stratum."""
        if self.weight is None:
            return self
        if not under_weights:
            return Weighing(None, NOT_WEIGHTED, self.notes)
        if self.lacking:
            reason = code("sampled_stratum_without_case", strata=self.lacking)
            return Weighing(None, reason, self.notes)
        return self


class SampledCases:
    """The sampling stratum of each case, and what the design makes of the figures of one table.

    Parameters
    ----------
    asset : the table
    cases : the case view; ``case_id`` and ``stratum``
    """

    def __init__(self, asset: str, cases: pl.DataFrame, sampling: Sampling) -> None:
        self._asset = asset
        self._sampling = sampling
        self._by = selection(sampling)
        inverse = {s.name: 1 / s.fraction for s in sampling.strata if s.fraction}
        self._heaviest = max(inverse.values(), default=1.0)
        weight = cases["stratum"].replace_strict(inverse, default=None, return_dtype=pl.Float64)
        self._frame = cases.select("case_id", "stratum").with_columns(weight.alias("weight"))
        never = tuple(s.name for s in sampling.strata if s.fraction == 0)
        self._notes = coded(code("strata_not_sampled", strata=never) if never else None)

    def weigh(
        self,
        metric: str,
        finding: str,
        cases: CaseSet,
        groups: Sequence[BoolArray] = (),
        *,
        condition: Condition | None = None,
    ) -> Weighing:
        """Say how the cases of a figure count.

        Parameters
        ----------
        metric : of the table
        cases : those that were drawn and could have entered the figure, as labelled ones of the
            window for a sensitivity
        groups : masks of cases that the figure takes as drawn alike, as the positives of a
            sensitivity; where their fractions are stated and differ, it is weighted after all
        condition : what the figure is conditional on here, where its declaration says more
        """
        declared = condition or metrics.find(self._asset, metric).conditional_on
        if declared is None:
            raise ValueError(f"{self._asset}: {metric} does not say what it is conditional on")
        found = standing(self._sampling, declared, finding)
        strata = cases.joined(self._frame, "stratum").unique()
        within = self._by == {"covariates"} and strata.len() == 1
        if within and strata[0] in {s.name for s in self._sampling.strata}:
            said = code("within_strata", strata=(strata[0],))
            return Weighing(None, None, coded(self._notes, said))
        if found == "refused":
            by = tuple(name for name in _BY if name in self._by)
            return Weighing(None, code("drawn_without_fractions", by=by), self._notes)
        column = cases.joined(self._frame, "weight")
        weight = None if column.null_count() else column.to_numpy()
        if found == "stands" and self._stands(weight, groups):
            return Weighing(None, None, self._notes)
        if weight is None:
            return Weighing(None, NO_FRACTION, self._notes)
        lacking = tuple(
            s.name
            for s in self._sampling.strata
            if s.fraction and s.fraction < 1 and s.name not in strata
        )
        notes = code("strata_without_case", strata=lacking) if lacking else None
        return Weighing(weight, None, coded(self._notes, notes), self._heaviest, lacking)

    def _stands(self, weight: FloatArray | None, groups: Sequence[BoolArray]) -> bool:
        """Whether what is stated of fractions bears out that a figure stands as it is."""
        if not self._by:
            # Fractions are all alike, so that a case without one was not drawn as stated.
            return weight is not None or not self._sampling.strata
        return weight is None or all(_is_constant(weight[group]) for group in groups)


def _is_constant(values: FloatArray) -> bool:
    return not values.size or bool(np.ptp(values) == 0)
