"""The protocol refuses what contradicts itself, and its digest changes with every word."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from documents import data_of, protocol, put, text_of
from pydantic import ValidationError

from vpack_pipeline.document import digest_of
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.old_names import OldName
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.protocol.travelling import MIGRATIONS, from_yaml, to_yaml
from vpack_pipeline.strict_yaml import read_model, validate

SHIPPED = sorted((Path(__file__).parents[1] / "data/protocols").glob("*.yaml"))


def refused(path: str, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Protocol.model_validate(put(data_of("protocol.yaml"), path, value))
    return str(caught.value)


def test_the_starter_protocol_is_valid() -> None:
    assert protocol().reference == "starter@0.1"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_protocols_are_valid_and_named_as_they_say(path: Path) -> None:
    made = read_model(path, Protocol)
    assert path.stem == made.reference.replace("@", "-")


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("id", "Upper", "pattern"),
        ("id", "../x", "pattern"),
        ("id", "x\n", "pattern"),
        ("version", "v1", "pattern"),
        ("about.registered_at", "2026-01-01T00:00:00", "needs its zone"),
        ("about.limitations", [], "at least 1"),
        ("about.title", "   ", "at least 1"),
        ("about.evidence_kind", "hearsay", "retrospective"),
        ("index_test.output.maximum", 0.0, "maximum must exceed minimum"),
        ("index_test.output.maximum", 2.0, "a probability lies within 0 and 1"),
        ("index_test.models.0.primary", False, "exactly one model is primary"),
        ("index_test.models.0.digest", "sha256:xyz", "pattern"),
        ("index_test.failed_counts_as", ..., "Field required"),
        ("findings.0.positive_from", 3.0, "positive_from is not a category"),
        ("findings.0.indeterminate", [7.0], "an indeterminate rating is not a category"),
        ("findings.0.name", "Not a name", "pattern"),
        ("eligibility.rules.0.if_unknown", ..., "Field required"),
        ("eligibility.rules.0.if_unknown", "keep", "include"),
        ("eligibility.rules.0.id", "not_in_development", "rule ids repeat"),
        ("sampling.strata", [{"name": "a", "fraction": -0.1}], "greater than or equal to 0"),
        ("sampling.strata", [{"name": "a", "fraction": 1.5}], "less than or equal to 1"),
        ("sampling.strata", [{"name": "a"}, {"name": "a"}], "declared twice: a"),
        ("representativeness.variables.0.edges", [], "needs edges"),
        ("representativeness.variables.0.edges", [65.0, 40.0], "edges must rise"),
        ("representativeness.variables.1.levels", [], "needs levels"),
        ("adjudication.precedence", [], "at least 1"),
        ("adjudication.quorum", 0, "greater than or equal to 1"),
        ("evaluation.prospective.start", "2025-12-31", "must start after the retrospective"),
        ("evaluation.prospective.end", "2025-01-01", "ends before it starts"),
        ("evaluation.looks", [], "at least 1"),
        ("evaluation.alpha", 1.2, "less than 0.5"),
        ("evaluation.alpha", 0.5, "less than 0.5"),
        ("evaluation.alpha", 0.0, "greater than 0"),
        ("evaluation.looks.0.information", 1.1, "less than or equal to 1"),
        ("evaluation.minimum_patients", 1, "greater than or equal to 2"),
        (
            "evaluation.several_endpoints",
            "hochberg",
            "'all_must_be_met', 'fixed_sequence' or 'holm'",
        ),
        ("evaluation.endpoints.0.goal", ..., "an absolute endpoint needs a goal"),
        ("evaluation.endpoints.0.operating_point", ..., "sensitivity needs an operating_point"),
        ("evaluation.endpoints.0.subgroup", "men", "Extra inputs are not permitted"),
        ("evaluation.maturity", {"hearsay": 3}, "panel"),
        ("evaluation.replicates", 10, "greater than or equal to 200"),
        ("drift.monitors.0.name", "scanner", "monitor names repeat"),
        ("drift.monitors", [], "at least 1"),
        ("drift.minimum_detectable_change", 0.0, "greater than 0"),
        ("disclosure.smallest_group", 4, "greater than or equal to 5"),
        ("disclosure.smallest_group", 10**6, "less than or equal to 1000"),
        ("representativeness.joint", [["sex"]], "at least 2"),
        ("representativeness.joint", [["sex", "sex"]], "declared twice: sex"),
        ("representativeness.joint", [["a", "b"], ["b", "a"]], "declared twice: a b"),
        ("disclosure.technical", ["kvp", "kvp"], "declared twice: kvp"),
        ("disclosure.date_granularity", "week", "'day', 'month', 'quarter' or 'year'"),
        ("surplus", 1, "Extra inputs are not permitted"),
    ],
)
def test_what_contradicts_itself_is_refused(path: str, value: Any, what: str) -> None:
    assert what in refused(path, value)


def test_categories_must_rise() -> None:
    falling = [{"value": 1.0, "label": "a"}, {"value": 0.0, "label": "b"}]
    assert "categories must rise" in refused("findings.0.categories", falling)


def test_model_ids_and_operating_points_and_looks_do_not_repeat() -> None:
    data = data_of("protocol.yaml")
    twin = {**data["index_test"]["models"][0], "primary": False}
    data["index_test"]["models"].append(twin)
    point = data["evaluation"]["operating_points"][0]
    data["evaluation"]["operating_points"].append(dict(point))
    with pytest.raises(ValidationError) as caught:
        Protocol.model_validate(data)
    assert "model ids repeat" in str(caught.value)
    assert "operating point names repeat" in str(caught.value)
    for second in ("2027-03-01", "2027-02-01"):
        looks = [{"cut": "2027-03-01"}, {"cut": second}]
        assert "looks must rise" in refused("evaluation.looks", looks)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "non-inferiority needs margin and margin_rationale"),
        ({"margin": 0.05}, "non-inferiority needs margin and margin_rationale"),
        (
            {"margin": 0.05, "margin_rationale": "why", "rank": "primary"},
            "the primary claim is against an absolute goal",
        ),
    ],
)
def test_non_inferiority_has_no_default_margin_and_is_never_primary(
    changes: dict[str, Any], what: str
) -> None:
    endpoint = data_of("protocol.yaml")["evaluation"]["endpoints"][0]
    given = {**endpoint, "comparison": "non_inferiority", "rank": "secondary", **changes}
    assert what in refused("evaluation.endpoints", [given])


def test_the_primary_model_is_found() -> None:
    test = protocol().index_test
    assert test.primary.id == "model-1"
    assert test.model_ids == ("model-1",)


def test_rules_travel_to_sql_as_json_in_order() -> None:
    text = protocol().eligibility.rules_json
    assert text.index('"adult"') < text.index('"not_in_development"')


def test_the_digest_depends_on_content_and_not_on_the_order_of_keys() -> None:
    data = data_of("protocol.yaml")
    turned = Protocol.model_validate(dict(reversed(list(data.items()))))
    assert turned.digest == protocol().digest
    assert protocol(about__title="another").digest != protocol().digest
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})


def test_the_digest_is_the_sha256_of_the_file_that_travels() -> None:
    made = protocol()
    assert made.digest == hashlib.sha256(made.as_travels).hexdigest()
    again = made.model_copy(update={"version": "9.9"})
    assert again.digest == hashlib.sha256(again.as_travels).hexdigest() != made.digest


def test_what_travels_is_read_back_as_the_same_protocol() -> None:
    made = protocol(about__title="yes: 1e5, \u00e9 and a colon")
    assert Protocol.of_pack(made.as_travels, 1) == made
    assert Protocol.of_pack(made.as_travels, 2).as_travels == made.as_travels


def test_a_field_that_came_later_is_read_at_its_default() -> None:
    data = protocol().model_dump(mode="json")
    for block, name in (("index_test", "attempt"), ("adjudication", "vote")):
        del data[block][name]
    del data["disclosure"]
    assert Protocol.of_pack(to_yaml(data), 1) == protocol()


def test_the_earliest_packs_asked_for_no_share_of_labels() -> None:
    data = protocol().model_dump(mode="json")
    del data["adjudication"]["labelled_minimum"]
    read = {n: Protocol.of_pack(to_yaml(data), n).adjudication.labelled_minimum for n in (1, 2)}
    assert read == {1: 0.0, 2: 0.8}
    assert set(MIGRATIONS) == {1, 2, 4}


def test_migrations_are_applied_in_order_from_the_format_of_the_pack() -> None:
    known = {
        2: lambda data: data["done"].append("3"),
        1: lambda data: data["done"].append("2"),
    }

    def done(pack_format: int) -> list[str]:
        made: list[str] = from_yaml(b"done: []\n", pack_format, migrations=known)["done"]
        return made

    assert [done(1), done(2), done(3)] == [["2", "3"], ["3"], []]


def test_an_old_name_is_read_as_the_new_one_in_a_pack() -> None:
    old = [OldName(("disclosure", "fewest"), "smallest_group")]
    assert from_yaml(b"disclosure: {fewest: 5}", 1, old_names=old) == {
        "disclosure": {"smallest_group": 5},
    }


@pytest.mark.parametrize(("cell", "group"), [(1, 5), (4, 5), (5, 5), (20, 20)])
def test_a_smallest_cell_is_read_as_the_smallest_group_in_a_pack(cell: int, group: int) -> None:
    data = data_of("protocol.yaml")
    data["disclosure"] = {"smallest_cell": cell}
    then = [Protocol.of_pack(to_yaml(data), pack_format) for pack_format in (1, 2)]
    assert [p.disclosure.smallest_group for p in then] == [group, group]
    data["disclosure"] = {}
    assert Protocol.of_pack(to_yaml(data), 1).disclosure.smallest_group == 11


def test_a_smallest_cell_is_refused_in_a_protocol_with_its_new_name() -> None:
    text = text_of("protocol.yaml").replace("  smallest_group: 11", "  smallest_cell: 11")
    with pytest.raises(DocumentError, match="it is called 'smallest_group' now") as caught:
        validate(text, "protocol.yaml", Protocol)
    assert len(caught.value.problems) == 1


def test_amendments_stand_in_order_and_after_the_protocol() -> None:
    fixed = protocol().about.registered_at.date()

    def amended(*days: int) -> list[dict[str, Any]]:
        dates = [fixed + timedelta(days=n) for n in days]
        return [{"date": str(d), "what": "A.", "why": "B.", "seen": "Nothing."} for d in dates]

    assert len(protocol(amendments=amended(0, 5, 5)).amendments) == 3
    assert "amendments stand oldest first" in refused("amendments", amended(5, 4))
    assert "is older than the protocol, fixed" in refused("amendments", amended(-1, 4))
    for name in ("what", "why", "seen", "date"):
        (one,) = amended(1)
        del one[name]
        assert "Field required" in refused("amendments", [one])


@pytest.mark.parametrize("text", [b"[1, 2]", b"a: [", b"\xff\xfe\x00", b"id: a\n"])
def test_what_is_no_protocol_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"protocol|Field required"):
        Protocol.of_pack(text, 1)


def test_a_protocol_cannot_be_changed_once_read() -> None:
    made = protocol()
    with pytest.raises(ValidationError, match="frozen"):
        made.id = "other"  # type: ignore[misc]
