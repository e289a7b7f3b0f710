"""Profile and match: every bin counted, every distance beside its null, nothing judged."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.representativeness import (
    ALL_CELLS,
    DISTANCES,
    NO_TARGET,
    NOT_STATED,
    UNPLACED,
    UNSUPPORTED,
    match,
    profile,
)
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import Covariate, Evaluation, Representativeness, Variable

AGE = Variable(name="age_years", title="Age", kind="numeric", edges=(50,))
SEX = Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M"))
ALL_DISTANCES = ("smd", "jensen_shannon", "kolmogorov_smirnov")


def evaluation(seed=7):
    window = {"start": "2024-01-01", "end": "2024-06-30"}
    later = {"start": "2024-07-01", "end": "2024-12-31"}
    endpoint = {
        "id": "e1",
        "title": "AUC",
        "estimand": "all",
        "metric": "auc",
        "finding": "nodule",
        "window": "prospective",
        "rank": "primary",
        "goal": 0.8,
    }
    return Evaluation.model_validate(
        {
            "retrospective": window,
            "prospective": later,
            "maturity": {"panel": 0},
            "operating_points": [],
            "endpoints": [endpoint],
            "looks": [{"cut": "2025-01-31", "alpha": 0.05}],
            "subgroups": {"variables": []},
            "replicates": 400,
            "seed": seed,
        }
    )


def case_frame(rows):
    """Rows of (age, sex, is included) or (age, sex, is included, patient)."""
    table = {
        "case_id": [f"c{i:04}" for i in range(len(rows))],
        "patient_id": [r[3] if len(r) > 3 else f"p{i:04}" for i, r in enumerate(rows)],
        "age_years": [r[0] for r in rows],
        "sex": [r[1] for r in rows],
        "covariates": ["{}"] * len(rows),
    }
    types = {"age_years": pl.Float64, "sex": pl.String}
    cases = pl.DataFrame(table, schema_overrides=types)
    kept = pl.Series([r[2] for r in rows], dtype=pl.Boolean)
    return {"cases": cases, "included": cases.filter(kept), "excluded": cases.filter(~kept)}


def population(cells, in_force=True):
    rows = [{"cell": json.dumps(c), "n": n, "in_force": in_force} for c, n in cells]
    return pl.DataFrame(rows, schema={"cell": pl.String, "n": pl.Int64, "in_force": pl.Boolean})


def run_profile(rows, cells=(), variables=(AGE, SEX), covariates=(), in_force=True):
    return profile(
        **case_frame(rows),
        population=population(cells, in_force),
        representativeness=Representativeness(variables=variables, distances=ALL_DISTANCES),
        covariates=covariates,
    )


def run_match(rows, cells=(), variables=(AGE, SEX), distances=ALL_DISTANCES, seed=7):
    frame = match(
        **case_frame(rows),
        population=population(cells),
        representativeness=Representativeness(variables=variables, distances=distances),
        covariates=(),
        evaluation=evaluation(seed),
    )
    return {(r["variable"], r["comparison"], r["metric"]): r for r in frame.iter_rows(named=True)}


ROWS = [(40, "F", True), (60, "M", True), (60, None, True), (None, "F", False), (40, "X", False)]
CELLS = [
    ({"age_years": "<50", "sex": "F"}, 30),
    ({"age_years": "≥50", "sex": "M"}, 60),
    ({"age_years": "missing", "sex": "Z"}, 10),
]


@pytest.mark.parametrize("table", ["profile", "match"])
def test_columns_and_order_are_the_contracts(table):
    contract = contracts.load()[f"representativeness/{table}"]
    given = {
        **case_frame(ROWS),
        "population": population(CELLS),
        "representativeness": Representativeness(variables=(AGE, SEX)),
        "covariates": (),
    }
    frame = profile(**given) if table == "profile" else match(**given, evaluation=evaluation())
    assert frame.equals(contracts.conform(frame, contract))
    assert set(contract.inputs) | set(contract.protocol) == set(
        given if table == "profile" else {**given, "evaluation": 0}
    )


def test_profile_counts_every_bin_in_every_set_missing_last():
    found = run_profile(ROWS, CELLS)
    sex = found.filter(variable="sex").pivot("set", index=["bin_order", "bin"], values="n")
    assert sex.select("bin", "cohort", "included", "excluded", "target").rows() == [
        ("F", 2, 1, 1, 30),
        ("M", 1, 1, 0, 60),
        ("other", 1, 0, 1, 10),
        ("missing", 1, 1, 0, 0),
    ]
    target = found.filter(variable="age_years", set="target")
    assert target.select("bin", "n", "n_total", "share").rows() == [
        ("<50", 30, 100, 0.3),
        ("≥50", 60, 100, 0.6),
        ("missing", 10, 100, 0.1),
    ]


@pytest.mark.parametrize(("cells", "in_force"), [((), True), (CELLS, False)])
def test_profile_keeps_its_rows_without_a_target(cells, in_force):
    target = run_profile(ROWS, cells, in_force=in_force).filter(set="target")
    assert target.select("n", "n_total", "share").unique().rows() == [(0, 0, None)]
    assert target.height == 7


def test_profile_reads_covariates():
    smoker = Variable(name="smoker", title="Smoker", kind="categorical", levels=("true", "false"))
    given = (Covariate(name="smoker", title="Smoker", type="bool"),)
    found = run_profile(ROWS, variables=(smoker,), covariates=given)
    assert found.filter(set="cohort")["n"].to_list() == [0, 0, 0, 5]


def test_a_target_label_that_is_no_bin_is_an_error_without_its_value():
    with pytest.raises(InputError, match="column age_years: a label is none") as caught:
        run_profile(ROWS, [({"age_years": "secret-42", "sex": "F"}, 3)])
    assert "secret-42" not in str(caught.value)


def test_match_rows_are_fixed_by_the_protocol_whatever_is_delivered():
    full, bare, empty = run_match(ROWS, CELLS), run_match(ROWS), run_match([])
    assert set(full) == set(bare) == set(empty)
    assert {r["status"] for r in empty.values()} == {"refused"}
    per_variable = {"smd", "jensen_shannon", "jensen_shannon_null95", "kolmogorov_smirnov"}
    per_variable |= {"unsupported_cells", "unsupported_share"}
    assert {k[2] for k in full if k[:2] == ("sex", "included_excluded")} == per_variable
    assert {k[2] for k in full if k[0] == ALL_CELLS} == {
        "unsupported_cells",
        "unsupported_share",
        "effective_sample_size",
    }


def test_without_a_population_the_target_is_refused_and_says_why():
    for (_, comparison, _), row in run_match(ROWS).items():
        if comparison == "included_target":
            assert (row["status"], row["reason"], row["estimate"]) == ("refused", NO_TARGET, None)


def test_a_variable_that_the_population_does_not_state_is_refused():
    found = run_match(ROWS, [({"sex": "F"}, 30)])
    assert found["age_years", "included_target", "smd"]["reason"] == NOT_STATED
    assert found["sex", "included_target", "unsupported_cells"]["status"] == "given"
    reason = found[ALL_CELLS, "included_target", "unsupported_cells"]["reason"]
    assert reason == "no target cell states every variable"


def test_numeric_difference_of_included_and_excluded_by_hand():
    rows = [(40, "F", True), (50, "F", True), (60, "F", True)]
    rows += [(50, "F", False), (60, "F", False), (70, "F", False), (None, "F", False)]
    found = run_match(rows)["age_years", "included_excluded", "smd"]
    assert found["estimate"] == pytest.approx(-1.0)  # means 50 and 60, both SD 10
    reach = 1.959963984540054 * math.sqrt(6 / 9 + 1 / 12)
    assert (found["lower"], found["upper"]) == pytest.approx((-1 - reach, -1 + reach))
    assert found["n"] == 6


def test_smd_needs_two_values_and_variation():
    one = run_match([(40, "F", True), (50, "F", False), (60, "M", False)])
    assert "fewer than 2" in one["age_years", "included_excluded", "smd"]["reason"]
    same = run_match([(40, "F", True)] * 3 + [(40, "F", False)] * 3)
    assert same["age_years", "included_excluded", "smd"]["status"] == "refused"
    assert "only one category" in same["sex", "included_excluded", "smd"]["reason"]


def test_binary_difference_to_the_target_by_hand():
    rows = [(40, "F", True)] * 30 + [(40, "M", True)] * 70
    found = run_match(rows, [({"sex": "F"}, 500), ({"sex": "M"}, 500)])
    row = found["sex", "included_target", "smd"]
    assert row["estimate"] == pytest.approx(0.2 / math.sqrt((0.3 * 0.7 + 0.25) / 2))
    assert row["n"] == 1100


def test_divergence_lies_beyond_its_null_only_where_there_is_a_difference():
    cells = [({"sex": "F"}, 5000), ({"sex": "M"}, 5000)]
    alike = run_match([(40, "FM"[i % 2], True) for i in range(200)], cells)
    apart = run_match([(40, "FFFFM"[i % 5], True) for i in range(200)], cells)
    for found, beyond in ((alike, False), (apart, True)):
        value = found["sex", "included_target", "jensen_shannon"]["estimate"]
        null = found["sex", "included_target", "jensen_shannon_null95"]["estimate"]
        assert (value > null) is beyond


def test_null_is_the_95th_percentile_of_draws_of_both_sets():
    rows = [(40, "FM"[i % 2], True) for i in range(100)]
    found = run_match(rows, [({"sex": "F"}, 150), ({"sex": "M"}, 50)])
    null = found["sex", "included_target", "jensen_shannon_null95"]["estimate"]
    rng = np.random.default_rng(0)
    shares = [200 / 300, 100 / 300]

    def divergence(a, b):
        p, q = a / a.sum(), b / b.sum()
        m = (p + q) / 2
        return sum(float((x[x > 0] * np.log2(x[x > 0] / m[x > 0])).sum()) / 2 for x in (p, q))

    draws = [
        divergence(rng.multinomial(100, shares), rng.multinomial(200, shares)) for _ in range(4000)
    ]
    assert null == pytest.approx(float(np.quantile(draws, 0.95)), rel=0.25)


def test_patients_not_cases_are_the_unit_of_interval_and_null():
    def rows(per_patient):
        return [
            (40 + i % 30, "FM"[i % 2], True, f"p{i}") for i in range(60) for _ in range(per_patient)
        ] + [
            (40 + i % 30, "FM"[i % 2], False, f"q{i}")
            for i in range(60)
            for _ in range(per_patient)
        ]

    once, often = run_match(rows(1)), run_match(rows(5))
    for variable in ("age_years", "sex"):
        key = (variable, "included_excluded", "smd")
        assert often[key]["upper"] == pytest.approx(once[key]["upper"], rel=0.02)
        assert often[key]["n"] == 5 * once[key]["n"]
        null = (variable, "included_excluded", "jensen_shannon_null95")
        assert often[null]["estimate"] == once[null]["estimate"]


def test_draws_of_a_variable_do_not_depend_on_the_others_but_on_the_seed():
    null = ("sex", "included_excluded", "jensen_shannon_null95")
    alone = run_match(ROWS, variables=(SEX,), distances=("jensen_shannon",))[null]
    assert run_match(ROWS)[null]["estimate"] == alone["estimate"]
    rows = [(40, "FM"[i % 2], i % 3 > 0) for i in range(50)]
    one, two = (run_match(rows, seed=s)[null]["estimate"] for s in (1, 2))
    assert one != two


def test_kolmogorov_smirnov_only_where_both_sets_have_values():
    rows = [(a, "F", True) for a in (10, 20, 30, 40)] + [(a, "F", False) for a in (30, 40, 50, 60)]
    found = run_match(rows, CELLS)
    assert found["age_years", "included_excluded", "kolmogorov_smirnov"]["estimate"] == 0.5
    for key in (("sex", "included_excluded"), ("age_years", "included_target")):
        assert "single numeric values" in found[*key, "kolmogorov_smirnov"]["reason"]
    everyone = run_match([(40, "F", True)])
    assert everyone["age_years", "included_excluded", "kolmogorov_smirnov"]["status"] == "refused"


def test_unsupported_cells_count_the_target_persons_in_them():
    found = run_match([(40, "F", True)] * 3, CELLS)
    cells = found["sex", "included_target", "unsupported_cells"]
    share = found["sex", "included_target", "unsupported_share"]
    assert (cells["estimate"], cells["n"], cells["events"]) == (2.0, 100, None)
    assert (share["estimate"], share["n"], share["events"]) == (0.7, 100, 70)
    ess = found["sex", "included_target", "effective_sample_size"]
    assert (ess["status"], ess["reason"]) == ("refused", UNSUPPORTED)


def test_effective_sample_size_by_hand():
    rows = [(40, "F", True)] * 30 + [(40, "M", True)] * 10
    found = run_match(rows, [({"sex": "F"}, 50), ({"sex": "M"}, 50)])
    weights = np.array([0.5 / 0.75] * 30 + [0.5 / 0.25] * 10)
    expected = weights.sum() ** 2 / (weights**2).sum()
    row = found["sex", "included_target", "effective_sample_size"]
    assert row["estimate"] == pytest.approx(expected)
    assert row["n"] == 40


def test_joint_cells_are_weighted_together_and_unplaced_cases_named():
    rows = [(40, "F", True)] * 30 + [(60, "M", True)] * 10 + [(60, None, True)]
    cells = [({"age_years": "<50", "sex": "F"}, 1), ({"age_years": "≥50", "sex": "M"}, 1)]
    row = run_match(rows, cells)[ALL_CELLS, "included_target", "effective_sample_size"]
    assert row["estimate"] == pytest.approx(30.0)
    assert (row["n"], row["reason"]) == (40, UNPLACED)
    crossed = [({"age_years": "<50", "sex": "M"}, 3), *cells]
    found = run_match(rows, crossed)
    assert found["sex", "included_target", "unsupported_cells"]["estimate"] == 0.0
    assert found[ALL_CELLS, "included_target", "unsupported_cells"]["estimate"] == 1.0


def test_order_of_rows_does_not_change_a_figure():
    given = case_frame(ROWS)
    shuffled = {name: frame.reverse() for name, frame in given.items()}
    rest = {
        "population": population(CELLS),
        "representativeness": Representativeness(variables=(AGE, SEX), distances=ALL_DISTANCES),
        "covariates": (),
        "evaluation": evaluation(),
    }
    assert match(**given, **rest).equals(match(**shuffled, **rest))


def test_every_distance_says_what_it_is():
    assert all(distance.__doc__ for distance in DISTANCES.values())


@pytest.mark.parametrize("cells", [CELLS, ()])
def test_profile_and_match_pass_their_gate_with_and_without_a_target(cells, tmp_path):
    from vpack_pipeline.gate import check

    given = {
        **case_frame(ROWS),
        "population": population(cells),
        "representativeness": Representativeness(variables=(AGE, SEX), distances=ALL_DISTANCES),
        "covariates": (),
    }
    tables = {"profile": profile(**given), "match": match(**given, evaluation=evaluation())}
    for name, frame in tables.items():
        file = tmp_path / f"{name}.parquet"
        frame.write_parquet(file)
        checked = check.run(contracts.load()[f"representativeness/{name}"], [file], frame.height)
        assert [(c.id, c.outcome) for c in checked if c.closes] == []
