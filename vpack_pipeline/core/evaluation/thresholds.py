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

from vpack_pipeline.contracts.metrics import condition_of
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
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, Estimate
from vpack_pipeline.stats.proportions import (
    PatientSums,
    flagged_among_all,
    proportion_of_sums,
    right_among_flagged,
)

_METRICS: Final = ("sensitivity", "specificity", "ppv", "npv", "flagged_share")
_EXPLORATORY: Final = Code("thresholds_exploratory")


def thresholds(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give sensitivity, specificity, predictive values and the flagged share of each threshold.

    By intention to diagnose, for every model, on 101 thresholds that lie equally far apart on the
    output's scale (an ordinal output of few whole steps: each of them). ``stratum`` is the place of
    a threshold on the grid, from 1; ``threshold`` says which score it is, as the output has it.
    Where cases were not drawn alike, figures are weighted or refused as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/thresholds", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    grid = threshold_grid(index_test.output)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        sweep = _Sweep(mature, grid, sampled, finding, index_test, evaluation.interval.level)
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
        sampled: SampledCases,
        finding: str,
        index_test: IndexTest,
        level: float,
    ) -> None:
        self._cases, self._level = mature, level
        self._sampled, self._finding = sampled, finding
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
            if self._reason is not None:
                place.refuse(metric, self._reason, n=self._cases.n)
                continue
            place.give(metric, self._figure(metric, demand), notes=_EXPLORATORY)

    def _figure(self, metric: str, demand: int) -> Estimate:
        among, right, may_succeed = self._masks(metric, self._met > demand)
        weighing = self._weigh(metric, among)
        if weighing.reason is None and weighing.weight is None:
            return weighing.said_of(proportion_of_sums(self._sums[metric][demand], self._level))
        patient = self._cases.patient
        return weighing.share(right, among, patient, self._level, may_succeed).estimate

    def _weigh(self, metric: str, among: BoolArray) -> Weighing:
        drawn = among if metric == "flagged_share" else self._cases.is_decided
        condition = condition_of(metric)
        return self._sampled.weigh(condition, self._finding, self._cases.case_id, drawn, (among,))

    def _masks(
        self, metric: str, flagged: BoolArray
    ) -> tuple[BoolArray, BoolArray, BoolArray | None]:
        """Give who is counted, who of them is right, and who could be; see ``Weighing.share``."""
        decided, positive = self._cases.is_decided, self._cases.is_positive
        negative = decided & ~positive
        masks = {
            "sensitivity": (positive, flagged, flagged),
            "specificity": (negative, ~flagged, ~flagged),
            "ppv": (flagged & decided, positive, positive),
            "npv": (~flagged & decided, negative, negative),
            "flagged_share": (np.ones(flagged.size, dtype=np.bool_), flagged, None),
        }
        return masks[metric]
