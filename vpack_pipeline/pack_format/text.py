"""How a value is written in print: one text per cell, the same wherever it stands.

What does not belong here: which figures are given (``core``), where a text stands (``report``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

NOTHING: Final = ""
"""The text of a null: there is nothing to print."""
TOO_SMALL: Final = ("<0.0005", ">−0.0005")
"""The texts of numbers above and below zero that are too small for the digits printed."""

WORDS: Final[Mapping[str, str]] = {
    "met": "met",
    "partial": "partly met",
    "not_met": "not met",
    "not_applicable": "not applicable",
    "not_assessable": "cannot be assessed",
    "inconclusive": "inconclusive",
    "not_tested": "not tested",
    "not_taken": "not taken",
    "not_shown": "not shown",
}
"""A status or verdict as tables have it → the words of the page."""


def attested(given: Iterable[Mapping[str, str]]) -> str:
    """Write who attests an item and when, as it stands behind the word *attested*.

    >>> attested([{"by": "A", "date": "2025-06-20"}, {"by": "the sponsor", "date": "2025-07-01"}])
    'by A, 2025-06-20; by the sponsor, 2025-07-01'
    """
    return "; ".join(f"by {one['by']}, {one['date']}" for one in given)


def number(value: float) -> str:
    """Write a number: three decimals below 10, fewer above, whole ones from 2 on without any.

    With a true minus, and thousands apart.

    >>> number(0.87349), number(-0.02), number(1234.0), number(37.25), number(2e-9)
    ('0.873', '−0.020', '1,234', '37.2', '<0.0005')
    """
    size = abs(value)
    if size >= 1000 or (size >= 2 and float(value).is_integer()):
        text = f"{value:,.0f}"
    elif size >= 10:
        text = f"{value:.1f}"
    elif 0 < size < 0.0005:
        # Too small to be told apart: only that it is no zero.
        text = TOO_SMALL[0] if value > 0 else TOO_SMALL[1]
    else:
        text = f"{value:.3f}"
    return text.replace("-", "−")


def two_digits(value: float) -> str:
    """Write a number that is known to two decimals.

    >>> two_digits(0.5), two_digits(-0.02)
    ('0.50', '−0.02')
    """
    return f"{value:.2f}".replace("-", "−")


def count(value: float) -> str:
    """Write a whole number.

    >>> count(12345)
    '12,345'
    """
    return f"{value:,.0f}".replace("-", "−")


def percent(value: float) -> str:
    """Write a share as a percentage.

    >>> percent(0.9124), percent(1.0), percent(-0.012)
    ('91.2%', '100.0%', '−1.2%')
    """
    return f"{100 * value:.1f}%".replace("-", "−")


def points(value: float) -> str:
    """Write a difference of shares in percentage points.

    >>> points(-0.078)
    '−7.8 points'
    """
    return f"{percent(value).removesuffix('%')} points"


def plain(value: Any) -> str:
    """Write a value by its type alone.

    >>> plain(True), plain(None), plain(datetime.date(2026, 1, 5)), plain(12), plain("a")
    ('yes', '', '2026-01-05', '12', 'a')

    A moment is written in UTC, whatever zone it came in.

    >>> east = datetime.timezone(datetime.timedelta(hours=9))
    >>> plain(datetime.datetime(2026, 1, 5, 8, 30, tzinfo=east))
    '2026-01-04 23:30 UTC'
    """
    if value is None:
        return NOTHING
    return _BY_TYPE.get(type(value), str)(value)


def _moment(value: datetime.datetime) -> str:
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


_BY_TYPE: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda v: "yes" if v else "no",
    datetime.datetime: _moment,
    datetime.date: datetime.date.isoformat,
    int: count,
    float: number,
}
