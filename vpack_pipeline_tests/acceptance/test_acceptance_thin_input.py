"""Thin input is published and says so: the whole chain, on data that can answer nearly nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.io.packs import verify
from vpack_pipeline.report import chapters
from vpack_pipeline_tests.acceptance.conftest import PackOf
from vpack_pipeline_tests.acceptance.site_bench import Copied, Packed, Row

LOOK = "2026-07-20"


def rewrite(
    copied: Copied, file: str, change: Callable[[list[Row]], list[Row]], form: str = ","
) -> None:
    for folder in sorted((copied.data / "deliveries").iterdir()):
        if (folder / file).exists():
            copied.rows(folder / file, change, form)


def exclude_everybody(copied: Copied) -> None:
    protocol = copied.root / "data" / "protocols" / "cxr-triage-1.0.yaml"
    copied.edit(
        protocol,
        "when: age_years >= 18\n      if_unknown: include",
        "when: age_years >= 180\n      if_unknown: exclude",
    )


def leave_one_class(copied: Copied) -> None:
    rewrite(copied, "reads.csv", lambda rows: [r | {"Nodule or mass": "absent"} for r in rows])
    rewrite(copied, "befunde.csv", lambda rows: [r | {"Ergebnis": "gutartig"} for r in rows], ";")


def leave_one_reader(copied: Copied) -> None:
    rewrite(
        copied,
        "reads.csv",
        lambda rows: [r for r in rows if r["Reader"] == "R-ALDER" and r["Session"] == "1"],
    )
    rewrite(copied, "befunde.csv", lambda _rows: [], ";")


def leave_the_past(copied: Copied) -> None:
    """Take the later cases away with what was said of them: rows of no case would close the gate."""
    kept: set[str] = set()

    def past(rows: list[Row]) -> list[Row]:
        found = [r for r in rows if r["Exam Date"] < "2025-07-01"]
        kept.update(r["Case No"] for r in found)
        return found

    rewrite(copied, "cases.csv", past)
    rewrite(copied, "reads.csv", lambda rows: [r for r in rows if r["Case No"] in kept])
    rewrite(copied, "befunde.csv", lambda rows: [r for r in rows if r["Fallnummer"] in kept], ";")
    for path in (copied.data / "deliveries").glob("*/predictions.parquet"):
        pl.read_parquet(path).filter(pl.col("case_id").is_in(kept)).write_parquet(path)
    for path in (copied.data / "dicom").rglob("*.dcm"):
        if path.parts[-4:-2] >= ("2025", "07") and path.parts[-4].isdigit():
            path.unlink()


THIN = {
    "all excluded": exclude_everybody,
    "one class": leave_one_class,
    "one reader": leave_one_reader,
    "no prospective data": leave_the_past,
}


Packs = Callable[[str], Packed]


@pytest.fixture
def packs(pack_of: PackOf) -> Packs:
    """Give the pack of a thin site by its name."""
    return lambda name: pack_of(name, lambda copied: THIN[name](copied.without_broken_files()))


@pytest.mark.parametrize("name", list(THIN))
def test_it_is_published_and_whole(packs: Packs, name: str) -> None:
    pack = packs(name)
    assert verify(pack.path) == []
    assert (pack.built.root / "data/packs/riverside/latest").resolve() == pack.path.resolve()


@pytest.mark.parametrize("name", list(THIN))
def test_every_table_is_there_and_every_missing_figure_has_its_reason(
    packs: Packs, name: str
) -> None:
    pack = packs(name)
    seen = 0
    for asset, contract in contracts.load().items():
        if not contract.export or not {"reason", "status"} <= contract.polars_schema.keys():
            continue
        frame = pack.built.table(asset)
        assert frame.height, asset
        silent = frame.filter(pl.col("status") != "given")
        assert silent["reason"].null_count() == 0, asset
        seen += 1
    assert seen >= 15


@pytest.mark.parametrize("name", list(THIN))
def test_no_endpoint_is_called_met_for_want_of_data(packs: Packs, name: str) -> None:
    pack = packs(name)
    endpoints = pack.built.table("evaluation/endpoints").filter("is_headline")
    assert endpoints.height == 4
    verdicts = dict(endpoints.select("endpoint", "verdict").iter_rows())
    if name in {"all excluded", "no prospective data"}:
        assert set(endpoints["status"]) == {"refused"}
        assert not set(verdicts.values()) & {"met"}
    if name == "one class":
        assert verdicts["auc_after_lock"] != "met"
        assert verdicts["sensitivity_after_lock"] != "met"


@pytest.mark.parametrize("name", list(THIN))
def test_the_report_prints_no_nan_no_none_and_no_placeholder(packs: Packs, name: str) -> None:
    pack = packs(name)
    # Whole cells and words: "None" may begin a sentence of the protocol.
    assert not re.findall(r">\s*-?(nan|NaN|None|null|inf|Infinity)\s*<", pack.html)
    words = pack.words
    for slip in (" nan ", " NaN ", "None,", "None%", "nan%", " inf ", "{{", "{%", "Traceback"):
        assert slip not in words, slip


def test_the_report_says_that_nobody_was_left(packs: Packs) -> None:
    pack = packs("all excluded")
    flow = pack.built.table("eligibility/flow").filter(unit="case").sort("rule_order")
    assert flow["remaining"].to_list()[-1] == 0
    assert "18 years or older" in pack.first_page
    assert pack.built.table("eligibility/included").is_empty()
    for window in ("Retrospective", "Prospective"):
        assert f"{window} 0 0 0" in pack.performance


ANSWERED = {
    "all excluded": (
        "left nobody: no figure here rests on any case",
        "there was nothing to decide",
    ),
    "one class": ("who read without sight of one another's reads",),
    "one reader": ("a single reader, so that nothing shows how far readers agree",),
    "no prospective data": ("No case from after the model was locked has a label due yet",),
}


@pytest.mark.parametrize("name", list(ANSWERED))
def test_the_answers_own_up_to_what_is_thin(packs: Packs, name: str) -> None:
    page = packs(name).html
    assert page.count('<div class="answer">') == len(chapters.QUESTIONS)
    for said in ANSWERED[name]:
        assert said in packs(name).words


def test_one_class_has_no_area_and_no_sensitivity_and_says_why(packs: Packs) -> None:
    pack = packs("one class")
    for window in ("retrospective", "prospective"):
        row = pack.built.figure(
            "evaluation/performance", model_id="nodule-2", window=window, metric="auc"
        )
        assert (row["status"], row["reason"]) == ("refused", "one_class")
    assert codes.sentence(row["reason"], row["detail"]) in pack.words
    specificity = pack.built.figure(
        "evaluation/operating_points",
        operating_point="triage",
        window="prospective",
        analysis="intention_to_diagnose",
        metric="specificity",
    )
    assert specificity["status"] == "given"


def test_a_single_reader_has_no_agreement_and_makes_no_panel(packs: Packs) -> None:
    pack = packs("one reader")
    agreement = pack.built.table("adjudication/agreement")
    kappa = agreement.filter(pl.col("metric").is_in(["fleiss_kappa", "gwet_ac1"]))
    assert set(kappa["status"]) == {"refused"}
    assert kappa["reason"].null_count() == 0
    assert codes.sentence(kappa["reason"][0], kappa["detail"][0]) in pack.words
    labels = pack.built.table("adjudication/reference_standard")
    assert labels["label"].null_count() == labels.height
    assert set(labels["n_independent"]) <= {0, 1}
    given = pack.built.table("evaluation/operating_points").filter(
        metric="sensitivity", analysis="intention_to_diagnose"
    )
    assert set(given["status"]) == {"refused"}


def test_no_prospective_data_leaves_the_past_as_it_is(packs: Packs) -> None:
    pack = packs("no prospective data")
    performance = pack.built.table("evaluation/performance").filter(
        model_id="nodule-2", metric="auc"
    )
    found = dict(performance.select("window", "status").iter_rows())
    assert found == {"retrospective": "given", "prospective": "refused"}
    assert "Prospective 0 0 0" in pack.performance
    rule = pack.built.figure("evaluation/integrity", rule="scored_before_labelled")
    assert rule["verdict"] == "not_assessable"


def test_no_row_of_a_figure_table_appears_or_goes_with_the_data(packs: Packs) -> None:
    """Rows of the figure tables are fixed by the protocol: thin data refuse figures, never rows."""
    own = {name: packs(name) for name in ("one class", "one reader", "no prospective data")}
    for asset, contract in contracts.load().items():
        figures = asset.startswith("evaluation/") and contract.export
        if not figures or contract.rows_vary or asset == "evaluation/exclusion_audit":
            continue
        keys = {
            # The panel without each of its readers is the site's own.
            name: {
                key
                for key in pack.built.table(asset).select(contract.key).iter_rows()
                if "drop_reader" not in key
            }
            for name, pack in own.items()
        }
        assert len(set(map(frozenset, keys.values()))) == 1, asset


def test_copied_rows_are_really_gone(packs: Packs) -> None:
    """That the sites are as thin as they claim."""
    reader = packs("one reader").built.table("cohort/reads").filter("in_force")
    assert reader["reader_id"].n_unique() == 1
    past = packs("no prospective data").built.table("evaluation/time_split")
    assert set(past["window"]) <= {"retrospective", "outside"}
    one = packs("one class").built.table("adjudication/reference_standard")
    assert "positive" not in set(one["label"])


def leave_few_reads_that_differ(copied: Copied) -> None:
    """Of twelve cases three have two reads, which differ, and nine a single negative one."""
    kept: list[str] = []

    def few(rows: list[Row]) -> list[Row]:
        found = []
        for row in (r for r in rows if (r["Session"], r["Reader"]) == ("1", "R-ALDER")):
            if len(kept) < 12 and row["Case No"] not in kept:
                kept.append(row["Case No"])
                found.append(row | {"Nodule or mass": "absent"})
                if len(kept) <= 3:
                    found.append(row | {"Reader": "R-BIRCH", "Nodule or mass": "present"})
        return found

    rewrite(copied, "reads.csv", few)
    rewrite(copied, "befunde.csv", lambda _rows: [], ";")


def test_a_kappa_below_minus_one_closes_no_gate(riverside: Copied) -> None:
    leave_few_reads_that_differ(riverside)
    built = riverside.built("adjudication/agreement")
    kappa = built.figure("adjudication/agreement", metric="fleiss_kappa", stratum_kind="all")
    assert kappa["estimate"] < -1
    assert kappa["lower"] is None
