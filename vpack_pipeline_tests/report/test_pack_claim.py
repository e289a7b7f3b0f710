"""The checklist: each status follows from the study, and none is met by default."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest
from report_bench import arguments

from vpack_pipeline.core.pack.claim import ITEMS, claim


def statuses(study, **changed) -> dict[int, str]:
    made = claim(**(arguments(study, "pack/claim") | changed))
    return dict(made.select("item", "status").iter_rows())


def about(study, **changed):
    return study.protocol.about.model_copy(update=changed)


def test_there_are_44_items_in_order_each_with_words_of_its_own():
    assert [i.item for i in ITEMS] == list(range(1, 45))
    assert len({i.title for i in ITEMS}) == 44


def test_what_is_not_met_says_why(study):
    assert study.claim.filter((pl.col("status") == "met") != pl.col("reason").is_null()).is_empty()


def test_a_study_is_not_met_throughout(study):
    assert set(study.claim["status"]) >= {"met", "partial", "not_met"}


def test_what_the_author_does_not_state_is_not_met(study):
    fields = dict.fromkeys(("software", "deidentification", "training"))
    said = statuses(study, about=about(study, not_applicable=(), **fields))
    assert (said[23], said[11], said[25]) == ("not_met", "not_met", "not_met")


def test_a_registration_that_says_not_registered_is_none(study):
    assert judged(study, 34) == ("not_met", "not_registered")
    silent = about(study, registration=None)
    assert judged(study, 34, about=silent) == ("not_met", "not_stated")
    assert statuses(study, about=about(study, registration="NCT00000000"))[34] == "met"


def test_rules_set_with_scores_in_sight_or_after_the_lock_make_eligibility_partial(study):
    rules = study.protocol.eligibility.rules
    blind = tuple(r for r in rules if "scores" in r.blind_to)
    fixed = study.protocol.eligibility.model_copy(update={"rules": blind})
    late = fixed.model_copy(
        update={"rules": tuple(r.model_copy(update={"decided_at": date.max}) for r in blind)}
    )
    assert judged(study, 8) == ("partial", "rules_with_scores_in_sight")
    assert judged(study, 8, eligibility=late) == ("partial", "rules_after_lock")
    assert statuses(study, eligibility=fixed)[8] == "met"


def test_disjointness_is_met_only_where_it_was_checked_and_holds(study):
    integrity = study.tables["evaluation/integrity"]
    held = integrity.with_columns(pl.lit("held").alias("verdict"))
    broken = integrity.with_columns(pl.lit("broken").alias("verdict"))
    empty = study.tables["cohort/development"].clear()
    assert statuses(study, evaluation__integrity=held)[20] == "met"
    assert statuses(study, evaluation__integrity=broken)[20] == "partial"
    assert statuses(study, evaluation__integrity=held, cohort__development=empty)[20] == "partial"


def test_a_title_that_names_no_technique_is_only_partly_met(study):
    named = about(study, title="Deep learning for chest radiographs")
    assert statuses(study, about=named)[1] == "met"
    assert statuses(study, about=about(study, title="A scoring model"))[1] == "partial"


def test_one_site_is_never_testing_on_data_of_another(study):
    assert statuses(study)[33] != "met"


def test_readers_who_are_not_described_are_said_so(study):
    readers = study.tables["cohort/readers"]
    bare = readers.with_columns(
        pl.lit(None, pl.String).alias(c)
        for c in ("qualification", "specialty", "training", "conflicts")
    ).with_columns(pl.lit(None, pl.Float64).alias("years_experience"))
    assert statuses(study)[16] == "partial"
    assert statuses(study, cohort__readers=bare)[16] == "not_met"


def test_figures_that_are_withheld_leave_results_unmet(study):
    shut = study.tables["evaluation/operating_points"].with_columns(
        pl.lit("withheld").alias("status"), pl.lit(None, pl.Float64).alias("lower")
    )
    said = statuses(study, evaluation__operating_points=shut)
    assert (said[2], said[29], said[37]) == ("not_met", "not_met", "not_met")


def judged(study, item: int, **changed) -> tuple[str, str]:
    made = claim(**(arguments(study, "pack/claim") | changed))
    status, reason = made.filter(pl.col("item") == item).select("status", "reason").row(0)
    return status, reason or ""


def refused(table: pl.DataFrame) -> pl.DataFrame:
    figures = (pl.lit(None, pl.Float64).alias(c) for c in ("estimate", "lower", "upper"))
    return table.with_columns(pl.lit("refused").alias("status"), *figures)


def test_a_prospective_study_without_a_mature_case_is_only_said_to_be_prospective(study):
    is_after = pl.col("window") == "prospective"
    waiting = study.tables["evaluation/performance"].with_columns(
        pl.when(is_after).then(0).otherwise("events").alias("events")
    )
    status, why = judged(study, 5, evaluation__performance=waiting)
    assert (status, why) == ("partial", "no_mature_prospective_case")
    assert statuses(study)[5] == "met"
    looking_back = about(study, evidence_kind="retrospective")
    assert statuses(study, evaluation__performance=waiting, about=looking_back)[5] == "met"


def test_a_roster_in_words_that_nobody_listed_describes_its_readers_in_part(study):
    words = study.tables["cohort/printed_words"]
    is_told = pl.col("field").is_in(["qualification", "conflicts"])
    number = pl.when(is_told).then(pl.lit("unlisted 1")).otherwise("printed_word")
    made = claim(
        **arguments(study, "pack/claim")
        | {
            "cohort__readers": study.tables["cohort/readers"].with_columns(training=pl.lit("some")),
            "cohort__printed_words": words.with_columns(number.alias("printed_word")),
        }
    )
    row = made.filter(item=16).row(0, named=True)
    assert (row["status"], row["reason"]) == ("partial", "readers_described_in_part")
    assert json.loads(row["detail"]) == {
        "readers_described_in_part.columns": ["qualification", "conflicts"]
    }


def test_endpoints_of_which_none_is_primary_set_out_to_decide_only_in_part(study):
    evaluation = study.protocol.evaluation
    second = [e.model_copy(update={"rank": "secondary"}) for e in evaluation.endpoints]
    ranked = evaluation.model_copy(update={"endpoints": tuple(second)})
    assert statuses(study)[6] == "met"
    assert judged(study, 6, evaluation=ranked) == ("partial", "no_primary_endpoint")


@pytest.mark.parametrize(
    ("method", "note", "status"),
    [
        ("convenience", None, "partial"),
        ("convenience", "Tuesdays", "partial"),
        ("convenience", "Every case of each second Tuesday of a month", "met"),
        ("consecutive", None, "met"),
    ],
)
def test_a_convenience_sample_must_say_how_it_was_drawn(study, method, note, status):
    sampling = study.protocol.sampling.model_copy(update={"method": method, "note": note})
    assert statuses(study, sampling=sampling)[10] == status


@pytest.mark.parametrize(
    ("names", "status", "why"),
    [
        (["age_years", "sex"], "not_met", "no_acquisition_field_profiled"),
        (["kvp", "manufacturer", "sex"], "partial", "few_acquisition_fields_profiled"),
        (["kvp", "manufacturer", "view_position"], "met", ""),
    ],
)
def test_acquisition_is_as_well_described_as_it_is_profiled(study, names, status, why):
    profile = study.tables["representativeness/profile"]
    one = profile.filter(set="included", bin="F").with_columns(n=9)
    of_nobody = one.with_columns(variable=pl.lit("software"), n=0)
    held = [one.with_columns(variable=pl.lit(name)) for name in names]
    given = pl.concat([of_nobody, *held]).cast(dict(profile.schema))
    assert judged(study, 13, representativeness__profile=given) == (status, why)


def test_cases_without_a_label_leave_the_reference_standard_partly_met(study):
    performance = study.tables["evaluation/performance"]
    decided = performance.with_columns(
        pl.when(pl.col("metric") == "n_undecided").then(0).otherwise("events").alias("events")
    )
    assert statuses(study)[14] == "partial"
    assert statuses(study, evaluation__performance=decided)[14] == "met"


def test_whoever_decides_between_readers_is_a_reader_without_figures(study):
    described = study.tables["cohort/readers"].with_columns(pl.col("training").fill_null("none"))
    adjudication = study.protocol.adjudication
    panel = adjudication.model_copy(update={"precedence": ("majority",)})
    third = adjudication.model_copy(update={"precedence": ("majority", "third_reader")})
    assert statuses(study, cohort__readers=described, adjudication=panel)[16] == "met"
    status, why = judged(study, 16, cohort__readers=described, adjudication=third)
    assert (status, why) == ("partial", "third_reader_not_judged")


def test_readers_who_did_not_agree_to_be_described_are_described_in_part(study):
    described = study.tables["cohort/readers"].with_columns(pl.col("training").fill_null("none"))
    assert judged(study, 16, cohort__readers=described, readers_agreed=False) == (
        "partial",
        "readers_not_agreed",
    )


def test_one_other_time_at_one_site_is_half_of_a_test_on_other_data(study):
    performance = study.tables["evaluation/performance"]
    retrospective = performance.filter(window="retrospective")
    assert judged(study, 33) == ("partial", "one_site_only")
    assert judged(study, 33, evaluation__performance=retrospective) == (
        "not_met",
        "no_prospective_figure",
    )


def test_a_reader_who_left_the_roster_describes_nobody(study):
    left = study.tables["cohort/readers"].with_columns(pl.lit(False).alias("in_force"))
    assert statuses(study, cohort__readers=left)[16] == "not_met"


def test_agreement_is_met_only_where_no_statistic_was_refused(study):
    table = study.tables["adjudication/agreement"]
    whole = table.with_columns(pl.lit("given").alias("status"))
    is_one = pl.col("metric") == "repeat_agreement"
    but_one = pl.concat([whole.filter(~is_one), refused(whole.filter(is_one))])
    assert statuses(study, adjudication__agreement=whole)[18] == "met"
    assert statuses(study, adjudication__agreement=but_one)[18] == "partial"
    made = claim(**(arguments(study, "pack/claim") | {"adjudication__agreement": but_one}))
    assert made.filter(item=18).select("reason", "notes").row(0) == ("agreement_refused", "in_part")
    assert statuses(study, adjudication__agreement=refused(table))[18] == "not_met"


def test_power_planned_for_a_margin_is_some_reason_for_the_size_and_else_there_is_none(study):
    evaluation = study.protocol.evaluation
    absolute = tuple(e for e in evaluation.endpoints if e.comparison == "absolute")
    unplanned = evaluation.model_copy(update={"endpoints": absolute})
    assert statuses(study)[21] == "partial"
    assert statuses(study, evaluation=unplanned)[21] == "not_met"


def test_one_figure_without_an_interval_is_not_passed_over(study):
    points = study.tables["evaluation/operating_points"]
    is_one = (
        (pl.col("metric") == "specificity")
        & (pl.col("analysis") == "intention_to_diagnose")
        & (pl.col("operating_point") == "triage")
        & (pl.col("window") == "prospective")
    )
    bare = points.with_columns(pl.when(is_one).then(None).otherwise("lower").alias("lower"))
    before, after = statuses(study), statuses(study, evaluation__operating_points=bare)
    assert (before[29], before[37]) == ("met", "met")
    assert (after[29], after[37]) == ("partial", "partial")


def test_a_threshold_of_another_model_only_is_none_of_the_primary(study):
    primary = study.protocol.index_test.primary.id
    others = study.tables["evaluation/operating_points"].filter(pl.col("model_id") != primary)
    said = statuses(study, evaluation__operating_points=others)
    assert (said[2], said[37]) == ("not_met", "not_met")


def test_without_a_target_it_is_said_that_there_was_none(study):
    profile = study.tables["representativeness/profile"]
    is_target = pl.col("set") == "target"
    absent = profile.with_columns(
        pl.when(is_target).then(0).otherwise(c).alias(c) for c in ("n", "n_total")
    )
    assert judged(study, 36)[0] == "met"
    assert judged(study, 36, representativeness__profile=absent)[1] == "no_target_delivered"


def test_what_is_lacking_of_calibration_and_subgroups_is_named(study):
    calibration = refused(study.tables["evaluation/calibration"])
    subgroups = refused(study.tables["evaluation/subgroups"])
    neither = {"evaluation__calibration": calibration, "evaluation__subgroups": subgroups}
    for absent, name in (
        ({"evaluation__calibration": calibration}, "calibration"),
        ({"evaluation__subgroups": subgroups}, "subgroups"),
    ):
        row = claim(**(arguments(study, "pack/claim") | absent)).row(37, named=True)
        assert (row["status"], row["reason"]) == ("partial", "diagnostic_figure_missing")
        assert json.loads(row["detail"]) == {"diagnostic_figure_missing.what": name}
    assert judged(study, 38, **neither) == ("not_met", "no_calibration_no_subgroups")
