"""The primary model beside other models and beside readers, on the same cases.

What does not belong here: each on its own cases (``performance``, ``operating_points``), and one
model before and after the lock (``comparison``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.adjudication.basis import NOT_AGREED
from vpack_pipeline.core.adjudication.rules import PANEL
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    NO_POINT,
    Analysed,
    AnalysisSet,
    CaseSet,
    called,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.performance import why_no_auc
from vpack_pipeline.core.evaluation.unaided import READERS, unaided_reads
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.difference import difference
from vpack_pipeline.stats.estimate import BoolArray, IntArray
from vpack_pipeline.stats.proportions import paired_proportions
from vpack_pipeline.stats.roc import obuchowski_paired_test

READERS_MADE_LABELS: Final = Code("readers_made_labels")
NO_READS: Final = Code("no_unaided_read")
_SHARES: Final = ("sensitivity", "specificity")
_OF_SHARE: Final = (
    "primary_",
    "comparator_",
    "paired_difference_",
    "only_primary_right_",
    "only_comparator_right_",
    "paired_p_",
)
_OF_AUC: Final = ("primary_auc", "comparator_auc", "paired_difference_auc", "paired_p_auc")


def paired(
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
    """Compare the primary model with each other model and with readers, case by case.

    Models are compared by intention to diagnose on all mature cases with a decided label, each at
    its own operating point. Readers are compared on cases whose label an independent source gave,
    a unit being one read: elsewhere readers made the labels, and would be held against themselves.
    ``unaided_readers`` pools the reads of all; each of several readers has rows of their own where
    ``readers_agreed``. Where cases were not drawn alike, the figures of either side are weighted or
    refused as ``sampling`` says, and so is their difference; it has no test under weights.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/paired", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    level = evaluation.interval.level
    sampled = SampledCases(cases, sampling, evaluation)
    primary = index_test.primary.id
    for finding in findings:
        name = finding.name
        used = unaided_reads(reads, finding)
        labels = analysed["reference_standard"].filter(finding=name)
        is_independent = labels.select(
            "case_id", (pl.col("source") != PANEL).alias("is_independent")
        )
        point = primary_point(evaluation, name, primary)
        for window in WINDOWS:
            keys = {"finding": name, "model_id": primary, "window": window}
            mature = analysis.cases(name, primary, window)
            first = _Model(mature.take(mature.is_decided), point, index_test)
            weighed = _weighed(first.cases, sampled, name)
            for model in index_test.models:
                if model.primary:
                    continue
                other = analysis.cases(name, model.id, window)
                second = _Model(
                    other.take(other.is_decided),
                    primary_point(evaluation, name, model.id),
                    index_test,
                )
                place = figures.at(**keys, comparator=model.id)
                _give_model(place, first, second, weighed, level)
            for reader, reason, group in _readers(first, used, is_independent, readers_agreed):
                place = figures.at(**keys, comparator=reader)
                why = reason or first.refusal
                if why is not None:
                    _refuse_shares(place, why, group.case.size)
                else:
                    _give_shares(place, first, group, weighed, level)
    return figures.frame()


class _Model(NamedTuple):
    """A model on decided cases, which are the same for each model, in the same order."""

    cases: CaseSet
    point: OperatingPoint | None
    index_test: IndexTest

    @property
    def refusal(self) -> Code | None:
        """Why no case is called, if none is."""
        if not self.cases.is_usable.any():
            return NO_INFERENCE
        is_called = self.point is not None or self.index_test.output.kind == "binary"
        return None if is_called else NO_POINT

    def is_right(self) -> BoolArray:
        """Whether each call is that of the label."""
        flagged = called(self.cases, self.point, self.index_test).is_flagged
        return np.asarray(flagged == self.cases.is_positive)


class _Reads(NamedTuple):
    """Reads of decided cases: which case each is of, and whether it is right."""

    case: IntArray
    is_right: BoolArray


_Weighed = Mapping[str, Weighing]


def _weighed(decided: CaseSet, sampled: SampledCases, finding: str) -> _Weighed:
    """Say how cases count in the figures of either side."""
    positive = decided.is_positive
    groups = {
        "sensitivity": (positive,),
        "specificity": (~positive,),
        "auc": (positive, ~positive),
    }
    return {
        metric: sampled.weigh(
            condition_of(f"primary_{metric}"), finding, decided.case_id, groups=masks
        )
        for metric, masks in groups.items()
    }


def _give_model(
    place: Place, first: _Model, second: _Model, weighed: _Weighed, level: float
) -> None:
    reason = first.refusal or second.refusal
    if reason is not None:
        _refuse_shares(place, reason, first.cases.n)
    else:
        every = np.arange(first.cases.n)
        _give_shares(place, first, _Reads(every, second.is_right()), weighed, level)
    _give_auc(place, first, second, weighed["auc"], level)


def _give_auc(
    place: Place, first: _Model, second: _Model, weighing: Weighing, level: float
) -> None:
    one, two = first.cases, second.cases
    reason = why_no_auc(one, first.index_test) or why_no_auc(two, second.index_test)
    if reason is not None:
        for metric in _OF_AUC:
            place.refuse(metric, reason, n=one.n, events=int(one.is_positive.sum()))
        return
    scores = [intention_to_diagnose_score(m.cases, m.index_test) for m in (first, second)]
    positive, patient = one.is_positive, one.patient
    sides = [weighing.area(score, positive, patient, level) for score in scores]
    place.give("primary_auc", sides[0].estimate)
    place.give("comparator_auc", sides[1].estimate)
    events = int(positive.sum())
    made = difference(*sides)
    place.give(
        "paired_difference_auc",
        made,
        n=one.n,
        events=events,
        method=coded("difference", made.method),
    )
    why_not = weighing.why_not(under_weights=False)
    if why_not is not None:
        place.refuse("paired_p_auc", why_not)
        return
    test = obuchowski_paired_test(scores[0], scores[1], positive, patient)
    place.give(
        "paired_p_auc",
        test.p,
        n=one.n,
        events=events,
        method=test.method,
        reason=test.reason,
        notes=weighing.notes if test.p is not None else (),
    )


def _readers(
    first: _Model, used: pl.DataFrame, is_independent: pl.DataFrame, readers_agreed: bool
) -> Iterator[tuple[str, Code | None, _Reads]]:
    """Give all readers together, then each alone, with their reads or why these are not used."""
    labels = pl.DataFrame(
        {
            "case_id": first.cases.case_id,
            "case": np.arange(first.cases.n),
            "is_positive": first.cases.is_positive,
        }
    )
    rated = used.join(labels, on="case_id").sort("case", "reader_id")
    known = rated.join(is_independent.filter("is_independent"), on="case_id", how="semi")
    reason = NO_READS if rated.is_empty() else READERS_MADE_LABELS if known.is_empty() else None
    if known["reader_id"].n_unique() == 1 and not readers_agreed:
        reason = NOT_AGREED
    yield READERS, reason, _reads(known.sort("case", "reader_id"))
    if readers_agreed and reason is None and known["reader_id"].n_unique() > 1:
        for (reader,), part in sorted(known.partition_by("reader_id", as_dict=True).items()):
            yield str(reader), None, _reads(part.sort("case"))


def _reads(frame: pl.DataFrame) -> _Reads:
    is_right = frame["is_flagged"] == frame["is_positive"]
    return _Reads(frame["case"].to_numpy(), is_right.to_numpy())


def _refuse_shares(place: Place, reason: Code, n: int) -> None:
    for metric in _SHARES:
        for part in _OF_SHARE:
            place.refuse(f"{part}{metric}", reason, n=n)


def _give_shares(
    place: Place, first: _Model, other: _Reads, weighed: _Weighed, level: float
) -> None:
    right = first.is_right()[other.case]
    positive, patient = first.cases.is_positive[other.case], first.cases.patient[other.case]
    for metric, among in (("sensitivity", positive), ("specificity", ~positive)):
        one, two, who = right[among], other.is_right[among], patient[among]
        weighing = weighed[metric].of_reads(other.case)
        everyone = first.cases.patient[other.case]
        for side, is_right in (("primary", right), ("comparator", other.is_right)):
            # Who is called as this class is could be right, were it of the class.
            may_succeed = np.asarray((is_right == positive) == (metric == "sensitivity"))
            made = weighing.share(is_right, among, everyone, level, may_succeed)
            place.give(f"{side}_{metric}", made.estimate)
        found = paired_proportions(one, two, who, level)
        n = found.difference.n
        place.count(f"only_primary_right_{metric}", found.only_first, n)
        place.count(f"only_comparator_right_{metric}", found.only_second, n)
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None:
            pair = (right, other.is_right)
            apart = weighing.paired_difference(pair, among, everyone, level)
            place.give(f"paired_difference_{metric}", apart)
            place.refuse(f"paired_p_{metric}", why_not)
            continue
        place.give(f"paired_difference_{metric}", weighing.said_of(found.difference))
        test = found.test
        place.give(
            f"paired_p_{metric}",
            test.p,
            n=n,
            events=found.only_first + found.only_second,
            method=test.method,
            reason=test.reason,
            notes=weighing.notes if test.p is not None else (),
        )
