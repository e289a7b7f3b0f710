"""Several claims of one study: which is tested at what share of the error, as others are met.

A rule gives each claim that is not met yet its share of the error; where one is met, what it no
longer needs goes to others, at this look and later (Maurer & Bretz 2013, as graphs). What does not
belong here: the level of a look (``sequential``), what met means of a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from vpack_pipeline.stats.arguments import number

Shares = Callable[[Sequence[bool]], list[float]]
"""Which claims are met → each one's share of the error; of one that is met it says nothing."""


class ClaimAtLook(NamedTuple):
    """A claim after a look; ``alpha`` is None where it was not tested at this look.

    Of a claim that is met here, ``alpha`` is the first error at which it was; of another the
    largest that it was tested at.
    """

    alpha: float | None
    is_met: bool


def _all_must_be_met(met: Sequence[bool]) -> list[float]:
    """Each has the whole error: together they err only where all are met."""
    return [1.0] * len(met)


def _fixed_sequence(met: Sequence[bool]) -> list[float]:
    """A claim has the whole error once all before it are met, and none until then."""
    return [float(all(met[:i])) for i in range(len(met))]


def _holm(met: Sequence[bool]) -> list[float]:
    """The error is divided equally among the claims that are not met."""
    return [1.0 / max(len(met) - sum(met), 1)] * len(met)


def claims_at_look(
    rule: str,
    alpha: float,
    met_before: Sequence[bool],
    is_met: Callable[[int, float], bool],
) -> list[ClaimAtLook]:
    """Test claims at one look, until no more of them are met.

    What is met stays met. The order in which claims are asked about decides nothing.

    Parameters
    ----------
    rule : a key of ``RULES``
    alpha : one-sided error of all claims together, in (0, 1)
    met_before : which claims were met at an earlier look
    is_met : says whether a claim is met at this look with this total error over all its looks

    Raises
    ------
    ValueError
        There is no such rule.

    >>> p = [0.02, 0.01]
    >>> claims_at_look("holm", 0.025, [False, False], lambda i, alpha: p[i] < alpha)
    [ClaimAtLook(alpha=0.025, is_met=True), ClaimAtLook(alpha=0.0125, is_met=True)]
    """
    number("alpha", alpha, 0.0, 1.0)
    if rule not in RULES:
        raise ValueError(f"a rule is one of {', '.join(RULES)}")
    found = [ClaimAtLook(None, met) for met in met_before]
    while True:
        met = [claim.is_met for claim in found]
        shares = RULES[rule](met)
        for i, share in enumerate(shares):
            if not met[i] and share > 0:
                found[i] = ClaimAtLook(alpha * share, is_met(i, alpha * share))
        if [claim.is_met for claim in found] == met:
            return found


RULES: Final[Mapping[str, Shares]] = {
    "all_must_be_met": _all_must_be_met,
    "fixed_sequence": _fixed_sequence,
    "holm": _holm,
}
