"""Which printed rows each picture of a chapter is drawn from.

What does not belong here: how a picture is drawn (``charts``, ``figures``), where it stands
(``templates``), pictures of readers (``adjudicated``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.representativeness.profiled import variable_titles
from vpack_pipeline.core.variables import bin_labels
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import Finding, Protocol
from vpack_pipeline.report import figures, markup, sentence
from vpack_pipeline.report.book import Book, Row
from vpack_pipeline.report.charts import change, roc, trend
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

    def reliability(self, finding: Finding, window: str) -> Markup | None:
        """Draw observed shares against probabilities."""
        rows = self.book.rows(
            "evaluation/calibration", finding=finding.name, window=window, model_id=self._model
        )
        binned = pick(rows, stratum_kind="probability")
        bins = [
            (
                pick(binned, stratum=s, metric="mean_probability")[0],
                pick(binned, stratum=s, metric="observed_rate")[0],
            )
            for s in column_values(binned, "stratum")
        ]
        if not any(p["estimate"].number is not None for p, _ in bins):
            return None
        return figures.reliability(f"reliability-{finding.name}-{window}", "Reliability", bins)


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
