"""What tables of one shape share: columns and expectations, put into each of their contracts.

What does not belong here: what a single table has of its own (its contract), and what a figure may
be (``metrics``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from vpack_pipeline.contracts import fields, metrics
from vpack_pipeline.pack_format import codes as pack_codes
from vpack_pipeline.strict_yaml import parse

FIGURE: Final = "figure"
METRIC: Final = "metric"
"""The column of a figure's name, last of the key."""


@functools.cache
def _figure() -> Mapping[str, Any]:
    text = (resources.files("vpack_pipeline.contracts") / "figure.yaml").read_text("utf-8")
    data: Mapping[str, Any] = parse(text, "contracts/figure.yaml")[0]
    return data


def figure_columns() -> tuple[str, ...]:
    """Name the columns that every table of figures has after its other keys, in order."""
    return tuple(fields.name_of(column) for column in _figure()["columns"])


def with_figure(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a contract as written what every table of figures has.

    Raises
    ------
    ValueError
        The key does not end with ``metric``, or no metric is declared for the table.
    """
    key = contract.get("key") or []
    if not isinstance(key, Sequence) or not key or key[-1] != METRIC:
        raise ValueError("the key of a table of figures ends with metric")
    listed = ", ".join(f'"{name}"' for name in key)
    shared = [_of_table(expectation, listed) for expectation in _figure()["expectations"]]
    shared += _of_metrics(str(contract.get("asset", "")))
    return {
        **contract,
        "columns": [*contract.get("columns", ()), *_figure()["columns"]],
        "expectations": [*contract.get("expectations", ()), *shared],
    }


def _of_table(expectation: Mapping[str, Any], key: str) -> dict[str, Any]:
    kwargs = expectation["kwargs"]
    query = {"query": kwargs["query"].replace("{key}", key)} if "query" in kwargs else {}
    return {**expectation, "kwargs": {**kwargs, **query}}


def _of_metrics(asset: str) -> list[dict[str, Any]]:
    """Expect of a table the metrics that are declared for it, each within its range."""
    declared = metrics.of(asset)
    if not declared:
        raise ValueError(f"no metric of it is declared in {metrics.FILE}")
    unknown = f"not {_is_one_of(declared)}"
    alike: dict[str, list[metrics.Metric]] = {}
    for metric in declared:
        alike.setdefault(_beyond(metric), []).append(metric)
    outside = [f"({_is_one_of(ms)} and ({beyond}))" for beyond, ms in alike.items() if beyond]
    return [
        _unexpected("metric_declared", unknown, "Every figure is one that is declared."),
        _unexpected(
            "figure_in_range",
            " or ".join(outside) or "false",
            "No figure lies outside of what its metric can be.",
        ),
    ]


REASON: Final = "reason"
"""The column of the one code that decides."""
CODES: Final = pack_codes.COLUMNS
"""The columns that hold codes, and of which kind."""
DETAIL: Final = pack_codes.DETAIL
"""The column of their parameters: a table that has it is held to the declared codes."""


def _unexpected(name: str, condition: str, why: str) -> dict[str, Any]:
    query = f"select metric from {{batch}} where {condition}"
    return {
        "id": name,
        "type": "unexpected_rows",
        "kwargs": {"query": query},
        "severity": "critical",
        "why": why,
    }


def _is_one_of(alike: Sequence[metrics.Metric]) -> str:
    listed = ", ".join(f"'{name}'" for m in alike for name in m.names)
    said = [f"metric in ({listed})"] if listed else []
    said += [f"starts_with(metric, '{m.prefix}')" for m in alike if m.prefix is not None]
    return f"({' or '.join(said)})"


def _beyond(metric: metrics.Metric) -> str:
    """Say in SQL that a figure lies outside of its range; empty where it has none.

    An analytic interval of a coefficient or a difference may reach beyond what either can be.
    """
    lowest, highest = metric.limits
    has_bounds = metric.kind in {"count", "share", "score"}
    said = []
    if lowest is not None:
        said += [f"{name} < {lowest:g}" for name in ("estimate", "lower")[: 1 + has_bounds]]
    if highest is not None:
        said += [f"{name} > {highest:g}" for name in ("estimate", "upper")[: 1 + has_bounds]]
    return " or ".join(said)


def in_order(names: Sequence[str], key: Sequence[str]) -> list[str]:
    """Order the columns of a table of figures: its other keys, the figure, whatever else it has."""
    figure = figure_columns()
    first = [name for name in names if name in key and name not in figure]
    return [*first, *figure, *(name for name in names if name not in {*first, *figure})]
