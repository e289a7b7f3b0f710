"""The chance that an endpoint had to be shown, were the retrospective figure the truth.

What does not belong here: which look judges an endpoint and at which level (``endpoints``), how
many cases a study needs (``endpoint_plan``).
"""

from __future__ import annotations

import math

from vpack_pipeline.core.evaluation.endpoint_figures import EndpointFigure, goal_of
from vpack_pipeline.core.windows import RETROSPECTIVE
from vpack_pipeline.protocol import OperatingPoint
from vpack_pipeline.stats.acceptance import acceptance_power
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.sequential import power_noninferiority

OF_PROPORTIONS_ONLY = Code("power_of_proportions_only")
AT_EDGE = Code("no_power_at_edge")
NO_LOOK = Code("power_of_looks_taken_only")


def power_of_margin(figure: EndpointFigure, alpha: float) -> Estimate:
    """Give the power of non-inferiority, with as many cases after the lock as before it.

    Parameters
    ----------
    alpha : one-sided

    Returns
    -------
    ``n`` and ``events`` are those of the retrospective window
    """
    if figure.point is None:
        return undefined(OF_PROPORTIONS_ONLY, method=(), n=0)
    n, events = figure.rate(RETROSPECTIVE, figure.point)
    reason = figure.why_no_rate(RETROSPECTIVE, figure.point)
    if reason is not None:
        return undefined(reason, method=(), n=n)
    margin = figure.endpoint.margin
    if events in (0, n) or not margin:
        return undefined(AT_EDGE, method=(), n=n, events=events)
    power = power_noninferiority(events / n, margin, n, alpha=alpha)
    method = coded("power_from_retrospective", "normal_approximation")
    return Estimate(power, None, None, n, events, method)


def power_of_goal(figure: EndpointFigure, n: int, alpha: float | None) -> Estimate:
    """Give the chance that the lower bound of a share lies above its goal at a look.

    The truth is the share in the retrospective window. Patients who repeat widen the interval as
    much as they do there: ``n`` over that design effect counts as independent cases, rounded down.

    Parameters
    ----------
    n : cases of the class that the look judged, at least 1 where there is an ``alpha``
    alpha : one-sided level of the look; None where none was taken

    Returns
    -------
    ``n`` and ``events`` are those of the retrospective window
    """
    point = figure.point
    if point is None:
        return undefined(OF_PROPORTIONS_ONLY, method=(), n=0)
    if alpha is None:
        return undefined(NO_LOOK, method=(), n=0)
    before, events = figure.rate(RETROSPECTIVE, point)
    reason = _why_not_judged_by_wilson(figure, point)
    if reason is not None:
        return undefined(reason, method=(), n=before)
    if events in (0, before):
        return undefined(AT_EDGE, method=(), n=before, events=events)
    alike = max(math.floor(n / figure.design_effect(RETROSPECTIVE, point)), 1)
    goal = goal_of(figure.endpoint)
    power = acceptance_power(goal, events / before, alike, 1 - 2 * alpha)
    method = coded("power_at_retrospective_rate", "binomial_law_on_effective_size")
    return Estimate(power, None, None, before, events, method)


def _why_not_judged_by_wilson(figure: EndpointFigure, point: OperatingPoint) -> Code | None:
    """Say why either window has no share of its own, by how cases were drawn or labelled."""
    windows = (RETROSPECTIVE, figure.endpoint.window)
    reasons = [figure.why_no_rate(window, point) for window in windows]
    reasons += [figure.why_not_alone(window) for window in windows]
    return next((reason for reason in reasons if reason is not None), None)
