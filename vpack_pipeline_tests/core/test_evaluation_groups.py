"""Subgroups, windows side by side, verification and failures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    INDEX_TEST,
    Case,
    World,
    cases_of,
    figure,
    references,
    value,
)
from scipy.special import ndtr
from scipy.stats import chi2

from vpack_pipeline.protocol import Covariate, Output, Representativeness, Subgroups, Variable
from vpack_pipeline.stats.proportions import newcombe_difference
from vpack_pipeline_tests.stats import plain_intervals

# --- comparison


def windows(before, after):
    """Sensitivity k of n in each window, each case a patient, and one negative each."""
    made = []
    for (k, n), date in ((before, BEFORE), (after, AFTER)):
        made += cases_of(k, "positive", 0.9, date=date)
        made += cases_of(n - k, "positive", 0.1, date=date)
        made += cases_of(5, "negative", 0.2, date=date)
    return made


def test_difference_is_prospective_minus_retrospective_with_both_beside_it():
    frame = World(windows((45, 50), (30, 50))).run("comparison")
    assert value(frame, "sensitivity_retrospective") == 0.9
    assert value(frame, "sensitivity_prospective") == 0.6
    row = figure(frame, "sensitivity_difference")
    assert row["estimate"] == pytest.approx(-0.3)
    assert row["lower"] < -0.3 < row["upper"] < 0
    assert (row["n"], row["events"]) == (100, 75)
    assert value(frame, "specificity_difference") == 0.0
    # Every negative scores between the positives that are found and those that are missed.
    for metric, expected in (
        ("specificity_retrospective", 1.0),
        ("specificity_prospective", 1.0),
        ("auc_retrospective", 0.9),
        ("auc_prospective", 0.6),
    ):
        assert value(frame, metric) == pytest.approx(expected), metric


def test_interval_of_a_difference_is_newcombes_where_each_case_is_a_patient():
    row = figure(World(windows((180, 200), (160, 200))).run("comparison"), "sensitivity_difference")
    want = newcombe_difference(160, 200, 180, 200)
    assert (row["lower"], row["upper"]) == pytest.approx((want.lower, want.upper))
    said = {"difference", "mover_by_patient", "wilson_on_effective_size"}
    assert set(row["method"].split(";")) == said


def test_no_miss_in_either_window_is_as_uncertain_as_the_smaller_one():
    row = figure(World(windows((40, 40), (3, 3))).run("comparison"), "sensitivity_difference")
    assert row["estimate"] == 0
    assert row["lower"] == pytest.approx(0.025 ** (1 / 3) - 1)
    assert row["upper"] == pytest.approx(1 - 0.025 ** (1 / 40))


@pytest.mark.parametrize("metric", ["sensitivity", "auc"])
def test_patients_of_both_windows_count_as_pairs(metric):
    """The interval of straight loops over patients, which is narrower than that of strangers."""

    def cases(who):
        return [
            Case(label, score, patient=f"{label}{i}{who[date]}", date=date)
            for date in (BEFORE, AFTER)
            for i in range(20)
            for label, score in (
                ("positive", 0.9 if i % 3 or (i == 3 and date == AFTER) else 0.1),
                ("negative", 0.2),
            )
        ]

    same = cases({BEFORE: "", AFTER: ""})
    row = figure(World(same).run("comparison"), f"{metric}_difference")
    sides = []
    for date in (AFTER, BEFORE):
        rows = [(c.score, c.label == "positive", c.patient) for c in same if c.date == date]
        if metric == "auc":
            influence = plain_intervals.area_influence(rows)
            sides.append((plain_intervals.area(rows), influence, [w for _, _, w in rows]))
            continue
        right, who = [s > 0.5 for s, y, _ in rows if y], [w for _, y, w in rows if y]
        influence = plain_intervals.proportion_influence(right)
        sides.append((plain_intervals.proportion(right, who), influence, who))
    want = plain_intervals.difference(*sides)
    assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(want)
    apart = World(cases({BEFORE: "before", AFTER: "after"})).run("comparison")
    other = figure(apart, f"{metric}_difference")
    assert row["upper"] - row["lower"] < 0.7 * (other["upper"] - other["lower"])


def test_patients_who_are_all_alike_in_both_windows_give_an_interval_without_width():
    cases = [
        Case("positive", 0.9 if i % 2 else 0.1, patient=f"p{i}", date=date)
        for date in (BEFORE, AFTER)
        for i in range(20)
    ]
    row = figure(World(cases).run("comparison"), "sensitivity_difference")
    assert (row["lower"], row["estimate"], row["upper"]) == (0.0, 0.0, 0.0)
    assert row["notes"] == "interval_without_width"


def test_auc_difference_agrees_with_its_parts_and_covers_no_change():
    rng = np.random.default_rng(5)
    cases = [
        Case("positive" if y else "negative", float(rng.random() * 0.6 + 0.4 * y), date=date)
        for date in (BEFORE, AFTER)
        for y in (rng.random(150) < 0.3)
    ]
    frame = World(cases).run("comparison")
    row = figure(frame, "auc_difference")
    parts = [value(frame, f"auc_{w}") for w in ("prospective", "retrospective")]
    assert row["estimate"] == pytest.approx(parts[0] - parts[1])
    assert row["lower"] < 0 < row["upper"]


def lacking_window(row):
    assert row["notes"] == "window_without_figure"
    return json.loads(row["detail"])["window_without_figure.window"]


def test_without_prospective_data_the_difference_is_refused_and_the_rest_stands():
    frame = World(windows((9, 10), (0, 0))[:15]).run("comparison")
    assert value(frame, "sensitivity_retrospective") == 0.9
    row = figure(frame, "sensitivity_difference")
    assert (row["status"], row["reason"]) == ("refused", "no_usable_inference")
    for metric in ("sensitivity_difference", "auc_difference"):
        assert lacking_window(figure(frame, metric)) == "prospective"


def test_without_retrospective_data_it_is_the_retrospective_window_that_is_named():
    cases = [c for c in windows((9, 10), (9, 10)) if c.date == AFTER]
    row = figure(World(cases).run("comparison"), "sensitivity_difference")
    assert lacking_window(row) == "retrospective"


def test_a_window_with_one_positive_has_an_area_and_no_interval_of_its_difference():
    cases = [
        *cases_of(30, "negative", 0.2, date=BEFORE),
        *cases_of(12, "positive", 0.9, date=BEFORE),
        *cases_of(30, "negative", 0.2, date=AFTER),
        *cases_of(1, "positive", 0.9, date=AFTER),
    ]
    row = figure(World(cases).run("comparison"), "auc_difference")
    assert (row["estimate"], row["lower"], row["upper"]) == (0.0, None, None)
    assert row["notes"] == "one_case_in_class"


# --- subgroups

MIXED = [
    *cases_of(9, "positive", 0.9, sex="F"),
    *cases_of(1, "positive", 0.1, sex="F"),
    *cases_of(10, "negative", 0.2, sex="F"),
    *cases_of(2, "positive", 0.9, sex="M"),
    *cases_of(8, "positive", 0.1, sex="M"),
    *cases_of(10, "negative", 0.2, sex="M"),
    *cases_of(3, "positive", 0.9, sex=None),
    *cases_of(1, "negative", 0.2, sex=None),
]


def test_each_stratum_has_its_own_figures():
    frame = World(MIXED).run("subgroups")
    assert value(frame, "sensitivity", stratum_kind="sex", stratum="F") == 0.9
    assert value(frame, "sensitivity", stratum_kind="sex", stratum="M") == 0.2
    assert value(frame, "specificity", stratum_kind="sex", stratum="M") == 1.0
    assert value(frame, "n_cases", stratum_kind="sex", stratum="missing") == 4
    assert value(frame, "auc", stratum_kind="sex", stratum="F") == pytest.approx(0.9)


def test_stratum_below_the_minimum_is_counted_and_refused():
    row = figure(
        World(MIXED).run("subgroups"), "sensitivity", stratum_kind="sex", stratum="missing"
    )
    assert row["reason"] == "few_positives_or_negatives"
    least = {"positives": 2, "negatives": 2}
    assert json.loads(row["detail"]) == {f"{row['reason']}.{k}": v for k, v in least.items()}
    strict = Subgroups(variables=("sex",), minimum_positives=11, minimum_negatives=2)
    frame = World(MIXED).evaluated(subgroups=strict).run("subgroups")
    assert figure(frame, "auc", stratum_kind="sex", stratum="F")["status"] == "refused"
    row = figure(frame, "heterogeneity_p_auc", stratum_kind="sex", stratum="*")
    assert row["reason"] == "one_subgroup_with_error"


def test_planted_difference_between_strata_is_found_and_none_where_there_is_none():
    frame = World(MIXED).run("subgroups")
    assert value(frame, "heterogeneity_p_sensitivity", stratum_kind="sex", stratum="*") < 0.01
    alike = [
        Case(c.label, c.score, sex="F" if i % 2 else "M")
        for i, c in enumerate(cases_of(40, "positive", 0.9) + cases_of(40, "negative", 0.2))
    ]
    frame = World(alike).run("subgroups")
    assert value(frame, "heterogeneity_p_sensitivity", stratum_kind="sex", stratum="*") > 0.9


def test_where_strata_share_patients_the_test_of_heterogeneity_says_so():
    alone = figure(
        World(MIXED).run("subgroups"),
        "heterogeneity_q_sensitivity",
        stratum_kind="sex",
        stratum="*",
    )
    assert alone["notes"] is None
    shared = [Case(c.label, c.score, sex=c.sex, patient=f"p{i % 12}") for i, c in enumerate(MIXED)]
    row = figure(
        World(shared).run("subgroups"),
        "heterogeneity_q_sensitivity",
        stratum_kind="sex",
        stratum="*",
    )
    assert row["status"] == "given"
    assert row["notes"] == "strata_share_patients"


def test_p_values_are_adjusted_over_the_variables():
    profile = Representativeness(
        variables=(
            Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")),
            Variable(name="site", title="Site", kind="categorical", levels=("a", "b")),
        )
    )
    cases = [
        Case(c.label, c.score, sex=c.sex, covariates={"site": "ab"[i % 2]})
        for i, c in enumerate(MIXED)
    ]
    rules = Subgroups(variables=("sex", "site"), minimum_positives=2, minimum_negatives=2)
    covariate = Covariate(name="site", title="Site", type="string")
    world = World(cases, representativeness=profile, covariates=(covariate,))
    frame = world.evaluated(subgroups=rules).run("subgroups")
    for q, raw, adjusted in (
        (
            "heterogeneity_q_sensitivity",
            "heterogeneity_p_sensitivity",
            "heterogeneity_p_adjusted_sensitivity",
        ),
        (
            "heterogeneity_q_specificity",
            "heterogeneity_p_specificity",
            "heterogeneity_p_adjusted_specificity",
        ),
        ("heterogeneity_q_auc", "heterogeneity_p_auc", "heterogeneity_p_adjusted_auc"),
    ):
        p = {v: value(frame, raw, stratum_kind=v, stratum="*") for v in ("sex", "site")}
        found = {v: value(frame, adjusted, stratum_kind=v, stratum="*") for v in p}
        least = min(p, key=p.__getitem__)
        assert found[least] == pytest.approx(min(1, 2 * p[least])), raw
        assert max(found.values()) == pytest.approx(max(*p.values(), found[least])), raw
        chi_squared = value(frame, q, stratum_kind=least, stratum="*")
        assert p[least] == pytest.approx(chi2.sf(chi_squared, 1)), q


def test_without_an_operating_point_only_the_auc_is_given():
    frame = World(MIXED).evaluated(operating_points=()).run("subgroups")
    assert figure(frame, "sensitivity", stratum_kind="sex", stratum="F")["status"] == "refused"
    assert figure(frame, "auc", stratum_kind="sex", stratum="F")["status"] == "given"


def test_strata_of_a_binary_output_have_shares_and_no_area():
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    cases = [Case(c.label, None, sex=c.sex, call=c.score > 0.5) for c in MIXED]
    frame = World(cases, index_test=binary).run("subgroups")
    row = figure(frame, "auc", stratum_kind="sex", stratum="F")
    assert (row["status"], row["reason"]) == ("refused", "no_roc_curve")
    q = figure(frame, "heterogeneity_q_auc", stratum_kind="sex", stratum="*")
    assert q["reason"] == "one_subgroup_with_error"


def test_a_difference_of_areas_of_a_binary_output_is_refused():
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    cases = [
        Case(c.label, None, date=c.date, call=c.score > 0.5) for c in windows((9, 10), (8, 10))
    ]
    row = figure(World(cases, index_test=binary).run("comparison"), "auc_difference")
    assert (row["status"], row["reason"]) == ("refused", "no_roc_curve")
    assert lacking_window(row) == "retrospective"


def strata_of(cases, sex, metric):
    rows = [(c, i) for i, c in enumerate(cases) if c.sex == sex]
    if metric == "auc":
        return [(c.score, c.label == "positive", i) for c, i in rows]
    label = {"sensitivity": "positive", "specificity": "negative"}[metric]
    right = [(c.score > 0.5) == (label == "positive") for c, _ in rows if c.label == label]
    return right, list(range(len(right)))


@pytest.mark.parametrize("metric", ["auc", "sensitivity"])
def test_intervals_of_strata_are_those_of_a_level_at_which_all_hold_together(metric):
    frame = World(MIXED).run("subgroups")
    for sex in ("F", "M"):
        row = figure(frame, metric, stratum_kind="sex", stratum=sex)
        assert "max_t_over_levels" in row["method"].split(";")
        detail = json.loads(row["detail"])
        # Missing sex has too few cases for a figure.
        assert detail["max_t_over_levels.levels"] == 2
        level = 2 * ndtr(detail["max_t_over_levels.quantile"]) - 1
        assert level == pytest.approx(0.95**0.5, abs=0.001)
        of = strata_of(MIXED, sex, metric)
        plain = plain_intervals.area if metric == "auc" else plain_intervals.proportion
        want = plain(of, level) if metric == "auc" else plain(*of, level)
        assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(want)


def test_a_stratum_that_stands_alone_keeps_the_level():
    only = [c for c in MIXED if c.sex == "F"]
    row = figure(World(only).run("subgroups"), "sensitivity", stratum_kind="sex", stratum="F")
    assert "max_t_over_levels" not in row["method"]
    want = plain_intervals.proportion(*strata_of(only, "F", "sensitivity"))
    assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(want)


def test_q_is_that_of_variances_at_the_common_figure():
    frame = World(MIXED).run("subgroups")
    # 9 of 10 and 2 of 10, so a common proportion of .55 in ten and ten.
    q = value(frame, "heterogeneity_q_sensitivity", stratum_kind="sex", stratum="*")
    assert q == pytest.approx(2 * 10 * 0.35**2 / (0.55 * 0.45))
    areas = [strata_of(MIXED, sex, "auc") for sex in ("F", "M")]
    values = [plain_intervals.auc(cases) for cases in areas]
    expected = [plain_intervals.hanley_mcneil(a, 10, 10) for a in values]
    observed = sum(plain_intervals.obuchowski(cases) for cases in areas)
    d = max(1.0, observed / sum(expected))
    # Equal sizes: the common area is the mean.
    at = plain_intervals.hanley_mcneil(sum(values) / 2, 10, 10)
    q = value(frame, "heterogeneity_q_auc", stratum_kind="sex", stratum="*")
    assert q == pytest.approx((values[0] - values[1]) ** 2 / 2 / (d * at))


# --- verification


SOUGHT = [
    *cases_of(6, "positive", 0.9, source="pathology"),
    *cases_of(2, "positive", 0.9),
    *cases_of(2, None, 0.9, n_independent=1),
    *cases_of(5, "negative", 0.1),
    *cases_of(15, None, 0.1, n_independent=0),
    *cases_of(1, "negative", None, status="failed"),
]


def test_verification_is_counted_by_call_and_source():
    rows = [{"case_id": f"c{i:05d}"} for i in range(6)]
    stale = {"case_id": "c00008", "in_force": False}
    other = {"case_id": "c00008", "finding": "other"}
    given = {"reference": references(*rows, *rows[:1], stale, other)}
    frame = World(SOUGHT, given=given).run("verification")
    flagged = {"call": "positive"}
    assert value(frame, "eligible", source="any", **flagged) == 10
    assert value(frame, "verified", source="pathology", **flagged) == 6
    assert value(frame, "verified", source="panel", **flagged) == 8
    assert value(frame, "verified", source="any", **flagged) == 8
    assert value(frame, "labelled", source="pathology", **flagged) == 6
    assert value(frame, "labelled", source="panel", **flagged) == 2
    assert value(frame, "labelled", source="any", **flagged) == 8
    assert value(frame, "share_labelled", source="any", **flagged) == 0.8
    assert value(frame, "share_labelled", source="any", call="negative") == 0.25
    assert value(frame, "eligible", source="any", call="none") == 1


def test_without_an_operating_point_every_case_has_no_call():
    frame = World(SOUGHT).evaluated(operating_points=()).run("verification")
    assert value(frame, "eligible", source="any", call="none") == 31
    row = figure(frame, "share_verified", source="any", call="positive")
    assert row["reason"] == "no_cases"


# --- failures


def test_statuses_are_counted_in_every_stratum_mature_or_not():
    statuses = ("ok", "failed", "refused", "not_sent", "missing", "missing")
    cases = [
        Case("positive", 0.9 if s == "ok" else None, s, sex="F" if i < 3 else None)
        for i, s in enumerate(statuses)
    ]
    frame = World([*cases, Case(None, 0.5, excluded_by=("blurred",))]).run("failures")
    counts = [value(frame, f"n_{s}", stratum="all") for s in dict.fromkeys(statuses)]
    assert counts == [1, 1, 1, 1, 2]
    assert value(frame, "failure_share", stratum="all") == pytest.approx(5 / 6)
    assert value(frame, "n_missing", stratum_kind="sex", stratum="missing") == 2
    assert value(frame, "n_cases", stratum_kind="sex", stratum="F") == 3
    early = World(cases, cut=BEFORE).run("failures")
    assert value(early, "n_cases", stratum="all") == 6


# --- people in printed levels


def people(f=(6, 6), m=(6, 6), date=BEFORE, score=0.9, **rest):
    """So many positive and negative women and men, and one of unknown sex."""
    made = [Case("positive", 0.9, sex=None, date=date)]
    for sex, (positive, negative) in (("F", f), ("M", m)):
        made += cases_of(positive, "positive", score, sex=sex, date=date, **rest)
        made += cases_of(negative, "negative", 0.2, sex=sex, date=date, **rest)
    return made


def described(cases, **changes):
    return World(cases, are_people=True, **changes)


RESULTS = ("n_positive", "n_negative", "auc", "sensitivity", "specificity")


def test_a_folded_subgroup_keeps_its_row_and_never_has_the_merged_figure():
    frame = described(people(m=(1, 2))).run("subgroups")
    # Three men are too few, and women alone would tell of them: one level is left.
    for sex in ("F", "M", "other"):
        for metric in ("n_cases", "n_patients", *RESULTS):
            row = figure(frame, metric, stratum_kind="sex", stratum=sex)
            assert (row["status"], row["n"], row["events"]) == ("refused", None, None)
            assert row["reason"] == "level_folded"
    assert (
        value(described(people()).run("subgroups"), "sensitivity", stratum_kind="sex", stratum="M")
        == 1.0
    )


def test_missing_values_of_people_are_counted_and_have_no_results():
    nobody = described(people()[1:])
    assert value(nobody.run("subgroups"), "n_positive", stratum_kind="sex", stratum="missing") == 0
    frame = described(people()).run("subgroups")
    assert value(frame, "n_cases", stratum_kind="sex", stratum="missing") == 1
    for metric in RESULTS:
        assert (
            figure(frame, metric, stratum_kind="sex", stratum="missing")["reason"]
            == "missing_has_no_results"
        )


def test_a_window_of_a_few_is_too_small_to_describe():
    frame = described(people() + people(f=(1, 1), m=(1, 1), date=AFTER)).run("subgroups")
    assert value(frame, "sensitivity", stratum_kind="sex", stratum="F") == 1.0
    for sex in ("F", "M", "missing"):
        row = figure(frame, "n_cases", window="prospective", stratum_kind="sex", stratum=sex)
        assert (row["status"], row["reason"]) == ("refused", "set_too_small")


@pytest.mark.parametrize(("positive", "negative", "tells"), [(18, 2, True), (17, 2, False)])
def test_a_group_of_people_nine_tenths_positive_has_no_results(positive, negative, tells):
    cases = people(f=(positive, negative))
    frame = described(cases).run("subgroups")
    row = figure(frame, "sensitivity", stratum_kind="sex", stratum="F")
    assert (row["reason"] == "mostly_positive") == tells
    assert value(frame, "n_cases", stratum_kind="sex", stratum="F") == positive + negative
    # A device is nobody.
    assert (
        value(World(cases).run("subgroups"), "sensitivity", stratum_kind="sex", stratum="F") == 1.0
    )


def test_of_people_nearly_all_positive_too_few_negatives_are_said_first():
    frame = described(people(f=(18, 1))).run("subgroups")
    found = {m: figure(frame, m, stratum_kind="sex", stratum="F")["reason"] for m in RESULTS}
    few = "few_positives_or_negatives"
    assert found == {m: "mostly_positive" if m.startswith("n_") else few for m in RESULTS}


def test_failures_of_people_are_counted_in_levels_that_stand_for_themselves():
    late = people(m=(1, 2), date=AFTER)
    world = described(people(f=(6, 6), status="failed") + late)
    frame = world.run("failures")
    for window in ("retrospective", "prospective"):
        row = figure(frame, "n_failed", window=window, stratum_kind="sex", stratum="M")
        assert row["reason"] == "level_folded"
    assert value(frame, "n_failed", stratum="all") == 24
    assert value(frame, "n_cases", stratum_kind="sex", stratum="missing") == 1
    missing = frame.filter(stratum_kind="sex", stratum="missing")
    assert set(missing["metric"]) == {"n_cases"}, "a count without results has no further row"
    whole = described(people(f=(6, 6), status="failed")).run("failures")
    assert value(whole, "n_failed", stratum_kind="sex", stratum="F") == 12
    few = described(people() + people(f=(1, 1), m=(1, 1), date=AFTER)).run("failures")
    assert (
        figure(few, "n_cases", window="prospective", stratum_kind="sex", stratum="F")["reason"]
        == "set_too_small"
    )
    row = figure(few, "n_cases", window="prospective", stratum_kind="sex", stratum="missing")
    assert row["reason"] == "set_too_small"
