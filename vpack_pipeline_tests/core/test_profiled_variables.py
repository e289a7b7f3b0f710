"""Table 1 shows what is usual for a modality, what rules and monitors read, and each window."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from pydantic import ValidationError

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.representativeness.levels import levels
from vpack_pipeline.core.representativeness.profile import profile
from vpack_pipeline.core.representativeness.profiled import MOST_WORDS, variable_titles, with_people
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Eligibility,
    Monitor,
    Representativeness,
    Rule,
    Variable,
)
from vpack_pipeline_tests.core.test_representativeness import evaluation, population

MAKER = Variable(name="manufacturer", title="Maker", kind="categorical", levels=("A",))
BEDSIDE = Covariate(name="bedside", title="At the bedside", type="bool")
BEFORE, AFTER, OUTSIDE = dt.date(2024, 2, 1), dt.date(2024, 8, 1), dt.date(2023, 1, 1)


def rule(when):
    said = {"id": "r", "title": "r", "kind": "exclude", "level": "case", "if_unknown": "include"}
    rest = {"decided_at": "2024-01-01", "rationale": "Because.", "when": when}
    return Eligibility(rules=(Rule.model_validate(said | rest),))


def view(rows):
    """A case view of radiographs; what a row does not say is null."""
    shown = {
        "age_years": pl.Float64, "sex": pl.String, "manufacturer": pl.String, "model": pl.String,
        "software": pl.String, "modality": pl.String, "kvp": pl.Float64, "body_part": pl.String,
        "lossy_image_compression": pl.String, "slice_thickness_mm": pl.Float64,
        "breast_implant_present": pl.String, "covariates": pl.String, "index_date": pl.Date,
    }  # fmt: skip
    full = [dict.fromkeys(shown) | {"covariates": "{}", "index_date": BEFORE} | r for r in rows]
    ids = {"case_id": [f"c{i:03}" for i in range(len(rows))]}
    return pl.DataFrame(full, schema=shown).with_columns(
        pl.Series("case_id", ids["case_id"]), pl.Series("patient_id", ids["case_id"])
    )


def asked(rows, *, excluded=(), rules=None, monitors=(), covariates=(), **about):
    """All that a table of Table 1's variables is given, but for the target."""
    cases = view([*rows, *excluded])
    included, out = cases.head(len(rows)), cases.tail(len(excluded))
    shared = {
        "representativeness": Representativeness(**{"variables": (MAKER,), **about}),
        "covariates": covariates,
        "evaluation": evaluation().model_copy(update={"replicates": 19}),
        "disclosure": Disclosure(smallest_group=5),
    }
    texts = ("manufacturer", "model", "software", "modality", "body_part")
    words = [
        {
            "kind": "image",
            "field": name,
            "word": word,
            "printed_word": word.replace("x", "unlisted "),
        }
        for name in texts
        for word in sorted({*cases[name].drop_nulls()})
    ]
    return {
        "cases": cases,
        "included": included,
        "excluded": out.with_columns(pl.lit("r").alias("all_rules")),
        "levels": levels(cases=cases, included=included, **shared),
        "printed_words": pl.DataFrame(
            words, schema=dict.fromkeys(("kind", "field", "word", "printed_word"), pl.String)
        ),
        "eligibility": rules or rule("1 = 0"),
        "drift": Drift.model_construct(monitors=tuple(monitors)),
        **shared,
    }


def table(rows, *, cells=(), **about):
    return profile(**asked(rows, **about), population=population(cells))


def counts(made, variable, of_set):
    rows = made.filter(variable=variable, set=of_set).sort("bin_order")
    return dict(rows.select("bin", "n").iter_rows())


def test_whatever_a_header_holds_of_a_study_and_describes_nobody_can_be_shown():
    """So that a rule or a monitor reads nothing that Table 1 cannot show."""
    fields = [f for f in header_fields.load() if "study" in f.also_of and not f.personal]
    assert len(fields) > 15
    assert [f.name for f in fields if f.profile is None] == []
    assert all("study" in f.also_of for f in header_fields.load() if f.profile is not None)
    flags = [f for f in fields if f.kind == "flag"]
    assert all(f.profile.levels == ("yes", "no", "absent") for f in flags)
    for field in fields:
        assert list(field.profile.edges) == sorted(set(field.profile.edges))


def test_a_title_of_the_protocol_comes_before_that_of_the_header():
    profile = Representativeness.model_construct(
        also_profiled=(), variables=(Variable.model_construct(name="kvp", title="Tube"),)
    )
    titles = variable_titles(profile, [Covariate.model_construct(name="ward", title="Ward")])
    declared = {f.name: f.profile.title for f in header_fields.load() if f.profile is not None}
    assert titles == declared | {"ward": "Ward", "kvp": "Tube"}
    assert declared["kvp"] != "Tube"


def test_defaults_are_those_of_the_device_and_of_the_modalities_there_are():
    radiographs = table([{"modality": "DX", "kvp": 80.0}] * 9)
    shown = set(radiographs["variable"])
    assert {"manufacturer", "model", "software", "kvp", "age_years", "sex"} <= shown
    assert "slice_thickness_mm" not in shown
    assert counts(radiographs, "kvp", "included") == {
        "<70": 0, "70–90": 9, "90–110": 0, "110–130": 0, "≥130": 0, "missing": 0,
    }  # fmt: skip
    assert "slice_thickness_mm" in set(table([{"modality": "CT"}] * 9)["variable"])
    assert "kvp" not in set(table([{"modality": "US"}] * 9)["variable"])


def test_what_no_header_says_is_counted_as_missing():
    made = table([{"modality": "DX"}] * 9)
    assert counts(made, "model", "included") == {"other": 0, "missing": 9}
    assert counts(made, "kvp", "included")["missing"] == 9


def test_texts_are_counted_in_printed_words_the_most_frequent_by_themselves():
    rows = [{"modality": "DX", "model": f"m{i}"} for i in range(MOST_WORDS + 2)]
    rows += [{"modality": "DX", "model": f"m{i}"} for i in range(1, MOST_WORDS)]
    made = table([*rows, {"modality": "DX", "model": "x7"}, {"modality": "DX", "model": "x7"}])
    found = counts(made, "model", "included")
    assert found == {
        **{f"m{i}": 2 for i in range(1, MOST_WORDS)}, "unlisted 7": 2, "other": 3, "missing": 0,
    }  # fmt: skip


def test_a_declared_variable_keeps_its_levels_and_another_can_be_left_out():
    rows = [{"modality": "DX", "manufacturer": m, "kvp": 80.0} for m in "AABB"]
    made = table(rows, not_profiled=("kvp", "sex", "model"))
    assert counts(made, "manufacturer", "included") == {"A": 2, "other": 2, "missing": 0}
    assert not {"kvp", "sex", "model"} & set(made["variable"])


def test_what_rules_and_monitors_read_is_shown_if_it_describes_nobody():
    monitor = Monitor.model_construct(name="m", variable="body_part")
    said = {"modality": "US", "lossy_image_compression": "yes", "body_part": "CHEST"}
    rules = rule("lossy_image_compression = 'yes' or breast_implant_present = 'yes' or n_reads > 1")
    made = table([{**said, "breast_implant_present": "yes"}] * 9, rules=rules, monitors=[monitor])
    assert counts(made, "body_part", "included") == {"CHEST": 9, "other": 0, "missing": 0}
    assert counts(made, "lossy_image_compression", "included")["yes"] == 9
    assert not {"breast_implant_present", "n_reads"} & set(made["variable"])


def test_people_are_shown_in_printed_levels_by_age_sex_and_flags():
    rows = [{"age_years": 30.0, "sex": "F", "covariates": '{"bedside":true}'}] * 9
    rows += [{"age_years": 50.0, "sex": "M", "covariates": '{"bedside":false}'}] * 9
    rows += [{"age_years": 80.0, "sex": "M", "covariates": '{"bedside":false}'}] * 2
    made = table(rows, covariates=(BEDSIDE,))
    assert counts(made, "age_years", "included") == {"<40": 9, "≥40": 11, "missing": 0}
    flagged = {"true": 9, "false": 11, "other": 0, "missing": 0}
    assert counts(made, "bedside", "included") == flagged


def test_bins_of_the_protocol_come_before_those_of_default():
    young = Variable(name="age_years", title="Age", kind="numeric", edges=(35,))
    made = table([{"age_years": a} for a in (30.0, 40.0) for _ in range(9)], also_profiled=(young,))
    assert counts(made, "age_years", "included") == {"<35": 9, "≥35": 9, "missing": 0}
    with pytest.raises(ValidationError, match="declared twice: manufacturer"):
        Representativeness(variables=(MAKER,), also_profiled=(MAKER,))


def test_each_window_is_a_set_and_both_lie_in_the_included():
    rows = [
        {"index_date": d, "sex": s} for d, s in zip([BEFORE, AFTER] * 12, "FFMM" * 6, strict=True)
    ]
    made = table([*rows, *[{"index_date": OUTSIDE, "sex": "F"}] * 6])
    assert counts(made, "sex", "retrospective") == {"F": 6, "M": 6, "other": 0, "missing": 0}
    assert counts(made, "sex", "prospective") == {"F": 6, "M": 6, "other": 0, "missing": 0}
    assert counts(made, "sex", "included") == {"F": 18, "M": 12, "other": 0, "missing": 0}


def test_a_window_of_a_few_is_not_described_and_neither_is_what_would_tell_of_it():
    rows = [{"index_date": BEFORE, "sex": s, "modality": "DX"} for s in "FM" * 6]
    made = table([*rows, *[{"index_date": AFTER, "sex": "F", "modality": "DX"}] * 3])
    few = made.filter(variable="sex", set="prospective")
    assert few["reason"].to_list() == ["set_too_small"] * 3 + [None]
    assert counts(made, "sex", "included") == {"F": 6, "M": 6, "other": 0, "missing": 0}
    # Of machines everything is said.
    assert counts(made, "model", "prospective") == {"other": 0, "missing": 3}


def test_the_target_is_counted_in_what_it_states_alone():
    made = table([{"modality": "DX", "sex": "F"}] * 9, cells=[({"manufacturer": "A"}, 30)])
    assert counts(made, "manufacturer", "target") == {"A": 30, "other": 0, "missing": 0}
    others = made.filter(set="target").filter(pl.col("variable") != "manufacturer")
    assert set(others.select("n", "reason").rows()) == {(None, "variable_not_in_target")}


def test_a_view_without_age_shows_none():
    made = with_people(Representativeness(variables=(MAKER,)), (BEDSIDE,), ["sex"])
    assert [v.name for v in made.variables] == ["manufacturer", "sex", "bedside"]
