"""Which figures a way of drawing cases leaves as they are, weights or forbids."""

from __future__ import annotations

import datetime
import functools
import json
from dataclasses import replace

import polars as pl
import pytest

from vpack_pipeline.contracts import codes, metrics
from vpack_pipeline.core.evaluation.error_attribution import error_attribution
from vpack_pipeline.core.evaluation.label_sensitivity import label_sensitivity
from vpack_pipeline.core.sampling import standing
from vpack_pipeline.errors import ContractError
from vpack_pipeline.protocol import Sampling, Stratum
from vpack_pipeline_tests.core.evaluation_world import (
    AFTER,
    BEFORE,
    INDEX_TEST,
    MODEL,
    POINT,
    SAMPLING,
    UTC,
    World,
    cases_of,
    endpoint,
    figure,
    population,
    reads,
    reviews,
    value,
)
from vpack_pipeline_tests.core.label_worlds import simulated

KNOWN = (Stratum(name="flagged", fraction=1.0), Stratum(name="cleared", fraction=0.02))
EVEN = tuple(Stratum(name=s.name, fraction=0.5) for s in KNOWN)
SAID = ("estimate", "lower", "upper", "n", "events")
ESTIMATING = ("evaluation/", "adjudication/agreement")

# draw by → what stands as it is: conditional on the label, on the score, on nothing
TABLE = [
    ((), True, True, True),
    (("label",), True, False, False),
    (("score",), False, True, False),
    (("covariates",), False, False, False),
    (("label", "score"), False, False, False),
    (("label", "covariates"), False, False, False),
    (("score", "covariates"), False, False, False),
]


@pytest.mark.parametrize(("by", "of_label", "of_score", "of_all"), TABLE)
@pytest.mark.parametrize(("strata", "otherwise"), [((), "refused"), (EVEN, "weighted")])
def test_a_figure_stands_where_it_is_conditional_on_what_was_drawn_by(
    by, of_label, of_score, of_all, strata, otherwise
):
    sampling = Sampling(method="random", depends_on=by, strata=strata)
    stands = {"label": of_label, "score": of_score, "nothing": of_all}
    for condition, is_so in stands.items():
        expected = "stands" if is_so else otherwise
        assert standing(sampling, condition, "nodule") == expected, condition


def test_strata_of_unlike_fractions_are_weighted_whatever_they_are_said_to_depend_on():
    unlike = Sampling(method="random", strata=KNOWN)
    alike = Sampling(method="random", strata=(KNOWN[0], Stratum(name="other", fraction=1.0)))
    for condition in ("label", "score", "nothing"):
        assert standing(unlike, condition, "nodule") == "weighted"
        assert standing(alike, condition, "nodule") == "stands"


def test_one_fraction_that_is_not_known_is_as_none():
    strata = (KNOWN[0], Stratum(name="cleared"))
    sampling = Sampling(method="random", depends_on=("score",), strata=strata)
    assert standing(sampling, "label", "nodule") == "refused"


def test_the_label_of_another_finding_is_a_covariate():
    drawn = Sampling(method="random", depends_on=("label",), finding="nodule")
    assert standing(drawn, "label", "nodule") == "stands"
    assert standing(drawn, "label", "effusion") == "refused"


def test_every_figure_of_evaluation_and_agreement_says_what_it_is_conditional_on():
    silent = [
        m.name
        for m in metrics.load()
        if m.conditional_on is None and any(t.startswith(ESTIMATING) for t in m.tables)
    ]
    assert silent == [], "conditional_on: label, score or nothing, in contracts/metrics.yaml"


# --- every table of the evaluation

FLAGGED, CLEARED = "flagged", "cleared"
BY_SCORE = Sampling(method="random", depends_on=("score",))
TWO_PHASE = Sampling(
    method="random",
    depends_on=("score",),
    strata=(Stratum(name=FLAGGED, fraction=1.0), Stratum(name=CLEARED, fraction=0.1)),
)
ENRICHED = Sampling(method="convenience", depends_on=("label",))
ENRICHED_KNOWN = Sampling(
    method="convenience",
    depends_on=("label",),
    strata=(Stratum(name="ill", fraction=1.0), Stratum(name="well", fraction=0.1)),
)
WORLD_TABLES = (
    "performance",
    "operating_points",
    "comparison",
    "subgroups",
    "calibration",
    "failures",
    "exclusion_audit",
    "endpoints",
    "transport",
    "verification",
)


def two_phase(n_hit=94, n_missed=6, **rest):
    """Of 100 positives that were read 94 are flagged; of all that occurred it is 94 of 154.

    All flagged cases were read and one in ten of the cleared ones, in either window.
    """
    return [
        case
        for date in (BEFORE, AFTER)
        for case in (
            *cases_of(n_hit, "positive", 0.9, stratum=FLAGGED, date=date, **rest),
            *cases_of(30, "negative", 0.8, stratum=FLAGGED, date=date, **rest),
            *cases_of(n_missed, "positive", 0.2, stratum=CLEARED, date=date, **rest),
            *cases_of(90, "negative", 0.1, stratum=CLEARED, date=date, **rest),
        )
    ]


def enriched():
    """All positives and one in ten negatives, and two cases that a rule excluded."""
    return [
        case
        for date in (BEFORE, AFTER)
        for case in (
            *cases_of(40, "positive", 0.9, stratum="ill", date=date),
            *cases_of(10, "positive", 0.2, stratum="ill", date=date),
            *cases_of(5, "negative", 0.8, stratum="well", date=date),
            *cases_of(45, "negative", 0.1, stratum="well", date=date),
            *cases_of(2, "negative", 0.1, stratum="well", date=date, excluded_by=("blurred",)),
        )
    ]


TOLD_TABLES = (
    "change",
    "error_review",
    "errors",
    "paired",
    "predictive_values",
    "roc",
    "scores",
    "thresholds",
    "timeliness",
    "trend",
)
"""Tables that ask for a second model, readers, times or reviews too."""
RECEIVED = datetime.datetime(2025, 10, 1, tzinfo=UTC)
SECOND = MODEL.model_copy(update={"id": "m-1", "primary": False})
TWO_MODELS = INDEX_TEST.model_copy(update={"models": (MODEL, SECOND)})
OTHER_POINT = POINT.model_copy(update={"name": "other", "model": "m-1", "primary": False})


def told(cases, sampling):
    """The same cases with a second model, two unaided readers, times, and reviewed errors."""
    minute = datetime.timedelta(minutes=1)
    cases = [
        replace(
            case,
            second_score=case.score if i % 5 else 1 - case.score,
            source="pathology",
            received_at=RECEIVED,
            produced_at=RECEIVED + (1 + i % 7) * minute,
            opened_at=RECEIVED + (10 + i % 3) * minute if i % 4 else None,
            is_watched=True,
        )
        for i, case in enumerate(cases)
    ]
    made = World(cases, sampling=sampling, index_test=TWO_MODELS)
    named = made.named()
    read = [
        {
            "case_id": case_id,
            "reader_id": reader,
            "purpose": "comparator",
            "saw_index_test": False,
            "rating": 2.0 if (case.label == "positive") == bool(i % every) else 0.0,
            "arm": "standard",
            "session": 1,
        }
        for i, (case_id, _, case) in enumerate(named)
        for reader, every in (("a", 6), ("b", 4))
    ]
    found = [
        {"case_id": case_id, "blinded": True, "label_upheld": True}
        for case_id, _, case in named
        if (case.label == "positive") != (case.score >= POINT.threshold)
    ]
    given = {"reads": reads(*read), "reviews": reviews(*found)}
    return made.but(given=given).evaluated(operating_points=(POINT, OTHER_POINT))


WINDOWS = ("retrospective", "prospective")
CLAIMS = (
    *(endpoint(id=f"sensitivity_{w}", window=w) for w in WINDOWS),
    *(endpoint(id=f"ppv_{w}", window=w, metric="ppv") for w in WINDOWS),
    *(endpoint(id=f"auc_{w}", window=w, metric="auc", operating_point=None) for w in WINDOWS),
    endpoint(
        id="no_worse",
        rank="secondary",
        comparison="non_inferiority",
        goal=None,
        margin=0.1,
        margin_rationale="Because.",
    ),
)
TARGET = {"population": population({json.dumps({"sex": "F"}): 10})}


def world(cases, sampling):
    return World(cases, sampling=sampling, given=TARGET).evaluated(endpoints=CLAIMS)


def estimated(frame, table):
    """Rows of figures that estimate something beyond the cases that are there."""
    rows = [
        row
        for row in frame.to_dicts()
        if metrics.find(f"evaluation/{table}", row["metric"]).kind != "count"
    ]
    assert rows, table
    return rows


def condition_here(table, row):
    """What a figure is conditional on, where its table makes another thing of it."""
    own = metrics.find(f"evaluation/{table}", row["metric"]).conditional_on
    if row["metric"] == "planned_power" and row["endpoint"].startswith("ppv"):
        # Of the share that its endpoint judges.
        return "score"
    # Every case has a label, so that there is none to set for a bound.
    if row["metric"].endswith(("_worst_case", "_best_case")):
        return "label"
    if table == "predictive_values" and row["stratum_kind"] != "own":
        # Of sensitivity and specificity, at a prevalence that is no figure of these cases.
        return "sample" if row["metric"] == "prevalence" else "label"
    if table == "timeliness" and row["call_kind"] in ("positive", "negative"):
        return "score"
    # Transport weighs towards another population; the own values need the own prevalence too.
    return "nothing" if table in ("transport", "predictive_values") else own


CONSECUTIVE = Sampling(method="consecutive")
CASES = {"score": two_phase, "label": enriched}
"""What cases are drawn by → such cases."""


@functools.cache
def drawn(by, sampling, is_told):
    """The site of some cases, in full where tables ask for more; the tests only read it."""
    return (told if is_told else world)(CASES[by](), sampling)


@functools.cache
def tabled(table, by, sampling):
    """A table of such a site, of which several tests ask."""
    return drawn(by, sampling, table in TOLD_TABLES).run(table)


@pytest.mark.parametrize("table", [*WORLD_TABLES, *TOLD_TABLES])
@pytest.mark.parametrize(("condition", "sampling"), [("score", BY_SCORE), ("label", ENRICHED)])
def test_without_fractions_only_what_is_conditional_on_what_was_drawn_by_is_given(
    table, condition, sampling
):
    plain = tabled(table, condition, CONSECUTIVE)
    frame = tabled(table, condition, sampling)
    given = [r["metric"] for r in estimated(plain, table) if r["status"] == "given"]
    for row, before in zip(estimated(frame, table), estimated(plain, table), strict=True):
        if condition_here(table, row) in (condition, "sample"):
            assert row == before
        else:
            assert row["status"] == "refused", row
            if before["status"] == "given":
                assert row["reason"] in ("drawn_without_fractions", "one_subgroup_with_error"), row
            if "verdict" in row:
                assert row["verdict"] in ("refused", None)
    assert given, table


@pytest.mark.parametrize("table", TOLD_TABLES)
@pytest.mark.parametrize(
    ("condition", "sampling"), [("score", TWO_PHASE), ("label", ENRICHED_KNOWN)]
)
def test_with_fractions_what_the_draw_decides_is_weighted_or_not_computed(
    table, condition, sampling
):
    plain = tabled(table, condition, CONSECUTIVE)
    frame = tabled(table, condition, sampling)
    decided = 0
    for row, before in zip(estimated(frame, table), estimated(plain, table), strict=True):
        if condition_here(table, row) in (condition, "sample") or before["status"] != "given":
            continue
        decided += 1
        if (
            table == "predictive_values"
            and row["stratum"] == "own"
            and row["metric"] != "prevalence"
        ):
            # What is computed at a prevalence that is weighted needs no weights of its own.
            assert condition == "score" or row["estimate"] != before["estimate"]
            continue
        is_weighted = {"weighted", "weighted_for_sampling"} & {*(row["method"] or "").split(";")}
        assert is_weighted or row["reason"] == "not_computed_weighted", row
    is_description = table == "error_review"
    stands_on_labels = ("change", "errors", "paired", "scores")
    assert (decided > 0) != (is_description or (condition == "label" and table in stands_on_labels))


def test_of_a_two_phase_sample_the_newer_tables_weigh_what_the_older_ones_weigh():
    weighed = functools.partial(tabled, by="score", sampling=TWO_PHASE)
    swept = {"stratum_kind": "threshold", "stratum": "051"}
    found = [
        (weighed("thresholds"), "sensitivity", {**swept, "model_id": "m-2"}),
        (weighed("roc"), "sensitivity", {"stratum_kind": "operating_point", "model_id": "m-2"}),
        (weighed("paired"), "primary_sensitivity", {"comparator": "m-1"}),
        (weighed("trend"), "sensitivity", {"stratum_kind": "all"}),
    ]
    there = figure(
        weighed("operating_points"),
        "sensitivity",
        analysis="intention_to_diagnose",
    )
    assert there["estimate"] == pytest.approx(94 / 154)
    for frame, metric, keys in found:
        row = figure(frame, metric, window="retrospective", **keys)
        assert [row[k] for k in SAID] == pytest.approx([there[k] for k in SAID]), metric
    misses = figure(weighed("errors"), "miss_rate", stratum="F")
    assert misses["estimate"] == pytest.approx(60 / 154)
    assert misses["lower"] == pytest.approx(1 - there["upper"])
    assert misses["upper"] == pytest.approx(1 - there["lower"])
    bins = weighed("scores").filter(
        metric="share_of_positives", window="retrospective", model_id="m-2"
    )
    assert bins["estimate"].sum() == pytest.approx(1)
    assert bins["estimate"].max() == pytest.approx(94 / 154)


def test_a_sample_drawn_by_score_does_not_meet_a_goal_that_the_test_misses():
    """94 of 100 positives that were read are flagged, and 61% of those that occurred."""
    claim = endpoint(goal=0.85)
    naive = World(two_phase()).evaluated(endpoints=(claim,)).run("endpoints")
    met = figure(naive, "sensitivity", look="2026-03-01")
    assert (met["estimate"], met["verdict"]) == (0.94, "met")
    for sampling, verdict in ((BY_SCORE, "refused"), (TWO_PHASE, "not_met")):
        drawn = World(two_phase(), sampling=sampling).evaluated(endpoints=(claim,))
        assert (
            figure(drawn.run("endpoints"), "sensitivity", look="2026-03-01")["verdict"] == verdict
        )


@pytest.mark.parametrize("comparison", ["absolute", "non_inferiority"])
def test_of_weighted_areas_no_upper_bound_is_known_well_enough_to_say_not_met(comparison):
    """An area that falls from .99 to .2: of cases that count alike its goal is missed for sure."""
    asked = (
        {"goal": 0.9}
        if comparison == "absolute"
        else {"rank": "secondary", "margin": 0.05, "margin_rationale": "as agreed", "goal": None}
    )
    area = endpoint(id="area", metric="auc", operating_point=None, comparison=comparison, **asked)
    rows = {}
    for date, positive, negative in ((BEFORE, 0.9, 0.1), (AFTER, 0.1, 0.9)):
        score = {"positive": positive, "negative": negative}
        rows[date] = [
            case
            for label in score
            for stratum in (FLAGGED, CLEARED)
            for case in (
                *cases_of(40, label, score[label], stratum=stratum, date=date),
                *cases_of(2, label, 1 - score[label], stratum=stratum, date=date),
            )
        ]
    cases = [*rows[BEFORE], *rows[AFTER]]
    alike = Sampling(method="consecutive")
    for sampling, verdict in ((alike, "not_met"), (TWO_PHASE, "inconclusive")):
        found = World(cases, sampling=sampling).evaluated(endpoints=(area,)).run("endpoints")
        assert found.filter(endpoint="area", look="2026-03-01")[
            "verdict"
        ].drop_nulls().to_list() == [verdict]


def test_of_a_two_phase_sample_every_figure_is_weighted():
    weighed = functools.partial(tabled, by="score", sampling=TWO_PHASE)
    frame = weighed("operating_points")
    itd = {"analysis": "intention_to_diagnose"}
    row = figure(frame, "sensitivity", **itd)
    assert row["estimate"] == pytest.approx(94 / 154)
    assert row["lower"] < 94 / 154 < row["upper"] < 0.94
    assert (row["n"], row["events"]) == (100, 94)
    assert row["method"] == "ratio_of_two_strata;weighted_for_sampling"
    said = codes.sentence("weighted_for_sampling", row["detail"])
    assert f"Kish's effective size {154**2 / (94 + 600):.1f}" in said
    # All flagged cases were drawn alike: what is conditional on the call stands.
    assert figure(frame, "ppv", **itd)["estimate"] == 94 / 124
    assert figure(frame, "ppv", **itd)["method"] == "wilson_on_effective_size"
    assert value(frame, "flagged_per_1000", **itd) == pytest.approx(1000 * 124 / 1084)
    ranked = weighed("performance")
    assert value(ranked, "prevalence") == pytest.approx(154 / 1084)
    # Of positives 60 of 154 lie above the 900 negatives that were cleared, and below the others.
    assert value(ranked, "auc") == pytest.approx((94 * 930 + 60 * 900) / (154 * 930))
    assert figure(ranked, "auc_worst_case")["reason"] == "not_computed_weighted"
    more = world([*two_phase(), *cases_of(9, "positive", 0.9, stratum=FLAGGED)], TWO_PHASE)
    difference = figure(more.run("comparison"), "sensitivity_difference")
    assert difference["estimate"] == pytest.approx(94 / 154 - 103 / 163)
    assert difference["method"] == "mover_by_patient;ratio_of_two_strata;difference;weighted"
    difference = weighed("comparison")
    compared = figure(difference, "sensitivity_difference")
    assert compared["estimate"] == 0
    assert compared["lower"] < 0 < compared["upper"]
    assert value(difference, "sensitivity_prospective") == pytest.approx(94 / 154)
    strata = weighed("subgroups")
    assert value(strata, "sensitivity", stratum="F") == pytest.approx(94 / 154)
    assert figure(strata, "heterogeneity_q_sensitivity")["reason"] == "not_computed_weighted"
    share = weighed("failures")
    assert value(share, "failure_share", stratum="F") == 0
    assert figure(share, "failure_share", stratum="F")["upper"] > 0.004
    fit = weighed("calibration")
    assert figure(fit, "slope")["method"] == "logistic_recalibration"
    assert value(fit, "observed_expected") == pytest.approx(154 / (84.6 + 24 + 12 + 90))
    assert figure(fit, "expected_calibration_error")["reason"] == "not_computed_weighted"
    audit = weighed("exclusion_audit")
    assert (
        figure(audit, "sensitivity_observed", rule="blurred")["reason"] == "not_computed_weighted"
    )
    assert figure(audit, "mean_score_included", rule="blurred")["reason"] == "not_computed_weighted"
    carried = world([*two_phase(), *two_phase(50, 50, sex="M")], TWO_PHASE).run("transport")
    at = {"operating_point": "locked", "speaks_for": "in_target"}
    row = figure(carried, "sensitivity", **at)
    assert row["estimate"] == pytest.approx(94 / 154)
    # An event not seen still weighs, and counts of cells do not tell how much.
    assert (row["lower"], row["upper"]) == (None, None)
    assert "no_interval_of_weighted_cells" in row["notes"]


def test_a_label_drawn_sample_with_fractions_weights_predictive_values():
    frame = world(enriched(), ENRICHED_KNOWN).run("operating_points")
    itd = {"analysis": "intention_to_diagnose"}
    assert value(frame, "ppv", **itd) == pytest.approx(40 / 90)
    assert figure(frame, "ppv", **itd)["method"] == "ratio_of_two_strata;weighted_for_sampling"
    assert figure(frame, "sensitivity", **itd)["method"] == "wilson_on_effective_size"
    assert value(frame, "sensitivity", **itd) == 0.8


def test_labels_that_are_set_for_a_bound_are_none_that_cases_were_drawn_by():
    cases = [*enriched(), *cases_of(3, None, 0.9, stratum="well")]
    frame = world(cases, ENRICHED).run("operating_points")
    for analysis, status in (
        ("intention_to_diagnose", "given"),
        ("worst_case", "refused"),
        ("best_case", "refused"),
    ):
        assert figure(frame, "sensitivity", analysis=analysis)["status"] == status
    ranked = world(cases, ENRICHED).run("performance")
    assert figure(ranked, "auc")["status"] == "given"
    assert figure(ranked, "auc_worst_case")["reason"] == "drawn_without_fractions"
    audit = world(cases, ENRICHED).run("exclusion_audit")
    for metric in ("auc", "sensitivity"):
        assert figure(audit, f"{metric}_observed", rule="blurred")["status"] == "given"
        row = figure(audit, f"{metric}_worst_case", rule="blurred")
        assert row["reason"] == "drawn_without_fractions"


def test_drawn_by_a_covariate_figures_within_a_stratum_stand_and_totals_do_not():
    def of(sex, stratum):
        return [
            *cases_of(20, "positive", 0.9, sex=sex, stratum=stratum),
            *cases_of(5, "positive", 0.2, sex=sex, stratum=stratum),
            *cases_of(20, "negative", 0.1, sex=sex, stratum=stratum),
        ]

    strata = (Stratum(name="clinic"), Stratum(name="ward"))
    drawn = Sampling(method="random", depends_on=("covariates",), strata=strata)
    cases = [*of("F", "clinic"), *of("M", "ward")]
    frame = World(cases, sampling=drawn).run("subgroups")
    row = figure(frame, "sensitivity", stratum="F")
    assert (row["estimate"], row["notes"]) == (0.8, "within_stratum")
    total = figure(World(cases, sampling=drawn).run("performance"), "auc")
    assert total["reason"] == "drawn_without_fractions"
    said = codes.sentence(total["reason"], total["detail"])
    assert said.startswith("cases were drawn by covariates and no sampling fractions are stated")
    known = (Stratum(name="clinic", fraction=1.0), Stratum(name="ward", fraction=0.25))
    weighed = drawn.model_copy(update={"strata": known})
    found = World(cases, sampling=weighed).run("operating_points")
    itd = {"analysis": "intention_to_diagnose"}
    assert figure(found, "sensitivity", **itd)["method"].startswith("ratio_of_weighted_sums")
    # A window of one stratum speaks for it alone, and says so.
    alone = World(of("F", "clinic"), sampling=weighed).run("operating_points")
    assert figure(alone, "sensitivity", **itd)["notes"] == "within_stratum"


def test_a_stratum_that_was_not_sampled_is_named_beside_each_figure():
    strata = (*TWO_PHASE.strata, Stratum(name="portable", fraction=0.0))
    sampling = TWO_PHASE.model_copy(update={"strata": strata})
    frame = world(two_phase(), sampling).run("operating_points")
    for metric in ("sensitivity", "ppv"):
        row = figure(frame, metric, analysis="intention_to_diagnose")
        assert row["notes"] == "strata_not_sampled"
        said = codes.sentence("strata_not_sampled", row["detail"])
        assert said == "does not speak for portable: none was sampled"


def test_a_stratum_of_which_no_case_was_drawn_leaves_an_area_unknown_and_a_share_in_doubt():
    cases = [case for case in two_phase() if case.stratum == FLAGGED]
    frame = world(cases, TWO_PHASE).run("operating_points")
    row = figure(frame, "sensitivity", analysis="intention_to_diagnose")
    assert (row["estimate"], row["notes"]) == (1.0, "sampled_strata_unseen")
    assert row["lower"] < 0.8
    ranked = figure(world(cases, TWO_PHASE).run("performance"), "auc")
    assert ranked["reason"] == "sampled_stratum_without_case"


def test_a_case_of_a_stratum_without_a_fraction_has_no_weight():
    cases = [*two_phase(), *cases_of(1, "positive", 0.9, stratum="elsewhere")]
    frame = world(cases, TWO_PHASE).run("operating_points")
    row = figure(frame, "sensitivity", analysis="intention_to_diagnose")
    assert row["reason"] == "no_sampling_fraction"
    even = Sampling(method="random", strata=(Stratum(name=FLAGGED, fraction=0.5),))
    frame = world(cases, even).run("operating_points")
    row = figure(frame, "sensitivity", analysis="intention_to_diagnose")
    assert row["reason"] == "no_sampling_fraction"


def test_readers_are_weighted_as_their_cases_are():
    drawn = world(two_phase(), TWO_PHASE)
    read = [
        {
            "case_id": case_id,
            "purpose": "comparator",
            "rating": 2.0 if case.score > 0.85 or case.score == 0.1 else 0.0,
        }
        for case_id, _, case in drawn.named()
    ]
    frame = drawn.but(given={**TARGET, "reads": reads(*read)}).run("performance")
    row = figure(frame, "sensitivity", model_id="unaided_readers")
    assert row["estimate"] == pytest.approx(94 / 154)
    assert row["method"] == "ratio_of_weighted_sums;weighted_for_sampling"


# --- labels made again


@pytest.mark.parametrize("sampling", [BY_SCORE, ENRICHED], ids=["score", "label"])
def test_under_other_labels_nothing_is_given_of_cases_that_were_drawn_by_one(sampling):
    site = replace(simulated(120, readers=3), sampling=sampling)
    frame = site.run(label_sensitivity)
    own = frame.filter(pl.col("variation") == "as_labelled", pl.col("status") == "given")
    assert own.is_empty() == (sampling == BY_SCORE)
    others = frame.filter(pl.col("variation") != "as_labelled")
    assert set(others["status"]) == {"refused"}
    plain = replace(site, sampling=SAMPLING).run(label_sensitivity)
    assert (plain.filter(pl.col("variation") != "as_labelled")["status"] == "given").any()


def test_of_cases_that_were_drawn_by_score_errors_are_counted_and_not_shared_out():
    site = replace(simulated(120, readers=3, model=(0.9, 0.9)), sampling=BY_SCORE)
    frame = site.run(error_attribution)
    assert set(frame.filter(pl.col("metric") == "n_cases")["status"]) == {"given"}
    assert set(frame.filter(pl.col("metric") != "n_cases")["status"]) == {"refused"}


def test_a_figure_that_does_not_say_what_it_is_conditional_on_is_refused():
    with pytest.raises(ContractError, match=r"odd does not say .* contracts/metrics\.yaml"):
        metrics.condition_of("odd")
