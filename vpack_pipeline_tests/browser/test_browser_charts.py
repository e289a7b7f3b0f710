"""Charts as a browser lays them out: no text is cut off, none stands on another, all can be read.

What does not belong here: where marks lie (the tests of ``report``).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markupsafe import Markup

from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.report import markup
from vpack_pipeline.report.charts.calibration import calibration
from vpack_pipeline.report.charts.decision_curve import decision_curve
from vpack_pipeline.report.charts.predictive_values import predictive_values
from vpack_pipeline.report.charts.scores import Threshold, scores
from vpack_pipeline.report.comparison import empty_comparison
from vpack_pipeline.report.view import Drawing
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.report.chart_rows import (
    AFTER,
    BEFORE,
    benefits,
    calibrated,
    predicted,
    scored,
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]

LEAST_PIXELS = 9
SMALLEST = """Math.min(...[...document.querySelectorAll("svg text")].map(e =>
  parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a))"""
CUT_OFF = """[...document.querySelectorAll("svg text")].filter(e => {
  const text = e.getBoundingClientRect(), frame = e.ownerSVGElement.getBoundingClientRect();
  return text.left < frame.left - 0.5 || text.right > frame.right + 0.5
      || text.top < frame.top - 0.5 || text.bottom > frame.bottom + 0.5;
}).map(e => `${e.ownerSVGElement.querySelector("title").textContent}: ${e.textContent}`)"""
ON_ONE_ANOTHER = """[...document.querySelectorAll("svg")].flatMap(s => {
  const texts = [...s.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
  const name = s.querySelector("title").textContent;
  return texts.flatMap(([one, a], i) => texts.slice(i + 1)
    .filter(([_, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
                     && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
    .map(([other]) => `${name}: ${one} / ${other}`));
})"""
"""Lines of text are a little higher than their letters: 3 pixels of both may meet."""

COUNTS = {"few": ["7"] * 10, "thousands": ["9,999"] * 10, "millions": ["1,234,567"] * 10}
PLACES = {
    "near": (0.142, 0.146, 0.150, 0.155),
    "at the ends": (0.005, 0.006, 0.490, 0.500),
    "spread": (0.010, 0.040, 0.100, 0.300),
    "beyond": (0.001, 0.700, 0.990, 0.999),
}
"""Prevalences of the set's own before and after the lock, as stated, and in the target."""
LOCKED = {"low": 0.001, "usual": 0.12, "middle": 0.5, "high": 0.99}
BESIDE = [("below", 0.1, 0.2), ("above", 0.3, 0.1), ("no_score", 0.05, 0.06)]
SCALES = {
    "probability": [(i / 20, (i + 1) / 20) for i in range(20)],
    "large": [(i * 50_000.0, (i + 1) * 50_000.0) for i in range(20)],
    "below zero": [(i - 10.0, i - 9.0) for i in range(20)],
    "many steps": [(1000.0 + i, 1000.0 + i) for i in range(20)],
    "two steps": [(0.0, 0.0), (1.0, 1.0)],
}


def drawings() -> list[Drawing | None]:
    made: list[Drawing | None] = []
    for name, counts in COUNTS.items():
        rows = calibrated(AFTER, counts, [0.5] * 10, [("0.20", 0.3), ("0.60", 0.7)])
        made.append(calibration(f"c-{name}", f"calibration, {name}", rows))
    for name, (before, after, stated, target) in PLACES.items():
        rows = [r for p in (0.005, 0.1, 0.5) for r in predicted(AFTER, "prevalence", p, p)]
        rows += [*predicted(BEFORE, "own", before, 0.9), *predicted(AFTER, "own", after, 0.9)]
        for kind, at in (("stated", stated), ("target", target)):
            rows += [r for w in WINDOWS for r in predicted(w, kind, at, 0.9)]
        made.append(predictive_values(f"p-{name}", f"PPV, {name}", rows, "ppv"))
    for name, locked in LOCKED.items():
        odds = [locked / (1 - locked) * 2 ** (k / 4) for k in range(-8, 9)]
        for size in (1.0, 0.001, -3.0):
            rows = benefits(
                AFTER,
                [o / (1 + o) for o in odds],
                [size * (0.2 - 0.005 * k) for k in range(17)],
                [0.2 - o for o in odds],
            )
            name_here = f"d-{name}-{size:g}"
            made.append(decision_curve(name_here, f"net benefit, {name}, {size}", rows, AFTER))
    for name, parts in SCALES.items():
        shares = [1 / len(parts)] * len(parts)
        for end in (parts[0][0], parts[-1][1]):
            rows = scored(AFTER, parts, shares, shares, BESIDE)
            locked_at = Threshold(end, is_flagged_above=True)
            title = f"scores, {name}, locked at {end:g}"
            made.append(scores(f"s-{name}-{end:g}", title, rows, AFTER, locked_at))
    return made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of nothing but charts, in the style of the report."""
    shown = drawings()
    assert None not in shown
    figures = Markup("").join(
        Markup("<figure>{}</figure>").format(markup.drawing(one)) for one in shown if one
    )
    style = re.search(r"<style>.*?</style>", empty_comparison().html, re.DOTALL)
    assert style
    page: Path = tmp_path_factory.mktemp("charts") / "charts.html"
    body = f'<div class="page"><div class="side">{figures}</div></div>'
    head = f'<meta name="viewport" content="width=device-width">{style[0]}'
    page.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}</head><body>{body}</body></html>'
    )
    return page.as_uri()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_text_is_cut_off_or_stands_on_another_and_all_can_be_read(
    browser: Page, url: str, width: int
) -> None:
    browser.size(width, 900)
    browser.open(url)
    assert browser.ask("document.querySelectorAll('svg').length") > 20
    assert "\n".join(browser.ask(CUT_OFF)) == ""
    assert "\n".join(browser.ask(ON_ONE_ANOTHER)) == ""
    assert browser.ask(SMALLEST) >= LEAST_PIXELS
    assert browser.ask("document.documentElement.scrollWidth") <= width


def test_the_measures_see_what_is_wrong(browser: Page, url: str) -> None:
    browser.size(390, 900)
    browser.open(url)
    browser.ask("""(() => { const one = document.querySelector("svg text");
      for (const x of [-30, -29]) { const more = one.cloneNode(true);
        more.setAttribute("x", x); one.after(more); } })()""")
    assert browser.ask(CUT_OFF)
    assert browser.ask(ON_ONE_ANOTHER)
