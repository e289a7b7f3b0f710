"""A figure by period, as drawn: where its points lie, and what happened meanwhile."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.trend import Frame, Series, trend

BEFORE, AFTER = "retrospective", "prospective"


def period(window: str, name: str, *values: float | None) -> Row:
    texts = ["" if v is None else f"{v:.3f}" for v in values]
    cells = {c: Cell(c, t) for c, t in zip(("estimate", "lower", "upper"), texts, strict=True)}
    return Row("evaluation/trend", {"window": window, "period": name}, cells)


SERIES = Series(
    name="t",
    title="Sensitivity by period",
    periods=(
        period(BEFORE, "2025-01", 0.90, 0.80, 0.95),
        period(BEFORE, "2025-03", 0.88, 0.78, 0.94),
        period(AFTER, "2025-07", 0.80, 0.66, 0.90),
        period(AFTER, "2025-09", 0.70, 0.55, 0.83),
    ),
    before=period(BEFORE, "all", 0.89, 0.83, 0.93),
    goal=0.9,
    new_from="2025-09",
)


def dots(body: str) -> list[tuple[float, float, str]]:
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4.0" class="dot ([^"]+)"', body)
    return [(float(x), float(y), style) for x, y, style in found]


def test_points_stand_in_the_order_of_time_and_lower_values_lie_lower():
    drawing = trend(SERIES)
    assert drawing is not None
    points = dots(drawing.body)
    assert [x for x, _, _ in points] == sorted(x for x, _, _ in points)
    assert [y for _, y, _ in points] == sorted(y for _, y, _ in points)


def test_periods_before_the_lock_are_open_and_those_after_it_filled():
    drawing = trend(SERIES)
    assert drawing is not None
    assert ["open-dot" in style for _, _, style in dots(drawing.body)] == [True, True, False, False]


def test_lock_goal_band_and_new_device_are_drawn_where_there_are_any():
    shown = trend(SERIES)
    assert shown is not None
    for mark in (
        'class="lock"',
        'class="goal"',
        'class="band"',
        'class="event"',
        ">locked<",
        ">new device<",
    ):
        assert mark in shown.body
    bare = trend(replace(SERIES, before=None, goal=None, new_from=None, periods=SERIES.periods[2:]))
    assert bare is not None
    for mark in ('class="lock"', 'class="goal"', 'class="band"', 'class="event"'):
        assert mark not in bare.body


def test_a_device_that_is_new_in_the_first_period_shades_all_of_it():
    drawing = trend(replace(SERIES, new_from="2025-01"))
    assert drawing is not None
    assert '<rect x="34.0"' in drawing.body


def test_words_for_lock_and_device_do_not_stand_on_one_another():
    def heights(new_from: str) -> set[str]:
        drawing = trend(replace(SERIES, new_from=new_from))
        assert drawing is not None
        found = re.findall(r'y="([\d.]+)"[^>]*>(?:locked|new device)<', drawing.body)
        assert len(found) == 2
        return set(found)

    assert len(heights("2025-09")) == 1
    assert len(heights("2025-07")) == 2


def test_a_window_without_an_interval_has_no_band():
    drawing = trend(replace(SERIES, before=period(BEFORE, "all", 0.89, None, None)))
    assert drawing is not None
    assert 'class="band"' not in drawing.body


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_periods_are_no_picture(n):
    assert trend(replace(SERIES, periods=SERIES.periods[:n])) is None


def test_nothing_is_drawn_outside_the_picture():
    low = period(AFTER, "2025-11", 0.04, 0.0, 0.2)
    drawing = trend(replace(SERIES, periods=(*SERIES.periods, low)))
    assert drawing is not None
    heights = [float(v) for v in re.findall(r'(?:cy|y1|y2)="([-\d.]+)"', drawing.body)]
    assert min(heights) >= 0
    assert max(heights) <= drawing.height


@pytest.mark.parametrize("frame", [Frame(), Frame(460, 240, style="quiet")])
def test_words_keep_within_the_picture_where_everything_happens_in_the_last_period(frame):
    periods = [period(BEFORE, f"2025-{i:02}", 0.9, 0.8, 0.95) for i in range(1, 13)]
    periods.append(period(AFTER, "2026-01", 0.9, 0.8, 0.95))
    drawing = trend(replace(SERIES, periods=periods, new_from="2026-01"), frame)
    assert drawing is not None
    found = re.findall(
        r'<text x="([\d.]+)"[^>]*?( text-anchor="end")?>(locked|new device)<', drawing.body
    )
    assert len(found) == 2
    for x, is_end, said in found:
        right = float(x) + (0.0 if is_end else svg.text_width(said))
        assert right <= frame.width
