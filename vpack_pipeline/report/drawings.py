"""Which printed rows each picture of a chapter is drawn from.

What does not belong here: how a picture is drawn (``charts``, ``figures``), where it stands
(``templates``), pictures of readers (``adjudicated``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.calls import own_threshold, primary_point, rises_with_suspicion
from vpack_pipeline.core.representativeness.profiled import variable_titles
from vpack_pipeline.core.variables import bin_labels
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import Finding, OperatingPoint, Protocol
from vpack_pipeline.report import figures, markup, sentence
from vpack_pipeline.report.book import Book, Row
from vpack_pipeline.report.charts import (
    calibration,
    change,
    decision_curve,
    predictive_values,
    roc,
    scores,
    trend,
)
from vpack_pipeline.report.rows import column_values, pairs, pick
from vpack_pipeline.report.study import flow_drawing
from vpack_pipeline.report.view import Drawing

_LEAST_STRATA: Final = 2
"""A drawing that compares strata needs as many."""
_LARGE: Final = trend.Frame(680, 240)


@dataclass(frozen=True, slots=True)
class Drawings:
    """The pictures of one report; each is None where its rows give too little."""

    book: Book
    protocol: Protocol

    @property
    def _model(self) -> str:
        return self.protocol.index_test.primary.id

    def flow(self) -> Markup:
        """Draw the participant flow."""
        return flow_drawing(self.book, self.protocol)

    def roc(self, finding: Finding) -> Markup | None:
        """Draw the curves of both windows, with locked thresholds and readers."""
        rows = self.book.rows("evaluation/roc", finding=finding.name)
        shown = [r for r in rows if r.key["model_id"] in (self._model, "unaided_readers")]
        return _laid_out(roc.roc(f"roc-drawing-{finding.name}", "ROC curve", shown))

    def trend(self, finding: Finding, metric: str) -> Markup | None:
        """Draw a share by period."""
        series = periods(self.book, self.protocol, finding, metric)
        return _laid_out(trend.trend(series, _LARGE)) if series else None

    def change(self, finding: Finding, metric: str) -> Markup | None:
        """Draw what a change after the lock is made of, by the finest cells."""
        rows = self.book.rows("evaluation/change", finding=finding.name, model_id=self._model)
        kinds = sorted(column_values(rows, "stratum_kind"), key=lambda k: k.count("×"))
        if not kinds:
            return None
        name = f"change-{finding.name}-{metric}-drawing"
        title = f"What the change of {metric} is made of"
        return _laid_out(change.change(name, title, pick(rows, stratum_kind=kinds[-1]), metric))

    def forest(self, finding: Finding, metric: str) -> Markup | None:
        """Draw a figure by subgroup, in the order of the protocol."""
        rows = self.book.rows("evaluation/subgroups", finding=finding.name, metric=metric)
        drawable = [r for r in rows if r["estimate"].number is not None]
        if len(pairs(drawable, "stratum_kind", "stratum")) < _LEAST_STRATA:
            return None
        titles = variable_titles(self.protocol.representativeness, self.protocol.covariates)
        groups = [
            (
                f"{titles.get(variable, variable)}: {stratum}",
                [
                    r
                    for w in WINDOWS
                    for r in pick(rows, stratum_kind=variable, stratum=stratum, window=w)
                ],
            )
            for variable, strata in strata_by_variable(self.protocol, rows)
            for stratum in strata
        ]
        label = f"{metric.capitalize()} by subgroup"
        return figures.forest(f"forest-{finding.name}-{metric}", label, groups, label)

    def calibration(self, finding: Finding, window: str) -> Markup | None:
        """Draw observed shares against probabilities, above how many cases have each."""
        rows = self.book.rows(
            "evaluation/calibration", finding=finding.name, window=window, model_id=self._model
        )
        name = f"calibration-{finding.name}-{window}-drawing"
        return _laid_out(calibration.calibration(name, "Calibration", rows))

    def scores(self, finding: Finding, window: str) -> Markup | None:
        """Draw the scores of both labels, with the locked threshold where there is one."""
        rows = self.book.rows("evaluation/scores", finding=finding.name, model_id=self._model)
        name = f"scores-{finding.name}-{window}-drawing"
        point = primary_point(self.protocol.evaluation, finding.name, self._model)
        rises = rises_with_suspicion(self.protocol.index_test)
        locked = scores.Threshold(own_threshold(point), rises) if point else None
        return _laid_out(scores.scores(name, "Scores by label", rows, window, locked))

    def predictive_values(self, point: OperatingPoint, metric: str) -> Markup | None:
        """Draw a predictive value by prevalence."""
        rows = self.book.rows("evaluation/predictive_values", operating_point=point.name)
        name = f"predictive-{point.name}-{metric}-drawing"
        title = f"{metric.upper()} by prevalence"
        return _laid_out(predictive_values.predictive_values(name, title, rows, metric))

    def decision_curve(self, point: OperatingPoint, kind: str, window: str) -> Markup | None:
        """Draw net benefit near the locked threshold, at a kind of prevalence."""
        rows = self.book.rows(
            "evaluation/decision_curve", operating_point=point.name, stratum_kind=kind
        )
        name = f"net-benefit-{point.name}-{kind}-{window}-drawing"
        return _laid_out(decision_curve.decision_curve(name, "Net benefit", rows, window))


def _laid_out(drawing: Drawing | None) -> Markup | None:
    return markup.drawing(drawing) if drawing else None


def strata_by_variable(protocol: Protocol, rows: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
    """Variables and their strata, in the order of the bins."""
    for variable in protocol.representativeness.variables:
        found = column_values(pick(rows, stratum_kind=variable.name), "stratum")
        strata = [label for label in bin_labels(variable) if label in found]
        if strata:
            yield variable.name, strata


def periods(book: Book, protocol: Protocol, finding: Finding, metric: str) -> trend.Series | None:
    """Gather a share by period, with its goal and what happened meanwhile.

    None where no operating point is planned.
    """
    point = primary_point(protocol.evaluation, finding.name, protocol.index_test.primary.id)
    found = sentence.measured(book, protocol, finding, metric)
    if point is None or found is None:
        return None
    rows = book.rows("evaluation/trend", finding=finding.name, model_id=point.model)
    given = [r for r in pick(rows, stratum_kind="all", metric=metric) if r.key["period"] != "all"]
    arrived = pick(rows, metric="cases_of_new_level", window=PROSPECTIVE)
    new = [r.key["period"] for r in arrived if r["estimate"].number]
    before = book.rows(
        "evaluation/operating_points",
        finding=finding.name,
        window=RETROSPECTIVE,
        model_id=point.model,
        operating_point=point.name,
        analysis="intention_to_diagnose",
        metric=metric,
    )
    goal = found.goal.number if found.goal else None
    return trend.Series(
        name=f"trend-{finding.name}-{metric}-drawing",
        title=f"{metric.capitalize()} by period",
        periods=sorted(given, key=lambda r: str(r.key["period"])),
        before=before[0] if before else None,
        goal=None if goal is None else goal / 100,
        new_from=min(new, default=None),
    )
