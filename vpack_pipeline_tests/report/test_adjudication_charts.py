"""How cases came to their label, and agreement over cut points, as drawn."""

from __future__ import annotations

import re

import pytest

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.counted import counted
from vpack_pipeline.report.charts.cut_points import SHAPES, Cut, cut_points


def share(events: int, n: int, *, given: bool = True) -> Row:
    said = {
        "estimate": f"{events / n:.3f}" if n and given else "",
        "events": str(events),
        "n": str(n),
    }
    said |= {"status": "given" if given else "withheld"}
    return Row("adjudication/agreement", {}, {c: Cell(c, t) for c, t in said.items()})


def words(body: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", body)


def test_bars_are_as_long_as_their_shares_and_bear_count_and_share():
    drawing = counted("c", "Ways", [("Way", [("One", share(20, 80)), ("Other", share(60, 80))])])
    assert drawing is not None
    widths = [float(w) for w in re.findall(r'width="([\d.]+)"[^>]*class="w2 field"', drawing.body)]
    assert widths[1] == pytest.approx(3 * widths[0])
    assert words(drawing.body) == ["Way", "One", "20 (0.250)", "Other", "60 (0.750)"]


def test_a_bar_of_all_cases_leaves_room_for_its_count():
    drawing = counted("c", "Ways", [("Way", [("All", share(1234567, 1234567))])])
    assert drawing is not None
    x, said = re.findall(r'<text x="([\d.]+)"[^>]*>([^<]+)<', drawing.body)[-1]
    assert float(x) + svg.text_width(said) <= drawing.width


def test_nobody_has_no_bar_and_a_withheld_share_says_so():
    rows = [("None", share(0, 80)), ("Hidden", share(3, 80, given=False))]
    drawing = counted("c", "Ways", [("Way", rows)])
    assert drawing is not None
    assert "field" not in drawing.body
    assert words(drawing.body)[-1] == "withheld"


def test_groups_without_cases_are_left_out():
    assert counted("c", "Ways", [("Way", [("One", share(0, 0))]), ("Label", [])]) is None
    drawing = counted(
        "c", "Ways", [("Way", [("One", share(0, 0))]), ("Label", [("A", share(1, 2))])]
    )
    assert drawing is not None
    assert words(drawing.body)[0] == "Label"


def cut(name: str, *values: float | None, is_own: bool = False) -> Cut:
    rows = [
        Row(
            "adjudication/agreement",
            {"metric": metric},
            {
                "estimate": Cell("", "" if value is None else f"{value:.3f}".replace("-", "−")),
                "lower": Cell("", "" if value is None else f"{value - 0.05:.3f}".replace("-", "−")),
                "upper": Cell("", "" if value is None else f"{value + 0.05:.3f}".replace("-", "−")),
            },
        )
        for metric, value in zip(SHAPES, values, strict=False)
    ]
    return Cut(name, rows, is_own=is_own)


def test_each_coefficient_has_a_shape_of_its_own_at_its_value():
    first, second = cut("low", 0.2, 0.6, 0.9), cut("high", 0.4, 0.5, 0.7, is_own=True)
    (drawing,) = cut_points("c", "Agreement", [first, second])
    circles = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawing.body)]
    squares = [float(x) for x in re.findall(r'<path d="M([\d.]+) [\d.]+ m-4', drawing.body)]
    diamonds = [float(x) for x in re.findall(r'<path d="M([\d.]+) [\d.]+ m0', drawing.body)]
    assert circles[0] < circles[1]
    assert squares[1] < squares[0]
    assert diamonds[1] < diamonds[0]
    assert max(circles) < max(squares) < max(diamonds)
    assert drawing.body.count('class="lock"') == 6
    said = words(drawing.body)
    assert said[said.index("high") + 1] == "the study&#39;s line"


def test_agreement_worse_than_chance_widens_the_scale():
    def ticks(value: float) -> list[str]:
        (drawing,) = cut_points("c", "A", [cut("low", value), cut("high", 0.4)])
        return [w for w in words(drawing.body) if re.fullmatch(r"−?[\d.]+", w)]

    assert ticks(0.2) == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert ticks(-0.2) == ["1", "0.5", "0", "−0.5", "−1"]


@pytest.mark.parametrize("cuts", [[], [cut("low", 0.5)], [cut("low", 0.5), cut("high", None)]])
def test_fewer_than_two_cut_points_are_no_picture(cuts):
    assert cut_points("c", "Agreement", cuts) == ()


def test_a_scale_of_many_cut_points_is_parted_by_pages():
    parts = cut_points("c", "Agreement", [cut(f"from {i} up", 0.4, 0.5, 0.6) for i in range(40)])
    assert len(parts) == 3
    assert all(p.height <= svg.TALLEST for p in parts)
