"""In which window a date lies, and when a label is due: decided here and nowhere else.

A window holds both of its ends. What does not belong here: the table that says so of every case
(``evaluation.time_split``), and which windows may be seen at a cut (``evaluation.looks``).
"""

from __future__ import annotations

import datetime
from typing import Final

import polars as pl

from vpack_pipeline.document import Window
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Adjudication, Drift, Evaluation

RETROSPECTIVE: Final = "retrospective"
PROSPECTIVE: Final = "prospective"
WINDOWS: Final = (RETROSPECTIVE, PROSPECTIVE)
OUTSIDE: Final = "outside"


def lies_within(date: pl.Expr, window: Window) -> pl.Expr:
    """Say whether a date lies in a window.

    >>> window = Window(start=datetime.date(2025, 1, 1), end=datetime.date(2025, 1, 2))
    >>> days = pl.DataFrame({"day": [datetime.date(2025, 1, d) for d in (1, 2, 3)]})
    >>> days.select(lies_within(pl.col("day"), window))["day"].to_list()
    [True, True, False]
    """
    return date.is_between(window.start, window.end)


def window_of(date: pl.Expr, evaluation: Evaluation) -> pl.Expr:
    """Name the window that an index date lies in: one of ``WINDOWS``, or ``OUTSIDE``."""
    return (
        pl.when(lies_within(date, evaluation.retrospective))
        .then(pl.lit(RETROSPECTIVE))
        .when(lies_within(date, evaluation.prospective))
        .then(pl.lit(PROSPECTIVE))
        .otherwise(pl.lit(OUTSIDE))
    )


def window_on(day: datetime.date, evaluation: Evaluation) -> str:
    """Name the window that one day lies in, as :func:`window_of` does."""
    return str(pl.select(window_of(pl.lit(day), evaluation)).item())


def mature_on(date: pl.Expr, adjudication: Adjudication, evaluation: Evaluation) -> pl.Expr:
    """Give the date on which the label of a case with this index date is due.

    Raises
    ------
    InputError
        A source of labels has no maturity in the protocol.
    """
    return date + pl.duration(days=slowest_days(adjudication, evaluation))


def is_mature(due: pl.Expr, cut: datetime.date) -> pl.Expr:
    """Say whether a label that is due on a date (:func:`mature_on`) is due before the cut."""
    return due < cut


def slowest_days(adjudication: Adjudication, evaluation: Evaluation) -> int:
    """Days until every source that may label a case is due.

    One span for all cases: by the source that labelled it, a case would mature early because a
    quick label came, and quick labels are not those of the rest.

    Raises
    ------
    InputError
        A source of labels has no maturity in the protocol.
    """
    maturity = {str(source): days for source, days in evaluation.maturity.items()}
    missing = [source for source in adjudication.label_sources if source not in maturity]
    if missing:
        raise InputError(
            [
                Problem("evaluation.maturity", f"{source!r} is missing", "add its days")
                for source in missing
            ]
        )
    return max(maturity[source] for source in adjudication.label_sources)


def closed_windows(drift: Drift, cut: datetime.date) -> list[Window]:
    """List the windows of monitoring that ended before a cut, from the end of the reference on."""
    found = []
    start = drift.reference.end + datetime.timedelta(days=1)
    while (end := start + datetime.timedelta(days=drift.window_days - 1)) < cut:
        found.append(Window(start=start, end=end))
        start += datetime.timedelta(days=drift.cadence_days)
    return found


def reaches_beyond_accrual(
    window: Window, last: datetime.date | None, evaluation: Evaluation
) -> bool:
    """Tell whether a window of monitoring runs on after the study has taken its last case.

    Accrual is over at the end of the prospective window if no case is later than that: few cases
    are then as planned. Where cases go on to come, a feed that stops is one that stops.

    Parameters
    ----------
    last : index date of the latest case that is monitored, None where there is none

    >>> day = datetime.date.fromisoformat
    >>> span = Window(start=day("2025-12-27"), end=day("2026-02-09"))
    >>> evaluation = Evaluation.model_construct(
    ...     prospective=Window(start=day("2025-04-01"), end=day("2025-12-31"))
    ... )
    >>> reaches_beyond_accrual(span, day("2025-12-20"), evaluation)
    True
    >>> reaches_beyond_accrual(span, day("2026-01-02"), evaluation)
    False
    """
    end = evaluation.prospective.end
    return window.end > end and (last is None or last <= end)
