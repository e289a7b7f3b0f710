"""Rules on what was fixed before the prospective window opened, as the protocol itself says."""

from __future__ import annotations

from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study


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
