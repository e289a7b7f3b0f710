"""Read the protocol's monitors: every problem at once, before anything runs.

What does not belong here: whether a statistic exists (``study``), what it computes (``monitors``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from vpack_pipeline.core.drift.monitors import MONITORS
from vpack_pipeline.errors import Problem
from vpack_pipeline.protocol import Monitor, Protocol

_NUMBERS: Final = frozenset({"int", "float"})
_OUTPUTS: Final[Mapping[str, str]] = {"score": "float", "call": "bool", "failure": "bool"}


def check_monitors(protocol: Protocol, view: Mapping[str, str]) -> list[Problem]:
    """Find every monitor that could not be computed, or whose signal nobody would answer.

    Parameters
    ----------
    view : column of the case view → contract type
    """
    types = {**view, **{c.name: c.type for c in protocol.covariates}, **_OUTPUTS}
    levels = {e.level for e in protocol.drift.escalation}
    found: list[Problem] = []
    for monitor in protocol.drift.monitors:
        where = f"{protocol.reference} drift.monitors {monitor.name}"
        if monitor.level not in levels:
            remedy = f"describe {monitor.level} under drift.escalation"
            found.append(Problem(where, f"nobody answers at level {monitor.level}", remedy))
        if monitor.statistic in MONITORS:
            found += _variable_problems(where, monitor, types, protocol)
    return found


def _variable_problems(
    where: str, monitor: Monitor, types: Mapping[str, str], protocol: Protocol
) -> Iterable[Problem]:
    needs = MONITORS[monitor.statistic].needs
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
            else f"use a covariate, a column of the case view, or {', '.join(_OUTPUTS)}"
        )
        yield Problem(where, f"no variable {monitor.variable!r}", remedy)
    else:
        yield from _type_problems(where, monitor, types[monitor.variable])


def _type_problems(where: str, monitor: Monitor, kind: str) -> Iterable[Problem]:
    needs = MONITORS[monitor.statistic].needs
    if needs == "number" and kind not in _NUMBERS:
        remedy = "use psi or jensen_shannon, which take categories"
        yield Problem(where, f"{monitor.statistic} needs numbers, found {kind}", remedy)
    if needs == "yes_no" and kind != "bool":
        remedy = "use psi, jensen_shannon or mean_shift"
        yield Problem(where, f"{monitor.statistic} needs yes or no, found {kind}", remedy)
