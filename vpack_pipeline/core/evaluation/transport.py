"""What the figures would be in the population that the site stated, or why that cannot be said.

Made from two tables alone, the cells and the population, by the function that a reviewer's command
calls as well (``core.transport``). An area under the ROC curve does not follow from counts at a
locked threshold, so that there is none here. What does not belong here: how far the mix differs
(``representativeness``), and what the cells hold (``transport_cells``).
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.target import Target, read_target
from vpack_pipeline.core.transport import (
    HERE,
    IN_TARGET,
    OUTSIDE,
    SUPPORT,
    Answer,
    Figure,
    Question,
    Said,
    figures_in_target,
)
from vpack_pipeline.core.transport.rows import Counted, PrintedVariables, target_of
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Disclosure, Evaluation, OperatingPoint, Representativeness
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import Estimate
from vpack_pipeline.stats.transport import FIGURES

NO_POINT: Final = "none"
"""Stands where an operating point does, for figures that need none."""
NO_VARIABLES: Final = Code("no_transport_variable")


def transport(
    *,
    transport_cells: pl.DataFrame,
    levels: pl.DataFrame,
    population: pl.DataFrame,
    evaluation: Evaluation,
    representativeness: Representativeness,
    disclosure: Disclosure,
    published_looks: pl.DataFrame,
    cut: datetime.date,
) -> pl.DataFrame:
    """Carry the figures at each operating point to the target, and say how far that holds.

    ``speaks_for`` says of whom a figure is: ``in_target``; ``here``, this set's own cases of all
    cells with results; ``outside_target``, those of them whose cell nobody of the target is in;
    of margins alone also ``lowest_in_target`` and ``highest_in_target``, over all joint tables with
    these margins. How far set and target hold the same cells stands under the operating point
    ``none``.

    Parameters
    ----------
    transport_cells : evaluation/transport_cells
    levels : representativeness/levels
    population : cohort/population
    """
    figures = WindowedFigures("evaluation/transport", evaluation, cut, published_looks)
    stated = read_target(population, representativeness.variables)
    told: set[tuple[str, str, str]] = set()
    for point in evaluation.operating_points:
        for window in WINDOWS:
            keys = {"finding": point.finding, "model_id": point.model, "window": window}
            at = _Places(figures, keys, point.name)
            of = pl.lit(value=True)
            for name, value in {**keys, "operating_point": point.name}.items():
                of &= pl.col(name) == value
            rows = transport_cells.filter(of).to_dicts()
            answer = _answer(rows, levels, stated, point, evaluation, disclosure)
            key = (point.finding, point.model, window)
            if key not in told:
                told.add(key)
                _give(at.support(), SUPPORT, answer)
            at.give(answer)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why there is no figure at one place."""

    reason: Code


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the figures of one point and window stand."""

    figures: WindowedFigures
    keys: dict[str, str]
    point: str

    def support(self) -> Place:
        return self.figures.at(**self.keys, operating_point=NO_POINT, speaks_for=IN_TARGET)

    def give(self, answer: Answer | _Refused) -> None:
        parts = (IN_TARGET, HERE, OUTSIDE) if isinstance(answer, _Refused) else answer["figures"]
        for speaks_for in parts:
            place = self.figures.at(**self.keys, operating_point=self.point, speaks_for=speaks_for)
            _give(place, tuple(FIGURES), answer, speaks_for)


def _give(
    place: Place, names: Sequence[str], answer: Answer | _Refused, speaks_for: str | None = None
) -> None:
    for name in names:
        if isinstance(answer, _Refused):
            place.refuse(name, answer.reason)
            continue
        of = answer["support"] if speaks_for is None else answer["figures"][speaks_for]
        place.give(name, _estimate(of[name]))


def _estimate(figure: Figure) -> Estimate:
    reason = figure["reason"]
    return Estimate(
        figure["estimate"],
        figure["lower"],
        figure["upper"],
        figure["n"],
        figure["events"],
        tuple(_code(said) for said in figure["method"]),
        None if reason is None else _code(reason),
        tuple(_code(said) for said in figure["notes"]),
    )


def _code(said: Said) -> Code:
    return code(said["code"], **said["detail"])


def _answer(
    rows: list[dict[str, Any]],
    levels: pl.DataFrame,
    stated: Target,
    point: OperatingPoint,
    evaluation: Evaluation,
    disclosure: Disclosure,
) -> Answer | _Refused:
    if not rows:
        return _Refused(NO_VARIABLES)
    variables = PrintedVariables.of(levels.to_dicts(), rows[0]["stratum_kind"])
    counted = Counted.of(rows, variables)
    if counted.refusal is not None:
        detail = json.loads(counted.refusal["detail"] or "{}")
        return _Refused(_reason_of(counted.refusal["reason"], detail))
    if _has_few_persons(stated, variables, disclosure.smallest_group):
        return _Refused(code("set_too_small", fewest=disclosure.smallest_group))
    return figures_in_target(
        Question(
            cells=counted.cells,
            missing=counted.missing,
            design_effects=counted.design_effects,
            target=target_of(stated, variables, variables.places()),
            level=evaluation.interval.level,
            goals=goals_at(point, evaluation),
        )
    )


def _reason_of(name: str, detail: dict[str, Any]) -> Code:
    values = {
        parameter.removeprefix(f"{name}."): tuple(v) if isinstance(v, list) else v
        for parameter, v in detail.items()
        if parameter.startswith(f"{name}.")
    }
    return code(name, **values)


def goals_at(point: OperatingPoint, evaluation: Evaluation) -> dict[str, float]:
    """Give the goals that endpoints set for figures at a locked point; the highest of several."""
    found: dict[str, float] = {}
    for endpoint in evaluation.endpoints:
        if endpoint.operating_point == point.name and endpoint.goal is not None:
            found[endpoint.metric] = max(endpoint.goal, found.get(endpoint.metric, 0.0))
    return found


def _has_few_persons(stated: Target, variables: PrintedVariables, smallest: int) -> bool:
    """Say whether persons of the target are too few in a printed cell, or level, of people."""
    if not variables.is_personal:
        return False
    return any(0 < n < smallest for counts in _persons(stated, variables) for n in counts.values())


def _persons(stated: Target, variables: PrintedVariables) -> Iterator[Counter[str]]:
    places = variables.places()
    known = [name for name in variables.names if name in stated.names]
    joint = stated.cells(variables.names) if len(known) == len(variables.names) else None
    if joint is not None:
        counts: Counter[str] = Counter()
        for cell, n in joint.items():
            at = [places[name][level] for name, level in zip(variables.names, cell, strict=True)]
            if all(at):
                counts[variables.cell_of[tuple(one[0] for one in at)]] += n
        yield counts
        return
    for name, printed in zip(variables.names, variables.printed_of, strict=True):
        if name in known:
            counts = Counter()
            for level, n in stated.margin(name).items():
                counts[printed[level]] += n
            del counts[MISSING]
            yield counts
