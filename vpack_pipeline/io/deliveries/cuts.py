"""Names of deliveries and of cuts: how they are ordered, and what a cut counts.

What does not belong here: what lies in the folder (``folder``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import DeliveryError, Problem, UsageError
from vpack_pipeline.site import InputKind

_NAME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([1-9][0-9]{0,3}))?")


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file of a closed delivery."""

    kind: InputKind
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One closed delivery. ``known_after``: the published cut that it came too late for."""

    name: str
    folder: Path
    files: tuple[DeliveredFile, ...] = ()
    known_after: str | None = None
    delivered_on: date = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delivered_on", moment(self.name)[0])


def moment(name: str) -> tuple[date, int]:
    """Order deliveries and cuts: the day, and which delivery of the day.

    >>> moment("2026-01-05") < moment("2026-01-05.2") < moment("2026-01-05.10")
    True

    Raises
    ------
    UsageError
        The text is no such name; ``.1`` is none, for the first of a day has no number.
    """
    found = _NAME.fullmatch(name)
    try:
        if found is not None and found[2] != "1":
            return date.fromisoformat(found[1]), int(found[2] or 1)
    except ValueError:
        pass
    remedy = "write it like 2026-01-05, or 2026-01-05.2 for the second delivery of a day"
    raise UsageError(Problem("cut", "is no date", remedy))


def parse_cut(text: str) -> str:
    """Read a cut that a user typed.

    Raises
    ------
    UsageError
        It is no date, and no date with the number of a delivery.
    """
    return name_of(*moment(text.strip()))


def is_name(text: str) -> bool:
    """Tell whether a folder is named as a delivery."""
    try:
        moment(text)
    except UsageError:
        return False
    return True


def name_of(day: date, number: int) -> str:
    """Name the delivery, or the cut, that is number ``number`` of a day."""
    return day.isoformat() if number == 1 else f"{day.isoformat()}.{number}"


def cut_for(
    deliveries: Sequence[Delivery], as_of: str | None, published: Iterable[str] = ()
) -> str:
    """Fix the cut of a build.

    Parameters
    ----------
    deliveries : closed ones
    as_of : a day, or one delivery of a day such as ``2026-01-05.2``; None takes the newest closed
        delivery
    published : cuts that are closed; one that is named exactly stays as it was

    Returns
    -------
    the day, followed by the last delivery counted where that day has several

    Raises
    ------
    UsageError
        ``as_of`` is no date, or names a delivery that is not there.
    DeliveryError
        No delivery is closed.
    """
    if as_of is None:
        if not deliveries:
            raise nothing_counts("no delivery is closed", "deliver files and close with DONE")
        return max((d.name for d in deliveries), key=moment)
    day, number = moment(as_of)
    if number > 1:
        if as_of not in {d.name for d in deliveries}:
            raise UsageError(
                Problem(f"cut {as_of}", "no such delivery is closed", "see `vpack check`")
            )
        return as_of
    if as_of in set(published):
        return as_of
    of_day = [moment(d.name)[1] for d in deliveries if d.delivered_on == day and _fits(d, d.name)]
    return name_of(day, max(of_day, default=1))


def counted(deliveries: Sequence[Delivery], cut: str) -> tuple[Delivery, ...]:
    """Select the deliveries that a cut counts, in order.

    Raises
    ------
    DeliveryError
        There is none.
    """
    found = tuple(
        sorted(
            (d for d in deliveries if moment(d.name) <= moment(cut) and _fits(d, cut)),
            key=lambda d: moment(d.name),
        )
    )
    if not found:
        raise nothing_counts(
            f"no delivery counts at the cut {cut}",
            "close one with DONE, or build a later cut: a delivery that is closed after a pack"
            " was published at its cut is known from the next",
        )
    return found


def _fits(delivery: Delivery, cut: str) -> bool:
    return delivery.known_after is None or moment(cut) > moment(delivery.known_after)


def nothing_counts(what: str, remedy: str) -> DeliveryError:
    """Make the error of a folder from which nothing can be counted."""
    return DeliveryError(Problem("deliveries", what, remedy))
