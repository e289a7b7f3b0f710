"""Says whether another spelling of an identifier would have matched: counts only, never values.

What does not belong here: matching itself; a hint changes nothing that was quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

_WIDEST: Final = 16


@dataclass(frozen=True, slots=True)
class Hint:
    """How many unmatched identifiers another rule of ``identifiers`` would have matched."""

    unmatched: int
    by_zero_padding: int
    by_case: int

    def __str__(self) -> str:
        """One line for ``vpack check``."""
        return (
            f"{self.unmatched} identifiers match nothing; zero padding would match"
            f" {self.by_zero_padding}, upper or lower case {self.by_case}"
        )


def normalisation_hint(
    values: Iterable[str], *, known: Collection[str], pseudonym: Callable[[str], str]
) -> Hint:
    """Try zero padding and letter case on identifiers that match nothing.

    Parameters
    ----------
    values : identifiers as the site wrote them
    known : pseudonyms that can be matched
    pseudonym : makes the pseudonym of one spelling

    Returns
    -------
    counts of distinct identifiers

    Examples
    --------
    >>> normalisation_hint(["7", "X9"], known={"p007", "px9"}, pseudonym=lambda v: f"p{v}")
    Hint(unmatched=2, by_zero_padding=1, by_case=1)
    """
    wanted = frozenset(known)
    unmatched = sorted(v for v in set(values) if pseudonym(v) not in wanted)

    def count(spellings: Callable[[str], Iterable[str]]) -> int:
        return sum(any(pseudonym(s) in wanted for s in spellings(v)) for v in unmatched)

    return Hint(len(unmatched), count(_padded), count(_cased))


def _padded(value: str) -> list[str]:
    text = value.strip()
    if not text.isdigit():
        return []
    bare = text.lstrip("0") or "0"
    return [bare.zfill(width) for width in range(1, _WIDEST + 1)]


def _cased(value: str) -> list[str]:
    return [value.upper(), value.lower()]
