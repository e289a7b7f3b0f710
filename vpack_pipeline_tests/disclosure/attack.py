"""Every described group of a pack that is certain to be small, found from what the pack prints.

What does not belong here: what is known of one variable (``knowledge``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from vpack_pipeline.contracts import fields
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.knowledge import (
    LEVELS,
    RESULTS,
    Found,
    OneVariable,
    Tables,
    smallest_group,
)

STATISTICS: Final = {"psi": inversion.stability, "jensen_shannon": inversion.divergence}
"""Statistics of a monitor that are sums over levels."""


def attack(tables: Tables, protocol: Protocol) -> list[Found]:
    """Find every described group that is certain to be small, from what a pack prints.

    Parameters
    ----------
    tables : the exported tables, by asset

    Raises
    ------
    ContradictionError
        What is taken for known cannot be true.
    """
    smallest = smallest_group(protocol)
    found: list[Found] = []
    for variable, printed in printed_levels(tables).items():
        found += OneVariable.of(tables, protocol, variable, printed).found(smallest)
    found += small_strays(tables, protocol, smallest)
    return found + small_windows(tables, protocol, smallest)


def printed_levels(tables: Tables) -> dict[str, dict[str, tuple[str, str]]]:
    """Give each personal variable's levels: its printed level, and why if it is another."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for row in tables[LEVELS].filter("is_personal").iter_rows(named=True):
        said = (row["printed_level"], row["reason"] or "")
        found.setdefault(row["variable"], {})[row["level"]] = said
    return found


def _is_personal(variable: str, protocol: Protocol) -> bool:
    is_covariate = variable in {c.name for c in protocol.covariates}
    return is_covariate or bool(fields.find(variable).personal)


def small_strays(tables: Tables, protocol: Protocol, smallest: int) -> list[Found]:
    """Find counts of people in levels that are not those of the table of levels.

    Of a covariate that it does not have, or of bins that a monitor made for itself.
    """
    known = {v: {p for p, _ in told.values()} for v, told in printed_levels(tables).items()}
    counted: list[tuple[str, str, str, int | None]] = []
    for asset in RESULTS:
        for row in tables[asset].iter_rows(named=True) if asset in tables else ():
            variable, level = row.get("stratum_kind", "all"), row["stratum"]
            if row["metric"] == "n_cases" and variable != "all":
                counted.append((variable, level, row["window"], row["events"]))
    for monitor, variable in _monitors(tables):
        for row in tables["drift/baseline"].filter(monitor=monitor).iter_rows(named=True):
            counted.append((variable, row["bin"], f"reference of {monitor}", row["events"]))
    return [
        Found(variable, level, of_set, n, n)
        for variable, level, of_set, n in dict.fromkeys(counted)
        if n is not None and 0 < n < smallest and level != MISSING
        if _is_field(variable, protocol) and _is_personal(variable, protocol)
        if level not in known.get(variable, ())
    ]


def _is_field(name: str, protocol: Protocol) -> bool:
    return name in fields.load() or name in {c.name for c in protocol.covariates}


def _monitors(tables: Tables) -> list[tuple[str, str]]:
    if "drift/plan" not in tables:
        return []
    plan = tables["drift/plan"].filter(pl.col("variable").is_not_null())
    return list(plan.select("monitor", "variable").iter_rows())


def small_windows(tables: Tables, protocol: Protocol, smallest: int) -> list[Found]:
    """Find few people of a level in a window of a monitor, from its index and its baseline."""
    found: list[Found] = []
    for monitor, variable, statistic, baseline in _compared_windows(tables, protocol):
        for row in tables["drift/status"].filter(monitor=monitor).iter_rows(named=True):
            if row["value"] is None or not row["n"]:
                continue
            shares = [share for _, share in baseline]
            counts = inversion.counts_behind(row["value"], row["n"], shares, statistic)
            for (label, _), (low, high) in zip(baseline, counts or (), strict=False):
                if label != MISSING and low > 0 and high < smallest:
                    found.append(
                        Found(variable, label, f"{monitor} from {row['window_start']}", low, high)
                    )
    return found


def _compared_windows(
    tables: Tables, protocol: Protocol
) -> Iterator[tuple[str, str, inversion.Statistic, list[tuple[str, float]]]]:
    if "drift/plan" not in tables:
        return
    personal = set(printed_levels(tables))
    for plan in tables["drift/plan"].iter_rows(named=True):
        statistic = STATISTICS.get(plan["statistic"])
        if plan["variable"] in personal and statistic is not None:
            rows = tables["drift/baseline"].filter(monitor=plan["monitor"]).sort("bin_order")
            baseline = [(r["bin"], r["amount"]) for r in rows.iter_rows(named=True)]
            if all(amount is not None for _, amount in baseline):
                yield plan["monitor"], plan["variable"], statistic, baseline
