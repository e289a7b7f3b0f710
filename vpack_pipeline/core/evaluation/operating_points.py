"""The index test at its locked thresholds: the 3×2 table, and what follows from it.

What does not belong here: ranking over all thresholds (``performance``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.evaluation.analysis import (
    INDETERMINATE,
    NEGATIVE,
    NO_INFERENCE,
    POSITIVE,
    UNLABELLED,
    Analysed,
    AnalysisSet,
    Called,
    CaseSet,
    called,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.weights import (
    NO_FRACTION,
    SamplingWeights,
    per_thousand,
    weighted_proportion,
)
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Evaluation, IndexTest, OperatingPoint, Sampling
from vpack_pipeline.stats.estimate import BoolArray
from vpack_pipeline.stats.proportions import clustered_proportion

ITD: Final = "intention_to_diagnose"
COMPLETED: Final = "completed_only"
WORST: Final = "worst_case"
BEST: Final = "best_case"
ANALYSES: Final = (ITD, COMPLETED, WORST, BEST)

_PLAIN: Final = ("sensitivity", "specificity")
_BY_PREVALENCE: Final = (
    "ppv",
    "npv",
    "flagged_per_1000",
    "missed_per_1000",
    "false_alarms_per_1000",
)
_ROWS_3X2: Final = {"indeterminate": INDETERMINATE, "unlabelled": UNLABELLED}


def operating_points(
    *,
    cases: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: Sampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the 3×2 table, its proportions and its burden per 1,000 at each operating point.

    Four analyses: ``intention_to_diagnose`` is primary and counts failed inferences as the protocol
    says; ``completed_only`` leaves them out; ``worst_case`` and ``best_case`` are those of the
    first with every indeterminate or missing label set against, or for, the model. Where sampling
    fractions are stated, predictive values and figures per 1,000 are weighted by their inverse.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures(
        "evaluation/operating_points",
        evaluation,
        cut,
        published_looks,
    )
    analysis_set = AnalysisSet(index_test=index_test, **analysed)
    weights = SamplingWeights(cases, sampling)
    for point in evaluation.operating_points:
        for window in WINDOWS:
            mature = analysis_set.cases(point.finding, point.model, window)
            for analysis in ANALYSES:
                place = figures.at(
                    finding=point.finding,
                    model_id=point.model,
                    window=window,
                    operating_point=point.name,
                    analysis=analysis,
                )
                table = tabulate(mature, point, index_test, analysis)
                _give(place, table, weights, evaluation.interval.level)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class Crossed:
    """Cases at an operating point under one analysis.

    ``positive`` and ``negative`` are the reference classes of the 2×2 table. They exclude each
    other but in the worst case, where a failed inference that counts as incorrect and has no
    label is a miss and a false alarm at once: an error, whichever of the two.
    """

    cases: CaseSet
    is_flagged: BoolArray
    positive: BoolArray
    negative: BoolArray
    hit: BoolArray
    """Correct among positives."""
    cleared: BoolArray
    """Correct among negatives."""
    has_3x2: bool

    @property
    def n(self) -> int:
        """Cases of the 2×2 table."""
        return int((self.positive | self.negative).sum())


def tabulate(
    mature: CaseSet, point: OperatingPoint, index_test: IndexTest, analysis: str
) -> Crossed:
    """Cross calls with labels under one analysis."""
    cases = mature.take(mature.is_usable) if analysis == COMPLETED else mature
    made = called(cases, point, index_test)
    flagged = made.is_flagged
    positive, negative = _classes(made, analysis)
    return Crossed(
        cases=cases,
        is_flagged=flagged,
        positive=positive,
        negative=negative,
        hit=flagged & positive & ~made.is_wrong,
        cleared=~flagged & negative & ~made.is_wrong,
        has_3x2=analysis in (ITD, COMPLETED),
    )


def _classes(made: Called, analysis: str) -> tuple[BoolArray, BoolArray]:
    label = made.cases.label
    positive, negative = np.asarray(label == POSITIVE), np.asarray(label == NEGATIVE)
    open_cases = ~made.cases.is_decided & ~made.is_wrong
    if analysis == WORST:
        positive = positive | (open_cases & ~made.is_flagged) | made.is_wrong
        negative = negative | (open_cases & made.is_flagged) | made.is_wrong
    elif analysis == BEST:
        positive = positive | (open_cases & made.is_flagged)
        negative = negative | (open_cases & ~made.is_flagged)
    return positive, negative


def _give(place: Place, table: Crossed, weights: SamplingWeights, level: float) -> None:
    _give_counts(place, table)
    if not table.cases.is_usable.any():
        for metric in (*_PLAIN, *_BY_PREVALENCE):
            place.refuse(metric, NO_INFERENCE, n=table.cases.n)
        return
    for metric in _PLAIN:
        among, right = share(table, metric)
        place.give(metric, clustered_proportion(right[among], table.cases.patient[among], level))
    weight = weights.of(table.cases)
    for metric in _BY_PREVALENCE:
        if weight is None:
            place.refuse(metric, NO_FRACTION, n=table.cases.n)
            continue
        among, right = share(table, metric)
        estimate = weighted_proportion(
            right[among], weight[among], table.cases.patient[among], level
        )
        notes = () if estimate.reason else weights.notes()
        place.give(metric, per_thousand(estimate) if "_per_" in metric else estimate, notes=notes)


def share(table: Crossed, metric: str) -> tuple[BoolArray, BoolArray]:
    """Give the denominator and the numerator of a proportion, as masks of the table's cases."""
    missed, false_alarm = table.positive & ~table.hit, table.negative & ~table.cleared
    counted = table.positive | table.negative
    masks = {
        "sensitivity": (table.positive, table.hit),
        "specificity": (table.negative, table.cleared),
        "ppv": (table.hit | false_alarm, table.hit),
        "npv": (table.cleared | missed, table.cleared),
        "flagged_per_1000": (np.ones(table.cases.n, dtype=np.bool_), table.is_flagged),
        "missed_per_1000": (counted, missed),
        "false_alarms_per_1000": (counted, false_alarm),
    }
    return masks[metric]


def _give_counts(place: Place, table: Crossed) -> None:
    label = table.cases.label
    counts = {
        "tp": table.hit,
        "fp": table.negative & ~table.cleared,
        "fn": table.positive & ~table.hit,
        "tn": table.cleared,
    }
    for metric, mask in counts.items():
        place.count(metric, int(mask.sum()), table.n)
    if table.has_3x2:
        for name, code in _ROWS_3X2.items():
            among = label == code
            for suffix, calls in (("flagged", table.is_flagged), ("unflagged", ~table.is_flagged)):
                place.count(f"{name}_{suffix}", int((among & calls).sum()), table.cases.n)
