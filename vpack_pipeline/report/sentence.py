"""What happened, in the words with which a pack opens: one sentence a primary figure, by rules.

The rules only choose words for what tables say; none softens. A fall whose interval leaves out zero
is called a fall; what is not shown is said with the chance that there was of showing it. What does
not belong here: how figures are judged (``core.evaluation.verdicts``), layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.protocol import Finding, Protocol
from vpack_pipeline.report import words
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Quiet, Strong, Text, bounds_of, filled, joined

GOALS: Final[Mapping[str, str]] = {
    "met": "above its goal of {goal}",
    "not_met": "below its goal of {goal}",
    "inconclusive": "its goal of {goal} neither shown nor ruled out{power}",
    "not_tested": "not tested against its goal of {goal}: an endpoint before it was not met",
    "not_taken": "not yet judged against its goal of {goal}",
    "withheld": "its verdict against the goal of {goal} withheld",
    "refused": "not judged against its goal of {goal}",
}
"""Verdict → how the figure stands to its goal."""
NO_GOAL: Final = "without a goal fixed beforehand"
POWER: Final = " (the chance of showing it was {power} if {measure} stayed as before the lock)"
CHANGES: Final[Mapping[str, str]] = {
    "fell": "{size} points ({smallest} to {largest}) lower than before",
    "rose": "{size} points ({smallest} to {largest}) higher than before",
}
"""Which side of zero the interval of the change lies on → the words for it."""
GIVEN: Final = "{measure} was {figure} ({bounds})"
WITHOUT_BOUNDS: Final = "{measure} was {figure}"
BETWEEN: Final = (
    "{measure} lies between {worst} and {best}, whatever the missing labels are and chance aside"
)
REFUSED: Final = "{measure} is not given: {reason}"
NO_CASES: Final = "No case from after the lock has a label due yet"


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of the primary operating point, with all that its sentence needs.

    ``figure`` and ``change`` are rows as the first page writes them; ``size`` is the change
    without its sign. None where there is no such row.
    """

    measure: str
    figure: Row | None
    worst: Cell | None
    best: Cell | None
    verdict: str
    goal: Cell | None
    power: Cell | None
    change: Row | None
    size: Row | None

    @property
    def has_cases(self) -> bool:
        """Whether any case of the class has a label that is due."""
        return self.figure is not None and self.figure.says("n") != "0"


def measured(book: Book, protocol: Protocol, finding: Finding, metric: str) -> Measured | None:
    """Gather the later window's figure; None where there is no operating point to judge."""
    model = protocol.index_test.primary.id
    point = primary_point(protocol.evaluation, finding.name, model)
    if point is None:
        return None
    at = {"finding": finding.name, "model_id": model}
    here = book.rows(
        "evaluation/operating_points",
        **at,
        window=PROSPECTIVE,
        operating_point=point.name,
        metric=metric,
    )
    by_analysis = {r.key["analysis"]: book.on_first_page(r) for r in here}
    goal = goal_of(book, finding, metric, point.name)
    changes = book.rows(
        "evaluation/comparison", **at, operating_point=point.name, metric=f"{metric}_difference"
    )
    change = book.on_first_page(changes[0]) if changes and changes[0].is_given else None
    bounds = rests_on_bounds(book, finding, PROSPECTIVE)
    return Measured(
        measure=metric,
        figure=by_analysis.get("intention_to_diagnose"),
        worst=by_analysis["worst_case"]["estimate"] if bounds else None,
        best=by_analysis["best_case"]["estimate"] if bounds else None,
        verdict=goal.says("verdict") if goal else "",
        goal=goal["goal"] if goal else None,
        power=_power(book, goal) if goal else None,
        change=change,
        size=book.size(change) if change else None,
    )


def goal_of(book: Book, finding: Finding, metric: str, point: str) -> Row | None:
    """The endpoint that judges a figure after the lock against a goal; None where none does."""
    found = book.rows(
        "evaluation/endpoints",
        finding=finding.name,
        window=PROSPECTIVE,
        metric=metric,
        comparison="absolute",
        is_headline="yes",
    )
    found = [r for r in found if r.says("operating_point") == point]
    return book.on_first_page(found[0]) if found else None


def _power(book: Book, goal: Row) -> Cell | None:
    found = book.rows("evaluation/endpoints", endpoint=goal.key["endpoint"], metric="planned_power")
    given = [book.on_first_page(r) for r in found if r.is_given]
    return given[0]["estimate"] if given else None


def rests_on_bounds(book: Book, finding: Finding, window: str) -> bool:
    """Whether the figure among labelled cases stands for no others, since so many lack one."""
    found = book.rows(
        "evaluation/verification",
        finding=finding.name,
        window=window,
        call="all",
        source="any",
        metric="naive_is_headline",
    )
    return bool(found) and found[0].is_given and found[0]["estimate"].number == 0


def sentence(figures: Sequence[Measured], of: str = "") -> Text:
    """Say the figures of a finding: what each was, how it stands to its goal, whether it changed.

    Parameters
    ----------
    of : the finding's title, where there are several

    Returns
    -------
    one sentence
    """
    named: Text = (Strong((f"{of}:",)), " ") if of else ()
    if not any(said.has_cases for said in figures):
        return (*named, f"{words.small(NO_CASES) if of else NO_CASES}.")
    told = joined("; ", (_clause(said) for said in figures if said.has_cases))
    return (*named, "after the lock, " if of else "After the lock, ", *told, ".")


def _clause(said: Measured) -> Text:
    row = said.figure
    if row is None:
        return ()
    if said.worst is not None and said.best is not None:
        worst, best = (Strong((cell,)) for cell in (said.worst, said.best))
        begun = filled(BETWEEN, measure=(said.measure,), worst=(worst,), best=(best,))
    elif not row.is_given:
        reason: Text = (row.note,) if row.note else ("no reason is given",)
        return filled(REFUSED, measure=(said.measure,), reason=reason)
    else:
        bounds = bounds_of(row)
        begun = filled(
            GIVEN if bounds else WITHOUT_BOUNDS,
            measure=(said.measure,),
            figure=(Strong((row["estimate"],)),),
            bounds=(Quiet(bounds),) if bounds else (),
        )
    return (*begun, ", ", *_stands(said), *_changed(said))


def _stands(said: Measured) -> Text:
    if said.goal is None:
        return (NO_GOAL,)
    power = filled(POWER, power=said.power, measure=(said.measure,)) if said.power else ()
    return filled(GOALS.get(said.verdict, GOALS["refused"]), goal=said.goal, power=power)


def direction(change: Row) -> str | None:
    """Tell on which side of zero the interval of a change lies; None where it holds zero."""
    lower, upper = change["lower"].number, change["upper"].number
    if lower is None or upper is None:
        return None
    return "fell" if upper < 0 else "rose" if lower > 0 else None


def _changed(said: Measured) -> Text:
    where = direction(said.change) if said.change else None
    if where is None or said.size is None:
        return ()
    near, far = ("upper", "lower") if where == "fell" else ("lower", "upper")
    told = filled(
        CHANGES[where],
        size=(Strong((said.size["estimate"],)),),
        smallest=said.size[near],
        largest=said.size[far],
    )
    return (" and ", *told)


def strata(
    book: Book, protocol: Protocol, finding: Finding, shares: Sequence[str]
) -> Iterator[Text]:
    """Say where figures differ: with a device that came after the lock, by planned variables."""
    model = protocol.index_test.primary.id
    rows = book.rows(
        "evaluation/subgroups", finding=finding.name, model_id=model, window=PROSPECTIVE
    )
    new = {
        (r.key["stratum_kind"], r.key["stratum"]): r.key["period"]
        for r in book.rows(
            "evaluation/trend",
            finding=finding.name,
            window=PROSPECTIVE,
            metric="cases_of_new_level",
        )
        if r["estimate"].number
    }
    for (variable, level), period in new.items():
        found = pick(rows, stratum_kind=variable, stratum=level)
        here = [r for m in shares for r in pick(found, metric=m) if r.is_given and bounds_of(r)]
        if here:
            told = joined(" and ", (_of_device(book, row) for row in here))
            yield (f"With {level}, first seen in {period[:7]}, ", *told, ".")
    for metric in shares:
        if differing := _differing(rows, metric, protocol):
            yield differing


def _of_device(book: Book, row: Row) -> Text:
    first, metric = book.on_first_page(row), row.key["metric"]
    return filled(
        "{metric} was {figure} ({bounds})",
        metric=(metric,),
        figure=(Strong((first["estimate"],)),),
        bounds=(Quiet((*bounds_of(first), "; ", first["n"], " ", CLASSES[metric])),),
    )


def _differing(rows: list[Row], metric: str, protocol: Protocol) -> Text:
    """Planned variables by which a figure differs once all planned comparisons are allowed for."""
    tests = pick(rows, metric=f"heterogeneity_p_adjusted_{metric}")
    titles = {v.name: words.small(v.title) for v in protocol.representativeness.variables}
    found: list[Text] = [
        (f"{titles.get(r.key['stratum_kind'], r.key['stratum_kind'])} (p ", r["estimate"], ")")
        for r in tests
        if (p := r["estimate"].number) is not None and p < SIGNIFICANT
    ]
    if not found:
        return ()
    told = f", adjusted for the {len(tests)} planned variables." if len(tests) > 1 else "."
    return (f"After the lock, {metric} differs by ", *joined(" and by ", found), told)


CLASSES: Final = {"sensitivity": "positives", "specificity": "negatives"}
"""Share → the class of cases that it is of."""
SIGNIFICANT: Final = 0.05
"""Below it an adjusted p lets a planned variable into the sentence."""
