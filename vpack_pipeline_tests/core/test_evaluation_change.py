"""What the primary model's change is made of, by variable and by device."""

from __future__ import annotations

import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    LOOK,
    Case,
    World,
    cases_of,
    figure,
    printed_words,
    value,
)

from vpack_pipeline.protocol import Representativeness, Sampling, Stratum, Variable


def study(counts):
    """Cases by (date, sex, label): how many are right and how many wrong."""
    made = []
    for (date, sex, label), (right, wrong) in counts.items():
        good, bad = (0.9, 0.1) if label == "positive" else (0.1, 0.9)
        made += cases_of(right, label, good, date=date, sex=sex)
        made += cases_of(wrong, label, bad, date=date, sex=sex)
    return made


# Women: .9 before and .8 after; men .6 and .6. Half of the positives are men before, four fifths after.
CASES = study(
    {
        (BEFORE, "F", "positive"): (45, 5),
        (BEFORE, "M", "positive"): (30, 20),
        (AFTER, "F", "positive"): (16, 4),
        (AFTER, "M", "positive"): (48, 32),
        (BEFORE, "F", "negative"): (36, 4),
        (AFTER, "F", "negative"): (36, 4),
        (AFTER, "M", "negative"): (20, 0),
    }
)
SEX = {"stratum_kind": "sex"}
PARTS = ("mix", "like", "new_cells", "lost_cells", "new_device")


@pytest.fixture(scope="module")
def found():
    return World(CASES).run("change")


def test_parts_are_those_worked_by_hand(found):
    assert value(found, "change_sensitivity", **SEX) == pytest.approx(0.64 - 0.75)
    assert value(found, "change_mix_sensitivity", **SEX) == pytest.approx(-0.3 * 0.9 + 0.3 * 0.6)
    assert value(found, "change_like_sensitivity", **SEX) == pytest.approx(0.2 * -0.1)
    reverse = value(found, "change_mix_reversed_sensitivity", **SEX)
    assert reverse == pytest.approx(-0.3 * 0.8 + 0.3 * 0.6)
    assert value(found, "change_like_reversed_sensitivity", **SEX) == pytest.approx(0.5 * -0.1)
    row = figure(found, "change_like_sensitivity", **SEX)
    assert (row["n"], row["events"]) == (200, 139)
    assert row["lower"] < row["estimate"] < row["upper"]


def test_whole_change_has_the_interval_that_comparison_gives_it(found):
    for metric in ("sensitivity", "specificity"):
        whole = figure(found, f"change_{metric}", **SEX)
        want = figure(World(CASES).run("comparison"), f"{metric}_difference")
        parts = ("estimate", "lower", "upper", "method", "n", "events")
        assert [whole[p] for p in parts] == [want[p] for p in parts]


def test_cells_that_one_window_alone_has_are_parts_of_their_own(found):
    """No man is negative before: what they add after is the new cells'."""
    assert value(found, "change_new_cells_specificity", **SEX) == pytest.approx(56 / 60 - 0.9)
    assert value(found, "change_lost_cells_specificity", **SEX) == pytest.approx(0)
    parts = sum(value(found, f"change_{part}_specificity", **SEX) for part in PARTS)
    assert parts == pytest.approx(value(found, "change_specificity", **SEX))


def headed(world, maker_of):
    makers = pl.Series("manufacturer", [maker_of(case) for case in world.cases], dtype=pl.String)
    cases = world.argument("cases").with_columns(makers)
    words = printed_words({"manufacturer": {m: m for m in set(makers) if m}})
    return world.but(given={"cases": cases, "printed_words": words})


def test_of_cases_drawn_by_call_the_parts_of_weight_add_up():
    """All flagged positives and one in five of those that were missed."""
    strata = (Stratum(name="all", fraction=1.0), Stratum(name="cleared", fraction=0.2))
    sampling = Sampling(method="random", depends_on=("score",), strata=strata)

    def of(date, sex, n_hit, n_missed):
        return [
            *cases_of(n_hit, "positive", 0.9, sex=sex, date=date),
            *cases_of(n_missed, "positive", 0.1, sex=sex, date=date, stratum="cleared"),
            *cases_of(10, "negative", 0.1, sex=sex, date=date, stratum="cleared"),
        ]

    cases = [*of(BEFORE, "F", 40, 2), *of(BEFORE, "M", 30, 1)]
    cases += [*of(AFTER, "F", 20, 2), *of(AFTER, "M", 60, 4)]
    made = World(cases, sampling=sampling)
    frame = made.run("change").filter(stratum_kind="sex")
    part = {
        row["metric"].removesuffix("_sensitivity"): row
        for row in frame.rows(named=True)
        if row["metric"].endswith("_sensitivity")
    }
    p0, p1 = {"F": 40 / 50, "M": 30 / 35}, {"F": 20 / 30, "M": 60 / 80}
    w0, w1 = {"F": 50 / 85, "M": 35 / 85}, {"F": 30 / 110, "M": 80 / 110}
    mix = sum((w1[s] - w0[s]) * p0[s] for s in "FM")
    like = sum(w1[s] * (p1[s] - p0[s]) for s in "FM")
    assert part["change_mix"]["estimate"] == pytest.approx(mix)
    assert part["change_like"]["estimate"] == pytest.approx(like)
    assert part["change"]["estimate"] == pytest.approx(mix + like)
    assert part["change_mix"]["lower"] is None
    assert part["change_mix"]["notes"] == "no_interval_of_weighted_part"
    assert "weighted" in part["change_mix"]["method"].split(";")
    whole = figure(made.run("comparison"), "sensitivity_difference")
    for name in ("estimate", "lower", "upper"):
        assert part["change"][name] == whole[name]


def test_new_device_is_taken_out_of_every_variables_cells():
    def maker_of(case):
        return (
            "New"
            if case.date == AFTER and case.sex == "F"
            else None
            if case.score is None
            else "Old"
        )

    frame = headed(World(CASES), maker_of).run("change")
    assert set(frame["stratum_kind"]) == {"sex", "manufacturer"}
    for kind in ("sex", "manufacturer"):
        where = {"stratum_kind": kind}
        assert value(frame, "change_new_device_sensitivity", **where) == pytest.approx(0.64 - 0.6)
        parts = sum(value(frame, f"change_{part}_sensitivity", **where) for part in PARTS)
        assert parts == pytest.approx(-0.11)
    # Without the new device no woman is left after the lock.
    assert value(frame, "change_lost_cells_sensitivity", **SEX) == pytest.approx(0.6 - 0.75)
    assert value(frame, "change_like_sensitivity", **SEX) == pytest.approx(0)


def test_variables_that_are_described_together_are_one_row_set():
    profile = Representativeness(
        variables=(
            Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")),
            Variable(name="stratum", title="Part", kind="categorical", levels=("all", "b")),
        ),
        joint=(("sex", "stratum"),),
    )
    frame = World(CASES, representativeness=profile).run("change")
    assert set(frame["stratum_kind"]) == {"sex", "sex × stratum"}
    both = {"stratum_kind": "sex × stratum"}
    for metric in ("change_mix_sensitivity", "change_like_specificity"):
        assert value(frame, metric, **both) == pytest.approx(value(frame, metric, **SEX))


def test_people_who_cannot_be_described_are_no_cells():
    alike = [*CASES, *cases_of(2, "positive", 0.9, sex=None)]
    assert value(World(alike, are_people=True).run("change"), "change_sensitivity", **SEX)
    one = study({(d, "F", y): (20, 5) for d in (BEFORE, AFTER) for y in ("positive", "negative")})
    few = [*one, *cases_of(2, "positive", 0.9, sex="M")]
    row = figure(World(few, are_people=True).run("change"), "change_mix_sensitivity", **SEX)
    assert row["reason"] == "cells_folded_into_one"
    before = [c for c in CASES if c.date == BEFORE]
    after = [Case("positive", 0.9, date=AFTER, sex=sex) for sex in "FFM"]
    frame = World([*before, *after], are_people=True).run("change")
    assert figure(frame, "change_mix_sensitivity", **SEX)["reason"] == "set_too_small"


def test_what_cannot_be_compared_says_why():
    before = [c for c in CASES if c.date == BEFORE]
    row = figure(World(before).run("change"), "change_sensitivity", **SEX)
    assert row["reason"] == "no_usable_inference"
    bare = World(CASES).evaluated(operating_points=()).run("change")
    assert set(bare["reason"]) == {"no_operating_point"}
    early = World(CASES, cut=LOOK.replace(month=2)).run("change")
    assert set(early["status"]) == {"withheld"}
    apart = [Case(c.label, c.score, date=c.date, sex="FM"[c.date == AFTER]) for c in CASES]
    frame = World(apart).run("change")
    assert value(frame, "change_sensitivity", **SEX) == pytest.approx(-0.11)
    row = figure(frame, "change_like_reversed_specificity", **SEX)
    assert row["reason"] == "no_cell_on_both_sides"
