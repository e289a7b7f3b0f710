"""Which devices made the images of each period, as drawn: what makes up a bar, and its letters."""

from __future__ import annotations

import itertools
import re

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.devices import devices

BEFORE, AFTER = "retrospective", "prospective"


def period(window: str, name: str, **events: int) -> list[Row]:
    total = sum(events.values())
    return [
        Row(
            "evaluation/trend",
            {"window": window, "period": name, "stratum": level},
            {"estimate": Cell("", f"{n / total:.3f}"), "events": Cell("", str(n))},
        )
        for level, n in events.items()
    ]


ROWS = [
    *period(AFTER, "2026-01", Old=20, New=80, other=0),
    *period(BEFORE, "2025-01", Old=100, New=0, other=0),
]


def drawn(rows: list[Row]) -> str:
    drawing = devices("d", "Devices", rows)
    assert drawing is not None
    heights = [float(y) for y in re.findall(r' y="([-\d.]+)"', drawing.body)]
    assert 0 <= min(heights) <= max(heights) < drawing.height
    return drawing.body


def parts(body: str) -> list[tuple[float, float]]:
    """Where each part of a bar stands, and how high it is; the key's fields left out."""
    found = re.findall(r'<rect x="([\d.]+)"[^>]*height="([\d.]+)" class="part"', body)
    return [(float(x), float(height)) for x, height in found if height != "14.0"]


def test_bars_stand_in_the_order_of_time_and_all_are_as_high():
    made = parts(drawn(ROWS))
    earlier, *later = made
    assert [x for x, _ in later] == [later[0][0]] * 2
    assert earlier[0] < later[0][0]
    assert earlier[1] == pytest.approx(sum(height for _, height in later), abs=1)


def test_levels_have_letters_by_their_size_and_one_that_nobody_has_is_left_out():
    said = re.findall(r">([^<>]+)</text>", drawn(ROWS))
    assert [w for w in said if ": " in w] == ["A: Old", "B: New"]
    assert said.count("A") == 2
    assert said.count("B") == 1


def test_a_part_that_is_too_small_for_its_letter_has_none():
    rows = [*period(BEFORE, "2025-01", Old=98, New=2)]
    said = re.findall(r">([^<>]+)</text>", drawn(rows))
    assert "B: New" in said
    assert "B" not in said


def test_the_lock_is_marked_between_windows_only():
    assert ">locked<" in drawn(ROWS)
    assert ">locked<" not in drawn(period(AFTER, "2026-01", Old=2, New=8))


def test_more_levels_than_can_be_told_apart_are_the_rest_of_a_bar():
    events = {
        f"Device {i} with a name that does not fit on one line of the key": 9 - i for i in range(9)
    }
    body = drawn(period(AFTER, "2026-01", **events))
    assert len(parts(body)) == 6
    assert "all others" in body


def test_many_periods_keep_their_dates_apart():
    rows = [
        row
        for i in range(60)
        for row in period(AFTER, f"{2020 + i // 12}-{i % 12 + 1:02}", Old=1, New=1)
    ]
    dates = re.findall(r'<text x="([\d.]+)"[^>]*>20\d\d-\d\d<', drawn(rows))
    places = [float(x) for x in dates]
    assert min(b - a for a, b in itertools.pairwise(places)) > 60


@pytest.mark.parametrize("n", [1, 2, 21, 26, 60])
def test_dates_keep_within_the_picture(n):
    months = [f"{2020 + i // 12}-{i % 12 + 1:02}" for i in range(n)]
    drawing = devices("d", "D", [row for m in months for row in period(AFTER, m, Old=1, New=1)])
    assert drawing is not None
    for x, said in re.findall(r'<text x="([\d.]+)"[^>]*>(20\d\d-\d\d)<', drawing.body):
        assert float(x) + svg.text_width(said) / 2 <= drawing.width


@pytest.mark.parametrize("rows", [[], period(AFTER, "2026-01", Old=3)])
def test_one_device_or_none_is_no_picture(rows):
    assert devices("d", "Devices", rows) is None


def test_the_report_shows_it_between_the_trend_and_its_table(page):
    trend = page.index('id="trend-drawing-nodule_or_mass-sensitivity-caption"')
    table = page.index('id="trend-nodule_or_mass-caption"')
    assert trend < page.index('id="devices-nodule_or_mass-1-caption"') < table
