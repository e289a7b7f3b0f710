"""How many labels of unanimous panels may be wrong, and so how many disagreements cannot be told.

Readers who err together are unanimous and wrong. How often follows from their error and from the
correlation of their errors, which is assumed (``adjudication/common_factor``). What does not belong
here: disagreements against divided or small panels (``error_attribution``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import ReadBasis
from vpack_pipeline.core.adjudication.common_factor import (
    CORRELATIONS,
    LEAST_VOTES,
    TOO_FEW,
    ReaderRates,
    case_votes,
    likelihoods,
    prevalence_given,
    rates_with_replicates,
    usual_size,
)
from vpack_pipeline.core.adjudication.panel_error import Votes
from vpack_pipeline.core.evaluation.analysis import AnalysisSet, CaseSet, generator
from vpack_pipeline.protocol import Evaluation
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray, undefined
from vpack_pipeline.stats.resampling import (
    FEW_UNDEFINED,
    WeightArray,
    patient_weights,
    percentile_interval,
)

_NO_PANEL: Final = -1
_CHUNK: Final = 64


@dataclass(frozen=True, slots=True)
class Panels:
    """The panels of one finding, and their readers' rates at each correlation.

    ``weights`` (1 + B, P) says how often each patient counts: its first row is the sample itself,
    the others are bootstrap replicates. ``rates`` (1 + B,) each are taken from the reads of all
    included cases, so that both windows have the same. ``size`` is that of
    :func:`common_factor.usual_size`. ``refusal`` says why there are no rates.
    """

    cell: pl.DataFrame
    votes: Votes
    size: int
    weights: WeightArray
    rates: tuple[ReaderRates, ...]
    refusal: Code | None

    @classmethod
    def of(
        cls, basis: ReadBasis, finding: str, analysis: AnalysisSet, evaluation: Evaluation
    ) -> Panels:
        """Count the votes of each included case, and fit the readers' rates."""
        voted = case_votes(basis.reads).join(analysis.patients, on="patient_id")
        cells = voted.select("n_votes", "n_positive_votes").unique().sort(pl.all())
        cells = cells.with_row_index("cell")
        voted = voted.join(cells, on=["n_votes", "n_positive_votes"]).sort("case_id")
        votes = Votes(cells["n_votes"].to_numpy(), cells["n_positive_votes"].to_numpy())
        cell = voted.select("case_id", pl.col("cell").cast(pl.Int64))
        codes, inverse = np.unique(voted["patient"].to_numpy(), return_inverse=True)
        replicates = evaluation.replicates
        weights = np.zeros((1 + replicates, analysis.patients.height), dtype=np.int16)
        weights[0] = 1
        refusal = basis.refusal or (None if (votes.n >= LEAST_VOTES).any() else TOO_FEW)
        if codes.size == 0:
            return cls(cell, votes, 1, weights, (), refusal)
        rng = generator(evaluation.seed, "panels", finding)
        weights[1:, codes] = np.concatenate(list(patient_weights(codes.size, replicates, rng)))
        size = usual_size(voted)
        if refusal is not None:
            return cls(cell, votes, size, weights, (), refusal)
        counts = np.zeros((codes.size, len(cells)))
        np.add.at(counts, (inverse, voted["cell"].to_numpy()), 1.0)
        resampled = _resampled(weights[:, codes], counts)
        rates = tuple(
            rates_with_replicates(votes, resampled[0], resampled[1:], rho) for rho in CORRELATIONS
        )
        return cls(cell, votes, size, weights, rates, None)

    def cell_of(self, cases: CaseSet) -> IntArray:
        """Where each case's votes stand in ``votes``; -1 where it has none."""
        found = cases.joined(self.cell, "cell").fill_null(_NO_PANEL)
        return np.asarray(found.to_numpy(), dtype=np.int64)

    def is_usual(self, *, is_tie_broken: bool) -> bool:
        """Whether the panel of half of the cases or more is one of three or more.

        A pair is where a third vote breaks its ties. Without panels of three no size is unusual.
        """
        n = self.votes.n[self.cell["cell"].to_numpy()]
        least = 2 if is_tie_broken else LEAST_VOTES
        return self.size < LEAST_VOTES or bool((n >= least).mean() >= 1 / 2)

    def counted(self, cases: CaseSet, *masks: BoolArray) -> list[FloatArray]:
        """Count each mask's cases by panel, in the sample and each replicate: (1 + B, C) each."""
        cell = self.cell_of(cases)
        sums = np.zeros((self.weights.shape[1], len(masks), len(self.votes.n)))
        for which, mask in enumerate(masks):
            rows = np.asarray(mask) & (cell != _NO_PANEL)
            np.add.at(sums[:, which], (cases.patient[rows], cell[rows]), 1.0)
        # Weighed together: turning all weights into floats is the costly part.
        counts = self.resampled(sums.reshape(len(sums), -1))
        return np.split(counts, len(masks), axis=1)

    def totals(self, cases: CaseSet, *masks: BoolArray) -> list[FloatArray]:
        """Count each mask's cases, with a panel or without: (1 + B,) each."""
        patients = self.weights.shape[1]
        sums = [np.bincount(cases.patient[mask], minlength=patients) for mask in masks]
        return list(self.resampled(np.column_stack(sums)).T)

    def resampled(self, sums: FloatArray | IntArray) -> FloatArray:
        """Add up what patients have, (P, ...), in the sample and each replicate: (1 + B, ...)."""
        return _resampled(self.weights, sums)


def _resampled(weights: WeightArray, sums: FloatArray | IntArray) -> FloatArray:
    """Weigh chunk by chunk: floats in place of all weights at once would take gigabytes."""
    starts = range(0, len(weights), _CHUNK)
    return np.concatenate([weights[at : at + _CHUNK].astype(np.float64) @ sums for at in starts])


@dataclass(frozen=True, slots=True)
class Tallies:
    """Counts in the sample and each replicate: of panels (1 + B, C), of disagreements (1 + B,)."""

    n_unanimous: int
    n_disagreements: int
    n_doubtful: int
    panels: FloatArray
    alike: FloatArray
    alike_against: FloatArray
    doubtful: FloatArray
    disagreements: FloatArray

    @classmethod
    def of(
        cls,
        panels: Panels,
        mature: CaseSet,
        unanimous: BoolArray,
        disagrees: BoolArray,
        doubtful: BoolArray,
    ) -> Tallies:
        """Count the cases of a window.

        Parameters
        ----------
        unanimous, disagrees, doubtful : (n,) masks of the cases: panels of one mind, disagreements
            with the index test, divided or small panels
        """
        everyone = np.ones(mature.n, dtype=np.bool_)
        masks = (everyone, unanimous, unanimous & disagrees)
        present, alike, against = panels.counted(mature, *masks)
        in_doubt, all_of_them = panels.totals(mature, disagrees & doubtful, disagrees)
        return cls(
            n_unanimous=int(unanimous.sum()),
            n_disagreements=int(disagrees.sum()),
            n_doubtful=int((disagrees & doubtful).sum()),
            panels=present,
            alike=alike,
            alike_against=against,
            doubtful=in_doubt,
            disagreements=all_of_them,
        )


@dataclass(frozen=True, slots=True)
class Doubt:
    """Shares at one correlation: of unanimous labels that are wrong, of disagreements in doubt."""

    wrong_labels: Estimate
    not_separable: Estimate


def doubt(panels: Panels, which: int, tallies: Tallies, level: float) -> Doubt:
    """Say how many unanimous labels are wrong at a correlation, and what that makes of attribution.

    A panel of n alike is wrong with probability P(D ≠ label | n alike) = π·f₁ / (π·f₁ + (1-π)·f₀)
    (for n negative reads; so for n positive), f the chance of n alike under the common-factor
    model, π the window's own prevalence at the readers' rates. Where its label is wrong a model
    that is right disagrees; of the disagreements against panels of n alike, no more can be the
    label's fault than there are wrong labels among these panels. Added to those against divided
    and small panels that is the most that cannot be told from label noise at this correlation.

    Parameters
    ----------
    which : of :data:`common_factor.CORRELATIONS`
    level : of the interval, from patients drawn for the readers' rates and the counts alike
    """
    method = coded(
        "reader_error_latent_class",
        code("common_factor_probit", correlation=CORRELATIONS[which]),
        "percentile_bootstrap_by_patient",
    )
    sizes = (tallies.n_unanimous, tallies.n_disagreements)
    refusal = panels.rates[which].refusal
    if refusal is not None:
        return Doubt(*(undefined(refusal, method=method, n=n) for n in sizes))
    expected = tallies.alike * _wrong_labels(panels, which, tallies.panels)
    added = np.minimum(expected, tallies.alike_against).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = expected.sum(axis=1) / tallies.alike.sum(axis=1)
        share = (tallies.doubtful + added) / tallies.disagreements
    # With the count that the figure without them has.
    return Doubt(
        _estimate(wrong, tallies.n_unanimous, None, method, level),
        _estimate(share, tallies.n_disagreements, tallies.n_doubtful, method, level),
    )


def _wrong_labels(panels: Panels, which: int, counts: FloatArray) -> FloatArray:
    """Probability (1 + B, C) that the label of a panel of one mind is wrong."""
    correlation, rates = CORRELATIONS[which], panels.rates[which]
    prevalence = prevalence_given(panels.votes, counts, rates, correlation)[:, None]
    ill, well = likelihoods(panels.votes, rates, correlation)
    ill, well = prevalence * ill, (1 - prevalence) * well
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(panels.votes.positive == 0, ill, well) / (ill + well)
    return found


def _estimate(
    values: FloatArray, n: int, events: int | None, method: Codes, level: float
) -> Estimate:
    value = float(values[0])
    interval = percentile_interval(values[1:], level, most_undefined=FEW_UNDEFINED)
    return Estimate(value, interval.lower, interval.upper, n, events, method)
