"""Kinds of case by what its readers said, the ambiguous ones apart, and how many got no label.

Counts of what was delivered, whoever decided in the end. What does not belong here: which rule
decides (``rules``), the state of a panel that the error of the model is parted by
(``reference_standard``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.figures import Figures

_POSITIVE, _NEGATIVE = pl.col("n_positive"), pl.col("n_negative")
_INDETERMINATE, _NON_DIAGNOSTIC = pl.col("n_indeterminate"), pl.col("n_non_diagnostic")
_VOTES = _POSITIVE + _NEGATIVE

KINDS: Final[Mapping[str, pl.Expr]] = {
    "contradicted": (_POSITIVE > 0) & (_NEGATIVE > 0),
    "unsure": (_INDETERMINATE > 0) & (_VOTES > 0),
    "indeterminate": _INDETERMINATE > 0,
    "not_diagnostic": (_NON_DIAGNOSTIC > 0) & (_VOTES == 0),
    "partly_diagnostic": _NON_DIAGNOSTIC > 0,
    "single": _VOTES == 1,
    "clear": _VOTES > 1,
    "unread": pl.lit(value=True),
}
"""Kind → whether a case is of it, by its independent reads; the first that holds does.

``unsure``: some said indeterminate, and the others one class; ``partly_diagnostic``: not diagnostic
to some, and the others of one mind."""


def kind_metric(kind: str) -> str:
    """Name the share of cases of a kind."""
    return f"cases_{kind}"


def undecided_metric(kind: str) -> str:
    """Name the share of a kind's cases that got no label."""
    return f"undecided_{kind}"


def put_kinds(figures: Figures, standard: pl.DataFrame, **keys: Any) -> None:
    """Add the share of cases of each kind, and of each kind's cases the share without a label.

    Parameters
    ----------
    figures : of ``agreement``
    standard : reference standard of included cases and one finding
    """
    kind = pl.coalesce(pl.when(is_so).then(pl.lit(name)) for name, is_so in KINDS.items())
    known = standard.select(kind.alias("kind"), pl.col("label").is_null().alias("is_open"))
    for name in KINDS:
        of_kind = known.filter(pl.col("kind") == name)
        for metric, events, n, none in (
            (kind_metric(name), of_kind.height, known.height, "no_case_included"),
            (
                undecided_metric(name),
                int(of_kind["is_open"].sum()),
                of_kind.height,
                "no_case_of_kind",
            ),
        ):
            if n:
                figures.give(metric, events / n, n=n, events=events, method="share", **keys)
            else:
                figures.refuse(metric, none, n=0, events=0, **keys)
