"""The one shape of a published figure: keys, then value, bounds, counts, method, status, reason.

What does not belong here: how any figure is computed (``stats``, the section's module).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from vpack_pipeline.stats.estimate import Estimate

Key = str | int

FIGURE_COLUMNS: Mapping[str, type[pl.DataType]] = {
    "metric": pl.String,
    "estimate": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "n": pl.Int64,
    "events": pl.Int64,
    "method": pl.String,
    "status": pl.String,
    "reason": pl.String,
}


class Figures:
    """Collects the rows of a figure table.

    Parameters
    ----------
    keys : the key columns before ``metric``; values are strings unless ``types`` says otherwise
    extra : further nullable string columns after ``reason`` (such as a verdict)

    Examples
    --------
    >>> figures = Figures(["finding"])
    >>> figures.give("n_cases", 12, finding="nodule", n=12, method="count")
    >>> figures.refuse("auc", "one class only", finding="nodule", n=12)
    >>> figures.frame()["status"].to_list()
    ['refused', 'given']
    """

    def __init__(
        self,
        keys: Sequence[str],
        extra: Sequence[str] = (),
        types: Mapping[str, type[pl.DataType]] | None = None,
    ) -> None:
        self.keys = tuple(keys)
        self.extra = tuple(extra)
        self._types = dict(types or {})
        self._rows: list[dict[str, object]] = []

    def give(
        self,
        metric: str,
        value: Estimate | float | int | None,
        *,
        n: int | None = None,
        events: int | None = None,
        method: str | None = None,
        lower: float | None = None,
        upper: float | None = None,
        reason: str | None = None,
        **keys: Key | None,
    ) -> None:
        """Add a figure; an undefined :class:`Estimate` becomes a refusal with its reason."""
        if isinstance(value, Estimate):
            n, events = value.n if n is None else n, value.events if events is None else events
            method, reason = method or value.method, reason or value.reason
            lower, upper, value = value.lower, value.upper, value.value
        if value is None or not math.isfinite(value):
            self._add(metric, "refused", reason or "undefined", n=n, events=events, **keys)
            return
        self._add(
            metric,
            "given",
            reason,
            estimate=float(value),
            lower=lower,
            upper=upper,
            n=n,
            events=events,
            method=method,
            **keys,
        )

    def refuse(
        self,
        metric: str,
        reason: str,
        *,
        n: int | None = None,
        events: int | None = None,
        **keys: Key | None,
    ) -> None:
        """Add a figure that cannot be given, and why."""
        self._add(metric, "refused", reason, n=n, events=events, **keys)

    def withhold(self, metric: str, reason: str, **keys: Key | None) -> None:
        """Add a figure that must not be shown yet, and why."""
        self._add(metric, "withheld", reason, **keys)

    def _add(self, metric: str, status: str, reason: str | None, **rest: object) -> None:
        self._rows.append({"metric": metric, "status": status, "reason": reason, **rest})

    def frame(self) -> pl.DataFrame:
        """All rows, sorted by the keys and the metric, with every column of the shape."""
        schema: dict[str, type[pl.DataType]] = {
            **{key: self._types.get(key, pl.String) for key in self.keys},
            **FIGURE_COLUMNS,
            **{name: self._types.get(name, pl.String) for name in self.extra},
        }
        rows = [{name: row.get(name) for name in schema} for row in self._rows]
        return pl.DataFrame(rows, schema=schema, orient="row").sort([*self.keys, "metric"])
