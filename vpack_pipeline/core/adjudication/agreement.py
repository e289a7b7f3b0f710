"""How far readers agreed, by which path each case got its label, and the floor asked for.

Poor agreement is a result: it is printed and closes nothing. What does not belong here: how a
coefficient is computed (``stats.agreement``), how a reader did (``reader_performance``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import Matrix, ReadBasis, included_reads, matrix
from vpack_pipeline.core.adjudication.basis import read_basis as basis_of
from vpack_pipeline.core.adjudication.evidence import (
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    first_of_reader,
)
from vpack_pipeline.core.adjudication.rules import METHODS
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding, Floor
from vpack_pipeline.stats import agreement as coefficients
from vpack_pipeline.stats.agreement.bootstrap import Bounds
from vpack_pipeline.stats.estimate import Estimate, FloatArray, undefined

STATISTICS: Final = (
    "percent_agreement",
    "positive_agreement",
    "negative_agreement",
    "fleiss_kappa",
    "gwet_ac1",
    "krippendorff_alpha",
    "krippendorff_alpha_nominal",
)
"""What a floor may name."""

_CUT: Final = {NEGATIVE: 0.0, INDETERMINATE: 1.0, POSITIVE: 2.0}
_BINARY: Final = (0.0, 1.0)


def agreement(
    *,
    reads: pl.DataFrame,
    included: pl.DataFrame,
    reference_standard: pl.DataFrame,
    findings: tuple[Finding, ...],
    adjudication: Adjudication,
    evaluation: Evaluation,
) -> pl.DataFrame:
    """Measure agreement of independent reads, and count the paths by which labels came.

    Coefficients rest on each reader's first independent reference read of an included case;
    non-diagnostic reads do not enter. Percent agreement, kappa, AC1 and the nominal alpha are on
    the cut classes (negative, positive, and indeterminate where the protocol has one); positive
    and negative agreement are of that class against the rest; ``krippendorff_alpha`` is ordinal, on
    the ratings as given.

    Parameters
    ----------
    reads : cohort/reads
    included : eligibility/included
    reference_standard : one row per case × finding
    evaluation : gives seed, replicates and the interval's level

    Returns
    -------
    figures by finding, stratum (``all``: included cases) and metric; intervals by resampling
    patients. ``prespecified_floor`` carries the statistic's figure, the floor in ``method`` and the
    verdict in ``reason``.
    """
    figures = Figures(["finding", "stratum"])
    known = included_reads(reads, included, findings)
    standard = reference_standard.join(included.select("case_id"), on="case_id")
    for finding in findings:
        basis = basis_of(known, finding.name)
        found = _coefficients(basis, finding, evaluation)
        for name, estimate in found.items():
            figures.give(name, estimate, finding=finding.name, stratum="all")
        _put_floor(figures, found, adjudication.floor, finding.name)
        of_finding = known.filter(
            (pl.col("finding") == finding.name) & (pl.col("purpose") == "reference")
        )
        _put_counts(figures, of_finding, basis, finding.name)
        _put_repeats(figures, basis, finding.name, evaluation)
        _put_paths(figures, standard.filter(pl.col("finding") == finding.name), finding.name)
    return figures.frame()


def _coefficients(
    basis: ReadBasis, finding: Finding, evaluation: Evaluation
) -> dict[str, Estimate]:
    first = first_of_reader(basis.reads)
    level = evaluation.interval.level
    cut = matrix(first, pl.col("class").replace_strict(_CUT, default=None, return_dtype=pl.Float64))
    rated = matrix(first, pl.col("rating"))
    classes = sorted(_CUT.values() if finding.indeterminate else {_CUT[NEGATIVE], _CUT[POSITIVE]})
    scale = [c.value for c in finding.categories]
    if not (np.count_nonzero(~np.isnan(cut.ratings), axis=1) >= 2).any():
        nothing = undefined("no case has two diagnostic reads", method=basis.name, n=0)
        return dict.fromkeys(STATISTICS, nothing)
    positive, negative = (_against_rest(cut, kind) for kind in (POSITIVE, NEGATIVE))
    found = {
        "percent_agreement": coefficients.percent_agreement(cut.ratings, classes, level=level),
        "positive_agreement": coefficients.specific_agreement(positive.ratings, level)[0],
        "negative_agreement": replace(
            coefficients.specific_agreement(negative.ratings, level)[0], method="negative agreement"
        ),
        "fleiss_kappa": coefficients.fleiss_kappa(cut.ratings, classes, level=level),
        "gwet_ac1": coefficients.gwet_ac(cut.ratings, classes, level=level),
        "krippendorff_alpha": coefficients.krippendorff_alpha(
            rated.ratings, scale, level_of_measurement="ordinal", level=level
        ),
        "krippendorff_alpha_nominal": coefficients.krippendorff_alpha(
            cut.ratings, classes, level=level
        ),
    }
    on_cut = _bounds(cut, classes, evaluation, finding.name)
    bounds = {name: on_cut[name] for name in ("percent_agreement", "fleiss_kappa", "gwet_ac1")}
    bounds["krippendorff_alpha_nominal"] = on_cut["krippendorff_alpha"]
    for name, sides in (("positive_agreement", positive), ("negative_agreement", negative)):
        bounds[name] = _bounds(sides, _BINARY, evaluation, finding.name)["positive_agreement"]
    bounds["krippendorff_alpha"] = _bounds(rated, scale, evaluation, finding.name, "ordinal")[
        "krippendorff_alpha"
    ]
    return {name: _resampled(e, bounds[name], basis.name) for name, e in found.items()}


def _against_rest(cut: Matrix, kind: str) -> Matrix:
    is_kind = np.where(np.isnan(cut.ratings), np.nan, cut.ratings == _CUT[kind])
    return Matrix(np.asarray(is_kind, dtype=np.float64), cut.patient)


def _bounds(
    units: Matrix,
    categories: list[float] | tuple[float, ...],
    evaluation: Evaluation,
    finding: str,
    measured: str = "nominal",
) -> dict[str, Bounds]:
    return coefficients.agreement_bootstrap(
        units.ratings,
        categories,
        units.patient,
        evaluation.replicates,
        # One stream a finding: all coefficients see the same patients drawn.
        np.random.default_rng([evaluation.seed, *f"agreement/{finding}".encode()]),
        level_of_measurement=measured,
        level=evaluation.interval.level,
    )


def _resampled(estimate: Estimate, bounds: Bounds, basis: str) -> Estimate:
    """Put the patient-bootstrap interval in place of the one that takes units as independent."""
    method = f"{estimate.method}; patient bootstrap; {basis}"
    # Specific agreement counts ratings as events, several to a unit; n counts units.
    estimate = replace(estimate, events=None)
    if estimate.lower is None:
        return replace(estimate, method=method)
    if bounds[0] is None:
        reason = "most bootstrap replicates are undefined: no interval"
        return replace(estimate, lower=None, upper=None, method=method, reason=reason)
    return replace(estimate, lower=bounds[0], upper=bounds[1], method=method)


def _put_floor(
    figures: Figures, found: dict[str, Estimate], floor: Floor | None, finding: str
) -> None:
    metric = "prespecified_floor"
    keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
    if floor is None:
        figures.refuse(metric, "the protocol asks for no floor of agreement", **keys)
        return
    estimate = found.get(floor.statistic)
    if estimate is None:
        known = ", ".join(STATISTICS)
        figures.refuse(metric, f"no statistic {floor.statistic!r}; there are {known}", **keys)
        return
    method = f"{floor.statistic} of at least {floor.value:g}; {estimate.method}"
    figures.give(metric, replace(estimate, method=method, reason=_verdict(estimate, floor)), **keys)


def _verdict(estimate: Estimate, floor: Floor) -> str | None:
    if estimate.value is None:
        return estimate.reason
    if estimate.value < floor.value:
        return "not reached"
    if estimate.lower is not None and estimate.lower < floor.value:
        return "reached by the estimate, not by its lower bound"
    return "reached"


def _put_counts(figures: Figures, reads: pl.DataFrame, basis: ReadBasis, finding: str) -> None:
    keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
    method = f"count; {basis.name}"
    first = first_of_reader(basis.reads)
    n_cases = first["case_id"].n_unique()
    figures.give("n_reads", first.height, n=n_cases, method=method, **keys)
    # Readers are no patients: their number stands without n, so that it is not suppressed.
    figures.give("n_readers", first["reader_id"].n_unique(), method=method, **keys)
    figures.give("n_cases", n_cases, n=n_cases, events=n_cases, method=method, **keys)
    for kind in (INDETERMINATE, NON_DIAGNOSTIC):
        count = first.filter(pl.col("class") == kind).height
        figures.give(f"n_{kind}_reads", count, n=first.height, events=count, method=method, **keys)
    together = reads.filter(pl.col("role") == "consensus")
    discussed = int(together["discussion"].fill_null(value=False).sum())
    _put_share(
        figures,
        "share_consensus_discussed",
        discussed,
        together.height,
        "no consensus read was made",
        **keys,
    )


def _put_repeats(figures: Figures, basis: ReadBasis, finding: str, evaluation: Evaluation) -> None:
    """A reader's further sessions on the same case and arm: how many, and how alike."""
    keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
    unit = ("case_id", "reader_id", "arm")
    per = basis.reads.group_by(unit, maintain_order=True).agg(pl.len().alias("sessions"))
    repeated = per.filter(pl.col("sessions") > 1)
    _put_share(
        figures,
        "share_read_again",
        repeated.height,
        per.height,
        "no independent read was made",
        **keys,
    )
    if not repeated.height:
        figures.refuse("repeat_agreement", "no reader read a case again", n=0, **keys)
        return
    code = pl.col("class").replace_strict(_CUT, default=None, return_dtype=pl.Float64)
    again = matrix(basis.reads.join(repeated, on=unit, how="semi"), code, unit)
    categories = sorted(_CUT.values())
    level = evaluation.interval.level
    estimate = coefficients.percent_agreement(again.ratings, categories, level=level)
    if estimate.value is not None:
        bounds = _bounds(again, categories, evaluation, finding)["percent_agreement"]
        estimate = _resampled(estimate, bounds, "a reader with themselves")
    figures.give("repeat_agreement", estimate, **keys)


def _put_paths(figures: Figures, standard: pl.DataFrame, finding: str) -> None:
    keys: dict[str, Any] = {"finding": finding, "stratum": "all"}
    for method in METHODS:
        count = standard.filter(pl.col("method") == method).height
        none = "no case is included"
        _put_share(figures, f"path_{method}", count, standard.height, none, **keys)
    unused = int(standard["n_unused_tiebreak"].sum())
    figures.give("n_unused_tiebreak_reads", unused, events=unused, method="count", **keys)
    days: FloatArray = standard["days_to_reference"].drop_nulls().cast(pl.Float64).to_numpy()
    for name, share in (("median", 0.5), ("p90", 0.9)):
        metric = f"days_to_reference_{name}"
        if days.size:
            value = float(np.quantile(days, share, method="inverted_cdf"))
            figures.give(metric, value, n=days.size, method="order statistic", **keys)
        else:
            figures.refuse(metric, "no label with a known time", n=0, **keys)


def _put_share(
    figures: Figures, metric: str, count: int, total: int, reason: str, **keys: Any
) -> None:
    """A share of what was delivered: a description of this set, so that it has no interval."""
    if not total:
        figures.refuse(metric, reason, n=0, events=0, **keys)
        return
    figures.give(metric, count / total, n=total, events=count, method="share", **keys)
