"""Whether a stated probability is the rate that is observed. For probabilities only.

What does not belong here: recalibrating a model; a pack reports and does not repair.
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet, cells, generator
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest
from vpack_pipeline.stats import calibration as statistics
from vpack_pipeline.stats import calibration_curve as curves
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray
from vpack_pipeline.stats.proportions import clustered_proportion

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
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give slope, intercepts, Brier score and reliability of completed inferences.

    ``intercept`` is that of the joint fit, ``citl`` (calibration in the large) has the slope fixed
    at 1. The expected calibration error is above 0 under perfect calibration: its 95th percentile
    then stands beside it; so too for the distance of the loess curve (``ici``). ``stratum`` is
    ``all``, one of ten bins of equal width of the probability, or a probability at which the smooth
    curve is given. A failed inference has no probability, so only completed ones are counted.
    """
    figures = WindowedFigures("evaluation/calibration", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        used = mature.take(mature.is_decided & mature.is_usable)
        prob, reason = _probability(used, index_test)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        whole = figures.at(**keys, stratum_kind="all", stratum="all")
        if reason is not None:
            for metric in _METRICS:
                whole.refuse(metric, reason, n=used.n)
        else:
            rng = generator(evaluation.seed, "calibration", finding, model_id, window)
            _give_whole(whole, used, prob, rng, evaluation)
            _give_curve_distance(whole, used, prob, rng, evaluation)
            _give_brier_parts(whole, used, prob)
        _give_curve(figures, keys, used, prob, reason, evaluation.interval.level)
        for index in range(N_BINS):
            place = figures.at(**keys, stratum_kind="probability", stratum=_bin_name(index))
            _give_bin(place, used, prob, index, reason, evaluation.interval.level)
    return figures.frame()


def _probability(used: CaseSet, index_test: IndexTest) -> tuple[FloatArray, Code | None]:
    """The probability of a positive, or why there is none."""
    if index_test.output.kind != "probability":
        return used.score, Code("no_probability")
    # Where a higher score means negative, scores were turned to rise with suspicion.
    offset = 0.0 if index_test.output.higher_is == "positive" else 1.0
    prob = used.score + offset
    if used.n == 0:
        return prob, Code("no_probability_with_label")
    if not ((prob >= 0) & (prob <= 1)).all():
        return prob, Code("probability_out_of_range")
    return prob, None


def _give_whole(
    place: Place,
    used: CaseSet,
    prob: FloatArray,
    rng: np.random.Generator,
    evaluation: Evaluation,
) -> None:
    positive, n, events = used.is_positive, used.n, int(used.is_positive.sum())
    found = statistics.calibration(prob, positive, used.patient, evaluation.interval.level)
    for metric in ("slope", "intercept", "citl", "brier"):
        place.give(metric, getattr(found, metric))
    place.give(
        "observed_expected",
        found.observed_expected,
        n=n,
        events=events,
        method="positives_over_probabilities",
        reason="probabilities_zero",
    )
    test = found.spiegelhalter
    for metric, value in (("spiegelhalter_z", test.statistic), ("spiegelhalter_p", test.p)):
        place.give(metric, value, n=n, events=events, method=test.method, reason=test.reason)
    place.count("n_clipped", found.n_clipped, n)
    error = statistics.reliability_bins(prob, positive, N_BINS).expected_error()
    place.give(
        "expected_calibration_error",
        error,
        n=n,
        events=events,
        method="ten_bins_of_equal_mass",
    )
    replicates = min(evaluation.replicates, NULL_REPLICATES)
    place.give(
        "expected_calibration_error_null95",
        statistics.calibration_null(prob, replicates, rng, N_BINS),
        n=n,
        events=events,
        method=code("null_percentile", draws=replicates),
    )


def _give_curve_distance(
    place: Place,
    used: CaseSet,
    prob: FloatArray,
    rng: np.random.Generator,
    evaluation: Evaluation,
) -> None:
    counts = {"n": used.n, "events": int(used.is_positive.sum())}
    found = curves.curve_distance(prob, used.is_positive)
    values = {} if found is None else found._asdict()
    for metric in ("ici", "e50", "e90", "emax"):
        value = values.get(metric)
        place.give(metric, value, **counts, method="loess_curve", reason=curves.FEW_PLACES)
    replicates = min(evaluation.replicates, NULL_REPLICATES)
    place.give(
        "ici_null95",
        curves.ici_null(prob, replicates, rng),
        **counts,
        method=coded("loess_curve", code("null_percentile", draws=replicates)),
        reason=curves.FEW_PLACES,
    )


def _give_brier_parts(place: Place, used: CaseSet, prob: FloatArray) -> None:
    found = curves.brier_parts(prob, used.is_positive)
    for name, value in found._asdict().items():
        place.give(
            f"brier_{name}",
            value,
            n=used.n,
            events=int(used.is_positive.sum()),
            method="isotonic_decomposition",
        )


def _give_curve(
    figures: WindowedFigures,
    keys: dict[str, str],
    used: CaseSet,
    prob: FloatArray,
    reason: Code | None,
    level: float,
) -> None:
    """Give the smooth curve on the grid, from the 5th to the 95th percentile of probabilities."""
    found: curves.SmoothCurve | Code | None = reason
    if reason is None:
        found = curves.smooth_curve(prob, used.is_positive, used.patient, GRID, level)
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
        place.give(CURVE_METRIC, made)


def _bin_name(index: int) -> str:
    return f"{index / N_BINS:.1f}–{(index + 1) / N_BINS:.1f}"


def _give_bin(
    place: Place,
    used: CaseSet,
    prob: FloatArray,
    index: int,
    reason: Code | None,
    level: float,
) -> None:
    if reason is not None:
        for metric in _BIN_METRICS:
            place.refuse(metric, reason, n=0)
        return
    within = np.minimum((prob * N_BINS).astype(np.int64), N_BINS - 1) == index
    observed = clustered_proportion(used.is_positive[within], used.patient[within], level)
    place.give("observed_rate", observed)
    mean = float(prob[within].mean()) if within.any() else None
    place.give(
        "mean_probability",
        mean,
        n=observed.n,
        events=observed.events,
        method="mean",
        reason=observed.reason,
        notes=observed.notes,
    )
