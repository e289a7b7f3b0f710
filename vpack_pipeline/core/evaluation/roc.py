"""The ROC curve on a fixed grid with its band, and what is read off it beside the whole area.

What does not belong here: the whole area (``performance``), other figures of the locked operating
points (``operating_points``), and thresholds that were not fixed before (``thresholds``).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.adjudication.basis import NOT_AGREED
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    called,
    cells,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.performance import weigh_area, why_no_auc
from vpack_pipeline.core.evaluation.unaided import READERS, unaided_reads
from vpack_pipeline.core.evaluation.unweighted import UnweightedFigures
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, IntArray
from vpack_pipeline.stats.roc import ONE_CLASS
from vpack_pipeline.stats.roc_curve import POINTWISE, average_precision, partial_auc, roc_band
from vpack_pipeline.stats.weighted_curve import WEIGHTED_POINTWISE, weighted_roc_band

POINTS: Final = 101
"""False-positive fractions 0, .01 … 1: fixed, since an empirical curve gives away every case."""
LEAST_SPECIFICITY: Final = 0.9
LEAST_SENSITIVITY: Final = 0.8
_GRID: Final = np.arange(POINTS) / (POINTS - 1)
_AREAS: Final = ("partial_auc_high_specificity", "partial_auc_high_sensitivity")
_PRECISION: Final = "average_precision"
_POINTWISE_ONLY: Final = coded("band_is_pointwise")
_SELECTED: Final = coded("only_with_reference", "read_may_know_source")


def roc(
    *,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    readers_agreed: bool,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the curve by intention to diagnose, areas of its parts, locked points and readers.

    ``stratum_kind`` says what a row is of. ``false_positive_fraction``: a point of the curve, the
    fraction its stratum. ``all``: partial areas and average precision. ``operating_point``: a
    locked threshold. Unaided readers, under the model id ``unaided_readers``, stand beside the
    model on the same cases alone: those that an independent source labelled, since readers cannot
    be held against labels that they made. ``readers``: all of them together, ``reader``: each
    alone, where they agreed; ``operating_point_where_read``: the model on the cases that they read.
    Where cases were not drawn alike, the curve and shares at a call are weighted or refused as
    ``sampling`` says; parts of its area and average precision are not computed under weights.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    reads : cohort/reads
    """
    figures = WindowedFigures("evaluation/roc", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    table = _Table(figures, index_test, evaluation, SampledCases(cases, sampling, evaluation))
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        decided = mature.take(mature.is_decided)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        table.give_curve(keys, decided)
        table.give_areas(keys, decided)
        table.give_points(keys, decided, "operating_point")
    labels = analysed["reference_standard"]
    primary = index_test.primary.id
    for rated in findings:
        settled = labels.filter(_is_settled(rated.name)).select("case_id")
        unaided = unaided_reads(reads, rated).join(settled, on="case_id", how="semi")
        for window in WINDOWS:
            mature = analysis.cases(rated.name, primary, window)
            decided = mature.take(mature.is_decided)
            is_settled = _is_among(decided, settled)
            keys = {"finding": rated.name, "window": window}
            found = _Beside(decided.take(is_settled), unaided, readers_agreed)
            table.give_readers({**keys, "model_id": READERS}, found)
            table.give_points(
                {**keys, "model_id": primary}, found.read, "operating_point_where_read", found.why
            )
    return figures.frame()


def fraction_name(place: int) -> str:
    """Name a point of the grid, so that names stand in the order of their fractions.

    >>> fraction_name(0), fraction_name(5), fraction_name(100)
    ('0.00', '0.05', '1.00')
    """
    return f"{place / (POINTS - 1):.2f}"


def _is_settled(finding: str) -> pl.Expr:
    """Mark labels of a finding that no reader gave."""
    return (pl.col("finding") == finding) & (pl.col("source") != "panel")


def _is_among(cases: CaseSet, others: pl.DataFrame) -> BoolArray:
    """Mark the cases that a frame has a row of."""
    there = others.select("case_id").unique().with_columns(pl.lit(value=True).alias("is_there"))
    return cases.joined(there, "is_there").fill_null(value=False).to_numpy()


class _Beside:
    """Cases that an independent source labelled, with the unaided reads of them.

    ``why`` says why there is nothing to compare; None where there is.
    """

    def __init__(self, settled: CaseSet, unaided: pl.DataFrame, agreed: bool) -> None:
        labels = pl.DataFrame(
            {
                "case_id": settled.case_id,
                "is_positive": settled.is_positive,
                "patient": settled.patient,
            }
        )
        self.reads = unaided.join(labels, on="case_id", maintain_order="left")
        self.read = settled.take(_is_among(settled, self.reads))
        places = pl.DataFrame({"case_id": self.read.case_id, "case": np.arange(self.read.n)})
        self.reads = self.reads.join(places, on="case_id", maintain_order="left")
        self.readers = self.reads["reader_id"].unique().sort().to_list()
        self.agreed = agreed
        self.why: Code | None = None
        if settled.n == 0:
            self.why = Code("no_case_of_independent_source")
        elif not self.readers:
            self.why = Code("no_unaided_read")


class _Calls(NamedTuple):
    """Calls of a model or of readers: one of each for each call, ``case`` its place."""

    is_flagged: BoolArray
    is_positive: BoolArray
    patient: IntArray
    case: IntArray


@dataclass(frozen=True, slots=True)
class _Table:
    figures: WindowedFigures
    index_test: IndexTest
    evaluation: Evaluation
    sampled: SampledCases

    @property
    def level(self) -> float:
        return self.evaluation.interval.level

    def give_curve(self, keys: Mapping[str, str], decided: CaseSet) -> None:
        n = int(decided.is_positive.sum())
        weighing = weigh_area(self.sampled, keys["finding"], decided)
        reason = why_no_auc(decided, self.index_test) or weighing.why_not(under_weights=True)
        curve = [] if reason is not None else self._curve(decided, weighing)
        for k in range(POINTS):
            stratum = {"stratum_kind": "false_positive_fraction", "stratum": fraction_name(k)}
            place = self.figures.at(**keys, **stratum)
            if curve:
                place.give("sensitivity", weighing.said_of(curve[k]))
            else:
                place.refuse("sensitivity", reason or ONE_CLASS, n=n)

    def _curve(self, decided: CaseSet, weighing: Weighing) -> list[Estimate]:
        """Give the points of the curve; none where one class alone is there."""
        positive, n = decided.is_positive, int(decided.is_positive.sum())
        score = intention_to_diagnose_score(decided, self.index_test)
        if weighing.weight is None:
            band = roc_band(score, positive, decided.patient, _GRID, self.level)
            parts = () if band is None else (*band, np.rint(band.value * n))
        else:
            # Of each stratum there are cases, so that the heaviest weight is among them.
            parts = (
                weighted_roc_band(
                    score, positive, weighing.weight, decided.patient, _GRID, self.level
                )
                or ()
            )
        method = POINTWISE if weighing.weight is None else WEIGHTED_POINTWISE
        return [
            Estimate(float(v), float(low), float(up), n, int(k), method, notes=_POINTWISE_ONLY)
            for v, low, up, k in zip(*parts, strict=True)
        ]

    def _unweighted(self, keys: Mapping[str, str], decided: CaseSet) -> UnweightedFigures:
        return UnweightedFigures(self.figures, self.sampled, keys["finding"], decided)

    def give_areas(self, keys: Mapping[str, str], decided: CaseSet) -> None:
        place = self._unweighted(keys, decided).at(**keys, stratum_kind="all", stratum="all")
        positive, patient = decided.is_positive, decided.patient
        n, events = decided.n, int(positive.sum())
        reason = why_no_auc(decided, self.index_test)
        if reason is not None:
            for metric in (*_AREAS, *map(_standardised, _AREAS), _PRECISION):
                place.refuse(metric, reason, n=n, events=events)
            return
        score = intention_to_diagnose_score(decided, self.index_test)
        most = 1 - LEAST_SPECIFICITY
        parts = (
            partial_auc(score, positive, patient, most, self.level),
            # The same curve seen from its other corner: false negatives up to 1 - sensitivity.
            partial_auc(-score, ~positive, patient, 1 - LEAST_SENSITIVITY, self.level),
        )
        for metric, part in zip(_AREAS, parts, strict=True):
            place.give(metric, part.area, n=n, events=events)
            place.give(_standardised(metric), part.standardised, n=n, events=events)
        place.give(_PRECISION, average_precision(score, positive, patient, self.level))

    def give_points(
        self,
        keys: Mapping[str, str],
        decided: CaseSet,
        stratum_kind: str,
        reason: Code | None = None,
    ) -> None:
        own = (keys["finding"], keys["model_id"])
        for point in self.evaluation.operating_points:
            if (point.finding, point.model) != own:
                continue
            place = self.figures.at(**keys, stratum_kind=stratum_kind, stratum=point.name)
            flagged = called(decided, point, self.index_test).is_flagged
            why = reason or (None if decided.is_usable.any() else NO_INFERENCE)
            note = _SELECTED if stratum_kind == "operating_point_where_read" else ()
            calls = _Calls(flagged, decided.is_positive, decided.patient, np.arange(decided.n))
            self._give_call(place, calls, self._weighed(keys, decided), why, note)

    def give_readers(self, keys: Mapping[str, str], found: _Beside) -> None:
        together = self.figures.at(**keys, stratum_kind="readers", stratum="all")
        is_one = len(found.readers) == 1 and not found.agreed
        weighed = self._weighed(keys, found.read)
        why = found.why or (NOT_AGREED if is_one else None)
        self._give_reads(together, found.reads, weighed, why)
        for reader in found.readers if found.agreed else ():
            place = self.figures.at(**keys, stratum_kind="reader", stratum=reader)
            own = found.reads.filter(pl.col("reader_id") == reader)
            self._give_reads(place, own, weighed, None)

    def _weighed(self, keys: Mapping[str, str], decided: CaseSet) -> dict[str, Weighing]:
        """Say how cases count in the shares at a call."""
        finding = keys["finding"]
        classes = {"sensitivity": decided.is_positive, "specificity": ~decided.is_positive}
        return {
            metric: self.sampled.weigh(
                condition_of(metric), finding, decided.case_id, groups=(among,)
            )
            for metric, among in classes.items()
        }

    def _give_reads(
        self, place: Place, reads: pl.DataFrame, weighed: Mapping[str, Weighing], why: Code | None
    ) -> None:
        columns = ("is_flagged", "is_positive", "patient", "case")
        calls = _Calls(*(reads[name].to_numpy() for name in columns))
        self._give_call(place, calls, weighed, why, _SELECTED)

    def _give_call(
        self,
        place: Place,
        calls: _Calls,
        weighed: Mapping[str, Weighing],
        why: Code | None,
        notes: Codes,
    ) -> None:
        flagged, positive = calls.is_flagged, calls.is_positive
        sides = (("sensitivity", positive, flagged), ("specificity", ~positive, ~flagged))
        for metric, among, may_succeed in sides:
            if why is not None:
                # One reader's count of reads would say who it is.
                place.refuse(metric, why, n=None if why == NOT_AGREED else int(among.sum()))
                continue
            right = np.asarray(flagged == positive)
            weighing = weighed[metric].of_reads(calls.case)
            found = weighing.share(right, among, calls.patient, self.level, may_succeed).estimate
            place.give(metric, found, notes=notes if found.reason is None else ())


def _standardised(metric: str) -> str:
    return f"{metric}_standardised"
