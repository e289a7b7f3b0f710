"""The figures in the target, here, and of the cases that have no place in the target.

What does not belong here: the formulas (``stats.transport``), how far the sets match (``support``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypedDict

from vpack_pipeline.core.transport.cells import Counts
from vpack_pipeline.core.transport.question import (
    NO_TABLE,
    NO_TARGET,
    Asked,
    Question,
    counted,
    counts_of,
)
from vpack_pipeline.core.transport.support import MOST_UNSUPPORTED, NO_CASES, Support
from vpack_pipeline.stats.codes import Code, Value, code, coded
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.transport import (
    FIGURES,
    Cell,
    JointCell,
    odds_factor,
    pooled,
    range_over_tables,
    shares_of,
    transported,
)

DESIGN_EFFECT_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(FIGURES, "cases"),
    "sensitivity": "positives",
    "specificity": "negatives",
}
"""Which of the design effects widens which figure."""
IN_TARGET: Final = "in_target"
LOWEST: Final = "lowest_in_target"
HIGHEST: Final = "highest_in_target"
HERE: Final = "here"
OUTSIDE: Final = "outside_target"

NONE_OUTSIDE: Final = Code("no_case_outside_target")
MARGINS_AND_PREVALENCE: Final = Code("prevalence_needs_joint_counts")
NOT_REACHED: Final = Code("prevalence_out_of_reach")
NO_INTERVAL_OF_MARGINS: Final = Code("no_interval_of_margins")
NO_INTERVAL_WEIGHTED: Final = Code("no_interval_of_weighted_cells")
NEAREST: Final = coded("nearest_joint_table", "ratio_over_cells")
OWN: Final = Code("counts_of_cells")


class Said(TypedDict):
    """A code, with its parameters."""

    code: str
    detail: dict[str, Value]


class Figure(TypedDict):
    """One figure, or why there is none."""

    estimate: float | None
    lower: float | None
    upper: float | None
    n: int
    events: int | None
    method: list[Said]
    reason: Said | None
    notes: list[Said]


class CellOfAnswer(TypedDict):
    """One cell that set and target have in common."""

    label: str
    persons: float
    """Of the target; of margins alone, in the joint table nearest this set's."""
    cases: float | None
    positives: float | None
    """None where no results of the cell are printed."""


class Answer(TypedDict):
    """What can be said of the target."""

    cells: list[CellOfAnswer]
    support: dict[str, Figure]
    figures: dict[str, dict[str, Figure]]
    """Whom figures speak for → figure; lowest and highest where only margins are known."""
    odds: float | None
    """By what the odds of disease of every cell are multiplied for the typed prevalence."""


Figures = dict[str, Estimate]


def figures_in_target(question: Question) -> Answer:
    """Answer a question.

    Refused are figures where over a tenth of the target lies in cells without a case, where set
    and target have one cell in common, and, of margins alone, where the lowest and the highest
    figure over all joint tables with these margins lie on both sides of a goal.

    Raises
    ------
    ValueError
        Two levels of the target share a printed level, or a count is none.
    """
    asked = Asked.of(question)
    persons, reason = asked.spread()
    support = Support(asked, persons, reason)
    odds, refusal = _odds(asked, persons, support.refusal)
    figures = {
        IN_TARGET: _in_target(asked, support, odds, refusal),
        HERE: _own(asked, [(c["counts"], c.get("weighted")) for c in asked.printed], NO_CASES),
        OUTSIDE: _outside(asked, support),
    }
    if not asked.is_joint:
        figures |= _range(asked, figures[IN_TARGET], refusal)
        _refuse_where_crossed(asked, figures)
    return Answer(
        cells=[
            CellOfAnswer(
                label=cell.label,
                persons=0.0 if persons is None else persons[k],
                cases=None if cell.counts is None else cell.counts["n_cases"],
                positives=None if cell.counts is None else cell.counts["n_positive"],
            )
            for k, cell in enumerate(asked.common)
        ],
        support={name: _written(name, e) for name, e in support.figures().items()},
        figures={
            of: {name: _written(name, e) for name, e in each.items()}
            for of, each in figures.items()
        },
        odds=odds,
    )


def _odds(
    asked: Asked, persons: Sequence[float] | None, refusal: Code | None
) -> tuple[float | None, Code | None]:
    """Find the factor of a typed prevalence, or say why there is none."""
    if refusal is not None or asked.prevalence is None or persons is None:
        return None, refusal
    if not asked.is_joint:
        return None, MARGINS_AND_PREVALENCE
    odds = odds_factor(_cells(asked, persons, weighted=True), asked.prevalence)
    return odds, NOT_REACHED if odds is None else None


def _cells(asked: Asked, persons: Sequence[float], *, weighted: bool) -> list[Cell]:
    """Give the common cells that have results."""
    made = []
    for cell, n in zip(asked.common, persons, strict=True):
        counts = counts_of(cell) if weighted else cell.counts
        if counts is not None and cell.has_results:
            made.append(counted(n, counts))
    return made


def _in_target(asked: Asked, support: Support, odds: float | None, refusal: Code | None) -> Figures:
    if refusal is not None or support.persons is None:
        why = refusal or NO_TARGET
        return {name: undefined(why, method=(), n=0) for name in FIGURES}
    plain = _cells(asked, support.persons, weighted=False)
    weighted = _cells(asked, support.persons, weighted=True) if asked.is_weighted else None
    made = {}
    for name in FIGURES:
        found = _figure(asked, name, plain, weighted, 1.0 if odds is None else odds)
        if found.value is not None:
            notes = coded(found.notes, support.notes(name))
            found = replace(found, notes=notes)
            if not asked.is_joint:
                notes = coded(notes, NO_INTERVAL_OF_MARGINS)
                found = replace(found, lower=None, upper=None, method=NEAREST, notes=notes)
        made[name] = found
    return made


def _figure(
    asked: Asked, name: str, plain: list[Cell], weighted: list[Cell] | None, odds: float = 1.0
) -> Estimate:
    """Give a figure over cells; of weighted ones without an interval, which counts do not hold."""
    effect = asked.design_effects[DESIGN_EFFECT_OF[name]]
    found = transported(plain, name, effect, asked.level, odds)
    if weighted is None:
        return found
    value = transported(weighted, name, effect, asked.level, odds).value
    if value is None:
        return found
    return _without_interval(found, value, Code("ratio_over_cells"))


def _outside(asked: Asked, support: Support) -> Figures:
    if support.persons is None:
        return _own(asked, [], support.reason or NO_TARGET)
    chosen = [asked.common[k] for k in support.outside]
    return _own(asked, [(c.counts, c.weighted) for c in chosen], NONE_OUTSIDE)


def _own(
    asked: Asked, cells: Sequence[tuple[Counts | None, Counts | None]], empty: Code
) -> Figures:
    """Give the figures of cases here in some cells, each counting once."""
    known = [(plain, weighted) for plain, weighted in cells if plain and plain["n_cases"]]
    if not known:
        return {name: undefined(empty, method=(), n=0) for name in FIGURES}
    own = [counted(0.0, plain) for plain, _ in known]
    drawn = [counted(0.0, weighted or plain) for plain, weighted in known]
    made = {}
    for name in FIGURES:
        effect = asked.design_effects[DESIGN_EFFECT_OF[name]]
        found = pooled(own, name, effect, asked.level)
        if asked.is_weighted and found.value is not None:
            found = _without_interval(found, pooled(drawn, name).value, OWN)
        made[name] = found
    return made


def _without_interval(found: Estimate, value: float | None, method: Code) -> Estimate:
    """Put a weighted figure in place of one of cases that count alike."""
    how = coded(method, "weighted")
    return Estimate(value, None, None, found.n, found.events, how, notes=(NO_INTERVAL_WEIGHTED,))


def _range(asked: Asked, inside: Figures, refusal: Code | None) -> dict[str, Figures]:
    """Give the lowest and the highest figures over all joint tables with the margins."""
    made: dict[str, Figures] = {LOWEST: {}, HIGHEST: {}}
    method = code("over_tables_with_margins", share=MOST_UNSUPPORTED)
    for name in FIGURES:
        found = None if refusal is not None else _lowest_and_highest(asked, name)
        of = inside[name]
        for k, each in enumerate(made.values()):
            if found is None or of.value is None:
                why = refusal or of.reason or NO_TABLE
                each[name] = undefined(why, method=method, n=of.n, events=of.events)
            else:
                each[name] = Estimate(found[k], None, None, of.n, of.events, (method,))
    return made


def _lowest_and_highest(asked: Asked, name: str) -> tuple[float, float] | None:
    products, owner, _ = asked.products()
    cells = []
    for product, k in zip(products, owner, strict=True):
        common = asked.common[k]
        counts = counts_of(common)
        has_results = counts is not None and common.has_results
        of = (0.0, 0.0)
        if counts is not None and has_results:
            of = shares_of(counted(0.0, counts), name)
        cells.append(JointCell(product, *of, has_results))
    return range_over_tables(cells, asked.margins, MOST_UNSUPPORTED)


def _refuse_where_crossed(asked: Asked, figures: dict[str, Figures]) -> None:
    """Refuse the figure of one joint table where others would decide otherwise."""
    for name, goal in asked.goals.items():
        low, high = figures[LOWEST][name].value, figures[HIGHEST][name].value
        if low is not None and high is not None and low < goal < high:
            of = figures[IN_TARGET][name]
            crossed = code("margins_cross_goal", goal=goal, lowest=low, highest=high)
            figures[IN_TARGET][name] = undefined(crossed, method=NEAREST, n=of.n, events=of.events)


def _written(name: str, estimate: Estimate) -> Figure:
    """Write a figure as JSON; numbers per 1,000 as such."""
    per = 1000.0 if name in FIGURES and name.endswith("_per_1000") else 1.0
    return Figure(
        estimate=None if estimate.value is None else per * estimate.value,
        lower=None if estimate.lower is None else per * estimate.lower,
        upper=None if estimate.upper is None else per * estimate.upper,
        n=estimate.n,
        events=estimate.events,
        method=[_said(c) for c in estimate.method],
        reason=None if estimate.reason is None else _said(estimate.reason),
        notes=[_said(c) for c in estimate.notes],
    )


def _said(of: Code) -> Said:
    return Said(code=of.name, detail=dict(of.detail))
