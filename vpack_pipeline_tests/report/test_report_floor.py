"""The agreement that the protocol asks for: what the first page says of it."""

from __future__ import annotations

import pytest
from report_bench import rendered, retold, words_of

from vpack_pipeline.core.adjudication.agreement import FLOOR_NOT_REACHED
from vpack_pipeline.report.adjudicated import AGREEMENT

FLOOR = {"metric": "prespecified_floor", "stratum": "all"}


def first_page(page: str) -> str:
    return words_of(page[page.index('<section id="first"') : page.index('<section id="claim"')])


def test_a_floor_that_was_not_reached_is_named_on_the_first_page(study) -> None:
    told = {"estimate": "0.412", "lower": "0.380", "upper": "0.444", "reason": FLOOR_NOT_REACHED}
    page = rendered(study, report=retold(study.report, AGREEMENT, FLOOR, **told))
    said = first_page(page)
    assert (
        "Agreement of readers (Gwet's AC1) 0.412 ( 0.380 to 0.444 ) , at least 0.6 asked for"
        " : prespecified floor not reached ." in said
    )
    assert f">{FLOOR_NOT_REACHED}</span></strong>" in page


def test_what_was_found_and_judged_is_the_cell_of_the_table(study, page) -> None:
    reason = study.tables[AGREEMENT].filter(**FLOOR)["reason"].item()
    assert reason == "reached"
    assert f"at least 0.6 asked for : {reason} ." in first_page(page)
    assert FLOOR_NOT_REACHED not in page


@pytest.mark.parametrize("status", ["refused", "withheld"])
def test_agreement_that_is_not_known_says_why(study, status: str) -> None:
    gone = {"estimate": "", "lower": "", "upper": "", "status": status, "reason": "one reader"}
    said = first_page(rendered(study, report=retold(study.report, AGREEMENT, FLOOR, **gone)))
    assert "(Gwet's AC1) not given, at least 0.6 asked for : one reader ." in said


def test_without_a_floor_the_first_page_says_nothing_of_it(study) -> None:
    bare = study.protocol.adjudication.model_copy(update={"floor": None})
    protocol = study.protocol.model_copy(update={"adjudication": bare})
    assert "Agreement of readers" not in first_page(rendered(study, protocol=protocol))
