"""The chance that a goal had to be shown at a look, were the retrospective figure the truth."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    LOOK,
    World,
    cases_of,
    endpoint,
    figure,
    published_looks,
)
from scipy.stats import binom

from vpack_pipeline.protocol import Information, Look, Sampling, Stratum
from vpack_pipeline.stats.proportions import clustered_proportion

DAY = datetime.timedelta(days=1)
SEEN = [
    *cases_of(45, "positive", 0.9, date=AFTER),
    *cases_of(5, "positive", 0.1, date=AFTER),
    *cases_of(45, "negative", 0.2, date=AFTER),
    *cases_of(15, "negative", 0.8, date=AFTER),
]
EARLIER = [
    *cases_of(18, "positive", 0.9, date=BEFORE),
    *cases_of(2, "positive", 0.1, date=BEFORE),
    *cases_of(24, "negative", 0.2, date=BEFORE),
    *cases_of(6, "negative", 0.8, date=BEFORE),
]


def power(world: World, **changes: object) -> dict[str, object]:
    return figure(
        world.evaluated(endpoints=(endpoint(**changes),)).run("endpoints"), "planned_power"
    )


def chance(goal: float, truth: float, n: int, level: float = 0.95) -> float:
    """Sum the law over every count, with the interval that judges it."""
    total = 0.0
    for k in range(n + 1):
        success = np.arange(n) < k
        found = clustered_proportion(success, np.arange(n), level)
        total += binom.pmf(k, n, truth) * (found.lower is not None and found.lower > goal)
    return total


@pytest.mark.parametrize(
    ("metric", "n", "truth", "before"), [("sensitivity", 50, 0.9, 20), ("specificity", 60, 0.8, 30)]
)
@pytest.mark.parametrize("goal", [0.5, 0.75, 0.85])
def test_power_is_the_binomial_law_of_the_interval_that_judges(metric, n, truth, before, goal):
    row = power(World([*SEEN, *EARLIER]), metric=metric, goal=goal)
    assert row["estimate"] == pytest.approx(chance(goal, truth, n), abs=1e-9)
    assert (row["n"], row["events"], row["look"]) == (
        before,
        round(truth * before),
        LOOK.isoformat(),
    )
    assert row["method"] == "power_at_retrospective_rate;binomial_law_on_effective_size"
    assert (row["verdict"], row["is_headline"]) == (None, False)


def test_two_looks_have_the_power_of_the_level_of_the_look_that_speaks():
    looks = (Look(cut=LOOK), Look(cut=LOOK + 30 * DAY))
    planned = Information(positives=80)
    claim = endpoint(goal=0.75, information_max=planned)
    world = World([*SEEN, *EARLIER]).evaluated(looks=looks, endpoints=(claim,))
    frame = world.run("endpoints")
    alpha = figure(frame, "sensitivity", look=LOOK.isoformat())["alpha"]
    assert 0 < alpha < 0.025
    expected = chance(0.75, 0.9, 50, 1 - 2 * alpha)
    assert figure(frame, "planned_power")["estimate"] == pytest.approx(expected, abs=1e-9)


def test_patients_who_repeat_count_for_less():
    twice = [replace(c, patient=f"r{i // 2}") for i, c in enumerate(EARLIER)]
    alone = power(World([*SEEN, *EARLIER]), goal=0.8)
    assert power(World([*SEEN, *twice]), goal=0.8)["estimate"] < alone["estimate"]


def test_at_later_cuts_the_number_is_that_of_the_published_look():
    past = {
        **{"endpoint": endpoint().id, "look": LOOK.isoformat(), "verdict": "inconclusive"},
        **{"estimate": 0.9, "lower": 0.6, "upper": 0.97, "n": 30, "events": 27},
        **{"pack_version": "v1", "pack_digest": "abc", "alpha": 0.025},
    }
    given = {"published_looks": published_looks(past)}
    row = power(World([*SEEN, *EARLIER], cut=LOOK + 30 * DAY, given=given), goal=0.75)
    assert row["estimate"] == pytest.approx(chance(0.75, 0.9, 30), abs=1e-9)


def test_before_the_look_it_is_withheld_as_the_verdict_is():
    row = power(World([*SEEN, *EARLIER], cut=LOOK - DAY))
    assert (row["status"], row["n"], row["estimate"]) == ("withheld", None, None)


def test_a_look_that_its_pack_does_not_show_has_none():
    gone = dict.fromkeys(("estimate", "lower", "upper", "n", "events"))
    past = {
        **{"endpoint": endpoint().id, "look": LOOK.isoformat(), "verdict": "inconclusive"},
        **{"pack_version": "v1", "pack_digest": "abc", "alpha": 0.025},
    }
    given = {"published_looks": published_looks({**past, **gone})}
    row = power(World([*SEEN, *EARLIER], cut=LOOK + 30 * DAY, given=given))
    assert row["reason"] == "not_shown_in_pack"


def test_cases_under_sampling_weights_have_another_interval():
    strata = (Stratum(name="rich", fraction=1.0), Stratum(name="thin", fraction=0.1))
    drawn = [replace(c, stratum="thin" if i % 2 else "rich") for i, c in enumerate(SEEN)]
    sampling = Sampling(method="random", strata=strata)
    before = [replace(c, stratum="rich") for c in EARLIER]
    row = power(World([*drawn, *before], sampling=sampling))
    assert (row["status"], row["reason"]) == ("refused", "not_computed_weighted")


def test_labels_that_stand_for_no_others_give_no_truth():
    unlabelled = cases_of(400, None, 0.9, date=BEFORE)
    row = power(World([*SEEN, *EARLIER, *unlabelled]))
    assert (row["status"], row["reason"]) == ("refused", "few_labelled")


@pytest.mark.parametrize(
    ("cases", "changes", "reason"),
    [
        (
            [*SEEN, *EARLIER],
            {"metric": "auc", "operating_point": None},
            "power_of_proportions_only",
        ),
        ([*SEEN, *EARLIER[:18]], {}, "no_power_at_edge"),
        ([*SEEN, *EARLIER[18:20]], {}, "no_power_at_edge"),
        (SEEN, {}, "no_power_at_edge"),
        ([*SEEN[:3], *EARLIER], {}, "power_of_looks_taken_only"),
    ],
)
def test_it_is_refused_with_its_reason(cases, changes, reason):
    row = power(World(cases), **changes)
    assert (row["status"], row["reason"], row["estimate"]) == ("refused", reason, None)


def test_a_goal_of_the_retrospective_window_has_none():
    chosen = endpoint(window="retrospective")
    frame = World([*SEEN, *EARLIER]).evaluated(endpoints=(chosen,)).run("endpoints")
    assert set(frame["metric"]) == {"sensitivity"}
