"""What the figures would be with other labels: a sensitivity analysis beside the prespecified rule.

Labels without a reader, with readers drawn anew, with undecided cases flipped, as shares of belief,
and figures corrected for the panel's error. The rule of the protocol gives the headline, whatever
stands here. What does not belong here: how labels are made again (``adjudication/relabelling``),
how figures are corrected (``corrected``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    NOT_AGREED,
    ReadBasis,
    included_reads,
    read_basis,
)
from vpack_pipeline.core.adjudication.common_factor import CORRELATIONS
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE, READ_COLUMNS
from vpack_pipeline.core.adjudication.latent import CAUTION, case_posteriors
from vpack_pipeline.core.adjudication.relabelling import Relabelling
from vpack_pipeline.core.adjudication.rules import PANEL
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_AUC,
    NO_INFERENCE,
    NO_POINT,
    UNLABELLED,
    Analysed,
    AnalysisSet,
    CaseSet,
    cells,
    generator,
)
from vpack_pipeline.core.evaluation.beliefs import (
    METRICS,
    OtherPanels,
    Sides,
    beliefs,
    likelihood_odds,
    output_groups,
    settled,
)
from vpack_pipeline.core.evaluation.corrected import (
    ALL_ASSUMED,
    ASSUMPTIONS,
    BY_SOURCES,
    Accuracies,
    Level,
    by_reads,
    by_sources,
    corrections,
    two_by_two,
    verified_by_patient,
)
from vpack_pipeline.core.evaluation.looks import WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, proportion, tabulate, weigh
from vpack_pipeline.core.evaluation.performance import itd_auc, weigh_area
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import (
    Adjudication,
    AnySampling,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
)
from vpack_pipeline.stats.codes import Code, Coded, Codes, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, undefined
from vpack_pipeline.stats.resampling import percentile_interval

ALL: Final = ("all", "all")
"""Kind of level and level of a variation that has none."""
AS_LABELLED: Final = "as_labelled"
PANEL_LABELS: Final = "panel_labels"
DROP_READER: Final = "drop_reader"
RESAMPLED: Final = "resampled_panel"
THIRD_READER: Final = "third_reader"
UNDECIDED: Final = "undecided"
POSTERIOR: Final = "posterior"
DAWID_SKENE: Final = ("model", "dawid_skene")
SENSITIVITY: Final = Code("sensitivity_analysis")
NO_VALUE: Final = Code("class_without_cases")
NO_READS: Final = Code("no_reference_reads")
_CODES: Final = {NEGATIVE: 0, POSITIVE: 1, "indeterminate": 2}


def label_sensitivity(
    *,
    case_view: pl.DataFrame,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    included: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    adjudication: Adjudication,
    evaluation: Evaluation,
    sampling: AnySampling,
    readers_agreed: bool,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give sensitivity, specificity and AUC of included, mature cases under other labels.

    At the operating point that speaks for the model; failed inferences count as the protocol says.

    Parameters
    ----------
    analysed : what the analysis set is made of
    case_view : eligibility/cases; ``stratum`` is the sampling stratum
    cases, reads, reference : tables of section cohort
    included : eligibility/included
    readers_agreed : whether each reader may stand alone

    Returns
    -------
    figures by finding, model, window, variation and level with its kind: ``as_labelled``;
    ``drop_reader`` (level: a reader), labels made again without that reader's reads, or, where
    readers may not stand alone, a refusal for all;
    ``resampled_panel`` (level: a correlation of readers' errors), the median over other panels of
    such readers, as fitted, with percentiles of the draws as bounds;
    ``undecided`` (level: positive or negative), every case without a decided label taken as such;
    ``posterior``, cases weighted by their probability of being positive, given their reads and the
    index test's output (:mod:`beliefs`); ``panel_labels``, against
    the panel's own labels, made from reads alone; and that corrected for the panel's error, known
    from independent sources or from the reads (:mod:`corrected`), at each error correlation.
    ``n`` and ``events`` are those of the headline, but where undecided cases are flipped: each
    figure stands beside the same cases, whatever labels they would have had.
    What takes readers one by one is refused where reads followed sight of peers. Where cases were
    not drawn alike, ``as_labelled`` is weighted or refused as ``sampling`` says; under other labels
    nothing is weighted, and what would be is refused.
    """
    figures = WindowedFigures("evaluation/label_sensitivity", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(case_view, sampling, evaluation)
    # Labels are made again and again: of cases and patients by number, that is much faster.
    cases, reads, reference, included = (
        analysis.numbered(frame)
        for frame in (
            cases.select("case_id", "patient_id", "index_date", "in_force"),
            reads.select(READ_COLUMNS),
            reference.select("case_id", "finding", "source", "label", "established_at", "in_force"),
            included.select("case_id", "patient_id"),
        )
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
            analysed["reference_standard"].filter(
                (pl.col("finding") == finding.name) & (pl.col("source") != PANEL)
            ),
            readers_agreed=readers_agreed,
        )
        for finding in findings
    }
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        point = primary_point(evaluation, finding, model_id)
        under = _Under(mature, point, index_test, evaluation.interval.level, sampled, finding)
        at = {"finding": finding, "model_id": model_id, "window": window}
        everyone = np.ones(mature.n, dtype=np.bool_)
        # Cases were drawn by the labels in force, if by any: other labels are conditional on none.
        of_others = sampled.weigh("nothing", finding, mature.case_id, groups=(everyone,))
        why_not = of_others.why_not(under_weights=False)
        place = _Writer(figures, at, under.estimates(mature), why_not)
        _give(place, under, made[finding])
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Labels:
    """Every other set of labels of one finding, made once for all models and windows."""

    dropped: dict[str, pl.DataFrame] | None
    """None where readers may not stand alone."""
    settled: pl.DataFrame
    least: int
    is_tie_broken: bool
    replicates: int
    seed: int
    posterior: pl.DataFrame | Code
    panel: pl.DataFrame
    panels: Panels
    accuracies: Accuracies
    refusal: Code | None

    @classmethod
    def of(
        cls,
        again: Relabelling,
        basis: ReadBasis,
        analysis: AnalysisSet,
        evaluation: Evaluation,
        settled: pl.DataFrame,
        *,
        readers_agreed: bool,
    ) -> _Labels:
        name = again.finding.name
        panel = again.by_panel()
        beside = verified_by_patient(panel, analysis)
        panels = Panels.of(basis, name, analysis, evaluation, beside)
        sources = by_sources(panel, panels, analysis, again.adjudication)
        accuracies = {
            (correction, assumed): sources
            if correction == BY_SOURCES
            else by_reads(panels, assumed.which, again.adjudication)
            for correction, assumptions in ASSUMPTIONS.items()
            for assumed in assumptions
        }
        refusal = basis.refusal or (None if basis.reads.height else NO_READS)
        return cls(
            dropped={r: again.without(r) if refusal is None else panel for r in again.readers}
            if readers_agreed
            else None,
            settled=settled,
            least=again.adjudication.minimum_readers,
            is_tie_broken=THIRD_READER in again.adjudication.precedence,
            replicates=evaluation.replicates,
            seed=evaluation.seed,
            posterior=case_posteriors(basis),
            panel=panel,
            panels=panels,
            accuracies=accuracies,
            refusal=refusal,
        )

    def is_settled(self, cases: CaseSet) -> BoolArray:
        """Mark the cases whose label is an independent source's."""
        return cases.are_among(self.settled["case_id"])


@dataclass(frozen=True, slots=True)
class _Under:
    """The mature cases of a cell, and their figures under any labels."""

    mature: CaseSet
    point: OperatingPoint | None
    index_test: IndexTest
    level: float
    sampled: SampledCases
    finding: str

    def relabelled(self, labels: pl.DataFrame) -> CaseSet:
        """Put other labels in place of those in force; a case without one is undecided."""
        found = self.mature.joined(labels, "label")
        code = found.replace_strict(_CODES, default=UNLABELLED, return_dtype=pl.Int8)
        return replace(self.mature, label=code.to_numpy())

    def estimates(self, cases: CaseSet) -> dict[str, Estimate]:
        """Give sensitivity, specificity and AUC with their intervals by patient."""
        found = {m: undefined(NO_POINT, method=(), n=cases.n) for m in METRICS[:2]}
        if not cases.is_usable.any():
            found = {m: undefined(NO_INFERENCE, method=(), n=cases.n) for m in METRICS[:2]}
        elif self.point is not None:
            table = tabulate(cases, self.point, self.index_test, ITD)
            for metric in METRICS[:2]:
                weighing = weigh(table, metric, self.sampled, self.finding)
                found[metric] = proportion(table, metric, weighing, self.level)
        decided = cases.take(cases.is_decided)
        weighing = weigh_area(self.sampled, self.finding, decided)
        found["auc"] = itd_auc(decided, self.index_test, self.level, weighing)
        return found

    def missing(self, metric: str) -> Code:
        """Say why a figure is not to be had whatever the labels are."""
        if not self.mature.is_usable.any():
            return NO_INFERENCE
        if metric == "auc":
            return NO_AUC if self.index_test.output.kind == "binary" else NO_VALUE
        return NO_POINT if self.point is None else NO_VALUE


@dataclass(frozen=True, slots=True)
class _Writer:
    figures: WindowedFigures
    place: dict[str, str]
    headline: dict[str, Estimate]
    why_not: Code | None
    """Why there is no figure under other labels, for the way in which cases were drawn."""

    def give(
        self,
        variation: str,
        level: Level,
        metric: str,
        estimate: Estimate,
        notes: Codes | Coded = (),
        *,
        has_own_counts: bool = False,
    ) -> None:
        """Write a figure, with the headline's counts unless its own are asked for."""
        kind, name = level
        where = self.figures.at(**self.place, variation=variation, level_kind=kind, level=name)
        counted = estimate if has_own_counts else self.headline[metric.removesuffix("_corrected")]
        n, events = counted.n, counted.events
        if self.why_not is not None and variation != AS_LABELLED:
            estimate = undefined(self.why_not, method=(), n=0)
        beside = () if estimate.value is None else notes
        where.give(metric, replace(estimate, n=n, events=events), notes=beside)


def _give(place: _Writer, under: _Under, labels: _Labels) -> None:
    for metric, estimate in place.headline.items():
        place.give(AS_LABELLED, ALL, metric, estimate, "prespecified_rule")
    _give_undecided(place, under)
    _give_without_readers(place, under, labels)
    _give_drawn(place, under, labels)
    _give_posterior(place, under, labels)
    _give_corrected(place, under, labels)


def _give_without_readers(place: _Writer, under: _Under, labels: _Labels) -> None:
    if labels.dropped is None:
        for metric in METRICS:
            place.give(DROP_READER, ALL, metric, undefined(NOT_AGREED, method=(), n=0))
        return
    for reader, again in labels.dropped.items():
        found = under.estimates(under.relabelled(again))
        if labels.refusal is not None:
            found = dict.fromkeys(METRICS, undefined(labels.refusal, method=(), n=0))
        for metric, estimate in found.items():
            place.give(DROP_READER, ("reader", reader), metric, estimate, SENSITIVITY)


def _give_undecided(place: _Writer, under: _Under) -> None:
    undecided = ~under.mature.is_decided
    for name in (POSITIVE, NEGATIVE):
        label = np.where(undecided, _CODES[name], under.mature.label).astype(np.int8)
        for metric, estimate in under.estimates(replace(under.mature, label=label)).items():
            at = ("label", name)
            place.give(UNDECIDED, at, metric, estimate, SENSITIVITY, has_own_counts=True)


def _give_drawn(place: _Writer, under: _Under, labels: _Labels) -> None:
    cases, panels = under.mature, labels.panels
    by_source = labels.is_settled(cases)
    sides = Sides.of(cases, under.point, under.index_test)
    group = output_groups(cases, under.point, under.index_test)
    for which, rho in enumerate(CORRELATIONS):
        level = ("error_correlation", f"{rho:g}")
        method = coded(
            code("median_of_panels", panels=labels.replicates),
            "percentiles_of_draws",
            "readers_latent_class",
            code("error_correlation_assumed", correlation=rho),
        )
        refusal = panels.refusal or panels.rates[which].refusal
        if refusal is not None:
            for metric in METRICS:
                place.give(RESAMPLED, level, metric, undefined(refusal, method=(), n=0))
            continue
        others = OtherPanels.of(
            cases,
            by_source,
            group,
            panels,
            which,
            least=labels.least,
            is_tie_broken=labels.is_tie_broken,
        )
        rng = generator(labels.seed, "another_panel", *place.place.values(), f"{rho:g}")
        for metric, drawn in others.figures(sides, labels.replicates, rng).items():
            interval = percentile_interval(drawn, under.level)
            known = drawn[np.isfinite(drawn)]
            value = float(np.median(known)) if known.size else None
            reason = None if known.size else under.missing(metric)
            bounds = (interval.lower, interval.upper)
            estimate = Estimate(value, *bounds, 0, None, method, reason)
            notes = coded(SENSITIVITY, "another_panel")
            place.give(RESAMPLED, level, metric, estimate, notes)


def _give_posterior(place: _Writer, under: _Under, labels: _Labels) -> None:
    cases, posterior = under.mature, labels.posterior
    values: dict[str, float] = dict.fromkeys(METRICS, np.nan)
    if not isinstance(posterior, Code):
        chance = cases.joined(posterior, "p_positive").cast(pl.Float64).fill_null(np.nan)
        # Where the model has settled, its prevalence is the mean of its posteriors.
        prior = float(posterior["p_positive"].mean())  # type: ignore[arg-type]
        odds = likelihood_odds(chance.to_numpy(), prior)
        odds = settled(cases, labels.is_settled(cases), odds)
        sides = Sides.of(cases, under.point, under.index_test)
        belief = beliefs(odds, output_groups(cases, under.point, under.index_test))
        held = np.where(np.isnan(belief), 0.0, belief), np.where(np.isnan(belief), 0.0, 1 - belief)
        found = sides.figures(held[0][None], held[1][None])
        values = {metric: float(value[0]) for metric, value in found.items()}
    method = coded("fitted_to_reads_and_output", "errors_of_dawid_skene", "settled_by_source")
    notes = coded(SENSITIVITY, CAUTION, "index_test_errs_apart")
    for metric, value in values.items():
        reason = posterior if isinstance(posterior, Code) else under.missing(metric)
        estimate = Estimate(value, None, None, 0, None, method)
        if np.isnan(value):
            estimate = undefined(reason, method=method, n=0)
        place.give(POSTERIOR, DAWID_SKENE, metric, estimate, notes)


def _give_corrected(place: _Writer, under: _Under, labels: _Labels) -> None:
    by_panel = under.relabelled(labels.panel)
    plain = under.estimates(by_panel)
    for metric in METRICS[:2]:
        place.give(PANEL_LABELS, ALL, metric, plain[metric], SENSITIVITY)
    if under.point is None or not by_panel.is_usable.any():
        levels = [(correction, assumed.level) for correction, assumed in labels.accuracies]
        for at in (*levels, *((correction, ALL_ASSUMED) for correction in ASSUMPTIONS)):
            for metric in METRICS[:2]:
                refused = undefined(under.missing(metric), method=(), n=0)
                place.give(*at, f"{metric}_corrected", refused)
        return
    table = tabulate(by_panel, under.point, under.index_test, ITD)
    counts = two_by_two(table, labels.panels)
    size = labels.panels.size
    for correction, level, metric, estimate in corrections(
        counts, labels.accuracies, size, under.level
    ):
        place.give(correction, level, metric, estimate, SENSITIVITY)
