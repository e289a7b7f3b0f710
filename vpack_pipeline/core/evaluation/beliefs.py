"""How likely each case is positive by its reads and the index test's output, and what another panel
of such readers would call it.

Readers' errors are known, from a latent-class model of the reads; the index test is taken to err
apart from the readers given the truth. Weighed by its reads alone a case would not count as what
the index test says of it, so that even a perfect test would seem to err. What does not belong here:
the readers' errors (``adjudication/common_factor``, ``adjudication/latent``), the table
(``label_sensitivity``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np

from vpack_pipeline.core.adjudication.common_factor import (
    CORRELATIONS,
    ReaderRates,
    another_panel,
    likelihoods,
)
from vpack_pipeline.core.evaluation.analysis import (
    CaseSet,
    called,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.protocol import IndexTest, OperatingPoint
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray
from vpack_pipeline.stats.mixture import class_chances
from vpack_pipeline.stats.resampling import alike
from vpack_pipeline.stats.roc import auc_replicates

METRICS: Final = ("sensitivity", "specificity", "auc")
_PER_GROUP: Final = 50
_MOST_GROUPS: Final = 20
_CHUNK: Final = 64
_MANY: Final = 16
"""Cases of a kind from which one draw for all of them costs less than one for each."""
SCORE_BINS: Final = 256


@dataclass(frozen=True, slots=True)
class Sides:
    """The index test on each case, were it positive, and were it negative.

    ``hit`` and ``cleared`` (n,) say whether its call would be right; ``score`` (2n,) has the cases
    as positive first. None where there is no operating point, or no score.
    """

    n: int
    hit: BoolArray | None
    cleared: BoolArray | None
    score: FloatArray | None

    @classmethod
    def of(cls, cases: CaseSet, point: OperatingPoint | None, index_test: IndexTest) -> Sides:
        """Take each case as of either class, failed inferences as the protocol says."""
        sides = [replace(cases, label=np.full(cases.n, code, dtype=np.int8)) for code in (1, 0)]
        hit = cleared = score = None
        if cases.is_usable.any():
            if point is not None:
                flags = [called(side, point, index_test).is_flagged for side in sides]
                hit, cleared = flags[0], ~flags[1]
            if index_test.output.kind != "binary":
                scores = [intention_to_diagnose_score(side, index_test) for side in sides]
                score = np.concatenate(scores)
        return cls(cases.n, hit, cleared, score)

    def figures(self, positive: FloatArray, negative: FloatArray) -> dict[str, FloatArray]:
        """Give each metric (B,), nan where undefined, for weights (B, n) as of either class."""
        found = {metric: np.full(len(positive), np.nan) for metric in METRICS}
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.hit is not None:
                found["sensitivity"] = positive @ self.hit / positive.sum(axis=1)
            if self.cleared is not None:
                found["specificity"] = negative @ self.cleared / negative.sum(axis=1)
        if self.score is not None:
            is_ill = np.arange(2 * self.n) < self.n
            found["auc"] = auc_replicates(self.score, is_ill, np.hstack([positive, negative]))
        return found


def output_groups(cases: CaseSet, point: OperatingPoint | None, index_test: IndexTest) -> IntArray:
    """Sort cases by the index test's output: failed ones, and on either side of the threshold
    up to 20 groups by score of 50 cases or more; codes from 0.
    """
    group = np.zeros(cases.n, dtype=np.int64)
    is_binary = index_test.output.kind == "binary"
    flagged = called(cases, point, index_test).is_flagged
    first = 1
    for side in (False, True):
        rows = np.flatnonzero(cases.is_usable & (flagged == side))
        most = 1 if is_binary else min(max(rows.size // _PER_GROUP, 1), _MOST_GROUPS)
        score = cases.score[rows]
        below = np.searchsorted(np.sort(score), score)
        group[rows] = first if is_binary else first + (below * most // max(rows.size, 1))
        first += most
    return group


def beliefs(odds: FloatArray, group: IntArray) -> FloatArray:
    """Chance that each case is positive; nan where its odds are.

    Parameters
    ----------
    odds : likelihood of what else is known of each case if positive over that if negative; nan
        leaves a case out
    group : of :func:`output_groups`
    """
    known = ~np.isnan(odds)
    found = np.full(odds.size, np.nan)
    found[known] = class_chances(odds[known], group[known])
    return found


def likelihood_odds(chance: FloatArray, prior: float) -> FloatArray:
    """Likelihood of reads if positive over that if negative, from chances (n,) and their prior.

    Where the prior leaves only one class, the reads are all of it.

    >>> likelihood_odds(np.array([0.5, 0.0]), 0.5), likelihood_odds(np.zeros(1), 0.0)
    (array([1., 0.]), array([0.]))
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = chance / (1 - chance) * (1 - prior) / prior
    only = 0.0 if prior < 0.5 else np.inf
    return np.where(np.isnan(odds) & ~np.isnan(chance), only, odds)


def settled(cases: CaseSet, by_source: BoolArray, odds: FloatArray) -> FloatArray:
    """Let an independent source's label be all that is known of its cases."""
    label = np.where(cases.is_positive, np.inf, 0.0)
    return np.where(by_source & cases.is_decided, label, odds)


@dataclass(frozen=True, slots=True)
class OtherPanels:
    """Chances (n,) that another panel calls each case positive or negative; the rest: no label."""

    positive: FloatArray
    negative: FloatArray

    @classmethod
    def of(
        cls,
        cases: CaseSet,
        by_source: BoolArray,
        group: IntArray,
        panels: Panels,
        which: int,
        *,
        least: int,
        is_tie_broken: bool,
    ) -> OtherPanels:
        """Work out the chances at one correlation of the readers' errors.

        Parameters
        ----------
        by_source : (n,) cases that an independent source settled: they keep their label, as do
            those with fewer than ``least`` votes
        which : of ``CORRELATIONS``; its fit is not refused
        """
        correlation = CORRELATIONS[which]
        rates = ReaderRates(*(part[:1] for part in panels.rates[which]))
        cell = panels.cell_of(cases)
        ill, well = (part[0][cell] for part in likelihoods(panels.votes, rates, correlation))
        has_votes = cell >= 0
        odds = np.where(has_votes, ill / np.maximum(well, np.finfo(float).tiny), np.nan)
        chance = beliefs(settled(cases, by_source, odds), group)
        sides = [
            another_panel(panels.votes, float(rate), correlation, is_tie_broken=is_tie_broken)
            for rate in (rates.sensitivity[0], 1 - rates.specificity[0])
        ]
        again = has_votes & (panels.votes.n[cell] >= least) & ~by_source
        found = []
        for kept, (if_ill, if_well) in zip(
            (cases.is_positive, cases.is_decided & ~cases.is_positive),
            zip(*sides, strict=True),
            strict=True,
        ):
            drawn = chance * if_ill[cell] + (1 - chance) * if_well[cell]
            found.append(np.where(again, drawn, kept.astype(np.float64)))
        return cls(*found)

    def figures(
        self, sides: Sides, replicates: int, rng: np.random.Generator
    ) -> dict[str, FloatArray]:
        """Draw panels, and give each metric against their labels: (B,)."""
        kinds = AlikeCases.of(sides, self.positive, self.negative)
        parts = [
            kinds.figures(*kinds.drawn(min(_CHUNK, replicates - start), rng))
            for start in range(0, replicates, _CHUNK)
        ]
        return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


@dataclass(frozen=True)
class AlikeCases:
    """Cases that a panel calls with the same chances, and of which the index test says the same.

    Where they are many their labels are drawn together, as one multinomial; each of a few is drawn
    by itself, as one of one. Scores count by bin, at most ``SCORE_BINS``; within a bin they are
    taken as ties, which moves an area by less than .0001 (measured on a thousand to a million
    normal scores), and where there are no more distinct scores than bins by nothing.

    Attributes
    ----------
    n : (m,) cases of each kind
    positive, negative : (m,) chances that another panel calls one positive, and negative
    hit, cleared : (m,) as in :class:`Sides`
    bins : (2, m) bin of the score, were the case positive, and were it negative
    """

    n: IntArray
    positive: FloatArray
    negative: FloatArray
    hit: BoolArray | None
    cleared: BoolArray | None
    bins: IntArray | None

    @classmethod
    def of(cls, sides: Sides, positive: FloatArray, negative: FloatArray) -> AlikeCases:
        """Sort the cases of chances (n,) by kind."""
        bins = None if sides.score is None else score_bins(sides.score).reshape(2, -1)
        columns = [
            *(c for c in (sides.hit, sides.cleared) if c is not None),
            *(() if bins is None else bins),
            *(np.unique(chance, return_inverse=True)[1] for chance in (positive, negative)),
        ]
        kind, size = alike(np.column_stack(columns).astype(np.int64))
        # One case of each kind of many, and every case of the others.
        is_many = size >= _MANY
        first = np.unique(kind, return_index=True)[1]
        row = np.concatenate([first[is_many], np.flatnonzero(~is_many[kind])])
        n = np.concatenate([size[is_many], np.ones(row.size - is_many.sum(), dtype=np.int64)])
        return cls(
            n,
            positive[row],
            negative[row],
            None if sides.hit is None else sides.hit[row],
            None if sides.cleared is None else sides.cleared[row],
            None if bins is None else bins[:, row],
        )

    @cached_property
    def _in_order(self) -> tuple[_BinOrder, ...]:
        return (
            () if self.bins is None else tuple(_BinOrder.of(bins, self.bins) for bins in self.bins)
        )

    def drawn(self, panels: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw how many of each kind so many panels call positive, and negative: (B, m) each."""
        many = int((self.n > 1).sum())
        chance = np.column_stack([self.positive[:many], self.negative[:many]])
        rest = np.maximum(1 - chance.sum(axis=1, keepdims=True), 0)
        chances = np.hstack([chance, rest])
        together = rng.multinomial(
            self.n[:many], chances / chances.sum(axis=1, keepdims=True), size=(panels, many)
        )
        one = rng.random((panels, self.n.size - many))
        singly = one < self.positive[many:], one >= 1 - self.negative[many:]
        positive, negative = (
            np.hstack([together[:, :, which], singly[which]]).astype(np.float64) for which in (0, 1)
        )
        return positive, negative

    def figures(self, positive: FloatArray, negative: FloatArray) -> dict[str, FloatArray]:
        """Give each metric (B,), nan where undefined, for counts (B, m) of either label."""
        found = {metric: np.full(len(positive), np.nan) for metric in METRICS}
        n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.hit is not None:
                found["sensitivity"] = positive @ self.hit / n_positive
            if self.cleared is not None:
                found["specificity"] = negative @ self.cleared / n_negative
            if self.bins is not None:
                ill, well = (
                    in_order.added_up(counts)
                    for counts, in_order in zip((positive, negative), self._in_order, strict=True)
                )
                below = np.cumsum(well, axis=1) - well / 2
                found["auc"] = (ill * below).sum(axis=1) / (n_positive * n_negative)
        return found


def score_bins(score: FloatArray) -> IntArray:
    """Number the scores from the lowest: each by itself, or in ``SCORE_BINS`` of about one size.

    The lowest and the highest score, which failed inferences may have, share their bin with none.
    """
    distinct, code = np.unique(score, return_inverse=True)
    if distinct.size <= SCORE_BINS:
        return code.reshape(-1)
    inner = np.quantile(score, np.linspace(0, 1, SCORE_BINS - 1)[1:-1], method="lower")
    edges = np.unique([distinct[1], *inner, distinct[-1]])
    return np.searchsorted(edges, score, side="right")


@dataclass(frozen=True, slots=True)
class _BinOrder:
    """The columns of counts in order of their bins, found once for all draws."""

    order: IntArray
    present: IntArray
    starts: IntArray
    n_bins: int

    @classmethod
    def of(cls, bins: IntArray, of_both: IntArray) -> Self:
        """Order the columns of one class; the bins of both classes are as many."""
        order = np.argsort(bins, kind="stable")
        present, starts = np.unique(bins[order], return_index=True)
        return cls(order, present, starts, int(of_both.max()) + 1)

    def added_up(self, counts: FloatArray) -> FloatArray:
        """Add up the columns of each bin: (B, m) to (B, bins)."""
        found = np.zeros((len(counts), self.n_bins))
        found[:, self.present] = np.add.reduceat(counts[:, self.order], self.starts, axis=1)
        return found
