"""The agreement that the protocol asks for: what the first page says of it."""

from __future__ import annotations

import pytest
from report_bench import chapter, recoded, rendered, retold, words_of

from vpack_pipeline.contracts import codes
from vpack_pipeline.report.adjudicated import AGREEMENT
from vpack_pipeline.stats.codes import Code

FLOOR = {"metric": "prespecified_floor", "stratum": "all"}
NOT_REACHED = codes.sentence("floor_not_reached", None)
REACHED_BY_GUESSING = codes.sentence("floor_reached_by_guessing", None)


def first_page(page: str) -> str:
    return words_of(page[page.index('<section id="first"') : page.index('<section id="claim"')])


def agreed(page: str) -> str:
    """The line of the chapter on the agreement that was asked for."""
    made = chapter(page, "adjudication")
    return words_of(made[made.index(">Agreement asked for beforehand") + 1 :])


def test_a_floor_that_was_not_reached_is_named_on_the_first_page(study) -> None:
    found = {"estimate": "0.412", "lower": "0.380", "upper": "0.444"}
    told = retold(study.report, AGREEMENT, FLOOR, **found)
    told = recoded(told, AGREEMENT, FLOOR, notes=Code("floor_not_reached"))
    page = rendered(study, report=told)
    said = first_page(page)
    assert (
        "Agreement of readers (agreement on positives), at least 0.6 asked for: 0.412"
        " ( 0.380 to 0.444 ) , prespecified floor not reached ." in said
    )
    assert f">{NOT_REACHED}</span></strong>" in page


def test_what_was_found_and_judged_is_the_cell_of_the_table(study, page) -> None:
    verdict = study.tables[AGREEMENT].filter(**FLOOR)["notes"].item()
    assert verdict == "floor_reached"
    assert f": {codes.sentence(verdict, None)} ." in agreed(page)
    assert "Agreement of readers" not in first_page(page)
    assert NOT_REACHED not in page


@pytest.mark.parametrize("status", ["refused", "withheld"])
def test_agreement_that_is_not_known_says_why(study, status: str) -> None:
    gone = {"estimate": "", "lower": "", "upper": "", "status": status}
    told = retold(study.report, AGREEMENT, FLOOR, **gone)
    told = recoded(told, AGREEMENT, FLOOR, reason=Code("one_reader"), notes=None)
    said = agreed(rendered(study, report=told))
    assert said.startswith("Agreement asked for beforehand fewer than two readers .")


def test_without_a_floor_the_first_page_says_nothing_of_it(study) -> None:
    bare = study.protocol.adjudication.model_copy(update={"floor": None})
    protocol = study.protocol.model_copy(update={"adjudication": bare})
    assert "Agreement of readers" not in first_page(rendered(study, protocol=protocol))


def test_a_floor_that_guessing_would_reach_is_named_as_such(study) -> None:
    told = recoded(study.report, AGREEMENT, FLOOR, notes=Code("floor_reached_by_guessing"))
    page = rendered(study, report=told)
    assert f", {REACHED_BY_GUESSING} ." in first_page(page)
    assert f">{REACHED_BY_GUESSING}</span></strong>" in page


def test_what_guessing_would_reach_stands_in_the_chapter(study, page) -> None:
    place = FLOOR | {"metric": "prespecified_floor_by_chance"}
    value = study.tables[AGREEMENT].filter(**place)["estimate"].item()
    said = words_of(page[page.index('<section id="adjudication"') :])
    assert f"Readers who guessed would reach {value:.3f} ." in said
    none = rendered(study, report=retold(study.report, AGREEMENT, place, estimate="0.000"))
    assert "Readers who guessed" not in words_of(none)
