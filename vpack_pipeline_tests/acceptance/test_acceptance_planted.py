"""What is planted at lakeside is found by the tables: nothing more is asked of them than that."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from statistics import NormalDist

import polars as pl
import pytest

from examples.demo_sites import reading, scoring
from examples.demo_sites.world import Exam
from vpack_pipeline.contracts import load
from vpack_pipeline_tests.acceptance.conftest import Lakeside

PRIMARY = "nodule-2"
WINDOWS = ("retrospective", "prospective")
TRIAGE = 0.12
TABLE_WITH_FIGURES = [
    asset
    for asset, contract in load().items()
    if asset.startswith("evaluation/") and "status" in contract.polars_schema and contract.export
]


def pseudonym(lakeside: Lakeside, exam: Exam) -> str:
    return lakeside.at_look.bench.edge.pseudonyms.case(exam.case_id)


def included(lakeside: Lakeside) -> list[Exam]:
    kept = set(lakeside.at_look.table("eligibility/included")["case_id"])
    return [e for e in lakeside.world.exams if pseudonym(lakeside, e) in kept]


def mature(lakeside: Lakeside) -> set[str]:
    split = lakeside.at_look.table("evaluation/time_split")
    return set(split.filter("is_mature", "is_included")["case_id"])


# Files and rows


def test_each_broken_file_is_quarantined_under_its_code_and_in_its_number(
    lakeside: Lakeside,
) -> None:
    planted: Counter[str] = Counter()
    for fault in lakeside.plan.files.values():
        planted[fault.reason] += fault.n
    found = lakeside.at_look.quarantine("image")["reason"].value_counts()
    assert dict(found.iter_rows()) == dict(planted)


def test_copies_and_files_set_aside_are_counted_by_kind(lakeside: Lakeside) -> None:
    plan, files = lakeside.plan, lakeside.at_look.table("cohort/files")
    counts = files.group_by("outcome", "outcome_part").len()
    found = {(o, d): n for o, d, n in counts.iter_rows() if o in {"COPY", "SET_ASIDE"}}
    planted = {("SET_ASIDE", f.detail): f.n for f in plan.set_aside.values()}
    assert found == {**planted, ("COPY", None): plan.copies}


def test_the_outcomes_are_those_of_the_files_that_were_written(lakeside: Lakeside) -> None:
    plan, table = lakeside.plan, lakeside.at_look.table("cohort/outcomes")
    found = {
        (o, d): n for o, d, n in table.select("outcome", "outcome_part", "n_files").iter_rows()
    }
    planted: Counter[tuple[str, str]] = Counter({("COPY", "all"): plan.copies})
    for fault in plan.set_aside.values():
        planted["SET_ASIDE", "all"] += fault.n
        planted["SET_ASIDE", str(fault.detail)] += fault.n
    for fault in plan.files.values():
        planted["QUARANTINED", "all"] += fault.n
        planted["QUARANTINED", fault.reason] += fault.n
    # An image an exam, and two studies that share an accession number and are nobody's case.
    planted["PARSED", "all"] = len(lakeside.world.exams) + 2
    planted["DELIVERED", "all"] = sum(n for (_, d), n in planted.items() if d == "all")
    archive = lakeside.at_look.root / "data" / "demo" / "lakeside" / "dicom"
    assert planted["DELIVERED", "all"] == sum(path.is_file() for path in archive.rglob("*"))
    assert found == dict(planted)


def test_each_broken_row_is_quarantined_under_its_code_and_in_its_number(
    lakeside: Lakeside,
) -> None:
    planted: Counter[tuple[str, str]] = Counter()
    for row in lakeside.plan.rows.values():
        planted[row.input, row.reason] += row.n
    quarantine = lakeside.at_look.table("cohort/quarantine").filter(pl.col("kind") != "image")
    counts = quarantine.group_by("kind", "reason").len()
    assert {(k, r): n for k, r, n in counts.iter_rows()} == dict(planted)


def test_every_quarantined_row_says_where_it_stands_and_what_to_do(lakeside: Lakeside) -> None:
    quarantine = lakeside.at_look.table("cohort/quarantine")
    assert quarantine["remedy"].str.len_chars().min() > 0
    rows = quarantine.filter(pl.col("kind") != "image")
    assert rows["line"].null_count() == rows["delivery"].null_count() == 0


def test_conflicting_images_take_their_studies_out(lakeside: Lakeside) -> None:
    planted = {pseudonym(lakeside, e) for e in lakeside.world.with_quirk("sop_conflict")}
    excluded = lakeside.at_look.table("eligibility/excluded")
    assert set(excluded.filter(first_rule="no_conflict")["case_id"]) == planted
    assert len(planted) == lakeside.plan.headers.sop_conflict


def test_each_rule_removes_who_was_planted_for_it(lakeside: Lakeside) -> None:
    excluded = lakeside.at_look.table("eligibility/excluded")
    quirks = {
        "adult": "child",
        "frontal": "lateral",
        "no_burned_in_text": "burned_in",
        "diagnostic": "non_diagnostic",
        "not_in_development": "development",
    }
    for rule, quirk in quirks.items():
        planted = {pseudonym(lakeside, e) for e in lakeside.world.with_quirk(quirk)}
        found = set(excluded.filter(first_rule=rule)["case_id"])
        assert found == planted, rule
        assert planted, rule


def test_merged_patients_are_one_patient(lakeside: Lakeside) -> None:
    patients = lakeside.at_look.table("eligibility/patients")
    withdrawn = lakeside.at_look.table("eligibility/cases").height
    assert patients.filter(pl.col("n_cases") > 0).height == lakeside.plan.patients
    assert withdrawn == len(lakeside.world.exams)


def test_corrections_replace_what_they_correct(lakeside: Lakeside) -> None:
    plan = lakeside.plan
    correction = f"{plan.deliveries.correction}.2"
    for table, n in (
        ("reads", plan.deliveries.corrected_reads),
        ("reference", plan.deliveries.corrected_reference),
    ):
        rows = lakeside.at_look.table(f"cohort/{table}")
        replaced = rows.filter(pl.col("superseded_by") == correction)
        assert replaced.height == n
        assert not replaced["in_force"].any()


# Readers, prevalence, labels


def test_readers_rates_are_those_of_the_reads_that_pathology_can_judge(lakeside: Lakeside) -> None:
    """The table against a count over the world itself, read by read."""
    table = lakeside.at_look.table("adjudication/reader_performance")
    reader_of = lakeside.at_look.bench.edge.pseudonyms.reader
    truth = {pseudonym(lakeside, e): e.is_positive for e in included(lakeside)}
    judged = settled_by_source(lakeside)
    reads = lakeside.at_look.table("cohort/reads").filter(
        "in_force", purpose="reference", role="independent", session=1
    )
    for reader in lakeside.plan.readers:
        if reader.role != "independent":
            continue
        own = reads.filter(reader_id=reader_of(reader.id))
        for is_positive, metric in ((True, "sensitivity"), (False, "specificity")):
            ratings = [
                rating
                for case, rating in own.select("case_id", "rating").iter_rows()
                if case in judged and truth.get(case) == is_positive
            ]
            row = table.row(
                by_predicate=(pl.col("reader_id") == reader_of(reader.id))
                & (pl.col("metric") == f"{metric}_independent"),
                named=True,
            )
            right = reading.PRESENT if is_positive else reading.ABSENT
            assert row["n"] == len(ratings)
            assert row["events"] == ratings.count(right)


def settled_by_source(lakeside: Lakeside) -> set[str]:
    """Cases with a positive or negative label from pathology or follow-up that counts."""
    known = lakeside.at_look.table("adjudication/reference_standard").filter(
        pl.col("method") == "independent_reference"
    )
    return set(known["case_id"])


def test_readers_rates_are_recovered_within_their_intervals(lakeside: Lakeside) -> None:
    """All six at once at 99%: each interval is widened so that they hold together."""
    table = lakeside.at_look.table("adjudication/reader_performance")
    reader_of = lakeside.at_look.bench.edge.pseudonyms.reader
    panel = [r for r in lakeside.plan.readers if r.role == "independent"]
    quantile = NormalDist().inv_cdf(1 - 0.01 / (2 * 2 * len(panel)))
    for reader in panel:
        for metric, rate in (
            ("sensitivity", reader.sensitivity),
            ("specificity", reader.specificity),
        ):
            row = table.row(
                by_predicate=(pl.col("reader_id") == reader_of(reader.id))
                & (pl.col("metric") == f"{metric}_independent"),
                named=True,
            )
            expected = rate * (1 - reader.equivocal)  # an equivocal read is right about nothing
            spread = (expected * (1 - expected) / row["n"]) ** 0.5
            assert abs(row["estimate"] - expected) < quantile * spread
            assert row["lower"] < row["estimate"] < row["upper"]


def test_equivocal_reads_are_as_frequent_as_planted(lakeside: Lakeside) -> None:
    table = lakeside.at_look.table("adjudication/reader_performance")
    reader_of = lakeside.at_look.bench.edge.pseudonyms.reader
    for reader in lakeside.plan.readers:
        if reader.role == "independent":
            row = table.row(
                by_predicate=(pl.col("reader_id") == reader_of(reader.id))
                & (pl.col("metric") == "share_indeterminate"),
                named=True,
            )
            spread = (reader.equivocal * (1 - reader.equivocal) / row["n"]) ** 0.5
            assert abs(row["estimate"] - reader.equivocal) < 4 * spread


def test_prevalence_is_recovered_within_its_interval(lakeside: Lakeside) -> None:
    ready = mature(lakeside)
    for window in WINDOWS:
        truth = [
            e.is_positive
            for e in included(lakeside)
            if e.window == window and pseudonym(lakeside, e) in ready
        ]
        row = lakeside.at_look.figure(
            "evaluation/performance", model_id=PRIMARY, window=window, metric="prevalence"
        )
        assert row["n"] == len(truth)
        assert row["lower"] < sum(truth) / len(truth) < row["upper"]
        assert row["lower"] < lakeside.plan.prevalence < row["upper"]


def test_labels_tell_the_truth_as_often_as_a_panel_of_such_readers_can(lakeside: Lakeside) -> None:
    truth = {pseudonym(lakeside, e): e.is_positive for e in lakeside.world.exams}
    labels = lakeside.at_look.table("adjudication/reference_standard").filter(
        pl.col("label").is_in(["positive", "negative"])
    )
    outside = labels.filter(method="independent_reference")
    assert all(
        (label == "positive") == truth[c]
        for c, label in outside.select("case_id", "label").iter_rows()
    )
    panel = labels.filter(pl.col("method") != "independent_reference")
    wrong = [
        (label == "positive") != truth[c]
        for c, label in panel.select("case_id", "label").iter_rows()
    ]
    assert 0 < sum(wrong) / len(wrong) < 0.05


def test_error_of_a_perfect_model_lies_between_the_assumed_correlations(lakeside: Lakeside) -> None:
    """The planted correlation of errors is one that the table assumes: truth lies in its interval."""
    truth = {pseudonym(lakeside, e): e.is_positive for e in included(lakeside)}
    ratings = lakeside.at_look.table("cohort/reads").filter(
        "in_force", purpose="reference", role="independent", session=1
    )
    cases: dict[str, list[float | None]] = {}
    for case, rating in ratings.select("case_id", "rating").iter_rows():
        cases.setdefault(case, []).append(rating)
    wrong = [
        (sum(r == reading.PRESENT for r in found) >= 2) != truth[case]
        for case, found in cases.items()
        if case in truth and None not in found and reading.EQUIVOCAL not in found
    ]
    row = lakeside.at_look.figure(
        "adjudication/label_noise",
        stratum=f"{lakeside.plan.error_correlation}",
        metric="panel_error",
    )
    none = lakeside.at_look.figure("adjudication/label_noise", stratum="0", metric="panel_error")
    error = sum(wrong) / len(wrong)
    assert row["lower"] < error < row["upper"]
    assert none["upper"] < error


def test_soft_labels_take_the_errors_that_readers_share_for_truth(lakeside: Lakeside) -> None:
    """Errors of the panel are planted alike: what the model misses it says beforehand."""
    panel = [r for r in lakeside.plan.readers if r.role == "independent"]
    at = {"stratum": "dawid_skene"}
    sensitivity, specificity = (
        lakeside.at_look.figure("adjudication/label_noise", metric=metric, **at)
        for metric in ("reader_sensitivity", "reader_specificity")
    )
    assert sum(r.sensitivity for r in panel) / len(panel) < sensitivity["lower"]
    planted = sum(r.specificity for r in panel) / len(panel)
    assert specificity["lower"] < planted < specificity["upper"]
    for row in (sensitivity, specificity):
        assert row["notes"] == "errors_as_independent"


def test_late_labels_are_there_and_late(lakeside: Lakeside) -> None:
    last = max(lakeside.plan.deliveries.closed)
    known = [
        f
        for f in reading.outside_labels(lakeside.world)
        if f.source == "pathology" and f.established_at.date() + timedelta(days=3) <= last
    ]
    late = {
        pseudonym(lakeside, f.exam)
        for f in known
        if (f.established_at.date() - f.exam.index_date).days > 90
    }
    assert len(late) > 5
    days = lakeside.at_look.table("adjudication/reference_standard").filter(
        pl.col("case_id").is_in(list(late)), source="pathology"
    )
    settled = {pseudonym(lakeside, f.exam) for f in known if f.label != "indeterminate"}
    assert set(days["case_id"]) >= late & settled
    assert days["days_to_reference"].min() > 90  # type: ignore[operator]


def test_labels_of_an_open_delivery_are_not_seen(lakeside: Lakeside) -> None:
    unclosed = lakeside.plan.deliveries.unclosed.isoformat()
    path = lakeside.at_look.root / "data/demo/lakeside/deliveries" / unclosed
    assert (path / "befunde.csv").stat().st_size > 100
    assert unclosed not in set(lakeside.at_look.table("cohort/deliveries")["delivery"])
    assert unclosed not in set(lakeside.at_look.table("cohort/reference")["delivery"])


# The index test


def test_failed_inferences_are_counted_by_kind(lakeside: Lakeside) -> None:
    """Planted by exact numbers; of the cases left after exclusion, the table must know each."""
    for model, planted in lakeside.plan.failures.items():
        table = lakeside.at_look.table("evaluation/index_test").filter(model_id=model)
        found = dict(table["status"].value_counts().iter_rows())
        del found["ok"]
        assert found == {
            "failed": planted.failed,
            "refused": planted.refused,
            "not_sent": planted.not_sent,
            "missing": planted.absent,
        }
        again = table.filter((pl.col("status") == "ok") & (pl.col("n_attempts") > 1))
        assert again.height == planted.failed_then_ok


def test_failures_of_included_cases_are_those_of_the_world(lakeside: Lakeside) -> None:
    kept = {e.number: e.window for e in included(lakeside)}
    usable = {
        p.exam.number
        for p in scoring.predictions(lakeside.world)
        if p.model == PRIMARY and p.status == "ok"
    }
    for window in WINDOWS:
        failed = sum(w == window and n not in usable for n, w in kept.items())
        row = lakeside.at_look.figure(
            "evaluation/failures",
            model_id=PRIMARY,
            window=window,
            stratum="all",
            metric="failure_share",
        )
        assert row["events"] == failed
        assert row["n"] == sum(w == window for w in kept.values())


def test_the_planted_accuracy_lies_within_the_intervals(lakeside: Lakeside) -> None:
    """Against the truth that only the generator knows; labels err a little, so a little room."""
    scores = {
        p.exam.number: p.score
        for p in scoring.predictions(lakeside.world)
        if p.model == PRIMARY and p.status == "ok"
    }
    for window in WINDOWS:
        for is_positive, metric in ((True, "sensitivity"), (False, "specificity")):
            calls = [
                (scores.get(e.number) or 0.0) >= TRIAGE
                for e in included(lakeside)
                if e.window == window and e.is_positive == is_positive
            ]
            rate = sum(c == is_positive for c in calls) / len(calls)
            row = lakeside.at_look.figure(
                "evaluation/operating_points",
                operating_point="triage",
                window=window,
                analysis="intention_to_diagnose",
                metric=metric,
            )
            assert row["lower"] - 0.02 < rate < row["upper"] + 0.02


def test_the_overconfident_earlier_version_is_found_by_calibration(lakeside: Lakeside) -> None:
    planted = lakeside.plan.model["nodule-1-4"].slope
    row = lakeside.at_look.figure(
        "evaluation/calibration",
        model_id="nodule-1-4",
        window="retrospective",
        stratum="all",
        metric="slope",
    )
    assert planted > 1
    assert row["upper"] < 1


# How the study was run


def integrity(lakeside: Lakeside, rule: str) -> dict[str, object]:
    return lakeside.at_look.figure("evaluation/integrity", rule=rule)


def test_patients_of_the_development_set_are_found_and_none_is_left(lakeside: Lakeside) -> None:
    patients = lakeside.at_look.table("eligibility/patients")
    n = lakeside.plan.integrity.development_overlap
    assert patients.filter("in_development").height == n
    assert integrity(lakeside, "no_development_patient")["verdict"] == "held"


def test_the_exam_whose_like_was_used_in_development_is_found(lakeside: Lakeside) -> None:
    kept = {pseudonym(lakeside, e) for e in included(lakeside)}
    alike = {pseudonym(lakeside, e) for e in lakeside.world.with_quirk("near_duplicate")}
    row = integrity(lakeside, "no_near_duplicate")
    assert (row["verdict"], row["estimate"]) == ("broken", len(alike & kept))
    assert len(alike & kept) == lakeside.plan.integrity.near_duplicates > 0


def test_the_gap_in_accession_numbers_is_found_with_its_size(lakeside: Lakeside) -> None:
    row = integrity(lakeside, "no_accession_gap")
    missing = lakeside.plan.integrity.accession_numbers_missing
    assert missing > 0
    assert (row["verdict"], row["estimate"]) == ("broken", 1)
    # Before the first number of a year nothing can be missed.
    assert row["notes"] == "some_not_checkable;largest_gap"
    detail = json.loads(str(row["detail"]))
    assert (detail["largest_gap.missing"], detail["largest_gap.largest"]) == (missing, missing)


def test_patients_of_both_windows_are_found(lakeside: Lakeside) -> None:
    windows: dict[int, set[str]] = {}
    for exam in included(lakeside):
        windows.setdefault(exam.patient.number, set()).add(exam.window)
    both = sum({"retrospective", "prospective"} <= found for found in windows.values())
    assert 0 < both <= lakeside.plan.integrity.patients_in_both_windows
    row = integrity(lakeside, "disjoint_patients")
    assert (row["verdict"], row["estimate"]) == ("broken", both)


def test_reads_with_sight_of_the_score_are_found(lakeside: Lakeside) -> None:
    kept = {e.number for e in included(lakeside)}
    seen = sum(r.saw_index_test for r in reading.reads(lakeside.world) if r.exam.number in kept)
    row = integrity(lakeside, "readers_blind_to_index_test")
    assert 0 < seen <= lakeside.plan.integrity.reads_that_saw_score
    assert (row["verdict"], row["estimate"]) == ("broken", seen)


def test_scores_made_after_the_label_are_found(lakeside: Lakeside) -> None:
    labels = lakeside.at_look.table("adjudication/reference_standard")
    established: dict[str, datetime | None] = dict(
        labels.filter(pl.col("label").is_not_null()).select("case_id", "established_at").iter_rows()
    )
    kept = {e.number for e in included(lakeside)}
    late = 0
    for made in scoring.predictions(lakeside.world):
        label = established.get(pseudonym(lakeside, made.exam))
        if made.model == PRIMARY and made.status == "ok" and made.exam.number in kept:
            is_after = made.produced_at is not None and label is not None
            is_prospective = made.exam.window == "prospective"
            late += bool(is_after and is_prospective and made.produced_at >= label)  # type: ignore[operator]
    row = integrity(lakeside, "scored_before_labelled")
    assert 0 < late <= lakeside.plan.integrity.predictions_after_reads
    assert (row["verdict"], row["estimate"]) == ("broken", late)


def test_the_rule_made_after_the_lock_with_sight_of_scores_is_found(lakeside: Lakeside) -> None:
    for rule in ("rules_before_window", "rules_blind"):
        row = integrity(lakeside, rule)
        assert (row["verdict"], row["estimate"]) == ("broken", 1)


# What the late rule hides, and the scanner


def test_the_exclusion_that_flatters_is_shown(lakeside: Lakeside) -> None:
    """With its cases back in, every figure of the primary model falls below the printed one."""
    rule = lakeside.plan.flattering_rule
    for window in WINDOWS:
        removed = [
            e
            for e in lakeside.world.exams
            if e.is_flattered and not e.quirks and e.window == window
        ]
        find = {"rule": rule, "model_id": PRIMARY, "window": window}
        lost = lakeside.at_look.figure("evaluation/exclusion_audit", metric="n_removed", **find)
        assert lost["estimate"] == len(removed)
        back = lakeside.at_look.figure(
            "evaluation/exclusion_audit", metric="sensitivity_observed", **find
        )
        worst = lakeside.at_look.figure(
            "evaluation/exclusion_audit", metric="sensitivity_worst_case", **find
        )
        printed = lakeside.at_look.figure(
            "evaluation/operating_points",
            operating_point="triage",
            window=window,
            analysis="intention_to_diagnose",
            metric="sensitivity",
        )
        assert worst["estimate"] <= back["estimate"] < printed["estimate"] - 0.02  # type: ignore[operator]


def test_other_rules_change_less_than_the_one_that_flatters(lakeside: Lakeside) -> None:
    audit = lakeside.at_look.table("evaluation/exclusion_audit").filter(
        model_id=PRIMARY, window="prospective", metric="auc_observed"
    )
    given = audit.filter(status="given").sort("estimate")
    assert given["rule"][0] == lakeside.plan.flattering_rule


def test_the_replaced_scanner_is_found_after_its_day_and_not_before(lakeside: Lakeside) -> None:
    day = lakeside.plan.replacement.on
    status = lakeside.at_look.table("drift/status")
    for monitor in ("scanner_vendor", "scanner_mix", "tube_voltage"):
        own = status.filter(monitor=monitor)
        actions = own.filter(signal="action")
        assert actions.height >= 4
        # The window that holds the day may hold too few cases of the new scanner.
        assert (actions["window_end"] >= day).all()
        whole = own.filter((pl.col("window_start") >= day) & (pl.col("n") >= 50))
        assert whole.height >= 4
        assert set(whole["signal"]) == {"action"}
    vendor = status.filter(monitor="scanner_vendor", signal="action").sort("window_start")
    first = vendor.row(0, named=True)
    assert first["window_start"] <= day <= first["window_end"]


def test_quiet_monitors_stay_quiet_where_nothing_was_planted(lakeside: Lakeside) -> None:
    day = lakeside.plan.replacement.on
    calm = lakeside.at_look.table("drift/status").filter(
        (pl.col("window_end") < day) & (pl.col("n") >= 50)
    )
    assert calm.height >= 48
    assert calm.filter(signal="action").is_empty()
    # A budget of one false warning a quarter, over five windows of twelve monitors.
    assert calm.filter(signal="warning").height <= 5


def test_the_shifted_score_is_seen_in_the_scores_after_that_day(lakeside: Lakeside) -> None:
    day = lakeside.plan.replacement.on
    shape = lakeside.at_look.table("drift/status").filter(monitor="score_shape")
    alarms = shape.filter(pl.col("signal").is_in(["warning", "action"]))
    assert alarms.height >= 2
    assert (alarms["window_end"] >= day).all()


# Looks and verdicts


def test_endpoints_end_as_planted(lakeside: Lakeside) -> None:
    endpoints = lakeside.at_look.table("evaluation/endpoints")
    headline = endpoints.filter("is_headline")
    found = dict(headline.select("endpoint", "verdict").iter_rows())
    assert found == dict(lakeside.plan.verdicts)
    assert set(found.values()) == {"met", "not_met", "inconclusive"}


def test_labels_of_the_prospective_window_are_withheld_before_the_look(
    lakeside: Lakeside,
) -> None:
    endpoints = lakeside.before.table("evaluation/endpoints").filter("is_headline")
    assert set(endpoints["status"]) == {"withheld"}
    assert not set(endpoints["verdict"]) & {"met", "not_met", "inconclusive"}
    for asset in ("performance", "operating_points", "calibration", "subgroups"):
        frame = lakeside.before.table(f"evaluation/{asset}").filter(
            pl.col("window") == "prospective"
        )
        rates = frame.filter(
            pl.col("metric").is_in(
                ["auc", "sensitivity", "specificity", "ppv", "npv", "prevalence", "brier", "tp"]
            )
        )
        assert rates.height
        assert set(rates["status"]) == {"withheld"}, asset
        assert rates["n"].null_count() == rates.height
        assert set(rates["reason"]) == {"no_look_yet"}
        assert rates["detail"].str.contains("2026-07-20").all()


def test_the_same_figures_are_given_at_the_look(lakeside: Lakeside) -> None:
    frame = lakeside.at_look.table("evaluation/performance")
    assert "withheld" not in set(frame["status"])
    retrospective = lakeside.before.table("evaluation/performance").filter(
        window="retrospective", metric="auc"
    )
    assert set(retrospective["status"]) == {"given"}


@pytest.mark.parametrize("asset", TABLE_WITH_FIGURES)
def test_a_withheld_figure_shows_no_number_and_every_refusal_says_why(
    lakeside: Lakeside, asset: str
) -> None:
    for built in (lakeside.before, lakeside.at_look):
        frame = built.table(asset)
        silent = frame.filter(pl.col("status") != "given")
        assert silent["reason"].null_count() == 0
        assert silent["estimate"].null_count() == silent.height
        withheld = frame.filter(status="withheld")
        assert withheld["n"].null_count() == withheld["events"].null_count() == withheld.height
