"""Coefficients of agreement as functions of sums over units, evaluated for many sets at once.

Sums add up over patients, so that what a coefficient would be without each of them takes one
subtraction and no ratings are copied. What does not belong here: point estimates and their
definitions (``coefficients``, ``krippendorff``, ``icc``), intervals (``jackknife``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from vpack_pipeline.stats.agreement import icc
from vpack_pipeline.stats.agreement.coefficients import unit_agreement
from vpack_pipeline.stats.agreement.counts import agreement_weights, rating_counts
from vpack_pipeline.stats.agreement.krippendorff import alphas
from vpack_pipeline.stats.arguments import amounts
from vpack_pipeline.stats.estimate import BoolArray, FloatArray

Totals = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class RatedUnits:
    """Ratings (units, readers), nan = none, with the readers of each unit and category.

    ``weight`` (units,) says for how many units each stands; None where all stand for as many.
    """

    ratings: FloatArray
    categories: tuple[float, ...]
    counts: FloatArray
    weight: FloatArray | None = None

    @classmethod
    def of(
        cls,
        ratings: FloatArray,
        categories: Sequence[float],
        weight: FloatArray | None = None,
    ) -> RatedUnits:
        """Count ratings.

        Raises
        ------
        ValueError
            A rating is none of the categories, or the categories do not increase; weights and units
            differ in number, or a weight is not above 0.
        """
        counts = rating_counts(ratings, categories)
        values = np.asarray(ratings, dtype=np.float64)
        levels = tuple(float(c) for c in categories)
        return cls(values, levels, counts, unit_weights(weight, len(values)))

    @property
    def raters(self) -> FloatArray:
        """Readers of each unit."""
        raters: FloatArray = self.counts.sum(axis=1)
        return raters

    @property
    def is_paired(self) -> BoolArray:
        """Units with two ratings or more."""
        return np.asarray(self.raters >= 2)

    @property
    def is_complete(self) -> BoolArray:
        """Units that every reader rated."""
        return np.asarray(~np.isnan(self.ratings).any(axis=1))


class Statistic(NamedTuple):
    """A coefficient: the blocks of columns that it sums, and what it makes of the sums."""

    blocks: tuple[str, ...]
    of_sums: Callable[[Totals, RatedUnits], FloatArray]
    is_share: bool = False
    """A share of pairs, in [0, 1]; else corrected for chance, 1 at most."""


def unit_weights(weight: FloatArray | None, n: int) -> FloatArray | None:
    """Give the weight of each of ``n`` units, above 0, the largest 1; None where all are alike."""
    if weight is None:
        return None
    given = amounts("weight", weight)
    if given.shape != (n,) or (given == 0).any():
        raise ValueError("weight: one weight above 0 is needed for each unit")
    # Only how weights compare matters.
    return given / given.max() if n and np.ptp(given) > 0 else None


def block(name: str, units: RatedUnits) -> FloatArray:
    """What each unit adds to one group of sums: (units, columns)."""
    made = BLOCKS[name](units)
    return made if units.weight is None else made * units.weight[:, None]


def _shares(units: RatedUnits) -> FloatArray:
    return np.asarray(units.counts / np.maximum(units.raters, 1)[:, None])


def _coincidences(units: RatedUnits) -> FloatArray:
    """Pairs of ratings of a unit by category of either, over its raters less one."""
    counts, q = units.counts, units.counts.shape[1]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(q), np.arange(q)] -= counts
    others = np.where(units.is_paired, units.raters - 1, 1)
    return np.asarray(pairs.reshape(len(counts), -1) / others[:, None])


def _own_weight(units: RatedUnits) -> FloatArray:
    return np.ones(len(units.counts)) if units.weight is None else units.weight


def _icc_sums(units: RatedUnits) -> FloatArray:
    sums = np.zeros((len(units.ratings), 3 + units.ratings.shape[1]))
    sums[units.is_complete] = icc.unit_sums(icc.complete_units(units.ratings))
    return sums


def _agreement(weights: str | None) -> Callable[[RatedUnits], FloatArray]:
    return lambda units: unit_agreement(units.counts, agreement_weights(units.categories, weights))[
        :, None
    ]


BLOCKS: Final[Mapping[str, Callable[[RatedUnits], FloatArray]]] = {
    "rated": lambda units: (units.raters > 0).astype(np.float64)[:, None],
    "paired": lambda units: units.is_paired.astype(np.float64)[:, None],
    "shares": _shares,
    "agreement": _agreement(None),
    "agreement_linear": _agreement("linear"),
    "agreement_quadratic": _agreement("quadratic"),
    "same": lambda units: units.counts * (units.counts - 1),
    "met": lambda units: units.counts * np.maximum(units.raters - 1, 0)[:, None],
    "totals": lambda units: units.counts * units.is_paired[:, None],
    "coincidences": _coincidences,
    "totals_squared": lambda units: (units.raters * units.is_paired * _own_weight(units))[:, None],
    "icc": _icc_sums,
    "icc_squared": lambda units: (units.is_complete * _own_weight(units))[:, None],
}
"""The two of squares are of squared weights, once :func:`block` has weighted them."""


def _percent(totals: Totals, _: RatedUnits) -> FloatArray:
    return np.asarray((totals["agreement"] / totals["paired"])[:, 0])


def _specific(column: int) -> Callable[[Totals, RatedUnits], FloatArray]:
    return lambda totals, _: totals["same"][:, column] / totals["met"][:, column]


def _mean_shares(totals: Totals) -> FloatArray:
    return np.asarray(totals["shares"] / totals["rated"])


def _fleiss(totals: Totals, units: RatedUnits) -> FloatArray:
    return _corrected(_percent(totals, units), (_mean_shares(totals) ** 2).sum(axis=1))


def _gwet(weights: str | None) -> Callable[[Totals, RatedUnits], FloatArray]:
    agreeing = "agreement" if weights is None else f"agreement_{weights}"

    def statistic(totals: Totals, units: RatedUnits) -> FloatArray:
        shares, q = _mean_shares(totals), len(units.categories)
        credit = float(agreement_weights(units.categories, weights).sum())
        # One declared category has no chance agreement to correct for: 0/0, undefined.
        spread = (shares * (1 - shares)).sum(axis=1)
        chance = credit * spread / (q * (q - 1)) if q > 1 else np.ones(len(shares))
        return _corrected((totals[agreeing] / totals["paired"])[:, 0], chance)

    return statistic


def _corrected(observed: FloatArray, chance: FloatArray) -> FloatArray:
    # Sums in one category have chance agreement 1 up to rounding: undefined.
    return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)


_OF_ALPHA: Final = ("totals", "coincidences", "totals_squared")


def _alpha(measured: str) -> Callable[[Totals, RatedUnits], FloatArray]:
    return lambda totals, units: alphas(
        totals["totals"],
        totals["coincidences"],
        units.categories,
        measured,
        _mean_weight(totals["totals_squared"], totals["totals"]),
    )


def _icc(totals: Totals, units: RatedUnits) -> FloatArray:
    readers = units.ratings.shape[1]
    if readers < 2:
        return np.full(len(totals["icc"]), np.nan)
    # Units count as many as Kish's size: that many of equal weight have mean squares as unbiased.
    sums = totals["icc"] / _mean_weight(totals["icc_squared"], totals["icc"][:, :1])[:, None]
    return icc.icc(icc.mean_squares(sums, readers), sums[:, 0], readers)


def _mean_weight(squared: FloatArray, totals: FloatArray) -> FloatArray:
    """Σw² / Σw over ratings or units: the weight of one rating where all weigh alike."""
    return np.asarray(squared[:, 0] / totals.sum(axis=1))


STATISTICS: Final[Mapping[str, Statistic]] = {
    "percent_agreement": Statistic(("agreement", "paired"), _percent, is_share=True),
    "positive_agreement": Statistic(("same", "met"), _specific(-1), is_share=True),
    "negative_agreement": Statistic(("same", "met"), _specific(0), is_share=True),
    "fleiss_kappa": Statistic(("agreement", "paired", "rated", "shares"), _fleiss),
    "gwet_ac1": Statistic(("agreement", "paired", "rated", "shares"), _gwet(None)),
    "gwet_ac2_linear": Statistic(
        ("agreement_linear", "paired", "rated", "shares"), _gwet("linear")
    ),
    "gwet_ac2_quadratic": Statistic(
        ("agreement_quadratic", "paired", "rated", "shares"), _gwet("quadratic")
    ),
    "krippendorff_alpha_nominal": Statistic(_OF_ALPHA, _alpha("nominal")),
    "krippendorff_alpha_ordinal": Statistic(_OF_ALPHA, _alpha("ordinal")),
    "krippendorff_alpha_interval": Statistic(_OF_ALPHA, _alpha("interval")),
    "icc": Statistic(("icc", "icc_squared"), _icc),
}
