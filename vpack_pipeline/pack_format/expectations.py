"""What was asked of each table and with what outcome, as its receipt tells: ``gates/index.html``.

An expectation that met no value is not one that passed. What does not belong here: how the page
looks (``report.expectations``), what closes a gate (``gate``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

NAME: Final = "gates/index.html"
SINCE: Final = 7
"""The format from which on packs have this page."""
OUTCOMES: Final[Mapping[str, str]] = {
    "pass": "passed",
    "vacuous": "met no value",
    "fail": "found something",
    "error": "could not be asked",
}
"""Outcome of a check, as receipts have it → the words of the page."""
KEY: Final = "key_unique"
"""Asked of every table; it meets no value in one without rows alone."""
_PRESENT: Final = "_present"
Receipt = Mapping[str, Any]
Check = Mapping[str, Any]


def is_empty(receipt: Receipt) -> bool:
    """Tell whether a table has no row, so that little could be asked of it.

    >>> is_empty({"checks": [{"id": "key_unique", "outcome": "vacuous"}]})
    True
    """
    return any(c["id"] == KEY and c["outcome"] == "vacuous" for c in receipt["checks"])


def number_of(receipt: Receipt, outcome: str) -> int:
    """Count the checks of a receipt that have an outcome."""
    return sum(c["outcome"] == outcome for c in receipt["checks"])


def tally(receipt: Receipt) -> str:
    """Say how many expectations of a table passed, and how many met no value.

    >>> tally({"checks": [{"outcome": o} for o in ("pass", "pass", "vacuous", "fail")]})
    '2 of 4 passed, 1 met no value, 1 found something'
    """
    others = {words: number_of(receipt, name) for name, words in OUTCOMES.items() if name != "pass"}
    told = [f"{number_of(receipt, 'pass')} of {len(receipt['checks'])} passed"]
    return ", ".join([*told, *(f"{n} {words}" for words, n in others.items() if n)])


def never_null(receipt: Receipt) -> list[str]:
    """Name the columns that were asked to hold a value in every row, and do."""
    return [c["id"].removesuffix(_PRESENT) for c in receipt["checks"] if _is_presence(c)]


def others(receipt: Receipt) -> list[Check]:
    """Give the checks of a receipt but those of :func:`never_null`."""
    return [c for c in receipt["checks"] if not _is_presence(c)]


def open_checks(receipts: Iterable[Receipt]) -> list[tuple[str, Check]]:
    """Give each check that did not simply pass with its table, but those of tables without rows."""
    return [
        (receipt["asset"], check)
        for receipt in receipts
        if not is_empty(receipt)
        for check in receipt["checks"]
        if check["outcome"] != "pass"
    ]


def _is_presence(check: Check) -> bool:
    return str(check["id"]).endswith(_PRESENT) and check["outcome"] == "pass"


def stated(receipts: Iterable[Receipt]) -> Iterator[tuple[str, str]]:
    """Give all that the page repeats of receipts, by the name that it has there."""
    for receipt in receipts:
        at = f"receipt.{receipt['asset']}"
        yield f"{at}.tally", tally(receipt)
        if is_empty(receipt):
            continue
        if columns := never_null(receipt):
            yield f"{at}.never_null", ", ".join(columns)
        for check in others(receipt):
            yield f"{at}.{check['id']}.why", check["why"]
            yield f"{at}.{check['id']}.outcome", OUTCOMES[check["outcome"]]
