"""Rules on what was fixed before the prospective window opened, as the protocol itself says."""

from __future__ import annotations

import datetime

from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study
from vpack_pipeline.core.windows import WINDOWS, window_on
from vpack_pipeline.protocol import Evaluation, OperatingPoint


def protocol_registered(study: Study) -> Outcome:
    """The protocol was fixed before the prospective window opened."""
    return Outcome(1, int(study.about.registered_at > study.start), "protocols")


def model_locked(study: Study) -> Outcome:
    """Every model was locked before the prospective window opened."""
    models = study.index_test.models
    late = sum(model.locked_at > study.start for model in models)
    return Outcome(len(models), late, "models")


def thresholds_fixed(study: Study) -> Outcome:
    """Every operating point was fixed before the prospective window opened."""
    points = study.evaluation.operating_points
    return Outcome(len(points), sum(p.fixed_at > study.start for p in points), "operating_points")


def thresholds_chosen_elsewhere(study: Study) -> Outcome:
    """Every operating point was fixed outside the windows that judge it, on other, named data."""
    points = study.evaluation.operating_points
    broken = sum(_is_judged_on_own_data(point, study.evaluation) for point in points)
    return Outcome(len(points), broken, "operating_points")


def _is_judged_on_own_data(point: OperatingPoint, evaluation: Evaluation) -> bool:
    """Whether it is not said what the point was chosen on, or that may be what judges it."""
    fixed_in = window_on(point.fixed_at.astimezone(datetime.UTC).date(), evaluation)
    return not point.chosen_on or bool(_judging(point, evaluation) & {fixed_in, *point.chosen_on})


def _judging(point: OperatingPoint, evaluation: Evaluation) -> frozenset[str]:
    """Windows whose cases enter an endpoint at the point."""
    claims = [e for e in evaluation.endpoints if e.operating_point == point.name]
    is_compared = any(e.comparison == "non_inferiority" for e in claims)
    return frozenset(e.window for e in claims) | (
        frozenset(WINDOWS) if is_compared else frozenset()
    )


def rules_before_window(study: Study) -> Outcome:
    """Every eligibility rule was decided before the prospective window opened."""
    rules = study.eligibility.rules
    late = sum(rule.decided_at >= study.evaluation.prospective.start for rule in rules)
    return Outcome(len(rules), late, "rules")


def rules_blind(study: Study) -> Outcome:
    """Every eligibility rule was decided without sight of scores and labels."""
    rules = study.eligibility.rules
    seen = sum(not {"scores", "labels"} <= set(rule.blind_to) for rule in rules)
    return Outcome(len(rules), seen, "rules")
