"""The words with which a pack opens, rule by rule: what tables say in, one sentence out."""

from __future__ import annotations

import pytest

from vpack_pipeline.report import sentence
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.view import plain

FIGURE = ("estimate", "lower", "upper", "n", "status", "reason", "notes")


def row(text: str, asset: str = "evaluation/operating_points", **key: str) -> Row:
    """Make a printed row: its texts after one another, a dash where nothing stands."""
    given = dict.fromkeys(FIGURE, "") | dict(zip(FIGURE, text.split("|"), strict=False))
    cells = {n: Cell(f"{asset}.{n}", "" if t == "-" else t) for n, t in given.items()}
    return Row(asset, key, cells)


def cell(text: str | None) -> Cell | None:
    return None if text is None else Cell("a.b.c", text)


TABLE = """
figure                 | bounds        | verdict      | goal | power | change            | sentence
79.6%|72.5|85.2|152    | -             | not_met      | 90%  | -     | −7.8|−15.4|−0.1   | After the lock, sensitivity was 79.6% (72.5 to 85.2), below its goal of 90% and 7.8 points (0.1 to 15.4) lower than before.
79.6%|72.5|85.2|152    | -             | not_met      | 90%  | -     | −7.8|−15.4|0.1    | After the lock, sensitivity was 79.6% (72.5 to 85.2), below its goal of 90%.
93.0%|91.0|95.0|152    | -             | met          | 90%  | -     | 3.0|1.0|5.0       | After the lock, sensitivity was 93.0% (91.0 to 95.0), above its goal of 90% and 3.0 points (1.0 to 5.0) higher than before.
93.0%|91.0|95.0|152    | -             | met          | 90%  | -     | −3.0|−5.0|−1.0    | After the lock, sensitivity was 93.0% (91.0 to 95.0), above its goal of 90% and 3.0 points (1.0 to 5.0) lower than before.
88.1%|85.9|90.1|918    | -             | inconclusive | 88%  | -     | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), its goal of 88% neither shown nor ruled out.
88.1%|85.9|90.1|918    | -             | inconclusive | 88%  | 31.0% | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), its goal of 88% neither shown nor ruled out (the chance of showing it was 31.0% if sensitivity stayed as before the lock).
88.1%|85.9|90.1|918    | -             | not_tested   | 88%  | -     | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), not tested against its goal of 88%: an endpoint before it was not met.
88.1%|85.9|90.1|918    | -             | not_taken    | 88%  | -     | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), not yet judged against its goal of 88%.
88.1%|85.9|90.1|918    | -             |              | 88%  | -     | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), not judged against its goal of 88%.
88.1%|85.9|90.1|918    | -             |              | -    | -     | -                 | After the lock, sensitivity was 88.1% (85.9 to 90.1), without a goal fixed beforehand.
100.0%|-|-|3           | -             |              | -    | -     | -                 | After the lock, sensitivity was 100.0%, without a goal fixed beforehand.
50.0%|17.0|83.0|40     | 21.2%, 97.5%  | inconclusive | 75%  | -     | -                 | After the lock, sensitivity lies between 21.2% and 97.5%, whatever the missing labels are and chance aside, its goal of 75% neither shown nor ruled out.
-|-|-|4|refused|one class | -          |              | -    | -     | -                 | After the lock, sensitivity is not given: one class.
-|-|-|4|refused|-      | -             |              | -    | -     | -                 | After the lock, sensitivity is not given: no reason is given.
-|-|-|0|refused|-      | -             |              | -    | -     | -                 | No case from after the lock has a label due yet.
"""


def spec() -> list[list[str]]:
    return [[part.strip() for part in line.split(" | ")] for line in TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize("told", spec(), ids=lambda t: t[-1][:60])
def test_a_figure_is_told_by_its_rule(told: list[str]) -> None:
    figure, bounds, verdict, goal, power, change, expected = told
    worst, best = (None, None) if bounds == "-" else bounds.split(", ")
    said = sentence.Measured(
        measure="sensitivity",
        figure=row(figure),
        worst=cell(worst),
        best=cell(best),
        verdict=verdict,
        goal=cell(None if goal == "-" else goal),
        power=cell(None if power == "-" else power),
        change=None if change == "-" else row(change),
        size=None if change == "-" else row(change.replace("−", "")),
    )
    assert plain(sentence.sentence([said])) == expected


def test_a_figure_that_no_row_gives_says_that_no_case_is_due():
    nothing = sentence.Measured("sensitivity", *(None,) * 3, "", *(None,) * 4)
    assert plain(sentence.sentence([nothing])) == "No case from after the lock has a label due yet."


@pytest.mark.parametrize(
    ("bounds", "where"),
    [
        ("−15.4|−0.1", "fell"),
        ("−15.4|0.1", None),
        ("0.0|3.0", None),
        ("0.1|3.0", "rose"),
        ("-|-", None),
    ],
)
def test_a_change_has_a_direction_where_its_interval_leaves_out_zero(bounds, where):
    assert sentence.direction(row(f"−7.8|{bounds}")) == where


def test_several_figures_are_one_sentence_and_of_several_findings_each_is_named():
    none = (None, None, "", None, None, None, None)
    both = [
        sentence.Measured("sensitivity", row("90.0%|80.0|95.0|50"), *none),
        sentence.Measured("specificity", row("-|-|-|0"), *none),
    ]
    said = "after the lock, sensitivity was 90.0% (80.0 to 95.0), without a goal fixed beforehand."
    assert plain(sentence.sentence(both)) == f"A{said[1:]}"
    assert plain(sentence.sentence(both, "Mass")) == f"Mass: {said}"
    nothing = plain(sentence.sentence(both[1:], "Mass"))
    assert nothing == "Mass: no case from after the lock has a label due yet."


class Rows:
    """A book of rows that are given, each as the first page writes it."""

    def __init__(self, *given: Row) -> None:
        self.given = given

    def rows(self, asset: str, **where: str) -> list[Row]:
        return [r for r in self.given if r.asset == asset and where.items() <= r.key.items()]

    def on_first_page(self, one: Row) -> Row:
        return one


def where_it_differs(study, *p_values: str) -> list[str]:
    finding = study.protocol.findings[0]
    model = study.protocol.index_test.primary.id
    later = {"finding": finding.name, "window": "prospective"}
    variable = study.protocol.representativeness.variables[0].name

    def subgroup(text: str, metric: str, kind: str, level: str) -> Row:
        key = {**later, "model_id": model, "metric": metric}
        return row(text, "evaluation/subgroups", **key, stratum_kind=kind, stratum=level)

    arrived = {"metric": "cases_of_new_level", "stratum_kind": "device", "period": "2025-11..12"}
    tests = zip(("sensitivity", "specificity"), p_values, strict=True)
    told = sentence.strata(
        Rows(
            row("30", "evaluation/trend", **later, **arrived, stratum="Make B"),
            subgroup("69.5%|51.2|83.2|59", "sensitivity", "device", "Make B"),
            subgroup("92.6%|87.6|95.7|364", "specificity", "device", "Make B"),
            subgroup("81.0%|70.0|90.0|80", "sensitivity", "device", "Make A"),
            *(subgroup(p, f"heterogeneity_p_adjusted_{m}", variable, "*") for m, p in tests),
        ),
        study.protocol,
        finding,
        ("sensitivity", "specificity"),
    )
    return [plain(said) for said in told]


def test_a_device_that_came_after_the_lock_is_told_once_with_both_figures(study) -> None:
    assert where_it_differs(study, "0.050", "0.900") == [
        "With Make B, first seen in 2025-11, sensitivity was 69.5% (51.2 to 83.2; 59 positives)"
        " and specificity was 92.6% (87.6 to 95.7; 364 negatives)."
    ]


def test_a_planned_variable_is_told_where_its_adjusted_p_is_below_the_level(study) -> None:
    title = study.protocol.representativeness.variables[0].title
    _, said = where_it_differs(study, "0.049", "0.050")
    assert (
        said == f"After the lock, sensitivity differs by {title[0].lower()}{title[1:]} (p 0.049)."
    )
