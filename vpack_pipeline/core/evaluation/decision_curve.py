"""Whether acting on the index test does more good than harm, near its locked threshold.

For probabilities only, since a threshold is also what a false alarm costs in misses. What does not
belong here: whether the probabilities are right (``calibration``): one that is wrong costs net
benefit, and so is seen here, but needs no refusal.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import Condition
from vpack_pipeline.core.calls import own_threshold
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    flagged_at,
)
from vpack_pipeline.core.evaluation.calibration import (
    output_of_probability,
    probability,
    probability_of_output,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.prevalence import NOT_STATED, stated_prevalence
from vpack_pipeline.core.evaluation.unweighted import UnweightedFigures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray
from vpack_pipeline.stats.net_benefit import Flagged, net_benefit
from vpack_pipeline.stats.resampling import patient_codes

STEPS: Final = 8
"""Thresholds on either side of the locked one: its odds times 2^(1/4) each, up to four times."""
_NET: Final = ("net_benefit", "net_benefit_treat_all", "net_benefit_treat_none")
_AT_END: Final = Code("threshold_at_end")
_CONDITIONS: Final[tuple[Condition, ...]] = ("nothing", "label")
"""What net benefit is conditional on at the own prevalence, and at a stated one."""


def decision_curve(
    *,
    cases: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the net benefit of the index test, of treating all and of treating none.

    By intention to diagnose, at probabilities near each locked threshold: its odds times 2^(k/4),
    k from -8 to 8. ``stratum`` is the place of a threshold on this grid, from 1, and
    ``threshold_probability`` says which it is. ``stratum_kind`` is ``own``, at the prevalence of
    the window's cases, or ``stated``, at that which the protocol states. Refused where the output
    is no probability, by the rule of ``calibration``, and where the way in which cases were drawn
    decides sensitivity and specificity or, at the own prevalence, how many are positive.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/decision_curve", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    for point in evaluation.operating_points:
        stated = stated_prevalence(evaluation, point.finding)
        thresholds = thresholds_near(point, index_test)
        for window in WINDOWS:
            mature = analysis.cases(point.finding, point.model, window)
            decided = mature.take(mature.is_decided)
            curve = _Curve(decided, index_test, evaluation.interval.level)
            why = curve.reason or (None if thresholds else _AT_END)
            weighed = UnweightedFigures(figures, sampled, point.finding, decided).weighed
            own, rates = (
                weighed[condition].why_not(under_weights=False) for condition in _CONDITIONS
            )
            lacking = NOT_STATED if stated is None else rates
            kinds = (("own", why or own, None), ("stated", why or lacking, stated))
            keys = {"finding": point.finding, "model_id": point.model, "window": window}
            for place in range(2 * STEPS + 1):
                for kind, reason, prevalence in kinds:
                    at = figures.at(
                        **keys,
                        operating_point=point.name,
                        stratum_kind=kind,
                        stratum=f"{place + 1:02d}",
                    )
                    if reason is not None:
                        for metric in ("threshold_probability", *_NET):
                            at.refuse(metric, reason, n=curve.n)
                    else:
                        curve.give(at, thresholds[place], prevalence)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold as a probability, and as the output has it."""

    probability: float
    output: float


def thresholds_near(point: OperatingPoint, index_test: IndexTest) -> tuple[Threshold, ...]:
    """Give the locked threshold and those around it; none where it is no probability within 0 to 1.

    The locked one is exactly itself, so that who lies at it is flagged here as everywhere.
    """
    if index_test.output.kind != "probability":
        return ()
    locked = own_threshold(point)
    centre = probability_of_output(locked, index_test)
    if not 0 < centre < 1:
        return ()
    odds = centre / (1 - centre) * 2.0 ** (np.arange(-STEPS, STEPS + 1) / 4)
    around = [float(o / (1 + o)) for o in odds]
    return tuple(
        Threshold(centre, locked)
        if place == STEPS
        else Threshold(p, output_of_probability(p, index_test))
        for place, p in enumerate(around)
    )


class _Curve:
    """The cases of a window, counted by patient; ``reason`` says why there is no curve."""

    def __init__(self, decided: CaseSet, index_test: IndexTest, level: float) -> None:
        self._cases, self._index_test, self._level = decided, index_test, level
        self.n = decided.n
        _, self.reason = probability(decided.take(decided.is_usable), index_test)
        if index_test.output.kind == "probability" and not decided.is_usable.any():
            self.reason = NO_INFERENCE
        self._codes, self._n_patients = patient_codes(decided.patient)
        self._everyone = np.ones(decided.n, dtype=np.bool_)

    def give(self, place: Place, at: Threshold, prevalence: float | None) -> None:
        place.give("threshold_probability", at.probability, method="around_locked_threshold")
        calls = (
            flagged_at(self._cases, at.output, self._index_test),
            self._everyone,
            ~self._everyone,
        )
        for metric, flagged in zip(_NET, calls, strict=True):
            counted = self._counted(flagged)
            found = net_benefit(counted, at.probability, prevalence, self._level)
            place.give(metric, found)

    def _counted(self, flagged: BoolArray) -> Flagged:
        positive = self._cases.is_positive
        return Flagged(
            *(
                np.bincount(self._codes[mask], minlength=self._n_patients).astype(np.float64)
                for mask in (flagged & positive, flagged & ~positive, positive, ~positive)
            )
        )
