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
from vpack_pipeline.stats.estimate import BoolArray, FloatArray

Totals = Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class RatedUnits:
    """Ratings (units, readers), nan = none, with the readers of each unit and category."""

    ratings: FloatArray
    categories: tuple[float, ...]
    counts: FloatArray

    @classmethod
    def of(cls, ratings: FloatArray, categories: Sequence[float]) -> RatedUnits:
        """Count ratings.

        Raises
        ------
        ValueError
            A rating is none of the categories, or the categories do not increase.
        """
        counts = rating_counts(ratings, categories)
        values = np.asarray(ratings, dtype=np.float64)
        return cls(values, tuple(float(c) for c in categories), counts)

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


def block(name: str, units: RatedUnits) -> FloatArray:
    """What each unit adds to one group of sums: (units, columns)."""
    return BLOCKS[name](units)


def _shares(units: RatedUnits) -> FloatArray:
    return np.asarray(units.counts / np.maximum(units.raters, 1)[:, None])


def _coincidences(units: RatedUnits) -> FloatArray:
    """Pairs of ratings of a unit by category of either, over its raters less one."""
    counts, q = units.counts, units.counts.shape[1]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(q), np.arange(q)] -= counts
    others = np.where(units.is_paired, units.raters - 1, 1)
    return np.asarray(pairs.reshape(len(counts), -1) / others[:, None])


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
    "icc": _icc_sums,
}


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


def _alpha(measured: str) -> Callable[[Totals, RatedUnits], FloatArray]:
    return lambda totals, units: alphas(
        totals["totals"], totals["coincidences"], units.categories, measured
    )


def _icc(totals: Totals, units: RatedUnits) -> FloatArray:
    sums, readers = totals["icc"], units.ratings.shape[1]
    if readers < 2:
        return np.full(len(sums), np.nan)
    return icc.icc(icc.mean_squares(sums, readers), sums[:, 0], readers)


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
    "krippendorff_alpha_nominal": Statistic(("totals", "coincidences"), _alpha("nominal")),
    "krippendorff_alpha_ordinal": Statistic(("totals", "coincidences"), _alpha("ordinal")),
    "krippendorff_alpha_interval": Statistic(("totals", "coincidences"), _alpha("interval")),
    "icc": Statistic(("icc",), _icc),
}
