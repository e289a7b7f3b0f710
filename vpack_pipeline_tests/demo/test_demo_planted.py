"""What planted.yaml says is in the data: asked of the generator, and of the loaders of the cohort."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from examples.demo_sites import reading, scoring, world
from examples.demo_sites.plan import Plan
from examples.demo_sites.sites import plan_of
from vpack_pipeline_tests.acceptance.site_bench import Built, Packed

LOADERS = (
    *("deliveries", "patient_map", "files", "outcomes", "instances", "series", "studies", "cases"),
    *("case_studies", "readers", "reads", "reference", "predictions", "development"),
    *("operations", "error_review", "population"),
)


@dataclasses.dataclass
class Cohort:
    """The cohort tables of one site, as its loaders make them."""

    tables: dict[str, pl.DataFrame]
    quarantine: pl.DataFrame


def cohort_of(built: Built) -> Cohort:
    kinds = [
        t
        for t in LOADERS
        if any(f.role == "quarantine" for f in built.receipt(f"cohort/{t}").files)
    ]
    refused = [built.quarantine("image" if k == "files" else k) for k in kinds]
    return Cohort({t: built.table(f"cohort/{t}") for t in LOADERS}, pl.concat(refused))


@pytest.fixture(scope="module")
def riverside(riverside_pack: Packed) -> Cohort:
    return cohort_of(riverside_pack.built)


@pytest.fixture(scope="module")
def lakeside() -> world.World:
    return world.build(plan_of("lakeside"))


def test_each_broken_file_and_row_is_quarantined_under_its_code(riverside: Cohort) -> None:
    plan = plan_of("riverside")
    planted: Counter[tuple[str, str]] = Counter()
    for fault in plan.files.values():
        planted["image", fault.reason] += fault.n
    for row in plan.rows.values():
        planted[row.input, row.reason] += row.n
    counts = riverside.quarantine.group_by("kind", "reason").len()
    assert {(k, r): n for k, r, n in counts.iter_rows()} == dict(planted)


def test_copies_and_what_is_set_aside_are_counted(riverside: Cohort) -> None:
    plan = plan_of("riverside")
    counts = riverside.tables["files"].group_by("outcome", "outcome_part").len()
    found = {(o, d): n for o, d, n in counts.iter_rows()}
    assert found["COPY", None] == plan.copies
    for fault in plan.set_aside.values():
        assert found["SET_ASIDE", fault.detail] == fault.n
    outcomes = riverside.tables["outcomes"].select("outcome", "outcome_part", "n_files").iter_rows()
    counted = {(outcome, detail): n for outcome, detail, n in outcomes}
    assert counted["COPY", "all"] == plan.copies
    assert counted["SET_ASIDE", "all"] == sum(f.n for f in plan.set_aside.values())
    assert counted["QUARANTINED", "all"] == sum(f.n for f in plan.files.values())


def test_odd_headers_are_found_in_their_number(riverside: Cohort) -> None:
    plan, studies = plan_of("riverside"), riverside.tables["studies"]
    instances = riverside.tables["instances"]
    status = dict(instances["age_years_status"].value_counts().iter_rows())
    assert status["missing"] == plan.headers.age_absent + plan.headers.birth_placeholder
    assert status["invalid"] == plan.headers.age_disagrees
    assert instances.filter(pl.col("kvp_status") == "invalid").height == plan.headers.kvp_invalid
    assert instances.filter(pl.col("sex_status") == "invalid").height == plan.headers.sex_invalid
    assert studies.filter(pl.col("n_conflicts") > 0).height == plan.headers.sop_conflict
    assert studies.filter(pl.col("age_years") < 18).height == plan.headers.child
    yes = studies.filter(pl.col("burned_in_annotation") == "yes")
    assert yes.height == plan.headers.burned_in


def test_spellings_of_a_manufacturer_become_one(riverside: Cohort) -> None:
    rooms = {room.manufacturer for room in plan_of("riverside").rooms.values()}
    assert set(riverside.tables["studies"]["manufacturer"]) == rooms


def test_withdrawn_cases_are_delivered_and_not_in_force(riverside: Cohort) -> None:
    cases = riverside.tables["cases"]
    left = set(cases["case_id"]) - set(cases.filter("in_force")["case_id"])
    assert len(left) == plan_of("riverside").deliveries.withdrawn_cases


def test_development_patients_overlap_the_cohort_as_planted(riverside: Cohort) -> None:
    listed = set(riverside.tables["development"]["patient_id"])
    cases = riverside.tables["cases"].filter("in_force")
    overlap = listed & set(cases["patient_id"])
    assert len(overlap) == plan_of("riverside").integrity.development_overlap


def test_later_deliveries_bring_labels_and_corrections(riverside: Cohort) -> None:
    plan = plan_of("riverside")
    brought = set(riverside.tables["reference"]["delivery"])
    assert brought >= {day.isoformat() for day in plan.deliveries.closed}
    revised = riverside.tables["reads"].filter(
        ~pl.col("in_force") & (pl.col("superseded_by") == "2026-04-10.2")
    )
    assert revised.height == plan.deliveries.corrected_reads


def test_lakeside_is_as_large_as_it_says(lakeside: world.World) -> None:
    patients = {e.patient.number for e in lakeside.exams}
    assert len(patients) == lakeside.plan.patients >= 2500
    assert len(lakeside.exams) > 1.2 * len(patients)
    assert {e.room.modality for e in lakeside.exams} == {"CR", "DX"}


def test_only_planted_patients_are_in_both_windows(lakeside: world.World) -> None:
    windows: dict[int, set[str]] = {}
    for exam in lakeside.exams:
        windows.setdefault(exam.patient.number, set()).add(exam.window)
    both = [w for w in windows.values() if {"retrospective", "prospective"} <= w]
    assert len(both) == lakeside.plan.integrity.patients_in_both_windows


def test_accession_numbers_run_on_within_a_year_but_for_the_planted_gap(
    lakeside: world.World,
) -> None:
    missing = lakeside.plan.integrity.accession_numbers_missing
    by_year: dict[str, list[int]] = {}
    for exam in lakeside.exams:
        by_year.setdefault(exam.accession[:-7], []).append(int(exam.accession[-7:]))
    gaps = Counter(
        after - before - 1
        for numbers in map(sorted, by_year.values())
        for before, after in pairwise(numbers)
    )
    assert missing > 0
    assert gaps == {0: len(lakeside.exams) - len(by_year) - 1, missing: 1}


def test_listed_images_are_like_exams_of_others(riverside: Cohort) -> None:
    rows = riverside.tables["development"].filter("in_force", pl.col("device_id").is_not_null())
    assert rows.height == plan_of("riverside").integrity.near_duplicates > 0
    at = ["device_id", "study_date", "study_time_s", "kvp", "exposure_mas"]
    alike = rows.join(riverside.tables["studies"], on=at, how="inner")
    assert alike.height == rows.height
    assert (alike["patient_id"] != alike["patient_id_right"]).all()


def test_readers_err_as_planted(lakeside: world.World) -> None:
    found = reading.reads(lakeside)
    for reader in lakeside.plan.readers:
        if reader.role != "independent":
            continue
        own = [r for r in found if r.reader == reader.id and r.session == 1]
        for is_positive, rate in ((True, reader.sensitivity), (False, reader.specificity)):
            rated = [r for r in own if r.exam.is_positive == is_positive and r.rating in (0, 2)]
            right = np.mean([(r.rating == reading.PRESENT) == is_positive for r in rated])
            assert abs(right - rate) < 4 * np.sqrt(rate * (1 - rate) / len(rated))


def test_the_adjudicator_reads_discordant_cases_only(lakeside: world.World) -> None:
    ratings: dict[str, set[int | None]] = {}
    adjudicated: set[str] = set()
    for read in reading.reads(lakeside):
        if read.role == "tiebreak":
            adjudicated.add(read.exam.case_id)
        elif read.purpose == "reference" and read.session == 1:
            ratings.setdefault(read.exam.case_id, set()).add(read.rating)
    unclear = {e.case_id for e in lakeside.with_quirk("non_diagnostic")}
    assert adjudicated == {c for c, found in ratings.items() if len(found) > 1} - unclear


def test_who_saw_the_score_says_so_in_every_later_read() -> None:
    plan = plan_of("riverside")
    integrity = plan.integrity.model_copy(update={"reads_that_saw_score": 40})
    many = plan.model_copy(update={"integrity": integrity, "repeat_reads": 60})
    found = [r for r in reading.reads(world.build(many)) if r.role == "independent"]
    since = {(r.reader, r.exam.case_id): r.read_at for r in found if r.saw_index_test}
    again = [r for r in found if r.session == 2 and (r.reader, r.exam.case_id) in since]
    assert len(again) > 3
    assert all(r.saw_index_test for r in again)


def test_failures_are_as_many_as_planted(lakeside: world.World) -> None:
    found = scoring.predictions(lakeside)
    for model, failures in lakeside.plan.failures.items():
        statuses = Counter(p.status for p in found if p.model == model)
        assert statuses["failed"] == failures.failed + failures.failed_then_ok
        assert statuses["refused"] == failures.refused
        assert statuses["not_sent"] == failures.not_sent
        scored = {p.exam.number for p in found if p.model == model}
        assert len(lakeside.exams) - len(scored) == failures.absent


def test_scores_fall_when_the_scanner_is_replaced(lakeside: world.World) -> None:
    change = lakeside.plan.replacement
    rooms = {e.room_name for e in lakeside.exams if e.index_date >= change.on}
    assert change.room not in rooms
    assert change.by not in {e.room_name for e in lakeside.exams if e.index_date < change.on}
    scores: dict[str, list[float]] = {change.room: [], change.by: []}
    for made in scoring.predictions(lakeside):
        if made.model == "nodule-2" and made.score is not None and made.exam.is_positive:
            scores.get(made.exam.room_name, []).append(made.score)
    assert np.mean(scores[change.by]) < np.mean(scores[change.room]) - 0.1


def test_the_late_rule_removes_what_the_model_gets_wrong(lakeside: world.World) -> None:
    right: dict[bool, list[bool]] = {True: [], False: []}
    for made in scoring.predictions(lakeside):
        if made.model == "nodule-2" and made.score is not None and made.exam.is_positive:
            right[made.exam.is_flattered].append(made.score >= 0.12)
    assert np.mean(right[True]) < np.mean(right[False]) - 0.2


def sensitivity(plan: Plan) -> float:
    calls = [
        (made.score or 0.0) >= 0.12
        for made in scoring.predictions(world.build(plan))
        if made.model == "nodule-2" and made.exam.is_positive and made.exam.window == "prospective"
    ]
    return float(np.mean(calls))


def test_hillcrest_misses_its_goals_and_riverside_does_not_fall_so_low() -> None:
    assert sensitivity(plan_of("hillcrest")) < 0.5
    assert sensitivity(plan_of("riverside")) > 0.7
