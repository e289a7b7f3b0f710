"""A predictive value by prevalence, as drawn: curves that rise, marks on them, a key in words."""

from __future__ import annotations

import re

import pytest
from chart_rows import AFTER, BEFORE, predicted

from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.charts.predictive_values import predictive_values
from vpack_pipeline.report.view import Drawing

GRID = (0.005, 0.02, 0.1, 0.5)


def ppv(prevalence: float, likelihood_ratio: float = 8.0) -> float:
    odds = prevalence / (1 - prevalence) * likelihood_ratio
    return odds / (1 + odds)


def curve(window: str) -> list[Row]:
    return [r for p in GRID for r in predicted(window, "prevalence", p, ppv(p))]


def drawn(rows: list[Row]) -> Drawing:
    drawing = predictive_values("p", "PPV by prevalence", rows, "ppv")
    assert drawing is not None
    return drawing


def points(body: str, style: str) -> list[tuple[float, float]]:
    (line,) = re.findall(rf'<polyline points="([^"]+)" class="{style}"', body)
    return [(float(x), float(y)) for x, y in (p.split(",") for p in line.split())]


def words(body: str, anchor: str) -> list[str]:
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return re.findall(rf'class="tick"{placed}>([^<]+)<', body)


def test_a_curve_rises_over_equal_steps_of_the_logarithm():
    placed = points(drawn(curve(AFTER)).body, "curve after")
    assert [x for x, _ in placed] == sorted(x for x, _ in placed)
    assert [y for _, y in placed] == sorted((y for _, y in placed), reverse=True)
    assert placed[3][0] - placed[2][0] == pytest.approx(placed[2][0] - placed[1][0], abs=0.2)


def test_rows_are_drawn_in_the_order_of_prevalence_whatever_order_they_come_in():
    assert drawn(curve(AFTER)[::-1]).body == drawn(curve(AFTER)).body


def test_a_mark_at_a_prevalence_of_the_grid_lies_on_its_curve():
    body = drawn([*curve(AFTER), *predicted(AFTER, "own", 0.1, ppv(0.1))]).body
    (dot,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4.0" class="dot w1"', body)
    assert (float(dot[0]), float(dot[1])) in points(body, "curve after")


def test_letters_follow_prevalence_and_the_key_says_what_each_is():
    rows = [*curve(BEFORE), *curve(AFTER)]
    rows += [*predicted(BEFORE, "own", 0.3, 0.8), *predicted(AFTER, "own", 0.1, 0.5)]
    rows += [*predicted(BEFORE, "stated", 0.02, 0.2), *predicted(AFTER, "stated", 0.02, 0.1)]
    body = drawn(rows).body
    assert [w for w in words(body, "middle") if w in "ABC"] == ["A", "B", "C"]
    assert " ".join(words(body, "start")) == (
        "A 0.020, as stated: 0.200 before and 0.100 after the lock"
        " B 0.100, as among these cases: 0.500 after the lock"
        " C 0.300, as among these cases: 0.800 before the lock"
    )


def test_near_marks_share_a_place_for_their_letters_and_one_prevalence_has_one():
    near = [*predicted(BEFORE, "own", 0.146, 0.5), *predicted(AFTER, "own", 0.142, 0.5)]
    assert "A, B" in words(drawn([*curve(AFTER), *near]).body, "middle")
    same = [*predicted(AFTER, "own", 0.1, 0.5), *predicted(AFTER, "stated", 0.1, 0.5)]
    key = words(drawn([*curve(AFTER), *same]).body, "start")
    assert " ".join(key).endswith(
        "as among these cases: 0.500 after the lock; as stated: 0.500 after the lock"
    )
    assert len(key) == 2


def test_a_mark_beyond_the_grid_widens_the_scale():
    rows = [*curve(AFTER), *predicted(AFTER, "own", 0.9, ppv(0.9))]
    body = drawn(rows).body
    right = max(float(x) for x in re.findall(r'<circle cx="([\d.]+)"', body))
    assert right > points(body, "curve after")[-1][0]
    assert right <= axes.RIGHT


def test_a_prevalence_without_a_figure_is_not_marked():
    body = drawn([*curve(AFTER), *predicted(AFTER, "target", 0.1, None)]).body
    assert "<circle" not in body
    assert words(body, "start") == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        curve(AFTER)[:2],
        predicted(AFTER, "own", 0.1, 0.5),
        [r for p in GRID for r in predicted(AFTER, "prevalence", p, None)],
    ],
)
def test_without_a_curve_there_is_no_picture(rows):
    assert predictive_values("p", "PPV by prevalence", rows, "ppv") is None


def test_the_report_marks_the_stated_prevalence_above_the_table(page):
    at = page.index('id="predictive-triage-ppv-drawing-caption"')
    assert at < page.index('id="predictive-nodule_or_mass-caption"')
    assert re.search(r">A 0\.020, as stated: 0\.\d+ before and 0\.\d+", page)
