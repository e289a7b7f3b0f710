"""Before and after the lock: each window's figure and their difference.

The interval of the difference is made of those that both figures have (``stats.difference``). What
does not belong here: whether a difference is tolerable (``endpoints``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Final, Unpack

import polars as pl

from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
)
from vpack_pipeline.core.evaluation.looks import DIFFERENCE, Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import (
    ITD,
    share,
    share_side,
    tabulate,
    weigh,
)
from vpack_pipeline.core.evaluation.performance import itd_area, weigh_area
from vpack_pipeline.core.sampling import SampledCases, without_size
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import code, coded
from vpack_pipeline.stats.difference import Side, difference, without_figure
from vpack_pipeline.stats.estimate import Estimate, undefined

NO_POINT: Final = "none"
"""Stands where an operating point does, for the AUC."""
_SHARES: Final = ("sensitivity", "specificity")


def comparison(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the prospective minus the retrospective AUC, sensitivity and specificity.

    A patient may have cases in both windows: the interval of the difference takes account of how
    far the two figures rest on the same patients. Beside the difference (``auc_difference``) stand
    the figures that it is made of (``auc_retrospective``, ``auc_prospective``), by intention to
    diagnose. Where cases were not drawn alike, both are weighted or refused as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/comparison", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        for model in index_test.models:
            pair = Pair(analysis, finding.name, model.id, index_test, sampled)
            keys = {"finding": finding.name, "model_id": model.id, "window": DIFFERENCE}
            is_withheld = figures.hides(DIFFERENCE)
            place = figures.at(**keys, operating_point=NO_POINT)
            _give(place, "auc", None if is_withheld else pair.auc(evaluation.interval.level))
            for point in evaluation.operating_points:
                if (point.finding, point.model) != (finding.name, model.id):
                    continue
                place = figures.at(**keys, operating_point=point.name)
                level = evaluation.interval.level
                for metric in _SHARES:
                    _give(place, metric, None if is_withheld else pair.share(metric, point, level))
    return figures.frame()


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure in both windows and its difference."""

    retrospective: Estimate
    prospective: Estimate
    difference: Estimate


def _give(place: Place, metric: str, made: Compared | None) -> None:
    # A withheld figure is never computed; the table withholds whatever it is given.
    for part in (RETROSPECTIVE, PROSPECTIVE, "difference"):
        place.give(f"{metric}_{part}", None if made is None else getattr(made, part))


class Pair:
    """One finding and model in both windows."""

    def __init__(
        self,
        analysis: AnalysisSet,
        finding: str,
        model_id: str,
        index_test: IndexTest,
        sampled: SampledCases,
    ) -> None:
        self._finding = finding
        self._index_test = index_test
        self._sampled = sampled
        self._mature = [analysis.cases(finding, model_id, window) for window in WINDOWS]

    def auc(self, level: float) -> Compared:
        """Compare the AUC."""
        return _compare([self._auc_side(c.take(c.is_decided), level) for c in self._mature])

    def share(self, metric: str, point: OperatingPoint, level: float) -> Compared:
        """Compare a proportion at an operating point."""
        return _compare([self._share_side(c, metric, point, level) for c in self._mature])

    def _auc_side(self, decided: CaseSet, level: float) -> Side:
        weighing = weigh_area(self._sampled, self._finding, decided)
        return itd_area(decided, self._index_test, level, weighing)

    def _share_side(self, cases: CaseSet, metric: str, point: OperatingPoint, level: float) -> Side:
        table = tabulate(cases, point, self._index_test, ITD)
        if not cases.is_usable.any():
            n = int(share(table, metric)[0].sum())
            return without_figure(undefined(NO_INFERENCE, method=(), n=n))
        weighing = weigh(table, metric, self._sampled, self._finding)
        return share_side(table, metric, weighing, level)


def _compare(sides: list[Side]) -> Compared:
    before, after = sides
    found = difference(without_size(after), without_size(before))
    notes = found.notes
    if found.value is None:
        window = RETROSPECTIVE if before.estimate.value is None else PROSPECTIVE
        lacking = before if window == RETROSPECTIVE else after
        found = replace(found, reason=lacking.estimate.reason, events=None)
        notes = coded(code("window_without_figure", window=window))
    made = replace(found, method=coded("difference", found.method), notes=notes)
    return Compared(before.estimate, after.estimate, made)
