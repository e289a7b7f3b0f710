"""The committed documents of the demonstration sites are valid and say what they have to say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.demo_sites.broken_files import BROKEN as BROKEN_FILES
from examples.demo_sites.broken_rows import BROKEN as BROKEN_ROWS
from examples.demo_sites.images import _ASIDE
from examples.demo_sites.plan import Plan
from examples.demo_sites.sites import REPOSITORY
from vpack_pipeline.attestation import MAY_NOT_APPLY, PROTOCOL_ITEMS, SITE_ITEMS, not_attested
from vpack_pipeline.io.dicom import outcomes
from vpack_pipeline.io.forms import REASONS, form_problems
from vpack_pipeline.protocol import About, Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model

DATA = REPOSITORY / "data"
SITES = ("lidc", "lakeside")


def site(name: str) -> Site:
    return read_model(DATA / "sites" / name / "site.yaml", Site)


def protocol_of(name: str) -> Protocol:
    identifier, _, version = site(name).protocol.partition("@")
    return read_model(DATA / "protocols" / f"{identifier}-{version}.yaml", Protocol)


def plan() -> Plan:
    return read_model(DATA / "sites" / "lakeside" / "planted.yaml", Plan)


@pytest.mark.parametrize("path", sorted((DATA / "protocols").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_protocol_is_valid_and_named_by_its_file(path: Path) -> None:
    found = read_model(path, Protocol)
    assert path.stem == f"{found.id}-{found.version}"


@pytest.mark.parametrize("name", SITES)
def test_each_form_of_a_site_fits_its_protocol(name: str) -> None:
    for kind, form in site(name).inputs.items():
        assert form_problems(kind, form, protocol_of(name)) == []


def test_the_two_sites_follow_different_protocols() -> None:
    assert protocol_of("lidc").digest != protocol_of("lakeside").digest


@pytest.mark.parametrize("name", SITES)
def test_each_text_of_about_is_filled_or_declared_not_to_apply(name: str) -> None:
    about = protocol_of(name).about
    empty = {field for field in About.model_fields if not getattr(about, field)}
    lacking = {MAY_NOT_APPLY[item] for one in about.not_applicable for item in one.items}
    assert empty == lacking


@pytest.mark.parametrize(("name", "open_items"), [("lakeside", []), ("lidc", [17])])
def test_each_item_is_attested_but_what_nobody_here_saw(name: str, open_items: list[int]) -> None:
    assert not_attested(protocol_of(name).about.attested, PROTOCOL_ITEMS) == []
    assert not_attested(site(name).attested, SITE_ITEMS) == open_items


@pytest.mark.parametrize("name", SITES)
def test_each_secret_is_long_enough_and_says_that_it_is_public(name: str) -> None:
    found = site(name)
    secret = (REPOSITORY / found.secret).read_bytes()
    assert found.published_secret
    assert len(secret) >= 32
    assert b"PUBLISHED DEMO SECRET" in secret


def test_lidc_labels_each_synthetic_part_and_names_its_sources() -> None:
    found = site("lidc")
    assert {s.part for s in found.synthetic} >= {"scores", "roster", "timestamps", "image pixels"}
    assert any("CC BY 3.0" in text for text in found.attribution)


def test_lakeside_says_that_everything_is_synthetic() -> None:
    assert [s.part for s in site("lakeside").synthetic] == ["everything"]


@pytest.mark.parametrize("name", SITES)
def test_no_text_of_a_protocol_or_site_claims_what_it_must_not(name: str) -> None:
    forbidden = re.compile(
        r"(FDA|CE)[- ]?(approved|cleared|marked)|HIPAA[- ]compliant|GxP[- ]compliant"
        r"|clinically proven|regulatory[- ]grade|guarantee",
        re.IGNORECASE,
    )
    texts = (site(name).model_dump_json(), protocol_of(name).model_dump_json())
    assert [forbidden.search(text) for text in texts] == [None, None]


def test_the_monitors_cover_every_layer_that_needs_no_later_truth() -> None:
    layers = {m.layer for m in protocol_of("lakeside").drift.monitors}
    assert layers == {"input", "acquisition", "population", "output", "proxy", "operations"}


def test_windows_and_rule_of_the_plan_are_those_of_the_protocol() -> None:
    made, prespecified = plan(), protocol_of("lakeside")
    assert made.windows.retrospective == prespecified.evaluation.retrospective
    assert made.windows.prospective == prespecified.evaluation.prospective
    assert made.windows.prospective.start < made.replacement.on < made.windows.prospective.end
    assert made.flattering_rule in {r.id for r in prespecified.eligibility.rules}
    assert set(made.model) == {m.id for m in prespecified.index_test.models}
    assert set(made.verdicts) == {e.id for e in prespecified.evaluation.endpoints}
    assert {"met", "not_met", "inconclusive"} == set(made.verdicts.values())
    assert [look.cut for look in prespecified.evaluation.looks] == [made.deliveries.closed[-1]]


def test_each_planted_fault_has_a_maker_and_a_code_that_exists() -> None:
    made = plan()
    assert made.files.keys() - BROKEN_FILES.keys() == {"conflicting_twin"}
    assert made.rows.keys() == BROKEN_ROWS.keys()
    assert made.set_aside.keys() == _ASIDE.keys()
    assert {f.reason for f in made.files.values()} <= outcomes.REASONS.keys()
    assert {f.reason for f in made.rows.values()} <= REASONS.keys()
    assert {f.detail for f in made.set_aside.values()} <= outcomes.SET_ASIDE_KINDS.keys()
    assert len(made.files) + len(made.rows) >= 20
    assert made.files["conflicting_twin"].n == 2 * made.headers.sop_conflict
