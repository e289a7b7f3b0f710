"""Sensitivity and specificity of the index test, corrected for the error of the panel's labels.

Gart & Buck (1966) and Staquet et al. (1981), with Vacek's (1985) covariance where errors are
correlated (``stats/label_error``). The panel's own labels are taken, made from reads alone: those
of an independent source have no panel error. What does not belong here: whether a case is positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from vpack_pipeline.stats.estimate import Estimate, FloatArray, undefined
from vpack_pipeline.stats.label_error import Replicates, corrected_estimates
from vpack_pipeline.stats.verification_bias import begg_greenes, corrected_shares

BY_READS: Final = "corrected_by_reads"
BY_SOURCES: Final = "corrected_by_independent_sources"
LEAST_VERIFIED: Final = 30
TOO_FEW_VERIFIED: Final = (
    f"fewer than {LEAST_VERIFIED} cases of either class have both an independent label and one of"
    " the panel"
)
UNUSUAL: Final = (
    "most cases have fewer than three votes, and no further reader decides where two differ: their"
    " labels are not those of a majority of three"
)
ASSUMED: Final = (
    "what errors are correlated, and how far, is assumed and not measured; the result is the range"
    f" over all that is assumed; {SCENARIOS}"
)
RANGE: Final = (
    "bounds from the lowest to the highest of the intervals; the figure is that of the least"
    " correlation that is not refused"
)
ALL_ASSUMED: Final = "range"
"""The level of the range over all that is assumed."""
FROM_READS: Final = (
    "the panel's error rests on the reads alone, as that of a majority of blind readers alike, of"
    " whose kind a further reader is taken to be"
)
_SIDES: Final = ("sensitivity_corrected", "specificity_corrected")


class Assumption(NamedTuple):
    """A correlation of any two readers' latent errors, and whether the model shares it."""

    which: int
    model_shares: bool = True

    @property
    def correlation(self) -> float:
        """ρ of the readers."""
        return CORRELATIONS[self.which]

    @property
    def name(self) -> str:
        """As the table's ``level`` has it."""
        ending = "" if self.model_shares else ";model_independent"
        return f"error_correlation={self.correlation:g}{ending}"

    @property
    def words(self) -> str:
        """As the method has it."""
        who = "of readers and of model and reader"
        if not self.model_shares:
            who = "of readers, none of model and reader,"
        return f"error correlation {self.correlation:g} {who} assumed"


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
    caution: str
    method: str


def by_sources(
    panel_labels: pl.DataFrame, panels: Panels, analysis: AnalysisSet, adjudication: Adjudication
) -> PanelAccuracy | str:
    """The panel's accuracy as independent sources have it, or why there is none.

    Verified cases stand for the others of the panel's call (Begg & Greenes 1983), in each replicate
    too: among verified cases alone a panel whose positives are sought out misses too little.

    Parameters
    ----------
    panel_labels : ``case_id``, ``patient_id``, ``label`` of the panel, ``reference_label``
    """
    if set(adjudication.precedence) <= {"independent_reference"}:
        return NO_PANEL
    if not adjudication.reference_sources:
        return NO_SOURCE
    decided = panel_labels.filter(pl.col("label").is_in(["positive", "negative"])).select(
        "patient_id", "reference_label", panel_label="label"
    )
    counts = verified_counts(decided)
    if min(counts.tp + counts.fn, counts.tn + counts.fp) < LEAST_VERIFIED:
        return TOO_FEW_VERIFIED
    refused = begg_greenes(counts)[0]
    if refused.value is None:
        return f"the panel against independent sources: {refused.reason}"
    known = decided.join(analysis.patients, on="patient_id")
    sums = np.zeros((panels.weights.shape[1], len(KINDS)))
    for column, (label, source) in enumerate(KINDS):
        is_source = pl.col("reference_label").eq_missing(pl.lit(source, pl.String))
        met = known.filter((pl.col("panel_label") == label) & is_source)
        np.add.at(sums[:, column], met["patient"].cast(pl.Int64).to_numpy(), 1.0)
    return PanelAccuracy(
        *corrected_shares(panels.resampled(sums)),
        f"{IF_BY_CALL}; a read made after the source's result may have known it",
        "panel error from independent sources by Begg and Greenes",
    )


def by_reads(panels: Panels, which: int, adjudication: Adjudication) -> PanelAccuracy | str:
    """The accuracy of a majority of the usual size, at a correlation of its readers' errors.

    A further reader who breaks ties makes a panel of two, or of three of one mind, one of three:
    exactly, at any correlation, if that reader is one more of their kind.
    """
    if panels.refusal is not None:
        return panels.refusal
    if not panels.is_usual(is_tie_broken="third_reader" in adjudication.precedence):
        return UNUSUAL
    rates = panels.rates[which]
    if rates.refusal is not None:
        return rates.refusal
    _, ill, well = rates
    made = panel_error(ill, well, np.full(len(ill), 0.5), panels.size, CORRELATIONS[which])
    method = f"panel error of a majority of {panels.size}, readers by a latent-class model"
    return PanelAccuracy(made.sensitivity, made.specificity, FROM_READS, method)


def two_by_two(table: Crossed, panels: Panels) -> FloatArray:
    """Count tp, fp, fn, tn of the index test against the panel's labels: (1 + B, 4)."""
    sums = np.zeros((panels.weights.shape[1], 4))
    missed, alarmed = table.positive & ~table.hit, table.negative & ~table.cleared
    for column, mask in enumerate((table.hit, alarmed, missed, table.cleared)):
        np.add.at(sums[:, column], table.cases.patient[mask], 1.0)
    return panels.resampled(sums)


def corrections(
    counts: FloatArray,
    accuracies: dict[tuple[str, Assumption], PanelAccuracy | str],
    size: int,
    level: float,
) -> Iterator[tuple[str, str, str, Estimate]]:
    """Correct the index test's figures at each correlation and for each source of panel error.

    Parameters
    ----------
    counts : of :func:`two_by_two`
    accuracies : by correction and assumption; a reason where there is none
    size : votes of a panel

    Yields
    ------
    correction, name of the assumption or ``ALL_ASSUMED``, metric, estimate
    """
    found: dict[tuple[str, str], list[Estimate]] = {}
    for correction, level_name, metric, estimate in _each(counts, accuracies, size, level):
        found.setdefault((correction, metric), []).append(estimate)
        yield correction, level_name, metric, estimate
    for (correction, metric), estimates in found.items():
        yield correction, ALL_ASSUMED, metric, over_assumptions(estimates, correction)


def _each(
    counts: FloatArray,
    accuracies: dict[tuple[str, Assumption], PanelAccuracy | str],
    size: int,
    level: float,
) -> Iterator[tuple[str, str, str, Estimate]]:
    for (correction, assumed), accuracy in accuracies.items():
        place = (correction, assumed.name)
        if isinstance(accuracy, str):
            for metric in _SIDES:
                yield (*place, metric, undefined(accuracy, method="", n=0))
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
            given = "; ".join(t for t in (estimate.reason, accuracy.caution, ASSUMED) if t)
            method = f"{estimate.method}; {accuracy.method}; {assumed.words}"
            reason = given if estimate.value is not None else estimate.reason
            yield (*place, metric, replace(estimate, method=method, reason=reason))


def over_assumptions(estimates: Sequence[Estimate], correction: str) -> Estimate:
    """Give the range over all that is assumed, as the bounds of one figure.

    The value is that of the first assumption that is not refused; what the counts contradict is no
    part of the range. A figure without an interval counts with its value alone.

    Parameters
    ----------
    estimates : of one metric and correction, in the order of ``ASSUMPTIONS``
    """
    given = [e for e in estimates if e.value is not None]
    names = ", ".join(f"{rho:g}" for rho in CORRELATIONS)
    method = f"range over the assumptions: error correlations {names}"
    if len(ASSUMPTIONS[correction]) > len(CORRELATIONS):
        method += ", shared by the model or not"
    method += f"; {len(estimates) - len(given)} of {len(estimates)} refused"
    if not given:
        return replace(estimates[0], method=method)
    bare = sum(e.lower is None for e in given)
    reason = f"{RANGE}; {ASSUMED}"
    if bare:
        reason = f"{bare} of {len(given)} have no interval: the range is at least so wide; {reason}"
    ends = [(e.value, e.value) if e.lower is None else (e.lower, e.upper) for e in given]
    lower, upper = (
        pick(float(end) for end in side if end is not None)
        for pick, side in zip((min, max), zip(*ends, strict=True), strict=True)
    )
    return replace(given[0], lower=lower, upper=upper, method=method, reason=reason)
