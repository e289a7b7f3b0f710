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
from vpack_pipeline.report import markup, sentence, svg
from vpack_pipeline.report.book import Book, Row
from vpack_pipeline.report.charts import (
    calibration,
    change,
    control,
    decision_curve,
    devices,
    exclusions,
    forest,
    predictive_values,
    roc,
    scores,
    target,
    trend,
)
from vpack_pipeline.report.charts.forest import Compared, Variable
from vpack_pipeline.report.rows import column_values, pick, removing_rules
from vpack_pipeline.report.study import flow_drawings
from vpack_pipeline.report.view import Drawing

_LARGE: Final = trend.Frame(svg.NARROW, 240, style="quiet")


@dataclass(frozen=True, slots=True)
class Drawings:
    """The pictures of one report; each is None where its rows give too little."""

    book: Book
    protocol: Protocol

    @property
    def _model(self) -> str:
        return self.protocol.index_test.primary.id

    def flow(self) -> list[Markup]:
        """Draw the participant flow, page by page."""
        return [markup.drawing(d) for d in flow_drawings(self.book, self.protocol)]

    def roc(self, finding: Finding) -> Markup | None:
        """Draw the curves of both windows, with locked thresholds and readers."""
        rows = self.book.rows("evaluation/roc", finding=finding.name)
        shown = [r for r in rows if r.key["model_id"] in (self._model, "unaided_readers")]
        return _laid_out(roc.roc(f"roc-drawing-{finding.name}", "ROC curve", shown))

    def trend(self, finding: Finding, metric: str) -> Markup | None:
        """Draw a share by period."""
        series = periods(self.book, self.protocol, finding, metric)
        return _laid_out(trend.trend(series, _LARGE)) if series else None

    def device_shares(self, finding: Finding) -> list[Row]:
        """The share of each device among the cases of each period."""
        return self.book.rows(
            "evaluation/trend", finding=finding.name, model_id=self._model, metric="case_share"
        )

    def devices(self, finding: Finding) -> list[tuple[str, Markup]]:
        """Draw what kinds of devices made the images of each period, with the kind."""
        titles = variable_titles(self.protocol.representativeness, self.protocol.covariates)
        rows, made = self.device_shares(finding), []
        for kind in column_values(rows, "stratum_kind"):
            title, name = titles.get(kind, kind), f"devices-{finding.name}-{kind}-drawing"
            drawing = devices.devices(name, f"{title} by period", pick(rows, stratum_kind=kind))
            if drawing:
                made.append((title, markup.drawing(drawing)))
        return made

    def change(self, finding: Finding, metric: str) -> Markup | None:
        """Draw what a change after the lock is made of, by the finest cells."""
        rows = self.book.rows("evaluation/change", finding=finding.name, model_id=self._model)
        kinds = sorted(column_values(rows, "stratum_kind"), key=lambda k: k.count("×"))
        if not kinds:
            return None
        name = f"change-{finding.name}-{metric}-drawing"
        title = f"What the change of {metric} is made of"
        return _laid_out(change.change(name, title, pick(rows, stratum_kind=kinds[-1]), metric))

    def forest(self, finding: Finding, metric: str) -> list[Markup]:
        """Draw a figure by subgroup, in the order of the protocol, page by page."""
        return [markup.drawing(d) for d in forest.forest(self.compared(finding, metric))]

    def compared(self, finding: Finding, metric: str) -> Compared:
        """Gather a figure in every subgroup, beside all cases and the goal."""
        rows = self.book.rows("evaluation/subgroups", finding=finding.name, metric=metric)
        titles = variable_titles(self.protocol.representativeness, self.protocol.covariates)
        variables = [
            Variable(name, titles.get(name, name), strata)
            for name, strata in strata_by_variable(self.protocol, rows)
        ]
        return Compared(
            name=f"forest-{finding.name}-{metric}",
            metric=metric,
            variables=variables,
            rows=rows,
            whole=whole(self.book, self.protocol, finding, metric),
            goal=goal(self.book, self.protocol, finding, metric),
        )

    def lacking(self, finding: Finding, metric: str) -> list[tuple[str, list[tuple[str, str]]]]:
        """List the strata without a figure, by variable, each with the window that lacks it."""
        return forest.without_figure(self.compared(finding, metric))

    def exclusions(self, finding: Finding, metric: str) -> list[Markup]:
        """Draw a figure with the cases of each rule added back, page by page."""
        rows = self.book.rows("evaluation/exclusion_audit", finding=finding.name)
        titles = {r.id: r.title for r in self.protocol.eligibility.rules}
        shown = exclusions.Audited(
            name=f"exclusions-{finding.name}-{metric}",
            metric=metric,
            rules=[(r, titles.get(r, r.capitalize())) for r in ordered_rules(self.protocol, rows)],
            rows=rows,
            whole=whole(self.book, self.protocol, finding, metric),
            goal=goal(self.book, self.protocol, finding, metric),
        )
        return [markup.drawing(d) for d in exclusions.exclusions(shown)]

    def target(self) -> list[Markup]:
        """Draw table 1 of the included cases against the target, page by page."""
        titles = variable_titles(self.protocol.representativeness, self.protocol.covariates)
        rows = self.book.rows("representativeness/profile", set=(target.SET, target.TARGET))
        variables = [
            (
                titles.get(v, v),
                [
                    {r.key["set"]: r for r in pick(own, bin_order=b)}
                    for b in column_values(own, "bin_order")
                ],
            )
            for v in profile_variables(self.protocol, rows)
            if (own := pick(rows, variable=v))
        ]
        return [markup.drawing(d) for d in target.target("target-drawing", variables)]

    def outside_target(self) -> list[Row]:
        """Shares of cases of each window that lie in cells which the target lacks."""
        for finding in self.protocol.findings:
            rows = self.book.rows(
                "evaluation/transport",
                finding=finding.name,
                model_id=self._model,
                metric="share_weight_zero_not_in_target",
            )
            given = [r for w in WINDOWS for r in pick(rows, window=w)[:1] if r.is_given]
            if given:
                return given
        return []

    def monitors(self) -> list[tuple[Row, Markup]]:
        """Draw each monitor that has a value in any window, with its first window."""
        rows = self.book.rows("drift/status")
        made = []
        for monitor in self.protocol.drift.monitors:
            own = pick(rows, monitor=monitor.name)
            drawing = control.control(f"control-{monitor.name}", monitor.title, own)
            if drawing:
                made.append((own[0], markup.drawing(drawing)))
        return made

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


def ordered_rules(protocol: Protocol, rows: Sequence[Row]) -> list[str]:
    """List the rules that remove a case, in the protocol's order, all rules at once last."""
    order = {r.id: i for i, r in enumerate(protocol.eligibility.rules)}
    return sorted(removing_rules(rows), key=lambda r: order.get(r, len(order)))


def profile_variables(protocol: Protocol, rows: Sequence[Row]) -> list[str]:
    """List the variables of table 1: the protocol's in its order, then all others."""
    found = column_values(rows, "variable")
    first = [v.name for v in protocol.representativeness.variables]
    return [name for name in dict.fromkeys([*first, *found]) if name in found]


def whole(book: Book, protocol: Protocol, finding: Finding, metric: str) -> list[Row]:
    """Find a figure of the primary operating point among all cases, in the order of time."""
    point = primary_point(protocol.evaluation, finding.name, protocol.index_test.primary.id)
    if point is None:
        return []
    rows = book.rows(
        "evaluation/operating_points",
        finding=finding.name,
        model_id=point.model,
        operating_point=point.name,
        analysis="intention_to_diagnose",
        metric=metric,
    )
    return [r for w in WINDOWS for r in pick(rows, window=w)]


def goal(book: Book, protocol: Protocol, finding: Finding, metric: str) -> float | None:
    """Find the goal of a figure after the lock, as a share; None where it has none."""
    found = sentence.measured(book, protocol, finding, metric)
    stated = found.goal.number if found and found.goal else None
    return None if stated is None else stated / 100


def periods(book: Book, protocol: Protocol, finding: Finding, metric: str) -> trend.Series | None:
    """Gather a share by period, with its goal and what happened meanwhile.

    None where no operating point is planned.
    """
    point = primary_point(protocol.evaluation, finding.name, protocol.index_test.primary.id)
    if point is None:
        return None
    rows = book.rows("evaluation/trend", finding=finding.name, model_id=point.model)
    given = [r for r in pick(rows, stratum_kind="all", metric=metric) if r.key["period"] != "all"]
    arrived = pick(rows, metric="cases_of_new_level", window=PROSPECTIVE)
    new = [r.key["period"] for r in arrived if r["estimate"].number]
    before = pick(whole(book, protocol, finding, metric), window=RETROSPECTIVE)
    return trend.Series(
        name=f"trend-{finding.name}-{metric}-drawing",
        title=f"{metric.capitalize()} by period",
        periods=sorted(given, key=lambda r: str(r.key["period"])),
        before=before[0] if before else None,
        goal=goal(book, protocol, finding, metric),
        new_from=min(new, default=None),
    )
