"""What became of the image files, in the report: every count a printed figure, every code in words."""

from __future__ import annotations

import html
import re

import polars as pl
from report_bench import rendered, retold, words_of

from vpack_pipeline import contracts
from vpack_pipeline.io.dicom.outcomes import REASONS, SET_ASIDE_KINDS
from vpack_pipeline.report import words

OUTCOMES = "cohort/outcomes"
WHOLE = {"outcome": "DELIVERED"}


def markup(page: str) -> str:
    start = page.index('<div id="image-files">')
    return page[start : page.index("</section>", start)]


def said(page: str) -> str:
    return re.sub(r"(?<=\() | (?=[,.;:)])", "", words_of(markup(page)))


def shown(study, **key: str) -> dict[str, str]:
    cells = study.report.filter(pl.col("asset") == OUTCOMES)
    is_row = pl.all_horizontal(
        pl.col("row_key").str.json_path_match(f"$.{name}") == value for name, value in key.items()
    )
    return dict(cells.filter(is_row).select("column", "text").iter_rows())


def test_the_sentences_are_made_of_the_printed_totals(page, study):
    text = said(page)
    totals = {o: shown(study, outcome=o, outcome_part="all") for o in words.FATES}
    delivered, taken, copies, aside, refused = (
        totals[o]["n_files"] for o in ("DELIVERED", "PARSED", "COPY", "SET_ASIDE", "QUARANTINED")
    )
    assert (delivered, taken, copies, aside, refused) == ("1,353", "900", "15", "405", "33")
    assert (
        f"{delivered} files were delivered: {taken} images taken, {copies} copies, {aside} set"
        f" aside as sound files that are no image, and {refused} quarantined" in text
    )
    assert "vpack’s page of reason codes" in text
    whole = totals["DELIVERED"]
    assert whole["n_checked"] == "15"
    assert f"strict reader ({whole['n_walker']}), by pydicom where that reader declined" in text
    assert "headers that the strict reader read, 15, drawn at random, were read again" in text
    assert "pydicom: 0 differed." in text
    assert "DICOMweb" not in text


def test_every_row_of_the_table_is_printed_once_with_its_meaning(page, study):
    cells = study.report.filter(pl.col("asset") == OUTCOMES, pl.col("column") == "n_files")
    table = markup(page)
    table = table[table.index("<table>") : table.index("</table>")]
    found = re.findall(r'data-anchor="([^"]+)">([^<]*)<', table)
    assert sorted(anchor for anchor, _ in found) == sorted(cells["anchor"])
    texts = dict(cells.select("anchor", "text").iter_rows())
    assert all(texts[anchor] == html.unescape(text) for anchor, text in found)
    plain = words_of(table)
    details = set(study.tables[OUTCOMES]["outcome_part"]) - {"all"}
    assert all(words.FILES[d] in plain and d in plain for d in details)
    assert all(w not in plain for d, w in words.FILES.items() if d not in details)


def test_every_outcome_kind_and_reason_has_its_words():
    contract = contracts.load()[OUTCOMES]
    known = next(e for e in contract.expectations if e.id == "outcome_known")
    assert set(words.FATES) == set(known.kwargs["value_set"])
    assert set(words.FILES) == {*SET_ASIDE_KINDS, *REASONS}
    assert not any("`" in text for text in words.FILES.values())


def test_few_of_a_kind_are_counted_as_any_other(study):
    table = study.tables[OUTCOMES]
    few = table.filter(pl.col("n_files").is_between(1, 10))
    assert few.height >= 2
    for row in few.iter_rows(named=True):
        there = shown(study, outcome=row["outcome"], outcome_part=row["outcome_part"])
        assert there["n_files"] == str(row["n_files"])


def test_engines_that_read_nothing_are_not_named(study):
    nobody = dict.fromkeys(("n_pydicom", "n_dicomweb", "n_unread", "n_checked"), "0")
    text = said(rendered(study, report=retold(study.report, OUTCOMES, WHOLE, **nobody)))
    assert "strict reader (1,316). No header was drawn to be read again" in text


def test_an_archive_without_a_refusal_points_to_no_remedy(study):
    place = {"outcome": "QUARANTINED", "outcome_part": "all"}
    text = said(rendered(study, report=retold(study.report, OUTCOMES, place, n_files="0")))
    assert "0 quarantined." in text
    assert "page of reason codes" not in text


def test_the_question_and_the_data_give_the_totals_and_lead_to_the_block(page):
    for start, end in (('id="flow-head"', 'id="flow-chart"'), ('id="study-data"', "</section>")):
        part = page[page.index(start) :]
        part = part[: part.index(end)]
        assert '<a href="#image-files">' in part
        assert "1,353" in words_of(part)
        assert "900" in words_of(part)
