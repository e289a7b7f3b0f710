"""What one monitor showed in each window, as drawn: its marks by signal, its limits, its scale."""

from __future__ import annotations

import re

import pytest
from report_bench import rendered, retold

from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.control import control


def window(start: str, value: str, signal: str, **limits: str) -> Row:
    said = {"value": value, "signal": signal, "warning_limit": "0.10"}
    said |= {"action_limit": "0.20"} | limits
    return Row("drift/status", {"window_start": start}, {c: Cell(c, t) for c, t in said.items()})


ROWS = [
    window("2026-01-01", "0.05", "none"),
    window("2026-02-01", "0.15", "warning"),
    window("2026-03-01", "0.25", "action"),
    window("2026-04-01", "", ""),
]


def drawn(rows: list[Row]) -> str:
    drawing = control("c", "A monitor", rows)
    assert drawing is not None
    return drawing.body


def test_each_signal_has_a_shape_of_its_own():
    body = drawn(ROWS)
    assert body.count("<circle") == 1
    assert len(re.findall(r'<path [^>]*class="w1"', body)) == 1
    assert len(re.findall(r'<rect [^>]*class="alarm"', body)) == 1


def test_marks_stand_in_the_order_of_time_and_higher_values_lie_higher():
    body = drawn(ROWS[::-1])
    (circle,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', body)
    (triangle,) = re.findall(r'<path d="M([\d.]+) ([\d.]+) [^>]*class="w1"', body)
    (square,) = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"[^>]*class="alarm"', body)
    xs, ys = zip(*((float(x), float(y)) for x, y in (circle, triangle, square)), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)


def test_windows_beside_a_gap_are_not_joined_and_a_window_without_a_value_is_crossed():
    later = window("2026-05-01", "0.1", "none")
    runs = re.findall(r'<polyline points="([^"]+)"', drawn([*ROWS, later]))
    assert [len(run.split()) for run in runs] == [3, 1]
    assert len(re.findall(r'<path [^>]*class="link"', drawn(ROWS))) == 1


def test_a_limit_that_changes_is_a_step():
    def lines(rows: list[Row]) -> list[str]:
        return re.findall(r'y1="([\d.]+)"[^>]*class="marked"', drawn(rows))

    assert len(lines(ROWS)) == 1
    assert len(set(lines([*ROWS, window("2026-05-01", "0.1", "none", warning_limit="0.15")]))) == 2


def test_without_limits_there_are_no_lines():
    body = drawn([window("2026-01-01", "0.1", "none", warning_limit="", action_limit="")])
    assert 'class="marked"' not in body
    assert 'class="lock"' not in body


@pytest.mark.parametrize(
    ("value", "ticks"),
    [
        ("0.00", ["0", "0.5", "1"]),
        ("0.0004", ["0", "0.0001", "0.0002", "0.0003", "0.0004"]),
        ("5.5", ["0", "2", "4", "6"]),
        ("99", ["0", "50", "100"]),
    ],
)
def test_the_scale_begins_at_zero_and_ends_above_all_that_is_drawn(value, ticks):
    body = drawn([window("2026-01-01", value, "none", warning_limit="", action_limit="")])
    assert re.findall(r'text-anchor="end">([\d.]+)</text>', body) == ticks


def test_a_monitor_without_a_value_is_no_picture():
    assert control("c", "A monitor", [ROWS[3]]) is None
    assert control("c", "A monitor", []) is None


def test_the_report_shows_a_chart_for_each_monitor_before_the_table(study):
    page = rendered(study, report=retold(study.report, "drift/status", {}, value="0.100"))
    start, end = page.index('id="control-charts-caption"'), page.index('<div id="plan">')
    for monitor in study.protocol.drift.monitors:
        assert f'id="control-{monitor.name}-title"' in page[start:end]


def test_without_any_value_the_table_stands_alone(study):
    page = rendered(study, report=retold(study.report, "drift/status", {}, value=""))
    assert "control-charts-caption" not in page
    assert 'id="status-caption"' in page
