"""A site document says where data lie, and refuses what could not be a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from documents import data_of, put, site
from pydantic import ValidationError

from vpack_pipeline.site import DicomwebSource, FolderSource, InputForm, Site
from vpack_pipeline.strict_yaml import read_model

FINGERPRINT = "SHA256:" + "A" * 43
SHIPPED = sorted((Path(__file__).parents[1] / "data/sites").glob("*/site.yaml"))


def test_the_starter_site_is_valid_and_explains_every_field() -> None:
    made = site()
    assert made.site_id == "harbour"
    written = set(data_of("site.yaml"))
    assert written == set(Site.model_fields)


def test_the_starter_site_explains_every_field_of_a_form() -> None:
    from documents import text_of

    text = text_of("site.yaml")
    assert [name for name in InputForm.model_fields if f"#   {name}" not in text] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.parent.name)
def test_shipped_sites_are_valid_and_named_as_their_folder(path: Path) -> None:
    assert read_model(path, Site).site_id == path.parent.name


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("site_id", "../harbour", "pattern"),
        ("site_id", "harbour\n", "pattern"),
        ("site_id", "a" * 33, "pattern"),
        ("protocol", "starter", "pattern"),
        ("protocol", "starter@0.1, other@1", "pattern"),
        ("sources", [], "at least 1"),
        ("sources.0.kind", "ftp", "folder"),
        ("inputs.reads", ..., "inputs need reads"),
        ("inputs.reads.file", "predictions.csv", "two inputs name the same file"),
        ("inputs.reads.file", "../reads.csv", "pattern"),
        ("inputs.reads.file", ".hidden", "pattern"),
        ("inputs.reads.mode", "replace", "full"),
        ("inputs.reads.separator", ";;", "at most 1"),
        ("inputs.reads.encoding", "ebcdic", "utf-8"),
        ("inputs.unknown", {"file": "x.csv"}, "cases"),
        ("identifiers", {"patient": {"zero_pad": -1}}, "greater than or equal to 0"),
        ("identifiers", {"patient": {"case": "title"}}, "keep"),
        (
            "companions",
            [{"title": "a", "uri": "b", "sha256": "zz", "custodian": "c"}],
            "pattern",
        ),
        ("signers", [{"role": "king", "fingerprint": FINGERPRINT}], "'builder', 'clinician' or"),
        ("signers", [{"role": "builder", "fingerprint": FINGERPRINT[:-1]}], "pattern"),
        ("signers", [{"role": "builder", "fingerprint": FINGERPRINT[:-1] + "B"}], "pattern"),
        ("signers", [{"role": "builder", "fingerprint": FINGERPRINT + "\n"}], "pattern"),
        ("signers", [{"role": "builder", "fingerprint": "MD5:00:11"}], "pattern"),
        (
            "signers",
            [{"role": r, "fingerprint": FINGERPRINT} for r in ("builder", "clinician")],
            "declared twice: SHA256:AAA",
        ),
        ("surplus", 1, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_a_site_is_refused(path: str, value: Any, what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Site.model_validate(put(data_of("site.yaml"), path, value))
    assert what in str(caught.value)


COUNTED = {"source": "RIS", "date": "2025", "definition": "adults", "counted_by": "data office"}


def test_counts_of_a_population_say_where_they_come_from() -> None:
    given = site(inputs__population={"file": "population.csv"}, population=COUNTED)
    assert given.population is not None
    assert given.population.definition == "adults"
    for alone in ({"inputs__population": {"file": "population.csv"}}, {"population": COUNTED}):
        with pytest.raises(ValidationError, match="source, date, definition, counted_by"):
            site(**alone)


@pytest.mark.parametrize("field", COUNTED)
def test_what_is_said_of_a_population_is_whole(field: str) -> None:
    less = {name: text for name, text in COUNTED.items() if name != field}
    with pytest.raises(ValidationError, match=rf"population\.{field}"):
        site(inputs__population={"file": "population.csv"}, population=less)


def test_several_may_sign_in_one_role() -> None:
    given = [{"role": "clinician", "fingerprint": FINGERPRINT[:-1] + end} for end in "AEI"]
    assert [s.fingerprint[-1] for s in site(signers=given).signers] == ["A", "E", "I"]


def test_a_source_is_a_folder_or_a_server() -> None:
    given = [
        {"path": "a"},
        {"kind": "folder", "path": "b"},
        {"kind": "dicomweb", "url": "https://pacs.example"},
    ]
    with pytest.raises(ValidationError, match="kind"):
        site(sources=given)
    made = site(sources=given[1:])
    assert [type(s) for s in made.sources] == [FolderSource, DicomwebSource]


@pytest.mark.parametrize(
    "url",
    [
        "pacs.example", "ftp://pacs.example", "https://", "https://pacs.example:0",
        "https://pacs.example:port", "https://[::1", "https://pacs.example/a?token=hush",
        "https://pacs.example/#hush", "https://pacs.example/a b", "https://pacs.exämple",
        "https://me:hush@pacs.example/dicom-web", "https://pacs.example/a\nHost: b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["url", "orthanc_url"])
def test_an_address_is_plain_and_holds_no_credentials(key: str, url: str) -> None:
    server = {"kind": "dicomweb", "url": "https://pacs.example", key: url}
    with pytest.raises(ValidationError) as caught:
        site(sources=[server])
    said = " ".join(e["msg"] for e in caught.value.errors())
    assert "an address" in said
    assert "hush" not in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:8042/dicom-web/", "https://[::1]/a%20b"])
def test_a_server_is_named_by_its_address(url: str) -> None:
    made = site(sources=[{"kind": "dicomweb", "url": url, "orthanc_url": url}])
    assert (made.sources[0].url, made.sources[0].orthanc_url) == (url, url)


def test_codes_map_to_text_numbers_truth_and_nothing() -> None:
    values = {"rating": {"a": 0, "b": 1.5, "c": True, "d": None, "e": "x"}}
    made = site(inputs__reads__values=values)
    assert made.inputs["reads"].values == values


def test_a_list_names_texts_that_stay_as_they_are() -> None:
    made = site(
        value_maps={"model": ["Rover", "Clarity X"]},
        inputs__readers__values={"training": ["none"], "in_development": {"Y": True}},
    )
    assert made.value_maps == {"model": {"Rover": "Rover", "Clarity X": "Clarity X"}}
    values = made.inputs["readers"].values
    assert values == {"training": {"none": "none"}, "in_development": {"Y": True}}


@pytest.mark.parametrize(
    ("listed", "what"),
    [
        ([3], "a list names texts that are used as they are written"),
        ([["Rover"]], "a list names texts"),
        (["Rover", "Rover"], "declared twice: Rover"),
        ("Rover", "valid dictionary"),
    ],
)
def test_a_list_of_anything_else_is_refused(listed: Any, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        site(value_maps={"model": listed})


def test_readers_stand_together_unless_a_site_says_that_they_agreed() -> None:
    assert site().readers_agreed is False
    assert site(readers_agreed=True).readers_agreed
    assert site(readers_agreed=...).readers_agreed is False
