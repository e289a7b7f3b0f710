"""Exclusions brought back, and figures carried to another population."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from evaluation_world import (
    AFTER,
    EVALUATION,
    INDEX_TEST,
    Case,
    World,
    cases_of,
    endpoint,
    figure,
    rule,
    value,
)

from vpack_pipeline.protocol import (
    Covariate,
    Eligibility,
    Output,
    Representativeness,
    Variable,
)
from vpack_pipeline.stats.proportions import clustered_proportion

BLURRED = ("blurred",)
AUDITED = [
    *cases_of(18, "positive", 0.9),
    *cases_of(2, "positive", 0.1),
    *cases_of(19, "negative", 0.2),
    *cases_of(1, "negative", 0.8),
    Case("positive", 0.9, excluded_by=BLURRED),
    Case("positive", 0.1, excluded_by=BLURRED),
    Case("positive", None, status="not_sent", excluded_by=BLURRED),
    Case(None, 0.9, excluded_by=BLURRED),
    Case(None, 0.1, excluded_by=BLURRED),
    Case(None, None, status="not_sent", excluded_by=BLURRED),
    Case("negative", 0.3, excluded_by=BLURRED),
    Case("positive", 0.1, excluded_by=("blurred", "bedside")),
    Case("negative", 0.7, excluded_by=("bedside",)),
]


def test_only_cases_that_no_other_rule_removes_come_back():
    frame = World(AUDITED).run("exclusion_audit")
    assert value(frame, "n_removed", rule="blurred") == 8
    assert value(frame, "n_removed_only", rule="blurred") == 7
    assert value(frame, "n_removed", rule="bedside") == 1
    assert value(frame, "n_removed_marginal", rule="blurred") == 8
    assert value(frame, "n_removed_marginal", rule="bedside") == 2
    assert value(frame, "n_removed_marginal", rule="all rules") == 9
    assert value(frame, "n_removed_only", rule="all rules") == 9
    counts = {"n_positives_lost": 3, "n_negatives_lost": 1, "n_undecided": 3, "n_without_score": 2}
    assert {name: value(frame, name, rule="blurred") for name in counts} == counts


def test_observed_figures_add_cases_with_score_and_label():
    frame = World(AUDITED).run("exclusion_audit")
    row = figure(frame, "sensitivity_observed", rule="blurred")
    assert (row["estimate"], row["n"]) == (pytest.approx(19 / 22), 22)
    assert value(frame, "specificity_observed", rule="bedside") == pytest.approx(19 / 21)
    assert value(frame, "sensitivity_observed", rule="bedside") == 0.9


def test_bounds_set_the_rest_against_and_for_the_model():
    frame = World(AUDITED).run("exclusion_audit")
    # Worst: the unscored positive, the unflagged and the unknown case are misses.
    assert value(frame, "sensitivity_worst_case", rule="blurred") == pytest.approx(19 / 25)
    # Best: the unscored positive, the flagged and the unknown case are hits.
    assert value(frame, "sensitivity_best_case", rule="blurred") == pytest.approx(22 / 25)
    # Worst: the flagged and the unknown case are false alarms; best: the unflagged and unknown not.
    assert value(frame, "specificity_worst_case", rule="blurred") == pytest.approx(20 / 23)
    assert value(frame, "specificity_best_case", rule="blurred") == pytest.approx(22 / 23)


@pytest.mark.parametrize("counts_as", ["negative", "positive", "incorrect"])
def test_without_a_case_to_bring_back_the_bounds_are_those_of_the_included(counts_as):
    cases = [
        *cases_of(6, "positive", 0.9),
        *cases_of(2, "positive", 0.1),
        *cases_of(7, "negative", 0.1),
        Case("negative", 0.9),
        Case(None, 0.7),
        Case("indeterminate", 0.2),
        Case(None, None, status="failed"),
    ]
    world = World(cases, index_test=INDEX_TEST.model_copy(update={"failed_counts_as": counts_as}))
    audit, ranking = world.run("exclusion_audit"), world.run("performance")
    points = world.run("operating_points")
    for side in ("worst_case", "best_case"):
        for metric in ("sensitivity", "specificity"):
            expected = value(points, metric, analysis=side)
            found = value(audit, f"{metric}_{side}", rule="all rules")
            assert found == pytest.approx(expected), (metric, side)
        expected = value(ranking, f"auc_{side}", model_id="m-2")
        assert value(audit, f"auc_{side}", rule="all rules") == pytest.approx(expected), side
    plain = value(points, "sensitivity", analysis="intention_to_diagnose")
    assert value(audit, "sensitivity_worst_case", rule="all rules") < plain


def test_auc_bounds_enclose_the_observed_auc():
    frame = World(AUDITED).run("exclusion_audit")
    for one in ("blurred", "bedside", "all rules"):
        low, seen, high = (
            value(frame, f"auc_{v}", rule=one) for v in ("worst_case", "observed", "best_case")
        )
        assert low <= seen <= high
    one = World(
        [
            *cases_of(2, "positive", 0.9),
            *cases_of(2, "negative", 0.1),
            Case("positive", None, status="failed", excluded_by=BLURRED),
        ]
    )
    frame = one.run("exclusion_audit")
    assert value(frame, "auc_worst_case", rule="blurred") == pytest.approx(4 / 6)
    assert value(frame, "auc_best_case", rule="blurred") == 1.0


def test_scores_of_the_excluded_stand_beside_those_of_the_included():
    frame = World(AUDITED).run("exclusion_audit")
    assert value(frame, "mean_score_excluded", rule="blurred") == pytest.approx(2.3 / 5)
    included = (18 * 0.9 + 2 * 0.1 + 19 * 0.2 + 0.8) / 40
    assert value(frame, "mean_score_included", rule="blurred") == pytest.approx(included)


WITH_CASES_BACK = (
    *("n_positives_lost", "n_undecided", "mean_score_excluded", "auc_observed", "auc_worst_case"),
    *("sensitivity_observed", "specificity_best_case"),
)


def of_ward(n, label, score, *, excluded_by=("ward_b",), **more):
    return cases_of(n, label, score, covariates={"ward": "b"}, excluded_by=excluded_by, **more)


def audit_of_ward(back, **changes):
    """Audit a rule on where the patient lay, and a technical one, over 60 cases of another ward."""
    base = [
        *cases_of(20, "positive", 0.9, covariates={"ward": "a"}),
        *cases_of(40, "negative", 0.1, covariates={"ward": "a"}),
    ]
    rules = (rule("ward_b", when="ward = 'b'"), rule("blurred", when="kvp < 80"))
    profile = Representativeness(
        variables=(Variable(name="ward", title="Ward", kind="categorical", levels=("a", "b")),)
    )
    world = World(
        [*base, *back],
        eligibility=Eligibility(rules=rules),
        covariates=(Covariate(name="ward", title="Ward", type="string"),),
        representativeness=profile,
        are_people=True,
        **changes,
    )
    return world.run("exclusion_audit")


def metrics_of(frame, one):
    return frame.filter(rule=one, window="retrospective")["metric"].to_list()


@pytest.mark.parametrize(("n", "few"), [(4, True), (5, False)])
def test_few_whom_a_rule_on_people_removed_are_counted_and_have_no_results(n, few):
    frame = audit_of_ward(of_ward(n, "negative", 0.2))
    assert value(frame, "n_removed", rule="ward_b") == n
    assert value(frame, "n_removed_only", rule="ward_b") == n
    assert value(frame, "mean_score_included", rule="ward_b") is not None
    for metric in WITH_CASES_BACK:
        row = figure(frame, metric, rule="ward_b")
        reason = "set_too_small" if few else None
        assert (row["reason"], row["estimate"] is None, row["n"] is None) == (reason, few, few)
    for metric in ("tipping_point_sensitivity", "tipping_point_specificity"):
        row = figure(frame, metric, rule="ward_b")
        assert (row["reason"], row["n"] is None) == ("no_goal_stated", few)
    assert metrics_of(frame, "ward_b") == metrics_of(frame, "all rules")


def test_a_tipping_point_of_few_is_no_more_given_than_their_results():
    frame = audit_of_ward(of_ward(4, "positive", 0.9, date=AFTER))
    row = figure(frame, "tipping_point_sensitivity", rule="ward_b", window="prospective")
    assert (row["reason"], row["n"]) == ("set_too_small", None)


BOTH = ("ward_b", "blurred")
MARGINAL = "n_removed_marginal"


@pytest.mark.parametrize(("n", "reason"), [(0, None), (4, "set_too_small"), (5, None)])
@pytest.mark.parametrize("both", [BOTH, BOTH[::-1]])
def test_few_whom_a_rule_on_people_and_another_remove_are_not_counted(both, n, reason):
    """The marginal count minus the unique one is how many a second rule describes too."""
    back = [*of_ward(20, "negative", 0.2), *of_ward(n, "negative", 0.2, excluded_by=both)]
    frame = audit_of_ward(back)
    for window in ("retrospective", "prospective"):
        row = figure(frame, MARGINAL, rule="ward_b", window=window)
        assert row["reason"] == reason
    if reason is None:
        assert value(frame, MARGINAL, rule="ward_b") == 20 + n
    assert value(frame, MARGINAL, rule="blurred") == n, "a technical rule describes nobody"


def test_few_outside_the_windows_are_found_by_subtraction_from_the_flow():
    later = of_ward(2, "negative", 0.2, excluded_by=BOTH, date=date(2020, 1, 1))
    frame = audit_of_ward([*of_ward(20, "negative", 0.2, excluded_by=BOTH), *later])
    assert figure(frame, MARGINAL, rule="ward_b")["reason"] == "set_too_small"


def test_patients_and_not_cases_are_few():
    frame = audit_of_ward(of_ward(9, "negative", 0.2, patient="one"))
    assert figure(frame, "sensitivity_observed", rule="ward_b")["reason"] == "set_too_small"


def test_whose_label_is_not_due_yet_is_of_the_group_too():
    """Four cases are mature, but the group of the window that the rule describes has twelve."""
    later = of_ward(8, None, 0.2, date=date(2025, 12, 30))
    slow = EVALUATION.model_copy(update={"maturity": {"panel": 90, "pathology": 90}})
    frame = audit_of_ward([*of_ward(4, "negative", 0.2, date=AFTER), *later], evaluation=slow)
    assert value(frame, "n_removed_only", rule="ward_b", window="prospective") == 4
    assert value(frame, "n_negatives_lost", rule="ward_b", window="prospective") == 4


def test_few_whom_a_technical_rule_removed_describe_nobody():
    back = of_ward(1, "negative", 0.2, excluded_by=BLURRED)
    frame = audit_of_ward(back)
    assert value(frame, "n_negatives_lost", rule="blurred") == 1
    assert value(frame, "sensitivity_observed", rule="all rules") is not None
    assert not (frame["reason"] == "set_too_small").any()


def test_a_rule_that_removed_nobody_has_its_results():
    frame = audit_of_ward([])
    assert value(frame, "n_positives_lost", rule="ward_b") == 0
    assert value(frame, "sensitivity_observed", rule="ward_b") == 1.0


def test_few_in_one_printed_level_make_the_group_too_small():
    """A rule on the ward that removes 20 of one and 2 of another describes both."""
    other = cases_of(2, "negative", 0.2, covariates={"ward": "a"}, excluded_by=("ward_b",))
    frame = audit_of_ward([*of_ward(20, "negative", 0.2), *other])
    assert figure(frame, "sensitivity_observed", rule="ward_b")["reason"] == "set_too_small"
    both = audit_of_ward([*of_ward(20, "negative", 0.2), *other * 3])
    assert value(both, "n_negatives_lost", rule="ward_b") == 26


@pytest.mark.parametrize(("n_negative", "tells"), [(1, True), (2, False)])
def test_results_of_people_nearly_all_positive_would_tell_of_each(n_negative, tells):
    frame = audit_of_ward([*of_ward(9, "positive", 0.9), *of_ward(n_negative, "negative", 0.2)])
    found = figure(frame, "sensitivity_observed", rule="ward_b")["reason"]
    assert found == ("mostly_positive" if tells else None)


def test_before_the_look_nothing_says_how_few_there_are():
    few, many = (
        audit_of_ward(of_ward(n, "negative", 0.2, date=AFTER), cut=date(2026, 1, 1)).filter(
            window="prospective", rule="ward_b"
        )
        for n in (2, 9)
    )
    assert few.select("metric", "status", "reason").equals(
        many.select("metric", "status", "reason")
    )


LOST = {"rule": "blurred", "window": "prospective"}


def frame_of_tipping(goal, n_excluded, *, k=90, n=100, label="positive"):
    cases = [
        *cases_of(k, "positive", 0.9, date=AFTER),
        *cases_of(n - k, "positive", 0.1, date=AFTER),
        *cases_of(5, "negative", 0.1, date=AFTER),
        *cases_of(n_excluded, label, 0.9, date=AFTER, excluded_by=BLURRED),
    ]
    world = World(cases).evaluated(endpoints=(endpoint(goal=goal),))
    return world.run("exclusion_audit")


def tipping(goal, n_excluded, **changes):
    return figure(
        frame_of_tipping(goal, n_excluded, **changes), "tipping_point_sensitivity", **LOST
    )


@pytest.mark.parametrize("label", ["positive", None])
def test_tipping_point_is_the_first_number_of_misses_that_loses_the_goal(label):
    row = tipping(0.8, 20, label=label)

    def lower(misses):
        right = np.concatenate([np.arange(100) < 90, np.arange(20) >= misses])
        return clustered_proportion(right, np.arange(120)).lower

    x = int(row["estimate"])
    assert lower(x) <= 0.8 < lower(x - 1)
    assert row["n"] == 20
    share = figure(frame_of_tipping(0.8, 20, label=label), "tipping_share_sensitivity", **LOST)
    assert (share["estimate"], share["events"], share["n"]) == (x / 20, x, 20)


def test_errors_among_the_included_stand_beside_the_tipping_point():
    frame = frame_of_tipping(0.8, 20)
    missed = figure(frame, "missed_share_included", **LOST)
    assert (missed["estimate"], missed["events"], missed["n"]) == (pytest.approx(0.1), 10, 100)
    alarms = figure(frame, "false_alarm_share_included", **LOST)
    assert (alarms["estimate"], alarms["events"], alarms["n"]) == (0.0, 0, 5)


def test_false_alarms_lose_a_goal_of_specificity():
    cases = [
        *cases_of(90, "negative", 0.1, date=AFTER),
        *cases_of(10, "negative", 0.9, date=AFTER),
        *cases_of(20, "negative", 0.1, date=AFTER, excluded_by=BLURRED),
    ]
    world = World(cases).evaluated(endpoints=(endpoint(goal=0.8, metric="specificity"),))
    frame = world.run("exclusion_audit")
    point = figure(frame, "tipping_point_specificity", **LOST)
    share = figure(frame, "tipping_share_specificity", **LOST)
    assert point["estimate"] == tipping(0.8, 20)["estimate"]
    assert (share["estimate"], share["n"]) == (point["estimate"] / 20, 20)


def test_tipping_point_says_when_there_is_none():
    assert tipping(0.95, 5)["reason"] == "goal_never_cleared"
    assert tipping(0.6, 5)["reason"] == "goal_always_cleared"
    frame = World(AUDITED).run("exclusion_audit")
    row = figure(frame, "tipping_point_specificity", rule="blurred")
    assert row["reason"] == "no_goal_stated"


def test_planted_exclusion_that_flatters_is_found():
    cases = [
        *cases_of(50, "positive", 0.9),
        *cases_of(50, "negative", 0.1),
        *cases_of(20, "positive", 0.1, excluded_by=BLURRED),
        *cases_of(20, "negative", 0.1, excluded_by=("bedside",)),
    ]
    frame = World(cases).run("exclusion_audit")
    assert value(frame, "sensitivity_observed", rule="blurred") == pytest.approx(50 / 70)
    assert value(frame, "sensitivity_observed", rule="bedside") == 1.0


def test_audit_without_scores_point_or_roc_curve_is_refused_with_its_reason():
    nothing = World(cases_of(2, "positive", None, status="failed")).run("exclusion_audit")
    for metric in (
        *("auc_observed", "sensitivity_observed", "tipping_point_sensitivity"),
        "missed_share_included",
    ):
        assert figure(nothing, metric, rule="blurred")["reason"] == "no_usable_inference"
    assert figure(nothing, "mean_score_included", rule="blurred")["reason"] == "no_score"
    pointless = World(AUDITED).evaluated(operating_points=()).run("exclusion_audit")
    row = figure(pointless, "sensitivity_observed", rule="blurred")
    assert row["reason"] == "no_operating_point"
    row = figure(pointless, "missed_share_included", rule="blurred")
    assert row["reason"] == "no_operating_point"
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    called = World([Case("positive", None, call=True)], index_test=binary).run("exclusion_audit")
    assert figure(called, "auc_observed", rule="blurred")["reason"] == "no_roc_curve"
    assert value(called, "sensitivity_observed", rule="blurred") == 1.0
    one_class = World(cases_of(2, "positive", 0.9)).run("exclusion_audit")
    assert figure(one_class, "auc_worst_case", rule="blurred")["reason"] == "one_class"
