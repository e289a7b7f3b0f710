"""What the figures would be with other labels: a sensitivity analysis beside the prespecified rule.

Labels without a reader, with readers drawn anew, with undecided cases flipped, as shares of belief,
and figures corrected for the panel's error. The rule of the protocol gives the headline, whatever
stands here. What does not belong here: how labels are made again (``adjudication/relabelling``),
how figures are corrected (``corrected``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import ReadBasis, included_reads, read_basis
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE
from vpack_pipeline.core.adjudication.latent import case_posteriors
from vpack_pipeline.core.adjudication.relabelling import Relabelling
from vpack_pipeline.core.evaluation.analysis import (
    NO_AUC,
    NO_INFERENCE,
    UNLABELLED,
    AnalysisSet,
    CaseSet,
    called,
    cells,
    generator,
    intention_to_diagnose_score,
    primary_point,
)
from vpack_pipeline.core.evaluation.corrected import (
    ASSUMPTIONS,
    BY_SOURCES,
    Assumption,
    PanelAccuracy,
    by_reads,
    by_sources,
    corrections,
    two_by_two,
)
from vpack_pipeline.core.evaluation.error_attribution import NO_POINT
from vpack_pipeline.core.evaluation.looks import WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.core.evaluation.performance import itd_auc
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding, IndexTest, OperatingPoint
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, undefined
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.resampling import percentile_interval
from vpack_pipeline.stats.roc import auc

ALL: Final = "all"
AS_LABELLED: Final = "as_labelled"
PANEL_LABELS: Final = "panel_labels"
DROP_READER: Final = "drop_reader"
RESAMPLED: Final = "resampled_panel"
UNDECIDED: Final = "undecided"
POSTERIOR: Final = "posterior"
DAWID_SKENE: Final = "dawid_skene"
METRICS: Final = ("sensitivity", "specificity", "auc")
HEADLINE: Final = "the prespecified rule: the headline, which the other rows do not replace"
SENSITIVITY: Final = "sensitivity analysis: the prespecified rule gives the headline"
NO_VALUE: Final = "no case of one class"
NO_READS: Final = "no reader made a reference read of an included case"
_CODES: Final = {NEGATIVE: 0, POSITIVE: 1, "indeterminate": 2}


def label_sensitivity(
    *,
    time_split: pl.DataFrame,
    reference_standard: pl.DataFrame,
    inferences: pl.DataFrame,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    included: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    adjudication: Adjudication,
    evaluation: Evaluation,
    published_looks: pl.DataFrame,
    cut: datetime.date,
) -> pl.DataFrame:
    """Give sensitivity, specificity and AUC of included, mature cases under other labels.

    At the operating point that speaks for the model; failed inferences count as the protocol says.

    Parameters
    ----------
    time_split, reference_standard, inferences : one row per case × finding (× model)
    cases, reads, reference : tables of section cohort
    included : eligibility/included

    Returns
    -------
    figures by finding, model, window, variation and level: ``as_labelled``; ``drop_reader`` (level:
    a reader), labels made again without that reader's reads; ``resampled_panel``, the median over
    panels drawn with replacement within each case, with percentiles of the draws as bounds;
    ``undecided`` (level: positive or negative), every case without a decided label taken as such;
    ``posterior``, cases weighted by their probability of being positive; ``panel_labels``, against
    the panel's own labels, made from reads alone; and that corrected for the panel's error, known
    from independent sources or from the reads (:mod:`corrected`), at each error correlation.
    ``n`` and ``events`` are those of the headline, but where undecided cases are flipped: counts of
    labels made again would say of how few cases the label turned, and a figure without counts would
    be printed where the headline is hidden for small ones.
    What takes readers one by one is refused where reads followed sight of peers.
    """
    figures = WindowedFigures(
        ["finding", "model_id", "window", "variation", "level"], evaluation, cut, published_looks
    )
    analysis = AnalysisSet(
        time_split=time_split,
        reference_standard=reference_standard,
        inferences=inferences,
        index_test=index_test,
    )
    known = included_reads(reads, included, findings)
    made = {
        finding.name: _Labels.of(
            Relabelling.of(
                cases=cases,
                reads=reads,
                reference=reference,
                included=included,
                finding=finding,
                adjudication=adjudication,
            ),
            read_basis(known, finding.name),
            analysis,
            evaluation,
        )
        for finding in findings
    }
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        point = primary_point(evaluation, finding, model_id)
        under = _Under(mature, point, index_test, evaluation.interval.level)
        at = {"finding": finding, "model_id": model_id, "window": window}
        place = _Writer(figures, at, under.estimates(mature))
        _give(place, under, made[finding])
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Labels:
    """Every other set of labels of one finding, made once for all models and windows."""

    dropped: dict[str, pl.DataFrame]
    drawn_ids: pl.Series
    drawn: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    posterior: pl.DataFrame | str
    panel: pl.DataFrame
    panels: Panels
    accuracies: dict[tuple[str, Assumption], PanelAccuracy | str]
    refusal: str | None

    @classmethod
    def of(
        cls, again: Relabelling, basis: ReadBasis, analysis: AnalysisSet, evaluation: Evaluation
    ) -> _Labels:
        name = again.finding.name
        panels = Panels.of(basis, name, analysis, evaluation)
        panel = again.by_panel()
        sources = by_sources(panel, panels, analysis, again.adjudication)
        accuracies = {
            (correction, assumed): sources
            if correction == BY_SOURCES
            else by_reads(panels, assumed.which)
            for correction, assumptions in ASSUMPTIONS.items()
            for assumed in assumptions
        }
        refusal = basis.refusal or (None if basis.reads.height else NO_READS)
        ids, drawn = pl.Series("case_id", [], pl.String), [np.zeros((0, 0), dtype=np.int8)]
        if refusal is None:
            rng = generator(evaluation.seed, "label_sensitivity", name)
            found = list(again.drawn(evaluation.replicates, rng))
            ids, drawn = found[0][0], [codes for _, codes in found]
        return cls(
            dropped={r: again.without(r) if refusal is None else panel for r in again.readers},
            drawn_ids=ids,
            drawn=np.concatenate(drawn),
            posterior=case_posteriors(basis),
            panel=panel,
            panels=panels,
            accuracies=accuracies,
            refusal=refusal,
        )


@dataclass(frozen=True, slots=True)
class _Under:
    """The mature cases of a cell, and their figures under any labels."""

    mature: CaseSet
    point: OperatingPoint | None
    index_test: IndexTest
    level: float

    def relabelled(self, labels: pl.DataFrame) -> CaseSet:
        """Put other labels in place of those in force; a case without one is undecided."""
        found = self.mature.joined(labels, "label")
        code = found.replace_strict(_CODES, default=UNLABELLED, return_dtype=pl.Int8)
        return replace(self.mature, label=code.to_numpy())

    def estimates(self, cases: CaseSet) -> dict[str, Estimate]:
        """Give sensitivity, specificity and AUC with their intervals by patient."""
        found = {m: undefined(NO_POINT, method="", n=cases.n) for m in METRICS[:2]}
        if not cases.is_usable.any():
            found = {m: undefined(NO_INFERENCE, method="", n=cases.n) for m in METRICS[:2]}
        elif self.point is not None:
            table = tabulate(cases, self.point, self.index_test, ITD)
            for metric in METRICS[:2]:
                among, right = share(table, metric)
                found[metric] = clustered_proportion(right[among], cases.patient[among], self.level)
        found["auc"] = itd_auc(cases.take(cases.is_decided), self.index_test, self.level)
        return found

    def values(self, cases: CaseSet, chance: FloatArray) -> dict[str, float | None]:
        """Give the figures without intervals, cases counting as positive by a chance (n,).

        Each case is taken twice, as positive with its chance and as negative with the rest; nan
        leaves it out.
        """
        found: dict[str, float | None] = dict.fromkeys(METRICS)
        held = np.isfinite(chance)
        kept, weight = cases.take(held), np.concatenate([chance[held], 1 - chance[held]])
        sides = [replace(kept, label=np.full(kept.n, code, dtype=np.int8)) for code in (1, 0)]
        if not kept.is_usable.any():
            return found
        if self.point is not None:
            ill, well = (called(side, self.point, self.index_test).is_flagged for side in sides)
            found["sensitivity"] = _mean(ill, weight[: kept.n])
            found["specificity"] = _mean(~well, weight[kept.n :])
        if self.index_test.output.kind != "binary":
            score = [intention_to_diagnose_score(side, self.index_test) for side in sides]
            is_ill = np.arange(weight.size) < kept.n
            some = weight > 0
            found["auc"] = auc(np.concatenate(score)[some], is_ill[some], weight[some])
        return found

    def missing(self, metric: str) -> str:
        """Say why a figure is not to be had whatever the labels are."""
        if not self.mature.is_usable.any():
            return NO_INFERENCE
        if metric == "auc":
            return NO_AUC if self.index_test.output.kind == "binary" else NO_VALUE
        return NO_POINT if self.point is None else NO_VALUE


def _mean(right: BoolArray, weight: FloatArray) -> float | None:
    total = float(weight.sum())
    return float(weight[right].sum()) / total if total > 0 else None


@dataclass(frozen=True, slots=True)
class _Writer:
    figures: WindowedFigures
    place: dict[str, str]
    headline: dict[str, Estimate]

    def give(
        self,
        at: tuple[str, str],
        metric: str,
        estimate: Estimate,
        caution: str = "",
        *,
        has_own_counts: bool = False,
    ) -> None:
        """Write a figure, with the headline's counts unless its own are asked for."""
        where = self.figures.at(**self.place, variation=at[0], level=at[1])
        counted = estimate if has_own_counts else self.headline[metric.removesuffix("_corrected")]
        n, events = counted.n, counted.events
        if estimate.value is None:
            where.refuse(metric, str(estimate.reason), n=n, events=events)
            return
        reason = "; ".join(text for text in (estimate.reason, caution) if text) or None
        where.give(
            metric,
            estimate.value,
            lower=estimate.lower,
            upper=estimate.upper,
            n=n,
            events=events,
            method=estimate.method,
            reason=reason,
        )


def _give(place: _Writer, under: _Under, labels: _Labels) -> None:
    for metric, estimate in place.headline.items():
        place.give((AS_LABELLED, ALL), metric, estimate, HEADLINE)
    _give_undecided(place, under)
    for reader, again in labels.dropped.items():
        found = under.estimates(under.relabelled(again))
        if labels.refusal is not None:
            found = dict.fromkeys(METRICS, undefined(labels.refusal, method="", n=0))
        for metric, estimate in found.items():
            place.give((DROP_READER, reader), metric, estimate, SENSITIVITY)
    _give_drawn(place, under, labels)
    _give_posterior(place, under, labels.posterior)
    _give_corrected(place, under, labels)


def _give_undecided(place: _Writer, under: _Under) -> None:
    undecided = ~under.mature.is_decided
    for name in (POSITIVE, NEGATIVE):
        label = np.where(undecided, _CODES[name], under.mature.label).astype(np.int8)
        for metric, estimate in under.estimates(replace(under.mature, label=label)).items():
            place.give((UNDECIDED, name), metric, estimate, SENSITIVITY, has_own_counts=True)


def _give_drawn(place: _Writer, under: _Under, labels: _Labels) -> None:
    if labels.refusal is not None:
        for metric in METRICS:
            place.give((RESAMPLED, ALL), metric, undefined(labels.refusal, method="", n=0))
        return
    where = {case: i for i, case in enumerate(labels.drawn_ids)}
    columns = [where[case] for case in under.mature.case_id]
    values: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for label in labels.drawn[:, columns]:
        chance = np.where(np.isin(label, (0, 1)), label, np.nan).astype(np.float64)
        for metric, value in under.values(under.mature, chance).items():
            values[metric].append(np.nan if value is None else value)
    method = f"median of {len(labels.drawn)} panels drawn; bounds are percentiles of the draws"
    caution = f"{SENSITIVITY}; the bounds are the spread over panels, patients held fixed"
    for metric, found in values.items():
        drawn = np.array(found)
        interval = percentile_interval(drawn, under.level)
        known = drawn[np.isfinite(drawn)]
        value = float(np.median(known)) if known.size else None
        reason = None if known.size else under.missing(metric)
        estimate = Estimate(value, interval.lower, interval.upper, 0, None, method, reason)
        place.give((RESAMPLED, ALL), metric, estimate, caution)


def _give_posterior(place: _Writer, under: _Under, posterior: pl.DataFrame | str) -> None:
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    if not isinstance(posterior, str):
        chance = under.mature.joined(posterior, "p_positive").cast(pl.Float64).fill_null(np.nan)
        values = under.values(under.mature, chance.to_numpy())
    method = "cases weighted by their posterior under the Dawid–Skene model of all reads"
    for metric, value in values.items():
        reason = posterior if isinstance(posterior, str) else under.missing(metric)
        estimate = Estimate(
            value, None, None, 0, None, method, None if value is not None else reason
        )
        place.give((POSTERIOR, DAWID_SKENE), metric, estimate, SENSITIVITY)


def _give_corrected(place: _Writer, under: _Under, labels: _Labels) -> None:
    by_panel = under.relabelled(labels.panel)
    plain = under.estimates(by_panel)
    for metric in METRICS[:2]:
        place.give((PANEL_LABELS, ALL), metric, plain[metric], SENSITIVITY)
    if under.point is None or not by_panel.is_usable.any():
        for correction, assumed in labels.accuracies:
            for metric in METRICS[:2]:
                refused = undefined(under.missing(metric), method="", n=0)
                place.give((correction, assumed.name), f"{metric}_corrected", refused)
        return
    table = tabulate(by_panel, under.point, under.index_test, ITD)
    counts = two_by_two(table, labels.panels)
    size = labels.panels.size
    for correction, level, metric, estimate in corrections(
        counts, labels.accuracies, size, under.level
    ):
        place.give((correction, level), metric, estimate, SENSITIVITY)
