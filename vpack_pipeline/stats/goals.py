"""What a goal asks of the number of patients: how many at least, and how low a figure speaks.

What does not belong here: verdicts, and the goals themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from scipy.special import betainc

from vpack_pipeline.stats.arguments import number, positive_number, whole
from vpack_pipeline.stats.auc_interval import Area
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.proportions import clopper_pearson


def fewest_without_a_miss(goal: float, level: float = 0.95) -> int:
    """Patients of whom all are right and the lower bound lies above the goal: as few as can be.

    The bound is that of ``clustered_proportion``: exact where nobody is wrong. Fewer patients can
    meet the goal by no result, since one that is wrong lowers the bound.

    Parameters
    ----------
    goal : in [0, 1)
    level : two-sided

    >>> [fewest_without_a_miss(goal) for goal in (0.8, 0.85, 0.9, 0.95)]
    [17, 23, 36, 72]
    """
    number("goal", goal, 0.0, 1.0)
    normal_quantile(level)
    if goal >= 1:
        raise ValueError("goal: no bound lies above 1")
    return _smallest(lambda n: bound_without_a_miss(n, level) > goal)


def bound_without_a_miss(n: int, level: float = 0.95) -> float:
    """Lower bound of n patients of n; n >= 1.

    >>> round(bound_without_a_miss(36), 3)
    0.903
    """
    return clopper_pearson(whole("n", n), n, level).lower or 0.0


def fewest_without_an_error(goal: float, level: float = 0.95) -> int:
    """Patients with and as many without the finding, ranked without an error, that clear a goal.

    As few as can be, of one case each.

    Parameters
    ----------
    goal : in [0, 1)
    level : two-sided

    >>> [fewest_without_an_error(goal) for goal in (0.8, 0.9, 0.95)]
    [10, 21, 40]
    """
    number("goal", goal, 0.0, 1.0)
    normal_quantile(level)
    if goal >= 1:
        raise ValueError("goal: no bound lies above 1")
    return _smallest(lambda n: bound_without_an_error(n, n, level) > goal)


def bound_without_an_error(n_pos: float, n_neg: float, level: float = 0.95) -> float:
    """Lower bound of an area of 1, of so many independent cases of either class; both above 0.

    >>> round(bound_without_an_error(21, 21), 3)
    0.904
    """
    positive_number("n_pos", n_pos)
    positive_number("n_neg", n_neg)
    return Area(1.0, n_pos, n_neg, 0.0, None, 0, 0).estimate(level).lower or 0.0


def _smallest(clears: Callable[[int], bool]) -> int:
    """Find the smallest number from which on something holds."""
    most = 1
    while not clears(most):
        most *= 2
    fewest = most // 2
    while most - fewest > 1:
        middle = (most + fewest) // 2
        fewest, most = (fewest, middle) if clears(middle) else (middle, most)
    return most


def chance_of_so_few(proportion: float, n: int, truth: float) -> float:
    """How likely so low a proportion of n independent cases is, or a lower one, at a truth.

    The binomial law, by the incomplete beta function, so that the number of successes need not be
    whole. The upper bound of Wilson's interval lies below the truth more often than is meant: of 10
    cases at a truth of .95 in .086 of studies for .025.

    Parameters
    ----------
    proportion, truth : in [0, 1]
    n : >= 1

    >>> round(chance_of_so_few(0.8, 10, 0.95), 3), round(chance_of_so_few(0.7, 10, 0.95), 3)
    (0.086, 0.012)
    """
    number("proportion", proportion, 0.0, 1.0)
    number("truth", truth, 0.0, 1.0)
    n = whole("n", n)
    return (
        1.0
        if proportion == 1
        else float(betainc(n - n * proportion, n * proportion + 1, 1 - truth))
    )
