"""The set against the target, as drawn: where shares lie, and levels that only one of them has."""

from __future__ import annotations

import re

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.charts.target import target


def level(name: str, ours: int, theirs: int, size: int = 100) -> dict[str, Row]:
    def row(n: int, total: int) -> Row:
        share = f"{n / total:.3f}" if total else ""
        cells = {"bin": name, "n": str(n), "n_total": str(total), "share": share}
        return Row("representativeness/profile", {}, {c: Cell(c, t) for c, t in cells.items()})

    return {"included": row(ours, 100), "target": row(theirs, size)}


def words(body: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", body)


LEVELS = [level("F", 60, 40), level("M", 40, 60), level("other", 0, 0)]


def test_dots_and_diamonds_lie_at_their_shares_on_one_scale_from_zero():
    (drawing,) = target("t", [("Sex", LEVELS)])
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawing.body)]
    diamonds = [float(x) for x in re.findall(r'<path d="M([\d.]+) ', drawing.body)]
    assert dots == diamonds[::-1]
    assert dots[0] > dots[1]
    assert [w for w in words(drawing.body) if w.isdigit()] == ["0", "20", "40", "60"]


def test_a_level_that_neither_has_is_left_out():
    (drawing,) = target("t", [("Sex", LEVELS)])
    assert "other" not in words(drawing.body)


def test_a_level_that_only_one_of_them_has_says_so():
    (drawing,) = target("t", [("Maker", [level("A", 50, 0), level("B", 0, 50)])])
    said = words(drawing.body)
    assert said[said.index("A") + 1] == "not in the target"
    assert said[said.index("B") + 1] == "not in the set"


def test_a_variable_that_the_target_does_not_count_is_left_out():
    other = ("Age", [level("old", 50, 0, size=0)])
    (drawing,) = target("t", [("Sex", LEVELS), other])
    assert "Age" not in words(drawing.body)
    assert target("t", [other]) == ()
    assert target("t", []) == ()


def test_a_level_without_a_share_of_the_set_has_no_dot():
    hidden = level("F", 60, 40)
    cells = {**hidden["included"].cells, "n": Cell("n", ""), "share": Cell("share", "")}
    hidden["included"] = Row("representativeness/profile", {}, cells)
    (drawing,) = target("t", [("Sex", [hidden])])
    assert "<circle" not in drawing.body
    assert "<path" in drawing.body


def test_many_levels_are_parted_by_pages():
    variables = [
        (f"Variable {k}", [level(f"level {i}", 1, 1) for i in range(10)]) for k in range(8)
    ]
    parts = target("t", variables)
    assert len(parts) == 3
    assert all(p.height <= svg.TALLEST for p in parts)


def test_the_report_shows_it_before_table_1_with_both_sizes(page):
    caption = page.index('id="target-drawing-caption"')
    assert caption < page.index('id="profile-table-caption"')
    told = re.sub(r"<[^>]*>", "", page[caption : caption + 700])
    assert re.search(r"n: [\d,]+ cases, [\d,]+ persons\.", told)
