"""The checklist: each status follows from the study, and none is met by default."""

from __future__ import annotations

import polars as pl
from report_bench import arguments

from vpack_pipeline.core.pack import claim
from vpack_pipeline.core.pack.claim import ITEMS


def statuses(study, **changed) -> dict[int, str]:
    made = claim(**(arguments(study, "pack/claim") | changed))
    return dict(made.select("item", "status").iter_rows())


def about(study, **changed):
    return study.protocol.about.model_copy(update=changed)


def test_there_are_44_items_in_order_each_with_words_of_its_own():
    assert [i.item for i in ITEMS] == list(range(1, 45))
    assert len({i.title for i in ITEMS}) == 44


def test_what_is_not_met_says_why(study):
    assert study.claim.filter((pl.col("status") != "met") & pl.col("reason").is_null()).height == 0


def test_a_study_is_not_met_throughout(study):
    assert set(study.claim["status"]) >= {"met", "partial", "not_met"}


def test_what_the_author_does_not_state_is_not_met(study):
    said = statuses(study, about=about(study, software=None, deidentification=None, training=None))
    assert (said[23], said[11], said[25]) == ("not_met", "not_met", "not_met")


def test_a_registration_that_says_not_registered_is_none(study):
    assert statuses(study)[34] == "not_met"
    assert statuses(study, about=about(study, registration="NCT00000000"))[34] == "met"


def test_rules_set_with_scores_in_sight_or_after_the_lock_make_eligibility_partial(study):
    rules = study.protocol.eligibility.rules
    blind = tuple(r for r in rules if "scores" in r.blind_to)
    fixed = study.protocol.eligibility.model_copy(update={"rules": blind})
    assert statuses(study)[8] == "partial"
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
