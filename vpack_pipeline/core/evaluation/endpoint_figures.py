"""The figure of an endpoint at a confidence level, with what a verdict needs beside its interval.

What does not belong here: which level a look has and what verdict follows (``endpoints``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import NO_INFERENCE, AnalysisSet, CaseSet
from vpack_pipeline.core.evaluation.comparison import Pair
from vpack_pipeline.core.evaluation.information import (
    combined,
    patients_in_classes,
)
from vpack_pipeline.core.evaluation.missing_labels import (
    on_bounds,
    why_not_alone_at,
    without_interval,
)
from vpack_pipeline.core.evaluation.operating_points import (
    BEST,
    ITD,
    Crossed,
    proportion,
    share,
    tabulate,
    weigh,
)
from vpack_pipeline.core.evaluation.performance import itd_auc, weigh_area
from vpack_pipeline.core.evaluation.verdicts import Judged
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.protocol import Adjudication, Endpoint, Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, Estimate, undefined
from vpack_pipeline.stats.goals import chance_of_so_few
from vpack_pipeline.stats.proportions import effective_size

HIGHEST_GOAL_OF_AREA: Final = 0.95
"""Simulated areas of this or less, of 10 patients or more in each class, lie above their upper
bound in .035 of studies, within two Monte Carlo errors, as ``benchmarks/simulations.py`` holds by
night (``interval_area``); higher ones in up to .061."""


def goal_of(endpoint: Endpoint) -> float:
    """The value that the lower bound must exceed; for non-inferiority, of the difference."""
    bound = endpoint.goal if endpoint.comparison == "absolute" else -(endpoint.margin or 0.0)
    return 0.0 if bound is None else bound


@dataclass(frozen=True)
class EndpointFigures:
    """What the figures of endpoints are computed from."""

    analysis: AnalysisSet
    index_test: IndexTest
    evaluation: Evaluation
    sampled: SampledCases
    adjudication: Adjudication

    def of(self, endpoint: Endpoint) -> EndpointFigure:
        """Give the figure of one endpoint."""
        points = {p.name: p for p in self.evaluation.operating_points}
        point = None if endpoint.metric == "auc" else points[str(endpoint.operating_point)]
        return EndpointFigure(self, endpoint, point)


@dataclass(frozen=True)
class EndpointFigure:
    """The figure of one endpoint.

    ``point`` is its operating point; None for the AUC.
    """

    among: EndpointFigures
    endpoint: Endpoint
    point: OperatingPoint | None
    _made: dict[float, Estimate] = field(default_factory=dict, compare=False)

    @property
    def model_id(self) -> str:
        """The model that the endpoint is about."""
        return self.among.index_test.primary.id if self.point is None else self.point.model

    def judged(self, level: float) -> Judged:
        """Compute the figure at a two-sided confidence level, with what a verdict needs of it."""
        fewest = min(min(counts) for counts in self._patients)
        return Judged(self.estimate(level), fewest, self._wrongly_denied)

    @property
    def information(self) -> float:
        """How much the figure rests on: patients, combined over classes and windows."""
        return combined(combined(counts) for counts in self._patients)

    @cached_property
    def _patients(self) -> list[tuple[int, ...]]:
        """Patients in each class that the metric uses, of each window."""
        return [
            patients_in_classes(
                self.mature(window), self.endpoint.metric, self.point, self.among.index_test
            )
            for window in self.endpoint.windows
        ]

    def mature(self, window: str) -> CaseSet:
        """Take the mature cases of a window."""
        return self.among.analysis.cases(self.endpoint.finding, self.model_id, window)

    def estimate(self, level: float) -> Estimate:
        """Compute the figure at a two-sided confidence level, once."""
        if level not in self._made:
            self._made[level] = self._computed(level)
        return self._made[level]

    def _computed(self, level: float) -> Estimate:
        reasons = [self.why_not_alone(window) for window in self.endpoint.windows]
        why = next((r for r in reasons if r is not None), None)
        if self.endpoint.comparison == "non_inferiority":
            found = self._difference(level)
            return found if why is None else without_interval(found, why)
        mature, index_test = self.mature(self.endpoint.window), self.among.index_test
        if self.point is None:
            decided = mature.take(mature.is_decided)
            found = itd_auc(decided, index_test, level, self._weigh_area(decided))
            return found if why is None else without_interval(found, why)
        if not mature.is_usable.any():
            return undefined(NO_INFERENCE, method=(), n=mature.n)

        def measured(table: Crossed) -> Estimate:
            return self._proportion(table, level)

        found = measured(tabulate(mature, self.point, index_test, ITD))
        if why is None:
            return found
        return on_bounds(found, mature, self.point, index_test, measured, why)

    def why_not_alone(self, window: str) -> Code | None:
        """Say why the figure among labelled cases of a window stands for no others."""
        speaks = primary_point(self.among.evaluation, self.endpoint.finding, self.model_id)
        point = self.point or speaks
        return why_not_alone_at(
            self.mature(window), point, self.among.index_test, self.among.adjudication
        )

    def _proportion(self, table: Crossed, level: float) -> Estimate:
        return proportion(table, self.endpoint.metric, self._weigh(table), level)

    def _weigh(self, table: Crossed) -> Weighing:
        return weigh(table, self.endpoint.metric, self.among.sampled, self.endpoint.finding)

    def _weigh_area(self, decided: CaseSet) -> Weighing:
        return weigh_area(self.among.sampled, self.endpoint.finding, decided)

    def _weighs_area(self, window: str) -> bool:
        mature = self.mature(window)
        return self._weigh_area(mature.take(mature.is_decided)).weight is not None

    def _difference(self, level: float) -> Estimate:
        among = self.among
        pair = Pair(
            among.analysis, self.endpoint.finding, self.model_id, among.index_test, among.sampled
        )
        if self.point is None:
            return pair.auc(level).difference
        return pair.share(self.endpoint.metric, self.point, level).difference

    @cached_property
    def _wrongly_denied(self) -> float:
        """Chance of so low a figure at a truth that is the goal; see :class:`Judged`.

        Of differences, and of shares under sampling weights, simulated intervals say that it is
        small enough; of areas under weights, and their differences, it is not known. Of a share the
        highest one counts that missing labels allow.
        """
        is_difference = self.endpoint.comparison == "non_inferiority"
        if self.point is None and any(map(self._weighs_area, self.endpoint.windows)):
            return 1.0
        if is_difference:
            return 0.0
        goal = goal_of(self.endpoint)
        if self.point is None:
            return 0.0 if goal <= HIGHEST_GOAL_OF_AREA else 1.0
        mature = self.mature(self.endpoint.window)
        analyses = (ITD,) if self.why_not_alone(self.endpoint.window) is None else (ITD, BEST)
        tables = [tabulate(mature, self.point, self.among.index_test, a) for a in analyses]
        alike = [table for table in tables if self._weigh(table).weight is None]
        return max((self._chance_of_so_few(table, goal) for table in alike), default=0.0)

    def _chance_of_so_few(self, table: Crossed, goal: float) -> float:
        among, right = share(table, self.endpoint.metric)
        success, patient = right[among], table.cases.patient[among]
        if not success.size:
            return 1.0
        is_mixed = 0 < success.sum() < success.size
        n = effective_size(success, patient) if is_mixed else np.unique(patient).size
        return chance_of_so_few(float(success.mean()), max(math.floor(n), 1), goal)

    def keys(self) -> dict[str, Any]:
        """Give what a row repeats from the protocol."""
        endpoint = self.endpoint
        return {
            "endpoint": endpoint.id,
            "goal": goal_of(endpoint),
            "rank": endpoint.rank,
            "comparison": endpoint.comparison,
            "finding": endpoint.finding,
            "model_id": self.model_id,
            "window": endpoint.window,
            "operating_point": None if self.point is None else self.point.name,
        }

    def why_no_rate(self, window: str, point: OperatingPoint) -> Code | None:
        """Say why the cases of a window have no such share, by the way in which they were drawn."""
        table = tabulate(self.mature(window), point, self.among.index_test, ITD)
        return self._weigh(table).why_not(under_weights=False)

    def rate(self, window: str, point: OperatingPoint) -> tuple[int, int]:
        """Count the cases that a share is of in a window, and those that are right."""
        success, _ = self._units(window, point)
        return success.size, int(success.sum())

    def design_effect(self, window: str, point: OperatingPoint) -> float:
        """How much patients who repeat widen the variance of a share of one case or more."""
        success, patient = self._units(window, point)
        return success.size / effective_size(success, patient)

    def _units(self, window: str, point: OperatingPoint) -> tuple[BoolArray, npt.NDArray[Any]]:
        table = tabulate(self.mature(window), point, self.among.index_test, ITD)
        among, right = share(table, self.endpoint.metric)
        return right[among], table.cases.patient[among]
