"""How soon somebody looked, what a review found, and which figures of agreement are left out."""

from __future__ import annotations

import polars as pl
from report_bench import recoded, rendered, retold, words_of

from vpack_pipeline.report.adjudicated import AGREEMENT

HEADING = "How soon the model answered, and how soon somebody looked"
REVIEW = "What a review of the errors found"
USED = "over the classes that were used"


def block(page: str, heading: str) -> str:
    start = page.index(heading)
    return words_of(page[start : page.index("<h3>", start)])


def test_flagged_and_cleared_cases_stand_beside_one_another(study, page) -> None:
    said = block(page, HEADING)
    point = next(p for p in study.protocol.evaluation.operating_points if p.primary)
    rows = study.tables["evaluation/timeliness"].filter(
        operating_point=point.name, window="retrospective", metric="received_to_opened_median"
    )
    for estimate in rows.filter(pl.col("call_kind") != "none")["estimate"]:
        assert f"{estimate:,.0f}" in said
    assert "Never opened" in said


def test_what_a_review_found_is_printed_and_what_it_never_found_is_not(study, page) -> None:
    said = block(page, REVIEW)
    point = next(p for p in study.protocol.evaluation.operating_points if p.primary)
    rows = study.tables["evaluation/error_review"].filter(operating_point=point.name)
    found = rows.filter(pl.col("metric").str.starts_with("cause_"), pl.col("events") > 0)
    assert "Cause: small or faint" in said
    assert found.height
    none = rows.filter(pl.col("error_kind") == "no_error")
    assert "reviewed, and no error here" in said
    assert none["events"].sum() > 0


def test_ac1_over_used_classes_is_printed_where_one_was_never_used(study, page) -> None:
    assert USED not in page
    place = {"metric": "gwet_ac1_used", "stratum": "all"}
    given = retold(study.report, AGREEMENT, place, estimate="0.600", status="given")
    told = recoded(given, AGREEMENT, place, reason=None)
    assert USED in rendered(study, report=told)
