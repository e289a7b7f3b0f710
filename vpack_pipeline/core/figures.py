"""The one shape of a published figure: keys, value, bounds, counts, then codes of how and why.

What does not belong here: how any figure is computed (``stats``, the section's module).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes, metrics, shapes
from vpack_pipeline.stats.codes import Code, Coded, Codes, coded
from vpack_pipeline.stats.estimate import Estimate

PACKAGE_DATA: Final = ("contracts/codes",)

Key = str | int
UNDEFINED = Code("undefined")


class Figures:
    """Collects the rows of a table of figures, as its contract has them.

    Parameters
    ----------
    asset : a table whose contract has the shape of figures: it says which keys and further columns
        a row has, and ``contracts/metrics.yaml`` which metrics it may hold

    Examples
    --------
    >>> figures = Figures("evaluation/comparison")
    >>> figures.give("auc_difference", 0.1, finding="nodule", n=12, method="delong")
    >>> figures.refuse("auc_retrospective", "one_class", finding="nodule", n=12)
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
        method: Coded | Codes = (),
        lower: float | None = None,
        upper: float | None = None,
        reason: Coded | None = None,
        notes: Coded | Codes | None = (),
        **keys: Key | None,
    ) -> None:
        """Add a figure; an undefined value becomes a refusal.

        Parameters
        ----------
        value : an estimate brings its own counts, bounds, method, reason and notes
        n, events, method : in place of the estimate's, where given
        reason : why there is no value; needed only where there may be none
        notes : what to know beside the figure; added to the estimate's

        Raises
        ------
        ContractError
            No such metric is declared for the table, or no such code.
        """
        if isinstance(value, Estimate):
            n, events = value.n if n is None else n, value.events if events is None else events
            method, reason = coded(method) or value.method, value.reason or reason
            notes = coded(value.notes, notes)
            lower, upper, value = value.lower, value.upper, value.value
        if value is None or not math.isfinite(value):
            why = UNDEFINED if reason is None else reason
            self.refuse(metric, why, notes=notes, n=n, events=events, **keys)
            return
        figure = {"estimate": float(value), "lower": lower, "upper": upper}
        counts = {"n": n, "events": events}
        row = {**keys, **figure, **counts}
        self._add(metric, "given", row, notes=coded(notes), method=coded(method))

    def refuse(
        self,
        metric: str,
        reason: Coded,
        *,
        notes: Coded | Codes | None = (),
        n: int | None = None,
        events: int | None = None,
        **keys: Key | None,
    ) -> None:
        """Add a figure that cannot be given, and why.

        Raises
        ------
        ContractError
            No such metric is declared for the table, or no such code.
        """
        (why,) = coded(reason)
        row = {**keys, "n": n, "events": events}
        self._add(metric, "refused", row, reason=why, notes=coded(notes))

    def withhold(self, metric: str, reason: Coded, **keys: Key | None) -> None:
        """Add a figure that must not be shown yet, and why."""
        (why,) = coded(reason)
        self._add(metric, "withheld", keys, reason=why)

    def _add(
        self,
        metric: str,
        status: str,
        row: Mapping[str, object],
        *,
        reason: Code | None = None,
        notes: Codes = (),
        method: Codes = (),
    ) -> None:
        metrics.find(self.asset, metric)
        # What decides is not said twice.
        others = tuple(note for note in notes if note != reason)
        said = codes.cells(reason, others, method)
        self._rows.append({"metric": metric, "status": status, **said, **row})

    def frame(self) -> pl.DataFrame:
        """All rows, sorted by the key, with every column of the table."""
        rows = [{name: row.get(name) for name in self._schema} for row in self._rows]
        return pl.DataFrame(rows, schema=self._schema, orient="row").sort(self._order)
