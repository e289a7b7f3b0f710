"""What a review of misses and false alarms found: counted by hand, and refused where nobody looked."""

from __future__ import annotations

import datetime
import json

import polars as pl
import pytest
from evaluation_world import AFTER, LOOK, Case, World, cases_of, figure, reviews

from vpack_pipeline import contracts
from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.error_causes import CAUSES, REVIEWERS

# c0 to c3 are missed, c4 is found, c5 and c6 are false alarms, c7 to c9 are cleared, c10 undecided.
CASES = [
    *cases_of(4, "positive", 0.1),
    Case("positive", 0.9),
    *cases_of(2, "negative", 0.9),
    *cases_of(3, "negative", 0.1),
    Case(None, 0.9),
]
REVIEWS = reviews(
    {"case_id": "c00000", "blinded": True, "label_upheld": True},
    {"case_id": "c00001", "cause": "obscured", "blinded": False, "label_upheld": False},
    {"case_id": "c00002", "blinded": True, "reviewer_role": "vendor"},
    {"case_id": "c00003", "in_force": False},
    {"case_id": "c00005", "cause": "device"},
    # No error at the locked point, an undecided case, another finding.
    {"case_id": "c00004", "cause": "other"},
    {"case_id": "c00010"},
    {"case_id": "c00006", "finding": "effusion"},
)


def found() -> pl.DataFrame:
    return World(CASES, given={"reviews": REVIEWS}).run("error_review")


@pytest.mark.parametrize(
    ("kind", "metric", "events", "n"),
    [
        ("miss", "n_errors", 4, 4),
        ("miss", "n_reviewed", 3, 4),
        ("miss", "reviewed_share", 3, 4),
        ("miss", "cause_subtle", 2, 3),
        ("miss", "cause_obscured", 1, 3),
        ("miss", "cause_device", 0, 3),
        ("miss", "reviewer_radiologist", 2, 3),
        ("miss", "reviewer_vendor", 1, 3),
        ("miss", "blinded_review_share", 2, 3),
        ("miss", "label_upheld_share", 1, 2),
        ("false_alarm", "n_errors", 2, 2),
        ("false_alarm", "n_reviewed", 1, 2),
        ("false_alarm", "cause_device", 1, 1),
        ("no_error", "n_reviewed", 1, 4),
    ],
)
def test_errors_are_counted_by_what_their_review_says(
    kind: str, metric: str, events: int, n: int
) -> None:
    row = figure(found(), metric, error_kind=kind)
    assert (row["status"], row["events"], row["n"]) == ("given", events, n)
    assert row["estimate"] == pytest.approx(events if metric.startswith("n_") else events / n)
    assert row["lower"] is None


def test_what_no_review_states_is_no_share() -> None:
    row = figure(found(), "label_upheld_share", error_kind="false_alarm")
    assert (row["status"], row["reason"]) == ("refused", "not_stated_by_review")


def test_without_a_review_every_row_says_so() -> None:
    rows = World(CASES).run("error_review").filter(window="retrospective")
    assert rows.height > 40
    said = rows["reason"].fill_null("") + rows["notes"].fill_null("")
    assert set(said) == {"not_reviewed"}
    assert figure(rows, "n_errors", error_kind="miss")["estimate"] == 4


def test_errors_of_which_none_was_reviewed_have_no_causes() -> None:
    only = REVIEWS.filter(pl.col("case_id") == "c00000")
    frame = World(CASES, given={"reviews": only}).run("error_review")
    row = figure(frame, "n_reviewed", error_kind="false_alarm")
    assert (row["events"], row["n"]) == (0, 2)
    assert figure(frame, "cause_device", error_kind="false_alarm")["reason"] == "not_reviewed"
    none = World(CASES[:4], given={"reviews": only}).run("error_review")
    share = figure(none, "reviewed_share", error_kind="false_alarm")
    assert share["reason"] == "no_such_error"


def test_a_failed_inference_is_the_error_that_the_headline_counts() -> None:
    failed = Case("positive", None, status="failed")
    given = {"reviews": reviews({"case_id": "c00000", "cause": "processing"})}
    frame = World([failed, Case("negative", 0.1)], given=given).run("error_review")
    assert figure(frame, "cause_processing", error_kind="miss")["events"] == 1


def test_the_prospective_window_waits_for_its_look() -> None:
    cases = [Case("positive", 0.1, date=AFTER), Case("negative", 0.9, date=AFTER)]
    given = {"reviews": reviews({"case_id": "c00000"})}
    world = World(cases, given=given)
    early = world.but(cut=LOOK - datetime.timedelta(days=1)).run("error_review")
    assert set(early.filter(window="prospective")["status"]) == {"withheld"}
    row = figure(world.run("error_review"), "n_reviewed", window="prospective", error_kind="miss")
    assert (row["events"], row["n"]) == (1, 1)


def test_the_lists_of_causes_and_roles_are_the_same_wherever_they_stand() -> None:
    contract = contracts.load()["cohort/error_review"]
    sets = {e.id: e.kwargs.get("value_set") for e in contract.expectations}
    assert tuple(sets["cause_known"]) == CAUSES == tuple(metrics.family("cause_{cause}").values)
    roles = tuple(metrics.family("reviewer_{role}").values)
    assert tuple(sets["role_known"]) == REVIEWERS == roles


def test_the_detail_of_a_row_names_nobody() -> None:
    frame = found()
    assert all(json.loads(d or "{}") == {} for d in frame["detail"])
