"""Whether a stated probability is the rate that is observed. For probabilities only.

What does not belong here: recalibrating a model; a pack reports and does not repair.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.calls import oriented, rises_with_suspicion
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet, cells, generator
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats import calibration as statistics
from vpack_pipeline.stats import calibration_curve as curves
from vpack_pipeline.stats.codes import Code, Coded, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray

N_BINS: Final = 10
NULL_REPLICATES: Final = 200
"""Enough for a 95th percentile that is printed to two digits; each costs a pass over all cases."""

_METRICS: Final = (
    "slope",
    "intercept",
    "citl",
    "brier",
    "observed_expected",
    "spiegelhalter_z",
    "spiegelhalter_p",
    "n_clipped",
    "expected_calibration_error",
    "expected_calibration_error_null95",
    "ici",
    "e50",
    "e90",
    "emax",
    "ici_null95",
    "brier_miscalibration",
    "brier_discrimination",
    "brier_uncertainty",
)
GRID: Final = np.arange(51) / 50
"""Probabilities at which the smooth curve is given: a fixed grid tells of no single case."""
CURVE_METRIC: Final = "smoothed_rate"
CURVE_METHOD: Final = coded("restricted_cubic_spline", "sandwich_by_patient", "pointwise_band")
_BIN_METRICS: Final = ("mean_probability", "observed_rate")


def calibration(
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
    """Give slope, intercepts, Brier score and reliability of completed inferences.

    ``intercept`` is that of the joint fit, ``citl`` (calibration in the large) has the slope fixed
    at 1. The expected calibration error is above 0 under perfect calibration: its 95th percentile
    then stands beside it; so too for the distance of the loess curve (``ici``). ``stratum`` is
    ``all``, one of ten bins of equal width of the probability, or a probability at which the smooth
    curve is given. A failed inference has no probability, so only completed ones are counted. Where
    cases were not drawn alike, figures are weighted or refused as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/calibration", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        used = mature.take(mature.is_decided & mature.is_usable)
        prob, reason = probability(used, index_test)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        whole = figures.at(**keys, stratum_kind="all", stratum="all")
        weighed = _Weighed.of(used, prob, sampled, finding, evaluation.interval.level)
        if reason is not None:
            for metric in _METRICS:
                whole.refuse(metric, reason, n=used.n)
        else:
            rng = generator(evaluation.seed, "calibration", finding, model_id, window)
            replicates = min(evaluation.replicates, NULL_REPLICATES)
            weighed.give_whole(whole, rng, replicates)
            weighed.give_curve_distance(whole, rng, replicates)
            weighed.give_brier_parts(whole)
        weighed.give_curve(figures, keys, reason)
        for index in range(N_BINS):
            place = figures.at(**keys, stratum_kind="probability", stratum=_bin_name(index))
            weighed.give_bin(place, index, reason)
    return figures.frame()


def probability(used: CaseSet, index_test: IndexTest) -> tuple[FloatArray, Code | None]:
    """The probability of a positive, or why there is none."""
    if index_test.output.kind != "probability":
        return used.score, Code("no_probability")
    prob = used.score + _turned_by(index_test)
    if used.n == 0:
        return prob, Code("no_probability_with_label")
    if not ((prob >= 0) & (prob <= 1)).all():
        return prob, Code("probability_out_of_range")
    return prob, None


def probability_of_output(output: float, index_test: IndexTest) -> float:
    """The probability of a positive that an output says."""
    return float(oriented(np.asarray(output), index_test)) + _turned_by(index_test)


def output_of_probability(prob: float, index_test: IndexTest) -> float:
    """The output that says a probability of a positive."""
    return float(oriented(np.asarray(prob - _turned_by(index_test)), index_test))


def _turned_by(index_test: IndexTest) -> float:
    # Where a higher score means negative, scores were turned to rise with suspicion.
    return 0.0 if rises_with_suspicion(index_test) else 1.0


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Decided cases with their probabilities, and how they count.

    ``by_score`` is of figures that are conditional on the score, ``of_all`` of the others.
    """

    used: CaseSet
    prob: FloatArray
    by_score: Weighing
    of_all: Weighing
    level: float

    @classmethod
    def of(
        cls, used: CaseSet, prob: FloatArray, sampled: SampledCases, finding: str, level: float
    ) -> _Weighed:
        everyone = np.ones(used.n, dtype=np.bool_)
        return cls(
            used,
            prob,
            sampled.weigh(condition_of("slope"), finding, used.case_id),
            sampled.weigh(condition_of("citl"), finding, used.case_id, groups=(everyone,)),
            level,
        )

    def give_whole(self, place: Place, rng: np.random.Generator, replicates: int) -> None:
        """Give the figures of all cases."""
        n, positive = self.used.n, self.used.is_positive
        is_same = self.by_score.weight is None and self.of_all.weight is None
        by_score = self._calibration(self.by_score)
        of_all = by_score if is_same else self._calibration(self.of_all)
        place.count("n_clipped", by_score.n_clipped, n)
        for metric in ("slope", "intercept"):
            self._give(place, metric, getattr(by_score, metric), self.by_score)
        for metric in ("citl", "brier"):
            self._give(place, metric, getattr(of_all, metric), self.of_all)
        self._give(
            place,
            "observed_expected",
            of_all.observed_expected,
            self.of_all,
            method=coded("positives_over_probabilities"),
            reason="probabilities_zero",
        )
        test = by_score.spiegelhalter
        for metric, value in (("spiegelhalter_z", test.statistic), ("spiegelhalter_p", test.p)):
            self._give(
                place,
                metric,
                value,
                self.by_score,
                under_weights=False,
                method=test.method,
                reason=test.reason,
            )
        error = statistics.reliability_bins(self.prob, positive, N_BINS).expected_error()
        null = statistics.calibration_null(self.prob, replicates, rng, N_BINS)
        percentile = code("null_percentile", draws=replicates)
        for metric, value, method in (
            ("expected_calibration_error", error, coded("ten_bins_of_equal_mass")),
            ("expected_calibration_error_null95", null, coded(percentile)),
        ):
            self._give(place, metric, value, self.of_all, under_weights=False, method=method)

    def give_curve_distance(self, place: Place, rng: np.random.Generator, replicates: int) -> None:
        """Give how far the loess curve lies from the diagonal, and how far it would by chance."""
        found = curves.curve_distance(self.prob, self.used.is_positive)
        values = {} if found is None else found._asdict()
        null = curves.ici_null(self.prob, replicates, rng)
        percentile = coded("loess_curve", code("null_percentile", draws=replicates))
        for metric, value, method in (
            *((m, values.get(m), coded("loess_curve")) for m in ("ici", "e50", "e90", "emax")),
            ("ici_null95", null, percentile),
        ):
            self._give(
                place,
                metric,
                value,
                self.of_all,
                under_weights=False,
                method=method,
                reason=curves.FEW_PLACES,
            )

    def give_brier_parts(self, place: Place) -> None:
        """Give what the Brier score is made of."""
        found = curves.brier_parts(self.prob, self.used.is_positive)
        method = coded("isotonic_decomposition")
        for name, value in found._asdict().items():
            self._give(
                place, f"brier_{name}", value, self.of_all, under_weights=False, method=method
            )

    def give_curve(
        self, figures: WindowedFigures, keys: dict[str, str], reason: Code | None
    ) -> None:
        """Give the smooth curve on the grid, from the 5th to the 95th percentile."""
        used, why_not = self.used, self.by_score.why_not(under_weights=False)
        found: curves.SmoothCurve | Code | None = reason or why_not
        if found is None:
            found = curves.smooth_curve(self.prob, used.is_positive, used.patient, GRID, self.level)
        for i, at in enumerate(GRID):
            place = figures.at(**keys, stratum_kind="curve", stratum=f"{at:.2f}")
            if not isinstance(found, curves.SmoothCurve):
                place.refuse(CURVE_METRIC, found or curves.FEW_PLACES, n=used.n)
                continue
            rate, lower, upper = (float(values[i]) for values in found)
            if np.isnan(rate):
                place.refuse(CURVE_METRIC, "outside_percentiles", n=used.n)
                continue
            events = int(used.is_positive.sum())
            made = Estimate(rate, lower, upper, used.n, events, CURVE_METHOD)
            place.give(CURVE_METRIC, made, notes=self.by_score.notes)

    def _calibration(self, weighing: Weighing) -> statistics.Calibration:
        used = self.used
        weight = weighing.weight
        return statistics.calibration(
            self.prob, used.is_positive, used.patient, self.level, weights=weight
        )

    def _give(
        self,
        place: Place,
        metric: str,
        value: Estimate | float | None,
        weighing: Weighing,
        *,
        under_weights: bool = True,
        method: Codes = (),
        reason: Coded | None = None,
    ) -> None:
        n, events = self.used.n, int(self.used.is_positive.sum())
        why_not = weighing.why_not(under_weights=under_weights)
        if why_not is not None:
            place.refuse(metric, why_not, n=n, events=events)
            return
        own = value.method if isinstance(value, Estimate) else method
        how = coded(own, weighing.method())
        notes = weighing.notes
        place.give(metric, value, n=n, events=events, method=how, reason=reason, notes=notes)

    def give_bin(self, place: Place, index: int, reason: Code | None) -> None:
        """Give the mean probability and the observed rate of one bin, or why there is neither."""
        if reason is None:
            reason = self.by_score.why_not(under_weights=True)
        if reason is not None:
            for metric in _BIN_METRICS:
                place.refuse(metric, reason, n=0)
            return
        used, prob, weighing = self.used, self.prob, self.by_score
        within = np.minimum((prob * N_BINS).astype(np.int64), N_BINS - 1) == index
        observed = weighing.proportion(used.is_positive, within, used.patient, self.level)
        place.give("observed_rate", observed)
        weight = None if weighing.weight is None else weighing.weight[within]
        place.give(
            "mean_probability",
            float(np.average(prob[within], weights=weight)) if within.any() else None,
            n=observed.n,
            events=observed.events,
            method=coded("mean", weighing.method(within)),
            reason=observed.reason,
            notes=observed.notes,
        )


def _bin_name(index: int) -> str:
    return f"{index / N_BINS:.1f}–{(index + 1) / N_BINS:.1f}"
