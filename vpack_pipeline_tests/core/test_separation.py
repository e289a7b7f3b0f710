"""Sets are told apart by what differs between them, and nothing is said of a few."""

from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.core.representativeness import separation as module
from vpack_pipeline.core.representativeness.profiled import table_one
from vpack_pipeline.core.representativeness.separation import ALL, separation
from vpack_pipeline.core.target import Target
from vpack_pipeline.stats.two_sample import cross_fitted_auc, folds_by_patient
from vpack_pipeline_tests.core.test_profiled_variables import AFTER, BEFORE, asked

AREA, NULL = "separation_auc", "separation_auc_null95"
ALONE, WITHOUT = "separation_auc_alone", "separation_auc_without"
WINDOWS, EXCLUDED = "retrospective_prospective", "included_excluded"


def rows(n, date, rng, **says):
    """Radiographs of women and men by chance, of one machine unless told otherwise."""
    return [
        {"index_date": date, "modality": "DX", "model": "m", "sex": "FM"[rng.integers(2)], **says}
        for _ in range(n)
    ]


def site(n=60, seed=1, excluded=(), **after):
    rng = np.random.default_rng(seed)
    return asked(
        [*rows(n, BEFORE, rng), *rows(n, AFTER, rng, **after)],
        excluded=[*rows(n, BEFORE, rng)] if excluded == () else excluded,
        not_profiled=("age_years",),
    )


def found(given):
    frame = separation(**given)
    return {(r["comparison"], r["variable"], r["metric"]): r for r in frame.iter_rows(named=True)}


def test_columns_and_order_are_the_contracts():
    frame = separation(**site())
    assert frame.equals(contracts.conform(frame, contracts.load()["representativeness/separation"]))


def test_a_new_machine_tells_the_windows_apart_and_is_named_first():
    made = found(site(model="x2"))
    together, null = (made[WINDOWS, ALL, m] for m in (AREA, NULL))
    assert together["estimate"] > 0.95 > null["estimate"]
    assert (together["n"], together["events"]) == (120, 60)
    alone = {v: r["estimate"] for (c, v, m), r in made.items() if (c, m) == (WINDOWS, ALONE)}
    assert max(alone, key=alone.get) == "model"
    assert alone["model"] == 1.0
    without = made[WINDOWS, "model", WITHOUT]["estimate"]
    assert abs(without - 0.5) < 0.15
    # Another variable hides nothing of it.
    assert made[WINDOWS, "sex", WITHOUT]["estimate"] == 1.0


def test_without_a_difference_the_area_does_not_pass_its_null_more_often_than_it_should(
    monkeypatch,
):
    """Eight sites without any difference: more than 3 pass the 95th percentile in one of 2,000
    such trials."""
    monkeypatch.setattr(module, "COMPARISONS", {WINDOWS: module.COMPARISONS[WINDOWS]})
    beyond = 0
    for seed in range(8):
        made = found(site(n=40, seed=100 + seed))
        beyond += made[WINDOWS, ALL, AREA]["estimate"] > made[WINDOWS, ALL, NULL]["estimate"]
    assert beyond <= 3


def test_figures_stand_to_two_digits():
    for row in separation(**site(model="x2")).iter_rows(named=True):
        if row["estimate"] is not None:
            assert row["estimate"] == round(row["estimate"], 2)
            assert "two_digits" in row["method"]


def test_the_null_has_as_many_draws_as_its_second_digit_needs():
    """A few patients have a wide null and need more draws than many, up to a limit."""

    def draws(n):
        return json.loads(found(site(n=n))[WINDOWS, ALL, NULL]["detail"])[
            "sets_drawn_by_patient.draws"
        ]

    assert draws(12) == module.MOST_DRAWS
    # 2.11² / .0025² draws of the variance 2 (200 + 200 + 1) / (12 · 200 · 200).
    assert draws(200) == math.ceil((2.11 / 0.0025) ** 2 * 2 * 401 / (12 * 200 * 200))
    assert draws(300) == module.FEWEST_DRAWS


def test_included_and_excluded_are_told_apart_alike():
    rng = np.random.default_rng(3)
    made = found(site(excluded=rows(60, BEFORE, rng, model="x3")))
    assert made[EXCLUDED, ALL, AREA]["estimate"] > 0.95
    assert made[EXCLUDED, "model", ALONE]["events"] == 60
    assert abs(made[WINDOWS, ALL, AREA]["estimate"] - 0.5) < 0.2


def test_a_set_of_a_few_is_not_told_apart():
    rng = np.random.default_rng(3)
    made = found(site(excluded=rows(4, BEFORE, rng)))
    for (comparison, *_), row in made.items():
        refused = comparison == EXCLUDED
        assert (row["status"] == "refused") is refused
        assert row["reason"] == ("too_few_to_tell_apart" if refused else None)
    assert (
        found(site(excluded=rows(5, BEFORE, rng, sex="F")))[EXCLUDED, ALL, AREA]["status"]
        == "given"
    )


def test_a_variable_in_which_a_set_cannot_be_described_is_left_out():
    rng = np.random.default_rng(3)
    few = [*rows(20, BEFORE, rng, sex="F", model="x3"), *rows(2, BEFORE, rng, sex="M", model="x3")]
    made = found(site(excluded=few))
    assert made[EXCLUDED, "sex", ALONE]["reason"] == "set_too_small"
    assert made[EXCLUDED, "model", ALONE]["estimate"] == 1.0
    assert made[EXCLUDED, ALL, AREA]["status"] == "given"
    assert made[WINDOWS, "sex", ALONE]["status"] == "given"


def test_a_technical_number_is_known_by_its_value_and_whether_it_is_missing():
    """Of one bin, and yet apart; a missing one is a level."""
    rng = np.random.default_rng(3)
    low, high = (rows(40, d, rng, kvp=v) for d, v in ((BEFORE, 71.0), (AFTER, 89.0)))
    made = found(asked([*low, *high], not_profiled=("age_years",)))
    assert made[WINDOWS, "kvp", ALONE]["estimate"] == 1.0
    absent = rows(40, AFTER, rng)
    made = found(asked([*low, *absent], not_profiled=("age_years",)))
    assert made[WINDOWS, "kvp", ALONE]["estimate"] == 1.0


def test_the_figure_is_that_of_the_levels_by_hand():
    given = site(model="x2")
    views = list(
        table_one(
            **given,
            target=Target({}),
        )
    )
    sex = next(v for v in views if v.levels.names == ["sex"])
    frame = pl.concat(
        sex.cases[s].with_columns(second=pl.lit(s == "prospective"))
        for s in ("retrospective", "prospective")
    ).sort("case_id")
    women = (frame["printed"] == "F").to_numpy().astype(float)
    second = frame["second"].to_numpy()
    areas = [
        cross_fitted_auc(
            np.column_stack([women, 1 - women]),
            second,
            folds_by_patient(frame["patient_id"].to_numpy(), second, 5, np.random.default_rng(s)),
        )
        for s in range(30)
    ]
    # Folds are drawn: the figure lies among those of other folds.
    assert min(areas) - 0.01 <= found(given)[WINDOWS, "sex", ALONE]["estimate"] <= max(areas) + 0.01


def test_seed_and_order_of_rows():
    given = site(model="x2")
    turned = {**given, "cases": given["cases"].reverse(), "included": given["included"].reverse()}
    assert separation(**given).equals(separation(**turned))


def test_of_many_patients_some_are_drawn_and_it_is_said(monkeypatch):
    monkeypatch.setattr(module, "MOST_PATIENTS", 50)
    made = found(site(model="x2"))[WINDOWS, ALL, AREA]
    assert made["n"] == 50
    assert made["notes"] == "patients_drawn"


def test_nothing_is_given_of_nobody():
    made = separation(**asked([], not_profiled=("age_years",)))
    assert set(made["reason"]) == {"too_few_to_tell_apart"}
    late = dt.date(2030, 1, 1)
    apart = asked([{"index_date": late, "sex": "F"}] * 9)
    assert set(separation(**apart)["status"]) == {"refused"}


def test_two_sets_that_share_no_fold_are_refused(monkeypatch):
    monkeypatch.setattr(module, "cross_fitted_auc", lambda *_: None)
    made = found(site())
    assert made[WINDOWS, ALL, AREA]["reason"] == "one_set_alone_in_every_fold"
