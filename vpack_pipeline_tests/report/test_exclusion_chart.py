"""What each exclusion did, as drawn: the figure with its cases back, and from worst to best."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.exclusions import Audited, exclusions

BEFORE, AFTER = "retrospective", "prospective"
AUDIT = "evaluation/exclusion_audit"


def audit(rule: str, window: str, *values: float | None) -> list[Row]:
    cases = zip(("observed", "worst_case", "best_case"), values, strict=True)
    return [
        Row(
            AUDIT,
            {"rule": rule, "window": window, "metric": f"sensitivity_{case}"},
            {"estimate": Cell("", "" if value is None else f"{value:.3f}")},
        )
        for case, value in cases
    ]


def reported(window: str, value: float) -> Row:
    cells = {"estimate": Cell("", f"{value:.3f}")}
    return Row("evaluation/operating_points", {"window": window}, cells)


SHOWN = Audited(
    name="exclusions-a",
    metric="sensitivity",
    rules=(("adult", "18 years or older"), ("blurred", "Blurred")),
    rows=(
        *audit("blurred", AFTER, 0.7, 0.6, 0.8),
        *audit("adult", AFTER, 0.8, 0.8, 0.8),
        *audit("adult", BEFORE, 0.9, 0.9, 0.9),
    ),
    whole=(reported(BEFORE, 0.9), reported(AFTER, 0.8)),
    goal=0.85,
)


def dots(body: str) -> list[tuple[str, str]]:
    return re.findall(r'<circle cx="([\d.]+)"[^>]*class="dot ([^"]+)"', body)


def test_the_reported_figures_stand_first_and_rules_follow_in_their_order():
    (drawing,) = exclusions(SHOWN)
    said = re.findall(r">([^<>]+)</text>", drawing.body)
    order = [said.index(w) for w in ("As reported", "18 years or older", "Blurred")]
    assert order == sorted(order)
    marks = dots(drawing.body)
    assert [style for _, style in marks] == ["w0 open-dot", "w1", "w0 open-dot", "w1", "w1"]
    assert marks[0][0] == marks[2][0]
    assert marks[4][0] < marks[3][0]


def test_only_a_rule_with_missing_labels_or_scores_has_a_bar():
    (drawing,) = exclusions(SHOWN)
    assert len(re.findall(r'<line [^>]*class="bar w1"', drawing.body)) == 3
    assert 'class="bar w0"' not in drawing.body


def test_a_rule_without_an_observed_figure_has_a_bar_alone():
    (drawing,) = exclusions(replace(SHOWN, rows=audit("adult", AFTER, None, 0.5, 0.9)))
    assert len(dots(drawing.body)) == 2
    assert 'class="bar w1"' in drawing.body


@pytest.mark.parametrize("rows", [[], audit("adult", AFTER, None, None, None)])
def test_rules_without_figures_are_no_picture(rows):
    assert exclusions(replace(SHOWN, rows=rows)) == ()


def test_many_rules_are_parted_by_pages_that_all_begin_with_what_was_reported():
    rules = [
        (f"r{i}", f"Rule {i} with a title that needs several lines of text") for i in range(30)
    ]
    rows = [row for name, _ in rules for row in audit(name, AFTER, 0.7, 0.6, 0.8)]
    parts = exclusions(replace(SHOWN, rules=rules, rows=rows))
    assert len(parts) > 1
    assert all(p.height <= svg.TALLEST and ">As reported<" in p.body for p in parts)


def test_the_report_shows_it_before_the_tables_of_rules(page):
    for metric in ("sensitivity", "specificity"):
        caption = page.index(f'id="exclusions-nodule_or_mass-{metric}-caption"')
        assert caption < page.index('id="audit-nodule_or_mass-retrospective-caption"')
