"""Net benefit near the locked threshold, as drawn: three lines, one scale for both windows."""

from __future__ import annotations

import re

import pytest
from chart_rows import AFTER, BEFORE, benefits

from vpack_pipeline.report.charts.decision_curve import decision_curve
from vpack_pipeline.report.view import Drawing

ODDS = [0.25 / 4 * 2 ** (i / 4) for i in range(17)]
THRESHOLDS = [o / (1 + o) for o in ODDS]
MODEL = [0.10 - 0.002 * i for i in range(17)]
ALL = [0.15 - 0.85 * o for o in ODDS]
ROWS = [*benefits(BEFORE, THRESHOLDS, MODEL, ALL), *benefits(AFTER, THRESHOLDS, MODEL[::-1], ALL)]


def drawn(rows=ROWS, window: str = AFTER) -> Drawing:
    drawing = decision_curve("d", "Net benefit", rows, window)
    assert drawing is not None
    return drawing


def line(body: str, style: str) -> list[tuple[float, float]]:
    """The line of a style, the last after its sample in the legend."""
    found = re.findall(rf'<polyline points="([^"]+)" class="{style}"', body)[-1]
    return [(float(x), float(y)) for x, y in (p.split(",") for p in found.split())]


def frame(body: str) -> float:
    """Where the frame ends below."""
    return max(float(y) for y in re.findall(r'y2="([\d.]+)" class="link"', body)) - 4


def test_treating_all_falls_and_ends_where_it_leaves_the_scale():
    body = drawn().body
    placed = line(body, "curve w2")
    assert [y for _, y in placed] == sorted(y for _, y in placed)
    assert len(placed) < 17
    assert placed[-1][1] == pytest.approx(frame(body), abs=0.2)
    assert line(body, "curve after")[0][0] == placed[0][0]


def test_the_lock_lies_at_the_threshold_in_the_middle():
    body = drawn().body
    (x,) = re.findall(r'<line x1="([\d.]+)" [^>]*class="lock"', body)
    assert float(x) == line(body, "curve after")[8][0]


def test_both_windows_share_a_scale():
    def ticks(window: str) -> list[str]:
        return re.findall(r'text-anchor="end">([^<]+)<', drawn(window=window).body)

    assert ticks(BEFORE) == ticks(AFTER)
    low = [[n - 0.05 for n in MODEL], MODEL]
    rows = [
        r
        for w, m in zip((BEFORE, AFTER), low, strict=True)
        for r in benefits(w, THRESHOLDS, m, ALL)
    ]
    first, second = (
        line(drawn(rows, w).body, f"curve {s}") for w, s in ((BEFORE, "before"), (AFTER, "after"))
    )
    assert all(a > b for (_, a), (_, b) in zip(first, second, strict=True))


def test_the_legend_names_the_lines_as_they_are_drawn():
    for window, style in ((BEFORE, "curve before"), (AFTER, "curve after")):
        body = drawn(window=window).body
        for words, drawn_as in (
            ("model", style),
            ("treat all", "curve w2"),
            ("treat none", "link"),
        ):
            assert re.search(rf'class="{drawn_as}"/><text [^>]*>{words}<', body)


def test_a_model_that_does_harm_lies_below_the_line_of_treating_none():
    rows = benefits(AFTER, THRESHOLDS, [-0.1] * 17, [-0.2 - o for o in ODDS])
    body = drawn(rows).body
    none = re.findall(r'y1="([\d.]+)" x2="[\d.]+" y2="\1" class="link"', body)
    assert all(y > float(none[-1]) for _, y in line(body, "curve after"))
    assert '<polyline points="" ' not in body


def test_a_model_worth_nothing_is_drawn_on_the_line_of_treating_none():
    rows = [
        r
        for r in benefits(AFTER, THRESHOLDS, [0.0] * 17, ALL)
        if r.key["metric"] != "net_benefit_treat_all"
    ]
    assert len({y for _, y in line(drawn(rows).body, "curve after")}) == 1


def test_where_the_locked_threshold_has_no_figure_no_lock_is_drawn():
    rows = benefits(AFTER, THRESHOLDS, [*MODEL[:8], None, *MODEL[9:]], ALL)
    assert 'class="lock"' not in drawn(rows).body


@pytest.mark.parametrize(
    "rows",
    [
        [],
        benefits(BEFORE, THRESHOLDS, MODEL, ALL),
        benefits(AFTER, THRESHOLDS, [0.1, *[None] * 16], ALL),
    ],
)
def test_without_two_figures_of_the_model_there_is_no_picture(rows):
    assert decision_curve("d", "Net benefit", rows, AFTER) is None


def test_the_report_shows_both_windows_at_both_prevalences(page):
    for kind in ("own", "stated"):
        for window in (BEFORE, AFTER):
            at = page.index(f'id="net-benefit-triage-{kind}-{window}-drawing-caption"')
            assert at < page.index(f'id="net-benefit-nodule_or_mass-{kind}-caption"')
