"""Whether a stated probability is the rate that is observed. For probabilities only.

What does not belong here: recalibrating a model; a pack reports and does not repair.
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import oriented
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet, cells, generator
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest
from vpack_pipeline.stats import calibration as statistics
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import FloatArray
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
)
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
    then stands beside it. ``stratum`` is ``all`` or one of ten bins of equal width of the
    probability. A failed inference has no probability, so only completed ones are counted.
    """
    figures = WindowedFigures("evaluation/calibration", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        used = mature.take(mature.is_decided & mature.is_usable)
        prob, reason = probability(used, index_test)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        whole = figures.at(**keys, stratum_kind="all", stratum="all")
        if reason is not None:
            for metric in _METRICS:
                whole.refuse(metric, reason, n=used.n)
        else:
            rng = generator(evaluation.seed, "calibration", finding, model_id, window)
            _give_whole(whole, used, prob, rng, evaluation)
        for index in range(N_BINS):
            place = figures.at(**keys, stratum_kind="probability", stratum=_bin_name(index))
            _give_bin(place, used, prob, index, reason, evaluation.interval.level)
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
    return 0.0 if index_test.output.higher_is == "positive" else 1.0


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
