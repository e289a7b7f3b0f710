"""Exclusions brought back, and figures carried to another population."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from evaluation_world import (
    AFTER,
    EVALUATION,
    INDEX_TEST,
    PROFILE,
    Case,
    World,
    cases_of,
    endpoint,
    figure,
    population,
    rule,
    value,
)

from vpack_pipeline.contracts import codes
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Eligibility,
    Output,
    Representativeness,
    Sampling,
    Stratum,
    Variable,
)
from vpack_pipeline.stats.distances import kish_ess
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


# --- transport


WOMEN_AND_MEN = [
    *cases_of(9, "positive", 0.9, sex="F"),
    *cases_of(1, "positive", 0.1, sex="F"),
    *cases_of(30, "negative", 0.1, sex="F"),
    *cases_of(5, "positive", 0.9, sex="M"),
    *cases_of(5, "positive", 0.1, sex="M"),
    *cases_of(10, "negative", 0.9, sex="M"),
]


def target(**counts):
    named = {"F": '{"sex": "F"}', "M": '{"sex": "M"}', "other": '{"sex": "other"}'}
    return {"population": population({named[k]: n for k, n in counts.items()})}


def test_transport_weighs_by_target_share_over_share_here():
    frame = World(WOMEN_AND_MEN, given=target(F=1, M=3)).run("transport")
    # Women weigh (1/4) / (40/60), men (3/4) / (20/60).
    women, men = 0.25 / (40 / 60), 0.75 / (20 / 60)
    hits, misses = 9 * women + 5 * men, 1 * women + 5 * men
    keys = {"operating_point": "locked"}
    assert value(frame, "sensitivity", **keys) == pytest.approx(hits / (hits + misses))
    assert value(frame, "specificity", **keys) == pytest.approx(
        30 * women / (30 * women + 10 * men)
    )
    flagged = 1000 * (9 * women + 15 * men) / 60
    assert value(frame, "flagged_per_1000", **keys) == pytest.approx(flagged)
    size = kish_ess(np.array([women] * 40 + [men] * 20))
    assert value(frame, "effective_sample_size", operating_point="none") == pytest.approx(size)


def test_transport_to_the_set_itself_changes_nothing():
    world = World(WOMEN_AND_MEN, given=target(F=40, M=20))
    moved, plain = world.run("transport"), world.run("operating_points")
    for metric in ("sensitivity", "specificity", "ppv", "npv", "missed_per_1000"):
        here = figure(plain, metric, analysis="intention_to_diagnose")
        there = figure(moved, metric, operating_point="locked")
        assert there["estimate"] == pytest.approx(here["estimate"])
        assert there["lower"] == pytest.approx(here["lower"])
    assert value(moved, "auc", operating_point="none") == pytest.approx(
        value(world.run("performance"), "auc")
    )


def test_sampling_fractions_are_undone_before_the_shares_are_compared():
    cases = [
        *cases_of(10, "positive", 0.9, sex="F", stratum="full"),
        *cases_of(1, "positive", 0.1, sex="M", stratum="tenth"),
        *cases_of(5, "negative", 0.1, sex="F", stratum="full"),
    ]
    strata = (Stratum(name="full", fraction=1.0), Stratum(name="tenth", fraction=0.1))
    sampling = Sampling(method="random", strata=strata)
    # Undone, there are 15 women and 10 men, which is what the target holds.
    frame = World(cases, sampling=sampling, given=target(F=15, M=10)).run("transport")
    assert value(frame, "sensitivity", operating_point="locked") == pytest.approx(0.5)
    unknown = sampling.model_copy(update={"strata": strata[:1]})
    row = figure(
        World(cases, sampling=unknown, given=target(F=15, M=10)).run("transport"),
        "sensitivity",
        operating_point="locked",
    )
    assert row["reason"] == "no_sampling_fraction"


def test_transport_is_refused_where_a_cell_of_the_target_holds_no_case():
    frame = World(WOMEN_AND_MEN, given=target(F=60, M=30, other=10)).run("transport")
    for point in ("none", "locked"):
        metric = "auc" if point == "none" else "sensitivity"
        row = figure(frame, metric, operating_point=point)
        assert row["status"] == "refused"
        assert row["reason"] == "cells_without_case"
        said = codes.sentence(row["reason"], row["detail"])
        assert said == "1 of 3 cells of the target, 10% of it, hold no case here"
    assert value(frame, "unsupported_cells", operating_point="none") == 1
    assert value(frame, "unsupported_share", operating_point="none") == pytest.approx(0.1)


def test_transport_without_a_target_or_cases_is_refused():
    row = figure(World(WOMEN_AND_MEN).run("transport"), "auc", operating_point="none")
    assert row["reason"] == "no_target"
    frame = World(WOMEN_AND_MEN, given=target(F=1)).run("transport")
    row = figure(frame, "auc", operating_point="none", window="prospective")
    assert row["reason"] == "no_mature_case"


def test_cases_outside_the_target_carry_no_weight():
    frame = World(WOMEN_AND_MEN, given=target(F=1)).run("transport")
    row = figure(frame, "sensitivity", operating_point="locked")
    assert (row["estimate"], row["n"]) == (pytest.approx(0.9), 10)
    only_men = World(cases_of(3, "positive", 0.9, sex="F") + cases_of(3, "negative", 0.1, sex="M"))
    row = figure(only_men.but(given=target(F=1)).run("transport"), "auc", operating_point="none")
    assert row["reason"] == "one_class_weighted"


def test_cases_of_weight_zero_are_counted_by_why_and_enter_no_n():
    cases = [*WOMEN_AND_MEN, *cases_of(4, "positive", 0.9, sex=None)]
    frame = World(cases, given=target(F=1)).run("transport")
    none = {"operating_point": "none"}
    row = figure(frame, "n_weight_zero", **none)
    assert (row["estimate"], row["n"], row["events"]) == (24, 64, 24)
    for why, events in (("missing_value", 4), ("not_in_target", 20)):
        row = figure(frame, f"share_weight_zero_{why}", **none)
        assert (row["estimate"], row["n"], row["events"]) == (events / 64, 64, events)
    assert figure(frame, "effective_sample_size", **none)["n"] == 40
    area = figure(frame, "auc", **none)
    assert (area["n"], area["events"]) == (40, 10)
    for row in (area, figure(frame, "sensitivity", operating_point="locked")):
        assert row["notes"] == "cases_left_out"
    whole = World(WOMEN_AND_MEN, given=target(F=1, M=1)).run("transport")
    assert value(whole, "n_weight_zero", **none) == 0
    assert figure(whole, "auc", **none)["notes"] is None
    refused = World(cases, given=target(other=1)).run("transport")
    assert figure(refused, "n_weight_zero", **none)["status"] == "refused"


def test_transported_auc_has_an_interval_around_it():
    rng = np.random.default_rng(2)
    cases = [
        Case("positive" if y else "negative", float(rng.random() * 0.7 + 0.3 * y), sex=str(s))
        for y, s in zip(rng.random(300) < 0.4, rng.choice(["F", "M"], 300), strict=True)
    ]
    row = figure(
        World(cases, given=target(F=1, M=4)).run("transport"), "auc", operating_point="none"
    )
    assert row["lower"] < row["estimate"] < row["upper"]


def test_transport_names_a_variable_that_is_not_profiled():
    given = {"population": population({'{"shoe_size": "41"}': 3})}
    with pytest.raises(InputError, match="population shoe_size: is not profiled"):
        World(WOMEN_AND_MEN, given=given).run("transport")


def test_transport_of_people_rests_on_printed_cells():
    people = World(WOMEN_AND_MEN, are_people=True)
    plain = World(WOMEN_AND_MEN, given=target(F=10, M=30)).run("transport")
    assert people.but(given=target(F=10, M=30)).run("transport").equals(plain)
    few = people.but(given=target(F=10, M=3)).run("transport")
    for metric in ("auc", "target_cells"):
        assert figure(few, metric, operating_point="none")["reason"] == "set_too_small"


def test_transport_of_people_described_together_asks_that_they_be_declared_joint():
    site = Variable(name="ward", title="Ward", kind="categorical", levels=("a", "b"))
    both = Representativeness(variables=(*PROFILE.variables, site))
    cases = [
        replace(case, covariates={"ward": "ab"[i % 2]}) for i, case in enumerate(WOMEN_AND_MEN)
    ]
    wards = (Covariate(name="ward", title="Ward", type="string"),)
    cells = {f'{{"sex": "{s}", "ward": "{w}"}}': 20 for s in "FM" for w in "ab"}
    given = {"population": population(cells)}
    world = World(cases, representativeness=both, covariates=wards, are_people=True, given=given)
    refused = world.run("transport")
    assert refused.select("metric", "operating_point", "status", "reason").unique().rows() == [
        ("target_cells", "none", "refused", "levels_not_joint")
    ]
    joint = both.model_copy(update={"joint": (("sex", "ward"),)})
    made = world.but(representativeness=joint).run("transport")
    assert value(made, "target_cells", operating_point="none") == 4
    assert value(made, "sensitivity") is not None
    large = world.but(representativeness=joint, disclosure=Disclosure(smallest_group=41))
    row = figure(large.run("transport"), "auc", operating_point="none")
    assert row["reason"] == "cells_folded_into_one"


def test_transport_of_failed_or_binary_output_is_refused():
    failed = World(cases_of(2, "positive", None, status="failed"), given=target(F=1)).run(
        "transport"
    )
    for metric, point in (("auc", "none"), ("sensitivity", "locked")):
        row = figure(failed, metric, operating_point=point)
        assert row["reason"] == "no_usable_inference"
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    world = World([Case("positive", None, call=True)], index_test=binary, given=target(F=1))
    frame = world.run("transport")
    assert figure(frame, "auc", operating_point="none")["reason"] == "no_roc_curve"
    assert value(frame, "sensitivity", operating_point="locked") == 1.0
