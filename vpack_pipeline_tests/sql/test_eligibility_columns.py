"""The eligibility models name only columns that their inputs have, and take them as they are."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from vpack_pipeline import contracts
from vpack_pipeline.io import models

from .world import COHORT, MODELS, World


def schema():
    found = {}
    for asset, contract in contracts.load().items():
        section, _, table = asset.partition("/")
        columns = {c.name: contracts.DUCKDB_TYPES[c.type] for c in contract.columns}
        found.setdefault(section, {})[table] = columns
    return found


@pytest.mark.parametrize("table", MODELS)
def test_model_names_only_columns_of_its_inputs(table):
    tree = qualify(
        sqlglot.parse_one(World().sql(table), read="duckdb"),
        dialect="duckdb",
        schema=schema(),
        validate_qualify_columns=True,
    )
    assert isinstance(tree, exp.Query)
    given = [projection.alias_or_name for projection in tree.selects]
    assert given == [c.name for c in contracts.load()[f"eligibility/{table}"].columns]


@pytest.mark.parametrize("table", COHORT)
def test_the_tests_own_cohort_is_typed_as_the_contracts(table):
    contract = contracts.load()[f"cohort/{table}"]
    assert {name: contract.polars_schema.get(name) for name in COHORT[table]} == dict(COHORT[table])


@pytest.mark.parametrize("table", [t for t in MODELS if t != "flags"])
def test_model_begins_by_saying_what_it_decides(table):
    assert models.load()[f"eligibility/{table}"].sql.startswith("-- Decides: ")


def test_header_fields_are_passed_on_with_the_cohorts_nullability():
    known = contracts.load()
    ours = {c.name: c.null for c in known["eligibility/studies"].columns}
    theirs = {c.name: c.null for c in known["cohort/studies"].columns}
    assert {n: v for n, v in ours.items() if n in theirs} == {
        n: theirs[n] for n in ours if n in theirs
    }
