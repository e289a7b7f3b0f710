"""How much of the reference standard may be wrong: as far as the reads themselves can tell, and
where an independent source says so.

What does not belong here: the model of panel error (``panel_error``), the panel held against
independent sources (``verified_panel``), the index test's part in a disagreement
(``evaluation/error_attribution``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    ReadBasis,
    against_others,
    included_reads,
    read_basis,
)
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE, first_of_reader
from vpack_pipeline.core.adjudication.latent import put_latent
from vpack_pipeline.core.adjudication.panel_error import PanelError, panel_error
from vpack_pipeline.core.adjudication.verified_panel import put_verified, verified_cases
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.resampling import patient_weights, percentile_interval

CORRELATIONS: Final = (0.0, 0.3, 0.5)
"""Correlations of latent errors for which the panel's error is stated."""

PANEL_STATES: Final = ("unanimous", "split", "single", "none")
TOO_FEW: Final = "no included case has three positive or negative independent reads"
ONE_SIDED: Final = "by the majority of the other readers every case is positive, or every negative"
CHANCE: Final = "against one another the readers do no better than chance"
APPARENT: Final = (
    "apparent: a lower bound on reader error where readers err together, since it is taken against"
    " co-erring readers"
)
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
_CAUTION: Final = (
    "rests on the reads alone, of cases verified or not: takes each reader's error against the"
    " majority of the others as the true one, which is too small where readers err together; the"
    " correlation is assumed, not measured"
)


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

    Reader error is that against the majority of two or more others. Panel error is that of a
    majority of as many readers as most cases have, at latent error correlations of 0, 0.3 and 0.5,
    by the model of :mod:`panel_error`; the true prevalence is the share of positive majorities
    corrected for that error. Indeterminate and non-diagnostic reads are no votes. No label of the
    reference standard enters these. Under the stratum ``independent_reference`` stands the panel's
    observed error, on the cases that an independent source settled (:mod:`verified_panel`); under
    ``dawid_skene`` what the reads say if readers err independently (:mod:`latent`).

    Parameters
    ----------
    reads, cases, reference : tables of section cohort
    included : eligibility/included
    reference_standard : one row per case × finding; gives the state of each panel

    Returns
    -------
    figures by finding, stratum (``all``, ``error_correlation=ρ``, ``independent_reference`` or
    ``dawid_skene``) and metric. Refused where reads followed sight of peers, or no case has three
    votes; of ``independent_reference``, where no case has both labels; of ``dawid_skene``, where
    fewer than 30 cases have three votes.
    """
    figures = Figures(["finding", "stratum"])
    known = included_reads(reads, included, findings)
    standard = reference_standard.join(included.select("case_id"), on="case_id")
    verified = verified_cases(
        cases=cases,
        reads=reads,
        reference=reference,
        included=included,
        findings=findings,
        adjudication=adjudication,
    )
    for finding in findings:
        put_verified(figures, verified, finding.name, adjudication, evaluation.interval.level)
        of_finding = standard.filter(pl.col("finding") == finding.name)
        _put_states(figures, of_finding, finding.name)
        basis = read_basis(known, finding.name)
        put_latent(figures, basis, of_finding, finding, evaluation)
        votes = _votes(basis)
        refusal = basis.refusal or (None if votes.height else TOO_FEW)
        if refusal is not None:
            _refuse(figures, finding.name, refusal)
            continue
        panel = _Panel.of(votes)
        _put_readers(figures, votes, panel, basis, finding.name, evaluation)
        _put_panel(figures, panel, basis, finding.name, evaluation)
    return figures.frame()


def _votes(basis: ReadBasis) -> pl.DataFrame:
    first = against_others(first_of_reader(basis.reads))
    is_vote = pl.col("class").is_in([POSITIVE, NEGATIVE])
    return first.filter(is_vote & (pl.col("n_votes") >= 3))


def _put_states(figures: Figures, standard: pl.DataFrame, finding: str) -> None:
    for state in PANEL_STATES:
        metric = f"share_{state}"
        keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
        count = standard.filter(pl.col("panel_state") == state).height
        if standard.height:
            share = count / standard.height
            figures.give(metric, share, n=standard.height, events=count, method="share", **keys)
        else:
            figures.refuse(metric, "no case is included", n=0, events=0, **keys)


_READER_METRICS: Final = (
    "n_cases",
    "panel_size",
    "panel_positive_share",
    "reader_sensitivity",
    "reader_specificity",
)


def _refuse(figures: Figures, finding: str, reason: str) -> None:
    for metric in _READER_METRICS:
        figures.refuse(metric, reason, finding=finding, stratum="all")
    for correlation in CORRELATIONS:
        for metric in _METRICS.values():
            figures.refuse(metric, reason, finding=finding, stratum=_stratum(correlation))


@dataclass(frozen=True, slots=True)
class _Panel:
    """Sums per patient, (P, 6): right and all reads where the others are positive, the same where
    they are negative, positive majorities and all cases among panels of the usual size."""

    size: int
    sums: FloatArray
    n_cases: int

    @classmethod
    def of(cls, votes: pl.DataFrame) -> _Panel:
        cases = (
            votes.group_by("case_id", "patient_id", maintain_order=True)
            .agg(
                pl.col("n_votes").first(),
                (pl.col("class") == POSITIVE).sum().cast(pl.Int64).alias("n_positive"),
            )
            .sort("case_id")
        )
        # The most frequent size; of two as frequent the smaller, whose labels are noisier.
        size = int(cases["n_votes"].mode().min())  # type: ignore[arg-type]
        usual = cases.filter(pl.col("n_votes") == size)
        patients = votes.select("patient_id").unique().sort("patient_id")["patient_id"].to_list()
        place = {p: i for i, p in enumerate(patients)}
        sums = np.zeros((len(patients), 6))
        for column, label in ((0, POSITIVE), (2, NEGATIVE)):
            met = votes.filter(pl.col("others") == label)
            rows = np.array([place[p] for p in met["patient_id"]], dtype=np.intp)
            np.add.at(sums[:, column], rows, (met["class"] == label).to_numpy().astype(float))
            np.add.at(sums[:, column + 1], rows, 1.0)
        rows = np.array([place[p] for p in usual["patient_id"]], dtype=np.intp)
        is_positive = (2 * usual["n_positive"] > size).to_numpy().astype(float)
        np.add.at(sums[:, 4], rows, is_positive)
        np.add.at(sums[:, 5], rows, 1.0)
        return cls(size, sums, cases.height)

    def errors(self, totals: FloatArray, correlation: float) -> PanelError:
        """The panel's error from sums of shape (B, 6)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            sensitivity = totals[:, 0] / totals[:, 1]
            specificity = totals[:, 2] / totals[:, 3]
            apparent = totals[:, 4] / totals[:, 5]
        return panel_error(sensitivity, specificity, apparent, self.size, correlation)


def _put_readers(
    figures: Figures,
    votes: pl.DataFrame,
    panel: _Panel,
    basis: ReadBasis,
    finding: str,
    evaluation: Evaluation,
) -> None:
    keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
    figures.give("n_cases", panel.n_cases, n=panel.n_cases, method="three votes or more", **keys)
    figures.give("panel_size", panel.size, method="most frequent number of votes", **keys)
    positives, total = (int(panel.sums[:, i].sum()) for i in (4, 5))
    figures.give(
        "panel_positive_share",
        positives / total,
        n=total,
        events=positives,
        method=f"positive majorities of panels of {panel.size}",
        **keys,
    )
    level = evaluation.interval.level
    for metric, label in (("reader_sensitivity", POSITIVE), ("reader_specificity", NEGATIVE)):
        met = votes.filter(pl.col("others") == label)
        right = (met["class"] == label).to_numpy().astype(np.bool_)
        estimate = clustered_proportion(right, np.asarray(met["patient_id"].to_list()), level)
        method = f"leave one out; {estimate.method}; {basis.name}"
        reason = estimate.reason or APPARENT
        figures.give(metric, replace(estimate, method=method, reason=reason), **keys)


def _put_panel(
    figures: Figures, panel: _Panel, basis: ReadBasis, finding: str, evaluation: Evaluation
) -> None:
    names = [f.name for f in fields(PanelError)]
    n_usual = int(panel.sums[:, 5].sum())
    rng = np.random.default_rng([evaluation.seed, *f"label_noise/{finding}".encode()])
    drawn = np.concatenate(
        [
            weights.astype(np.float64) @ panel.sums
            for weights in patient_weights(len(panel.sums), evaluation.replicates, rng)
        ]
    )
    observed = panel.sums.sum(axis=0, keepdims=True)
    for correlation in CORRELATIONS:
        point = panel.errors(observed, correlation)
        replicates = panel.errors(drawn, correlation)
        for name in names:
            value = float(getattr(point, name)[0])
            interval = percentile_interval(getattr(replicates, name), evaluation.interval.level)
            figures.give(
                _METRICS[name],
                value,
                lower=interval.lower,
                upper=interval.upper,
                n=n_usual,
                method=(
                    f"majority of {panel.size}, common-factor probit, error correlation"
                    f" {correlation:g}; patient bootstrap; {basis.name}"
                ),
                reason=_CAUTION if np.isfinite(value) else _undefined(observed, point),
                finding=finding,
                stratum=_stratum(correlation),
            )


def _undefined(observed: FloatArray, point: PanelError) -> str:
    if observed[0, 1] == 0 or observed[0, 3] == 0:
        return ONE_SIDED
    return CHANCE if np.isnan(point.prevalence[0]) else "the panel is never wrong in this model"


def _stratum(correlation: float) -> str:
    return f"error_correlation={correlation:g}"
