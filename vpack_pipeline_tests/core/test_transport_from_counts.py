"""The one function behind figures in a target: JSON in, JSON out; and counts as people type them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.core.target import Target as Stated
from vpack_pipeline.core.transport import COUNTS, figures_in_target
from vpack_pipeline.core.transport.cells import common_cells
from vpack_pipeline.core.transport.rows import PrintedVariables, target_of
from vpack_pipeline.core.transport.typed import TypedRow, bin_of, typed_target
from vpack_pipeline.core.transport.what_if import what_would_change
from vpack_pipeline.errors import InputError
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

EFFECTS = {"positives": 1.0, "negatives": 1.0, "cases": 1.0}


def counts(positive=10, tp=8, negative=30, tn=27, undecided=0, flagged=0):
    n = positive + negative + undecided
    return dict(
        zip(COUNTS, map(float, (n, positive, tp, negative, tn, undecided, flagged)), strict=True)
    )


def cell(label, combinations, of, **rest):
    return {"label": label, "combinations": combinations, "counts": of, **rest}


def groups(*persons, levels=None):
    known = levels or [[k] for k in range(len(persons))]
    pairs = zip(persons, known, strict=True)
    return [{"label": f"g{k}", "levels": at, "persons": n} for k, (n, at) in enumerate(pairs)]


def joint(*cells):
    return [{"groups": list(at), "persons": n} for at, n in cells]


TWO = [cell("a", [[0]], counts()), cell("b", [[1]], counts(20, 10))]
SQUARE = [
    cell("a × x", [[0, 0]], counts()),
    cell("a × y", [[0, 1]], counts(20, 10)),
    cell("b × x", [[1, 0]], counts(30, 27)),
    cell("b × y", [[1, 1]], counts(5, 4)),
]


def question(cells=TWO, levels=None, stated=None, **rest):
    made = levels or [groups(30, 10)]
    return {
        "cells": cells,
        "missing": 0.0,
        "design_effects": EFFECTS,
        "target": {"levels": made, "cells": stated},
        **rest,
    }


def of_two(**rest):
    return question(stated=joint(((0,), 30), ((1,), 10)), **rest)


def figure(answer, name="sensitivity", of="in_target"):
    return answer["figures"][of][name]


def reason(answer, name="sensitivity", of="in_target"):
    return figure(answer, name, of)["reason"]["code"]


def test_an_answer_is_json_and_the_question_stays_as_it_was():
    asked = of_two()
    before = json.dumps(asked)
    answer = figures_in_target(asked)
    assert json.loads(json.dumps(answer)) == answer
    assert json.dumps(asked) == before
    found = figure(answer)["estimate"]
    assert found == pytest.approx((30 * 8 / 40 + 10 * 10 / 50) / (30 * 10 / 40 + 10 * 20 / 50))


def test_the_order_of_a_targets_cells_does_not_matter():
    forward, back = joint(((0,), 30), ((1,), 10)), joint(((1,), 10), ((0,), 30))
    assert figures_in_target(question(stated=forward)) == figures_in_target(question(stated=back))


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4), st.floats(1, 3))
@examples_drawn(40)
def test_any_joint_table_lies_within_the_range_of_its_margins(persons, effect):
    table = np.array(persons, dtype=float).reshape(2, 2)
    levels = [groups(*table.sum(axis=1)), groups(*table.sum(axis=0))]
    effects = dict.fromkeys(EFFECTS, effect)
    exact = joint(*((at, table[at]) for at in itertools.product((0, 1), (0, 1))))
    known = figures_in_target(question(SQUARE, levels, exact, design_effects=effects))
    margins = figures_in_target(question(SQUARE, levels, design_effects=effects))
    if not table.sum():
        assert reason(known) == reason(margins) == "no_target"
        return
    for name in known["figures"]["in_target"]:
        low, high, value = (
            figure(answer, name, of)["estimate"]
            for answer, of in (
                (margins, "lowest_in_target"),
                (margins, "highest_in_target"),
                (known, "in_target"),
            )
        )
        # HiGHS is feasible to a tolerance of 1e-7.
        assert low - 1e-6 * max(1, high) <= value <= high + 1e-6 * max(1, high)


def test_a_typed_prevalence_is_that_of_the_target():
    answer = figures_in_target(of_two(prevalence=0.05))
    assert figure(answer, "prevalence")["estimate"] == pytest.approx(0.05, abs=1e-12)
    assert answer["odds"] < 1
    assert "prevalence_typed" in {note["code"] for note in figure(answer)["notes"]}
    assert reason(figures_in_target(question(prevalence=0.05))) == "prevalence_needs_joint_counts"
    never = [cell("a", [[0]], counts(0, 0)), TWO[1]]
    stated = joint(((0,), 90), ((1,), 10))
    assert reason(figures_in_target(question(never, stated=stated, prevalence=0.5))) == (
        "prevalence_out_of_reach"
    )


def test_margins_name_what_no_case_here_has():
    levels = [groups(95, 0, 5, levels=[[0], [1], []]), groups(50, 50)]
    answer = figures_in_target(question(SQUARE, levels))
    assert figure(answer)["estimate"] is not None
    lacking = [c for c in answer["cells"] if c["persons"] and not c["cases"]]
    assert [c["persons"] for c in lacking] == [pytest.approx(5)]
    assert answer["support"]["unsupported_share"]["estimate"] == pytest.approx(0.05)
    nowhere = [groups(0, 0, 100, levels=[[0], [1], []]), groups(50, 50)]
    assert reason(figures_in_target(question(SQUARE, nowhere))) == "cells_without_case"


def test_margins_that_no_table_over_known_cells_has_are_refused():
    diagonal = [SQUARE[0], SQUARE[3]]
    levels = [groups(90, 10), groups(10, 90)]
    answer = figures_in_target(question(diagonal, levels))
    assert reason(answer) == "no_table_with_margins"
    assert reason(answer, of="lowest_in_target") == "no_table_with_margins"


def test_without_cases_or_persons_there_is_a_reason():
    empty = [cell("a", [[0]], counts(0, 0, 0, 0)), cell("b", [[1]], None)]
    answer = figures_in_target(question(empty, stated=joint(((0,), 30), ((1,), 10))))
    assert reason(answer) == reason(answer, of="here") == "no_mature_case"
    support = answer["support"]
    assert support["share_weight_zero_missing_value"]["reason"]["code"] == "no_mature_case"
    nobody = figures_in_target(question(levels=[groups(0, 0)], stated=[]))
    assert reason(nobody) == reason(nobody, of="outside_target") == "no_target"
    assert nobody["support"]["target_cells"]["reason"]["code"] == "no_target"


def test_a_figure_without_a_denominator_has_its_own_reason():
    healthy = [cell(c["label"], c["combinations"], counts(0, 0)) for c in TWO]
    answer = figures_in_target(question(healthy, stated=joint(((0,), 30), ((1,), 10))))
    assert reason(answer) == "nobody_in_denominator"
    assert reason(answer, of="here") == "nobody_in_denominator"
    assert figure(answer, "specificity")["estimate"] == pytest.approx(0.9)
    weighted = [{**c, "weighted": {k: 2 * n for k, n in c["counts"].items()}} for c in healthy]
    answer = figures_in_target(question(weighted, stated=joint(((0,), 30), ((1,), 10))))
    assert reason(answer) == "nobody_in_denominator"


def test_two_levels_of_a_target_may_not_share_a_printed_level():
    shared = [groups(1, 2, levels=[[0, 1], [1]])]
    with pytest.raises(ValueError, match="two levels share a printed level"):
        figures_in_target(question(levels=shared, stated=[]))


def test_cells_are_added_up_until_no_level_cuts_them():
    chain = [cell(f"c{k}", [[0, k], [1, k + 1]], counts()) for k in range(3)]
    target = {"levels": [groups(5, 5), groups(1, 2, 3, 4)], "cells": None}
    assert [c.label for c in common_cells(chain, target)][:3] == ["c0", "c1", "c2"]
    merged = {"levels": [groups(10, levels=[[0, 1]]), groups(1, 2, 3, 4)], "cells": None}
    (one,) = common_cells(chain, merged)
    assert one.labels == ("c0", "c1", "c2")
    assert one.counts["n_cases"] == 120


def test_what_would_change_an_answer_are_its_cells_and_its_prevalence():
    asked = of_two()
    found = what_would_change(asked, figures_in_target(asked))
    ends = found["mixes"]["sensitivity"]
    assert (ends["lowest"]["cell"], ends["highest"]["cell"]) == ("b", "a")
    assert (ends["lowest"]["estimate"], ends["lowest"]["n"]) == (0.5, 20)
    half, double = found["prevalences"]
    assert half["prevalence"] * 4 == pytest.approx(double["prevalence"])
    assert half["figures"]["ppv"]["estimate"] < double["figures"]["ppv"]["estimate"]
    margins = question()
    assert what_would_change(margins, figures_in_target(margins))["prevalences"] == []


def test_a_figure_that_the_target_lacks_has_no_extreme_cells():
    asked = of_two()
    answer = figures_in_target(asked)
    answer["figures"]["in_target"]["sensitivity"]["estimate"] = None
    mixes = what_would_change(asked, answer)["mixes"]
    assert "sensitivity" not in mixes
    assert "specificity" in mixes


# --- typed counts

LEVELS = [
    *(
        {"variable": "age", "level_order": k, "level": a, "printed_level": b, "is_personal": True}
        for k, (a, b) in enumerate(
            [("<50", "<50"), ("50–70", "≥50"), ("≥70", "≥50"), ("missing", "missing")]
        )
    ),
    *(
        {"variable": "ward", "level_order": k, "level": a, "printed_level": b, "is_personal": True}
        for k, (a, b) in enumerate(
            [("north", "north"), ("east", "other"), ("other", "other"), ("missing", "missing")]
        )
    ),
    *(
        {
            "variable": "age × ward",
            "level_order": k,
            "level": a,
            "printed_level": a,
            "is_personal": True,
        }
        for k, a in enumerate(["<50 × north", "≥50 × other", "rest", "missing"])
    ),
]
VARIABLES = PrintedVariables.of(LEVELS, "age × ward")


def typed(*rows):
    made = [TypedRow(k, levels, n) for k, (levels, n) in enumerate(rows, start=2)]
    return typed_target(made, VARIABLES, "counts.csv")


def refused(*rows):
    with pytest.raises(InputError) as found:
        typed(*rows)
    return str(found.value)


def test_printed_variables_know_the_cell_of_every_combination():
    assert VARIABLES.levels == (("<50", "≥50"), ("north", "other"))
    assert VARIABLES.cell_of == {
        (0, 0): "<50 × north",
        (0, 1): "rest",
        (1, 0): "rest",
        (1, 1): "≥50 × other",
    }
    assert VARIABLES.places()["ward"]["east"] == (1,)
    assert VARIABLES.places()["age"]["missing"] == ()


def test_typed_levels_are_parts_sums_or_levels_of_the_printed_ones():
    target, lacking = typed(
        ({"age": "<40", "ward": "north"}, 3),
        ({"age": "40-50", "ward": "east"}, 4),
        ({"age": "≥70", "ward": "other"}, 5),
        ({"age": "missing", "ward": "north"}, 2),
    )
    assert lacking == []
    ages, wards = target["levels"]
    assert [(g["levels"], g["persons"]) for g in ages] == [([0], 7.0), ([1], 5.0), ([], 2.0)]
    assert [(g["label"], g["persons"]) for g in wards] == [("north", 5.0), ("other", 9.0)]
    assert {tuple(c["groups"]): c["persons"] for c in target["cells"]} == {
        (0, 0): 3.0,
        (0, 1): 4.0,
        (1, 1): 5.0,
        (2, 0): 2.0,
    }


def test_a_level_is_known_in_any_case_where_one_alone_reads_so():
    target, lacking = typed(({"ward": "North"}, 3))
    assert lacking == ["age"]
    assert [(g["levels"], g["persons"]) for g in target["levels"][1]] == [([0], 3.0)]


def test_a_sum_of_levels_is_one_level_and_a_variable_may_be_lacking():
    target, lacking = typed(({"ward": "north or other"}, 3))
    assert lacking == ["age"]
    assert target["levels"][1][0]["label"] == "north or other"
    assert target["levels"][0] == [{"label": "all", "levels": [0, 1], "persons": 3.0}]


def test_typed_levels_that_do_not_fit_are_refused():
    assert "line 2, column age: is no level" in refused(({"age": "40–60"}, 3))
    assert "line 2, column ward: is no level" in refused(({"ward": "south"}, 3))
    assert "column ward: is no level" in refused(({"ward": "10–20"}, 3))
    assert "column ward: is no level" in refused(({"ward": "north or south"}, 3))
    said = refused(({"ward": "north"}, 3), ({"ward": "north or other"}, 1))
    assert "the level of line 3 overlaps" in said
    assert "counts nobody" in refused(({"age": "<50"}, 0))
    assert "do not agree" in refused(
        ({"age": "<50", "ward": "north"}, 3),
        ({"age": "≥50", "ward": "other"}, 1),
        ({"ward": "north"}, 2),
        ({"ward": "other"}, 2),
    )


def test_a_bin_needs_a_lower_and_a_higher_edge():
    assert bin_of("1.5–2.5") == (1.5, 2.5)
    assert bin_of("5–5") is None
    assert bin_of("north") is None


def test_a_target_without_persons_is_none():
    nobody = target_of(Stated({}), VARIABLES, VARIABLES.places())
    assert nobody["cells"] == []
