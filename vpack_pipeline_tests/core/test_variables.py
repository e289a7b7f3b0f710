"""How a variable is read and binned."""

from __future__ import annotations

import math

import polars as pl
import pytest

from vpack_pipeline.core.variables import bin_labels, binned, value_of
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import Covariate, Variable

COVARIATES = tuple(
    Covariate(name=n, title=n, type=t)
    for n, t in [("bmi", "float"), ("parity", "int"), ("smoker", "bool"), ("ward", "string")]
)


def numeric(name="age_years", edges=(40, 65)):
    return Variable(name=name, title=name, kind="numeric", edges=edges)


def categorical(name, *levels):
    return Variable(name=name, title=name, kind="categorical", levels=levels)


def test_a_bin_holds_its_lower_edge_and_nan_is_missing():
    cases = pl.DataFrame({"age_years": [39.9, 40.0, 64.9, 65.0, None, math.nan]})
    labels = binned(cases, numeric(), ()).to_list()
    assert labels == ["<40", "40–65", "40–65", "≥65", "missing", "missing"]


def test_covariates_are_read_by_their_type():
    text = '{"bmi":21,"parity":2,"smoker":true,"ward":"A","surplus":[1]}'
    cases = pl.DataFrame({"covariates": [text, "{}"]})
    read = {c.name: value_of(cases, c.name, COVARIATES).to_list() for c in COVARIATES}
    expected = {"bmi": [21.0, None], "parity": [2, None], "smoker": [True, None]}
    assert read == expected | {"ward": ["A", None]}


def test_levels_that_are_not_printed_are_other():
    cases = pl.DataFrame({"covariates": ['{"ward":"A"}', '{"ward":"Z"}', "{}"]})
    variable = categorical("ward", "A", "B")
    assert binned(cases, variable, COVARIATES).to_list() == ["A", "other", "missing"]


@pytest.mark.parametrize(
    ("covariate", "text", "level"),
    [
        ("smoker", "true", "true"),
        ("smoker", "false", "false"),
        ("parity", "2", "2"),
        ("bmi", "21.0", "21"),
    ],
)
def test_levels_of_a_covariate_that_is_no_text(covariate, text, level):
    cases = pl.DataFrame({"covariates": [f'{{"{covariate}":{text}}}', f'{{"{covariate}":null}}']})
    assert binned(cases, categorical(covariate, level), COVARIATES).to_list() == [level, "missing"]


def test_labels_named_other_or_missing_are_not_doubled():
    assert bin_labels(categorical("ward", "A", "other", "missing")) == ["A", "other", "missing"]


def test_edges_that_print_alike_are_printed_in_full():
    assert bin_labels(numeric(edges=(1000000.1, 1000000.2)))[0] == "<1000000.1"


def test_unknown_variable_names_what_there_is():
    with pytest.raises(InputError, match=r"use one of .'age_years', 'bmi'"):
        value_of(pl.DataFrame({"age_years": [1.0]}), "agee", COVARIATES)


def test_text_cannot_be_read_as_a_number():
    with pytest.raises(InputError, match="make it categorical"):
        binned(pl.DataFrame({"sex": ["F"]}), numeric("sex"), ())
