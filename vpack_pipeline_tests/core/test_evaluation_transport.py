"""Counts by cell, and the figures that are carried to another population by them alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    INDEX_TEST,
    LOOK,
    PROFILE,
    Case,
    World,
    cases_of,
    endpoint,
    figure,
    population,
    value,
)

from vpack_pipeline.core.transport import COUNTS
from vpack_pipeline.core.transport_variables import transport_variables
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Output,
    Representativeness,
    Sampling,
    Stratum,
    Variable,
)
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.proportions import design_effect

WOMEN_AND_MEN = [
    *cases_of(9, "positive", 0.9, sex="F"),
    *cases_of(1, "positive", 0.1, sex="F"),
    *cases_of(30, "negative", 0.1, sex="F"),
    *cases_of(5, "positive", 0.9, sex="M"),
    *cases_of(5, "positive", 0.1, sex="M"),
    *cases_of(10, "negative", 0.9, sex="M"),
]
LOCKED = {"operating_point": "locked", "speaks_for": "in_target"}
SUPPORT = {"operating_point": "none", "speaks_for": "in_target"}
WARD = Variable(name="ward", title="Ward", kind="categorical", levels=("a", "b"))
WARDS = (Covariate(name="ward", title="Ward", type="string"),)
BOTH = Representativeness(variables=(*PROFILE.variables, WARD), transport=("sex", "ward"))


def target(**counts):
    named = {"F": '{"sex": "F"}', "M": '{"sex": "M"}', "other": '{"sex": "other"}'}
    return {"population": population({named[k]: n for k, n in counts.items()})}


def carried(world):
    return world.run("transport")


def by_ward(cases):
    return [replace(case, covariates={"ward": "ab"[i % 2]}) for i, case in enumerate(cases)]


# --- cells


def tallied(cases):
    """Count by sex, label and call, one case after another."""
    found = {sex: Counter(dict.fromkeys(COUNTS, 0)) for sex in "FM"}
    for case in cases:
        at, is_flagged = found[case.sex], (case.score or 0) >= 0.5
        at["n_cases"] += 1
        if case.label == "positive":
            at["n_positive"] += 1
            at["tp"] += is_flagged
        elif case.label == "negative":
            at["n_negative"] += 1
            at["tn"] += not is_flagged
        else:
            at["undecided_cases"] += 1
            at["undecided_cases_flagged"] += is_flagged
    return found


def test_cells_count_cases_by_label_and_call():
    cases = [
        *WOMEN_AND_MEN,
        Case("indeterminate", 0.7),
        Case(None, 0.2),
        Case("positive", None, status="failed", sex="M"),
    ]
    frame = World(cases).run("transport_cells")
    for sex, counts in tallied(cases).items():
        for name, n in counts.items():
            row = figure(frame, name, stratum=sex)
            assert (row["estimate"], row["n"]) == (n, counts["n_cases"]), (sex, name)
    assert frame["stratum_kind"].unique().to_list() == ["sex"]


def test_design_effects_are_those_of_the_shares_by_patient():
    cases = [replace(c, patient=f"p{i // 3}") for i, c in enumerate(WOMEN_AND_MEN)]
    frame = World(cases).run("transport_cells")
    hits, sizes = Counter(), Counter()
    for case in cases:
        if case.label == "positive":
            sizes[case.patient] += 1
            hits[case.patient] += case.score >= 0.5
    expected = design_effect(
        pl.Series([float(hits[p]) for p in sizes]).to_numpy(),
        pl.Series([float(n) for n in sizes.values()]).to_numpy(),
    )
    found = value(frame, "design_effect_positives", stratum="*")
    assert found == pytest.approx(expected)
    assert found > 1
    assert value(frame, "design_effect_negatives", stratum="*") > 1
    assert value(frame, "design_effect_cases", stratum="*") > 1
    assert value(World(WOMEN_AND_MEN).run("transport_cells"), "design_effect_cases") == 1


def test_a_missing_value_is_counted_and_has_no_results():
    frame = World([*WOMEN_AND_MEN, Case("positive", 0.9, sex=None)]).run("transport_cells")
    assert value(frame, "n_cases", stratum="missing") == 1
    assert figure(frame, "tp", stratum="missing")["reason"] == "missing_has_no_results"


def test_people_nine_tenths_of_whom_are_positive_have_no_results():
    mostly = [*cases_of(18, "positive", 0.9), Case("negative", 0.1), *WOMEN_AND_MEN[40:]]
    people = World(mostly, are_people=True).run("transport_cells")
    row = figure(people, "tp", stratum="F")
    assert (row["status"], row["reason"]) == ("refused", "mostly_positive")
    assert value(people, "n_cases", stratum="F") == 19
    assert value(World(mostly).run("transport_cells"), "tp", stratum="F") == 18
    # Nothing is printed of the cell, so that it supports nothing either.
    there = carried(World(mostly, are_people=True, given=target(F=10, M=10)))
    assert figure(there, "sensitivity", **LOCKED)["reason"] == "cells_without_case"


def test_a_set_that_cannot_be_described_has_no_cells():
    few = [*WOMEN_AND_MEN, *cases_of(3, "positive", 0.9, sex="M", date=AFTER)]
    frame = World(few, are_people=True).run("transport_cells")
    rows = frame.filter(window="prospective", stratum="M")
    assert rows["reason"].unique().to_list() == ["set_too_small"]
    there = carried(World(few, are_people=True, given=target(F=10, M=10)))
    row = figure(there, "sensitivity", window="prospective", **LOCKED)
    assert row["reason"] == "set_too_small"


def test_without_a_usable_inference_cells_are_counted_alone():
    frame = World(cases_of(3, "positive", None, status="failed")).run("transport_cells")
    assert value(frame, "n_cases", stratum="F") == 3
    assert figure(frame, "tp", stratum="F")["reason"] == "no_usable_inference"


def test_the_prospective_window_stays_shut_until_its_look():
    world = World([*WOMEN_AND_MEN, *cases_of(20, "positive", 0.9, date=AFTER)])
    early = world.but(cut=LOOK.replace(month=1), given=target(F=1, M=1))
    frame = early.run("transport_cells").filter(window="prospective")
    shut = frame.filter(pl.col("metric") != "n_cases")["status"]
    assert shut.unique().to_list() == ["withheld"]
    there = carried(early).filter(window="prospective")
    assert there["status"].unique().to_list() == ["withheld"]


def test_by_default_cells_are_those_of_the_setting_and_the_machine():
    def named(*names, **rest):
        made = [
            Variable(name=n, title=n, kind="categorical", levels=("x",))
            for n in ("age_years", *names)
        ]
        return transport_variables(Representativeness(variables=tuple(made), **rest))

    assert named("manufacturer", "sex", "setting") == ("manufacturer", "setting")
    assert named("model", "manufacturer") == ("model",)
    assert named("sex") == ()
    assert named("sex", "setting", transport=("setting", "sex")) == ("sex", "setting")


def test_without_a_variable_there_is_no_cell_and_a_reason():
    plain = Representativeness(variables=PROFILE.variables)
    world = World(WOMEN_AND_MEN, representativeness=plain, given=target(F=1, M=1))
    assert world.run("transport_cells").is_empty()
    there = carried(world)
    assert there["reason"].unique().to_list() == ["no_transport_variable"]


# --- figures in the target


def test_transport_weighs_by_target_share_over_share_here():
    frame = carried(World(WOMEN_AND_MEN, given=target(F=1, M=3)))
    # Women weigh (1/4) / (40/60), men (3/4) / (20/60).
    women, men = 0.25 / (40 / 60), 0.75 / (20 / 60)
    hits, misses = 9 * women + 5 * men, 1 * women + 5 * men
    assert value(frame, "sensitivity", **LOCKED) == pytest.approx(hits / (hits + misses))
    assert value(frame, "specificity", **LOCKED) == pytest.approx(
        30 * women / (30 * women + 10 * men)
    )
    flagged = 1000 * (9 * women + 15 * men) / 60
    assert value(frame, "flagged_per_1000", **LOCKED) == pytest.approx(flagged)
    weights = [women] * 40 + [men] * 20
    size = sum(weights) ** 2 / sum(w**2 for w in weights)
    assert value(frame, "effective_sample_size", **SUPPORT) == pytest.approx(size)


def test_transport_to_the_set_itself_changes_nothing():
    world = World(WOMEN_AND_MEN, given=target(F=40, M=20))
    moved, plain = carried(world), world.run("operating_points")
    for metric in ("sensitivity", "specificity", "ppv", "npv", "missed_per_1000"):
        here = figure(plain, metric, analysis="intention_to_diagnose")
        there = figure(moved, metric, **LOCKED)
        own = figure(moved, metric, operating_point="locked", speaks_for="here")
        for row in (there, own):
            assert row["estimate"] == pytest.approx(here["estimate"])
            assert (row["n"], row["events"]) == (here["n"], here["events"])
        assert there["lower"] < here["estimate"] < there["upper"]


def test_the_assumption_stands_beside_every_figure_in_the_target():
    frame = carried(World(WOMEN_AND_MEN, given=target(F=1, M=3)))
    there = frame.filter(speaks_for="in_target", operating_point="locked", status="given")
    assert there.height == 8
    assert all("same_within_cells" in notes for notes in there["notes"])


def test_cases_without_a_place_in_the_target_stand_beside_it():
    frame = carried(World(WOMEN_AND_MEN, given=target(F=1)))
    row = figure(frame, "sensitivity", **LOCKED)
    assert (row["estimate"], row["n"]) == (pytest.approx(0.9), 10)
    assert "cases_left_out" in row["notes"]
    outside = figure(frame, "sensitivity", operating_point="locked", speaks_for="outside_target")
    assert (outside["estimate"], outside["n"], outside["events"]) == (0.5, 10, 5)
    here = figure(frame, "sensitivity", operating_point="locked", speaks_for="here")
    assert (here["estimate"], here["n"]) == (pytest.approx(14 / 20), 20)
    whole = carried(World(WOMEN_AND_MEN, given=target(F=1, M=1)))
    row = figure(whole, "sensitivity", operating_point="locked", speaks_for="outside_target")
    assert row["reason"] == "no_case_outside_target"


def test_cases_that_enter_no_figure_are_counted_by_why():
    cases = [*WOMEN_AND_MEN, *cases_of(4, "positive", 0.9, sex=None)]
    frame = carried(World(cases, given=target(F=1)))
    row = figure(frame, "n_weight_zero", **SUPPORT)
    assert (row["estimate"], row["n"], row["events"]) == (24, 64, 24)
    for why, events in (("missing_value", 4), ("not_in_target", 20)):
        row = figure(frame, f"share_weight_zero_{why}", **SUPPORT)
        assert (row["estimate"], row["n"], row["events"]) == (events / 64, 64, events)
    assert figure(frame, "effective_sample_size", **SUPPORT)["n"] == 40


def test_up_to_a_tenth_of_the_target_may_lie_in_cells_without_a_case():
    tenth = carried(World(WOMEN_AND_MEN, given=target(F=60, M=30, other=10)))
    row = figure(tenth, "specificity", **LOCKED)
    assert row["status"] == "given"
    assert "cells_without_case" in row["notes"]
    more = carried(World(WOMEN_AND_MEN, given=target(F=60, M=30, other=11)))
    row = figure(more, "specificity", **LOCKED)
    assert (row["status"], row["reason"]) == ("refused", "cells_without_case")
    assert value(more, "unsupported_cells", **SUPPORT) == 1
    assert value(more, "unsupported_share", **SUPPORT) == pytest.approx(11 / 101)
    alone = carried(World(WOMEN_AND_MEN, given=target(other=1)))
    assert figure(alone, "specificity", **LOCKED)["reason"] == "cells_without_case"
    here = figure(alone, "specificity", operating_point="locked", speaks_for="here")
    assert here["status"] == "given"


def test_cells_with_few_positives_are_named_with_their_share():
    cases = [*WOMEN_AND_MEN, *cases_of(4, "positive", 0.9, sex="X"), Case("negative", sex="X")]
    frame = carried(World(cases, given=target(F=30, other=10)))
    row = figure(frame, "sensitivity", **LOCKED)
    assert "cells_with_few_positives" in row["notes"]
    assert json.loads(row["detail"])["cells_with_few_positives.cells"] == ["other"]
    assert "few" not in figure(frame, "specificity", **LOCKED)["notes"]
    assert value(frame, "share_few_positives", **SUPPORT) == pytest.approx(0.25)


def test_transport_without_a_target_or_cases_is_refused():
    empty = {"population": population({})}
    row = figure(carried(World(WOMEN_AND_MEN, given=empty)), "sensitivity", **LOCKED)
    assert row["reason"] == "no_target"
    frame = carried(World(WOMEN_AND_MEN, given=target(F=1)))
    row = figure(frame, "sensitivity", window="prospective", **LOCKED)
    assert row["status"] == "refused"


def test_transport_names_a_variable_that_is_not_profiled():
    given = {"population": population({'{"shoe_size": "41"}': 3})}
    with pytest.raises(InputError, match="shoe_size: is not profiled"):
        carried(World(WOMEN_AND_MEN, given=given))


def test_transport_of_people_rests_on_printed_cells():
    people = World(WOMEN_AND_MEN, are_people=True)
    plain = carried(World(WOMEN_AND_MEN, given=target(F=10, M=30)))
    assert carried(people.but(given=target(F=10, M=30))).equals(plain)
    few = carried(people.but(given=target(F=10, M=3)))
    for metric, at in (("sensitivity", LOCKED), ("target_cells", SUPPORT)):
        assert figure(few, metric, **at)["reason"] == "set_too_small"


def test_variables_of_transport_are_described_together():
    cells = {f'{{"sex": "{s}", "ward": "{w}"}}': 20 for s in "FM" for w in "ab"}
    given = {"population": population(cells)}
    world = World(
        by_ward(WOMEN_AND_MEN),
        representativeness=BOTH,
        covariates=WARDS,
        are_people=True,
        given=given,
    )
    assert value(carried(world), "target_cells", **SUPPORT) == 4
    assert value(carried(world), "sensitivity", **LOCKED) is not None
    folded = carried(world.but(disclosure=Disclosure(smallest_group=41)))
    assert figure(folded, "sensitivity", **LOCKED)["reason"] == "one_common_cell"


# --- margins


MARGINS = {
    '{"sex": "F"}': 30,
    '{"sex": "M"}': 30,
    '{"ward": "a"}': 40,
    '{"ward": "b"}': 20,
}


def of_margins(**rest):
    given = {"population": population(MARGINS)}
    # In the first ward every man and woman is found, in the second half of them.
    cases = [
        *cases_of(20, "positive", 0.9, sex="F", covariates={"ward": "a"}),
        *cases_of(20, "positive", 0.9, sex="M", covariates={"ward": "a"}),
        *cases_of(20, "positive", 0.9, sex="F", covariates={"ward": "b"}),
        *cases_of(20, "positive", 0.1, sex="M", covariates={"ward": "b"}),
        *(
            c
            for s in "FM"
            for w in "ab"
            for c in cases_of(20, "negative", 0.1, sex=s, covariates={"ward": w})
        ),
    ]
    return World(cases, representativeness=BOTH, covariates=WARDS, given=given, **rest)


def test_margins_give_the_nearest_joint_table_between_the_lowest_and_the_highest():
    frame = carried(of_margins())
    row = figure(frame, "sensitivity", **LOCKED)
    # Raking an even table gives the product of its margins: a sixth are men of the second ward.
    assert row["estimate"] == pytest.approx(5 / 6)
    assert (row["lower"], row["upper"]) == (None, None)
    assert "no_interval_of_margins" in row["notes"]
    low, high = (
        value(frame, "sensitivity", operating_point="locked", speaks_for=f"{end}_in_target")
        for end in ("lowest", "highest")
    )
    # From 0 to 20 of the 60 may be men of the second ward.
    assert (low, high) == (pytest.approx(2 / 3), pytest.approx(1.0))


def test_margins_are_refused_where_their_tables_lie_on_both_sides_of_a_goal():
    crossed = of_margins().evaluated(endpoints=(endpoint(goal=0.8),))
    row = figure(carried(crossed), "sensitivity", **LOCKED)
    assert (row["status"], row["reason"]) == ("refused", "margins_cross_goal")
    below = of_margins().evaluated(endpoints=(endpoint(goal=0.6),))
    assert figure(carried(below), "sensitivity", **LOCKED)["status"] == "given"


def test_margins_of_people_need_enough_persons_in_each_level():
    few = {"population": population({**MARGINS, '{"sex": "F"}': 57, '{"sex": "M"}': 3})}
    people = of_margins(are_people=True)
    assert figure(carried(people), "sensitivity", **LOCKED)["status"] == "given"
    refused = carried(people.but(given=few))
    assert figure(refused, "sensitivity", **LOCKED)["reason"] == "set_too_small"


def test_margins_of_one_variable_are_its_joint_cells():
    given = {"population": population({'{"sex": "F"}': 10, '{"sex": "M"}': 30})}
    world = of_margins()
    one = carried(world.but(given=given))
    assert value(one, "sensitivity", **LOCKED) == pytest.approx(0.25 + 0.75 / 2)
    assert figure(one, "sensitivity", **LOCKED)["lower"] is not None
    assert value(one, "target_cells", **SUPPORT) == 2
    assert value(one, "unsupported_cells", **SUPPORT) == 0


# --- sampling


def test_sampling_fractions_are_undone_before_the_shares_are_compared():
    cases = [
        *cases_of(10, "positive", 0.9, sex="F", stratum="full"),
        *cases_of(5, "negative", 0.1, sex="F", stratum="full"),
        *cases_of(1, "positive", 0.1, sex="M", stratum="tenth"),
        *cases_of(1, "negative", 0.1, sex="M", stratum="full"),
    ]
    strata = (Stratum(name="full", fraction=1.0), Stratum(name="tenth", fraction=0.1))
    sampling = Sampling(method="random", strata=strata)
    world = World(cases, sampling=sampling, given=target(F=15, M=11))
    cells = world.run("transport_cells")
    assert value(cells, "weighted_n_cases", stratum="M") == 11
    assert value(cells, "weighted_n_positive", stratum="M") == 10
    # Undone, there are 15 women and 11 men, which is what the target holds.
    frame = carried(world)
    row = figure(frame, "sensitivity", **LOCKED)
    assert row["estimate"] == pytest.approx(0.5)
    assert (row["lower"], row["n"]) == (None, 11)
    assert figure(frame, "effective_sample_size", **SUPPORT)["reason"] == "not_computed_weighted"
    unknown = world.but(sampling=sampling.model_copy(update={"strata": strata[:1]}))
    for metric, at in (("sensitivity", LOCKED), ("n_weight_zero", SUPPORT)):
        assert figure(carried(unknown), metric, **at)["reason"] == "no_sampling_fraction"


def test_equal_fractions_count_cases_once_and_keep_the_interval():
    strata = (Stratum(name="all", fraction=0.5),)
    sampling = Sampling(method="random", strata=strata, depends_on=("label",))
    world = World(WOMEN_AND_MEN, sampling=sampling, given=target(F=1, M=3))
    drawn, plain = carried(world), carried(World(WOMEN_AND_MEN, given=target(F=1, M=3)))
    assert drawn.equals(plain)


def test_wilsons_bounds_use_the_level_of_the_protocol():
    world = World(WOMEN_AND_MEN, given=target(F=1, M=3))
    wide, narrow = (
        figure(carried(w), "sensitivity", **LOCKED)
        for w in (
            world,
            world.evaluated(interval=world.evaluation.interval.model_copy(update={"level": 0.5})),
        )
    )
    assert normal_quantile(0.5) < normal_quantile(0.95)
    assert wide["lower"] < narrow["lower"] < narrow["upper"] < wide["upper"]


def test_binary_output_has_cells_and_figures():
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    cases = [
        Case("positive", None, call=True),
        Case("positive", None, call=False, sex="M"),
        Case("negative", None, call=False),
    ]
    frame = carried(World(cases, index_test=binary, given=target(F=1, M=1)))
    assert value(frame, "sensitivity", **LOCKED) == pytest.approx(0.5 / 1.5)
