"""Profile and match: every bin counted, every distance beside its null, nothing judged."""

from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.representativeness import DISTANCES
from vpack_pipeline.core.representativeness import profile as profiles
from vpack_pipeline.core.representativeness.levels import levels
from vpack_pipeline.core.representativeness.match import (
    ALL_CELLS,
    match,
)
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Eligibility,
    Evaluation,
    Representativeness,
    Rule,
    Variable,
)

NO_WORDS = pl.DataFrame(schema=dict.fromkeys(("kind", "field", "word", "printed_word"), pl.String))


def profile(**given):
    """The table of sites whose images say no more than the frames of these tests."""
    return profiles.profile(
        **given, printed_words=NO_WORDS, drift=Drift.model_construct(monitors=())
    )


AGE = Variable(name="kvp", title="Tube voltage", kind="numeric", edges=(50,))
SEX = Variable(name="manufacturer", title="Manufacturer", kind="categorical", levels=("F", "M"))
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
            "looks": [{"cut": "2025-01-31"}],
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
        "kvp": [r[0] for r in rows],
        "manufacturer": [r[1] for r in rows],
        "index_date": [dt.date(2024, 1, 1)] * len(rows),
        "covariates": ["{}"] * len(rows),
    }
    types = {"kvp": pl.Float64, "manufacturer": pl.String}
    cases = pl.DataFrame(table, schema_overrides=types)
    kept = pl.Series([r[2] for r in rows], dtype=pl.Boolean)
    return {"cases": cases, "included": cases.filter(kept), "excluded": cases.filter(~kept)}


def population(cells, in_force=True):
    rows = [{"cell": json.dumps(c), "n": n, "in_force": in_force} for c, n in cells]
    return pl.DataFrame(rows, schema={"cell": pl.String, "n": pl.Int64, "in_force": pl.Boolean})


def rule(name, when):
    about = {"title": name, "kind": "exclude", "level": "case", "if_unknown": "include"}
    decided = {
        "decided_at": "2024-01-01",
        "blind_to": ["scores", "labels"],
        "rationale": "Because.",
    }
    return Rule.model_validate({"id": name, "when": when} | about | decided)


BY_DEVICE = Eligibility(rules=(rule("blurred", "kvp < 60"),))


def asked(
    given, cells, variables, covariates=(), in_force=True, joint=(), seed=7, rules=BY_DEVICE, **more
):
    """All that profile and match are given, of technical variables unless told otherwise."""
    about = {
        "representativeness": Representativeness(
            variables=variables, joint=joint, **{"distances": ALL_DISTANCES, **more}
        ),
        "covariates": covariates,
        "evaluation": evaluation(seed),
        "disclosure": Disclosure(smallest_group=5, technical=[c.name for c in covariates]),
    }
    decided = levels(cases=given["cases"], included=given["included"], **about)
    told = {"population": population(cells, in_force), "levels": decided, "eligibility": rules}
    return {**given, **told, **about}


def run_profile(rows, cells=(), variables=(AGE, SEX), covariates=(), in_force=True):
    return profile(**asked(case_frame(rows), cells, variables, covariates, in_force))


def run_match(rows, cells=(), variables=(AGE, SEX), **more):
    frame = match(**asked(case_frame(rows), cells, variables, **more))
    return {(r["variable"], r["comparison"], r["metric"]): r for r in frame.iter_rows(named=True)}


ROWS = [(40, "F", True), (60, "M", True), (60, None, True), (None, "F", False), (40, "X", False)]
CELLS = [
    ({"kvp": "<50", "manufacturer": "F"}, 30),
    ({"kvp": "≥50", "manufacturer": "M"}, 60),
    ({"kvp": "missing", "manufacturer": "Z"}, 10),
]


@pytest.mark.parametrize("table", [profile, match])
def test_columns_and_order_are_the_contracts(table):
    contract = contracts.load()[f"representativeness/{table.__name__}"]
    frame = table(**asked(case_frame(ROWS), CELLS, (AGE, SEX)))
    assert frame.equals(contracts.conform(frame, contract))


def test_profile_counts_every_bin_in_every_set_missing_last():
    found = run_profile(ROWS, CELLS)
    sex = found.filter(variable="manufacturer").pivot("set", index=["bin_order", "bin"], values="n")
    assert sex.select("bin", "cohort", "included", "excluded", "target").rows() == [
        ("F", 2, 1, 1, 30),
        ("M", 1, 1, 0, 60),
        ("other", 1, 0, 1, 10),
        ("missing", 1, 1, 0, 0),
    ]
    target = found.filter(variable="kvp", set="target")
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
    assert found.filter(set="cohort", variable="smoker")["n"].to_list() == [0, 0, 0, 5]


def test_a_target_label_that_is_no_bin_is_an_error_without_its_value():
    with pytest.raises(InputError, match="column kvp: a label is none") as caught:
        run_profile(ROWS, [({"kvp": "secret-42", "manufacturer": "F"}, 3)])
    assert "secret-42" not in str(caught.value)


def test_match_rows_are_fixed_by_the_protocol_whatever_is_delivered():
    full, bare, empty = run_match(ROWS, CELLS), run_match(ROWS), run_match([])
    assert set(full) == set(bare) == set(empty)
    assert {r["status"] for r in empty.values()} == {"refused"}
    per_variable = {
        "smd_unsigned",
        "smd_unsigned_null95",
        "jensen_shannon",
        "jensen_shannon_null95",
        "kolmogorov_smirnov",
    }
    per_variable |= {"unsupported_cells", "unsupported_share", "unmatched_cells", "unmatched_share"}
    assert {k[2] for k in full if k[:2] == ("manufacturer", "included_excluded")} == per_variable
    assert {k[2] for k in full if k[0] == ALL_CELLS} == {
        "unsupported_cells",
        "unsupported_share",
        "unmatched_cells",
        "unmatched_share",
        "effective_sample_size",
    }


def test_without_a_population_the_target_is_refused_and_says_why():
    for (_, comparison, _), row in run_match(ROWS).items():
        if comparison == "included_target":
            assert (row["status"], row["reason"], row["estimate"]) == ("refused", "no_target", None)


def test_a_variable_that_the_population_does_not_state_is_refused():
    found = run_match(ROWS, [({"manufacturer": "F"}, 30)])
    assert found["kvp", "included_target", "smd_unsigned"]["reason"] == "variable_not_in_target"
    assert found["manufacturer", "included_target", "unsupported_cells"]["status"] == "given"
    reason = found[ALL_CELLS, "included_target", "unsupported_cells"]["reason"]
    assert reason == "no_target_cell_states_all"


def test_numeric_difference_of_included_and_excluded_by_hand():
    rows = [(40, "F", True), (50, "F", True), (60, "F", True)]
    rows += [(50, "F", False), (60, "F", False), (70, "F", False), (None, "F", False)]
    found = run_match(rows)["kvp", "included_excluded", "smd"]
    assert found["estimate"] == pytest.approx(-1.0)  # means 50 and 60, both SD 10
    reach = 1.959963984540054 * math.sqrt(6 / 9 + 1 / 12)
    assert (found["lower"], found["upper"]) == pytest.approx((-1 - reach, -1 + reach))
    assert found["n"] == 6


def test_smd_needs_two_values_and_variation():
    one = run_match([(40, "F", True), (50, "F", False), (60, "M", False)])
    assert one["kvp", "included_excluded", "smd"]["reason"] == "few_known_values"
    same = run_match([(40, "F", True)] * 3 + [(40, "F", False)] * 3)
    assert same["kvp", "included_excluded", "smd"]["status"] == "refused"
    assert same["manufacturer", "included_excluded", "smd_unsigned"]["reason"] == "one_category"


def test_binary_difference_to_the_target_by_hand():
    rows = [(40, "F", True)] * 30 + [(40, "M", True)] * 70
    found = run_match(rows, [({"manufacturer": "F"}, 500), ({"manufacturer": "M"}, 500)])
    row = found["manufacturer", "included_target", "smd_unsigned"]
    assert row["estimate"] == pytest.approx(0.2 / math.sqrt((0.3 * 0.7 + 0.25) / 2))
    assert row["n"] == 1100


def test_divergence_lies_beyond_its_null_only_where_there_is_a_difference():
    cells = [({"manufacturer": "F"}, 5000), ({"manufacturer": "M"}, 5000)]
    alike = run_match([(40, "FM"[i % 2], True) for i in range(200)], cells)
    apart = run_match([(40, "FFFFM"[i % 5], True) for i in range(200)], cells)
    for found, beyond in ((alike, False), (apart, True)):
        value = found["manufacturer", "included_target", "jensen_shannon"]["estimate"]
        null = found["manufacturer", "included_target", "jensen_shannon_null95"]["estimate"]
        assert (value > null) is beyond


def test_a_difference_of_shares_lies_beyond_its_null_only_where_there_is_one():
    cells = [({"manufacturer": "F"}, 5000), ({"manufacturer": "M"}, 5000)]
    alike = run_match([(40, "FM"[i % 2], True) for i in range(200)], cells)
    apart = run_match([(40, "FFFFM"[i % 5], True) for i in range(200)], cells)
    for found, beyond in ((alike, False), (apart, True)):
        value = found["manufacturer", "included_target", "smd_unsigned"]["estimate"]
        null = found["manufacturer", "included_target", "smd_unsigned_null95"]["estimate"]
        assert (value > null) is beyond


def test_the_null_of_sets_too_small_to_overlap_is_refused():
    one = run_match([(40, "F", True), (40, "F", False), (40, "M", False), (40, "M", False)])
    row = one["manufacturer", "included_excluded", "smd_unsigned_null95"]
    assert (row["status"], row["reason"]) == ("refused", "null_without_overlap")


def test_null_is_the_95th_percentile_of_draws_of_both_sets():
    rows = [(40, "FM"[i % 2], True) for i in range(100)]
    found = run_match(rows, [({"manufacturer": "F"}, 150), ({"manufacturer": "M"}, 50)])
    null = found["manufacturer", "included_target", "jensen_shannon_null95"]["estimate"]
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
    for variable in ("kvp", "manufacturer"):
        is_numeric = variable == "kvp"
        key = (variable, "included_excluded", "smd" if is_numeric else "smd_unsigned")
        assert often[key]["n"] == 5 * once[key]["n"]
        if is_numeric:
            assert often[key]["upper"] == pytest.approx(once[key]["upper"], rel=0.02)
        else:
            assert (often[key]["lower"], often[key]["upper"]) == (None, None)
            null = (variable, "included_excluded", "smd_unsigned_null95")
            assert often[null]["estimate"] == once[null]["estimate"]
        null = (variable, "included_excluded", "jensen_shannon_null95")
        assert often[null]["estimate"] == once[null]["estimate"]


def test_draws_of_a_variable_do_not_depend_on_the_others_but_on_the_seed():
    null = ("manufacturer", "included_excluded", "jensen_shannon_null95")
    alone = run_match(ROWS, variables=(SEX,), distances=("jensen_shannon",))[null]
    assert run_match(ROWS)[null]["estimate"] == alone["estimate"]
    rows = [(40, "FM"[i % 2], i % 3 > 0) for i in range(50)]
    one, two = (run_match(rows, seed=s)[null]["estimate"] for s in (1, 2))
    assert one != two


def test_kolmogorov_smirnov_only_where_both_sets_have_values():
    rows = [(a, "F", True) for a in (10, 20, 30, 40)] + [(a, "F", False) for a in (30, 40, 50, 60)]
    found = run_match(rows, CELLS)
    assert found["kvp", "included_excluded", "kolmogorov_smirnov"]["estimate"] == 0.5
    for key in (("manufacturer", "included_excluded"), ("kvp", "included_target")):
        assert found[*key, "kolmogorov_smirnov"]["reason"] == "single_values_not_read"
    everyone = run_match([(40, "F", True)])
    assert everyone["kvp", "included_excluded", "kolmogorov_smirnov"]["status"] == "refused"


def test_unmatched_cells_count_the_included_whom_the_other_set_lacks():
    rows = [(40, "F", True)] * 3 + [(60, "M", True)] * 2 + [(40, "M", False)]
    found = run_match(rows, CELLS[:1])
    cells = found["manufacturer", "included_target", "unmatched_cells"]
    share = found["manufacturer", "included_target", "unmatched_share"]
    assert (cells["estimate"], cells["n"], cells["events"]) == (1.0, 5, None)
    assert (share["estimate"], share["n"], share["events"]) == (0.4, 5, 2)
    assert found["manufacturer", "included_excluded", "unmatched_share"]["estimate"] == 0.6
    assert found[ALL_CELLS, "included_target", "unmatched_share"]["events"] == 2
    nobody = run_match([(None, None, True)], CELLS)
    reason = nobody["kvp", "included_target", "unmatched_cells"]["reason"]
    assert reason == "no_included_with_known_value"


def test_unsupported_cells_count_the_target_persons_in_them():
    found = run_match([(40, "F", True)] * 3, CELLS)
    cells = found["manufacturer", "included_target", "unsupported_cells"]
    share = found["manufacturer", "included_target", "unsupported_share"]
    assert (cells["estimate"], cells["n"], cells["events"]) == (2.0, 100, None)
    assert (share["estimate"], share["n"], share["events"]) == (0.7, 100, 70)
    ess = found["manufacturer", "included_target", "effective_sample_size"]
    assert (ess["status"], ess["reason"]) == ("refused", "target_cell_without_case")


def test_effective_sample_size_by_hand():
    rows = [(40, "F", True)] * 30 + [(40, "M", True)] * 10
    found = run_match(rows, [({"manufacturer": "F"}, 50), ({"manufacturer": "M"}, 50)])
    weights = np.array([0.5 / 0.75] * 30 + [0.5 / 0.25] * 10)
    expected = weights.sum() ** 2 / (weights**2).sum()
    row = found["manufacturer", "included_target", "effective_sample_size"]
    assert row["estimate"] == pytest.approx(expected)
    assert row["n"] == 40


def test_joint_cells_are_weighted_together_and_unplaced_cases_named():
    rows = [(40, "F", True)] * 30 + [(60, "M", True)] * 10 + [(60, None, True)]
    cells = [({"kvp": "<50", "manufacturer": "F"}, 1), ({"kvp": "≥50", "manufacturer": "M"}, 1)]
    row = run_match(rows, cells)[ALL_CELLS, "included_target", "effective_sample_size"]
    assert row["estimate"] == pytest.approx(30.0)
    assert (row["n"], row["notes"]) == (40, "missing_values_left_out")
    crossed = [({"kvp": "<50", "manufacturer": "M"}, 3), *cells]
    found = run_match(rows, crossed)
    assert found["manufacturer", "included_target", "unsupported_cells"]["estimate"] == 0.0
    assert found[ALL_CELLS, "included_target", "unsupported_cells"]["estimate"] == 1.0


def test_order_of_rows_does_not_change_a_figure():
    given = asked(case_frame(ROWS), CELLS, (AGE, SEX))
    frames = ("cases", "included", "excluded", "population", "levels")
    shuffled = {name: given[name].reverse() for name in frames}
    assert match(**given).equals(match(**given | shuffled))
    assert profile(**given).equals(profile(**given | shuffled))


def test_every_distance_says_what_it_is():
    assert all(distance.__doc__ for distance in DISTANCES.values())


@pytest.mark.parametrize("cells", [CELLS, ()])
def test_profile_and_match_pass_their_gate_with_and_without_a_target(cells, tmp_path):
    from vpack_pipeline.gate import check

    given = asked(case_frame(ROWS), cells, (AGE, SEX))
    tables = {"levels": given["levels"], "profile": profile(**given), "match": match(**given)}
    for name, frame in tables.items():
        file = tmp_path / f"{name}.parquet"
        frame.write_parquet(file)
        checked = check.run(contracts.load()[f"representativeness/{name}"], [file], frame.height)
        assert [(c.id, c.outcome) for c in checked if c.closes] == []


# People: printed levels, and counts alone.

YEARS = Variable(name="age_years", title="Age", kind="numeric", edges=(40, 50, 60))
GENDER = Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M"))


def people(inside, outside=(), late=()):
    """Rows of (age, sex): included in the retrospective window, excluded, included in neither."""
    rows = [*inside, *outside, *late]
    n, kept = len(inside), len(inside) + len(outside)
    days = [dt.date(2024, 1, 1)] * kept + [dt.date(2026, 1, 1)] * len(late)
    cases = pl.DataFrame(
        {
            "case_id": [f"c{i:04}" for i in range(len(rows))],
            "patient_id": [f"p{i:04}" for i in range(len(rows))],
            "index_date": days,
            "age_years": [float(age) if age else None for age, _ in rows],
            "sex": [sex for _, sex in rows],
            "covariates": ["{}"] * len(rows),
        },
        schema_overrides={"age_years": pl.Float64, "sex": pl.String, "index_date": pl.Date},
    )
    is_in = pl.Series([i < n or i >= kept for i in range(len(rows))], dtype=pl.Boolean)
    return {"cases": cases, "included": cases.filter(is_in), "excluded": cases.filter(~is_in)}


INSIDE = [*[(30, "F")] * 12, *[(45, "M")] * 3, *[(55, "M")] * 9, *[(70, "F")] * 8, (None, "F")]
BY_AGE = [({"age_years": "<40"}, 40), ({"age_years": "50–60"}, 30), ({"age_years": "≥60"}, 30)]


def counts_of(given, variable="age_years"):
    made = profile(**given).filter(variable=variable)
    return (
        made.pivot("set", index=["bin"], values="n")
        .select("bin", "included", "excluded", "target")
        .rows()
    )


def figures_of(given):
    return {
        (r["variable"], r["comparison"], r["metric"]): r
        for r in match(**given).iter_rows(named=True)
    }


def test_people_are_counted_in_printed_levels_and_the_target_with_them():
    given = asked(people(INSIDE, [(30, "F")] * 6), BY_AGE, (YEARS, GENDER))
    assert counts_of(given) == [
        ("<40", 12, 6, 40),
        ("40–60", 12, 0, 30),
        ("≥60", 8, 0, 30),
        ("missing", 1, 0, 0),
    ]
    without = profile(**given).filter(pl.col("reason").is_not_null())
    # The target does not state the sex.
    assert set(without.select("variable", "set", "reason").rows()) == {
        ("sex", "target", "variable_not_in_target")
    }
    assert without.height == 4


def said_of(figures, variable=ALL_CELLS, comparison="included_target"):
    """Say why each figure of a comparison is not given; where people are too few, one row says it."""
    return {
        metric: row["reason"]
        for (of, to, metric), row in figures.items()
        if (of, to) == (variable, comparison)
    }


def test_a_set_that_is_too_small_has_no_counts_and_no_distance():
    few = asked(people(INSIDE, [(30, "F")] * 6 + [(70, "F")] * 2), BY_AGE, (YEARS, GENDER))
    # How many lack the value is said all the same: they are described in no level.
    assert [row[2] for row in counts_of(few)] == [None, None, None, 0]
    cohort = profile(**few).filter(set="cohort", variable="age_years")
    assert cohort["reason"].to_list() == ["set_too_small"] * 3 + [None]
    assert cohort["n"].to_list() == [None] * 3 + [1]
    assert cohort["share"].null_count() == 3
    found = figures_of(few)
    assert said_of(found, "age_years", "included_excluded") == {"smd_unsigned": "set_too_small"}
    assert found["age_years", "included_target", "jensen_shannon"]["status"] == "given"
    # Eight women, and no man: by sex they are described.
    assert found["sex", "included_excluded", "jensen_shannon"]["status"] == "given"
    small_target = [({"age_years": "<40"}, 40), ({"age_years": "≥60"}, 2)]
    target = asked(people(INSIDE), small_target, (YEARS,))
    assert [row[3] for row in counts_of(target)] == [None, None, None, 0]
    assert (
        figures_of(target)["age_years", "included_target", "smd_unsigned"]["reason"]
        == "set_too_small"
    )


@pytest.mark.parametrize("women", ["women", "blurred|women"])
@pytest.mark.parametrize(("n_others", "few"), [(2, True), (0, False), (5, False)])
def test_the_excluded_without_those_of_a_rule_on_people_are_a_set_too(women, n_others, few):
    """The rule says that its ten are women, and the flow that they are ten: the rest would follow."""
    outside = [(None, "F")] * (10 + n_others) + [(None, "M")] * 20
    cases = people(INSIDE, outside)
    every = [women] * 10 + ["blurred"] * (n_others + 20)
    cases["excluded"] = cases["excluded"].with_columns(pl.Series("all_rules", every))
    rules = Eligibility(rules=(rule("women", "sex = 'F'"), rule("blurred", "kvp < 60")))
    made = profile(**asked(cases, (), (GENDER,), rules=rules))
    for of_set in ("cohort", "excluded"):
        reasons = made.filter(set=of_set, bin="F")["reason"].to_list()
        assert reasons == (["set_too_small"] if few else [None]), of_set
    assert made.filter(set="included", bin="F")["n"].to_list() == [21]
    technical = profile(**asked(cases, (), (GENDER,)))
    assert technical["reason"].null_count() == technical.height


def test_included_outside_of_both_windows_are_left_out_where_they_are_too_few():
    enough = asked(people(INSIDE, late=[(30, "F")] * 5), BY_AGE, (YEARS, GENDER))
    assert counts_of(enough)[0][1] == 17
    few = asked(people(INSIDE, late=[(30, "F")] * 4 + [(None, "F")]), BY_AGE, (YEARS, GENDER))
    assert counts_of(few)[0][1] == 12
    told = profile(**few).filter(set="included", variable="age_years")["notes"]
    assert set(told) == {"cases_outside_windows_left_out"}
    assert counts_of(few)[3][1] == 2
    assert {row[2] for row in counts_of(few)} == {0}
    # Of the cohort too: less the included and the excluded it would give them away.
    cohort = profile(**few).filter(set="cohort", variable="age_years")
    assert set(cohort["notes"]) == {"cases_outside_windows_left_out"}
    assert cohort.sort("bin_order")["n"].to_list() == [row[1] for row in counts_of(few)]
    nobody = asked(people([(30, "F")] * 2), BY_AGE, (YEARS, GENDER))
    assert [row[1] for row in counts_of(nobody)] == [None, 0]
    assert (
        figures_of(nobody)["age_years", "included_target", "smd_unsigned"]["reason"]
        == "set_too_small"
    )


def test_distances_of_people_come_from_printed_counts_alone():
    outside = [*[(30, "F")] * 6, *[(55, "M")] * 9, *[(70, "F")] * 7]
    given = asked(people(INSIDE, outside), BY_AGE, (YEARS, GENDER))
    found = figures_of(given)
    smd = found["age_years", "included_excluded", "smd_unsigned"]
    assert "smd_yang_dalton" in smd["method"].split(";")
    ks = found["age_years", "included_excluded", "kolmogorov_smirnov"]
    assert ks["reason"] == "single_values_not_read"
    # Other ages in the same printed levels: nothing changes.
    moved = {45: 52, 55: 58, 70: 95, 30: 20}
    other = [[(moved.get(age, age), sex) for age, sex in rows] for rows in (INSIDE, outside)]
    again = match(**asked(people(*other), BY_AGE, (YEARS, GENDER)) | {"levels": given["levels"]})
    assert again.equals(match(**given))


JOINT_CELLS = [
    ({"age_years": "<40", "sex": "F"}, 50),
    ({"age_years": "50–60", "sex": "M"}, 30),
    ({"age_years": "≥60", "sex": "M"}, 20),
]


def test_cells_of_people_are_given_only_where_they_are_declared_joint():
    undeclared = figures_of(asked(people(INSIDE), JOINT_CELLS, (YEARS, GENDER)))
    assert said_of(undeclared) == {"unsupported_cells": "levels_not_joint"}
    together = (("age_years", "sex"),)
    found = figures_of(asked(people(INSIDE), JOINT_CELLS, (YEARS, GENDER), joint=together))
    row = found[ALL_CELLS, "included_target", "unsupported_share"]
    # Men of 60 and older are other cells: the included have nobody there.
    assert (row["estimate"], row["n"]) == (0.2, 100)
    assert "age_years × sex" not in {key[0] for key in found}
    three = (*(YEARS, GENDER), SEX)
    some = people(INSIDE)
    some = {name: f.with_columns(manufacturer=pl.lit("F")) for name, f in some.items()}
    made = figures_of(asked(some, JOINT_CELLS, three, joint=together))
    assert made["age_years × sex", "included_target", "unsupported_share"]["estimate"] == 0.2
    assert said_of(made) == {"unsupported_cells": "levels_not_joint"}
    few = [*JOINT_CELLS[:2], ({"age_years": "≥60", "sex": "M"}, 2)]
    small = figures_of(asked(people(INSIDE), few, (YEARS, GENDER), joint=together))
    assert said_of(small) == {"unsupported_cells": "set_too_small"}
    apart = people([(age, sex) for age in (30, 70) for sex in "FM"] * 3)
    one = figures_of(asked(apart, JOINT_CELLS, (YEARS, GENDER), joint=together))
    assert said_of(one) == {"unsupported_cells": "cells_folded_into_one"}
    none = figures_of(asked(people(INSIDE), (), (YEARS, GENDER), joint=together))
    support = ("unsupported_cells", "unsupported_share", "unmatched_cells", "unmatched_share")
    cells = (*support, "effective_sample_size")
    assert said_of(none) == dict.fromkeys(cells, "no_target")
