"""One declaration for each column name: what contracts may add, and that nothing is left over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract, fields, shapes
from vpack_pipeline.contracts.header_columns import is_entry
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.strict_yaml import parse, validate

FOLDER = Path(contracts.__file__).parent
CONTRACT = """description: d
grain: g
key: [case_id]
may_be_empty: null
computed_by: core
columns:
  - case_id
  - {column}
"""
OVERRIDES = ("type", "unit", "level", "description")


def written() -> Iterator[tuple[str, str | Mapping[str, Any]]]:
    """Give every column as its contract, or the shape of figures, has it, with the file's name."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        data = parse(path.read_text(encoding="utf-8"), path.name)[0]
        for said in data.get("columns", ()):
            if not is_entry(said):
                yield path.relative_to(FOLDER).as_posix(), said


def declared(*entries: str) -> fields._File:
    return validate("fields:\n" + "".join(f"  - {e}\n" for e in entries), fields.FILE, fields._File)


def with_column(column: str) -> Contract:
    return contracts._load_one("drift", "odd.yaml", CONTRACT.format(column=column))


def test_every_field_is_a_column_of_some_table() -> None:
    names = {c.name for contract in contracts.load().values() for c in contract.columns}
    assert set(fields.load()) - names == set(), f"in no table: remove them from {fields.FILE}"


def test_overrides_stay_few() -> None:
    """What differs in most tables is no field: it has another name in one of them."""
    given = [said for _, said in written() if isinstance(said, Mapping)]
    assert sum("description" in said for said in given) < 40
    assert sum(any(key in said for key in OVERRIDES) for said in given) < 70


def test_the_columns_of_a_table_of_figures_are_fields_of_the_shape() -> None:
    assert [fields.find(name).level for name in shapes.figure_columns()] == ["aggregate"] * 11


def test_a_column_is_its_field_and_what_the_contract_adds() -> None:
    plain, said = with_column("{name: established_at, null: true}").columns
    assert (plain.name, plain.type, plain.null, plain.level) == (
        ("case_id", "string", False, "row")
    )
    assert said.null
    assert said.description == fields.find("established_at").description
    over = with_column("{name: n, unit: cases, level: row, description: Cases of it.}").column("n")
    assert (over.type, over.unit, over.level) == ("int", "cases", "row")
    assert over.description == "Cases of it."
    assert with_column("{name: line, level: aggregate}").column("line").level == "aggregate"


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (
            "no_such_name",
            r"no_such_name is no declared field; declare it in contracts/fields\.yaml",
        ),
        ("no_such_name_raw", "no_such_name_raw is no declared field"),
        ("{null: true}", "None is no declared field"),
        (
            "{name: n_reads, unit: reads}",
            r"n_reads: its unit is that of contracts/fields\.yaml; leave it out",
        ),
        (
            "{name: kvp, unit: kV}",
            r"kvp: its unit is that of contracts/cohort/header_fields\.yaml; leave it out",
        ),
        ("{name: kvp, type: float}", "kvp: its type is that of"),
        ("{name: kvp, level: row}", "kvp: its level is that of"),
        ("{name: kvp_raw, type: string}", "kvp_raw: its type is that of"),
        ("{name: kvp_min, unit: kV}", "kvp_min: its unit is that of"),
        ("{name: kvp, level: table}", "level"),
        ("{name: n, disclosure: count}", "disclosure"),
        ("{name: kvp, personal: true}", "personal"),
        ("{name: kvp, units: V}", "did you mean 'unit'"),
        ("12", "columns.1"),
    ],
)
def test_what_a_contract_may_not_say_of_a_column_is_refused_at_its_line(
    column: str, told: str
) -> None:
    with pytest.raises(ContractError, match=rf"contracts/drift/odd\.yaml:8: .*{told}"):
        with_column(column)


def test_an_override_that_repeats_the_sentence_is_refused() -> None:
    with pytest.raises(ContractError, match="monitor: its description is that of"):
        with_column(f"{{name: monitor, description: {fields.find('monitor').description}}}")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (("{name: a, type: int, level: aggregate, description: d}",) * 2, "declared twice: a"),
        (("{name: a, level: aggregate, description: d}",), "'fields.0.type' is missing"),
        (("{name: a, type: text, level: aggregate, description: d}",), "type"),
        (("{name: a, type: int, level: row, description: d}",), "whether it is personal"),
        (
            ("{name: a, type: int, level: aggregate, personal: true, description: d}",),
            "personal says nothing",
        ),
        (("{name: a, type: int, level: aggregate}",), "'fields.0.description' is missing"),
        (("{name: '{field}_a', type: int, level: aggregate, description: d}",), "name"),
        (("{name: a, type: int, null: true, level: aggregate, description: d}",), "null"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_file_and_field(
    entries: tuple[str, ...], told: str
) -> None:
    with pytest.raises(DocumentError, match=r"contracts/fields\.yaml:\d") as refused:
        declared(*entries)
    assert told in str(refused.value)


def test_a_field_of_an_image_header_is_declared_there_alone() -> None:
    again = declared("{name: kvp, type: float, level: row, personal: false, description: d}")
    with pytest.raises(DocumentError) as refused:
        fields._with_header_fields(again.fields)
    assert str(refused.value) == (
        "contracts/fields.yaml: kvp: declared in contracts/cohort/header_fields.yaml too"
        " — declare each once"
    )


def test_what_describes_a_person_is_personal_and_what_is_technical_is_not() -> None:
    personal = {
        "age_years",
        "sex",
        "covariates",
        "index_date",
        "patient_id",
        "breast_implant_present",
    }
    technical = {"model", "software", "view_position", "kvp", "exposure_mas", "score", "label"}
    assert {name for name in personal | technical if fields.find(name).personal} == personal
