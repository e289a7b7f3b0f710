"""What a protocol plans of its endpoints: refused where it cannot come true, and said in words."""

from __future__ import annotations

from typing import Any

import pytest

from vpack_pipeline.core.evaluation.endpoint_plan import (
    check_endpoints,
    plan_in_words,
    planned_levels,
)
from vpack_pipeline.core.evaluation.information import combined, planned_information
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.stats.sequential import look_levels
from vpack_pipeline_tests.documents import data_of

FIRST, SECOND, THIRD = "2027-03-01", "2027-06-01", "2027-09-01"


def planned(*claims: dict[str, Any], **evaluation: Any) -> Protocol:
    """The starter protocol with endpoints like its own, changed as told."""
    data = data_of("protocol.yaml")
    first = data["evaluation"]["endpoints"][0]
    made = [first | {"id": f"claim_{i}"} | claim for i, claim in enumerate(claims or [{}])]
    data["evaluation"] |= {"endpoints": made} | evaluation
    return Protocol.model_validate(data)


def told(*claims: dict[str, Any], **evaluation: Any) -> list[str]:
    return [str(problem) for problem in check_endpoints(planned(*claims, **evaluation))]


KEPT = {
    "rank": "secondary",
    "comparison": "non_inferiority",
    "goal": None,
    "margin": 0.05,
    "margin_rationale": "Why.",
}
TWO = [{"cut": FIRST}, {"cut": SECOND}]


def test_several_primary_endpoints_need_a_rule():
    (problem,) = told({}, {})
    assert "several endpoints are primary (claim_0, claim_1), and no rule judges them" in problem
    assert "add several_endpoints: all_must_be_met, fixed_sequence, holm" in problem
    assert told({}, {}, several_endpoints="holm") == []
    assert told({}, {"rank": "secondary"}) == []


@pytest.mark.parametrize(
    ("claim", "what"),
    [
        ({"goal": 1.0}, "1 is no goal for sensitivity, which lies within 0 and 1"),
        ({"goal": 0.0}, "0 is no goal"),
        ({**KEPT, "margin": 1.0}, "a margin of 1 tolerates any loss"),
        (
            {"information_max": {"negatives": 100}},
            "information_max.negatives: sensitivity does not use negatives — it uses positives",
        ),
        (
            {"information_max_retrospective": {"positives": 100}},
            "only non-inferiority compares with the retrospective window",
        ),
        (
            {"information_max": {"positives": 9}, "goal": 0.2},
            "9 patients with positives: fewer than minimum_patients, 10",
        ),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(claim, what):
    (problem,) = told(claim)
    assert what in problem


@pytest.mark.parametrize(("goal", "fewest"), [(0.8, 17), (0.85, 23), (0.9, 36), (0.95, 72)])
def test_a_goal_that_no_sample_could_meet_is_refused_with_the_fewest_that_could(goal, fewest):
    def problems(n: int) -> list[str]:
        return told({"goal": goal, "information_max": {"positives": n}})

    (problem,) = problems(fewest - 1)
    assert f"a goal that no sample could meet: of {fewest - 1} patients with positives" in problem
    assert f"it takes at least {fewest} patients with positives without a miss" in problem
    assert problems(fewest) == []
    (line,) = [x for x in plan_in_words(planned({"goal": goal}).evaluation) if "claim_0" in x]
    assert line.endswith(f"it takes at least {fewest} patients with positives without a miss")


def test_so_is_one_of_an_area_at_the_level_that_the_last_look_has_left():
    area = {"metric": "auc", "operating_point": None, "goal": 0.9}
    few = area | {"information_max": {"positives": 20, "negatives": 20}}
    (problem,) = told(few)
    assert "of 20 patients with positives and 20 patients with negatives without a miss" in problem
    assert "it takes at least 21 patients with positives, and as many with negatives" in problem
    enough = area | {"information_max": {"positives": 21, "negatives": 21}}
    assert told(enough) == []
    assert len(told(enough, looks=[{"cut": FIRST, "information": 0.9}, {"cut": SECOND}])) == 1


def test_of_a_difference_no_size_is_refused_but_the_smallest():
    claim = KEPT | {"information_max": {"positives": 10}}
    assert told({}, claim) == []
    assert len(told({}, claim, minimum_patients=11)) == 1


def test_several_looks_need_the_planned_information():
    (problem,) = told({}, looks=TWO)
    assert "claim_0.information_max: several looks spend alpha as information accrues" in problem
    assert "add the patients planned: {positives: 120}" in problem
    assert told({"information_max": {"positives": 120}}, looks=TWO) == []
    assert told({"window": "retrospective"}, looks=TWO) == []
    both = {"information_max": {"positives": 120}}
    (problem,) = told(both, KEPT | both, looks=TWO)
    assert "claim_1.information_max_retrospective" in problem


@pytest.mark.parametrize("stated", [(0.5, 0.4), (0.5, 0.5), (0.5, 0.9), (1.0, None)], ids=str)
def test_the_information_of_looks_rises_to_all_of_it(stated):
    looks = [{"cut": cut, "information": t} for cut, t in zip((FIRST, SECOND), stated, strict=True)]
    (problem,) = told({"information_max": {"positives": 120}}, looks=looks)
    assert "the information of looks does not rise to 1 at the last" in problem


def test_levels_are_planned_at_the_stated_information_or_at_equal_steps():
    looks = [
        {"cut": FIRST, "information": 0.2},
        {"cut": SECOND, "information": 0.6},
        {"cut": THIRD},
    ]
    claim = {"information_max": {"positives": 120}}
    made = planned(claim, looks=looks).evaluation
    assert planned_levels(made.endpoints[0], made, 0.025) == (None, *look_levels(0.025, [0.6, 1.0]))
    made = planned(claim, looks=TWO).evaluation
    assert planned_levels(made.endpoints[0], made, 0.025) == look_levels(0.025, [0.5, 1.0])


def test_the_plan_is_said_in_words():
    area = {"metric": "auc", "operating_point": None, "goal": 0.8}
    area["information_max"] = {"positives": 120, "negatives": 400}
    share = {"information_max": {"positives": 120}}
    kept = KEPT | share | {"information_max_retrospective": {"positives": 90}}
    looks = [
        {"cut": FIRST, "information": 0.2},
        {"cut": SECOND, "information": 0.5},
        {"cut": THIRD},
    ]
    made = planned(area, share, kept, looks=looks, several_endpoints="holm")
    assert list(check_endpoints(made)) == []
    at = (
        f"look of {FIRST} not taken, too little information,"
        f" look of {SECOND} at alpha 0.000412, up to 0.001525 as others are met,"
        f" look of {THIRD} at alpha 0.01236, up to 0.0245 as others are met"
    )
    alone = (
        f"look of {FIRST} not taken, too little information, look of {SECOND} at alpha 0.001525,"
        f" look of {THIRD} at alpha 0.0245"
    )
    assert plan_in_words(made.evaluation) == [
        "2 primary endpoints at one-sided alpha 0.025: by Holm's rule, alpha divided among those"
        " not met",
        f"claim_0 (primary): auc above 0.8, prospective; {at};"
        " it takes at least 11 patients with positives, and as many with negatives, ranked without an error",
        f"claim_1 (primary): sensitivity above 0.8, prospective; {at};"
        " it takes at least 17 patients with positives without a miss",
        f"claim_2 (secondary): sensitivity falls by less than 0.05 after the lock; {alone};"
        " it takes at least 73 patients with positives without a miss, and none missed before the lock",
    ]
    single = planned({"window": "retrospective"}).evaluation
    assert plan_in_words(single) == [
        "one-sided alpha 0.025 of each endpoint, over all its looks",
        "claim_0 (primary): sensitivity above 0.8, retrospective; at alpha 0.025;"
        " it takes at least 17 patients with positives without a miss",
    ]


def test_information_of_two_classes_and_of_two_windows_is_combined():
    area = {"metric": "auc", "operating_point": None}
    area["information_max"] = {"positives": 30, "negatives": 60}
    (claim,) = planned(area).evaluation.endpoints
    assert planned_information(claim) == combined([30, 60]) == pytest.approx(20)
    kept = KEPT | area | {"information_max_retrospective": {"positives": 30, "negatives": 60}}
    (claim,) = planned(kept).evaluation.endpoints
    assert planned_information(claim) == pytest.approx(10)
    del kept["information_max_retrospective"]
    (claim,) = planned(kept).evaluation.endpoints
    assert planned_information(claim) is None
