"""One declaration for each header field, and contracts and models that carry what it says."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sqlglot
from sqlglot.optimizer.qualify import qualify

from vpack_pipeline import contracts
from vpack_pipeline.contracts import fields, header_fields
from vpack_pipeline.contracts.header_fields import Column, _File
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.io import models
from vpack_pipeline.sections import SECTIONS
from vpack_pipeline.strict_yaml import validate

PACKAGE = Path(contracts.__file__).parent.parent
TEXT = (PACKAGE / header_fields.FILE).read_text(encoding="utf-8")
CARRIED_BY = {
    "series": ("cohort/series",),
    "study": ("cohort/studies", "eligibility/studies", "eligibility/cases"),
}
"""The tables of what a field may be said of beside an image."""


def with_fields(*entries: str) -> _File:
    text = TEXT + "".join(f"  - {entry}\n" for entry in entries)
    return validate(text, header_fields.FILE, _File)


def field(name: str = "a", kind: str = "number", **more: str) -> str:
    given = {"name": name, "kind": kind, "personal": "false", "elements": "['A (0018,0060)']"}
    said = {**given, "description": "D.", **more}
    return "{" + ", ".join(f"{key}: {value}" for key, value in said.items()) + "}"


@functools.cache
def in_contract(asset: str) -> tuple[str, ...]:
    return tuple(c.name for c in contracts.load()[asset].columns)


@functools.cache
def in_model(asset: str) -> tuple[str, ...]:
    """Name the columns that a model gives, as it is written."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for other, contract in contracts.load().items():
        section, _, table = other.partition("/")
        types = {c.name: contracts.DUCKDB_TYPES[c.type] for c in contract.columns}
        schema.setdefault(section, {})[table] = types
    written = sqlglot.parse_one(models.load()[asset].sql, read="duckdb")
    tree = qualify(written, dialect="duckdb", schema=schema)
    return tuple(projection.alias_or_name for projection in tree.selects)


def columns_of(declared: _File) -> list[Column]:
    return [c for f in declared.header_fields for c in declared.columns_of(f)]


def differences(declared: _File) -> Iterator[str]:
    """Name, by file, each column that is declared and not carried, or carried and not declared."""
    known = columns_of(declared)
    names = {c.name for c in known}
    written: Mapping[str, tuple[str, ...]] = {
        f"contracts/{asset}.yaml": in_contract(asset)
        for asset in ("cohort/instances", *CARRIED_BY["series"], *CARRIED_BY["study"])
    } | {f"{asset}.sql": in_model(asset) for tables in CARRIED_BY.values() for asset in tables}
    for file, there in written.items():
        asset = file.removeprefix("contracts/").rpartition(".")[0]
        carried = {
            c.name
            for c in known
            if asset == "cohort/instances" or any(asset in CARRIED_BY[e] for e in c.also_of)
        }
        yield from (f"{file} has no {name}" for name in sorted(carried - set(there)))
        yield from (f"{file} has {name}" for name in sorted(set(there) & names - carried))


def test_contracts_and_models_carry_the_columns_that_the_file_says() -> None:
    found = list(differences(with_fields()))
    assert not found, "\n".join(found)


def test_the_images_have_the_columns_in_the_order_of_the_file() -> None:
    names = [c.name for c in columns_of(with_fields()) if c.name != "modality"]
    assert [name for name in in_contract("cohort/instances") if name in names] == names


def test_what_was_forgotten_of_a_new_header_field_is_named_file_by_file() -> None:
    """Beside declaration and test: the contract of images; of a series also its model and contract."""
    of_images = with_fields(field("b_value", tracked="true"))
    assert list(differences(of_images)) == [
        f"contracts/cohort/instances.yaml has no b_value{tail}" for tail in ("", "_raw", "_status")
    ]
    of_series = with_fields(field("b_value", also_of="[series]"))
    assert list(differences(of_series)) == [
        "contracts/cohort/instances.yaml has no b_value",
        "contracts/cohort/series.yaml has no b_value",
        "cohort/series.sql has no b_value",
    ]


def test_a_column_that_is_carried_and_not_declared_is_named() -> None:
    text = TEXT.replace("also_of: [series, study]", "also_of: [series]", 1)
    undeclared = validate(text, header_fields.FILE, _File)
    tables = CARRIED_BY["study"]
    assert set(differences(undeclared)) == {
        *(f"contracts/{asset}.yaml has modality" for asset in tables),
        *(f"{asset}.sql has modality" for asset in tables),
    }


def test_the_file_lies_among_contracts_and_is_none_and_all_others_are() -> None:
    files = {
        f"contracts/{section}/{path.name}"
        for section in SECTIONS
        for path in (PACKAGE / "contracts" / section).glob("*.yaml")
    }
    loaded = {f"contracts/{asset}.yaml" for asset in contracts.load()}
    assert files - loaded == {header_fields.FILE}
    assert loaded <= files


def test_an_element_names_its_places_by_keywords_and_tags() -> None:
    kvp = next(f for f in header_fields.load() if f.name == "kvp")
    assert [(s.keyword, s.path) for s in kvp.sources] == [
        ("KVP", (0x00180060,)),
        ("SharedFunctionalGroupsSequence/KVP", (0x52009229, 0x00189325, 0x00180060)),
        ("PerFrameFunctionalGroupsSequence[1]/KVP", (0x52009230, 0x00189325, 0x00180060)),
    ]
    assert kvp.is_per_frame


def test_a_column_beside_a_field_has_what_the_field_has() -> None:
    least, raw = fields.find("kvp_min"), fields.find("age_years_raw")
    assert (least.name, least.type, least.unit, least.personal) == ("kvp_min", "float", "kV", False)
    assert (raw.name, raw.type, raw.unit, raw.personal) == ("age_years_raw", "string", None, True)
    distinct = fields.find("kvp_n_distinct")
    assert (distinct.type, distinct.unit) == ("int", "values")
    assert fields.find("timezone_offset_min").unit == "min"


def test_which_columns_stand_beside_a_field_follows_from_what_it_is() -> None:
    known = header_fields.columns()
    frames = ("_min", "_max", "_n_distinct")
    assert [c.name for c in known["kvp"]] == [f"kvp{s}" for s in ("", *frames, "_raw", "_status")]
    assert [c.name for c in known["contrast_agent"]] == ["contrast_agent", "contrast_agent_status"]
    assert [c.name for c in known["rows"]] == ["rows"]


def test_the_digest_is_of_what_decides_a_header_row() -> None:
    made = with_fields().digest
    assert header_fields.digest() == made
    plain = with_fields(field()).digest
    assert plain != made
    words = {"description": "E.", "misleads": "F.", "personal": "true", "unit": "mm"}
    assert with_fields(field(**words, also_of="[series]")).digest == plain
    changes = ({"kind": "text"}, {"above": "0"}, {"tracked": "true"}, {"name": "b"})
    assert all(with_fields(field(**change)).digest != plain for change in changes)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (field("kvp"), "declared twice: kvp"),
        (field("kvp_raw"), "declared twice: kvp_raw"),
        (field(kind="text", free_text="true", tracked="true"), "a is free text: its kind is text"),
        (field(kind="code", free_text="true"), "a is free text: its kind is text"),
        (field(kind="code", least="0"), "a has bounds and is no number"),
        (field(kind="integer", above="0"), "a is an integer: it may have a least value alone"),
        (field(kind="integer", most="9"), "a is an integer: it may have a least value alone"),
        (field(above="1", least="0"), "a has bounds that contradict each other"),
        (field(above="0", least="1"), "a has bounds that contradict each other"),
        (field(least="2", most="1"), "a has bounds that contradict each other"),
        (
            field(kind="code", elements="[{element: 'A (0018,0060)', factor: 2}]"),
            "a has a factor and is no number",
        ),
        (field(elements="[]"), "elements"),
        (field(elements="['A 0018,0060']"), "element"),
        (field(elements="['A (0018,006)']"), "element"),
        (field(elements="[{element: 'A (0018,0060)', factor: 0}]"), "factor"),
        (field(elements="[{element: 'A (0018,0060)', holds: text file}]"), "holds"),
        (field(kind="length"), "kind"),
        (field(also_of="[image]"), "also_of"),
        (field(personal="null"), "personal"),
        (field(units="mm"), "did you mean 'unit'"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_file_and_field(entry: str, told: str) -> None:
    with pytest.raises(DocumentError, match=r"contracts/cohort/header_fields\.yaml:\d") as refused:
        with_fields(entry)
    assert told in str(refused.value)
