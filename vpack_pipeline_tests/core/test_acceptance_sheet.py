"""What a test of acceptance asks of a hospital, and what it refuses to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vpack_pipeline.core.acceptance import Hospital, Stated, acceptance_sheet
from vpack_pipeline.errors import UsageError
from vpack_pipeline.stats.acceptance import acceptance_power, highest_goal, two_phase_power

SENSITIVITY = Stated("sensitivity", 0.9, 0.85, 0.94)
SPECIFICITY = Stated("specificity", 0.88, 0.86, 0.9)
BOTH = (SENSITIVITY, SPECIFICITY)
LARGE = Hospital(cases_a_week=200, prevalence=0.1)
SMALL = Hospital(cases_a_week=40, prevalence=0.03)


def test_each_figure_has_the_root_of_the_power_and_its_own_cases() -> None:
    sheet = acceptance_sheet(BOTH, LARGE)
    sensitivity, specificity = sheet.asked
    assert sheet.power_of_each == pytest.approx(0.8**0.5)
    assert sensitivity.goal == pytest.approx(0.85)
    assert (sensitivity.local, specificity.local) == (1040, 9360)
    assert sensitivity.alone == 378
    assert sensitivity.together is not None
    assert acceptance_power(0.85, 0.9, sensitivity.together) >= 0.8**0.5
    # 20 cases with the finding a week.
    assert sensitivity.weeks == -(-sensitivity.together // 20)
    assert sheet.weeks == sensitivity.weeks
    assert sheet.can_be_shown


def test_what_a_small_hospital_can_show_is_said() -> None:
    sheet = acceptance_sheet(BOTH, SMALL)
    sensitivity = sheet.asked[0]
    assert not sheet.can_be_shown
    assert sensitivity.local == 62
    assert sensitivity.highest_goal == highest_goal(0.9, 62, 0.8**0.5)
    assert sensitivity.margin_that_can == pytest.approx(0.9 - (sensitivity.highest_goal or 0))
    assert sheet.two_phase is None


def test_a_hospital_without_a_case_shows_nothing() -> None:
    sheet = acceptance_sheet(BOTH, replace(SMALL, cases_a_week=0.1))
    assert sheet.asked[0].margin_that_can is None


def test_fewer_labels_do_for_both_figures() -> None:
    sheet = acceptance_sheet(BOTH, LARGE)
    two = sheet.two_phase
    assert two is not None
    each = sheet.power_of_each
    sensitivity, specificity = sheet.asked
    assert two_phase_power(sensitivity.goal, 0.9, sensitivity.local, two.share) >= each
    of_negatives = (specificity.goal, 0.88, specificity.local, two.share)
    assert two_phase_power(*of_negatives, sampled="successes") >= each
    flagged = 0.1 * 0.9 + 0.9 * 0.12
    assert two.labels_a_week == pytest.approx(200 * (flagged + two.share * (1 - flagged)))


def test_weeks_are_not_foreseen_where_more_than_a_million_cases_are_needed() -> None:
    sheet = acceptance_sheet(BOTH, replace(LARGE, margin=0.0004))
    assert sheet.asked[0].together is None
    assert sheet.weeks is None


def test_an_assumed_truth_replaces_the_packs_figure() -> None:
    worse = acceptance_sheet(BOTH, LARGE, {"sensitivity": 0.87}).asked[0]
    assert worse.truth == 0.87
    assert (worse.alone or 0) > 378


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cases_a_week", 0.0, "cases a week: 0 is not between"),
        ("cases_a_week", float("nan"), "cases a week: nan"),
        ("prevalence", 3.0, "write 3% as 0.03"),
        ("prevalence", 0.0, "prevalence: 0"),
        ("prevalence", 1.0, "prevalence: 1"),
        ("weeks", 0, "give 1 to 999 weeks"),
        ("margin", 5.0, "write 5 points as 0.05"),
        ("power", 1.0, "power: 1"),
        ("level", 0.0, "level: 0"),
        ("design_effect", 0.5, "design effect: 0.5 is below 1"),
    ],
)
def test_what_no_hospital_says_is_refused(field: str, value: float, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        acceptance_sheet(BOTH, replace(LARGE, **{field: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "truths", "words"),
    [
        (replace(SENSITIVITY, estimate=1.0), {}, "say what sensitivity you assume"),
        (replace(SENSITIVITY, estimate=0.04), {}, "give a smaller margin"),
        (SENSITIVITY, {"sensitivity": 0.85}, "does not lie above the goal"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    stated: Stated, truths: dict[str, float], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        acceptance_sheet((stated, SPECIFICITY), LARGE, truths)
