"""Nothing is lost and nothing counted twice, from the delivered file to the printed figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl
import pytest

from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.contradictions import delivered_rows, kept_rows, rows_lost
from vpack_pipeline_tests.acceptance.site_bench import Built

CALLED = ("tp", "fp", "fn", "tn")
UNDECIDED = (
    *("indeterminate_flagged", "indeterminate_unflagged"),
    *("unlabelled_flagged", "unlabelled_unflagged"),
)


@pytest.fixture(scope="module", params=["lakeside", "lidc"])
def site(request: pytest.FixtureRequest) -> Built:
    if request.param == "lidc":
        built: Built = request.getfixturevalue("lidc")
        return built
    lakeside: Lakeside = request.getfixturevalue("lakeside")
    return lakeside.at_look


def counts(frame: pl.DataFrame) -> dict[str, float]:
    """Metric → estimate, of rows that name each metric once."""
    found = dict(frame.select("metric", "estimate").iter_rows())
    assert len(found) == frame.height
    return found


def groups(frame: pl.DataFrame, *keys: str) -> Iterable[tuple[dict[str, str], pl.DataFrame]]:
    for values, part in frame.group_by(keys, maintain_order=True):
        yield dict(zip(keys, map(str, values), strict=True)), part


# Rows and files


def test_accepted_and_quarantined_rows_are_those_delivered(site: Built) -> None:
    delivered = delivered_rows(site)
    stated = site.table("cohort/deliveries").select("delivery", "kind", "rows").iter_rows()
    assert {(d, k): n for d, k, n in stated} == dict(delivered)
    assert sum(delivered.values()) > 1000
    assert rows_lost(delivered, *kept_rows(site)) == []


def test_no_line_is_both_taken_and_refused(site: Built) -> None:
    for kind in ("cases", "reads", "reference", "predictions", "operations", "error_review"):
        taken = site.table(f"cohort/{kind}").select("delivery", "line")
        refused = site.quarantine(kind).select("delivery", "line")
        both = pl.concat([taken, refused])
        assert both.n_unique() == both.height, kind


def test_every_file_of_the_archive_has_one_outcome(site: Built) -> None:
    folder = site.root / "data" / "demo" / site.site_id / "dicom"
    on_disk = sum(path.is_file() for path in folder.rglob("*"))
    files = site.table("cohort/files")
    outcomes = Counter(files["outcome"])
    parsed, copies, aside = (outcomes.pop(k, 0) for k in ("PARSED", "COPY", "SET_ASIDE"))
    refused = site.quarantine("image")
    assert files["file_id"].n_unique() == on_disk
    assert parsed == site.table("cohort/instances").height
    assert Counter(refused["reason"]) == outcomes
    assert parsed + copies + aside + refused.height == on_disk


def test_the_outcomes_count_every_file_once_and_as_the_files_say(site: Built) -> None:
    files, outcomes = site.table("cohort/files"), site.table("cohort/outcomes")
    found = {
        (o, d): n for o, d, n in outcomes.select("outcome", "outcome_part", "n_files").iter_rows()
    }
    wholes = {o: n for (o, d), n in found.items() if d == "all"}
    refused = site.quarantine("image")
    assert wholes == {
        "DELIVERED": files.height,
        "PARSED": site.table("cohort/instances").height,
        "COPY": files.filter(outcome="COPY").height,
        "SET_ASIDE": files.filter(outcome="SET_ASIDE").height,
        "QUARANTINED": refused.height,
    }
    kinds = Counter(files.filter(outcome="SET_ASIDE")["outcome_part"])
    parts = {(o, d): n for (o, d), n in found.items() if d != "all"}
    assert parts == {
        **{("SET_ASIDE", kind): n for kind, n in kinds.items()},
        **{("QUARANTINED", reason): n for reason, n in Counter(refused["reason"]).items()},
    }
    whole = site.figure("cohort/outcomes", outcome="DELIVERED")
    engines = Counter(files["engine"])
    assert [whole[f"n_{e or 'unread'}"] for e in ("walker", "pydicom", "dicomweb", None)] == [
        engines[e] for e in ("walker", "pydicom", "dicomweb", None)
    ]
    assert whole["n_checked"] == files["checked"].count()
    assert whole["n_differed"] == 0


def test_the_union_of_quarantines_is_the_quarantine(site: Built) -> None:
    kinds = ["image", *(str(k) for k in site.bench.study.site.inputs)]
    parts = Counter({kind: site.quarantine(kind).height for kind in kinds})
    whole = Counter(site.table("cohort/quarantine")["kind"])
    assert whole == +parts


def test_instances_series_and_studies_sum(site: Built) -> None:
    instances, series = site.table("cohort/instances"), site.table("cohort/series")
    studies = site.table("cohort/studies")
    assert series["n_instances"].sum() == studies["n_instances"].sum() == instances.height
    assert studies["n_series"].sum() == series.height
    assert studies.height == instances["study_id"].n_unique()


# Eligibility


def test_the_flow_sums_to_the_cohort_in_every_unit(site: Built) -> None:
    flow = site.table("eligibility/flow")
    cases = site.table("cohort/cases").filter("in_force")
    totals = {
        "case": cases.height,
        "study": site.table("cohort/studies").height,
        "patient": site.table("eligibility/patients").height,
    }
    for unit, total in totals.items():
        rows = flow.filter(unit=unit).sort("rule_order")
        assert set(rows["total"]) == {total}
        assert rows["removed"].sum() + rows["remaining"].to_list()[-1] == total
    left = flow.filter(unit="case").sort("rule_order")["remaining"].to_list()[-1]
    assert left == site.table("eligibility/included").height


def test_included_and_excluded_are_all_cases_once(site: Built) -> None:
    cases = site.table("cohort/cases").filter("in_force")["case_id"].to_list()
    included = site.table("eligibility/included")["case_id"].to_list()
    excluded = site.table("eligibility/excluded")["case_id"].to_list()
    assert sorted(included + excluded) == sorted(cases)


def test_the_first_rule_of_the_excluded_is_the_rule_of_the_flow(site: Built) -> None:
    first = Counter(site.table("eligibility/excluded")["first_rule"])
    flow = site.table("eligibility/flow").filter(
        (pl.col("unit") == "case") & (pl.col("removed") > 0)
    )
    assert dict(flow.select("rule", "removed").iter_rows()) == dict(first)


def test_every_case_has_a_label_row_a_score_row_and_a_window(site: Built) -> None:
    cases = set(site.table("cohort/cases").filter("in_force")["case_id"])
    protocol = site.bench.study.protocol
    pairs = len(cases) * len(protocol.findings)
    rows = {
        "adjudication/reference_standard": pairs,
        "evaluation/time_split": pairs,
        "evaluation/index_test": pairs * len(protocol.index_test.models),
    }
    for asset, n in rows.items():
        table = site.table(asset)
        assert set(table["case_id"]) == cases, asset
        assert table.height == n, asset


def test_bins_of_the_profile_sum_to_the_set(site: Built) -> None:
    sizes = {
        "cohort": site.table("cohort/cases").filter("in_force").height,
        "included": site.table("eligibility/included").height,
        "excluded": site.table("eligibility/excluded").height,
    }
    for keys, part in groups(site.table("representativeness/profile"), "variable", "set"):
        total = set(part["n_total"])
        if "cases_outside_windows_left_out" not in set(part["notes"]) and keys["set"] in sizes:
            assert total == {sizes[keys["set"]]}
        if "set_too_small" in set(part["reason"]):
            without = part.filter(pl.col("n").is_null() & pl.col("share").is_null())
            assert set(part["bin"]) - set(without["bin"]) == {"missing"}
            continue
        assert total == {part["n"].sum()}, keys
        # A target states some variables alone.
        has_any = total != {0} or keys["set"] != "target"
        assert part["share"].sum() == pytest.approx(1 if has_any else 0)


# Figures


def test_the_analysed_are_the_included_mature_cases_of_the_window(site: Built) -> None:
    split = site.table("evaluation/time_split").filter("is_included")
    frame = site.table("evaluation/performance").filter(pl.col("model_id") != "unaided_readers")
    seen = 0
    outside = frame.filter(window="outside", metric="n_cases")
    for row in outside.iter_rows(named=True):
        assert row["events"] == split.filter(finding=row["finding"], window="outside").height
    for keys, part in groups(
        frame.filter(pl.col("window") != "outside"), "finding", "model_id", "window"
    ):
        found = counts(part)
        own = split.filter(finding=keys["finding"], window=keys["window"])
        assert found["n_cases"] == own.filter("is_mature").height
        assert found["n_immature"] == own.filter(~pl.col("is_mature")).height
        decided = found["n_positive"] + found["n_negative"]
        assert decided + found["n_undecided"] + found["n_indeterminate"] == found["n_cases"]
        seen += 1
    assert seen >= 2


def test_the_two_by_two_table_sums_to_the_cases(site: Built) -> None:
    performance = site.table("evaluation/performance")
    frame = site.table("evaluation/operating_points").filter(analysis="intention_to_diagnose")
    seen = 0
    for keys, part in groups(frame, "finding", "model_id", "window", "operating_point"):
        found = counts(part)
        del keys["operating_point"]
        whole = counts(performance.filter(**keys))
        assert found["tp"] + found["fn"] == whole["n_positive"]
        assert found["fp"] + found["tn"] == whole["n_negative"]
        assert sum(found[m] for m in (*CALLED, *UNDECIDED)) == whole["n_cases"]
        seen += 1
    assert seen >= 2


def test_rates_are_the_ratios_of_the_printed_counts(site: Built) -> None:
    frame = site.table("evaluation/operating_points").filter(analysis="intention_to_diagnose")
    for _, part in groups(frame, "finding", "model_id", "window", "operating_point"):
        found = counts(part)
        tp, fp, fn, tn = (found[m] for m in CALLED)
        for metric, (of, among) in {
            "sensitivity": (tp, tp + fn),
            "specificity": (tn, tn + fp),
            "ppv": (tp, tp + fp),
            "npv": (tn, tn + fn),
        }.items():
            row = part.row(by_predicate=pl.col("metric") == metric, named=True)
            assert (row["events"], row["n"]) == (of, among)
            assert row["estimate"] == pytest.approx(of / among)


def test_burden_per_thousand_fits_the_table(site: Built) -> None:
    frame = site.table("evaluation/operating_points").filter(analysis="intention_to_diagnose")
    for _, part in groups(frame, "finding", "model_id", "window", "operating_point"):
        found = counts(part)
        decided = sum(found[m] for m in CALLED)
        assert found["missed_per_1000"] == pytest.approx(1000 * found["fn"] / decided)
        assert found["false_alarms_per_1000"] == pytest.approx(1000 * found["fp"] / decided)


def test_statuses_of_the_index_test_sum_to_the_included_cases(site: Built) -> None:
    frame = site.table("evaluation/failures").filter(stratum_kind="all")
    statuses = ("n_ok", "n_failed", "n_refused", "n_not_sent", "n_missing")
    total: Counter[str] = Counter()
    for keys, part in groups(frame, "finding", "model_id", "window"):
        found = counts(part.filter(pl.col("metric") != "failure_share"))
        assert sum(found[m] for m in statuses) == found["n_cases"]
        total[keys["model_id"]] += int(found["n_cases"])
    split = site.table("evaluation/time_split").filter("is_included", pl.col("window") != "outside")
    assert set(total.values()) == {split.height}


def test_subgroups_of_a_variable_sum_to_all(site: Built) -> None:
    whole = site.table("evaluation/performance")
    frame = site.table("evaluation/subgroups").filter(pl.col("stratum") != "*")
    seen = 0
    for keys, part in groups(frame, "finding", "model_id", "window", "stratum_kind"):
        variable = keys.pop("stratum_kind")
        all_cases = counts(whole.filter(**keys))
        for metric in ("n_cases", "n_positive", "n_negative"):
            strata = part.filter(metric=metric)
            kept_back = strata.filter(pl.col("status") == "refused")
            found = strata["estimate"].sum()
            if kept_back.is_empty():
                assert found == all_cases[metric], variable
                seen += 1
            else:
                assert found <= all_cases[metric], variable
    assert seen >= 4


def test_bins_of_calibration_sum_to_the_scored_and_decided(site: Built) -> None:
    if site.bench.study.protocol.index_test.output.kind != "probability":
        frame = site.table("evaluation/calibration")
        assert set(frame["status"]) <= {"refused", "withheld"}
        return
    frame = site.table("evaluation/calibration")
    for keys, part in groups(frame, "finding", "model_id", "window"):
        bins = part.filter(stratum_kind="probability", metric="observed_rate")
        brier = part.row(by_predicate=pl.col("metric") == "brier", named=True)
        assert bins["n"].sum() == brier["n"], keys
        assert bins["events"].sum() == brier["events"]


def test_errors_by_state_of_the_panel_sum_to_the_errors_of_the_table(site: Built) -> None:
    points = site.table("evaluation/operating_points").filter(analysis="intention_to_diagnose")
    primary = next(p for p in site.bench.study.protocol.evaluation.operating_points if p.primary)
    attribution = site.table("evaluation/error_attribution").filter(model_id=primary.model)
    for keys, part in groups(attribution, "finding", "window"):
        found = counts(points.filter(operating_point=primary.name, **keys))
        for metric, cell in (("false_negatives", "fn"), ("false_positives", "fp")):
            rows = part.filter(metric=metric)
            states = rows.filter(pl.col("panel_state") != "all")
            assert states["events"].sum() == found[cell]
            assert rows.filter(panel_state="all")["events"].sum() == found[cell]


def test_verified_by_call_sum_to_the_cases(site: Built) -> None:
    performance = site.table("evaluation/performance")
    frame = site.table("evaluation/verification").filter(source="any", metric="eligible")
    for keys, part in groups(frame, "finding", "model_id", "window"):
        assert part["estimate"].sum() == counts(performance.filter(**keys))["n_cases"]


def test_paths_to_a_label_are_all_the_paths(site: Built) -> None:
    agreement = site.table("adjudication/agreement")
    for _, part in groups(agreement, "finding"):
        paths = part.filter(pl.col("metric").str.starts_with("path_"))
        assert paths["events"].sum() == site.table("eligibility/included").height
        assert paths["estimate"].sum() == pytest.approx(1)


def test_removed_cases_of_the_audit_are_those_that_eligibility_excluded(site: Built) -> None:
    split = site.table("evaluation/time_split").filter("is_mature")
    excluded = site.table("eligibility/excluded").join(split, on="case_id")
    frame = site.table("evaluation/exclusion_audit").filter(metric="n_removed_only")
    seen = set()
    for keys, part in groups(frame, "rule", "finding", "window"):
        own = excluded.filter(finding=keys["finding"], window=keys["window"])
        if keys["rule"] != "all rules":
            own = own.filter(all_rules=keys["rule"])
        assert set(part["estimate"]) == {own.height}, keys
        seen.add(keys["rule"])
    assert seen == {"all rules", *(r.id for r in site.bench.study.protocol.eligibility.rules)}


def test_shares_of_a_baseline_sum_to_one(site: Built) -> None:
    for keys, part in groups(site.table("drift/baseline"), "monitor"):
        shares = part["share"].drop_nulls()
        assert shares.len() == 0 or shares.sum() == pytest.approx(1), keys
