"""The reliability of a window, as drawn: points, smooth curve, and how many cases each bin has."""

from __future__ import annotations

import re

from chart_rows import AFTER, BEFORE, calibrated

from vpack_pipeline.report.charts.calibration import calibration
from vpack_pipeline.report.view import Drawing

COUNTS = ["400", *["20"] * 8, "100"]
SHARES = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
SMOOTH = [("0.00", None), ("0.10", 0.1), ("0.50", 0.5), ("0.80", 0.8), ("1.00", None)]


def drawn(window: str = AFTER, counts=COUNTS, shares=SHARES, smooth=SMOOTH) -> Drawing:
    drawing = calibration("c", "Calibration", calibrated(window, counts, shares, smooth))
    assert drawing is not None
    return drawing


def dots(body: str) -> list[tuple[float, float]]:
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', body)
    return [(float(x), float(y)) for x, y in found]


def identity(body: str) -> tuple[float, ...]:
    """The ends of the line that is neither level nor upright."""
    found = re.findall(r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', body)
    (line,) = [line for line in found if line[0] != line[2] and line[1] != line[3]]
    return tuple(map(float, line))


def test_calibrated_bins_lie_on_the_line_of_identity():
    body = drawn().body
    x1, y1, x2, y2 = identity(body)
    for x, y in dots(body):
        assert abs((y - y1) - (x - x1) * (y2 - y1) / (x2 - x1)) < 0.2


def test_the_curve_goes_only_where_it_is_given_and_has_a_band():
    body = drawn().body
    (line,) = re.findall(r'<polyline points="([^"]+)" class="curve after"', body)
    (band,) = re.findall(r'<polygon points="([^"]+)" class="shade w1"', body)
    assert len(line.split()) == 3
    assert len(band.split()) == 6


def test_marks_are_open_and_the_curve_dashed_before_the_lock():
    body = drawn(BEFORE).body
    assert body.count('class="dot w0 open-dot"') == 10
    assert 'class="curve before"' in body
    assert "w1" not in body


def test_bars_rise_with_the_cases_of_their_bins_and_each_count_is_written():
    body = drawn().body
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="field w1"', body)]
    assert len(heights) == 10
    assert heights[0] == max(heights) == 4 * heights[-1] == 20 * heights[1]
    assert re.findall(r">([\d,]+)<", body).count("20") == 8


def test_an_empty_bin_has_neither_point_nor_bar_and_its_count_is_0():
    body = drawn(counts=["0", *COUNTS[1:]], shares=[None, *SHARES[1:]]).body
    assert len(dots(body)) == 9
    assert 'height="0.0" class="field w1"' in body


def test_long_counts_stand_in_two_lines():
    def heights(count: str) -> set[str]:
        body = drawn(counts=[count] * 10).body
        return set(re.findall(rf'y="([\d.]+)" class="tick" text-anchor="middle">{count}<', body))

    assert len(heights("9999")) == 1
    assert len(heights("10,000")) == 2


def test_bins_without_a_curve_are_drawn_alone():
    body = drawn(smooth=[]).body
    assert "<polyline" not in body
    assert "<polygon" not in body


def test_without_any_bin_there_is_no_picture():
    assert calibration("c", "Calibration", []) is None
    assert calibration("c", "Calibration", calibrated(AFTER, ["0"] * 10, [None] * 10)) is None


def test_the_report_shows_one_of_each_window_above_its_table(page):
    for window in (BEFORE, AFTER):
        at = page.index(f'id="calibration-nodule_or_mass-{window}-drawing-caption"')
        assert at < page.index(f'id="bins-nodule_or_mass-{window}-caption"')
