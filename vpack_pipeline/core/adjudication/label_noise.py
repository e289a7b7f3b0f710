"""How much of the reference standard may be wrong: as far as the reads themselves can tell, and
where an independent source says so.

What does not belong here: the model of panel error (``panel_error``), the panel held against
independent sources (``verified_panel``), the index test's part in a disagreement
(``evaluation/error_attribution``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    ReadBasis,
    against_others,
    included_reads,
    read_basis,
)
from vpack_pipeline.core.adjudication.coefficients import ALL, Stratum
from vpack_pipeline.core.adjudication.common_factor import (
    CORRELATIONS,
    LEAST_VOTES,
    TOO_FEW,
    WORSE,
    ReaderRates,
    case_votes,
    misfit,
    rates_with_replicates,
    usual_size,
)
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE
from vpack_pipeline.core.adjudication.latent import put_latent
from vpack_pipeline.core.adjudication.panel_error import PanelError, Votes, panel_error
from vpack_pipeline.core.adjudication.verified_panel import panel_cases, put_verified
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.resampling import FEW_UNDEFINED, patient_weights, percentile_interval

PANEL_STATES: Final = ("unanimous", "split", "single", "none")
_METRICS: Final = {
    "prevalence": "true_prevalence",
    "sensitivity": "panel_sensitivity",
    "specificity": "panel_specificity",
    "error": "panel_error",
    "perfect_sensitivity": "perfect_model_sensitivity",
    "perfect_specificity": "perfect_model_specificity",
    "perfect_accuracy": "perfect_model_accuracy",
    "unanimous_share": "perfect_model_errors_unanimous",
}
_READERS: Final = ("reader_sensitivity", "reader_specificity")
NO_INTERVAL: Final = code("replicates_do_not_tell", share=FEW_UNDEFINED)
MISFIT: Final = "misfit"


def label_noise(
    *,
    reads: pl.DataFrame,
    cases: pl.DataFrame,
    reference: pl.DataFrame,
    included: pl.DataFrame,
    reference_standard: pl.DataFrame,
    findings: tuple[Finding, ...],
    adjudication: Adjudication,
    evaluation: Evaluation,
) -> pl.DataFrame:
    """State the readers' apparent error, and what it would make of the panel's labels.

    At latent error correlations of 0, 0.3 and 0.5 stand one reader's error, fitted to the votes of
    all cases with two or more (:mod:`common_factor`, the same fit on which the evaluation rests),
    and the error that follows for a majority of as many readers as most cases have
    (:mod:`panel_error`); the true prevalence is the share of positive majorities corrected for that
    error. Beside them, as a reference line, readers against the majority of two or more others.
    Indeterminate and non-diagnostic reads are no votes. No label of the reference standard enters
    these. Under the stratum ``independent_reference`` stands the panel's error on the cases that an
    independent source settled, plain and corrected for who these are (:mod:`verified_panel`); under
    ``dawid_skene`` what the reads say if readers err independently (:mod:`latent`).

    Parameters
    ----------
    reads, cases, reference : tables of section cohort
    included : eligibility/included
    reference_standard : one row per case × finding; gives the state of each panel

    Returns
    -------
    figures by finding, stratum (its kind ``all``, ``error_correlation``, ``independent_reference``
    or ``dawid_skene``) and metric. Refused where reads followed sight of peers, or no case has
    three votes; of ``independent_reference``, where no case has both labels; of ``dawid_skene``,
    where fewer than 30 cases have three votes.
    """
    figures = Figures("adjudication/label_noise")
    known = included_reads(reads, included, findings)
    standard = reference_standard.join(included.select("case_id"), on="case_id")
    decided = panel_cases(
        cases=cases,
        reads=reads,
        reference=reference,
        included=included,
        findings=findings,
        adjudication=adjudication,
    )
    for finding in findings:
        put_verified(figures, decided, finding.name, adjudication, evaluation.interval.level)
        of_finding = standard.filter(pl.col("finding") == finding.name)
        _put_states(figures, of_finding, finding.name)
        basis = read_basis(known, finding.name)
        put_latent(figures, basis, of_finding, finding, evaluation)
        panels = case_votes(basis)
        too_few = None if (panels["n_votes"] >= LEAST_VOTES).any() else TOO_FEW
        refusal = basis.refusal or too_few
        if refusal is not None:
            _refuse(figures, finding.name, refusal)
            continue
        made = _Panels.of(panels)
        _put_start(figures, made, finding.name)
        _put_reference_line(figures, basis, finding.name, evaluation)
        _put_correlated(figures, made, basis, finding.name, evaluation)
    return figures.frame()


def _put_states(figures: Figures, standard: pl.DataFrame, finding: str) -> None:
    for state in PANEL_STATES:
        metric = f"share_{state}"
        keys: dict[str, Any] = {"finding": finding, **ALL.keys}
        count = standard.filter(pl.col("panel_state") == state).height
        if standard.height:
            share = count / standard.height
            figures.give(metric, share, n=standard.height, events=count, method="share", **keys)
        else:
            figures.refuse(metric, "no_case_included", n=0, events=0, **keys)


def _refuse(figures: Figures, finding: str, reason: Code) -> None:
    for metric in ("n_cases", "panel_size", "panel_positive_share", *_READERS):
        figures.refuse(metric, reason, finding=finding, **ALL.keys)
    for correlation in CORRELATIONS:
        for metric in (*_READERS, *_METRICS.values(), MISFIT):
            figures.refuse(metric, reason, finding=finding, **_keys(correlation))


@dataclass(frozen=True, slots=True)
class _Panels:
    """How often each patient's cases had each panel, (P, C), and which panel most cases have."""

    votes: Votes
    counts: FloatArray
    size: int

    @classmethod
    def of(cls, voted: pl.DataFrame) -> _Panels:
        """Count cases of :func:`common_factor.case_votes`."""
        kinds, kind = np.unique(
            voted.select("n_votes", "n_positive_votes").to_numpy(), axis=0, return_inverse=True
        )
        patients, patient = np.unique(
            np.asarray(voted["patient_id"].to_list()), return_inverse=True
        )
        counts = np.zeros((len(patients), len(kinds)))
        np.add.at(counts, (patient, kind.reshape(-1)), 1.0)
        return cls(Votes(kinds[:, 0], kinds[:, 1]), counts, usual_size(voted))

    def n(self, least: int) -> int:
        """Count cases with so many votes or more."""
        return int(self.counts[:, self.votes.n >= least].sum())

    def positive_majorities(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Count positive majorities and all cases among panels of the usual size, (B,) each."""
        usual = self.votes.n == self.size
        positive = usual & (2 * self.votes.positive > self.votes.n)
        return counts[:, positive].sum(axis=1), counts[:, usual].sum(axis=1)


def _put_start(figures: Figures, panels: _Panels, finding: str) -> None:
    keys: dict[str, Any] = {"finding": finding, **ALL.keys}
    n = panels.n(LEAST_VOTES)
    figures.give("n_cases", n, n=n, method="cases_with_three_votes", **keys)
    figures.give("panel_size", panels.size, method="most_frequent_votes", **keys)
    found = panels.positive_majorities(panels.counts.sum(axis=0, keepdims=True))
    positives, total = (int(count[0]) for count in found)
    figures.give(
        "panel_positive_share",
        positives / total,
        n=total,
        events=positives,
        method=code("positive_majorities", size=panels.size),
        **keys,
    )


def _put_reference_line(
    figures: Figures, basis: ReadBasis, finding: str, evaluation: Evaluation
) -> None:
    first = against_others(basis.first)
    votes = first.filter(pl.col("class").is_in([POSITIVE, NEGATIVE]))
    for metric, label in zip(_READERS, (POSITIVE, NEGATIVE), strict=True):
        met = votes.filter((pl.col("others") == label) & (pl.col("n_votes") >= LEAST_VOTES))
        right = (met["class"] == label).to_numpy().astype(np.bool_)
        patient = np.asarray(met["patient_id"].to_list())
        estimate = clustered_proportion(right, patient, evaluation.interval.level)
        method = coded("leave_one_out", estimate.method, basis.name)
        notes = "apparent_accuracy" if met.height else None
        figures.give(metric, estimate, method=method, notes=notes, finding=finding, **ALL.keys)


def _put_correlated(
    figures: Figures, panels: _Panels, basis: ReadBasis, finding: str, evaluation: Evaluation
) -> None:
    """Add the readers' error at each correlation, and what it makes of a majority's label."""
    rng = np.random.default_rng([evaluation.seed, *f"label_noise/{finding}".encode()])
    drawn = np.concatenate(
        [
            weights.astype(np.float64) @ panels.counts
            for weights in patient_weights(len(panels.counts), evaluation.replicates, rng)
        ]
    )
    counts = panels.counts.sum(axis=0)
    positives, usual = panels.positive_majorities(np.vstack([counts, drawn]))
    fits: dict[float, ReaderRates] = {}
    for correlation in CORRELATIONS:
        rates = rates_with_replicates(panels.votes, counts, drawn, correlation)
        fits[correlation] = rates
        with np.errstate(invalid="ignore", divide="ignore"):
            apparent = positives / usual
        known = coded(
            code("common_factor_probit", correlation=correlation),
            "percentile_bootstrap_by_patient",
            basis.name,
        )
        keys = {"finding": finding, **_keys(correlation)}
        place = _At(figures, keys, evaluation.interval.level, rates)
        fitted = coded("reader_latent_class", known)
        for metric, values in zip(_READERS, rates[1:], strict=True):
            place.give(metric, values, panels.n(LEAST_VOTES), fitted)
        sides = rates.certain()[1:]
        error = panel_error(*sides, apparent, panels.size, correlation)
        method = coded(code("majority_latent_class", size=panels.size), known)
        for name in (f.name for f in fields(PanelError)):
            also = "majority_of_blind_readers" if _METRICS[name].startswith("panel_") else None
            place.give(_METRICS[name], getattr(error, name), int(usual[0]), method, also)
    _put_misfit(figures, panels, finding, fits)


def _put_misfit(
    figures: Figures, panels: _Panels, finding: str, fits: dict[float, ReaderRates]
) -> None:
    """Say at each correlation how well the votes are fitted, and where another fits them better."""
    counts = panels.counts.sum(axis=0)
    found = {
        rho: misfit(panels.votes, counts, rates, rho)
        for rho, rates in fits.items()
        if rates.refusal is None
    }
    n = panels.n(LEAST_VOTES)
    for rho, rates in fits.items():
        keys: dict[str, Any] = {"finding": finding, **_keys(rho), "n": n}
        if rho not in found:
            figures.give(MISFIT, None, reason=rates.refusal, **keys)
            continue
        best = min(found, key=lambda other: found[other])
        is_worse = found[rho] - found[best] > WORSE
        worse = code("fits_worse_than", correlation=best) if is_worse else None
        notes = coded(worse, "zero_is_no_misfit")
        # Rounded: fits of one set of votes differ by less than is worth telling.
        figures.give(MISFIT, round(found[rho], 1), method="deviance", notes=notes, **keys)


@dataclass(frozen=True, slots=True)
class _At:
    """The stratum of one correlation, and the fit on which its figures rest."""

    figures: Figures
    keys: dict[str, Any]
    level: float
    rates: ReaderRates

    def give(
        self, metric: str, values: FloatArray, n: int, method: Codes, also: str | None = None
    ) -> None:
        """Add a figure from the sample's value and its replicates', (1 + B,)."""
        if not np.isfinite(values[0]):
            why = self.rates.refusal or "panel_never_wrong"
            self.figures.refuse(metric, why, n=n, **self.keys)
            return
        interval = percentile_interval(values[1:], self.level, most_undefined=FEW_UNDEFINED)
        unknown = NO_INTERVAL if interval.lower is None else None
        self.figures.give(
            metric,
            float(values[0]),
            lower=interval.lower,
            upper=interval.upper,
            n=n,
            method=method,
            notes=coded("reads_alone", also, self.rates.caution, unknown),
            **self.keys,
        )


def _keys(correlation: float) -> dict[str, Any]:
    return Stratum("error_correlation", f"{correlation:g}").keys
