"""Proportions of this set carried to another population, from counts of cells alone.

A figure in the target is Σ N a / Σ N b over cells: ``a`` the share of the cell's cases that are
successes of the figure, ``b`` the share that are in its denominator, ``N`` the target's persons.
It assumes that within a cell disease is as frequent, and the index test errs as often, there as
here. Plain loops over cells in documented order: a script that cannot import this is held to it.
What does not belong here: which cells there are, and when a figure is refused (``core.transport``);
the joint table nearest to margins (``distances.raking``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from vpack_pipeline.stats.arguments import amounts, number, numbers, positive_number
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.proportions import wilson_bounds

NOBODY: Final = Code("nobody_in_denominator")
POOLED: Final = coded("counts_of_cells", "wilson_on_effective_size")
TRANSPORTED: Final = coded("ratio_over_cells", "wilson_on_effective_size")


class Cell(NamedTuple):
    """Counts of one cell: persons of the target, and cases of this set by label and call."""

    persons: float
    true_positives: float
    false_negatives: float
    true_negatives: float
    false_positives: float
    undecided_flagged: float
    undecided_cleared: float

    @property
    def cases(self) -> float:
        """All cases of this set in the cell."""
        return math.fsum(self[1:])

    @property
    def positives(self) -> float:
        """Those with a positive label."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> float:
        """Those with a negative label."""
        return self.true_negatives + self.false_positives


_TP, _FN, _TN, _FP, _UNDECIDED_FLAGGED, _UNDECIDED_CLEARED = range(1, 7)
FIGURES: Final[Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "sensitivity": ((_TP,), (_FN,)),
    "specificity": ((_TN,), (_FP,)),
    "ppv": ((_TP,), (_FP,)),
    "npv": ((_TN,), (_FN,)),
    "prevalence": ((_TP, _FN), (_TN, _FP)),
    "flagged_per_1000": (
        (_TP, _FP, _UNDECIDED_FLAGGED),
        (_FN, _TN, _UNDECIDED_CLEARED),
    ),
    "missed_per_1000": ((_FN,), (_TP, _TN, _FP)),
    "false_alarms_per_1000": ((_FP,), (_TP, _FN, _TN)),
}
"""Figure → which counts of a cell are its successes, and which the rest of its denominator."""
ON_POSITIVES: Final = frozenset({"sensitivity", "ppv", "npv", "prevalence", "missed_per_1000"})
"""Figures that few positives leave in doubt."""
PREDICTIVE: Final = ("ppv", "npv")
"""Figures that another prevalence changes most."""


class _Moments(NamedTuple):
    """What a cell adds to a figure: shares, smoothed shares, and what counts are multiplied by."""

    success: float
    failure: float
    smooth_success: float
    smooth_failure: float
    success_factor: float
    failure_factor: float
    success_square: float
    failure_square: float

    def variance(self, ratio: float) -> float:
        """Give that of one case's part in success − ratio · denominator."""
        mean = (
            self.smooth_success * self.success_factor * (1 - ratio)
            - self.smooth_failure * self.failure_factor * ratio
        )
        square = (
            self.smooth_success * self.success_square * (1 - ratio) ** 2
            + self.smooth_failure * self.failure_square * ratio**2
        )
        return square - mean**2


def transported(
    cells: Sequence[Cell],
    figure: str,
    design_effect: float = 1.0,
    level: float = 0.95,
    odds: float = 1.0,
) -> Estimate:
    """Give a figure in the target, as a share, with its interval.

    θ = Σ q a / Σ q b, q a cell's share of the target. Its variance is Σ q² V / n · deff / (Σ q b)²
    with V = b̃ p̃ (1 − p̃) + (p̃ − θ)² b̃ (1 − b̃), p̃ = (k + 1) / (m + 2) for k successes among m
    in the denominator and b̃ = (m + 1) / (n + 2) of n cases. The bounds are Wilson's on the size at
    which a share of θ̃ = Σ q b̃ p̃ / Σ q b̃ would have this variance. The target is taken as known.

    Parameters
    ----------
    cells : cells without a case, and cells without a person, are left out
    figure : one of :data:`FIGURES`
    design_effect : how much patients with several cases widen the variance; 1 or more
    odds : by what the odds of disease of every cell are multiplied, of :func:`odds_factor`. The
        shares of positives and negatives are multiplied accordingly, and these factors are taken
        as known: V is then the variance of the success's and the rest's part, each so multiplied

    Returns
    -------
    ``n`` and ``events`` count this set's cases that enter, as they are

    Examples
    --------
    >>> cells = [Cell(1, 9, 1, 30, 0, 0, 0), Cell(3, 5, 5, 0, 10, 0, 0)]
    >>> round(transported(cells, "sensitivity").value, 4)
    0.5571
    """
    known = _checked(cells)
    effect = number("design_effect", design_effect, 1.0)
    factor = positive_number("odds", odds)
    success, failure = FIGURES[figure]
    used = [cell for cell in known if cell.persons > 0 and cell.cases > 0]
    n = events = 0.0
    for cell in used:
        events += math.fsum(cell[k] for k in success)
        n += math.fsum(cell[k] for k in (*success, *failure))
    total = math.fsum(cell.persons for cell in used)
    parts = [(cell, _moments(cell, success, failure, factor)) for cell in used]
    above = math.fsum(cell.persons / total * m.success for cell, m in parts)
    below = above + math.fsum(cell.persons / total * m.failure for cell, m in parts)
    if below == 0:
        return undefined(NOBODY, method=TRANSPORTED, n=round(n), events=round(events))
    ratio = min(above / below, 1.0)
    variance = math.fsum(
        (cell.persons / total) ** 2 * m.variance(ratio) / cell.cases for cell, m in parts
    )
    variance *= effect / below**2
    smooth = _smooth_ratio([(cell.persons / total, m) for cell, m in parts])
    bounds = wilson_bounds(ratio, smooth * (1 - smooth) / variance, level)
    return Estimate(ratio, *bounds, round(n), round(events), TRANSPORTED)


def _checked(cells: Sequence[Cell]) -> list[Cell]:
    return [Cell(*amounts("cells", cell).tolist()) for cell in cells]


def _smooth_ratio(parts: Sequence[tuple[float, _Moments]]) -> float:
    above = math.fsum(q * m.smooth_success * m.success_factor for q, m in parts)
    return above / (above + math.fsum(q * m.smooth_failure * m.failure_factor for q, m in parts))


def _moments(
    cell: Cell, success: tuple[int, ...], failure: tuple[int, ...], odds: float
) -> _Moments:
    by_count = _factors(cell, odds)
    k = math.fsum(cell[i] for i in success)
    m = k + math.fsum(cell[i] for i in failure)
    in_denominator = (m + 1) / (cell.cases + 2)
    succeeds = (k + 1) / (m + 2)
    of_success, of_failure = (_mean_factors(cell, of, by_count) for of in (success, failure))
    return _Moments(
        math.fsum(cell[i] * by_count[i] for i in success) / cell.cases,
        math.fsum(cell[i] * by_count[i] for i in failure) / cell.cases,
        in_denominator * succeeds,
        in_denominator * (1 - succeeds),
        of_success[0],
        of_failure[0],
        of_success[1],
        of_failure[1],
    )


def _factors(cell: Cell, odds: float) -> dict[int, float]:
    """By what each count is multiplied for the cell to have its shifted prevalence."""
    shifted = dict.fromkeys((_UNDECIDED_FLAGGED, _UNDECIDED_CLEARED), 1.0)
    decided = cell.positives + cell.negatives
    spread = odds * cell.positives + cell.negatives
    # Nobody decided: there is nothing to multiply.
    of_negatives = decided / spread if spread else 1.0
    shifted |= dict.fromkeys((_TP, _FN), odds * of_negatives)
    return shifted | dict.fromkeys((_TN, _FP), of_negatives)


def _mean_factors(
    cell: Cell, of: tuple[int, ...], factors: Mapping[int, float]
) -> tuple[float, float]:
    """Mean and mean square of the factors of some counts; of nobody, those of the largest."""
    total = math.fsum(cell[i] for i in of)
    if total == 0:
        largest = max(factors[i] for i in of)
        return largest, largest**2
    mean = math.fsum(cell[i] * factors[i] for i in of) / total
    return mean, math.fsum(cell[i] * factors[i] ** 2 for i in of) / total


def pooled(
    cells: Sequence[Cell], figure: str, design_effect: float = 1.0, level: float = 0.95
) -> Estimate:
    """Give a figure of this set's own cases in some cells; persons do not count.

    Wilson's interval on the cases over the design effect, as the pack's own shares have it.

    >>> round(pooled([Cell(0, 9, 1, 30, 0, 0, 0), Cell(0, 5, 5, 0, 10, 0, 0)], "npv").value, 4)
    0.8333
    """
    known = _checked(cells)
    effect = number("design_effect", design_effect, 1.0)
    success, failure = FIGURES[figure]
    k = math.fsum(cell[i] for cell in known for i in success)
    m = k + math.fsum(cell[i] for cell in known for i in failure)
    if m == 0:
        return undefined(NOBODY, method=POOLED, n=0, events=0)
    bounds = wilson_bounds(k / m, m / effect, level)
    return Estimate(k / m, *bounds, round(m), round(k), POOLED)


def shares_of(cell: Cell, figure: str) -> tuple[float, float]:
    """Give a and b of a cell with cases: its shares of successes, and of the denominator.

    >>> shares_of(Cell(0, 9, 1, 30, 0, 0, 0), "sensitivity")
    (0.225, 0.25)
    """
    (known,) = _checked([cell])
    success, failure = FIGURES[figure]
    if known.cases == 0:
        raise ValueError("cell: one case or more is needed")
    k = math.fsum(known[i] for i in success)
    return k / known.cases, (k + math.fsum(known[i] for i in failure)) / known.cases


def odds_factor(cells: Sequence[Cell], prevalence: float) -> float | None:
    """Find the one factor of all cells' odds of disease that gives the target a prevalence.

    Parameters
    ----------
    cells : as of :func:`transported`
    prevalence : of decided persons of the target; above 0 and below 1

    Returns
    -------
    None where no factor does: cells without a positive, or without a negative, keep theirs

    Examples
    --------
    >>> cells = [Cell(1, 9, 1, 30, 0, 0, 0), Cell(3, 5, 5, 0, 10, 0, 0)]
    >>> shifted = odds_factor(cells, 0.1)
    >>> round(transported(cells, "prevalence", odds=shifted).value, 12)
    0.1
    """
    wanted = number("prevalence", prevalence)
    if not 0 < wanted < 1:
        raise ValueError("prevalence is above 0 and below 1")
    known = [c for c in _checked(cells) if c.persons > 0 and c.positives + c.negatives > 0]
    parts = [(c.persons * (c.positives + c.negatives) / c.cases, c) for c in known]
    total = math.fsum(weight for weight, _ in parts)

    def gap(log_odds: float) -> float:
        odds = math.exp(log_odds)
        sick = (w * odds * c.positives / (odds * c.positives + c.negatives) for w, c in parts)
        return math.fsum(sick) - wanted * total

    low, high = -_WIDEST, _WIDEST
    if not parts or gap(low) >= 0 or gap(high) <= 0:
        return None
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return math.exp(middle)
        if gap(middle) < 0:
            low = middle
        else:
            high = middle


_WIDEST: Final = 60.0
"""Of the logarithm of an odds factor: beyond it a share is 0 or 1 to the last digit."""


class JointCell(NamedTuple):
    """A cell of the joint table, as :func:`range_over_tables` reads it."""

    levels: tuple[int, ...]
    success: float
    """Share of its cases that are successes; 0 where it holds no case."""
    denominator: float
    """Share of its cases that are in the denominator; 0 where it holds no case."""
    has_cases: bool


def range_over_tables(
    cells: Sequence[JointCell],
    margins: Sequence[Sequence[float]],
    most_without: float,
) -> tuple[float, float] | None:
    """Give the lowest and the highest ratio over all joint tables with some margins.

    The ratio is Σ x a / Σ x b over tables x ≥ 0, of whom a share of ``most_without`` at most lies
    in cells without a case. It is a linear-fractional programme, solved as a linear one in y = t x
    with Σ y b = 1 (Charnes & Cooper 1962).

    Parameters
    ----------
    margins : of each variable, the total of each of its levels; all add up to the same

    Returns
    -------
    None where there is no such table, or none with anybody in the denominator

    Examples
    --------
    >>> cells = [JointCell((i, j), [0.9, 0.5][i] * 0.1, 0.1, True) for i in (0, 1) for j in (0, 1)]
    >>> [round(bound, 9) for bound in range_over_tables(cells, [(3, 1), (2, 2)], 0.1)]
    [0.8, 0.8]
    """
    from scipy.optimize import linprog

    shares = numbers("cells", [(c.success, c.denominator) for c in cells], 0.0, 1.0)
    share = number("most_without", most_without, 0.0, 1.0)
    totals = [amounts("margins", margin) for margin in margins]
    equal = [[*shares[:, 1], 0.0]]
    for variable, margin in enumerate(totals):
        for at, wanted in enumerate(margin / margin.sum()):
            equal.append([*(float(c.levels[variable] == at) for c in cells), -wanted])
    below = [[*(float(not c.has_cases) for c in cells), -share]]
    goal = np.append(shares[:, 0], 0.0)
    found = []
    for sign in (1.0, -1.0):
        solved = linprog(
            sign * goal,
            A_ub=below,
            b_ub=[0.0],
            A_eq=equal,
            b_eq=[1.0, *[0.0] * (len(equal) - 1)],
        )
        if solved.status != 0:
            return None
        found.append(float(sign * solved.fun))
    return found[0], found[1]
