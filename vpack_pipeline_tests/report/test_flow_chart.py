"""The participant flow, as drawn: its order, its boxes, and pages that cut none of them."""

from __future__ import annotations

import re

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell
from vpack_pipeline.report.charts.flow import Counts, Step, flow


def counts(cases: int, patients: int) -> Counts:
    return (Cell("", f"{cases:,}"), "cases"), (Cell("", f"{patients:,}"), "patients")


STEPS = [
    Step("18 years or older", counts(30, 20), counts(970, 780)),
    Step("A frontal view", counts(70, 60), counts(900, 720)),
]
ENDS = [
    ("Retrospective", "Nodule", "Label due: 500", "Positive: 60"),
    ("Prospective", "Nodule", "Label due: 400", "Positive: 50"),
]


def words(body: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", body)


def boxes(body: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(
        r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="box"', body
    )
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in found]


def test_counts_stand_from_what_was_delivered_to_each_window():
    (drawing,) = flow(counts(1000, 800), STEPS, ENDS)
    said = words(drawing.body)
    order = ("Delivered", "1. 18 years or older", "2. A frontal view", "Included", "Retrospective")
    places = [said.index(w) for w in order]
    assert places == sorted(places)
    assert said[1:3] == ["1,000 cases", "800 patients"]
    included = said.index("Included")
    assert said[included + 1 : included + 3] == ["900 cases", "720 patients"]


def test_no_box_stands_on_another_or_leaves_the_picture():
    titles = [Step("A rule whose title takes some lines " * 3, *[counts(10, 9)] * 2)] * 6
    (drawing,) = flow(counts(1000, 800), titles, ENDS, ["Outside both windows: 3"])
    made = boxes(drawing.body)
    for i, (x, y, w, h) in enumerate(made):
        assert x + w <= drawing.width
        assert y + h <= drawing.height
        for a, b, c, d in made[:i]:
            assert x >= a + c or a >= x + w or y >= b + d or b >= y + h


def test_what_lies_in_no_window_stands_beside_what_is_included():
    (drawing,) = flow(counts(1000, 800), STEPS, ENDS, ["Outside both windows: 3"])
    assert "Outside both windows: 3" in words(drawing.body)
    (bare,) = flow(counts(1000, 800), STEPS, ENDS)
    assert len(boxes(drawing.body)) == len(boxes(bare.body)) + 1


@pytest.mark.parametrize("ends", [[], ENDS[:1]])
def test_without_two_windows_nothing_is_parted(ends):
    (drawing,) = flow(counts(1000, 800), STEPS, ends)
    assert drawing.body.count('class="tip"') == len(ends)


def test_without_rules_all_is_included():
    (drawing,) = flow(counts(1000, 800), [], ENDS)
    assert words(drawing.body).count("1,000 cases") == 2


def test_a_long_flow_is_parted_by_pages_and_loses_nothing():
    steps = [Step(f"Rule number {i}", counts(i, i), counts(1000 - i, 900 - i)) for i in range(40)]
    parts = flow(counts(1000, 900), steps, ENDS * 6)
    assert len(parts) > 2
    assert len({p.name for p in parts}) == len(parts)
    assert all(p.height <= 1082 for p in parts)
    said = [w for p in parts for w in words(p.body)]
    assert [w for w in said if "Rule number" in w] == [
        f"{i + 1}. Rule number {i}" for i in range(40)
    ]
    assert said.count("Prospective") == 6


def test_texts_keep_within_their_boxes():
    long = (
        "Retrospective",
        "A finding with a title of many words " * 5,
        "Label due: 1,234,567,890",
    )
    (drawing,) = flow(counts(123456789, 123456789), STEPS, [long])
    for x, y, said in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', drawing.body):
        holding = [
            (a, w)
            for a, b, w, h in boxes(drawing.body)
            if a <= float(x) <= a + w and b <= float(y) <= b + h
        ]
        for a, w in holding:
            assert float(x) + svg.text_width(said) <= a + w


def test_the_report_shows_it_before_its_tables(page):
    assert page.index('id="drawing-flow-title"') < page.index('id="flow-case-caption"')
