"""How a study was run: each rule held by a clean study and broken by a planted fault."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import polars as pl
import pytest
from evaluation_world import (
    ABOUT,
    ADJUDICATION,
    AFTER,
    BEFORE,
    INDEX_TEST,
    LOOK,
    MODEL,
    POINT,
    STUDY_COLUMNS,
    Case,
    World,
    at,
    development,
    development_rows,
    endpoint,
    figure,
    predictions,
    readers,
    reads,
    references,
    rule,
    studies,
)

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.evaluation.integrity import RULES
from vpack_pipeline.core.evaluation.integrity.study import judged_by_case
from vpack_pipeline.protocol import Eligibility, Sampling
from vpack_pipeline.site import InputForm

START = at("2025-07-01")
TIMES = {
    "received_at": at("2025-09-01T10:00"),
    "produced_at": at("2025-09-01T10:05"),
    "established_at": at("2025-09-20"),
}
FLAGGED = Case("positive", 0.9, date=AFTER, **TIMES)
CLEARED = Case("negative", 0.1, date=AFTER, **TIMES)
DEVELOPED = {
    "study_id": "elsewhere",
    "device_id": "scanner",
    "study_date": AFTER,
    "study_time_s": 1.0,
    "kvp": 120.0,
    "exposure_mas": 2.0,
    "used_for": "training",
}
TUNED = {"patient_id": "other", "used_for": "tuning"}
GIVEN = {
    "development": development_rows(DEVELOPED, TUNED),
    "reads": reads(
        {"case_id": "c00000", "saw_index_test": False, "saw_peers": False},
        {"case_id": "c00001", "saw_index_test": False, "saw_peers": False},
        {"case_id": "c00001", "role": "tiebreak", "saw_index_test": False, "saw_peers": True},
    ),
    "readers": readers({"reader_id": "r1", "in_development": False}),
    "reference": references(
        {"case_id": "c00000", "knew_index_test": False},
        {"case_id": "c00001", "knew_index_test": False},
    ),
    "predictions": predictions({"case_id": "c00000", "delivery": "2025-06-30"}),
}
CLEAN = World([FLAGGED, CLEARED], given=GIVEN)


def verdicts(world):
    frame = world.run("integrity")
    return dict(zip(frame["rule"], frame["verdict"], strict=True))


def judged(world, name):
    return figure(world.run("integrity"), "violations", rule=name)


def test_every_rule_has_one_row_and_says_what_it_asks():
    frame = CLEAN.run("integrity")
    assert set(frame["rule"]) == set(RULES)
    assert frame.height == len(RULES)
    assert frame["title"].str.ends_with(".").all()


def test_clean_study_holds_every_rule_that_can_be_checked():
    found = verdicts(CLEAN)
    assert {found.pop(name) for name in OF_MANY} == {"not_assessable"}
    assert set(found.values()) == {"held"}


def locked(moment):
    return INDEX_TEST.model_copy(
        update={"models": (MODEL.model_copy(update={"locked_at": moment}),)}
    )


def listing(*rows):
    return CLEAN.but(given={**GIVEN, "development": development_rows(*rows)})


SECOND = datetime.timedelta(seconds=1)
FAULTS = {
    "protocol_registered": CLEAN.but(
        about=ABOUT.model_copy(update={"registered_at": START + SECOND})
    ),
    "model_locked": CLEAN.but(index_test=locked(START + SECOND)),
    "thresholds_fixed": CLEAN.evaluated(
        operating_points=(POINT.model_copy(update={"fixed_at": START + SECOND}),)
    ),
    "thresholds_chosen_elsewhere": CLEAN.evaluated(
        operating_points=(POINT.model_copy(update={"chosen_on": ()}),)
    ),
    "rules_before_window": CLEAN.but(
        eligibility=Eligibility(rules=(rule("late", decided_at="2025-07-01"), rule("early")))
    ),
    "rules_blind": CLEAN.but(
        eligibility=Eligibility(rules=(rule("seeing", blind_to=["labels"]), rule("blind")))
    ),
    "scored_by_locked_model": CLEAN.but(
        cases=[replace(FLAGGED, produced_at=at("2025-05-31")), CLEARED]
    ),
    "received_before_scored": CLEAN.but(
        cases=[replace(FLAGGED, received_at=TIMES["produced_at"] + SECOND), CLEARED]
    ),
    "scored_before_labelled": CLEAN.but(
        cases=[replace(FLAGGED, established_at=TIMES["produced_at"]), CLEARED]
    ),
    "delivered_before_labels": CLEAN.but(
        given={
            **GIVEN,
            "predictions": predictions({"case_id": "c00000", "delivery": "2025-07-02.2"}),
        }
    ),
    "no_development_patient": CLEAN.but(cases=[replace(FLAGGED, in_development=True), CLEARED]),
    "no_tuning_patient": listing(DEVELOPED, {"patient_id": "p00000", "used_for": "tuning"}),
    "training_apart_from_tuning": listing(
        DEVELOPED, {"study_id": "elsewhere", "used_for": "tuning"}
    ),
    "no_development_study": listing({"patient_id": "other", "study_id": "sc00001"}),
    "no_near_duplicate": listing({**DEVELOPED, "study_time_s": 36_000.9}),
    "disjoint_patients": CLEAN.but(
        cases=[
            replace(FLAGGED, patient="a"),
            CLEARED,
            replace(FLAGGED, patient="a", date=BEFORE),
        ]
    ),
    "every_study_has_case": CLEAN.but(
        given={
            **GIVEN,
            "studies": studies(
                {"study_id": "sc00000", "study_date": AFTER},
                {"study_id": "lost", "study_date": AFTER},
            ),
        }
    ),
    "every_case_accounted": CLEAN.but(
        cases=[replace(FLAGGED, status="missing", score=None), CLEARED]
    ),
    "verification_alike": CLEAN.but(cases=[FLAGGED, replace(CLEARED, label=None)]),
    "readers_blind_to_index_test": CLEAN.but(
        given={**GIVEN, "reads": reads({"case_id": "c00000", "saw_index_test": True})}
    ),
    "readers_blind_to_peers": CLEAN.but(
        given={**GIVEN, "reads": reads({"case_id": "c00000", "saw_peers": True})}
    ),
    "reference_blind_to_index_test": CLEAN.but(
        given={**GIVEN, "reference": references({"case_id": "c00000", "knew_index_test": True})}
    ),
    "readers_not_in_development": CLEAN.but(
        given={**GIVEN, "readers": readers({"reader_id": "r1", "in_development": True})}
    ),
}


OF_MANY = {"consecutive", "days_and_hours"}
"""Rules that need more cases than the small study has; their faults are planted below."""


def said(row, column):
    return codes.sentences(row[column], row["detail"])


def test_every_rule_has_a_planted_fault():
    assert set(FAULTS) | OF_MANY == set(RULES)


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_breaks_its_rule(name):
    row = judged(FAULTS[name], name)
    assert (row["verdict"], row["estimate"]) == ("broken", 1.0)


def test_counts_of_people_and_cases_stand_in_n_and_events_those_of_the_protocol_in_words():
    row = judged(FAULTS["no_development_patient"], "no_development_patient")
    assert (row["n"], row["events"], said(row, "method")) == (2, 1, "count of patients")
    row = judged(FAULTS["rules_blind"], "rules_blind")
    told = said(row, "method")
    assert (row["n"], row["events"], told) == (None, None, "count of rules; 2 checked")


@pytest.mark.parametrize(
    ("changes", "compared", "verdict"),
    [
        ({}, False, "held"),
        ({"chosen_on": ()}, False, "broken"),
        ({"chosen_on": ("development", "prospective")}, False, "broken"),
        ({"chosen_on": ("retrospective",)}, False, "held"),
        ({"chosen_on": ("retrospective",)}, True, "broken"),
        # The first and the last day of a window lie inside it.
        ({"fixed_at": at("2025-06-30T23:59")}, False, "held"),
        ({"fixed_at": at("2025-06-30T23:59")}, True, "broken"),
        ({"fixed_at": at("2025-01-01")}, True, "broken"),
        ({"fixed_at": at("2024-12-31T23:59")}, True, "held"),
        ({"fixed_at": at("2025-07-01")}, False, "broken"),
    ],
)
def test_a_threshold_is_judged_on_other_data_than_it_was_chosen_on(changes, compared, verdict):
    """By the windows of its endpoints: before only, or before and after (non-inferiority)."""
    claims = [endpoint()]
    if compared:
        margin = {"margin": 0.1, "margin_rationale": "why", "goal": None, "rank": "secondary"}
        claims.append(endpoint(id="kept", comparison="non_inferiority", **margin))
    world = CLEAN.evaluated(
        operating_points=(POINT.model_copy(update=changes),), endpoints=tuple(claims)
    )
    assert judged(world, "thresholds_chosen_elsewhere")["verdict"] == verdict


def test_a_threshold_that_no_endpoint_uses_needs_named_data_and_no_more():
    spare = POINT.model_copy(update={"name": "spare", "fixed_at": at("2025-03-01")})
    row = judged(CLEAN.evaluated(operating_points=(POINT, spare)), "thresholds_chosen_elsewhere")
    assert (row["verdict"], said(row, "method")) == ("held", "count of operating points; 2 checked")


def test_without_a_list_of_development_patients_disjointness_is_not_assessable():
    world = CLEAN.but(given={**GIVEN, "development": development()})
    row = judged(world, "no_development_patient")
    assert (row["verdict"], row["reason"]) == ("not_assessable", "no_development_list")
    assert row["estimate"] is None


NOT_LISTED = {
    "no_tuning_patient": "use_not_stated",
    "training_apart_from_tuning": "use_not_stated",
    "no_development_study": "no_development_studies",
    "no_near_duplicate": "no_development_headers",
}


@pytest.mark.parametrize("name", NOT_LISTED)
def test_what_the_list_of_development_data_does_not_say_is_not_assessable(name):
    row = judged(listing({"patient_id": "other"}), name)
    assert (row["verdict"], row["reason"]) == ("not_assessable", NOT_LISTED[name])


def test_a_study_that_trained_is_of_its_patient_and_both_uses_are_found():
    world = listing(
        {"study_id": "sc00000", "used_for": "training"},
        {"patient_id": "p00000", "used_for": "tuning"},
    )
    row = judged(world, "training_apart_from_tuning")
    assert (row["verdict"], row["n"], row["events"]) == ("broken", 1, 1)


PLACED = {**DEVELOPED, "study_time_s": 36_000.0}


@pytest.mark.parametrize(
    ("listed", "verdict"),
    [
        (PLACED, "broken"),
        # Neither states it: nothing tells the two studies apart.
        ({**PLACED, "kvp": None, "exposure_mas": None}, "broken"),
        ({**PLACED, "kvp": 90.0}, "held"),
        ({**PLACED, "exposure_mas": 3.0}, "held"),
        ({**PLACED, "device_id": "another"}, "held"),
        ({**PLACED, "study_date": BEFORE}, "held"),
        # The same study is no near-duplicate of itself: another rule counts it.
        ({**PLACED, "study_id": "sc00000"}, "held"),
        ({**PLACED, "in_force": False}, "not_assessable"),
    ],
)
def test_a_near_duplicate_is_of_one_device_second_and_exposure(listed, verdict):
    assert judged(listing(listed), "no_near_duplicate")["verdict"] == verdict


def test_headers_of_the_archive_stand_in_for_those_that_the_list_does_not_state():
    """One of two studies of a second, by another identifier and patient, trained the model."""
    same = replace(CLEARED, study_time_s=36_000.0)
    trained = replace(same, excluded_by=("blurred",))
    for listed in ({"study_id": "sc00002"}, {"patient_id": "p00002"}):
        world = listing(listed).but(cases=[FLAGGED, same, trained])
        row = judged(world, "no_near_duplicate")
        assert (row["verdict"], row["n"], row["events"]) == ("broken", 2, 2)


def test_a_study_without_a_time_cannot_be_compared():
    world = listing(PLACED)
    untimed = world.argument("studies").with_columns(study_time_s=None).cast(STUDY_COLUMNS)
    row = judged(world.but(given={**world.given, "studies": untimed}), "no_near_duplicate")
    assert (row["verdict"], row["reason"]) == ("not_assessable", "some_not_checkable")


def test_readers_of_whom_nothing_is_said_are_not_assessable():
    world = CLEAN.but(
        given={**GIVEN, "readers": readers({"reader_id": "r1", "in_development": None})}
    )
    row = judged(world, "readers_not_in_development")
    assert (row["verdict"], row["reason"]) == ("not_assessable", "some_not_checkable")


def test_a_case_of_several_models_or_findings_is_one_case():
    """Whichever of its scores breaks a rule breaks it for the case, and once."""
    rows = pl.DataFrame(
        {
            "case_id": ["a", "a", "b", "b", "c", "c", "d", "d"],
            "late": [True, True, True, None, False, None, False, False],
        }
    )
    found = judged_by_case(rows, pl.col("late"))
    assert (found.n, found.violations, found.unit, found.has_unknown) == (3, 2, "cases", True)


def test_model_locked_at_the_first_moment_of_the_window_is_locked_before_it():
    assert judged(CLEAN.but(index_test=locked(START)), "model_locked")["verdict"] == "held"


def test_unknown_times_are_no_evidence_either_way():
    silent = replace(FLAGGED, produced_at=None)
    row = judged(CLEAN.but(cases=[silent, CLEARED]), "scored_before_labelled")
    assert (row["verdict"], row["n"]) == ("held", 1)
    assert row["notes"] == "some_not_checkable"
    row = judged(CLEAN.but(cases=[silent]), "scored_before_labelled")
    assert (row["verdict"], row["reason"]) == ("not_assessable", "some_not_checkable")


def test_cases_that_are_excluded_or_outside_the_window_break_nothing():
    late = replace(FLAGGED, established_at=TIMES["produced_at"])
    for harmless in (replace(late, excluded_by=("blurred",)), replace(late, date=BEFORE)):
        row = judged(CLEAN.but(cases=[harmless, CLEARED]), "scored_before_labelled")
        assert row["verdict"] == "held"


def test_blinding_that_the_protocol_does_not_claim_is_not_judged():
    open_study = ADJUDICATION.model_copy(
        update={"blind_to_index_test": False, "blind_to_peers": False}
    )
    frame = CLEAN.but(adjudication=open_study).run("integrity")
    for name in ("readers_blind_to_index_test", "readers_blind_to_peers"):
        row = figure(frame, "violations", rule=name)
        assert (row["verdict"], row["reason"]) == ("not_assessable", "not_claimed")


STATED = {
    "readers_blind_to_index_test": ("reads", "saw_index_test"),
    "readers_blind_to_peers": ("reads", "saw_peers"),
    "reference_blind_to_index_test": ("reference", "knew_index_test"),
}


@pytest.mark.parametrize("name", STATED)
def test_blinding_that_a_site_states_once_for_all_rows_is_no_evidence(name: str) -> None:
    kind, column = STATED[name]

    def row(says: bool, world: World = CLEAN) -> dict[str, object]:
        form = InputForm(file=f"{kind}.csv", constants={column: says})
        return judged(world.but(inputs={kind: form}), name)

    found = row(False)
    assert (found["verdict"], found["reason"]) == ("not_assessable", "stated_once_for_all")
    # What speaks against the study stands, however it is written.
    assert row(True, FAULTS[name])["verdict"] == "broken"
    recorded = InputForm(file=f"{kind}.csv", columns={column: "Seen"})
    assert judged(CLEAN.but(inputs={kind: recorded}), name)["verdict"] == "held"


def test_verification_is_withheld_before_the_look_and_needs_both_calls():
    early = judged(CLEAN.but(cut=LOOK - datetime.timedelta(days=1)), "verification_alike")
    assert (early["verdict"], early["status"]) == ("withheld", "withheld")
    row = judged(CLEAN.but(cases=[FLAGGED]), "verification_alike")
    assert row["reason"] == "no_finding_of_both_calls"


def test_a_source_that_was_sought_unlike_breaks_the_rule_though_every_case_has_a_label():
    cases = [FLAGGED] * 10 + [CLEARED] * 10
    everyone = [f"c{i:05d}" for i in range(20)]
    for verified, verdict in (
        (everyone[:3], "broken"),
        (everyone[:3] + everyone[10:13], "held"),
        (everyone[:3] + everyone[10:12], "held"),
        ([], "held"),
    ):
        come = references(*({"case_id": case} for case in verified))
        row = judged(World(cases, given={**GIVEN, "reference": come}), "verification_alike")
        assert row["verdict"] == verdict
        n = 2 if verified else 1
        assert said(row, "method") == f"count of findings and sources; {n} checked"
    only = references(*({"case_id": case} for case in everyone[:3]))
    row = judged(World(cases, given={**GIVEN, "reference": only}), "verification_alike")
    assert (row["estimate"], row["notes"]) == (1.0, "not_sought_alike")
    assert json.loads(row["detail"])["not_sought_alike.sought"] == ["nodule/pathology"]


def weekly(weeks, a_week):
    start = datetime.date(2025, 7, 1)
    return [
        replace(FLAGGED, date=start + datetime.timedelta(days=7 * w + d % 7))
        for w in weeks
        for d in range(a_week)
    ]


@pytest.mark.parametrize(
    ("weeks", "a_week", "verdict"),
    [
        (range(9), 10, "held"),
        ([w for w in range(9) if w != 4], 10, "broken"),
        ([w for w in range(9) if w != 4], 2, "not_assessable"),
        (range(3), 10, "not_assessable"),
        ([], 0, "not_assessable"),
    ],
)
def test_empty_week_is_a_gap_where_cases_come_often_enough(weeks, a_week, verdict):
    cases = weekly(weeks, a_week) or [replace(FLAGGED, date=BEFORE)]
    assert judged(CLEAN.but(cases=cases), "consecutive")["verdict"] == verdict


def test_sampling_that_claims_no_sequence_is_not_judged_by_one():
    row = judged(CLEAN.but(sampling=Sampling(method="random")), "consecutive")
    assert said(row, "reason") == "the protocol claims random sampling"


HOUR = 3600.0


def archive(*days_and_hours, copies=10):
    """Studies of the archive: one a day and hour of September 2025, so many times over."""
    return studies(
        *(
            {
                "study_id": f"s{day}-{hour}-{i}",
                "study_date": datetime.date(2025, 9, day),
                "study_time_s": None if hour is None else hour * HOUR,
            }
            for day, hour in days_and_hours
            for i in range(copies)
        )
    )


MONDAY_TO_SUNDAY = range(1, 8)
ALL_WEEK = archive(*((day, hour) for day in MONDAY_TO_SUNDAY for hour in (2, 8, 14, 20)))


def of_cases(found, chosen):
    """The study, in which the chosen studies of an archive belong to a case."""
    used = found.filter(chosen).select("study_id")
    links = used.with_columns(case_id=pl.lit("c00000"), role=pl.lit("index"), in_force=True)
    return CLEAN.but(given={**GIVEN, "studies": found, "case_studies": links})


IS_WEEKEND = pl.col("study_date").dt.weekday() > 5
IS_NIGHT = pl.col("study_time_s") < 6 * HOUR
IS_FIRST = pl.col("study_id").str.ends_with("-0")


@pytest.mark.parametrize(
    ("chosen", "left_out"),
    [
        (pl.lit(True), []),
        (~IS_WEEKEND, ["saturday", "sunday"]),
        (~IS_NIGHT, ["00_to_06"]),
        (~IS_WEEKEND | IS_FIRST, ["saturday", "sunday"]),
        (~IS_WEEKEND & ~IS_NIGHT, ["saturday", "sunday", "00_to_06"]),
    ],
)
def test_days_and_hours_that_the_archive_has_and_the_set_has_not_are_found(chosen, left_out):
    row = judged(of_cases(ALL_WEEK, chosen), "days_and_hours")
    assert (row["verdict"], row["estimate"]) == ("broken" if left_out else "held", len(left_out))
    assert said(row, "method") == "count of days and parts of the day; 11 checked"
    if left_out:
        assert json.loads(row["detail"])["fewer_cases_then.parts"] == left_out


def test_a_set_that_is_smaller_alike_leaves_out_no_day():
    is_half = pl.col("study_id").str.contains("[02468]$")
    assert judged(of_cases(ALL_WEEK, is_half), "days_and_hours")["verdict"] == "held"


def test_few_studies_do_not_tell_and_nor_do_those_of_another_window():
    few = archive((1, 8), (6, 2), copies=2)
    early = ALL_WEEK.with_columns(pl.col("study_date").dt.offset_by("-6mo"))
    for found in (few, early):
        row = judged(of_cases(found, ~IS_WEEKEND), "days_and_hours")
        assert (row["verdict"], row["reason"]) == ("not_assessable", "few_studies_to_tell")
    row = judged(of_cases(ALL_WEEK, pl.lit(False)), "days_and_hours")
    assert row["reason"] == "few_studies_to_tell"


def test_without_times_days_alone_are_judged():
    untimed = archive(*((day, None) for day in MONDAY_TO_SUNDAY), copies=40)
    row = judged(of_cases(untimed, ~IS_WEEKEND), "days_and_hours")
    assert (row["estimate"], said(row, "method").rpartition("; ")[2]) == (2.0, "7 checked")


def test_convenience_sampling_claims_no_days():
    world = CLEAN.but(sampling=Sampling(method="convenience"))
    row = judged(world, "days_and_hours")
    assert said(row, "reason") == "the protocol claims convenience sampling"
