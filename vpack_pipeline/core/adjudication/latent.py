"""Soft labels: how likely each case is positive if readers err independently of one another.

The model is Dawid & Skene's (``stats.latent_class``), on the positive and negative independent
reads alone. It is a sensitivity analysis and labels no case. What does not belong here: the model
itself, the hard rules (``rules``), a model of readers who err alike (``panel_error``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    ReadBasis,
    ReaderMatrix,
    reader_matrix,
)
from vpack_pipeline.core.adjudication.coefficients import Stratum
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE
from vpack_pipeline.core.figures import UNDEFINED, Figures
from vpack_pipeline.protocol import Evaluation, Finding
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray
from vpack_pipeline.stats.latent_class import (
    CERTAIN,
    LatentClasses,
    LatentClassIntervals,
    dawid_skene,
    dawid_skene_intervals,
)
from vpack_pipeline.stats.proportions.intervals import clustered_proportion

STRATUM: Final = Stratum("dawid_skene", "dawid_skene")
CATEGORIES: Final = (0.0, 1.0)
"""Negative and positive, as the model sees them."""
MINIMUM: Final = 30
"""Included cases with three independent votes, below which nothing is said."""
TOO_FEW: Final = code("few_cases_with_three_votes", fewest=MINIMUM)
METRICS: Final = (
    "n_cases",
    "prevalence",
    "reader_sensitivity",
    "reader_specificity",
    "share_uncertain",
    "share_label_differs",
)
"""What stands in ``STRATUM``."""
CAUTION: Final = Code("errors_as_independent")


def case_posteriors(basis: ReadBasis) -> pl.DataFrame | Code:
    """Give the probability that each included case is positive, by the reads of its panel.

    Each reader's first independent read counts where it is positive or negative.

    Parameters
    ----------
    basis : reads of included cases and one finding

    Returns
    -------
    ``case_id`` and ``p_positive`` in [0, 1], one row per included case with such a read, sorted by
    case; or why there is none: reads that followed sight of peers, or fewer than ``MINIMUM`` cases
    with three votes, or readers whose errors the model cannot tell from the classes
    """
    votes = vote_matrix(basis)
    model = latent_classes(basis, votes)
    if isinstance(model, Code):
        return model
    return pl.DataFrame({"case_id": votes.cases, "p_positive": model.posteriors[:, 1]})


def vote_matrix(basis: ReadBasis) -> ReaderMatrix:
    """Lay out the votes: 1 positive, 0 negative; other reads are none."""
    codes = {NEGATIVE: CATEGORIES[0], POSITIVE: CATEGORIES[1]}
    vote = pl.col("class").replace_strict(codes, default=None, return_dtype=pl.Float64)
    return reader_matrix(basis.first, vote)


def refusal(basis: ReadBasis, votes: ReaderMatrix) -> Code | None:
    """Say why the model is not asked at all."""
    enough = np.count_nonzero(np.count_nonzero(~np.isnan(votes.ratings), axis=1) >= 3)
    return basis.refusal or (TOO_FEW if enough < MINIMUM else None)


def latent_classes(basis: ReadBasis, votes: ReaderMatrix) -> LatentClasses | Code:
    """Fit the model, or say why it cannot be."""
    why = refusal(basis, votes)
    if why is not None:
        return why
    fit = dawid_skene(votes.ratings, CATEGORIES)
    return fit.model or fit.reason or UNDEFINED


@dataclass(frozen=True, slots=True)
class ReaderAccuracy:
    """Prevalence, and sensitivity and then specificity of the readers, by the model."""

    prevalence: Estimate
    pooled: tuple[Estimate, Estimate]
    by_reader: Mapping[str, tuple[Estimate, Estimate]]


def reader_accuracy(
    basis: ReadBasis, finding: Finding, evaluation: Evaluation
) -> ReaderAccuracy | Code:
    """Estimate the readers' accuracy without any reference standard, or say why it cannot be.

    Parameters
    ----------
    basis : reads of included cases and this finding
    evaluation : gives seed, replicates and the interval's level; intervals by resampling patients
    """
    votes = vote_matrix(basis)
    model = latent_classes(basis, votes)
    if isinstance(model, Code):
        return model
    return _accuracy(basis, votes, _intervals(votes, finding, evaluation))


def _accuracy(basis: ReadBasis, votes: ReaderMatrix, found: LatentClassIntervals) -> ReaderAccuracy:
    prevalence, sensitivity, specificity = (
        _labelled(estimate, basis) for estimate in (found.prevalences[1], *found.pooled)
    )
    each = zip(votes.readers, found.sensitivity, found.specificity, strict=True)
    by_reader = {name: (_labelled(se, basis), _labelled(sp, basis)) for name, se, sp in each}
    return ReaderAccuracy(prevalence, (sensitivity, specificity), by_reader)


def _intervals(
    votes: ReaderMatrix, finding: Finding, evaluation: Evaluation, hard: FloatArray | None = None
) -> LatentClassIntervals:
    return dawid_skene_intervals(
        votes.ratings,
        CATEGORIES,
        votes.patient,
        evaluation.replicates,
        np.random.default_rng([evaluation.seed, *f"dawid_skene/{finding.name}".encode()]),
        other=hard,
        level=evaluation.interval.level,
        minimum=MINIMUM,
    )


def _labelled(estimate: Estimate, basis: ReadBasis) -> Estimate:
    method, notes = coded(estimate.method, basis.name), coded(estimate.notes, CAUTION)
    return replace(estimate, method=method, notes=notes)


def put_latent(
    figures: Figures,
    basis: ReadBasis,
    standard: pl.DataFrame,
    finding: Finding,
    evaluation: Evaluation,
) -> None:
    """Add what the model says of the reference standard, under the stratum ``dawid_skene``.

    Parameters
    ----------
    figures : of ``label_noise``: by finding, stratum and metric
    standard : reference standard of included cases and this finding
    """
    keys: dict[str, Any] = {"finding": finding.name, **STRATUM.keys}
    votes = vote_matrix(basis)
    model = latent_classes(basis, votes)
    if isinstance(model, Code):
        for metric in METRICS:
            figures.refuse(metric, model, **keys)
        return
    hard = _hard_labels(votes, standard)
    found = _intervals(votes, finding, evaluation, hard)
    accuracy = _accuracy(basis, votes, found)
    n = len(votes.cases)
    counted = coded("cases_with_vote", basis.name)
    figures.give("n_cases", n, n=n, events=n, method=counted, **keys)
    figures.give("prevalence", accuracy.prevalence, **keys)
    for metric, estimate in zip(METRICS[2:4], accuracy.pooled, strict=True):
        method = coded("mean_of_readers", estimate.method)
        figures.give(metric, estimate, method=method, **keys)
    level = evaluation.interval.level
    is_uncertain = model.posteriors.max(axis=1) < CERTAIN
    soft = model.hard()
    both = ~np.isnan(soft) & ~np.isnan(hard)
    differs, patient = (soft != hard)[both], votes.patient[both]
    for metric, refitted, as_known in (
        (
            "share_uncertain",
            found.uncertain,
            clustered_proportion(is_uncertain, votes.patient, level),
        ),
        ("share_label_differs", found.differs, clustered_proportion(differs, patient, level)),
    ):
        if as_known.n == 0:
            figures.refuse(metric, "no_hard_and_soft_label", n=0, events=0, **keys)
            continue
        figures.give(metric, _labelled(wider(refitted, as_known), basis), **keys)


def _hard_labels(votes: ReaderMatrix, standard: pl.DataFrame) -> FloatArray:
    """Codes of the labels in force, in the order of the cases; nan where none is decided."""
    codes = {NEGATIVE: CATEGORIES[0], POSITIVE: CATEGORIES[1]}
    label = pl.col("label").replace_strict(codes, default=None, return_dtype=pl.Float64)
    found = pl.DataFrame({"case_id": votes.cases}).join(
        standard.select("case_id", label.alias("hard")),
        on="case_id",
        how="left",
        maintain_order="left",
    )
    return np.asarray(found["hard"].fill_null(np.nan).to_numpy(), dtype=np.float64)


def wider(refitted: Estimate, as_known: Estimate) -> Estimate:
    """Take whichever bound lies further out: with the model fitted anew, or taken as known.

    A share jumps where many cases have a probability near a limit, so that the model must be in
    doubt too; and where no case is so, replicates have none either, which does not prove it.
    """
    method = coded(refitted.method, as_known.method, "wider_bounds")
    pairs = ((refitted.lower, refitted.upper), (as_known.lower, as_known.upper))
    lower, upper = ([end for end in ends if end is not None] for ends in zip(*pairs, strict=True))
    if refitted.lower is None:
        return replace(refitted, method=method)
    return replace(refitted, lower=min(lower), upper=max(upper), method=method)
