"""Read the protocol's monitors: every problem at once, before anything runs.

What does not belong here: whether a statistic exists (``study``), what it computes (``monitors``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from vpack_pipeline.core.drift.monitors import MONITORS, kind_of
from vpack_pipeline.core.drift.people import shows_levels
from vpack_pipeline.core.drift.signals import OUTPUT_VARIABLES
from vpack_pipeline.core.personal import is_personal
from vpack_pipeline.errors import Problem
from vpack_pipeline.protocol import Monitor, Protocol

SHORTEST_DAYS: Final[Mapping[str, int]] = {"day": 1, "month": 28, "quarter": 84, "year": 364}
"""Granularity of dates → the shortest window of monitoring, in whole weeks from a month on."""
_IN_WORDS: Final[Mapping[str, str]] = {"number": "numbers", "yes_no": "yes or no"}


def check_monitors(protocol: Protocol, view: Mapping[str, str]) -> list[Problem]:
    """Find every monitor that could not be computed, or whose signal nobody would answer.

    Parameters
    ----------
    view : column of the case view → contract type
    """
    types = {**view, **{c.name: c.type for c in protocol.covariates}, **OUTPUT_VARIABLES}
    levels = {e.level for e in protocol.drift.escalation}
    found: list[Problem] = []
    for monitor in protocol.drift.monitors:
        where = f"{protocol.reference} drift.monitors {monitor.name}"
        if monitor.level not in levels:
            remedy = f"describe {monitor.level} under drift.escalation"
            found.append(Problem(where, f"nobody answers at level {monitor.level}", remedy))
        if monitor.statistic in MONITORS:
            found += _variable_problems(where, monitor, types, protocol)
    return [*found, *_period_problems(protocol)]


def _period_problems(protocol: Protocol) -> Iterable[Problem]:
    """Find windows that would show people by a finer period than the protocol allows."""
    granularity, drift = protocol.disclosure.date_granularity, protocol.drift
    least = SHORTEST_DAYS[granularity]
    for name, days in (("window_days", drift.window_days), ("cadence_days", drift.cadence_days)):
        if days < least:
            what = f"{days} days are finer than disclosure.date_granularity, a {granularity}"
            remedy = f"use {least} or more, or a finer granularity"
            yield Problem(f"{protocol.reference} drift.{name}", what, remedy)


def _variable_problems(
    where: str, monitor: Monitor, types: Mapping[str, str], protocol: Protocol
) -> Iterable[Problem]:
    needs = kind_of(monitor).needs
    if needs == "probability":
        if protocol.index_test.output.kind != "probability":
            yield Problem(where, "the index test returns no probability", "remove this monitor")
        return
    if needs == "none":
        return
    if monitor.variable is None:
        yield Problem(where, f"{monitor.statistic} needs a variable", "name one under `variable`")
    elif monitor.variable not in types:
        near = difflib.get_close_matches(monitor.variable, sorted(types), 1)
        remedy = (
            f"did you mean {near[0]!r}?"
            if near
            else f"use a covariate, a column of the case view, or {', '.join(OUTPUT_VARIABLES)}"
        )
        yield Problem(where, f"no variable {monitor.variable!r}", remedy)
    else:
        yield from _type_problems(where, monitor, types[monitor.variable])
        yield from _people_problems(where, monitor, monitor.variable, protocol)


def _people_problems(
    where: str, monitor: Monitor, variable: str, protocol: Protocol
) -> Iterable[Problem]:
    """Find what would be shown of people other than in printed levels."""
    if variable in OUTPUT_VARIABLES or not is_personal(
        variable, protocol.covariates, protocol.disclosure
    ):
        return
    technical = "a covariate that describes nobody is declared in disclosure.technical"
    if kind_of(monitor).amounts == "moments":
        what = f"{monitor.statistic} would use single values of people"
        yield Problem(where, what, f"compare levels of {variable} with psi or ks; {technical}")
    elif shows_levels(monitor) and variable not in {
        v.name for v in protocol.representativeness.variables
    }:
        what = f"{variable} describes people and has no levels"
        yield Problem(where, what, f"add it to representativeness.variables; {technical}")


def _type_problems(where: str, monitor: Monitor, type_: str) -> Iterable[Problem]:
    own = kind_of(monitor)
    if own.takes(type_):
        return
    # What compares the values themselves; an event, or the share of gaps, is another question.
    fit = [
        name
        for name, kind in MONITORS.items()
        if kind.amounts in {"bins", "moments"} and not kind.is_event and kind.takes(type_)
    ]
    what = f"{monitor.statistic} needs {_IN_WORDS[own.needs]}, found {type_}"
    yield Problem(where, what, f"use {', '.join(fit[:-1])} or {fit[-1]}")
