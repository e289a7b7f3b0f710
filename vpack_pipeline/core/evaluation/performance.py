"""Who was counted, and how well the index test ranks them: counts, prevalence and AUC.

What does not belong here: anything that needs a threshold (``operating_points``), but for the
unaided readers, who have one of their own.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.adjudication.basis import NOT_AGREED
from vpack_pipeline.core.adjudication.evidence import POSITIVE as READ_POSITIVE
from vpack_pipeline.core.adjudication.reader_performance import THESE_READERS
from vpack_pipeline.core.evaluation.analysis import (
    INDETERMINATE,
    NEGATIVE,
    NO_AUC,
    NO_INFERENCE,
    POSITIVE,
    UNLABELLED,
    Analysed,
    AnalysisSet,
    CaseSet,
    cells,
    intention_to_diagnose_score,
    is_wrong_anyhow,
    score_ends,
)
from vpack_pipeline.core.evaluation.bounds import auc_bounds, best_with_errors
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.unaided import READERS, comparator_reads
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.windows import OUTSIDE, WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.auc_interval import SCORE
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.difference import Side, without_figure
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.roc import ONE_CLASS

_OPEN: Final = frozenset({"n_cases", "n_patients", "n_immature", "n_failed", "n_reads"})
_LABELS: Final = {
    "n_positive": POSITIVE,
    "n_negative": NEGATIVE,
    "n_indeterminate": INDETERMINATE,
    "n_undecided": UNLABELLED,
}


def performance(
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
    """Count the analysis set and give prevalence and AUC, by finding, model and window.

    ``auc`` counts failed inferences as the protocol says (intention to diagnose);
    ``auc_worst_case`` and ``auc_best_case`` give cases without a decided label the labels that
    are worst and best for the model. Under the window ``outside`` stand the cases and patients
    that were included and whose index date lies in neither window: no figure counts them.
    Unaided readers stand under the model id ``unaided_readers``: their comparator reads pooled,
    with patients as clusters, which says nothing of other readers; and where ``readers_agreed``
    and there are several, each reader's, under the stratum of their pseudonym. One reader alone is
    not given unless they agreed. Where cases were not drawn alike, figures are weighted or refused
    as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures(
        "evaluation/performance",
        evaluation,
        cut,
        published_looks,
        open_metrics=_OPEN,
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    for finding, model_id, window in cells(findings, index_test):
        place = figures.at(finding=finding, model_id=model_id, window=window, stratum="all")
        mature = analysis.cases(finding, model_id, window)
        n_immature = analysis.cases(finding, model_id, window, is_mature=False).n
        _give_counts(place, mature, n_immature)
        ranking = _Ranking(sampled, finding, index_test, evaluation.interval.level)
        ranking.give(place, mature)
    for finding_rated in findings:
        for model in index_test.models:
            _give_outside(figures, analysis, finding_rated.name, model.id)
        for window in WINDOWS:
            mature = analysis.cases(finding_rated.name, index_test.primary.id, window)
            decided = mature.take(mature.is_decided)
            weighed = {
                metric: sampled.weigh(
                    condition_of(metric), finding_rated.name, decided.case_id, groups=(among,)
                )
                for metric, among in (
                    ("sensitivity", decided.is_positive),
                    ("specificity", ~decided.is_positive),
                )
            }
            used = comparator_reads(reads, finding_rated)
            for reader, own in _by_reader(used, mature, may_be_one=readers_agreed):
                place = figures.at(
                    finding=finding_rated.name, model_id=READERS, window=window, stratum=reader
                )
                rated = _Rated(decided, own, evaluation.interval.level)
                rated.give(place, weighed, may_be_one=readers_agreed)
    return figures.frame()


def _by_reader(
    used: pl.DataFrame, cases: CaseSet, *, may_be_one: bool
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give the reads of all, and those of each reader where there are several who agreed to it."""
    here = used.join(pl.DataFrame({"case_id": cases.case_id}), on="case_id", how="semi")
    yield "all", here
    readers = here["reader_id"].unique().sort()
    if may_be_one and readers.len() > 1:
        for reader in readers:
            yield reader, here.filter(pl.col("reader_id") == reader)


def _give_counts(place: Place, mature: CaseSet, n_immature: int) -> None:
    n_included = mature.n + n_immature
    counts = [
        ("n_cases", mature.n, n_included),
        ("n_patients", mature.n_patients, mature.n),
        ("n_immature", n_immature, n_included),
        ("n_failed", int((~mature.is_usable).sum()), mature.n),
        *((name, int((mature.label == code).sum()), mature.n) for name, code in _LABELS.items()),
    ]
    for metric, count, n in counts:
        place.count(metric, count, n)


def _give_outside(
    figures: WindowedFigures, analysis: AnalysisSet, finding: str, model_id: str
) -> None:
    """Count those whom no window holds, so that the included can be followed to the analysed."""
    outside, *inside = (
        analysis.cases(finding, model_id, window, is_mature=None) for window in (OUTSIDE, *WINDOWS)
    )
    place = figures.at(finding=finding, model_id=model_id, window=OUTSIDE, stratum="all")
    place.count("n_cases", outside.n, outside.n + sum(cases.n for cases in inside))
    place.count("n_patients", outside.n_patients, outside.n)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Gives what needs no threshold of the mature cases of one finding, model and window."""

    sampled: SampledCases
    finding: str
    index_test: IndexTest
    level: float

    def give(self, place: Place, mature: CaseSet) -> None:
        decided = mature.take(mature.is_decided)
        everyone = np.ones(decided.n, dtype=np.bool_)
        weighing = self.sampled.weigh(
            condition_of("prevalence"), self.finding, decided.case_id, groups=(everyone,)
        )
        positive = decided.is_positive
        prevalence = weighing.proportion(positive, everyone, decided.patient, self.level)
        place.give("prevalence", prevalence)
        completed = decided.take(decided.is_usable)
        for metric, ranked in (("auc", decided), ("auc_completed_only", completed)):
            weighing = weigh_area(self.sampled, self.finding, ranked)
            place.give(metric, itd_auc(ranked, self.index_test, self.level, weighing))
        of_range = condition_of("auc" if mature.is_decided.all() else "auc_worst_case")
        groups = (mature.is_positive, mature.is_decided & ~mature.is_positive)
        weighing = self.sampled.weigh(of_range, self.finding, mature.case_id, groups=groups)
        _give_bounds(place, mature, self.index_test, weighing)


def weigh_area(sampled: SampledCases, finding: str, decided: CaseSet) -> Weighing:
    """Say how cases count in an area, by the way in which they were drawn."""
    groups = (decided.is_positive, ~decided.is_positive)
    return sampled.weigh(condition_of("auc"), finding, decided.case_id, groups=groups)


def itd_auc(decided: CaseSet, index_test: IndexTest, level: float, weighing: Weighing) -> Estimate:
    """AUC of decided cases by intention to diagnose, with an interval by patient."""
    if why_no_auc(decided, index_test) is not None:
        return itd_area(decided, index_test, level, weighing).estimate
    score = intention_to_diagnose_score(decided, index_test)
    return weighing.auc(score, decided.is_positive, decided.patient, level)


def itd_area(decided: CaseSet, index_test: IndexTest, level: float, weighing: Weighing) -> Side:
    """Give the same as one side of a difference."""
    reason = why_no_auc(decided, index_test)
    if reason is not None:
        events = int(decided.is_positive.sum())
        return without_figure(undefined(reason, method=SCORE, n=decided.n, events=events))
    score = intention_to_diagnose_score(decided, index_test)
    return weighing.area(score, decided.is_positive, decided.patient, level)


def why_no_auc(decided: CaseSet, index_test: IndexTest) -> Code | None:
    """Say why these cases cannot be ranked, if they cannot."""
    if index_test.output.kind == "binary":
        return NO_AUC
    return None if decided.is_usable.any() else NO_INFERENCE


def _give_bounds(place: Place, mature: CaseSet, index_test: IndexTest, weighing: Weighing) -> None:
    n, n_undecided = mature.n, int((~mature.is_decided).sum())
    names = ("auc_worst_case", "auc_best_case")
    reason = why_no_auc(mature, index_test) or weighing.why_not(under_weights=False)
    if reason is not None:
        for metric in names:
            place.refuse(metric, reason, n=n, events=n_undecided)
        return
    score = intention_to_diagnose_score(mature, index_test)
    decided = mature.is_decided
    is_wrong = is_wrong_anyhow(mature, index_test)
    labelled = (score[decided], mature.is_positive[decided])
    unlabelled = score[~decided & ~is_wrong]
    values = (
        auc_bounds(*labelled, unlabelled, int(is_wrong.sum())).worst,
        best_with_errors(
            *labelled, unlabelled, int(is_wrong.sum()), score_ends(mature, index_test)
        ),
    )
    for metric, value in zip(names, values, strict=True):
        place.give(
            metric,
            value,
            n=n,
            events=n_undecided,
            method="all_labels_tried",
            reason=ONE_CLASS,
            notes=weighing.notes,
        )


@dataclass(frozen=True, slots=True)
class _Rated:
    """Comparator reads of mature cases, and the labels of those that are decided."""

    decided: CaseSet
    reads: pl.DataFrame
    level: float

    def give(self, place: Place, weighed: dict[str, Weighing], *, may_be_one: bool) -> None:
        """Give the readers' sensitivity and specificity, their reads pooled."""
        n_reads = self.reads.height
        labels = pl.DataFrame(
            {
                "case_id": self.decided.case_id,
                "is_positive": self.decided.is_positive,
                "case": np.arange(self.decided.n),
            }
        )
        rated = self.reads.join(labels, on="case_id").sort("case_id", "reader_id")
        place.count("n_reads", n_reads, n_reads)
        called = (rated["class"] == READ_POSITIVE).to_numpy()
        positive, case = rated["is_positive"].to_numpy(), rated["case"].to_numpy()
        for metric, among in (("sensitivity", positive), ("specificity", ~positive)):
            if not n_reads:
                place.refuse(metric, "no_comparator_reads", n=0)
                continue
            if not may_be_one and rated["reader_id"].n_unique() == 1:
                place.refuse(metric, NOT_AGREED)
                continue
            right = np.asarray(called == positive)
            patient = self.decided.patient[case]
            weighing = weighed[metric].of_reads(case)
            found = weighing.proportion(right, among, patient, self.level)
            place.give(metric, found, notes=THESE_READERS)
