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
from vpack_pipeline.stats.resampling import FEW_UNDEFINED, PatientKinds, percentile_interval

_NO_PANEL: Final = -1


@dataclass(frozen=True, slots=True)
class Panels:
    """The panels of one finding, and their readers' rates at each correlation.

    ``patients`` are drawn by kind: their votes, and what else is counted of them. ``rates``
    (1 + B,) each, of the sample itself and its bootstrap replicates, are taken from the reads of
    all included cases, so that both windows have the same. ``size`` is that of
    :func:`common_factor.usual_size`. ``refusal`` says why there are no rates.
    """

    cell: pl.DataFrame
    votes: Votes
    size: int
    patients: PatientKinds
    rates: tuple[ReaderRates, ...]
    refusal: Code | None
    finding: str
    seed: int

    @classmethod
    def of(
        cls,
        basis: ReadBasis,
        finding: str,
        analysis: AnalysisSet,
        evaluation: Evaluation,
        beside: IntArray | None = None,
    ) -> Panels:
        """Count the votes of each included case, and fit the readers' rates.

        Parameters
        ----------
        basis : of reads whose cases and patients ``analysis`` has numbered
        beside : (P, c) further counts of each patient, whose totals every replicate then has
            exactly, however often they are asked for
        """
        voted = case_votes(basis)
        cells = voted.select("n_votes", "n_positive_votes").unique().sort(pl.all())
        cells = cells.with_row_index("cell")
        voted = voted.join(cells, on=["n_votes", "n_positive_votes"]).sort("case_id")
        votes = Votes(cells["n_votes"].to_numpy(), cells["n_positive_votes"].to_numpy())
        cell = voted.select("case_id", pl.col("cell").cast(pl.Int64))
        patient = voted["patient_id"].cast(pl.Int64).to_numpy()
        counts = counted_by(patient, cell["cell"].to_numpy(), analysis.n_patients, len(cells))
        further = np.zeros((len(counts), 1), dtype=np.int64) if beside is None else beside
        rng = generator(evaluation.seed, "panels", finding)
        drawn = PatientKinds.drawn(np.column_stack([counts, further]), evaluation.replicates, rng)
        refusal = basis.refusal or (None if (votes.n >= LEAST_VOTES).any() else TOO_FEW)
        rates: tuple[ReaderRates, ...] = ()
        if refusal is None:
            resampled = drawn.totals(counts, rng)
            rates = tuple(
                rates_with_replicates(votes, resampled[0], resampled[1:], rho)
                for rho in CORRELATIONS
            )
        size = usual_size(voted) if voted.height else 1
        return cls(cell, votes, size, drawn, rates, refusal, finding, evaluation.seed)

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

    def totals(self, counts: IntArray) -> FloatArray:
        """Add up what patients have, (P, c), in the sample and each replicate: (1 + B, c)."""
        rng = generator(self.seed, "within_panels", self.finding)
        return self.patients.totals(counts, rng)

    def by_patient(self, cases: CaseSet, *masks: BoolArray) -> IntArray:
        """Count each mask's cases by patient: (P, masks)."""
        n = self.patients.kind.size
        return np.column_stack([np.bincount(cases.patient[m], minlength=n) for m in masks])

    def by_cell(self, cases: CaseSet, *masks: BoolArray) -> IntArray:
        """Count each mask's cases by patient and panel, mask after mask: (P, masks × C)."""
        cell = self.cell_of(cases)
        shape = self.patients.kind.size, len(self.votes.n)
        found = []
        for mask in masks:
            rows = np.asarray(mask) & (cell != _NO_PANEL)
            found.append(counted_by(cases.patient[rows], cell[rows], *shape))
        return np.column_stack(found)


def counted_by(row: IntArray, column: IntArray, rows: int, columns: int) -> IntArray:
    """Count how often each pair of codes occurs: (rows, columns)."""
    counts = np.bincount(row * columns + column, minlength=rows * columns)
    return np.asarray(counts.reshape(rows, columns))


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
        # Together, so that all are of the same patients.
        found = panels.totals(
            np.column_stack(
                [
                    panels.by_cell(mature, *masks),
                    panels.by_patient(mature, disagrees & doubtful, disagrees),
                ]
            )
        )
        present, alike, against = np.split(found[:, :-2], len(masks), axis=1)
        in_doubt, all_of_them = found[:, -2], found[:, -1]
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
