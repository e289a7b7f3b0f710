"""What readers' errors make of a majority's label, when errors are alike from reader to reader.

The model is a probit with one common factor a case: reader i of a truly positive case says
positive where Φ⁻¹(sensitivity) + √ρ·Z + √(1−ρ)·εᵢ > 0, Z shared by the case's readers (and so for
specificity). ρ is the correlation of two readers' latent errors; ρ = 0 makes them independent
(Ochi & Prentice 1984 for the model; Qu, Tan & Kutner 1996 for its use on diagnostic tests). Three
reads a case cannot tell ρ from the readers' errors, so that it is a parameter of every statement.
What does not belong here: what the readers' errors are (``common_factor``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import comb, ndtr, ndtri

from vpack_pipeline.stats.estimate import FloatArray, IntArray

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
SHARES: Final[FloatArray] = _WEIGHTS / _WEIGHTS.sum()
"""Weight of each node of the common factor."""


class Votes(NamedTuple):
    """Distinct panels, (C,) each: how many positive or negative reads, how many positive."""

    n: IntArray
    positive: IntArray


@dataclass(frozen=True, slots=True)
class PanelError:
    """A majority of k blind readers alike, a perfect model held against it; arrays of one shape.

    Sensitivity and specificity of the panel are among cases with a majority. ``perfect_*`` are what
    a model that is always right shows against the panel's labels; ``unanimous_share`` is the
    share of its apparent errors where the panel is unanimous. All of it nan where the readers do
    no better than chance (sensitivity + specificity <= 1).

    No such majority need have sat. Two or three readers of one mind, and else a further reader, err
    as a majority of three does if the further reader is one more of their kind, and then exactly,
    at any correlation: readers who can change places leave the same patterns of right and wrong.
    """

    prevalence: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray
    error: FloatArray
    perfect_sensitivity: FloatArray
    perfect_specificity: FloatArray
    perfect_accuracy: FloatArray
    unanimous_share: FloatArray


def given_factor(rate: FloatArray, correlation: float) -> FloatArray:
    """Probability that a reader says positive, (B, 40): at each node of the common factor.

    Parameters are those of :func:`chances`; weighted by ``SHARES`` they come to the rate.
    """
    with np.errstate(divide="ignore"):
        threshold = ndtri(np.asarray(rate, dtype=np.float64))[:, None]
    factor = np.sqrt(correlation) * _NODES
    return np.asarray(ndtr((threshold + factor) / np.sqrt(1 - correlation)))


def chances(votes: Votes, rate: FloatArray, correlation: float) -> FloatArray:
    """Probability of each panel's positive reads among exchangeable, correlated readers.

    Parameters
    ----------
    rate : (B,) probability that one reader says positive, in [0, 1]
    correlation : ρ, in [0, 1)

    Returns
    -------
    (B, C); Gauss–Hermite quadrature of 40 nodes over the common factor
    """
    given = given_factor(rate, correlation)
    n, k = votes.n, votes.positive
    found: FloatArray = np.zeros((len(given), len(n)))
    powers = [given**j for j in range(int(n.max(initial=0)) + 1)]
    rests = [(1 - given) ** j for j in range(len(powers))]
    ways = comb(n, k)
    for c in range(len(n)):
        found[:, c] = ways[c] * (powers[k[c]] * rests[n[c] - k[c]]) @ SHARES
    return found


def positive_reads(rate: FloatArray, readers: int, correlation: float) -> FloatArray:
    """Distribution of the number of positive reads of a panel of k readers: (B, k + 1).

    Parameters are those of :func:`chances`; rows sum to 1.

    >>> positive_reads(np.array([0.5]), 2, 0.0).round(12)
    array([[0.25, 0.5 , 0.25]])
    """
    positive = np.arange(readers + 1)
    return chances(Votes(np.full_like(positive, readers), positive), rate, correlation)


def panel_error(
    sensitivity: FloatArray,
    specificity: FloatArray,
    apparent_positive: FloatArray,
    readers: int,
    correlation: float,
) -> PanelError:
    """Say how often a majority errs, and what a perfect model would look like against it.

    Parameters
    ----------
    sensitivity, specificity : (B,) of one reader, all readers alike
    apparent_positive : (B,) share of all cases in which the majority is positive; the true
        prevalence follows from it (Rogan & Gladen 1978), clipped to [0, 1]
    readers : k, >= 1; an even number may tie, and then decides nothing
    correlation : ρ, in [0, 1)
    """
    j = np.arange(readers + 1)
    up, down = 2 * j > readers, 2 * j < readers
    ill = positive_reads(sensitivity, readers, correlation)
    well = positive_reads(1 - np.asarray(specificity), readers, correlation)
    hit, miss = ill[:, up].sum(axis=1), ill[:, down].sum(axis=1)
    alarm, clear = well[:, up].sum(axis=1), well[:, down].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        prevalence = np.clip((apparent_positive - alarm) / (hit - alarm), 0.0, 1.0)
        prevalence = np.where(sensitivity + specificity > 1, prevalence, np.nan)
        healthy = 1 - prevalence
        wrong = prevalence * miss + healthy * alarm
        decided = prevalence * (hit + miss) + healthy * (alarm + clear)
        together = prevalence * ill[:, 0] + healthy * well[:, -1]
        return PanelError(
            prevalence,
            np.where(np.isnan(prevalence), np.nan, hit / (hit + miss)),
            np.where(np.isnan(prevalence), np.nan, clear / (alarm + clear)),
            wrong / decided,
            prevalence * hit / (prevalence * hit + healthy * alarm),
            healthy * clear / (healthy * clear + prevalence * miss),
            1 - wrong / decided,
            together / wrong,
        )
