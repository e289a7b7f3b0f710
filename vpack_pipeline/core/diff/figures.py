"""The figures and verdicts of two packs that are held against one another, pair by pair.

What does not belong here: figures of strata (``strata``), what a change is due to (``causes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpack_pipeline.pack_format.planned import points_of, primary_model
from vpack_pipeline.pack_format.stated import ANALYSIS, POINTS
from vpack_pipeline.stats.difference import independent_difference
from vpack_pipeline.stats.estimate import Estimate

Plain = Mapping[str, Any]
Group = Literal["performance", "change", "counts", "agreement", "match", "exclusions"]
Kind = Literal["overall", "endpoint", "conduct", "drift"]
NoInterval = Literal["same_site", "other_level", "without_interval", "simultaneous"]

PERFORMANCE: Final = "evaluation/performance"
CHANGE: Final = "evaluation/comparison"
ENDPOINTS: Final = "evaluation/endpoints"
OVERALL: Final = "evaluation/overall_verdict"
CONDUCT: Final = "evaluation/integrity"
SIGNALS: Final = "drift/status"
MONITORS: Final = "drift/plan"
AGREEMENT: Final = "adjudication/agreement"
MATCH: Final = "representativeness/match"
FLOW: Final = "eligibility/flow"
ASSETS: Final = (
    ENDPOINTS, OVERALL, CONDUCT, SIGNALS, MONITORS, POINTS, PERFORMANCE, CHANGE, AGREEMENT, MATCH,
    FLOW,
)  # fmt: skip
"""The tables that are read."""

WINDOWS: Final = ("retrospective", "prospective")
_DIFFERENCE: Final = "prospective_minus_retrospective"
_AT_POINT: Final = ("sensitivity", "specificity")
_COUNTED: Final = (
    "n_cases", "n_patients", "n_immature", "n_failed", "n_positive", "n_negative",
    "n_indeterminate", "n_undecided",
)  # fmt: skip
_AGREED: Final = (
    "percent_agreement", "positive_agreement", "negative_agreement", "gwet_ac1",
    "krippendorff_alpha", "n_readers",
)  # fmt: skip
_MATCHED: Final = ("smd", "smd_unsigned", "jensen_shannon")
_SEVERITY: Final = ("none", "warning", "action")
_ALL: Final = "all"
NOT_ASKED: Final = "not_asked"
"""In place of a verdict: the pack has no such endpoint, rule or monitor."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What is read of one pack."""

    protocol: Plain
    """As today's fields say it."""
    rows: Callable[[str], Sequence[Plain]]
    """The rows of an exported table; none of a table that the pack has not."""
    said: Callable[[Plain], str | None]
    """Why a row has no figure."""


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of one pack; ``why_not`` where there is none."""

    estimate: float | None
    lower: float | None
    upper: float | None
    n: int | None
    events: int | None
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A; the interval only where no patient is in both packs."""

    value: float
    lower: float | None
    upper: float | None
    why_no_interval: NoInterval | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure in both packs; ``a`` or ``b`` is None where a pack has no such row."""

    asset: str
    group: Group
    subject: str | None
    """The finding, variable or rule."""
    window: str | None
    metric: str
    a: Value | None
    b: Value | None
    difference: Difference | None

    @property
    def is_changed(self) -> bool:
        """Whether estimate or interval differ by more than rounding."""
        return is_changed(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict in both packs; ``NOT_ASKED`` where a pack does not ask for it, None where it asks
    and gives none.
    """

    asset: str
    kind: Kind
    name: str
    title: str
    metric: str | None
    """Of an endpoint, what is judged."""
    a: str | None
    b: str | None
    a_figure: Value | None = None
    b_figure: Value | None = None

    @property
    def is_changed(self) -> bool:
        """Whether it is another."""
        return self.a != self.b


def is_changed(a: Value | None, b: Value | None) -> bool:
    """Tell whether estimates or intervals differ by more than rounding.

    Another denominator, or another reason why there is no figure, is no change of the figure.

    >>> one = Value(0.9, 0.8, 0.95, 10, 9, None)
    >>> is_changed(one, Value(0.9 + 1e-15, 0.8, 0.95, 10, 9, None)), is_changed(one, None)
    (False, True)
    """
    if a is None or b is None:
        return a is not b
    return any(not _is_close(x, y) for x, y in zip(_numbers(a), _numbers(b), strict=True))


def _numbers(value: Value) -> tuple[float | None, ...]:
    return value.estimate, value.lower, value.upper


def _is_close(x: float | None, y: float | None) -> bool:
    if x is None or y is None:
        return x is y
    return abs(x - y) <= 1e-9 * max(1.0, abs(x), abs(y))


def shared_findings(a: Plain, b: Plain) -> list[tuple[str, str]]:
    """Name the findings of both protocols with their titles in the first."""
    others = {f["name"] for f in b["findings"]}
    return [(f["name"], f["title"]) for f in a["findings"] if f["name"] in others]


def pairs(a: Tables, b: Tables, *, is_same_site: bool) -> Iterator[Pair]:
    """Give the figures of interest, each of both packs.

    Returns
    -------
    of each finding of both: the primary point's figures and the area in both windows, their change,
    counts, agreement; then match with the target, and what each rule removed
    """
    level = _level(a.protocol), _level(b.protocol)
    for asset, group, subject, window, metric, first, second in _rows(a, b):
        one, two = value_of(first, a), value_of(second, b)
        difference = _difference(one, two, level, is_same_site=is_same_site)
        if one is not None or two is not None:
            yield Pair(asset, group, subject, window, metric, one, two, difference)


_Rows = tuple[str, Group, str | None, str | None, str, Plain | None, Plain | None]


def _rows(a: Tables, b: Tables) -> Iterator[_Rows]:
    for finding, title in shared_findings(a.protocol, b.protocol):
        places = [_place(pack.protocol, finding) for pack in (a, b)]
        for asset, group, window, wanted, metrics in _asked(finding):
            for metric in metrics:
                found = [
                    _row(pack, asset, {**wanted, **_at(asset, metric, place), "metric": metric})
                    for pack, place in zip((a, b), places, strict=True)
                ]
                yield asset, group, title, window, metric, found[0], found[1]
    yield from _matched(a, b)
    yield from _removed(a, b)


def _asked(finding: str) -> Iterator[tuple[str, Group, str | None, Plain, tuple[str, ...]]]:
    of = {"finding": finding}
    for window in WINDOWS:
        here = of | {"window": window}
        yield POINTS, "performance", window, here | {"analysis": ANALYSIS}, _AT_POINT
        everyone = here | {"stratum": _ALL}
        yield PERFORMANCE, "performance", window, everyone, ("auc", "prevalence")
        yield PERFORMANCE, "counts", window, everyone, _COUNTED
    changes = ("sensitivity_difference", "specificity_difference", "auc_difference")
    yield CHANGE, "change", None, of | {"window": _DIFFERENCE}, changes
    yield AGREEMENT, "agreement", None, of | {"stratum": _ALL}, _AGREED


def _place(protocol: Plain, finding: str) -> Plain:
    """Give the primary model and its primary operating point of a finding, by columns of tables."""
    points = points_of(protocol, finding)
    return {
        "model_id": primary_model(protocol),
        "operating_point": points[0]["name"] if points else None,
    }


def _at(asset: str, metric: str, place: Plain) -> Plain:
    if asset == AGREEMENT:
        return {}
    if asset == PERFORMANCE:
        return {"model_id": place["model_id"]}
    # An area is of no operating point.
    return {**place, "operating_point": "none"} if metric == "auc_difference" else place


def _row(pack: Tables, asset: str, wanted: Plain) -> Plain | None:
    return next((r for r in pack.rows(asset) if wanted.items() <= r.items()), None)


def _matched(a: Tables, b: Tables) -> Iterator[_Rows]:
    found = [
        {
            (row["variable"], row["metric"]): row
            for row in pack.rows(MATCH)
            if row["comparison"] == "included_target" and row["metric"] in _MATCHED
        }
        for pack in (a, b)
    ]
    for key in dict.fromkeys([*found[0], *found[1]]):
        yield MATCH, "match", key[0], None, key[1], found[0].get(key), found[1].get(key)


def _removed(a: Tables, b: Tables) -> Iterator[_Rows]:
    found = [{key: {"estimate": n} for key, n in _flow(pack)} for pack in (a, b)]
    for key in dict.fromkeys([*found[0], *found[1]]):
        yield FLOW, "exclusions", key[0], None, key[1], found[0].get(key), found[1].get(key)


def _flow(pack: Tables) -> Iterator[tuple[tuple[str | None, str], int | None]]:
    """Give the cases of the cohort, what each rule removed of them, and those that remain."""
    rows = [row for row in pack.rows(FLOW) if row["unit"] == "case"]
    for row in rows:
        is_start = row["kind"] == "start"
        yield (
            (None, "entered") if is_start else (row["title"], "removed"),
            (row["entered"] if is_start else row["removed"]),
        )
    for row in rows[-1:]:
        yield (None, "remaining"), row["remaining"]


def value_of(row: Plain | None, pack: Tables) -> Value | None:
    """Read the figure of a row."""
    if row is None:
        return None
    fields = (row.get(name) for name in ("estimate", "lower", "upper", "n", "events"))
    estimate, lower, upper, n, events = fields
    why_not = pack.said(row) if estimate is None else None
    return Value(estimate, lower, upper, n, events, why_not)


def _level(protocol: Plain) -> float:
    level: float = protocol["evaluation"]["interval"]["level"]
    return level


def _difference(
    a: Value | None, b: Value | None, levels: tuple[float, float], *, is_same_site: bool
) -> Difference | None:
    if a is None or b is None or a.estimate is None or b.estimate is None:
        return None
    value = b.estimate - a.estimate
    if None in (a.lower, a.upper, b.lower, b.upper):
        return Difference(value, None, None, "without_interval")
    if is_same_site:
        return Difference(value, None, None, "same_site")
    if levels[0] != levels[1]:
        return Difference(value, None, None, "other_level")
    found = independent_difference(_estimate(b), _estimate(a))
    return Difference(value, found.lower, found.upper, None)


def _estimate(value: Value) -> Estimate:
    return Estimate(value.estimate, value.lower, value.upper, value.n or 0, value.events, ())


def verdicts(a: Tables, b: Tables) -> Iterator[Verdict]:
    """Give the verdicts of both packs: all endpoints together, each, conduct, monitors."""
    kinds: tuple[tuple[str, Kind, Callable[[Tables], Iterable[_Judged]]], ...] = (
        (OVERALL, "overall", _overall),
        (ENDPOINTS, "endpoint", _endpoints),
        (CONDUCT, "conduct", _conduct),
        (SIGNALS, "drift", _signals),
    )
    for asset, kind, read in kinds:
        found = [{one.name: one for one in read(pack)} for pack in (a, b)]
        for name in dict.fromkeys([*found[0], *found[1]]):
            one, two = (side.get(name, _UNASKED) for side in found)
            known = one if one is not _UNASKED else two
            yield Verdict(
                asset, kind, name, known.title, known.metric,
                one.verdict, two.verdict, one.figure, two.figure,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judged:
    name: str
    title: str
    verdict: str | None
    metric: str | None = None
    figure: Value | None = None


_UNASKED: Final = _Judged("", "", NOT_ASKED)


def _overall(pack: Tables) -> Iterator[_Judged]:
    for row in pack.rows(OVERALL):
        yield _Judged("overall", "All primary endpoints together", row["verdict"])


def _endpoints(pack: Tables) -> Iterator[_Judged]:
    """Give each endpoint at the last look that was judged, or is to be."""
    titles = {e["id"]: e["title"] for e in pack.protocol["evaluation"]["endpoints"]}
    rows = [row for row in pack.rows(ENDPOINTS) if row["is_headline"]]
    for name, row in {r["endpoint"]: r for r in sorted(rows, key=_judged_last)}.items():
        title, figure = titles.get(name, name), value_of(row, pack)
        yield _Judged(name, title, row["verdict"], row["metric"], figure)


def _judged_last(row: Plain) -> tuple[str, bool, str]:
    return row["endpoint"], row["verdict"] is not None, row["look"]


def _conduct(pack: Tables) -> Iterator[_Judged]:
    for row in pack.rows(CONDUCT):
        yield _Judged(row["rule"], row["title"], row["verdict"])


def _signals(pack: Tables) -> Iterator[_Judged]:
    """Give the gravest signal of each monitor over all windows so far."""
    given: dict[str, list[str]] = {row["monitor"]: [] for row in pack.rows(MONITORS)}
    titles = {row["monitor"]: row["title"] for row in pack.rows(MONITORS)}
    for row in pack.rows(SIGNALS):
        if row["signal"] is not None:
            given.setdefault(row["monitor"], []).append(row["signal"])
    for monitor, signals in given.items():
        gravest = max(signals, key=_SEVERITY.index, default=None)
        yield _Judged(monitor, titles.get(monitor, monitor), gravest)
