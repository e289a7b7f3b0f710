"""What other thresholds would have given: a sweep over a fixed grid, and no advice.

What does not belong here: the thresholds that were fixed before (``operating_points``), and a
choice between those tried here: whoever makes it on these cases cannot judge it on them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import oriented
from vpack_pipeline.core.evaluation.analysis import (
    NO_AUC,
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    cells,
    flagged_at,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.score_grid import threshold_grid
from vpack_pipeline.core.evaluation.weights import (
    NO_FRACTION,
    SamplingWeights,
    weighted_proportion,
)
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest, Sampling
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray
from vpack_pipeline.stats.proportions import (
    PatientSums,
    flagged_among_all,
    proportion_of_sums,
    right_among_flagged,
)

_BY_PREVALENCE: Final = ("ppv", "npv", "flagged_share")
_METRICS: Final = ("sensitivity", "specificity", *_BY_PREVALENCE)
_EXPLORATORY: Final = Code("thresholds_exploratory")


def thresholds(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: Sampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give sensitivity, specificity, predictive values and the flagged share of each threshold.

    By intention to diagnose, for every model, on 101 thresholds that lie equally far apart on the
    output's scale (an ordinal output of few whole steps: each of them). ``stratum`` is the place of
    a threshold on the grid, from 1; ``threshold`` says which score it is, as the output has it.
    Where sampling fractions are stated, predictive values and the flagged share are weighted.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/thresholds", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    weights = SamplingWeights(cases, sampling)
    grid = threshold_grid(index_test.output)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        sweep = _Sweep(mature, grid, weights, index_test, evaluation.interval.level)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        for index, (name, threshold) in enumerate(grid):
            place = figures.at(**keys, stratum_kind="threshold", stratum=name)
            place.give("threshold", threshold, method="output_range")
            sweep.give(place, index)
    return figures.frame()


class _Sweep:
    """The cases of a window, walked through once for all thresholds."""

    def __init__(
        self,
        mature: CaseSet,
        grid: Sequence[tuple[str, float]],
        weights: SamplingWeights,
        index_test: IndexTest,
        level: float,
    ) -> None:
        self._cases, self._level = mature, level
        self._is_weighted, self._weight = weights.is_weighted, weights.of(mature)
        self._notes = coded(_EXPLORATORY, weights.notes())
        self._reason = None if mature.is_usable.any() else NO_INFERENCE
        if index_test.output.kind == "binary":
            self._reason = NO_AUC
        scores = np.array([threshold for _, threshold in grid])
        # From the one that flags most to the one that flags fewest.
        falling = np.argsort(oriented(scores, index_test), kind="stable")
        self._demand = np.argsort(falling)
        self._met = np.zeros(mature.n, dtype=np.int64)
        for threshold in scores:
            self._met += flagged_at(mature, threshold, index_test)
        self._sums = self._summed(len(grid))

    def _summed(self, n: int) -> dict[str, list[PatientSums]]:
        """Sums over patients of each proportion, by demand."""
        positive, decided = self._cases.is_positive, self._cases.is_decided
        negative, met, patient = decided & ~positive, self._met, self._cases.patient
        # Who is cleared stands at the other end: the more demands a case meets not, the sooner.
        unmet = n - met
        return {
            "sensitivity": flagged_among_all(met[positive], patient[positive], n),
            "specificity": flagged_among_all(unmet[negative], patient[negative], n)[::-1],
            "ppv": right_among_flagged(met[decided], positive[decided], patient[decided], n),
            "npv": right_among_flagged(unmet[decided], negative[decided], patient[decided], n)[
                ::-1
            ],
            "flagged_share": flagged_among_all(met, patient, n),
        }

    def give(self, place: Place, index: int) -> None:
        demand = int(self._demand[index])
        for metric in _METRICS:
            is_by_prevalence = metric in _BY_PREVALENCE
            notes = self._notes if is_by_prevalence else coded(_EXPLORATORY)
            if self._reason is not None:
                place.refuse(metric, self._reason, n=self._cases.n)
            elif is_by_prevalence and self._weight is None:
                place.refuse(metric, NO_FRACTION, n=self._cases.n)
            elif is_by_prevalence and self._weight is not None and self._is_weighted:
                place.give(metric, self._weighted(metric, demand, self._weight), notes=notes)
            else:
                found = proportion_of_sums(self._sums[metric][demand], self._level)
                place.give(metric, found, notes=notes)

    def _weighted(self, metric: str, demand: int, weight: FloatArray) -> Estimate:
        """The same of cases that weigh by their inverse sampling fraction."""
        flagged, decided = self._met > demand, self._cases.is_decided
        positive = self._cases.is_positive
        among, right = {
            "ppv": (flagged & decided, positive),
            "npv": (~flagged & decided, ~positive),
            "flagged_share": (np.ones(flagged.size, dtype=np.bool_), flagged),
        }[metric]
        patient = self._cases.patient[among]
        return weighted_proportion(right[among], weight[among], patient, self._level)
