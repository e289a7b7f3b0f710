"""What a call says about a patient where the finding is more or less frequent than here.

What does not belong here: predictive values among the cases themselves (``operating_points``), and
another mix of patients, which may change sensitivity and specificity too (``transport``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    called,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.prevalence import (
    NOT_STATED,
    own_prevalence,
    stated_prevalence,
)
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.proportions import effective_size
from vpack_pipeline.stats.proportions import predictive_values as at_prevalence
from vpack_pipeline.stats.proportions.intervals import PSEUDO_PATIENTS
from vpack_pipeline.stats.roc import ONE_CLASS

GRID: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_SAME_SPECTRUM: Final = Code("same_spectrum_assumed")
_NO_TARGET: Final = Code("target_without_prevalence")


def predictive_values(
    *,
    cases: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give PPV and NPV of each locked operating point over prevalence, by intention to diagnose.

    Sensitivity and specificity are those of the window, taken to be the same at any prevalence.
    ``stratum_kind`` is ``prevalence`` on a fixed grid; ``own`` for that of the window's cases,
    ``stated`` for that of the protocol, ``target`` for that of the target population. The figure
    ``prevalence`` says which it is. The interval takes it as known. Where cases of a class were not
    drawn alike, values are refused, since their interval knows no weights; the own prevalence is
    weighted or refused as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/predictive_values", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    level = evaluation.interval.level
    for point in evaluation.operating_points:
        stated = stated_prevalence(evaluation, point.finding)
        for window in WINDOWS:
            mature = analysis.cases(point.finding, point.model, window)
            decided = mature.take(mature.is_decided)
            accuracy = _accuracy(decided, point, index_test, sampled)
            keys = {"finding": point.finding, "model_id": point.model, "window": window}
            keys |= {"operating_point": point.name}
            own = own_prevalence(decided, sampled, point.finding, level)
            for prevalence in GRID:
                stratum = {"stratum_kind": "prevalence", "stratum": f"{prevalence:.3f}"}
                place = figures.at(**keys, **stratum)
                place.give("prevalence", prevalence, method="fixed_grid")
                _give(place, accuracy, prevalence, None, level)
            place = figures.at(**keys, stratum_kind="own", stratum="own")
            place.give("prevalence", own)
            _give(place, accuracy, own.value, own.reason, level)
            place = figures.at(**keys, stratum_kind="stated", stratum="stated")
            place.give("prevalence", stated, method="stated_by_protocol", reason=NOT_STATED)
            _give(place, accuracy, stated, NOT_STATED, level)
            place = figures.at(**keys, stratum_kind="target", stratum="target")
            place.refuse("prevalence", _NO_TARGET)
            _give(place, accuracy, None, _NO_TARGET, level)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Accuracy:
    """Sensitivity and specificity with their effective sizes; ``reason`` where there are none."""

    n: int
    n_positive: int
    sensitivity: float = 0.0
    specificity: float = 0.0
    positives: float = 0.0
    negatives: float = 0.0
    sizes: Codes = ()
    notes: Codes = ()
    reason: Code | None = None


def _accuracy(
    decided: CaseSet, point: OperatingPoint, index_test: IndexTest, sampled: SampledCases
) -> _Accuracy:
    n, n_positive = decided.n, int(decided.is_positive.sum())
    if not decided.is_usable.any():
        return _Accuracy(n, n_positive, reason=NO_INFERENCE)
    if n_positive in (0, n):
        return _Accuracy(n, n_positive, reason=ONE_CLASS)
    positive = decided.is_positive
    condition = condition_of("sensitivity")
    weighing = sampled.weigh(
        condition, point.finding, decided.case_id, groups=(positive, ~positive)
    )
    why_not = weighing.why_not(under_weights=False)
    if why_not is not None:
        return _Accuracy(n, n_positive, reason=why_not)
    right = np.asarray(called(decided, point, index_test).is_flagged == positive)
    positives, negatives = (
        effective_size(right[side], decided.patient[side]) for side in (positive, ~positive)
    )
    is_clustered = decided.n_patients < n
    return _Accuracy(
        n=n,
        n_positive=n_positive,
        sensitivity=float(right[positive].mean()),
        specificity=float(right[~positive].mean()),
        positives=positives,
        negatives=negatives,
        sizes=coded(PSEUDO_PATIENTS if is_clustered else None),
        notes=coded(_SAME_SPECTRUM, weighing.notes),
    )


def _give(
    place: Place, found: _Accuracy, prevalence: float | None, why: Code | None, level: float
) -> None:
    counts = {"n": found.n, "events": found.n_positive}
    reason = found.reason or (why if prevalence is None else None)
    if reason is not None or prevalence is None:
        for metric in ("ppv", "npv"):
            place.refuse(metric, reason or NOT_STATED, **counts)
        return
    pair = at_prevalence(
        found.sensitivity,
        found.specificity,
        prevalence,
        found.positives,
        found.negatives,
        level=level,
    )
    for metric, value in zip(("ppv", "npv"), pair, strict=True):
        method = coded(value.method, found.sizes)
        place.give(metric, value, **counts, method=method, notes=found.notes)
