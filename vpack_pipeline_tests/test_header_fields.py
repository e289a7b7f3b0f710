"""One declaration for each header field, and contracts and models that carry what it says."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot.optimizer.qualify import qualify

from vpack_pipeline import contracts
from vpack_pipeline.contracts import fields, header_fields
from vpack_pipeline.contracts.header_fields import Column, _File
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.io import models
from vpack_pipeline.sections import SECTIONS
from vpack_pipeline.strict_yaml import validate

PACKAGE = Path(contracts.__file__).parent.parent
TEXT = (PACKAGE / header_fields.FILE).read_text(encoding="utf-8")
CARRIED_BY = {"series": "cohort/series", "study": "cohort/studies"}
"""The models that gather a field over images, each field written out."""
PASSED_ON = ("eligibility/studies", "eligibility/cases")
"""The models that give a study's fields as they are."""


def with_fields(*entries: str) -> _File:
    text = TEXT + "".join(f"  - {entry}\n" for entry in entries)
    return validate(text, header_fields.FILE, _File)


def field(name: str = "a", kind: str = "number", **more: str) -> str:
    given = {"name": name, "kind": kind, "personal": "false", "elements": "['A (0018,0060)']"}
    said = {**given, "description": "D.", **more}
    return "{" + ", ".join(f"{key}: {value}" for key, value in said.items()) + "}"


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
    for thing, asset in CARRIED_BY.items():
        carried, there = {c.name for c in known if thing in c.also_of}, set(in_model(asset))
        file = f"dbt_like_sql/{asset}.sql"
        yield from (f"{file} has no {name}" for name in sorted(carried - there))
        yield from (f"{file} has {name}" for name in sorted(there & names - carried))


def in_contract(asset: str) -> list[str]:
    return [c.name for c in contracts.load()[asset].columns]


def test_models_carry_the_columns_that_the_file_says() -> None:
    found = list(differences(with_fields()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("asset", PASSED_ON)
def test_what_a_study_carries_is_passed_on_to_the_views_of_rules(asset: str) -> None:
    names = [c.name for c in columns_of(with_fields()) if "study" in c.also_of]
    for columns in (in_contract(asset), in_model(asset)):
        assert set(names) <= set(columns), asset
    assert [name for name in in_contract(asset) if name in names] == names


def test_the_images_have_the_columns_in_the_order_of_the_file() -> None:
    names = [c.name for c in columns_of(with_fields())]
    assert [name for name in in_contract("cohort/instances") if name in names] == names


def test_what_was_forgotten_of_a_new_header_field_is_named_file_by_file() -> None:
    """Beside declaration and test: the models that carry it; the contracts follow by themselves."""
    assert list(differences(with_fields(field("b_value", tracked="true")))) == []
    of_both = with_fields(field("b_value", also_of="[series, study]"))
    assert list(differences(of_both)) == [
        "dbt_like_sql/cohort/series.sql has no b_value",
        "dbt_like_sql/cohort/studies.sql has no b_value",
    ]


def test_a_column_that_is_carried_and_not_declared_is_named() -> None:
    text = TEXT.replace("also_of: [series, study]", "also_of: [series]", 1)
    undeclared = validate(text, header_fields.FILE, _File)
    assert list(differences(undeclared)) == ["dbt_like_sql/cohort/studies.sql has modality"]


IN_CONTRACT = """description: d
grain: g
key: [study_id]
may_be_empty: null
computed_by: io
columns: [study_id, {columns}]
expectations: [{expectations}]
"""


@pytest.mark.parametrize(
    ("columns", "expectations", "told"),
    [
        ("{header_fields: images}", "", "says one of image, series, study"),
        ("{header_fields: study, unit: kV}", "", "and beside it null"),
        ("{header_fields: study}", "dates_known", "dates_known cannot be made of header fields"),
        ("patient_id", "flags_known", "flags_known cannot be made of header fields"),
        ("{header_fields: study}", "flags_known, flags_known", "expectation flags_known repeats"),
    ],
)
def test_a_contract_that_asks_for_what_header_fields_do_not_have_is_refused(
    columns: str, expectations: str, told: str
) -> None:
    text = IN_CONTRACT.format(columns=columns, expectations=expectations)
    with pytest.raises(ContractError, match=rf"contracts/cohort/odd\.yaml.*{told}"):
        contracts._load_one("cohort", "odd.yaml", text)


def test_what_a_contract_says_of_a_header_field_itself_is_kept() -> None:
    series = contracts.load()["cohort/series"]
    assert series.column("n_frames").description.startswith("Frames of the series")
    flags = {c: contracts.load()[c].column("burned_in_annotation") for c in PASSED_ON}
    assert [flag.null for flag in flags.values()] == [False, True]


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
    header_fields.digest.cache_clear()
    assert header_fields.digest() == made
    plain = with_fields(field()).digest
    assert plain != made
    words = {"description": "E.", "misleads": "F.", "personal": "true", "unit": "mm"}
    words |= {"acquisition": "true", "device": "machine"}
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
        (field(profile="{title: A, of: all}"), "a is profiled: a number, and it alone, has edges"),
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


def test_what_table_1_shows_of_a_field_has_a_digest_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other bins make Table 1 anew and read no header again; other words neither."""

    def digest_of(**changed: object) -> str:
        first = next(f for f in fields if f.profile is not None and f.profile.edges)
        others = [f for f in fields if f is not first]
        found = (first.model_copy(update=changed), *others)
        monkeypatch.setattr(header_fields, "load", lambda: found)
        header_fields.profile_digest.cache_clear()
        return header_fields.profile_digest()

    fields = header_fields.load()
    profiled = next(f.profile for f in fields if f.profile is not None and f.profile.edges)
    other_bins = profiled.model_copy(update={"edges": (*profiled.edges, 1e9)})
    as_it_is = digest_of()
    assert digest_of(description="In other words.") == as_it_is
    assert digest_of(profile=other_bins) != as_it_is
    header_fields.profile_digest.cache_clear()
