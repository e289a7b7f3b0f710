"""Scores by label, as drawn: bars back to back, the lock among them, what lies off the scale."""

from __future__ import annotations

import re

import pytest
from chart_rows import AFTER, BEFORE, scored

from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.charts.scores import Threshold, scores
from vpack_pipeline.report.view import Drawing

PARTS = [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
STEPS = [(float(i), float(i)) for i in range(1, 6)]
POSITIVES, NEGATIVES = [0.1, 0.1, 0.3, 0.5], [0.8, 0.1, 0.1, 0.0]
ROWS = scored(AFTER, PARTS, POSITIVES, NEGATIVES)


def drawn(rows: list[Row] = ROWS, window: str = AFTER, locked: Threshold | None = None) -> Drawing:
    drawing = scores("s", "Scores by label", rows, window, locked)
    assert drawing is not None
    return drawing


def bars(body: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(
        r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="field w\d"',
        body,
    )
    return [tuple(map(float, bar)) for bar in found]


def lock(body: str) -> float:
    (x,) = re.findall(r'<line x1="([\d.]+)" [^>]*class="lock"', body)
    return float(x)


def zero(body: str) -> float:
    level = re.findall(r'y1="([\d.]+)" x2="[\d.]+" y2="\1" class="link"', body)
    return float(level[-1])


def test_positives_stand_on_the_line_and_negatives_hang_from_it_to_one_scale():
    body = drawn().body
    placed = bars(body)
    above = [h for _, y, _, h in placed if y + h == pytest.approx(zero(body), abs=0.2)]
    below = [h for _, y, _, h in placed if y == pytest.approx(zero(body), abs=0.2)]
    unit = above[-1] / 0.5
    assert above == pytest.approx([unit * p for p in POSITIVES], abs=0.2)
    assert below == pytest.approx([unit * n for n in NEGATIVES[:3]], abs=0.2)


def test_both_windows_share_a_scale():
    rows = [*scored(BEFORE, PARTS, [0.0, 0.0, 0.0, 1.0], NEGATIVES), *ROWS]
    assert zero(drawn(rows).body) == zero(drawn(rows, BEFORE).body)
    assert (
        max(h for *_, h in bars(drawn(rows, BEFORE).body))
        > max(h for *_, h in bars(drawn(rows).body))
        > 0
    )


def test_a_threshold_lies_at_its_score():
    body = drawn(locked=Threshold(0.5, is_flagged_above=True)).body
    assert lock(body) == (axes.LEFT + axes.RIGHT) / 2
    assert ">locked: 0.5<" in body
    assert 'class="lock"' not in drawn().body
    assert 'class="lock"' not in drawn(locked=Threshold(7.0, is_flagged_above=True)).body


@pytest.mark.parametrize(("is_above", "first"), [(True, 3), (False, 4)])
def test_between_steps_the_lock_parts_those_flagged_from_those_not(is_above, first):
    rows = scored(AFTER, STEPS, [0.2] * 5, [0.2] * 5)
    body = drawn(rows, locked=Threshold(4.0, is_flagged_above=is_above)).body
    lefts = sorted({x for x, *_ in bars(body)})
    assert lefts[first] == pytest.approx(lock(body), abs=1)
    assert re.findall(r'text-anchor="middle">(\d)<', body) == ["1", "2", "3", "4", "5"]


def test_words_for_the_lock_stay_within_the_picture():
    for value, placed in ((0.01, ""), (0.99, ' text-anchor="end"')):
        body = drawn(locked=Threshold(value, is_flagged_above=True)).body
        assert f'class="tick"{placed}>locked: {value}<' in body


def test_many_steps_are_named_as_far_as_there_is_room():
    steps = [(1000.0 + i, 1000.0 + i) for i in range(20)]
    body = drawn(scored(AFTER, steps, [0.05] * 20, [0.05] * 20)).body
    named = re.findall(r'text-anchor="middle">(1\d{3})<', body)
    assert named[0] == "1000"
    assert 1 < len(named) < 20


def test_what_lies_off_the_scale_in_either_window_has_a_place_beside_it():
    beside = [("below", 0.0, 0.0), ("above", 0.1, 0.0), ("no_score", 0.0, 0.2)]
    rows = [*ROWS, *scored(BEFORE, PARTS, POSITIVES, NEGATIVES, beside)]
    for window, n in ((BEFORE, 7 + 2), (AFTER, 7)):
        body = drawn(rows, window).body
        assert len(bars(body)) == n
        assert re.findall(r">(below|above|no score)<", body) == ["above", "no score"]


def test_one_label_alone_is_drawn():
    assert len(bars(drawn(scored(AFTER, PARTS, POSITIVES, [None] * 4)).body)) == 4
    assert len(bars(drawn(scored(AFTER, PARTS, [None] * 4, NEGATIVES)).body)) == 3


@pytest.mark.parametrize(
    "rows",
    [[], scored(BEFORE, PARTS, POSITIVES, NEGATIVES), scored(AFTER, PARTS, [None] * 4, [None] * 4)],
)
def test_without_a_share_of_the_window_there_is_no_picture(rows):
    assert scores("s", "Scores by label", rows, AFTER, None) is None


def test_the_report_shows_both_windows_above_the_table(page):
    for window in (BEFORE, AFTER):
        at = page.index(f'id="scores-nodule_or_mass-{window}-drawing-caption"')
        assert at < page.index('id="scores-nodule_or_mass-caption"')
