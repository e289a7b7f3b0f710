"""Which figures a way of drawing cases leaves as they are, which it weights, which it forbids.

One function decides for every table (:func:`standing`), and :class:`SampledCases` carries it out:

====================  ================================  ======================================
the draw depends on   stands as it is                   is weighted by 1 / sampling fraction,
                                                        and refused without fractions
====================  ================================  ======================================
nothing               everything                        –
the label             what is conditional on the label  everything else
the score             what is conditional on the score  everything else
covariates            everything within one stratum     totals over strata
several of these      –                                 everything
====================  ================================  ======================================

Where each window has a draw of its own, a figure is given by that of its window. One of cases of
both windows is given by both draws (:func:`of_both_windows`): whoever draws one window otherwise
than the other has drawn by the window.

A metric's declaration says what it is conditional on (``contracts/metrics.yaml``): sensitivity,
specificity and AUC on the label, predictive values and calibration by score on the score,
prevalence and shares of all cases on nothing. What does not belong here: intervals under weights
(``stats.weighted``), weights towards another population (``transport``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.contracts.metrics import Condition
from vpack_pipeline.core.windows import WINDOWS, window_of
from vpack_pipeline.protocol import AnySampling, Evaluation, Sampling, SamplingByWindow, Stratum
from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.difference import Side, auc_side, proportion_side, without_figure
from vpack_pipeline.stats.distances import kish_ess
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray, undefined
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.weighted import (
    weighted_auc_side,
    weighted_paired_difference,
    weighted_proportion_side,
)

Standing = Literal["stands", "weighted", "refused"]

NO_FRACTION: Final = Code("no_sampling_fraction")
NOT_WEIGHTED: Final = Code("not_computed_weighted")
LACKS_STRATUM: Final = Code("sampled_stratum_without_case")
UNSEEN: Final = Code("sampled_strata_unseen")
_WEIGHTED: Final = "weighted_for_sampling"
_BY: Final = ("label", "score", "covariates")


def standing(sampling: Sampling, condition: Condition, finding: str) -> Standing:
    """Say whether a figure may be given as it is, must be weighted, or cannot be given.

    Parameters
    ----------
    condition : what the figure is conditional on
    finding : whose figure it is; a draw by the label or score of another finding is to this one a
        draw by a covariate
    """
    by = selection(sampling)
    is_own = sampling.finding in (None, finding)
    if not by or condition == "sample" or (by == {condition} and is_own):
        return "stands"
    is_known = bool(sampling.strata) and all(s.fraction is not None for s in sampling.strata)
    return "weighted" if is_known else "refused"


def selection(sampling: Sampling) -> frozenset[str]:
    """Name what the draw depended on; strata of unlike fractions are a covariate at the least."""
    unlike = len({s.fraction for s in sampling.strata}) > 1
    return frozenset(sampling.depends_on or (("covariates",) if unlike else ()))


def draws(sampling: AnySampling) -> list[tuple[str | None, Sampling]]:
    """Give the draws that differ, each with its window; None: of both windows."""
    found = [*sampling.by_window.items()]
    is_one = all(draw == found[0][1] for _, draw in found)
    return [(None, found[0][1])] if is_one else [*found]


def draw_in_words(sampling: AnySampling) -> list[str]:
    """Say how cases are drawn, a line a draw.

    >>> draw_in_words(Sampling(method="consecutive"))
    ['both windows: consecutive']
    """
    lines = []
    for window, draw in draws(sampling):
        known = [f"{s.name} {s.fraction:g}" for s in draw.strata if s.fraction is not None]
        taken = f"taken of {', '.join(known)}" if known else None
        by = f"drawn by {', '.join(draw.depends_on)}" if draw.depends_on else None
        unknown = "fractions not stated" if selection(draw) and not known else None
        said = [part for part in (draw.method, by, taken, unknown) if part]
        lines.append(f"{window or 'both windows'}: {'; '.join(said)}")
    return lines


def of_both_windows(sampling: SamplingByWindow) -> Sampling:
    """Give the draw of cases of both windows together: the window is one more thing drawn by.

    Each window's strata are strata of their own; one without any was taken whole, or, where its
    draw depended on something, at fractions that are not known.

    >>> whole = Sampling(method="consecutive")
    >>> half = Sampling(method="random", strata=(Stratum(name="ward", fraction=0.5),))
    >>> both = of_both_windows(SamplingByWindow(retrospective=half, prospective=whole))
    >>> [(s.name, s.fraction) for s in both.strata], both.depends_on
    ([('ward, retrospective', 0.5), ('prospective', 1.0)], ('covariates',))
    """
    by_window = sampling.by_window
    if not any(draw.strata or draw.depends_on for draw in by_window.values()):
        return sampling.prospective
    strata = []
    for window, draw in by_window.items():
        named = [(f"{s.name}, {window}", s.fraction) for s in draw.strata]
        strata += named or [(window, None if draw.depends_on else 1.0)]
    by = {"covariates"}.union(*(draw.depends_on for draw in by_window.values()))
    return Sampling(
        method=sampling.prospective.method,
        strata=tuple(Stratum(name=name, fraction=fraction) for name, fraction in strata),
        depends_on=tuple(name for name in _BY if name in by),
    )


def _stratum_of_both(sampling: SamplingByWindow, window: pl.Expr) -> pl.Expr:
    """Name the stratum that a case is of in :func:`of_both_windows`; null outside the windows."""
    named = {
        name: pl.format("{}, {}", "stratum", pl.lit(name)) if draw.strata else pl.lit(name)
        for name, draw in sampling.by_window.items()
    }
    first, second = WINDOWS
    return pl.when(window == first).then(named[first]).when(window == second).then(named[second])


@dataclass(frozen=True, slots=True)
class Weighing:
    """How the cases of one figure count.

    ``weight`` is None where all count alike, or where ``reason`` says why there is no figure.
    A weight of 0 leaves a case out. ``heaviest`` is the largest weight that a case could have, seen
    or not; ``lacks_stratum``: of a sampled stratum there is no case. ``notes`` say for whom the
    figure speaks.
    """

    weight: FloatArray | None
    reason: Code | None = None
    notes: Codes = ()
    heaviest: float = 0.0
    lacks_stratum: bool = False

    def proportion(
        self,
        success: BoolArray,
        among: BoolArray,
        patient: npt.NDArray[np.generic],
        level: float,
        may_succeed: BoolArray | None = None,
    ) -> Estimate:
        """Give a proportion; arguments as of ``stats.weighted.weighted_proportion``."""
        if self.weight is None and self.reason is None:
            return self.said_of(clustered_proportion(success[among], patient[among], level))
        return self.share(success, among, patient, level, may_succeed).estimate

    def auc(
        self, score: FloatArray, positive: BoolArray, patient: IntArray, level: float
    ) -> Estimate:
        """Give an area under the ROC curve; under weights, of cases of every sampled stratum."""
        if self.weight is None and self.reason is None:
            return self.said_of(auc_by_inversion(score, positive, patient, level))
        return self.area(score, positive, patient, level).estimate

    def share(
        self,
        success: BoolArray,
        among: BoolArray,
        patient: npt.NDArray[np.generic],
        level: float,
        may_succeed: BoolArray | None = None,
    ) -> Side:
        """Give a proportion as one side of a difference."""
        if self.reason is not None:
            return _refused(self.reason, int(among.sum()))
        if self.weight is None:
            return self._said(proportion_side(success[among], patient[among], level))
        made = weighted_proportion_side(
            success,
            among,
            self.weight,
            patient,
            level,
            may_succeed=may_succeed,
            heaviest=self.heaviest,
        )
        return self._said(made, among)

    def area(self, score: FloatArray, positive: BoolArray, patient: IntArray, level: float) -> Side:
        """Give an area as one side of a difference."""
        reason = self.why_not(under_weights=True)
        if reason is not None:
            return _refused(reason, score.size)
        if self.weight is None:
            return self._said(auc_side(score, positive, patient, level))
        return self._said(weighted_auc_side(score, positive, self.weight, patient, level))

    def paired_difference(
        self,
        pair: tuple[BoolArray, BoolArray],
        among: BoolArray,
        patient: npt.NDArray[np.generic],
        level: float,
    ) -> Estimate:
        """Give the difference of two proportions of the same weighted units."""
        if self.weight is None:
            return undefined(self.reason or NOT_WEIGHTED, method=(), n=int(among.sum()))
        found = weighted_paired_difference(
            *pair, among, self.weight, patient, level, heaviest=self.heaviest
        )
        return self.said_of(found, among)

    def of_reads(self, case: IntArray) -> Weighing:
        """Say how reads count: each as its case does; ``case`` is that of each read."""
        return self if self.weight is None else replace(self, weight=self.weight[case])

    def why_not(self, *, under_weights: bool) -> Code | None:
        """Say why there is no figure, of one that may, or may not, be computed under weights."""
        if self.weight is None:
            return self.reason
        if not under_weights:
            return NOT_WEIGHTED
        return LACKS_STRATUM if self.lacks_stratum else None

    def method(self, among: BoolArray | None = None) -> Codes:
        """Say that cases are weighted, and how many of equal weight would weigh as much."""
        if self.weight is None:
            return ()
        size = kish_ess(self.weight if among is None else self.weight[among])
        return coded(code(_WEIGHTED, size=round(size, 1)))

    def said_of(self, estimate: Estimate, among: BoolArray | None = None) -> Estimate:
        """Say beside a figure how its cases were weighted, and for whom it speaks."""
        if estimate.value is None:
            return estimate
        method = coded(estimate.method, self.method(among))
        return replace(estimate, method=method, notes=coded(estimate.notes, self.notes))

    def _said(self, side: Side, among: BoolArray | None = None) -> Side:
        return side._replace(estimate=self.said_of(side.estimate, among))


def without_size(side: Side) -> Side:
    """Leave out Kish's size, of which a difference would have two."""
    method = tuple(Code("weighted") if c.name == _WEIGHTED else c for c in side.estimate.method)
    return side._replace(estimate=replace(side.estimate, method=method))


def _refused(reason: Code, n: int) -> Side:
    return without_figure(undefined(reason, method=(), n=n))


class SampledCases:
    """The sampling stratum of each case, and what the design makes of figures.

    Parameters
    ----------
    cases : the case view; ``case_id``, ``stratum``, and where each window has a draw of its own
        ``index_date``
    evaluation : gives the windows
    """

    def __init__(self, cases: pl.DataFrame, sampling: AnySampling, evaluation: Evaluation) -> None:
        self._of_window: dict[str, SampledCases] = {}
        self._window = pl.DataFrame(schema={"case_id": pl.String, "window": pl.String})
        if isinstance(sampling, SamplingByWindow):
            window = window_of(pl.col("index_date"), evaluation)
            self._window = cases.select("case_id", window.alias("window"))
            for name, one in sampling.by_window.items():
                here = cases.filter(window == name)
                self._of_window[name] = SampledCases(here, one, evaluation)
            cases = cases.with_columns(_stratum_of_both(sampling, window).alias("stratum"))
            sampling = of_both_windows(sampling)
        self._sampling = sampling
        self._by = selection(sampling)
        inverse = {s.name: 1 / s.fraction for s in sampling.strata if s.fraction}
        self._heaviest = max(inverse.values(), default=1.0)
        weight = cases["stratum"].replace_strict(inverse, default=None, return_dtype=pl.Float64)
        self._frame = cases.select("case_id", "stratum").with_columns(weight.alias("weight"))
        never = tuple(s.name for s in sampling.strata if s.fraction == 0)
        self._notes = coded(code("strata_not_sampled", strata=never) if never else None)

    @property
    def are_all_alike(self) -> bool:
        """Whether no draw is declared that could tell cases apart."""
        return not self._by and not self._sampling.strata

    def weigh(
        self,
        condition: Condition,
        finding: str,
        case_id: pl.Series,
        drawn: BoolArray | None = None,
        groups: Sequence[BoolArray] = (),
    ) -> Weighing:
        """Say how the cases of a figure count.

        Parameters
        ----------
        condition : what the figure is conditional on (``contracts.metrics.condition_of``)
        case_id : of the cases that the figure is of, each once
        drawn : which of the cases could have entered the figure, as labelled ones for a
            sensitivity; the others have a weight of 0. All, where not given
        groups : masks of cases that the figure takes as drawn alike, as the positives of a
            sensitivity; where their fractions are stated and differ, it is weighted after all
        """
        window = self._only_window(case_id if drawn is None else case_id.filter(pl.Series(drawn)))
        of = self if window is None else self._of_window[window]
        if of.are_all_alike:
            return Weighing(None)
        return of._weigh(condition, finding, case_id, drawn, groups)

    def _weigh(
        self,
        condition: Condition,
        finding: str,
        case_id: pl.Series,
        drawn: BoolArray | None,
        groups: Sequence[BoolArray],
    ) -> Weighing:
        found_of = pl.DataFrame({"case_id": case_id}).join(
            self._frame, on="case_id", how="left", maintain_order="left"
        )
        among = np.ones(case_id.len(), dtype=np.bool_) if drawn is None else drawn
        strata = found_of["stratum"].filter(pl.Series(among)).unique()
        is_one = self._by == {"covariates"} and strata.len() == 1
        if is_one and strata[0] in {s.name for s in self._sampling.strata if s.fraction != 0}:
            return Weighing(None, None, coded(self._notes, "within_stratum"))
        found = standing(self._sampling, condition, finding)
        if found == "refused":
            by = tuple(name for name in _BY if name in self._by)
            return Weighing(None, code("drawn_without_fractions", by=by))
        weight = _weights(found_of["weight"], among)
        if found == "stands" and self._stands(weight, among, groups):
            return Weighing(None, None, self._notes)
        if weight is None:
            return Weighing(None, NO_FRACTION)
        return self._weighted(weight, among, strata)

    def _only_window(self, case_id: pl.Series) -> str | None:
        """Name the window that all cases are of, where each window has a draw of its own."""
        if not self._of_window:
            return None
        found = self._window.filter(pl.col("case_id").is_in(case_id.implode()))["window"].unique()
        return found[0] if found.len() == 1 and found[0] in self._of_window else None

    def _weighted(self, weight: FloatArray, drawn: BoolArray, strata: pl.Series) -> Weighing:
        """Weigh cases, unless all have one weight and no case of another stratum can be unseen."""
        # Of a stratum that was taken whole, no case means that none occurred.
        drawn_from = [s.name for s in self._sampling.strata if s.fraction and s.fraction < 1]
        lacks_stratum = not set(drawn_from) <= set(strata)
        if not lacks_stratum and _are_alike(weight[drawn]):
            return Weighing(None, None, self._notes)
        notes = coded(self._notes, UNSEEN if lacks_stratum else None)
        return Weighing(weight, None, notes, self._heaviest, lacks_stratum)

    def _stands(
        self, weight: FloatArray | None, drawn: BoolArray, groups: Sequence[BoolArray]
    ) -> bool:
        """Whether what is stated of fractions bears out that a figure stands as it is."""
        if weight is None:
            # Fractions that are all alike do not matter, but a case without one was not drawn so.
            return bool(self._by)
        return all(_are_alike(weight[group & drawn]) for group in groups)


def _are_alike(weight: FloatArray) -> bool:
    return np.unique(weight).size < 2


def _weights(found: pl.Series, drawn: BoolArray) -> FloatArray | None:
    """Inverse sampling fractions; None where a case that was drawn has none that is stated."""
    if (found.is_null().to_numpy() & drawn).any():
        return None
    return np.where(drawn, found.fill_null(0.0).to_numpy(), 0.0)
