"""Sensitivity and specificity of the index test, corrected for the error of the panel's labels.

Gart & Buck (1966) and Staquet et al. (1981), with Vacek's (1985) covariance where errors are
correlated (``stats/label_error``). The panel's own labels are taken, made from reads alone: those
of an independent source have no panel error. What does not belong here: whether a case is positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.common_factor import CORRELATIONS, SCENARIOS
from vpack_pipeline.core.adjudication.panel_error import panel_error
from vpack_pipeline.core.adjudication.verified_panel import (
    IF_BY_CALL,
    KINDS,
    NO_PANEL,
    NO_SOURCE,
    verified_counts,
)
from vpack_pipeline.core.evaluation.analysis import AnalysisSet
from vpack_pipeline.core.evaluation.operating_points import Crossed
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.protocol import Adjudication
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, IntArray, undefined
from vpack_pipeline.stats.label_error import Replicates, corrected_estimates
from vpack_pipeline.stats.verification_bias import begg_greenes, corrected_shares

BY_READS: Final = "corrected_by_reads"
BY_SOURCES: Final = "corrected_by_independent_sources"
LEAST_VERIFIED: Final = 30
TOO_FEW_VERIFIED: Final = code("few_cases_verified", fewest=LEAST_VERIFIED)
UNUSUAL: Final = Code("panel_unusual")
ASSUMED: Final = coded("correlation_assumed", SCENARIOS)
ALL_ASSUMED: Final = ("assumptions", "range")
"""Kind and level of the range over all that is assumed."""
_SIDES: Final = ("sensitivity_corrected", "specificity_corrected")


Level = tuple[str, str]
"""Kind of level and level of a row."""


class Assumption(NamedTuple):
    """A correlation of any two readers' latent errors, and whether the model shares it."""

    which: int
    model_shares: bool = True

    @property
    def correlation(self) -> float:
        """ρ of the readers."""
        return CORRELATIONS[self.which]

    @property
    def level(self) -> Level:
        """As the table has it."""
        kind = "error_correlation" if self.model_shares else "error_correlation_of_readers"
        return kind, f"{self.correlation:g}"

    @property
    def method(self) -> Code:
        """As the method has it."""
        shared = "error_correlation_shared"
        name = shared if self.model_shares else "error_correlation_of_readers"
        return code(name, correlation=self.correlation)


_SHARED: Final = tuple(Assumption(which) for which in range(len(CORRELATIONS)))
_APART: Final = tuple(
    Assumption(which, model_shares=False) for which, rho in enumerate(CORRELATIONS) if rho > 0
)
ASSUMPTIONS: Final = {BY_SOURCES: _SHARED, BY_READS: (*_SHARED, *_APART)}
"""Correction → what is assumed. Independent sources show the panel's error whatever the correlation
of its readers, so that only the model's correlation with them is left to assume."""


@dataclass(frozen=True, slots=True)
class PanelAccuracy:
    """The panel's sensitivity and specificity, (1 + B,) each: the sample, then its replicates."""

    sensitivity: FloatArray
    specificity: FloatArray
    notes: Codes
    method: Codes


Accuracies = Mapping[tuple[str, Assumption], PanelAccuracy | Estimate]
"""Correction and assumption → the panel's accuracy, or an undefined figure that says why not."""


def by_sources(
    panel_labels: pl.DataFrame, panels: Panels, analysis: AnalysisSet, adjudication: Adjudication
) -> PanelAccuracy | Estimate:
    """The panel's accuracy as independent sources have it, or an undefined figure that says why.

    Verified cases stand for the others of the panel's call (Begg & Greenes 1983), in each replicate
    too: among verified cases alone a panel whose positives are sought out misses too little.

    Parameters
    ----------
    panel_labels : ``case_id``, ``patient_id``, ``label`` of the panel, ``reference_label``; cases
        and patients as ``analysis`` has numbered them
    """
    if set(adjudication.precedence) <= {"independent_reference"}:
        return _none(NO_PANEL)
    if not adjudication.reference_sources:
        return _none(NO_SOURCE)
    decided = panel_labels.filter(pl.col("label").is_in(["positive", "negative"])).select(
        "patient_id", "reference_label", panel_label="label"
    )
    counts = verified_counts(decided)
    if min(counts.tp + counts.fn, counts.tn + counts.fp) < LEAST_VERIFIED:
        return _none(TOO_FEW_VERIFIED)
    refused = begg_greenes(counts)[0]
    if refused.value is None:
        return replace(refused, notes=coded("held_against_sources"))
    return PanelAccuracy(
        *corrected_shares(panels.totals(verified_by_patient(panel_labels, analysis))),
        coded(IF_BY_CALL, "read_may_know_source"),
        coded("panel_error_by_sources"),
    )


def verified_by_patient(panel_labels: pl.DataFrame, analysis: AnalysisSet) -> IntArray:
    """Count each patient's cases by the panel's call and the source's label, ``KINDS``: (P, 6)."""
    columns = []
    for label, source in KINDS:
        is_source = pl.col("reference_label").eq_missing(pl.lit(source, pl.String))
        met = panel_labels.filter((pl.col("label") == label) & is_source)["patient_id"]
        columns.append(np.bincount(met.cast(pl.Int64).to_numpy(), minlength=analysis.n_patients))
    return np.column_stack(columns)


def _none(why: Code) -> Estimate:
    return undefined(why, method=(), n=0)


def by_reads(panels: Panels, which: int, adjudication: Adjudication) -> PanelAccuracy | Estimate:
    """The accuracy of a majority of the usual size, at a correlation of its readers' errors.

    A further reader who breaks ties makes a panel of two, or of three of one mind, one of three:
    exactly, at any correlation, if that reader is one more of their kind.
    """
    if panels.refusal is not None:
        return _none(panels.refusal)
    if not panels.is_usual(is_tie_broken="third_reader" in adjudication.precedence):
        return _none(UNUSUAL)
    rates = panels.rates[which]
    if rates.refusal is not None:
        return _none(rates.refusal)
    _, ill, well = rates
    made = panel_error(ill, well, np.full(len(ill), 0.5), panels.size, CORRELATIONS[which])
    method = coded(code("panel_error_of_majority", readers=panels.size), "readers_latent_class")
    notes = coded("panel_error_from_reads")
    return PanelAccuracy(made.sensitivity, made.specificity, notes, method)


def two_by_two(table: Crossed, panels: Panels) -> FloatArray:
    """Count tp, fp, fn, tn of the index test against the panel's labels: (1 + B, 4)."""
    missed, alarmed = table.positive & ~table.hit, table.negative & ~table.cleared
    masks = (table.hit, alarmed, missed, table.cleared)
    return panels.totals(panels.by_patient(table.cases, *masks))


def corrections(
    counts: FloatArray,
    accuracies: Accuracies,
    size: int,
    level: float,
) -> Iterator[tuple[str, Level, str, Estimate]]:
    """Correct the index test's figures at each correlation and for each source of panel error.

    Parameters
    ----------
    counts : of :func:`two_by_two`
    accuracies : by correction and assumption; an undefined figure where there is none
    size : votes of a panel

    Yields
    ------
    correction, level of the assumption or ``ALL_ASSUMED``, metric, estimate
    """
    found: dict[tuple[str, str], list[Estimate]] = {}
    for correction, assumed, metric, estimate in _each(counts, accuracies, size, level):
        found.setdefault((correction, metric), []).append(estimate)
        yield correction, assumed, metric, estimate
    for (correction, metric), estimates in found.items():
        yield correction, ALL_ASSUMED, metric, over_assumptions(estimates, correction)


def _each(
    counts: FloatArray,
    accuracies: Accuracies,
    size: int,
    level: float,
) -> Iterator[tuple[str, Level, str, Estimate]]:
    for (correction, assumed), accuracy in accuracies.items():
        place = (correction, assumed.level)
        if isinstance(accuracy, Estimate):
            for metric in _SIDES:
                yield (*place, metric, accuracy)
            continue
        found = corrected_estimates(
            counts[0],
            float(accuracy.sensitivity[0]),
            float(accuracy.specificity[0]),
            correlation=assumed.correlation if assumed.model_shares else 0.0,
            readers=size,
            replicates=Replicates(counts[1:], accuracy.sensitivity[1:], accuracy.specificity[1:]),
            level=level,
        )
        for metric, estimate in zip(_SIDES, found, strict=True):
            method = coded(estimate.method, accuracy.method, assumed.method)
            notes = estimate.notes
            if estimate.value is not None:
                notes = coded(notes, accuracy.notes, ASSUMED)
            yield (*place, metric, replace(estimate, method=method, notes=notes))


def over_assumptions(estimates: Sequence[Estimate], correction: str) -> Estimate:
    """Give the range over all that is assumed, as the bounds of one figure.

    The value is that of the first assumption that is not refused; what the counts contradict is no
    part of the range. A figure without an interval counts with its value alone.

    Parameters
    ----------
    estimates : of one metric and correction, in the order of ``ASSUMPTIONS``
    """
    given = [e for e in estimates if e.value is not None]
    refused = len(estimates) - len(given)
    is_either = len(ASSUMPTIONS[correction]) > len(CORRELATIONS)
    method = coded(
        code("range_over_assumptions", correlations=CORRELATIONS),
        "shared_by_model_or_not" if is_either else None,
        code("assumptions_refused", refused=refused, of=len(estimates)),
    )
    if not given:
        return replace(estimates[0], method=method)
    bare = sum(e.lower is None for e in given)
    wider = code("intervals_missing_in_range", bare=bare, of=len(given)) if bare else None
    notes = coded(wider, "range_of_intervals", ASSUMED)
    ends = [(e.value, e.value) if e.lower is None else (e.lower, e.upper) for e in given]
    lower, upper = (
        pick(float(end) for end in side if end is not None)
        for pick, side in zip((min, max), zip(*ends, strict=True), strict=True)
    )
    return replace(given[0], lower=lower, upper=upper, method=method, notes=notes)
