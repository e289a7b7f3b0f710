"""A share by subgroup, as drawn: where marks lie, what is listed, and how long pictures are parted."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.forest import Compared, Variable, forest, without_figure

BEFORE, AFTER = "retrospective", "prospective"


def row(window: str, stratum: str, *values: float | None, variable: str = "sex") -> Row:
    texts = ["" if v is None else f"{v:.3f}" for v in values]
    cells = {c: Cell(c, t) for c, t in zip(("estimate", "lower", "upper"), texts, strict=True)}
    key = {"window": window, "stratum_kind": variable, "stratum": stratum}
    return Row("evaluation/subgroups", key, cells)


SHOWN = Compared(
    name="forest-a",
    metric="sensitivity",
    variables=(Variable("sex", "Sex", ("F", "M", "other")),),
    rows=(
        row(AFTER, "F", 0.80, 0.70, 0.90),
        row(BEFORE, "F", 0.90, 0.80, 0.95),
        row(BEFORE, "M", None, None, None),
        row(AFTER, "M", 0.70, 0.60, 0.80),
        row(BEFORE, "other", None, None, None),
        row(AFTER, "other", None, None, None),
    ),
    whole=(row(BEFORE, "all", 0.88, 0.85, 0.91), row(AFTER, "all", 0.79, 0.73, 0.85)),
    goal=0.9,
)


def dots(body: str) -> list[tuple[float, float, str]]:
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4.0" class="dot ([^"]+)"', body)
    return [(float(x), float(y), style) for x, y, style in found]


def at(body: str, style: str) -> float:
    """Where a vertical line of that class stands."""
    (x,) = re.findall(rf'<line x1="([\d.]+)" y1="[\d.]+" x2="\1" y2="[\d.]+" class="{style}"', body)
    return float(x)


def test_strata_stand_in_the_order_given_with_the_earlier_window_above_and_open():
    (drawing,) = forest(SHOWN)
    marks = dots(drawing.body)
    assert [style for _, _, style in marks] == ["w0 open-dot", "w1", "w0 open-dot", "w1", "w1"]
    assert [y for _, y, _ in marks] == sorted(y for _, y, _ in marks)
    said = re.findall(r">([^<>]+)</text>", drawing.body)
    assert [w for w in said if w in ("All cases", "Sex", "F", "M", "other")] == [
        "All cases",
        "Sex",
        "F",
        "M",
    ]


def test_lines_of_all_cases_lie_below_their_marks_and_the_goal_is_named():
    (drawing,) = forest(SHOWN)
    before, after = dots(drawing.body)[:2]
    assert at(drawing.body, "before") == before[0]
    assert at(drawing.body, "after") == after[0]
    assert at(drawing.body, "goal") > before[0]
    assert ">goal<" in drawing.body
    bare = forest(replace(SHOWN, goal=None, whole=()))[0].body
    for style in ("before", "after", "goal"):
        assert f'class="{style}"' not in bare


def test_a_stratum_without_interval_has_a_mark_alone():
    rows = (row(AFTER, "F", 0.8, None, None), row(AFTER, "M", 0.7, None, None))
    (drawing,) = forest(replace(SHOWN, rows=rows, whole=()))
    assert len(dots(drawing.body)) == 2
    assert 'class="bar' not in drawing.body


def test_strata_without_a_figure_are_listed_with_the_window_that_lacks_it():
    assert without_figure(SHOWN) == [("Sex", [("M", BEFORE), ("other", "")])]


@pytest.mark.parametrize("n", [0, 2])
def test_fewer_than_two_strata_are_no_picture(n):
    assert forest(replace(SHOWN, rows=SHOWN.rows[:n])) == ()


def test_many_strata_are_parted_into_pictures_of_one_page_each_of_which_names_its_variable():
    strata = tuple(f"level {i} with a rather long name of its own" for i in range(40))
    rows = [row(w, s, 0.8, 0.7, 0.9) for s in strata for w in (BEFORE, AFTER)]
    parts = forest(replace(SHOWN, variables=(Variable("sex", "Sex", strata),), rows=rows))
    assert len(parts) > 1
    assert len({p.name for p in parts}) == len(parts)
    assert all(p.height <= svg.TALLEST for p in parts)
    assert all(">Sex<" in p.body and ">All cases<" in p.body for p in parts)
    shown = " ".join(re.findall(r">([^<>]+)</text>", "".join(p.body for p in parts)))
    assert [n for n in range(40) if f"level {n} " not in shown] == []


def test_no_variable_is_named_at_the_foot_of_a_page_without_a_stratum():
    variables = [Variable(f"v{i}", f"Variable {i}", ("F", "M")) for i in range(30)]
    rows = [row(AFTER, s, 0.8, 0.7, 0.9, variable=v.name) for v in variables for s in v.strata]
    for part in forest(replace(SHOWN, variables=variables, rows=rows)):
        assert re.findall(r">([^<>]+)</text>", part.body)[-2] in ("F", "M")


def test_a_scale_begins_at_a_tenth_below_all_that_is_drawn():
    (drawing,) = forest(replace(SHOWN, rows=(*SHOWN.rows[:3], row(AFTER, "M", 0.2, 0.05, 0.5))))
    assert re.findall(r">(\d+)</text>", drawing.body) == ["0", "20", "40", "60", "80", "100"]
    assert min(x for x, _, _ in dots(drawing.body)) > 170


def test_the_report_shows_the_forest_above_its_table_with_its_numbers(page):
    caption = page.index('id="forest-nodule_or_mass-sensitivity-caption"')
    assert caption < page.index('id="subgroups-nodule_or_mass-prospective-caption"')
    told = re.sub(r"<[^>]*>", "", page[caption : caption + 900])
    assert re.search(r"n \(positives\): retrospective \d+, prospective \d+\.", told)
