"""Contracts: those shipped are sound, and each way to be wrong is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract, conform, order
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.gate import suite
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.sections import SECTIONS, UPSTREAM
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import validate

SHIPPED = contracts.load()
PACKAGE = Path(contracts.__file__).parents[1]


def plain(**changes: Any) -> dict[str, Any]:
    return {
        "asset": "evaluation/demo",
        "description": "A table for this test.",
        "grain": "one row per case",
        "key": ["case_id"],
        "may_be_empty": None,
        "computed_by": "core",
        "columns": ["case_id", {"name": "n", "null": True, "unit": "cases"}],
        **changes,
    }


def made(**changes: Any) -> Contract:
    return Contract.model_validate(plain(**changes))


def column(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, **changes}


def expectation(**changes: Any) -> dict[str, Any]:
    given = {"id": "e", "type": "expect_column_values_to_be_unique", "severity": "critical"}
    return {**given, "kwargs": {"column": "n"}, "why": "because", **changes}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"columns": ["case_id", "case_id"]}, "column case_id repeats"),
        ({"key": ["patient_id"]}, "key patient_id is no column"),
        ({"key": ["n"]}, "key n may be null"),
        ({"key": []}, "at least 1 item"),
        ({"columns": []}, "at least 1 item"),
        ({"export": True}, "case_id is row-level"),
        ({"protocol": ["findigs"]}, "no protocol block findigs"),
        ({"site": ["secrets"]}, "no site block secrets"),
        ({"inputs": {"drift": "cohort/reads"}, "protocol": ["drift"]}, "argument drift repeats"),
        ({"inputs": {"a": "cohort/reads"}, "outside": ["a"]}, "argument a repeats"),
        ({"computed_by": "sql", "inputs": {"a": "cohort/reads"}}, "a model's inputs come from its SQL"),
        ({"split_by": "case_id"}, "split_by case_id is no key of a model"),
        ({"split_by": "n", "computed_by": "sql"}, "split_by n is no key of a model"),
        ({"inputs": {"a": "reads"}}, "pattern"),
        ({"expectations": [expectation(), expectation()]}, "expectation e repeats"),
        ({"expectations": [expectation(kwargs={"column": "m"})]}, "expectation e: m is no column"),
        ({"expectations": [expectation(severity="info")]}, "critical"),
        ({"expectations": [expectation(why="")]}, "at least 1 character"),
        ({"columns": [column("case_id", type="text")]}, "string"),
        ({"columns": [column("case_id", description="")]}, "at least 1 character"),
        ({"columns": [column("n", level="secret")]}, "aggregate"),
        ({"computed_by": "hand"}, "core"),
        ({"keys": ["case_id"]}, "Extra inputs"),
        ({"may_be_empty": ""}, "at least 1 character"),
    ],
)  # fmt: skip
def test_a_contract_that_is_wrong_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        made(**changes)


def test_may_be_empty_has_no_default() -> None:
    given = plain()
    del given["may_be_empty"]
    with pytest.raises(ValueError, match="may_be_empty"):
        Contract.model_validate(given)


def test_a_list_is_no_contract() -> None:
    with pytest.raises(ValueError, match="valid dictionary"):
        Contract.model_validate([])


def test_every_problem_of_a_contract_is_told_at_once() -> None:
    text = yaml.safe_dump(plain(key=["x"], protocol=["y"], site=["z"]))
    with pytest.raises(DocumentError) as caught:
        validate(text, "demo.yaml", Contract)
    assert all(w in str(caught.value) for w in ("key x", "protocol block y", "site block z"))


def test_a_table_at_the_edge_may_name_an_input_as_a_block() -> None:
    assert made(computed_by="io", inputs={"drift": "cohort/reads"}, protocol=["drift"])


def test_a_broken_contract_file_is_an_error_of_this_package_naming_it() -> None:
    with pytest.raises(ContractError, match=r"contracts/drift/limits\.yaml:1: unknown key 'grane'"):
        contracts._load_one("drift", "limits.yaml", "grane: x\n")


@pytest.mark.parametrize("asset", sorted(SHIPPED))
def test_shipped_contracts_are_described_to_the_last_column(asset: str) -> None:
    contract = SHIPPED[asset]
    assert contract.section in SECTIONS
    assert f"{contract.section}/{contract.table}" == asset
    assert contract.description.endswith(".")
    assert all(c.description.endswith((".", "…")) for c in contract.columns)
    assert set(contract.protocol) <= set(Protocol.model_fields)
    assert set(contract.site) <= set(Site.model_fields)
    assert all(
        name.partition("/")[0] in {contract.section, *UPSTREAM[contract.section]}
        for name in contract.inputs.values()
    )


@pytest.mark.parametrize("asset", sorted(SHIPPED))
def test_every_expectation_of_a_shipped_contract_can_be_built(asset: str) -> None:
    planned = suite.plan(SHIPPED[asset])
    assert len({p.id for p in planned}) == len(planned)
    assert all(suite.build(p) is not None for p in planned)


@pytest.mark.parametrize("asset", sorted(a for a, c in SHIPPED.items() if c.export))
def test_an_exported_table_has_a_json_schema_of_all_its_columns(asset: str) -> None:
    contract = SHIPPED[asset]
    schema = contract.json_schema()
    assert list(schema["properties"]) == [c.name for c in contract.columns] == schema["required"]
    for c in contract.columns:
        assert ("null" in schema["properties"][c.name]["type"]) == c.null


def test_the_digest_changes_with_any_word() -> None:
    assert made().digest == made().digest
    assert made().digest != made(grain="one row per patient").digest


def test_a_column_is_found_by_name_with_its_unit() -> None:
    assert made().column("n").unit == "cases"
    assert made().json_schema()["properties"]["n"]["unit"] == "cases"


def test_a_frame_is_held_to_columns_types_and_order_of_the_key() -> None:
    frame = pl.DataFrame({"case_id": ["b", "a"], "n": [None, None]})
    found = conform(frame, made())
    assert found["case_id"].to_list() == ["a", "b"]
    assert found.schema == pl.Schema(made().polars_schema)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (pl.DataFrame({"case_id": ["a"]}), r"missing \['n'\]"),
        (pl.DataFrame({"case_id": ["a"], "n": [1], "x": [1]}), r"surplus \['x'\]"),
        (pl.DataFrame({"n": [1], "case_id": ["a"]}), "another order"),
        (pl.DataFrame({"case_id": ["a"], "n": [1.5]}), r"\['n'\] are not of the contract's type"),
        (pl.DataFrame({"case_id": [1], "n": [1]}), r"\['case_id'\] are not"),
    ],
)
def test_a_frame_that_differs_from_its_contract_is_refused(frame: pl.DataFrame, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        conform(frame, made())


def test_tables_are_ordered_after_their_inputs() -> None:
    given = {
        "evaluation/b": frozenset({"evaluation/a", "cohort/x"}),
        "evaluation/a": frozenset({"cohort/x"}),
        "cohort/x": frozenset[str](),
    }
    assert order(given) == ["cohort/x", "evaluation/a", "evaluation/b"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"cohort/a": {"cohort/z"}}, "cohort/a: input cohort/z has no contract"),
        (
            {"cohort/a": {"evaluation/b"}, "evaluation/b": set()},
            "cohort/a: may not read evaluation/b: evaluation is not upstream",
        ),
        (
            {"adjudication/a": {"representativeness/b"}, "representativeness/b": set()},
            "adjudication/a: may not read representativeness/b",
        ),
        ({"cohort/a": {"cohort/b"}, "cohort/b": {"cohort/a"}}, "tables form a cycle"),
    ],
)
def test_a_missing_input_a_cycle_or_an_arrow_backwards_is_refused(
    given: dict[str, set[str]], what: str
) -> None:
    with pytest.raises(ContractError, match=what):
        order({asset: frozenset(names) for asset, names in given.items()})


def test_a_bucket_must_be_a_column_of_dates() -> None:
    with pytest.raises(ValueError, match="bucket n is no column of dates"):
        made(bucket="n")


def test_a_section_without_contracts_has_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "SECTIONS", {**SECTIONS, "another": "for this test"})
    assert set(contracts.load.__wrapped__()) == set(SHIPPED)


def test_the_report_is_made_of_the_tables_that_travel_and_the_checklist_of_no_other_figures() -> (
    None
):
    travelling = set(contracts.exported(SHIPPED, SHIPPED))
    assert set(SHIPPED["pack/report"].inputs.values()) == travelling
    figures = {a for a in SHIPPED["pack/claim"].inputs.values() if SHIPPED[a].shape == "figure"}
    assert figures <= travelling


def test_nothing_but_the_contracts_and_the_receipts_of_a_pack_asks_whether_a_table_travels() -> (
    None
):
    asking = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if ".export" in path.read_text(encoding="utf-8").replace(".exported", "")
    }
    assert asking == {"contracts/__init__.py", "io/packs/payload.py"}
