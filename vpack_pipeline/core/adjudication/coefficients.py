"""Agreement of a panel as a whole: every coefficient, at every cut, and without each reader.

Intervals leave out one patient at a time. What does not belong here: two readers against one
another (``pairs``), counts and paths (``agreement``), how a coefficient is computed
(``stats.agreement``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import ReadBasis, ReaderMatrix, reader_matrix
from vpack_pipeline.core.adjudication.evidence import (
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
)
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.protocol import Finding
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, undefined
from vpack_pipeline.stats.resampling import patient_codes

CUT_STATISTICS: Final = (
    "percent_agreement",
    "positive_agreement",
    "negative_agreement",
    "fleiss_kappa",
    "gwet_ac1",
)
"""What is given at each possible cut of a scale."""
REDUCED_STATISTICS: Final = ("fleiss_kappa", "gwet_ac1", "krippendorff_alpha")
"""What is given without each reader."""
ORDERED_STATISTICS: Final = (
    "gwet_ac2_quadratic",
    "gwet_ac2_quadratic_used",
    "krippendorff_alpha_interval",
    "icc",
)
"""What asks for a scale of more than two categories."""
STATISTICS: Final = (
    *CUT_STATISTICS,
    "krippendorff_alpha",
    "krippendorff_alpha_nominal",
    "gwet_ac1_used",
    *ORDERED_STATISTICS,
)
"""What is given of the panel as it is, and what a floor may name."""

MOST_READERS: Final = 15
"""Readers up to which pairs, and the panel without each, are listed one by one."""
NOT_WEIGHED: Final = Weighing(None)
PARTING: Final = 0.2
"""Where kappa lies further than this below AC1, a note says what parts them."""

_NEGATIVE, _INDETERMINATE, _POSITIVE = 0.0, 1.0, 2.0
_BINARY: Final = (0.0, 1.0)
_NAMES: Final = {_NEGATIVE: NEGATIVE, _INDETERMINATE: INDETERMINATE, _POSITIVE: POSITIVE}
_CODES: Final = {name: code for code, name in _NAMES.items()}
Found = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Panel:
    """Each reader's first diagnostic read of each case: as rated, and cut to classes.

    ``rated`` and ``cut`` (negative 0, indeterminate 1, positive 2) have the shape (cases, readers),
    nan = none. ``readers_agreed``: whether each reader may stand alone. ``weighing`` says how cases
    count, each as often as its sampling fraction says.
    """

    finding: Finding
    basis: ReadBasis
    matrix: ReaderMatrix
    cut: FloatArray
    readers_agreed: bool
    weighing: Weighing = NOT_WEIGHED

    @classmethod
    def of(
        cls,
        basis: ReadBasis,
        finding: Finding,
        *,
        readers_agreed: bool,
        sampled: SampledCases | None = None,
    ) -> Panel:
        """Lay out the reads of a basis; without ``sampled`` all cases count alike."""
        diagnostic = basis.first.filter(pl.col("class") != NON_DIAGNOSTIC)
        code = pl.col("class").replace_strict(_CODES, return_dtype=pl.Float64)
        cut = reader_matrix(diagnostic, code).ratings
        rated = reader_matrix(diagnostic, pl.col("rating"))
        weighing = NOT_WEIGHED
        if sampled is not None:
            weighing = weigh_ratings(sampled, finding.name, rated.cases, rated.ratings)
        return cls(finding, basis, rated, cut, readers_agreed, weighing)

    @property
    def listed_readers(self) -> tuple[str, ...]:
        """Readers who stand one by one: all, or none where they may not, or are too many."""
        is_listed = self.readers_agreed and len(self.matrix.readers) <= MOST_READERS
        return tuple(self.matrix.readers) if is_listed else ()

    @property
    def rated(self) -> FloatArray:
        """Ratings as given."""
        return self.matrix.ratings

    def cut_at(self, value: float) -> FloatArray:
        """Cut the scale elsewhere: 1 from this value on, 0 below; nothing is indeterminate."""
        return np.where(np.isnan(self.rated), np.nan, (self.rated >= value).astype(np.float64))

    @property
    def classes(self) -> tuple[float, ...]:
        """The classes that the protocol has."""
        if self.finding.indeterminate:
            return _NEGATIVE, _INDETERMINATE, _POSITIVE
        return _NEGATIVE, _POSITIVE

    @property
    def scale(self) -> tuple[float, ...]:
        """The values that a rating may take, rising."""
        return tuple(c.value for c in self.finding.categories)

    @property
    def is_ordered(self) -> bool:
        """Whether ratings can lie further apart or less far."""
        return len(self.scale) > 2

    @property
    def cuts(self) -> tuple[float, ...]:
        """Where else the scale might have been cut; none where it can be cut in one place only."""
        return self.scale[1:] if self.is_ordered else ()

    @property
    def has_pair(self) -> bool:
        """Whether any case has two ratings."""
        return bool((np.count_nonzero(~np.isnan(self.rated), axis=1) >= 2).any())


class Stratum(NamedTuple):
    """Which cases and readers a figure is of: the two key columns of that name."""

    kind: str
    name: str

    @property
    def keys(self) -> dict[str, Any]:
        """Give the key columns."""
        return {"stratum_kind": self.kind, "stratum": self.name}


ALL: Final = Stratum("all", "all")


def cut_stratum(value: float) -> Stratum:
    """Name the stratum in which a rating of this value or above is positive."""
    return Stratum("cut", f"{value:g}")


@dataclass(frozen=True, slots=True)
class _Ratings:
    """Ratings of the same cases seen one way: cut here or there, a reader left out."""

    ratings: FloatArray
    categories: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A statistic of one view: its point estimate, and its name among those of the jackknife."""

    view: str
    name: str
    estimate: Callable[[], Estimate]


def weigh_ratings(
    sampled: SampledCases, finding: str, case_id: pl.Series, ratings: FloatArray
) -> Weighing:
    """Say how rated units count in agreement, which needs units of each stratum rated twice.

    Parameters
    ----------
    case_id : of each unit
    ratings : (units, readers), nan = none
    """
    is_paired = np.count_nonzero(~np.isnan(ratings), axis=1) >= 2
    paired = sampled.weigh("nothing", finding, case_id.filter(pl.Series(is_paired)))
    if (why_not := paired.why_not(under_weights=True)) is not None:
        return Weighing(None, why_not)
    everyone = np.ones(len(ratings), dtype=np.bool_)
    return sampled.weigh("nothing", finding, case_id, groups=(everyone,))


def coefficients(panel: Panel, level: float) -> dict[Stratum, Found]:
    """Give every coefficient of the panel, by stratum.

    Returns
    -------
    stratum → statistic → estimate, for ``all``, each ``cut`` and, of readers who are listed, each
    ``without_reader``; jackknife intervals by patient. Every statistic of a stratum is
    there, if undefined with its reason.
    """
    found: dict[Stratum, Found] = {}
    patients, _ = patient_codes(panel.matrix.patient)
    for stratum, (views, asked) in _strata(panel):
        if not panel.has_pair:
            found[stratum] = {name: _nothing(panel) for name in _statistics(stratum)}
            continue
        left_out = {
            name: stats.agreement_jackknife(
                view.ratings,
                view.categories,
                patients,
                sorted({a.name for a in asked.values() if a.view == name}),
                panel.weighing.weight,
            )
            for name, view in views.items()
        }
        given = {
            name: panel.weighing.said_of(
                by_patient(a.estimate(), left_out[a.view][a.name], level, panel.basis.name)
            )
            for name, a in asked.items()
        }
        found[stratum] = _with_notes(panel, stratum, _complete(panel, stratum, given))
    return found


def _nothing(panel: Panel) -> Estimate:
    return undefined("no_case_read_twice", method=panel.basis.name, n=0)


def _statistics(stratum: Stratum) -> tuple[str, ...]:
    of = {"cut": CUT_STATISTICS, "without_reader": REDUCED_STATISTICS}
    return of.get(stratum.kind, STATISTICS)


def _complete(panel: Panel, stratum: Stratum, given: Found) -> Found:
    return {
        name: given[name] if name in given else _without_figure(panel, name, given)
        for name in _statistics(stratum)
    }


def _without_figure(panel: Panel, name: str, given: Found) -> Estimate:
    """Say why a statistic was not asked for: it needs a distance, or a category left unused."""
    is_same = name.removesuffix("_used") in given
    reason = "all_categories_used" if is_same else "two_categories"
    return undefined(reason, method=panel.basis.name, n=0)


Views = dict[str, _Ratings]


def _strata(panel: Panel) -> Iterator[tuple[Stratum, tuple[Views, dict[str, _Asked]]]]:
    yield ALL, _whole(panel)
    for value in panel.cuts:
        yield cut_stratum(value), _binary(panel.cut_at(value))
    for column, reader in enumerate(panel.listed_readers):
        yield Stratum("without_reader", reader), _without(panel, column)


def _whole(panel: Panel) -> tuple[Views, dict[str, _Asked]]:
    cut, rated, classes, scale = panel.cut, panel.rated, panel.classes, panel.scale
    positive, negative = (_against_rest(cut, kind) for kind in (_POSITIVE, _NEGATIVE))
    used = _used(cut, classes)
    views = {
        "cut": _Ratings(cut, classes),
        "positive": _Ratings(positive, _BINARY),
        "negative": _Ratings(negative, _BINARY),
        "rated": _Ratings(rated, scale),
    }
    asked = {
        **_on_classes("cut", cut, classes),
        "positive_agreement": _Asked("positive", "positive_agreement", _side(positive, 0)),
        "negative_agreement": _Asked("negative", "positive_agreement", _side(negative, 0)),
        "krippendorff_alpha": _alpha("rated", rated, scale, "ordinal"),
        "krippendorff_alpha_nominal": _alpha("cut", cut, classes, "nominal"),
    }
    # Agreement on negatives is that on positives with the class turned over.
    asked["negative_agreement"] = replace(
        asked["negative_agreement"],
        estimate=lambda: replace(_side(negative, 0)(), method=coded("negative_agreement")),
    )
    if used != classes:
        views["used"] = _Ratings(cut, used)
        asked["gwet_ac1_used"] = _Asked("used", "gwet_ac1", partial(stats.gwet_ac, cut, used))
    if panel.is_ordered:
        asked |= {
            "gwet_ac2_quadratic": _ac2("rated", rated, scale),
            "icc": _Asked("rated", "icc", partial(stats.icc_agreement, rated)),
            "krippendorff_alpha_interval": _alpha("rated", rated, scale, "interval"),
        }
    if panel.is_ordered and (values := _used(rated, scale)) != scale:
        views["values"] = _Ratings(rated, values)
        asked["gwet_ac2_quadratic_used"] = _ac2("values", rated, values)
    return views, asked


def _binary(at: FloatArray) -> tuple[Views, dict[str, _Asked]]:
    asked = {
        **_on_classes("at", at, _BINARY),
        "positive_agreement": _Asked("at", "positive_agreement", _side(at, 0)),
        "negative_agreement": _Asked("at", "negative_agreement", _side(at, 1)),
    }
    return {"at": _Ratings(at, _BINARY)}, asked


def _without(panel: Panel, column: int) -> tuple[Views, dict[str, _Asked]]:
    cut, rated = (np.delete(m, column, axis=1) for m in (panel.cut, panel.rated))
    on_classes = _on_classes("cut", cut, panel.classes)
    asked = {name: on_classes[name] for name in ("fleiss_kappa", "gwet_ac1")}
    asked["krippendorff_alpha"] = _alpha("rated", rated, panel.scale, "ordinal")
    views = {"cut": _Ratings(cut, panel.classes), "rated": _Ratings(rated, panel.scale)}
    return views, asked


def _against_rest(cut: FloatArray, kind: float) -> FloatArray:
    return np.asarray(np.where(np.isnan(cut), np.nan, cut == kind), dtype=np.float64)


def _used(ratings: FloatArray, categories: tuple[float, ...]) -> tuple[float, ...]:
    given = set(np.unique(ratings[~np.isnan(ratings)]).tolist())
    return tuple(c for c in categories if c in given)


def _on_classes(view: str, cut: FloatArray, classes: tuple[float, ...]) -> dict[str, _Asked]:
    of: Mapping[str, Callable[..., Estimate]] = {
        "percent_agreement": stats.percent_agreement,
        "fleiss_kappa": stats.fleiss_kappa,
        "gwet_ac1": stats.gwet_ac,
    }
    return {
        name: _Asked(view, name, partial(statistic, cut, classes)) for name, statistic in of.items()
    }


def _ac2(view: str, rated: FloatArray, scale: tuple[float, ...]) -> _Asked:
    estimate = partial(stats.gwet_ac, rated, scale, weights="quadratic")
    return _Asked(view, "gwet_ac2_quadratic", estimate)


def _alpha(view: str, ratings: FloatArray, scale: tuple[float, ...], measured: str) -> _Asked:
    estimate = partial(stats.krippendorff_alpha, ratings, scale, level_of_measurement=measured)
    return _Asked(view, f"krippendorff_alpha_{measured}", estimate)


def _side(ratings: FloatArray, side: int) -> Callable[[], Estimate]:
    return lambda: stats.specific_agreement(ratings)[side]


def by_patient(
    estimate: Estimate, left_out: stats.Jackknife, level: float, basis: Code
) -> Estimate:
    """Put the interval by patient in place of the one that takes units as independent."""
    found = stats.jackknifed(estimate, left_out, level)
    # Specific agreement counts ratings as events, several to a unit; n counts units.
    return replace(found, events=None, method=coded(found.method, basis))


def positive_reads(panel: Panel, stratum: Stratum) -> tuple[int, int]:
    """Count positive and all ratings of the panel, at the stratum's cut."""
    return int(_is_positive(panel, stratum).sum()), int((~np.isnan(panel.rated)).sum())


def _is_positive(panel: Panel, stratum: Stratum) -> BoolArray:
    value = dict(zip(map(cut_stratum, panel.cuts), panel.cuts, strict=True)).get(stratum)
    return np.asarray(panel.cut == _POSITIVE if value is None else panel.cut_at(value) == 1)


def class_shares(panel: Panel) -> dict[str, float]:
    """How often readers said each class of the protocol, of a panel with any rating."""
    shares = stats.mean_shares(panel.cut, panel.classes, panel.weighing.weight)
    return {_NAMES[c]: float(s) for c, s in zip(panel.classes, shares, strict=True)}


def _with_notes(panel: Panel, stratum: Stratum, found: Found) -> Found:
    """Say what a declared category that no reader used does, and why kappa lies far below AC1."""
    classes = len(_BINARY if stratum.kind == "cut" else panel.classes)
    values = len(panel.scale)
    for name, declared in (("gwet_ac1", classes), ("gwet_ac2_quadratic", values)):
        if name in found and found[name].value is not None:
            note = _unused(_ratings_of(panel, stratum, name), declared)
            notes = coded(found[name].notes, note)
            found = found | {name: replace(found[name], notes=notes)}
    return _with_parting(panel, stratum, found)


def _ratings_of(panel: Panel, stratum: Stratum, name: str) -> FloatArray:
    """The ratings of which a stratum's coefficient was made."""
    value = dict(zip(map(cut_stratum, panel.cuts), panel.cuts, strict=True)).get(stratum)
    if value is not None:
        return panel.cut_at(value)
    whole = panel.rated if name == "gwet_ac2_quadratic" else panel.cut
    if stratum.kind == "without_reader":
        return np.delete(whole, panel.matrix.readers.index(stratum.name), axis=1)
    return whole


def _unused(ratings: FloatArray, declared: int) -> Code | None:
    used = np.unique(ratings[~np.isnan(ratings)]).size
    return (
        code("categories_never_used", never=declared - used, of=declared)
        if used < declared
        else None
    )


def _with_parting(panel: Panel, stratum: Stratum, found: Found) -> Found:
    """Say beside kappa why it lies far below AC1; neither is wrong."""
    kappa, ac1 = found["fleiss_kappa"], found["gwet_ac1"]
    if stratum.kind not in ("all", "cut"):
        return found
    if kappa.value is None or ac1.value is None or ac1.value - kappa.value <= PARTING:
        return found
    # The share of these reads is a figure of its own.
    of_case = _is_positive(panel, stratum).sum(axis=1), (~np.isnan(panel.rated)).sum(axis=1)
    weight = 1.0 if panel.weighing.weight is None else panel.weighing.weight
    positives, reads = (float((weight * n).sum()) for n in of_case)
    often = "rare" if 2 * positives < reads else "common"
    notes = coded(kappa.notes, code("kappa_below_ac1", by=PARTING, often=often))
    return found | {"fleiss_kappa": replace(kappa, notes=notes)}
