"""Before and after the lock: each window's figure and their difference, resampled by patient.

The percentile interval (Efron 1981) of a cluster bootstrap over both windows (``resampling``).
What does not belong here: whether a difference is tolerable (``endpoints``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    generator,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.looks import DIFFERENCE, Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.core.evaluation.performance import itd_auc
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, IntArray, undefined
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.resampling import patient_codes, patient_weights, percentile_interval
from vpack_pipeline.stats.roc import auc_replicates

NO_POINT: Final = "none"
"""Stands where an operating point does, for the AUC."""
METHOD: Final = coded("difference", "bootstrap_over_windows")
_SHARES: Final = ("sensitivity", "specificity")


def comparison(
    *,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the prospective minus the retrospective AUC, sensitivity and specificity.

    A patient may have cases in both windows, so whole patients are drawn over both at once and
    each replicate is a difference. Beside the difference (``auc_difference``) stand the figures
    that it is made of (``auc_retrospective``, ``auc_prospective``), by intention to diagnose.
    """
    figures = WindowedFigures("evaluation/comparison", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    for finding in findings:
        for model in index_test.models:
            pair = Pair(analysis, finding.name, model.id, index_test, evaluation)
            keys = {"finding": finding.name, "model_id": model.id, "window": DIFFERENCE}
            is_withheld = figures.hides(DIFFERENCE)
            place = figures.at(**keys, operating_point=NO_POINT)
            _give(place, "auc", None if is_withheld else pair.auc(evaluation.interval.level))
            for point in evaluation.operating_points:
                if (point.finding, point.model) != (finding.name, model.id):
                    continue
                place = figures.at(**keys, operating_point=point.name)
                level = evaluation.interval.level
                for metric in _SHARES:
                    _give(place, metric, None if is_withheld else pair.share(metric, point, level))
    return figures.frame()


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure in both windows and its difference."""

    retrospective: Estimate
    prospective: Estimate
    difference: Estimate


def _give(place: Place, metric: str, made: Compared | None) -> None:
    # A withheld figure is never computed; the table withholds whatever it is given.
    for part in (RETROSPECTIVE, PROSPECTIVE, "difference"):
        place.give(f"{metric}_{part}", None if made is None else getattr(made, part))


@dataclass(frozen=True, slots=True)
class _Side:
    """One window's figure, its patients, and the figure under weights of its cases."""

    estimate: Estimate
    patient: IntArray
    replicates: Callable[[npt.NDArray[np.int16]], FloatArray]


class Pair:
    """One finding and model in both windows."""

    def __init__(
        self,
        analysis: AnalysisSet,
        finding: str,
        model_id: str,
        index_test: IndexTest,
        evaluation: Evaluation,
    ) -> None:
        self._index_test = index_test
        self._evaluation = evaluation
        self._names = (finding, model_id)
        self._mature = [analysis.cases(finding, model_id, window) for window in WINDOWS]

    def auc(self, level: float) -> Compared:
        """Compare the AUC."""
        sides = [self._auc_side(cases.take(cases.is_decided), level) for cases in self._mature]
        return self._compare("auc", sides, level)

    def share(self, metric: str, point: OperatingPoint, level: float) -> Compared:
        """Compare a proportion at an operating point."""
        sides = [self._share_side(cases, metric, point, level) for cases in self._mature]
        return self._compare(f"{metric}/{point.name}", sides, level)

    def _auc_side(self, decided: CaseSet, level: float) -> _Side:
        score = intention_to_diagnose_score(decided, self._index_test)
        positive = decided.is_positive

        def replicates(weights: npt.NDArray[np.int16]) -> FloatArray:
            return auc_replicates(score, positive, weights)

        return _Side(itd_auc(decided, self._index_test, level), decided.patient, replicates)

    def _share_side(
        self, cases: CaseSet, metric: str, point: OperatingPoint, level: float
    ) -> _Side:
        among, right = share(tabulate(cases, point, self._index_test, ITD), metric)
        outcome, patient = right[among], cases.patient[among]
        estimate = clustered_proportion(outcome, patient, level)
        if not cases.is_usable.any():
            estimate = undefined(NO_INFERENCE, method=estimate.method, n=estimate.n)

        def replicates(weights: npt.NDArray[np.int16]) -> FloatArray:
            total = weights.sum(axis=1, dtype=np.int64).astype(np.float64)
            hits = weights[:, outcome].sum(axis=1, dtype=np.int64).astype(np.float64)
            shares: FloatArray = np.divide(
                hits, total, out=np.full(total.size, np.nan), where=total > 0
            )
            return shares

        return _Side(estimate, patient, replicates)

    def _compare(self, name: str, sides: list[_Side], level: float) -> Compared:
        before, after = (side.estimate for side in sides)
        n = before.n + after.n
        if before.value is None or after.value is None:
            lacking, window = (
                (before, RETROSPECTIVE) if before.value is None else (after, PROSPECTIVE)
            )
            notes = coded(code("window_without_figure", window=window))
            nothing = Estimate(None, None, None, n, None, METHOD, lacking.reason, notes)
            return Compared(before, after, nothing)
        codes, n_patients = patient_codes(np.concatenate([side.patient for side in sides]))
        first, second = np.split(codes, [sides[0].patient.size])
        rng = generator(self._evaluation.seed, "comparison", *self._names, name)
        differences = [
            sides[1].replicates(weights[:, second]) - sides[0].replicates(weights[:, first])
            for weights in patient_weights(n_patients, self._evaluation.replicates, rng)
        ]
        interval = percentile_interval(np.concatenate(differences), level)
        left_out = interval.n_undefined
        notes = coded(code("replicates_left_out", left_out=left_out) if left_out else None)
        value = after.value - before.value
        events = (before.events or 0) + (after.events or 0)
        bounds = (interval.lower, interval.upper)
        difference = Estimate(value, *bounds, n, events, METHOD, notes=notes)
        return Compared(before, after, difference)
