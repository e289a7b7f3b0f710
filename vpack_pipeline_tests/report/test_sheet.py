"""The first page as blocks, as HTML and on paper: the same words in both, each from a row."""

from __future__ import annotations

import re

import pytest
from report_bench import retold

from vpack_pipeline.report import markup, typeset
from vpack_pipeline.report.book import Book, Cell
from vpack_pipeline.report.sheet import Subject, sheet
from vpack_pipeline.report.summary import summary
from vpack_pipeline.report.view import (
    Answers,
    Banner,
    Drawing,
    Lead,
    Link,
    Pictures,
    Quiet,
    Strong,
    Table,
    Verdict,
    plain,
)

NUMBER = re.compile(r"(?<![\w.-])\d[\d,.]*\d|(?<![\w.-])\d(?![\w.])")


@pytest.fixture(scope="module")
def made(study):
    return sheet(Subject(Book(study.report), study.protocol, study.site, study.cut))


def of(made, kind):
    return [block for block in made if isinstance(block, kind)]


def test_the_page_opens_with_what_happened_after_the_lock(made):
    (lead,) = of(made, Lead)
    assert plain(lead.paragraphs[0]).startswith("After the lock, sensitivity was ")
    assert "; specificity was " in plain(lead.paragraphs[0])


def test_a_finding_has_three_lines_with_goal_both_windows_change_and_verdict(made, study):
    (table,) = of(made, Table)
    (group,) = table.groups
    assert table.columns == (
        "Figure",
        "Goal",
        "Before the lock",
        "After the lock",
        "Change",
        "Verdict",
    )
    assert [plain(line.head) for line in group.lines] == [
        "Sensitivity",
        "Specificity",
        "AUC",
    ]
    assert all(len(line.cells) == len(table.columns) - 1 for line in group.lines)
    verdicts = {plain(line.cells[-1]) for line in group.lines}
    assert verdicts <= {"met", "not_met", "inconclusive", "not_taken", ""}


def test_every_line_leads_to_a_place_of_the_report(made, page):
    (lines,) = of(made, Answers)
    links = [run.to for a in lines.answers for run in a.text if isinstance(run, Link)]
    assert len(links) >= 6
    for place in links:
        assert place == "compare.html" or f'id="{place.removeprefix("#")}"' in page


def test_the_report_opens_with_the_same_blocks(made, page):
    first = page[page.index('<section id="first"') : page.index('<section id="claim"')]
    for block in made:
        assert markup.block(block) in first


def test_every_number_of_the_figures_is_that_of_a_printed_cell(made, study):
    """Out of the words of the table, sentences and tiles; the protocol's own numbers stand aside."""
    cells = set(study.report["text"].to_list())
    (table,) = of(made, Table)
    for line in table.groups[0].lines:
        for text in line.cells:
            for run in text:
                for cell in cells_of(run):
                    assert cell.text in cells
                if isinstance(run, str):
                    assert not NUMBER.search(run), run


def cells_of(run) -> list[Cell]:
    match run:
        case Cell():
            return [run]
        case Verdict(value):
            return [value]
        case Strong(inner) | Quiet(inner) | Link(inner, _):
            return [cell for one in inner for cell in cells_of(one)]
    return []


def test_paper_is_one_page_of_equal_bytes_that_a_screen_reader_can_read(study):
    given = {n: getattr(study, n) for n in ("report", "protocol", "site", "cut")}
    pdf = summary(**given)
    assert pdf == summary(**given)
    assert pdf.startswith(b"%PDF-")
    assert re.search(rb"/Count 1\b", pdf)
    assert b"pdfuaid" in pdf
    assert b"/Lang" in pdf


def test_text_is_never_read_as_code():
    hostile = '#panic("x") *b* $1$ <script>alert(1)</script> \\ "'
    block = Banner((hostile, Link((hostile,), "#first"), Strong((hostile,))))
    assert "<script>" not in markup.block(block)
    assert typeset.typeset((block,), title=hostile, day="2026-07-20").startswith(b"%PDF-")


def test_a_thing_that_is_no_block_is_refused():
    with pytest.raises(TypeError, match="str"):
        markup.block("words")
    with pytest.raises(TypeError, match="str"):
        typeset.typeset(("words",), title="t", day="2026-07-20")


def test_a_drawing_stands_alone_on_paper_and_has_words_in_the_page(made):
    (pictures,) = of(made, Pictures)
    for picture in pictures.pictures:
        drawing: Drawing = picture.drawing
        assert f'<title id="{drawing.name}-title">' in markup.drawing(drawing)
        alone = typeset.drawing(drawing)
        assert alone.startswith("<svg xmlns=")
        assert not re.search(r"\b(INK|RULE|QUIET|OPEN|ACCENT|GROUND|BAD)\b", alone)


def test_where_too_many_labels_are_missing_bounds_stand_in_sentence_and_table(study):
    key = {"call": "all", "source": "any", "metric": "naive_is_headline", "window": "prospective"}
    told = retold(study.report, "evaluation/verification", key, estimate="0")
    made = sheet(Subject(Book(told), study.protocol, study.site, study.cut))
    (lead,) = of(made, Lead)
    assert "sensitivity lies between " in plain(lead.paragraphs[0])
    assert ", whatever the missing labels are and chance aside, " in plain(lead.paragraphs[0])
    (table,) = of(made, Table)
    _, before, after, *_ = table.groups[0].lines[0].cells
    assert re.fullmatch(r"[\d.]+% to [\d.]+% labelled [\d.]+%", plain(after))
    assert "labelled" not in plain(before)
    _, before, after, *_ = table.groups[0].lines[2].cells
    assert re.fullmatch(r"labelled [\d.]+", plain(after))
    assert re.fullmatch(r"[\d.]+ [\d.]+ to [\d.]+", plain(before))
