"""Looks and endpoints: what is shut before a look, and a verdict that is given once."""

from __future__ import annotations

import datetime
import json

import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    EVALUATION,
    LOOK,
    World,
    cases_of,
    endpoint,
    figure,
    population,
    published_looks,
    value,
)

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.evaluation.analysis import NO_INFERENCE
from vpack_pipeline.core.evaluation.looks import exploratory_note, withheld_reason
from vpack_pipeline.core.evaluation.verdicts import DENIAL_NOT_SHOWN, Judged, verdict_of
from vpack_pipeline.protocol import Look, Sampling, Stratum
from vpack_pipeline.stats.codes import code
from vpack_pipeline.stats.estimate import NO_WIDTH, Estimate

VOID_NOTE = code("exploratory_look_void", look="2026-03-01")
SAID = ("reason", "notes", "detail")
DAY = datetime.timedelta(days=1)
LATER = LOOK + 30 * DAY
CASES = [
    *cases_of(45, "positive", 0.9, date=AFTER),
    *cases_of(5, "positive", 0.1, date=AFTER),
    *cases_of(90, "negative", 0.2, date=AFTER),
    *cases_of(10, "negative", 0.8, date=AFTER),
    *cases_of(18, "positive", 0.9, date=BEFORE),
    *cases_of(2, "positive", 0.1, date=BEFORE),
    *cases_of(20, "negative", 0.2, date=BEFORE),
]
TABLES = [
    "performance",
    "operating_points",
    "calibration",
    "subgroups",
    "comparison",
    "exclusion_audit",
    "transport",
    "transport_cells",
    "verification",
]
OPEN = {
    "performance": {"n_cases", "n_patients", "n_immature", "n_failed", "n_reads"},
    "subgroups": {"n_cases", "n_patients"},
    "exclusion_audit": {"n_removed", "n_removed_marginal", "n_removed_only"},
    "transport_cells": {"n_cases"},
    "verification": {"eligible"},
}


def test_nothing_is_withheld_from_the_first_look_on():
    assert withheld_reason(EVALUATION, LOOK) is None
    assert withheld_reason(EVALUATION, LATER) is None


def test_before_the_first_look_the_reason_names_its_cut():
    assert withheld_reason(EVALUATION, LOOK - DAY) == code("no_look_yet", first="2026-03-01")


def test_only_what_is_seen_between_and_after_looks_is_exploratory():
    none = published_looks()
    assert exploratory_note(EVALUATION, LOOK - DAY, none) is None
    assert exploratory_note(EVALUATION, LOOK, none) is None
    after = code("exploratory_after_look", look="2026-03-01")
    assert exploratory_note(EVALUATION, LATER, none) == after
    void = published_looks({**PUBLISHED, "verdict": "void"})
    assert exploratory_note(EVALUATION, LATER, void) == after
    assert exploratory_note(EVALUATION, LOOK, void) == VOID_NOTE
    valid = published_looks(PUBLISHED)
    assert exploratory_note(EVALUATION, LOOK, valid) is None


@pytest.mark.parametrize("table", TABLES)
def test_before_the_look_every_prospective_figure_that_needs_labels_is_withheld(table):
    frame = World(CASES, cut=LOOK - DAY).run(table)
    prospective = frame.filter(~pl.col("window").is_in(["retrospective", "outside"]))
    shown = prospective.filter(pl.col("status") != "withheld")
    assert set(shown["metric"]) == OPEN.get(table, set())
    withheld = prospective.filter(pl.col("status") == "withheld")
    assert withheld.height > 0
    for column in ("estimate", "lower", "upper", "n", "events", "method"):
        assert withheld[column].null_count() == withheld.height
    assert frame.filter(pl.col("status") == "withheld")["window"].unique().to_list() == [
        prospective["window"][0]
    ]


@pytest.mark.parametrize("table", TABLES)
def test_the_rows_of_a_table_do_not_depend_on_the_cut_or_the_data(table):
    keys = ["finding", "metric"]
    seen = World(CASES).run(table)
    for other in (World(CASES, cut=LOOK - DAY), World(cases_of(1, None, None, status="missing"))):
        found = other.run(table)
        names = [c for c in found.columns if found[c].dtype == pl.String]
        names = [n for n in names if n not in ("method", "status", *SAID)]
        assert found.select(names).equals(seen.select(names)), keys


def test_after_the_look_prospective_figures_say_that_they_are_exploratory():
    frame = World(CASES, cut=LATER).run("performance")
    assert figure(frame, "auc", window="prospective")["notes"] == "exploratory_after_look"
    assert figure(frame, "auc", window="retrospective")["notes"] is None
    assert figure(World(CASES).run("performance"), "auc", window="prospective")["notes"] is None


@pytest.mark.parametrize("look", ["2026-03-01", LOOK])
@pytest.mark.parametrize("table", TABLES)
def test_at_a_void_look_every_prospective_figure_that_needs_labels_says_so(table, look):
    void = published_looks({**PUBLISHED, "verdict": "void"}).with_columns(
        pl.lit(look).alias("look")
    )
    target = {"population": population({json.dumps({"sex": "F"}): 100})}
    seen = World(CASES, given=target)
    frame = seen.but(given={**target, "published_looks": void}).run(table)
    needs_labels = ~pl.col("metric").is_in(list(OPEN.get(table, ())))
    is_later = ~pl.col("window").is_in(["retrospective", "outside"])
    behind = frame.filter(is_later & needs_labels)
    assert behind.filter(pl.col("status") == "given").height > 0
    notes = pl.col("notes").fill_null("").str.split(";")
    assert behind.filter(~notes.list.contains(VOID_NOTE.name)).height == 0
    dated = pl.col("detail").str.json_path_match("$['exploratory_look_void.look']")
    assert set(behind.select(dated).to_series()) == {"2026-03-01"}
    rest = frame.filter(~(is_later & needs_labels))
    assert rest.filter(notes.list.contains(VOID_NOTE.name)).height == 0
    # The figures are the same: only what may be concluded from them is not.
    assert frame.drop(SAID).equals(seen.run(table).drop(SAID))


def test_failures_need_no_label_and_are_shown_before_the_look():
    frame = World(CASES, cut=LOOK - DAY).run("failures")
    assert set(frame["status"]) <= {"given", "refused"}
    assert value(frame, "n_ok", window="prospective", stratum="all") == 150


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.81, 0.9, "met"),
        (0.8, 0.9, "inconclusive"),
        (0.7, 0.9, "inconclusive"),
        (0.7, 0.8, "inconclusive"),
        (0.7, 0.79, "not_met"),
        (None, None, "inconclusive"),
    ],
)
def test_verdict_follows_the_bound_and_never_the_estimate(lower, upper, expected):
    estimate = Estimate(0.85, lower, upper, 90, 80, ())
    assert verdict_of(Judged(estimate, 10, 0.035), 0.8, 10) == (expected, None)


def test_verdict_of_an_interval_without_width_is_inconclusive_and_of_nothing_refused():
    def verdict(*estimate, **rest):
        return verdict_of(Judged(Estimate(*estimate, **rest), 10, 0.0), 0.8, 10)[0]

    assert verdict(1.0, 1.0, 1.0, 9, 8, (), notes=(NO_WIDTH,)) == "inconclusive"
    assert verdict(1.0, 1.0, 1.0, 9, 8, ()) == "inconclusive"
    assert verdict(None, None, None, 0, 0, (), NO_INFERENCE) == "refused"


@pytest.mark.parametrize("bounds", [(0.85, 0.9), (0.7, 0.9), (0.6, 0.7)])
def test_fewer_patients_than_the_protocol_asks_for_decide_nothing(bounds):
    judged = Judged(Estimate(0.8, *bounds, 9, 8, ()), 9, 0.0)
    few = code("few_patients_for_verdict", minimum=10)
    assert verdict_of(judged, 0.8, 10) == ("inconclusive", few)
    assert verdict_of(judged, 0.8, 9)[1] is None


def test_a_goal_is_denied_only_where_that_is_seldom_wrong():
    judged = Judged(Estimate(0.6, 0.5, 0.7, 90, 54, ()), 90, 0.036)
    assert verdict_of(judged, 0.8, 10) == ("inconclusive", DENIAL_NOT_SHOWN)


def test_endpoint_is_judged_at_its_look():
    frame = World(CASES).run("endpoints")
    row = figure(frame, "sensitivity", look="2026-03-01")
    assert (row["estimate"], row["n"], row["events"]) == (0.9, 50, 45)
    assert (row["verdict"], row["goal"], row["is_headline"]) == ("met", 0.5, True)
    since = figure(frame, "sensitivity", look="since")
    assert (since["status"], since["verdict"], since["is_headline"]) == ("refused", None, False)


def test_endpoint_fails_and_stays_open_as_its_bounds_say():
    goals = {"not_met": 0.99, "inconclusive": 0.88}
    for expected, goal in goals.items():
        frame = World(CASES).evaluated(endpoints=(endpoint(goal=goal),)).run("endpoints")
        assert figure(frame, "sensitivity", look="2026-03-01")["verdict"] == expected


def test_a_verdict_names_its_two_sided_level_and_that_it_stands_on_its_own():
    world = World(CASES).evaluated(
        endpoints=(endpoint(), endpoint(id="before", window="retrospective")),
        alpha=0.01,
    )
    frame = world.run("endpoints")
    at_look = figure(frame, "sensitivity", look="2026-03-01", window="prospective")
    before = figure(frame, "sensitivity", look="none")
    for row, level in ((at_look, 0.98), (before, 0.98)):
        assert row["method"].endswith(";two_sided_level;judged_alone")
        assert json.loads(row["detail"]) == {"two_sided_level.level": level}
    later = world.but(cut=LATER).run("endpoints")
    since = figure(later, "sensitivity", look="since", window="prospective")
    assert "judged_alone" not in since["method"]


def test_the_only_look_spends_the_whole_alpha():
    narrow = figure(World(CASES).run("endpoints"), "sensitivity", look="2026-03-01")
    wide = figure(
        World(CASES).evaluated(alpha=0.0025).run("endpoints"), "sensitivity", look="2026-03-01"
    )
    assert (narrow["alpha"], wide["alpha"]) == (0.025, 0.0025)
    assert wide["lower"] < narrow["lower"] < narrow["upper"] < wide["upper"]


def test_before_its_look_an_endpoint_is_withheld():
    frame = World(CASES, cut=LOOK - DAY).run("endpoints")
    assert set(frame["status"]) == {"withheld"}
    judged = frame.filter(pl.col("metric") != "planned_power")
    assert set(judged["verdict"]) == {"withheld"}
    assert frame["n"].null_count() == frame.height
    assert figure(frame, "sensitivity", look="2026-03-01")["is_headline"]


PUBLISHED = {
    "endpoint": "sensitivity_after",
    "look": "2026-03-01",
    "pack_version": "1.0-2026-03-01-abc",
    "pack_digest": "abc",
    "estimate": 0.42,
    "lower": 0.4,
    "upper": 0.44,
    "n": 50,
    "events": 21,
    "verdict": "not_met",
    "alpha": 0.025,
    "information": 50.0,
    "information_share": 1.0,
}


@pytest.mark.parametrize("look", ["2026-03-01", datetime.date(2026, 3, 1)])
def test_past_verdict_is_quoted_and_never_computed_again(look):
    given = published_looks(PUBLISHED).with_columns(pl.lit(look).alias("look"))
    frame = World(CASES, cut=LATER, given={"published_looks": given}).run("endpoints")
    row = figure(frame, "sensitivity", look="2026-03-01")
    assert row["method"] == "quoted_from_pack;two_sided_level;judged_alone"
    assert json.loads(row["detail"]) == {
        "quoted_from_pack.pack": PUBLISHED["pack_version"],
        "two_sided_level.level": 0.95,
    }
    assert {k: row[k] for k in PUBLISHED if k != "look"} == {
        k: v for k, v in PUBLISHED.items() if k != "look"
    }
    assert (row["status"], row["is_headline"]) == ("given", True)
    since = figure(frame, "sensitivity", look="since")
    assert since["estimate"] == 0.9
    assert since["verdict"] is None
    assert since["notes"] == "exploratory_after_look"


def test_figure_suppressed_in_the_pack_is_not_restored_but_its_verdict_stands():
    nothing = dict.fromkeys(("estimate", "lower", "upper", "n", "events"))
    given = published_looks({**PUBLISHED, **nothing})
    frame = World(CASES, cut=LATER, given={"published_looks": given}).run("endpoints")
    row = figure(frame, "sensitivity", look="2026-03-01")
    assert (row["status"], row["verdict"]) == ("refused", "not_met")
    assert row["reason"] == "not_shown_in_pack"
    assert "1.0-2026-03-01-abc" in row["detail"]
    refused = published_looks({**PUBLISHED, **nothing, "verdict": "refused"})
    frame = World(CASES, cut=LATER, given={"published_looks": refused}).run("endpoints")
    row = figure(frame, "sensitivity", look="2026-03-01")
    assert (row["verdict"], row["reason"]) == ("refused", "refused_in_pack")


def test_a_void_look_says_so_and_which_blocks_of_the_protocol_changed():
    nothing = dict.fromkeys(("estimate", "lower", "upper", "n", "events"))
    void = {**PUBLISHED, **nothing, "verdict": "void", "changed": ["adjudication", "evaluation"]}
    for cut in (LOOK, LATER):
        given = {"published_looks": published_looks(void)}
        frame = World(CASES, cut=cut, given=given).run("endpoints")
        row = figure(frame, "sensitivity", look="2026-03-01")
        assert (row["status"], row["verdict"], row["estimate"]) == ("refused", "void", None)
        assert codes.sentence(row["reason"], row["detail"]) == (
            "void: the protocol changed since the look was taken in the pack"
            " 1.0-2026-03-01-abc (adjudication, evaluation)"
        )
        since = figure(frame, "sensitivity", look="since")
        assert (since["status"], since["verdict"]) == ("given", None)
        assert since["notes"].startswith("exploratory_")


def test_a_look_void_for_one_endpoint_speaks_for_the_others_and_says_for_which():
    claims = (endpoint(), endpoint(id="lower", goal=0.4))
    gone = {"endpoint": "lower", "verdict": "void", "changed": ["evaluation"]}
    void = published_looks({**PUBLISHED, **gone})
    world = World(CASES, given={"published_looks": void}).evaluated(endpoints=claims)
    frame = world.run("endpoints")

    def row(name: str, look: str) -> dict:
        return figure(frame, "sensitivity", endpoint=name, look=look)

    assert row("lower", "2026-03-01")["verdict"] == "void"
    for_lower = "exploratory_look_void_for"
    assert row("lower", "since")["notes"] == for_lower
    assert json.loads(row("lower", "since")["detail"])[f"{for_lower}.endpoints"] == ["lower"]
    assert row(claims[0].id, "2026-03-01")["verdict"] == "met"
    assert row(claims[0].id, "since")["reason"] == "cut_is_look"
    auc = figure(world.run("performance"), "auc", window="prospective")
    assert auc["notes"] == for_lower


def test_look_without_a_published_pack_is_refused():
    row = figure(World(CASES, cut=LATER).run("endpoints"), "sensitivity", look="2026-03-01")
    assert (row["status"], row["verdict"]) == ("refused", "refused")
    assert codes.sentence(row["reason"], row["detail"]) == (
        "the look at 2026-03-01 has no published pack: build --as-of 2026-03-01 first"
    )


def test_rebuilding_the_look_itself_gives_the_same_bytes_as_the_first_build():
    first = World(CASES).run("endpoints")
    row = figure(first, "sensitivity", look="2026-03-01")
    published = published_looks({**PUBLISHED, **{k: row[k] for k in ("estimate", "verdict")}})
    assert World(CASES, given={"published_looks": published}).run("endpoints").equals(first)


def test_rebuilding_the_look_with_another_verdict_quotes_the_published_one():
    given = {"published_looks": published_looks(PUBLISHED)}
    row = figure(World(CASES, given=given).run("endpoints"), "sensitivity", look="2026-03-01")
    assert (row["verdict"], row["pack_digest"]) == ("not_met", "abc")


def test_of_two_looks_the_first_that_met_the_goal_speaks():
    looks = (Look(cut=LOOK), Look(cut=LATER))
    later = World(CASES, cut=LATER).evaluated(looks=looks)
    first = {**PUBLISHED, "alpha": 0.0015, "information": 25.0, "information_share": 0.5}
    met = published_looks({**first, "verdict": "met"})
    frame = later.but(given={"published_looks": met}).run("endpoints")
    assert figure(frame, "sensitivity", look="2026-03-01")["is_headline"]
    last = figure(frame, "sensitivity", look=LATER.isoformat())
    assert (last["verdict"], last["reason"]) == ("not_taken", "met_at_earlier_look")
    open_still = published_looks({**first, "verdict": "inconclusive"})
    frame = later.but(given={"published_looks": open_still}).run("endpoints")
    assert figure(frame, "sensitivity", look=LATER.isoformat())["is_headline"]
    between = later.but(cut=LOOK + DAY, given={"published_looks": open_still}).run("endpoints")
    row = figure(between, "sensitivity", look=LATER.isoformat())
    assert row["status"] == "withheld"
    assert row["reason"] == "look_not_come"
    assert json.loads(row["detail"]) == {"look_not_come.look": LATER.isoformat()}


def test_retrospective_endpoint_is_computed_at_every_cut():
    chosen = endpoint(id="before", window="retrospective")
    frame = World(CASES, cut=LOOK - DAY).evaluated(endpoints=(chosen,)).run("endpoints")
    assert frame.height == 1
    row = figure(frame, "sensitivity", look="none")
    assert (row["estimate"], row["n"], row["is_headline"]) == (0.9, 20, True)


NON_INFERIOR = endpoint(
    comparison="non_inferiority", rank="secondary", goal=None, margin=0.4, margin_rationale="Why."
)


def test_non_inferiority_asks_the_difference_against_minus_the_margin():
    frame = World(CASES).evaluated(endpoints=(NON_INFERIOR,)).run("endpoints")
    row = figure(frame, "sensitivity_difference", look="2026-03-01")
    assert row["estimate"] == pytest.approx(0.0)
    assert (row["goal"], row["verdict"]) == (-0.4, "met")


@pytest.mark.parametrize(
    ("metric", "printed"),
    [
        ("specificity", "specificity_difference"),
        ("ppv", "ppv_difference"),
        ("npv", "npv_difference"),
    ],
)
def test_non_inferiority_of_any_proportion_is_that_of_its_difference(
    metric: str, printed: str
) -> None:
    asked = NON_INFERIOR.model_copy(update={"metric": metric})
    frame = World(CASES).evaluated(endpoints=(asked,)).run("endpoints")
    points = World(CASES).run("operating_points").filter(analysis="intention_to_diagnose")
    before, after = (value(points, metric, window=w) for w in ("retrospective", "prospective"))
    difference = figure(frame, printed, look="2026-03-01")["estimate"]
    assert difference == pytest.approx(after - before)
    assert difference != 0


def test_non_inferiority_prints_its_power_from_the_retrospective_window_alone():
    smaller = NON_INFERIOR.model_copy(update={"margin": 0.05})
    for cut in (LOOK - DAY, LOOK):
        frame = World(CASES, cut=cut).evaluated(endpoints=(smaller,)).run("endpoints")
        row = figure(frame, "planned_power")
        assert (row["status"], row["n"], row["events"]) == ("given", 20, 18)
        assert row["estimate"] == pytest.approx(0.076, abs=0.001)
        assert row["method"] == "power_from_retrospective;normal_approximation"


def test_retrospective_non_inferiority_is_no_way_around_the_look():
    sly = NON_INFERIOR.model_copy(update={"window": "retrospective"})
    frame = World(CASES, cut=LOOK - DAY).evaluated(endpoints=(sly,)).run("endpoints")
    assert set(frame.filter(pl.col("metric") != "planned_power")["status"]) == {"withheld"}


def test_power_that_cannot_be_computed_is_refused():
    auc = NON_INFERIOR.model_copy(update={"metric": "auc", "operating_point": None})
    frame = World(CASES).evaluated(endpoints=(auc,)).run("endpoints")
    assert figure(frame, "planned_power")["reason"] == "power_of_proportions_only"
    assert figure(frame, "auc_difference", look="2026-03-01")["status"] == "given"
    perfect = World(cases_of(4, "positive", 0.9)).evaluated(endpoints=(NON_INFERIOR,))
    assert figure(perfect.run("endpoints"), "planned_power")["status"] == "refused"


def test_auc_endpoint_is_of_the_primary_model():
    chosen = endpoint(metric="auc", operating_point=None)
    row = figure(
        World(CASES).evaluated(endpoints=(chosen,)).run("endpoints"), "auc", look="2026-03-01"
    )
    # 45 of 50 positives above all 90 low negatives, equal parts above, between and below the rest.
    assert row["estimate"] == pytest.approx((45 * 100 + 5 * 0) / (50 * 100))
    assert (row["model_id"], row["operating_point"]) == ("m-2", None)


def test_predictive_endpoint_is_weighted_where_fractions_are_stated():
    chosen = endpoint(metric="ppv")
    flat = World(CASES).evaluated(endpoints=(chosen,))
    assert value(flat.run("endpoints"), "ppv", look="2026-03-01") == pytest.approx(45 / 55)
    cases = [
        *cases_of(45, "positive", 0.9, date=AFTER, stratum="rich"),
        *cases_of(10, "negative", 0.8, date=AFTER, stratum="thin"),
        *cases_of(10, "negative", 0.1, date=AFTER, stratum="thin"),
    ]
    strata = (Stratum(name="rich", fraction=1.0), Stratum(name="thin", fraction=0.1))
    drawn = Sampling(method="random", strata=strata)
    world = World(cases, sampling=drawn).evaluated(endpoints=(chosen,))
    assert value(world.run("endpoints"), "ppv", look="2026-03-01") == pytest.approx(45 / 145)
    unknown = drawn.model_copy(update={"strata": strata[:1]})
    row = figure(world.but(sampling=unknown).run("endpoints"), "ppv", look="2026-03-01")
    assert (row["verdict"], row["status"]) == ("refused", "refused")
    difference = NON_INFERIOR.model_copy(update={"metric": "ppv"})
    refused = world.evaluated(endpoints=(difference,)).run("endpoints")
    assert figure(refused, "ppv_difference", look="2026-03-01")["verdict"] == "refused"


def test_endpoint_without_data_is_refused_not_met():
    for cases in ([], cases_of(5, "positive", None, status="failed", date=AFTER)):
        world = World(cases or cases_of(1, "positive", 0.9, date=BEFORE))
        row = figure(world.run("endpoints"), "sensitivity", look="2026-03-01")
        assert (row["status"], row["verdict"]) == ("refused", "refused")
