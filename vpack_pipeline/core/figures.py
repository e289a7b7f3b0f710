"""The one shape of a published figure: keys, then value, bounds, counts, method, status, reason.

What does not belong here: how any figure is computed (``stats``, the section's module).
"""

from __future__ import annotations

import math

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.contracts import metrics, shapes
from vpack_pipeline.stats.estimate import Estimate

Key = str | int


class Figures:
    """Collects the rows of a table of figures, as its contract has them.

    Parameters
    ----------
    asset : a table whose contract has the shape of figures: it says which keys and further columns
        a row has, and ``contracts/metrics.yaml`` which metrics it may hold

    Examples
    --------
    >>> figures = Figures("evaluation/comparison")
    >>> figures.give("auc_difference", 0.1, finding="nodule", n=12, method="by hand")
    >>> figures.refuse("auc_retrospective", "one class only", finding="nodule", n=12)
    >>> figures.frame()["status"].to_list()
    ['given', 'refused']
    """

    def __init__(self, asset: str) -> None:
        contract = contracts.load()[asset]
        self.asset = asset
        self._schema = contract.polars_schema
        self._order = list(contract.key)
        figure = shapes.figure_columns()
        self.keys = tuple(name for name in contract.key if name not in figure)
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
        """Add a figure; an undefined :class:`Estimate` becomes a refusal with its reason.

        Raises
        ------
        ContractError
            No such metric is declared for the table.
        """
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
        metrics.find(self.asset, metric)
        self._rows.append({"metric": metric, "status": status, "reason": reason, **rest})

    def frame(self) -> pl.DataFrame:
        """All rows, sorted by the key, with every column of the table."""
        rows = [{name: row.get(name) for name in self._schema} for row in self._rows]
        return pl.DataFrame(rows, schema=self._schema, orient="row").sort(self._order)
