"""The printed cells: each has an anchor of its own, and the first page picks no row by chance."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from report_bench import arguments

from vpack_pipeline.core.pack.report import report
from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format.figures import row_key


def printed(study, **changed) -> dict[str, str]:
    given = arguments(study, "pack/report") | changed
    return dict(report(**given).select("anchor", "text").iter_rows())


def test_a_row_that_stands_twice_is_refused_since_two_figures_would_share_an_anchor(study):
    flow = study.tables["eligibility/flow"]
    with pytest.raises(ContractError, match="two figures have one anchor"):
        printed(study, eligibility__flow=pl.concat([flow, flow.head(1)]))


def test_a_first_page_figure_without_its_row_is_no_silence(study):
    performance = study.tables["evaluation/performance"]
    of_models = performance.filter(pl.col("model_id") != "unaided_readers")
    with pytest.raises(LookupError, match=r"0 rows with .*unaided_readers"):
        printed(study, evaluation__performance=of_models)


def test_a_key_is_written_alike_whatever_the_order_of_its_columns():
    day = dt.date(2026, 7, 20)
    assert row_key({"b": day, "a": 1}) == '{"a":1,"b":"2026-07-20"}' == row_key({"a": 1, "b": day})


def test_a_key_that_has_no_text_is_refused_without_its_value():
    with pytest.raises(TypeError, match=r"^bytes in a key$"):
        row_key({"a": b"who"})


def test_of_figures_in_a_target_the_first_page_says_only_whom_they_leave_out(study):
    given = report(**arguments(study, "pack/report")).filter(asset="evaluation/transport")
    first = given.filter(pl.col("anchor").str.starts_with("first."))
    assert first.height > 0
    metric = first["row_key"].str.json_path_match("$.metric")
    assert metric.unique().to_list() == ["share_weight_zero_not_in_target"]
