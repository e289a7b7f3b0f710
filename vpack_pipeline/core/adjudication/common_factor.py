"""What readers' errors are for a given correlation of them, as their own reads let it be known.

The latent-class model of Dawid & Skene (1979) with readers alike and one common factor a case
(:mod:`panel_error`; Qu, Tan & Kutner 1996): at ρ = 0 it is theirs, at ρ > 0 readers who agree may
be wrong together. Three reads a case fit every ρ equally well, but where the fit lies at a bound;
four or more tell a little (:func:`misfit`). ρ is never estimated. What does not belong here: the
panel's error that follows (``panel_error``), the index test.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl
from scipy.special import bdtr, expit, logit, ndtr, ndtri

from vpack_pipeline.core.adjudication.basis import ReadBasis
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE
from vpack_pipeline.core.adjudication.panel_error import SHARES, Votes, chances, given_factor
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import FloatArray

CORRELATIONS: Final = (0.0, 0.3, 0.5)
"""Correlations of latent errors for which whatever rests on them is stated."""
SCENARIOS: Final = code("correlations_are_scenarios", highest=max(CORRELATIONS))

_STEP: Final = 1e-5
_ROUNDS: Final = 6
"""Of scoring, for replicates: they start where the sample's own fit has ended."""
_LOW = np.array([-9.0, 0.0, 0.0])
_HIGH = np.array([9.0, 4.0, 4.0])
_TINY: Final = 1e-12
_LEAST_YOUDEN: Final = 1e-3
_ROUNDING: Final = 1e-3

LEAST_VOTES: Final = 3
TOO_FEW: Final = Code("no_case_with_three_votes")
WORSE: Final = 3.84
"""By how much a deviance exceeds the least one where a fit is called worse: χ² of one degree."""


class ReaderRates(NamedTuple):
    """(B,) each: share of cases with the finding, and the accuracy of one reader, all alike.

    All nan where it cannot be told: no panel of three, or readers no better than chance. Where no
    case is of a class, the accuracy in that class alone is nan.
    """

    prevalence: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray

    @property
    def refusal(self) -> Code | None:
        """Why the first fit, of the sample itself, does not say how accurate a reader is."""
        if np.isnan(self.prevalence[0]):
            return Code("readers_by_chance")
        is_absent = np.isnan(self.sensitivity[0] + self.specificity[0])
        return Code("class_never_read") if is_absent else None

    @property
    def caution(self) -> Code | None:
        """Why the first fit may be a poor one."""
        sides = (self.sensitivity[0], self.specificity[0])
        if min(sides) <= ndtr(_LOW[1] + _ROUNDING):
            return Code("fit_at_bound")
        return Code("fit_at_top") if max(sides) >= ndtr(_HIGH[1] - _ROUNDING) else None

    def certain(self) -> ReaderRates:
        """Take an accuracy at the upper bound of the fit, 1 - 3e-5, as 1."""
        most = ndtr(_HIGH[1] - _ROUNDING)
        sides = (np.where(rate >= most, 1.0, rate) for rate in self[1:])
        return ReaderRates(self.prevalence, *sides)


def case_votes(basis: ReadBasis) -> pl.DataFrame:
    """Count each case's positive and negative reads, one a reader.

    Parameters
    ----------
    basis : of one finding

    Returns
    -------
    ``case_id``, ``patient_id``, ``n_votes`` (1 or more) and ``n_positive_votes``, sorted
    """
    is_vote = pl.col("class").is_in([POSITIVE, NEGATIVE])
    return (
        basis.first.filter(is_vote)
        .group_by("case_id", "patient_id")
        .agg(
            pl.len().cast(pl.Int64).alias("n_votes"),
            (pl.col("class") == POSITIVE).sum().cast(pl.Int64).alias("n_positive_votes"),
        )
        .sort("case_id")
    )


def reader_rates(
    votes: Votes,
    counts: FloatArray,
    correlation: float,
    *,
    start: ReaderRates | None = None,
    rounds: int = 40,
) -> ReaderRates:
    """Fit prevalence and reader accuracy for a given correlation, by maximum likelihood.

    Damped Fisher scoring, B fits side by side; sensitivity and specificity are sought from 0.5 up,
    which fixes the names of the classes.

    Parameters
    ----------
    counts : (B, C) cases of each panel
    correlation : ρ, in [0, 1)
    start : (1,) each; for replicates the fit to the sample itself, from which few rounds do
    rounds : of scoring, at most
    """
    informative = votes.n >= 2
    cells = Votes(votes.n[informative], votes.positive[informative])
    weight = np.asarray(counts, dtype=np.float64)[:, informative]
    known = weight[:, cells.n >= LEAST_VOTES].sum(axis=1) > 0
    if start is not None:
        known &= start.refusal is None
    point = _start(cells, weight[known], start)
    found = np.full((3, len(weight)), np.nan)
    if known.any():
        fitted = _scored(cells, weight[known], point, correlation, rounds)
        found[:, known] = expit(fitted[:, 0]), ndtr(fitted[:, 1]), ndtr(fitted[:, 2])
    with np.errstate(invalid="ignore"):
        found = np.where(found[1] + found[2] > 1 + _LEAST_YOUDEN, found, np.nan)
        absent, everywhere = expit(_LOW[0] + _ROUNDING), expit(_HIGH[0] - _ROUNDING)
        found[1, found[0] <= absent] = np.nan
        found[2, found[0] >= everywhere] = np.nan
    return ReaderRates(*found)


def rates_with_replicates(
    votes: Votes, counts: FloatArray, drawn: FloatArray, correlation: float
) -> ReaderRates:
    """Fit the sample itself and its bootstrap replicates: (1 + B,) each.

    Parameters
    ----------
    counts : (C,) cases of each panel
    drawn : (B, C), the same in each replicate
    """
    point = reader_rates(votes, counts[None], correlation)
    replicates = reader_rates(votes, drawn, correlation, start=point, rounds=_ROUNDS)
    pairs = zip(point, replicates, strict=True)
    return ReaderRates(*(np.concatenate(pair) for pair in pairs))


def misfit(votes: Votes, counts: FloatArray, rates: ReaderRates, correlation: float) -> float:
    """Deviance of the first fit from the votes as they are: 0 where it gives each panel its share.

    Of panels of two votes or more, given how many votes they have; twice the log-likelihood of the
    multinomial without a model less that of the fit. nan where the fit is refused.

    Parameters
    ----------
    counts : (C,) cases of each panel, as the fit had them
    """
    ill, well = (part[0] for part in likelihoods(votes, rates, correlation))
    fitted = rates.prevalence[0] * ill + (1 - rates.prevalence[0]) * well
    whole = np.array([counts[votes.n == n].sum() for n in votes.n])
    seen = (votes.n >= 2) & (counts > 0)
    terms = counts[seen] * np.log(counts[seen] / whole[seen] / np.maximum(fitted[seen], _TINY))
    return max(2 * float(terms.sum()), 0.0)


def prevalence_given(
    votes: Votes, counts: FloatArray, rates: ReaderRates, correlation: float
) -> FloatArray:
    """Prevalence (B,) of other cases, read by the same readers; nan without cases."""
    ill, well = likelihoods(votes, rates, correlation)
    weight = np.asarray(counts, dtype=np.float64)
    found = np.array(rates.prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(200):
            mass = found[:, None] * ill
            posterior = mass / np.maximum(mass + (1 - found)[:, None] * well, _TINY)
            before, found = found, (weight * posterior).sum(axis=1) / weight.sum(axis=1)
            # Where a round changes no bit, none after it does.
            if np.array_equal(before, found, equal_nan=True):
                break
    return found


def likelihoods(
    votes: Votes, rates: ReaderRates, correlation: float
) -> tuple[FloatArray, FloatArray]:
    """Probability of each panel, (B, C), in cases with the finding and in cases without."""
    return (
        chances(votes, rates.sensitivity, correlation),
        chances(votes, 1 - rates.specificity, correlation),
    )


def usual_size(voted: pl.DataFrame) -> int:
    """Votes of the panel that most cases have, of those with three or more if there are any.

    Of two sizes as frequent the smaller, whose labels are noisier. Pairs are passed over: with the
    third vote that breaks their ties they are panels of three.

    Parameters
    ----------
    voted : of :func:`case_votes`, one case or more
    """
    whole = voted.filter(pl.col("n_votes") >= LEAST_VOTES)
    sizes = (voted if whole.is_empty() else whole)["n_votes"]
    return int(sizes.mode().min())  # type: ignore[arg-type]


class AnotherPanel(NamedTuple):
    """(C,) each: chance that another panel's majority is positive or negative; the rest tie."""

    positive: FloatArray
    negative: FloatArray


def another_panel(
    votes: Votes, rate: float, correlation: float, *, is_tie_broken: bool
) -> AnotherPanel:
    """What other readers of the same cases would say, as many as there were, of one true class.

    A case's common factor is the case's own, so that other readers meet it too: it is taken from
    its posterior given the votes that the case had.

    Parameters
    ----------
    rate : probability that one reader says positive in this class
    correlation : ρ, in [0, 1)
    is_tie_broken : a tie is decided by one more such reader; else it decides nothing
    """
    given = given_factor(np.array([rate]), correlation)
    n, k = votes.n[:, None], votes.positive[:, None]
    factor = SHARES * given**k * (1 - given) ** (n - k)
    factor /= factor.sum(axis=1, keepdims=True)
    positive, negative = 1 - bdtr(n // 2, n, given), bdtr((n - 1) // 2, n, given)
    if is_tie_broken:
        tie = 1 - positive - negative
        positive, negative = positive + tie * given, negative + tie * (1 - given)
    return AnotherPanel((factor * positive).sum(axis=1), (factor * negative).sum(axis=1))


def _start(cells: Votes, weight: FloatArray, start: ReaderRates | None) -> FloatArray:
    if start is None:
        share = weight @ np.asarray(2 * cells.positive > cells.n) / weight.sum(axis=1)
        first = logit(np.clip(share, 0.01, 0.99))
        rest = ndtri(np.array([0.85, 0.9]))
    else:
        first = np.repeat(logit(start.prevalence), len(weight))
        rest = ndtri(np.concatenate([start.sensitivity, start.specificity]))
    point = np.column_stack([first, np.tile(rest, (len(weight), 1))])
    return np.asarray(np.clip(point, _LOW, _HIGH))


def _of_classes(
    cells: Votes, point: FloatArray, correlation: float
) -> tuple[FloatArray, FloatArray]:
    """Probability of each panel, (B, C), in cases with the finding and in cases without."""
    ill = chances(cells, ndtr(point[:, 1]), correlation)
    return ill, chances(cells, ndtr(-point[:, 2]), correlation)


def _of_all(point: FloatArray, ill: FloatArray, well: FloatArray) -> FloatArray:
    prevalence = expit(point[:, 0])[:, None]
    return np.asarray(np.maximum(prevalence * ill + (1 - prevalence) * well, _TINY))


def _slopes(
    cells: Votes, point: FloatArray, ill: FloatArray, well: FloatArray, correlation: float
) -> FloatArray:
    """Slope of each panel's probability along each parameter, (B, C, 3).

    A class's own probabilities change with its accuracy alone, and are costly to compute.
    """
    chance = _of_all(point, ill, well)
    more_ill, more_well = _of_classes(cells, point + _STEP, correlation)
    along = [
        _of_all(point + _STEP, ill, well),
        _of_all(point, more_ill, well),
        _of_all(point, ill, more_well),
    ]
    return np.stack([(there - chance) / _STEP for there in along], axis=2)


def _scored(
    cells: Votes, weight: FloatArray, point: FloatArray, correlation: float, rounds: int
) -> FloatArray:
    """Climb the likelihood from ``point`` (B, 3): logit prevalence, probits of the accuracies."""
    damping = np.full(len(point), 1e-3)
    ill, well = _of_classes(cells, point, correlation)
    chance = _of_all(point, ill, well)
    height = (weight * np.log(chance)).sum(axis=1)
    for _ in range(rounds):
        slopes = _slopes(cells, point, ill, well, correlation)
        scaled = slopes * (weight / chance)[:, :, None]
        gradient = scaled.sum(axis=1)
        by_size = weight.sum(axis=1)[:, None, None]
        information = by_size * np.einsum("bci,bcj->bij", slopes / chance[:, :, None], slopes)
        ridge = damping[:, None, None] * (by_size * np.eye(3) + information * np.eye(3))
        step = np.linalg.solve(information + ridge + _TINY * np.eye(3), gradient[:, :, None])
        tried = np.clip(point + np.clip(step[:, :, 0], -1, 1), _LOW, _HIGH)
        new_ill, new_well = _of_classes(cells, tried, correlation)
        new_chance = _of_all(tried, new_ill, new_well)
        new_height = (weight * np.log(new_chance)).sum(axis=1)
        better = new_height >= height
        point = np.where(better[:, None], tried, point)
        ill = np.where(better[:, None], new_ill, ill)
        well = np.where(better[:, None], new_well, well)
        chance = np.where(better[:, None], new_chance, chance)
        gained = np.where(better, new_height - height, 0.0)
        height = np.where(better, new_height, height)
        damping = np.where(better, damping / 5, damping * 10)
        if bool((gained[better] < 1e-9 * by_size[better, 0, 0]).all()) and bool(better.all()):
            break
    return point
