"""The index test at its locked thresholds: the 3×2 table, and what follows from it.

What does not belong here: ranking over all thresholds (``performance``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
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
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.difference import Side
from vpack_pipeline.stats.estimate import BoolArray, Estimate

ITD: Final = "intention_to_diagnose"
COMPLETED: Final = "completed_only"
WORST: Final = "worst_case"
BEST: Final = "best_case"
ANALYSES: Final = (ITD, COMPLETED, WORST, BEST)

SHARES: Final = (
    "sensitivity",
    "specificity",
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
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the 3×2 table, its proportions and its burden per 1,000 at each operating point.

    Four analyses: ``intention_to_diagnose`` is primary and counts failed inferences as the protocol
    says; ``completed_only`` leaves them out; ``worst_case`` and ``best_case`` are those of the
    first with every indeterminate or missing label set against, or for, the model. Where cases were
    not drawn alike, figures are weighted or refused as ``sampling`` says.

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
    sampled = SampledCases(cases, sampling, evaluation)
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
                _give(place, table, sampled, point.finding, evaluation.interval.level)
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
    def counted(self) -> BoolArray:
        """Cases of the 2×2 table."""
        return self.positive | self.negative

    @property
    def n(self) -> int:
        """Cases of the 2×2 table."""
        return int(self.counted.sum())


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


def _give(place: Place, table: Crossed, sampled: SampledCases, finding: str, level: float) -> None:
    _give_counts(place, table)
    for metric in SHARES:
        if not table.cases.is_usable.any():
            place.refuse(metric, NO_INFERENCE, n=table.cases.n)
            continue
        estimate = proportion(table, metric, weigh(table, metric, sampled, finding), level)
        place.give(metric, per_thousand(estimate) if "_per_" in metric else estimate)


def per_thousand(estimate: Estimate) -> Estimate:
    """Turn a share into a number per 1,000 examinations."""
    value, lower, upper = (
        None if v is None else 1000 * v for v in (estimate.value, estimate.lower, estimate.upper)
    )
    return replace(estimate, value=value, lower=lower, upper=upper)


def weigh(table: Crossed, metric: str, sampled: SampledCases, finding: str) -> Weighing:
    """Say how the cases of a table count in a proportion, by the way in which they were drawn."""
    if sampled.are_all_alike:
        return Weighing(None)
    # Labels that are set for the sake of a bound are none that cases can have been drawn by.
    has_set_labels = not table.has_3x2 and bool((table.counted & ~table.cases.is_decided).any())
    condition = condition_of(metric)
    if has_set_labels and condition == "label":
        condition = "nothing"
    groups = (share(table, metric)[0],)
    return sampled.weigh(condition, finding, table.cases.case_id, _drawn(table, metric), groups)


def proportion(table: Crossed, metric: str, weighing: Weighing, level: float) -> Estimate:
    """Give a proportion of a table; ``weighing`` is of :func:`weigh`."""
    among, right = share(table, metric)
    may_succeed = _may_succeed(table, metric)
    return weighing.proportion(right, among, table.cases.patient, level, may_succeed)


def share_side(table: Crossed, metric: str, weighing: Weighing, level: float) -> Side:
    """Give the same as one side of a difference."""
    among, right = share(table, metric)
    may_succeed = _may_succeed(table, metric)
    return weighing.share(right, among, table.cases.patient, level, may_succeed)


def _may_succeed(table: Crossed, metric: str) -> BoolArray | None:
    """Cases that would be right if they were among those of a proportion; the others be wrong."""
    sides = {
        "sensitivity": table.is_flagged,
        "specificity": ~table.is_flagged,
        "ppv": table.positive,
        "npv": table.negative,
    }
    return sides.get(metric)


def _drawn(table: Crossed, metric: str) -> BoolArray:
    """Cases that could have entered a proportion: those with a label, if it needs one."""
    return share(table, metric)[0] if metric == "flagged_per_1000" else table.counted


def share(table: Crossed, metric: str) -> tuple[BoolArray, BoolArray]:
    """Give the denominator and the numerator of a proportion, as masks of the table's cases."""
    if metric == "sensitivity":
        return table.positive, table.hit
    if metric == "specificity":
        return table.negative, table.cleared
    if metric == "flagged_per_1000":
        return np.ones(table.cases.n, dtype=np.bool_), table.is_flagged
    missed, false_alarm = table.positive & ~table.hit, table.negative & ~table.cleared
    masks = {
        "ppv": (table.hit | false_alarm, table.hit),
        "npv": (table.cleared | missed, table.cleared),
        "missed_per_1000": (table.counted, missed),
        "false_alarms_per_1000": (table.counted, false_alarm),
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
