"""The ROC curve and the parts of a change, as drawn: where marks lie, and when there is no picture."""

from __future__ import annotations

import re

import pytest

from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.charts import change, roc
from vpack_pipeline.report.drawings import Drawings, periods

BEFORE, AFTER = "retrospective", "prospective"


def row(asset: str, values: tuple[float | None, ...], **key: str) -> Row:
    texts = ["" if v is None else f"{v:.3f}".replace("-", "−") for v in values]
    cells = {c: Cell(c, t) for c, t in zip(("estimate", "lower", "upper"), texts, strict=False)}
    return Row(asset, key, cells)


def curve(window: str, *points: tuple[str, float]) -> list[Row]:
    return [
        row(
            "evaluation/roc",
            (y, max(0.0, y - 0.1), min(1.0, y + 0.1)),
            window=window,
            stratum_kind=roc.CURVE,
            stratum=x,
            metric="sensitivity",
        )
        for x, y in points
    ]


def point(window: str, kind: str, sensitivity: float | None, specificity: float) -> list[Row]:
    at = {"window": window, "stratum_kind": kind, "stratum": "triage"}
    return [
        row("evaluation/roc", (sensitivity, None, None), **at, metric="sensitivity"),
        row("evaluation/roc", (specificity, None, None), **at, metric="specificity"),
    ]


CURVE = [("0.00", 0.2), ("0.10", 0.7), ("1.00", 1.0)]


def test_a_locked_threshold_lies_on_its_curve():
    drawing = roc.roc(
        "r", "ROC", [*curve(AFTER, *CURVE), *point(AFTER, "operating_point", 0.7, 0.9)]
    )
    assert drawing is not None
    (line,) = re.findall(r'<polyline points="([^"]+)"', drawing.body)
    (dot,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawing.body)
    assert ",".join(dot) in line.split()


def test_both_windows_have_a_curve_and_a_band_and_are_told_apart_by_more_than_colour():
    drawing = roc.roc("r", "ROC", [*curve(BEFORE, *CURVE), *curve(AFTER, *CURVE)])
    assert drawing is not None
    assert drawing.body.count("<polygon") == 2
    assert 'class="curve before"' in drawing.body
    assert 'class="curve after"' in drawing.body
    assert "dashed" in drawing.description


def test_readers_are_squares_and_open_before_the_lock():
    rows = [
        *curve(AFTER, *CURVE),
        *point(BEFORE, "readers", 0.9, 0.95),
        *point(AFTER, "readers", 0.8, 0.9),
    ]
    drawing = roc.roc("r", "ROC", rows)
    assert drawing is not None
    squares = re.findall(r'<rect [^>]*class="dot ([^"]+)"', drawing.body)
    assert squares == ["w0 open-dot", "w1"]


def test_a_point_without_both_figures_and_a_curve_of_one_point_are_left_out():
    rows = [
        *curve(AFTER, *CURVE),
        *point(AFTER, "operating_point", None, 0.9),
        *curve(BEFORE, ("0.00", 0.5)),
    ]
    drawing = roc.roc("r", "ROC", rows)
    assert drawing is not None
    assert "<circle" not in drawing.body
    assert drawing.body.count("<polyline") == 1


def test_a_curve_without_bounds_has_no_band():
    bare = row(
        "evaluation/roc",
        (0.5, None, None),
        window=AFTER,
        stratum_kind=roc.CURVE,
        stratum="0.10",
        metric="sensitivity",
    )
    drawing = roc.roc("r", "ROC", [bare])
    assert drawing is not None
    assert "<polygon" not in drawing.body


def test_without_a_curve_there_is_no_picture():
    assert roc.roc("r", "ROC", point(AFTER, "operating_point", 0.7, 0.9)) is None


def parts(**values: tuple[float | None, ...]) -> list[Row]:
    return [row("evaluation/change", v, metric=f"change_{n}sensitivity") for n, v in values.items()]


def test_bars_of_a_change_follow_one_another_and_the_whole_begins_at_zero():
    rows = parts(mix_=(0.02, -0.01, 0.05), like_=(-0.06, -0.1, 0.0), **{"": (-0.04, -0.09, 0.01)})
    drawing = change.change("c", "Change", rows, "sensitivity")
    assert drawing is not None
    found = re.findall(
        r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="16.0" class="(w\d)"', drawing.body
    )
    bars = [(float(x), float(x) + float(w), style) for x, w, style in found]
    mix, like, whole = bars
    assert [style for _, _, style in bars] == ["w0", "w1", "w1"]
    assert mix[1] == pytest.approx(like[1], abs=0.2)
    assert whole[0] == pytest.approx(like[0], abs=0.2)
    assert whole[1] == pytest.approx(mix[0], abs=0.2)
    assert drawing.body.count('class="marked"') == 3


@pytest.mark.parametrize(
    "rows", [[], parts(mix_=(0.1,)), parts(**{"": (-0.04,)}), parts(mix_=(0.1,), **{"": (None,)})]
)
def test_a_change_without_a_whole_or_without_parts_is_no_picture(rows):
    assert change.change("c", "Change", rows, "sensitivity") is None


def test_a_part_without_an_interval_has_a_bar_alone():
    rows = parts(mix_=(0.0, None, None), **{"": (0.0, None, None)})
    drawing = change.change("c", "Change", rows, "sensitivity")
    assert drawing is not None
    assert "marked" not in drawing.body


def test_the_report_shows_them_above_their_tables(page):
    for name in ("roc-drawing-nodule_or_mass", "trend-drawing-nodule_or_mass-sensitivity"):
        assert f'id="{name}-caption"' in page
    assert page.index('id="roc-drawing-nodule_or_mass-caption"') < page.index(
        'id="roc-nodule_or_mass-caption"'
    )


def test_without_an_operating_point_there_is_no_series(study):
    evaluation = study.protocol.evaluation.model_copy(update={"operating_points": ()})
    protocol = study.protocol.model_copy(update={"evaluation": evaluation})
    finding, book = protocol.findings[0], Book(study.report)
    assert periods(book, protocol, finding, "sensitivity") is None
    assert Drawings(book, protocol).trend(finding, "sensitivity") is None


def test_a_finding_of_which_nothing_is_known_has_no_pictures(study):
    other = study.protocol.findings[0].model_copy(update={"name": "another"})
    drawings = Drawings(Book(study.report), study.protocol)
    assert drawings.roc(other) is None
    assert drawings.change(other, "sensitivity") is None
    assert drawings.forest(other, "sensitivity") == []
    assert drawings.calibration(other, AFTER) is None
    assert drawings.scores(other, AFTER) is None
