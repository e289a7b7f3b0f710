"""Whether each prespecified claim holds: met, not met or inconclusive, given once at its look.

What does not belong here: goals and margins (the protocol's), the figure of an endpoint
(``endpoint_figures``), what a verdict is (``verdicts``), how packs of past looks are read.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Unpack

import polars as pl

from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet
from vpack_pipeline.core.evaluation.endpoint_figures import (
    EndpointFigure,
    EndpointFigures,
    goal_of,
)
from vpack_pipeline.core.evaluation.endpoint_looks import EndpointLooks
from vpack_pipeline.core.evaluation.looks import (
    VOID,
    exploratory_note,
    is_judged_at_looks,
    void_endpoints,
    withheld_reason,
)
from vpack_pipeline.core.evaluation.planned_power import power_of_goal, power_of_margin
from vpack_pipeline.core.evaluation.verdicts import (
    JUDGED,
    MET,
    NOT_MET,
    NOT_TAKEN,
    NOT_TESTED,
    REFUSED,
    WITHHELD,
    verdict_of,
)
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import (
    Adjudication,
    Amendment,
    AnySampling,
    Endpoint,
    Evaluation,
    IndexTest,
    Look,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.several_endpoints import ClaimAtLook, claims_at_look

NO_LOOK: Final = "none"
"""Stands where a look does, for a retrospective endpoint."""
SINCE: Final = "since"
"""Stands where a look does, for what has been seen after the last one."""


def endpoints(
    *,
    cases: pl.DataFrame,
    published_looks: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    adjudication: Adjudication,
    amendments: tuple[Amendment, ...],
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give each endpoint's estimate, bound, goal and verdict.

    A prospective verdict is given at the cut of a look, by the two-sided interval of level 1 − 2α
    of that look. Alpha is spent as information accrues, and shared by the primary endpoints as
    ``several_endpoints`` says; a secondary one is judged alone. At later cuts a verdict is quoted
    from the pack published there, never computed again; what has been seen since stands in a row
    of its own, without a verdict. A retrospective endpoint is computed at every cut.

    Parameters
    ----------
    published_looks : the verdicts of past looks: endpoint, look, pack_version, pack_digest,
        estimate, lower, upper, n, events, verdict, changed (names of the blocks of the protocol
        that differ from those of the pack, where its verdict is ``void``); alpha, information and
        information_share of this table, the latter two null in packs of before they were kept

    Returns
    -------
    ``look`` is a cut, ``none`` (retrospective) or ``since``; ``is_headline`` marks the one row
    that speaks for the endpoint at this cut: of looks taken, the first that met the goal, else the
    last. ``alpha`` is the one-sided level of the verdict, ``information`` the patients that the
    figure rests on, combined over classes and windows, and ``information_share`` the share of the
    planned information at which alpha was spent. For non-inferiority ``goal`` is minus the margin.
    A row ``planned_power`` gives the chance that the claim had to be shown, were the retrospective
    figure the truth: for non-inferiority with as many cases of the class in the prospective window
    as in the retrospective one; for a goal with those that the headline look judged, at its level.
    """
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    figures_of = EndpointFigures(analysis, index_test, evaluation, sampled, adjudication)
    past = published_looks.with_columns(pl.col("look").cast(pl.String)).sort("look").to_dicts()
    judge = _Judge(
        evaluation,
        {endpoint.id: figures_of.of(endpoint) for endpoint in evaluation.endpoints},
        cut,
        exploratory_note(evaluation, cut, published_looks),
        void_endpoints(published_looks, cut),
        {(row["endpoint"], row["look"]): row for row in past},
        amendments,
    )
    figures = Figures("evaluation/endpoints")
    for endpoint in evaluation.endpoints:
        headline = _give(figures, endpoint, judge)
        _give_power(figures, endpoint, judge, headline)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Row:
    """What one look says of an endpoint."""

    look: str
    estimate: Estimate
    verdict: str | None
    alpha: float | None = None
    information: float | None = None
    information_share: float | None = None
    pack_version: str | None = None
    pack_digest: str | None = None

    def decides(self, minimum: int) -> bool:
        """Whether the look could have met a goal: it shows a figure, of patients enough."""
        found = self.estimate
        is_few = any(note.name == "few_patients_for_verdict" for note in found.notes)
        is_shown = self.verdict in JUDGED and found.value is not None
        return is_shown and found.n >= minimum and not is_few


@dataclass(frozen=True)
class _Judge:
    evaluation: Evaluation
    figures: Mapping[str, EndpointFigure]
    cut: datetime.date
    note: Code | None
    """Why what is seen at this cut is exploratory, if it is."""
    void: frozenset[str]
    """Endpoints of which the look at this cut, if it is one, speaks no longer."""
    published: Mapping[tuple[str, str], Mapping[str, Any]]
    """What packs of past looks say, by endpoint and look, in order of looks."""
    amendments: tuple[Amendment, ...]

    def looks(self, endpoint: Endpoint) -> EndpointLooks:
        """Give the looks at an endpoint up to this cut."""
        before = [
            row
            for (name, look), row in self.published.items()
            if name == endpoint.id and look < self.cut.isoformat()
        ]
        return EndpointLooks(self.figures[endpoint.id], self.evaluation, self.cut, before)

    def rows(self, endpoint: Endpoint) -> list[_Row]:
        """Give one row a look, and one for what was seen since; or the one retrospective row."""
        if not is_judged_at_looks(endpoint):
            return [self._judged(NO_LOOK, endpoint)]
        rows = [self._at(endpoint, look) for look in self.evaluation.looks]
        return [*rows, self._since(endpoint)]

    def _at(self, endpoint: Endpoint, look: Look) -> _Row:
        name = look.cut.isoformat()
        published = self.published.get((endpoint.id, name))
        if self.cut < look.cut:
            first = withheld_reason(self.evaluation, self.cut)
            reason = first or code("look_not_come", look=name)
            return _Row(name, undefined(reason, method=(), n=0), WITHHELD)
        if self.cut == look.cut:
            row = self._judged(name, endpoint)
            # A pack cannot quote itself: the same verdict stays as computed, byte for byte.
            if published is None or published["verdict"] == row.verdict:
                return row
        if published is None:
            reason = code("look_not_published", look=name)
            return _Row(name, undefined(reason, method=(), n=0), REFUSED)
        return _quote(name, published, self.amendments)

    def _since(self, endpoint: Endpoint) -> _Row:
        if self.note is None or (self._is_look and endpoint.id not in self.void):
            reason = withheld_reason(self.evaluation, self.cut)
            verdict = None if reason is None else WITHHELD
            return _Row(SINCE, undefined(reason or "cut_is_look", method=(), n=0), verdict)
        found = self.figures[endpoint.id].estimate(self.evaluation.interval.level)
        return _Row(SINCE, replace(found, notes=coded(found.notes, self.note)), None)

    def _judged(self, look: str, endpoint: Endpoint) -> _Row:
        """Judge an endpoint at this cut: the look, or for a retrospective one any."""
        looks, claim = self.looks(endpoint), self._claims[endpoint.id]
        # One that may not be tested yet has the interval that it would be tested by.
        alpha = looks.level(claim.alpha or self.evaluation.alpha)
        refusal = looks.why_not_taken()
        if refusal is not None or alpha is None:
            return _Row(look, undefined(refusal or "error_spent", method=(), n=0), NOT_TAKEN)
        verdict, note = self._verdict(endpoint, alpha)
        if claim.alpha is None and verdict not in (NOT_MET, REFUSED):
            verdict, note = NOT_TESTED, code("not_tested_yet")
        figure = self.figures[endpoint.id]
        estimate = figure.estimate(1 - 2 * alpha)
        return _Row(
            look,
            replace(estimate, notes=coded(estimate.notes, note)),
            verdict,
            alpha,
            figure.information,
            looks.share,
        )

    def _verdict(self, endpoint: Endpoint, alpha: float) -> tuple[str, Code | None]:
        judged = self.figures[endpoint.id].judged(1 - 2 * alpha)
        return verdict_of(judged, goal_of(endpoint), self.evaluation.minimum_patients)

    @cached_property
    def _claims(self) -> Mapping[str, ClaimAtLook]:
        """Test all endpoints that can be tested at this cut: the primary ones by their rule."""
        evaluation = self.evaluation
        primary = evaluation.primary_endpoints
        families = [(e,) for e in evaluation.endpoints if e.rank != "primary"]
        found: dict[str, ClaimAtLook] = {}
        for claims in [primary, *families]:
            rule = evaluation.several_endpoints if len(claims) > 1 else None

            def is_met(i: int, alpha: float, claims: tuple[Endpoint, ...] = claims) -> bool:
                return self._is_met(claims[i], alpha)

            met = [self.looks(e).was_met for e in claims]
            tested = claims_at_look(rule or "all_must_be_met", evaluation.alpha, met, is_met)
            found |= {e.id: one for e, one in zip(claims, tested, strict=True)}
        return found

    def _is_met(self, endpoint: Endpoint, alpha: float) -> bool:
        if is_judged_at_looks(endpoint) and (not self._is_look or endpoint.id in self.void):
            return False
        level = self.looks(endpoint).level(alpha)
        return level is not None and self._verdict(endpoint, level)[0] == MET

    @property
    def _is_look(self) -> bool:
        return any(look.cut == self.cut for look in self.evaluation.looks)

    def said_of(self, endpoint: Endpoint, row: _Row) -> Codes:
        """Say at what level a verdict was given, and how other endpoints entered it."""
        if row.verdict not in JUDGED:
            return ()
        rule = self.evaluation.several_endpoints
        is_alone = endpoint.rank != "primary" or len(self.evaluation.primary_endpoints) == 1
        by = code("judged_alone") if is_alone or rule is None else code("judged_by", rule=rule)
        if row.alpha is None:
            return coded(by)
        return coded(code("two_sided_level", level=round(1 - 2 * row.alpha, 6)), by)


def _quote(name: str, published: Mapping[str, Any], amendments: tuple[Amendment, ...]) -> _Row:
    version = published["pack_version"]
    reason = None
    if published["verdict"] == VOID:
        reason = _void(name, version, tuple(published["changed"]), amendments)
    elif published["estimate"] is None:
        said = {REFUSED: "refused_in_pack", NOT_TAKEN: "not_taken_in_pack"}
        reason = code(said.get(published["verdict"], "not_shown_in_pack"), pack=version)
    estimate = Estimate(
        published["estimate"],
        published["lower"],
        published["upper"],
        published["n"],
        published["events"],
        coded(code("quoted_from_pack", pack=version)),
        reason,
    )
    return _Row(
        name,
        estimate,
        published["verdict"],
        published["alpha"],
        published["information"],
        published["information_share"],
        version,
        published["pack_digest"],
    )


def _void(
    look: str, version: str, blocks: tuple[str, ...], amendments: tuple[Amendment, ...]
) -> Code:
    """Say what voids a look, and which amendments stand for it: those of its day or later."""
    dates = tuple(a.date.isoformat() for a in amendments if a.date.isoformat() >= look)
    if not dates:
        return code("look_void", pack=version, blocks=blocks)
    return code("look_void_amended", pack=version, blocks=blocks, amended=dates)


def _give(figures: Figures, endpoint: Endpoint, judge: _Judge) -> _Row:
    """Add the rows of an endpoint, and give the one that speaks for it."""
    is_difference = endpoint.comparison == "non_inferiority"
    metric = f"{endpoint.metric}_difference" if is_difference else endpoint.metric
    rows = judge.rows(endpoint)
    headline = _headline(rows)
    for row in rows:
        keys = {
            **judge.figures[endpoint.id].keys(),
            "look": row.look,
            "verdict": row.verdict,
            "is_headline": row is headline,
            "alpha": row.alpha,
            "information": row.information,
            "information_share": row.information_share,
            "pack_version": row.pack_version,
            "pack_digest": row.pack_digest,
        }
        found = row.estimate
        if row.verdict == WITHHELD and found.reason is not None:
            figures.withhold(metric, found.reason, **keys)
        else:
            method = coded(found.method, judge.said_of(endpoint, row))
            figures.give(metric, replace(found, method=method), **keys)
    return headline


def _headline(rows: list[_Row]) -> _Row:
    looks = [row for row in rows if row.look != SINCE]
    past = [row for row in looks if row.verdict != WITHHELD]
    taken = [row for row in past if row.verdict != NOT_TAKEN]
    met = [row for row in past if row.verdict == MET]
    return (met[:1] or taken[-1:] or past[-1:] or looks[:1])[0]


def _give_power(figures: Figures, endpoint: Endpoint, judge: _Judge, headline: _Row) -> None:
    """Say how likely a claim about the later window was to be shown."""
    figure = judge.figures[endpoint.id]
    look, reason = headline.look, headline.estimate.reason
    if endpoint.comparison == "non_inferiority":
        look, reason = judge.evaluation.looks[0].cut.isoformat(), None
        power = power_of_margin(figure, judge.evaluation.alpha)
    elif is_judged_at_looks(endpoint):
        is_judged = headline.decides(judge.evaluation.minimum_patients)
        alpha = headline.alpha if is_judged else None
        power = power_of_goal(figure, headline.estimate.n, alpha)
        if not is_judged and figure.point is not None and reason is not None:
            power = undefined(reason, method=(), n=0)
    else:
        return
    keys = {**figure.keys(), "look": look, "verdict": None, "is_headline": False}
    if headline.verdict == WITHHELD and reason is not None:
        figures.withhold("planned_power", reason, **keys)
    else:
        figures.give("planned_power", power, **keys)
