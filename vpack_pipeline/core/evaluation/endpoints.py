"""Whether each prespecified claim holds: met, not met or inconclusive, given once at its look.

What does not belong here: goals and margins (the protocol's), how packs of past looks are read.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Unpack

import polars as pl

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import NO_INFERENCE, Analysed, AnalysisSet
from vpack_pipeline.core.evaluation.comparison import Pair
from vpack_pipeline.core.evaluation.looks import (
    VOID,
    exploratory_note,
    is_judged_at_looks,
    void_endpoints,
    withheld_reason,
)
from vpack_pipeline.core.evaluation.missing_labels import (
    on_bounds,
    why_not_alone_at,
    without_interval,
)
from vpack_pipeline.core.evaluation.operating_points import (
    ITD,
    Crossed,
    proportion,
    share,
    tabulate,
    weigh,
)
from vpack_pipeline.core.evaluation.performance import itd_auc, weigh_area
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import (
    Adjudication,
    Endpoint,
    Evaluation,
    IndexTest,
    Look,
    OperatingPoint,
    Sampling,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import NO_WIDTH, Estimate, undefined
from vpack_pipeline.stats.sequential import power_noninferiority

NO_LOOK: Final = "none"
"""Stands where a look does, for a retrospective endpoint."""
SINCE: Final = "since"
"""Stands where a look does, for what has been seen after the last one."""

MET: Final = "met"
NOT_MET: Final = "not_met"
INCONCLUSIVE: Final = "inconclusive"
WITHHELD: Final = "withheld"
REFUSED: Final = "refused"


def endpoints(
    *,
    cases: pl.DataFrame,
    published_looks: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: Sampling,
    adjudication: Adjudication,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give each endpoint's estimate, bound, goal and verdict.

    A prospective verdict is given at the cut of a look, at the confidence level 1 − alpha of that
    look. At later cuts it is quoted from the pack published there, never computed again; what has
    been seen since stands in a row of its own, without a verdict. A retrospective endpoint is
    computed at every cut. ``method`` names the two-sided level of a verdict; endpoints are judged
    one by one, with no rule for multiplicity, since the protocol declares none.

    Parameters
    ----------
    published_looks : the verdicts of past looks: endpoint, look, pack_version, pack_digest,
        estimate, lower, upper, n, events, verdict, changed (names of the blocks of the protocol
        that differ from those of the pack, where its verdict is ``void``)

    Returns
    -------
    ``look`` is a cut, ``none`` (retrospective) or ``since``; ``is_headline`` marks the one row
    that speaks for the endpoint at this cut: of looks past, the first that met the goal, else the
    last. For non-inferiority ``goal`` is minus the margin, and a row ``planned_power`` gives the
    power if the prospective window held as many cases of the class as the retrospective one.
    """
    analysis = AnalysisSet(index_test=index_test, **analysed)
    note = exploratory_note(evaluation, cut, published_looks)
    judge = _Judge(
        analysis,
        index_test,
        evaluation,
        SampledCases(cases, sampling),
        adjudication,
        cut,
        note,
        void_endpoints(published_looks, cut),
    )
    quoted = {
        (row["endpoint"], str(row["look"])): row
        for row in published_looks.with_columns(pl.col("look").cast(pl.String)).to_dicts()
    }
    figures = Figures("evaluation/endpoints")
    for endpoint in evaluation.endpoints:
        _give(figures, endpoint, judge, judge.rows(endpoint, quoted))
        if endpoint.comparison == "non_inferiority":
            _give_power(figures, endpoint, judge)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Row:
    """What one look says of an endpoint."""

    look: str
    estimate: Estimate
    verdict: str | None
    pack_version: str | None = None
    pack_digest: str | None = None


def verdict_of(estimate: Estimate, goal: float) -> str:
    """Judge an estimate by its interval against the goal that the interval must clear.

    An interval that is missing or has no width cannot speak: inconclusive.
    """
    if estimate.value is None:
        return REFUSED
    if estimate.lower is None or estimate.upper is None or NO_WIDTH in estimate.notes:
        return INCONCLUSIVE
    if not estimate.lower < estimate.upper:
        return INCONCLUSIVE
    if estimate.lower > goal:
        return MET
    return NOT_MET if estimate.upper < goal else INCONCLUSIVE


def goal_of(endpoint: Endpoint) -> float:
    """The value that the lower bound must exceed; for non-inferiority, of the difference."""
    bound = endpoint.goal if endpoint.comparison == "absolute" else -(endpoint.margin or 0.0)
    return 0.0 if bound is None else bound


@dataclass(frozen=True, slots=True)
class _Judge:
    analysis: AnalysisSet
    index_test: IndexTest
    evaluation: Evaluation
    sampled: SampledCases
    adjudication: Adjudication
    cut: datetime.date
    note: Code | None
    """Why what is seen at this cut is exploratory, if it is."""
    void: frozenset[str]
    """Endpoints of which the look at this cut, if it is one, speaks no longer."""

    def rows(
        self, endpoint: Endpoint, quoted: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> list[_Row]:
        """Give one row a look, and one for what was seen since; or the one retrospective row."""
        if not is_judged_at_looks(endpoint):
            estimate = self.estimate(endpoint, RETROSPECTIVE, self.evaluation.interval.level)
            return [_Row(NO_LOOK, estimate, verdict_of(estimate, goal_of(endpoint)))]
        looks = self.evaluation.looks
        rows = [
            self._at(endpoint, look, quoted.get((endpoint.id, look.cut.isoformat())))
            for look in looks
        ]
        return [*rows, self._since(endpoint)]

    def _at(self, endpoint: Endpoint, look: Look, published: Mapping[str, Any] | None) -> _Row:
        name = look.cut.isoformat()
        if self.cut < look.cut:
            first = withheld_reason(self.evaluation, self.cut)
            reason = first or code("look_not_come", look=name)
            return _Row(name, undefined(reason, method=(), n=0), WITHHELD)
        if self.cut == look.cut:
            estimate = self.estimate(endpoint, PROSPECTIVE, 1 - look.alpha)
            verdict = verdict_of(estimate, goal_of(endpoint))
            # A pack cannot quote itself: the same verdict stays as computed, byte for byte.
            if published is None or published["verdict"] == verdict:
                return _Row(name, estimate, verdict)
        if published is None:
            reason = code("look_not_published", look=name)
            return _Row(name, undefined(reason, method=(), n=0), REFUSED)
        return _quote(name, published)

    def _since(self, endpoint: Endpoint) -> _Row:
        is_look = any(look.cut == self.cut for look in self.evaluation.looks)
        if self.note is None or (is_look and endpoint.id not in self.void):
            reason = withheld_reason(self.evaluation, self.cut)
            verdict = None if reason is None else WITHHELD
            return _Row(SINCE, undefined(reason or "cut_is_look", method=(), n=0), verdict)
        found = self.estimate(endpoint, PROSPECTIVE, self.evaluation.interval.level)
        return _Row(SINCE, replace(found, notes=coded(found.notes, self.note)), None)

    def estimate(self, endpoint: Endpoint, window: str, level: float) -> Estimate:
        """Compute an endpoint's figure at a confidence level."""
        point = self.point(endpoint)
        if endpoint.comparison == "non_inferiority":
            found = self._difference(endpoint, point, level)
            reasons = (self._why_not_alone(endpoint, w) for w in WINDOWS)
            why = next((r for r in reasons if r is not None), None)
            return found if why is None else without_interval(found, why)
        mature = self.analysis.cases(endpoint.finding, self.model_id(endpoint), window)
        why = self._why_not_alone(endpoint, window)
        if point is None:
            decided = mature.take(mature.is_decided)
            weighing = weigh_area(self.sampled, endpoint.finding, decided)
            found = itd_auc(decided, self.index_test, level, weighing)
            return found if why is None else without_interval(found, why)
        if not mature.is_usable.any():
            return undefined(NO_INFERENCE, method=(), n=mature.n)

        def measured(table: Crossed) -> Estimate:
            return self._proportion(endpoint, table, level)

        found = measured(tabulate(mature, point, self.index_test, ITD))
        if why is None:
            return found
        return on_bounds(found, mature, point, self.index_test, measured, why)

    def _why_not_alone(self, endpoint: Endpoint, window: str) -> Code | None:
        model_id = self.model_id(endpoint)
        speaks = primary_point(self.evaluation, endpoint.finding, model_id)
        mature = self.analysis.cases(endpoint.finding, model_id, window)
        point = self.point(endpoint) or speaks
        return why_not_alone_at(mature, point, self.index_test, self.adjudication)

    def _proportion(self, endpoint: Endpoint, table: Crossed, level: float) -> Estimate:
        weighing = weigh(table, endpoint.metric, self.sampled, endpoint.finding)
        return proportion(table, endpoint.metric, weighing, level)

    def _difference(
        self, endpoint: Endpoint, point: OperatingPoint | None, level: float
    ) -> Estimate:
        model_id = self.model_id(endpoint)
        pair = Pair(self.analysis, endpoint.finding, model_id, self.index_test, self.sampled)
        if point is None:
            return pair.auc(level).difference
        return pair.share(endpoint.metric, point, level).difference

    def point(self, endpoint: Endpoint) -> OperatingPoint | None:
        """Find the endpoint's operating point; None for the AUC."""
        if endpoint.metric == "auc":
            return None
        points = {p.name: p for p in self.evaluation.operating_points}
        return points[str(endpoint.operating_point)]

    def model_id(self, endpoint: Endpoint) -> str:
        """Name the model that the endpoint is about."""
        point = self.point(endpoint)
        return self.index_test.primary.id if point is None else point.model

    def said_of(self, row: _Row) -> Codes:
        """Say at what level a verdict was given, and that no other endpoint entered it."""
        if row.verdict not in (MET, NOT_MET, INCONCLUSIVE):
            return ()
        alpha = {look.cut.isoformat(): look.alpha for look in self.evaluation.looks}
        level = 1 - alpha[row.look] if row.look in alpha else self.evaluation.interval.level
        return coded(code("two_sided_level", level=round(level, 6)), "judged_alone")

    def keys(self, endpoint: Endpoint) -> dict[str, Any]:
        """Give what a row repeats from the protocol."""
        point = self.point(endpoint)
        return {
            "endpoint": endpoint.id,
            "goal": goal_of(endpoint),
            "rank": endpoint.rank,
            "comparison": endpoint.comparison,
            "finding": endpoint.finding,
            "model_id": self.model_id(endpoint),
            "window": endpoint.window,
            "operating_point": None if point is None else point.name,
        }


def _quote(name: str, published: Mapping[str, Any]) -> _Row:
    version = published["pack_version"]
    reason = None
    if published["verdict"] == VOID:
        reason = code("look_void", pack=version, blocks=tuple(published["changed"]))
    elif published["estimate"] is None:
        is_refused = published["verdict"] == REFUSED
        reason = code("refused_in_pack" if is_refused else "not_shown_in_pack", pack=version)
    estimate = Estimate(
        published["estimate"],
        published["lower"],
        published["upper"],
        published["n"],
        published["events"],
        coded(code("quoted_from_pack", pack=version)),
        reason,
    )
    return _Row(name, estimate, published["verdict"], version, published["pack_digest"])


def _give(figures: Figures, endpoint: Endpoint, judge: _Judge, rows: list[_Row]) -> None:
    is_difference = endpoint.comparison == "non_inferiority"
    metric = f"{endpoint.metric}_difference" if is_difference else endpoint.metric
    headline = _headline(rows)
    for row in rows:
        keys = {
            **judge.keys(endpoint),
            "look": row.look,
            "verdict": row.verdict,
            "is_headline": row is headline,
            "pack_version": row.pack_version,
            "pack_digest": row.pack_digest,
        }
        found = row.estimate
        if row.verdict == WITHHELD and found.reason is not None:
            figures.withhold(metric, found.reason, **keys)
        else:
            method = coded(found.method, judge.said_of(row))
            figures.give(metric, replace(found, method=method), **keys)


def _headline(rows: list[_Row]) -> _Row:
    looks = [row for row in rows if row.look != SINCE]
    past = [row for row in looks if row.verdict != WITHHELD]
    met = [row for row in past if row.verdict == MET]
    return (met[:1] or past[-1:] or looks[:1])[0]


def _give_power(figures: Figures, endpoint: Endpoint, judge: _Judge) -> None:
    keys = {**judge.keys(endpoint), "look": judge.evaluation.looks[0].cut.isoformat()}
    keys |= {"verdict": None, "is_headline": False}
    point = judge.point(endpoint)
    if point is None:
        figures.refuse("planned_power", "power_of_proportions_only", **keys)
        return
    mature = judge.analysis.cases(endpoint.finding, point.model, RETROSPECTIVE)
    table = tabulate(mature, point, judge.index_test, ITD)
    weighing = weigh(table, endpoint.metric, judge.sampled, endpoint.finding)
    reason = weighing.why_not(under_weights=False)
    if reason is not None:
        figures.refuse("planned_power", reason, **keys)
        return
    among, right = share(table, endpoint.metric)
    n, events = int(among.sum()), int(right[among].sum())
    if events in (0, n) or not endpoint.margin:
        figures.refuse("planned_power", "no_power_at_edge", n=n, events=events, **keys)
        return
    alpha = judge.evaluation.looks[0].alpha / 2
    power = power_noninferiority(events / n, endpoint.margin, n, alpha=alpha)
    method = coded("power_from_retrospective", "normal_approximation")
    figures.give("planned_power", power, n=n, events=events, method=method, **keys)
