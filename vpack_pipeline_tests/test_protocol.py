"""The protocol refuses what contradicts itself, and its digest changes with every word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from documents import data_of, protocol, put
from pydantic import ValidationError

from vpack_pipeline.protocol import Protocol, digest_of
from vpack_pipeline.strict_yaml import read_model

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
        ("sampling.strata", [{"name": "a", "fraction": 0.0}], "greater than 0"),
        ("representativeness.variables.0.edges", [], "needs edges"),
        ("representativeness.variables.0.edges", [65.0, 40.0], "edges must rise"),
        ("representativeness.variables.1.levels", [], "needs levels"),
        ("adjudication.precedence", [], "at least 1"),
        ("adjudication.quorum", 0, "greater than or equal to 1"),
        ("evaluation.prospective.start", "2025-12-31", "must start after the retrospective"),
        ("evaluation.prospective.end", "2025-01-01", "ends before it starts"),
        ("evaluation.looks", [], "at least 1"),
        ("evaluation.looks.0.alpha", 0.06, "more alpha than the interval level leaves"),
        ("evaluation.endpoints.0.goal", ..., "an absolute endpoint needs a goal"),
        ("evaluation.endpoints.0.operating_point", ..., "sensitivity needs an operating_point"),
        ("evaluation.maturity", {"hearsay": 3}, "panel"),
        ("evaluation.replicates", 10, "greater than or equal to 200"),
        ("drift.monitors.0.name", "scanner", "monitor names repeat"),
        ("drift.monitors", [], "at least 1"),
        ("drift.minimum_detectable_change", 0.0, "greater than 0"),
        ("disclosure.smallest_cell", 0, "greater than or equal to 1"),
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
    looks = [{"cut": "2027-03-01", "alpha": 0.02}, {"cut": "2027-03-01", "alpha": 0.02}]
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


def test_a_protocol_cannot_be_changed_once_read() -> None:
    made = protocol()
    with pytest.raises(ValidationError, match="frozen"):
        made.id = "other"  # type: ignore[misc]
