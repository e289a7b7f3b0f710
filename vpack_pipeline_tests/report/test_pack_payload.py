"""What a pack holds: aggregates only, disarmed, described, the same for the same inputs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml
from jsonschema import Draft202012Validator

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io import packs
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.packs.payload import to_csv
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline.pack_format.documents import CRATE
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, list_signers
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report.comparison import empty_comparison
from vpack_pipeline.report.expectations import expectations_page

HTML = b"<!doctype html>"
PDF = b"%PDF-1.7"
SIGNER = Pseudonyms(b"s" * 32, {}, None)


def payload(study, **changed) -> dict[str, bytes]:
    given = {
        "html": HTML,
        "summary": PDF,
        "asked": HTML,
        "comparison": empty_comparison(),
        "report": study.report,
        "protocol": study.protocol,
        "claim": study.claim,
        "tables": study.tables,
        "contracts": contracts.load(),
        "receipts": study.receipts,
        "site_id": "lakeside",
        "cut": study.cut,
    }
    return packs.pack_payload(**(given | changed))


@pytest.fixture(scope="module")
def made(study) -> dict[str, bytes]:
    return payload(study)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_exported_tables_travel_with_a_schema_and_row_level_tables_do_not(made):
    tables = {p.removeprefix("tables/").removesuffix(".csv") for p in made if p.endswith(".csv") and p.startswith("tables/")}  # fmt: skip
    expected = {
        a.replace("/", ".") for a, c in contracts.load().items() if c.export and c.section != "pack"
    }
    assert tables == expected
    assert all(f"tables/{t}.schema.json" in made for t in tables)
    row_level = {a.replace("/", ".") for a, c in contracts.load().items() if any(c.column(k).level == "row" for k in c.key)}  # fmt: skip
    assert {"cohort.files", "cohort.reads", "eligibility.included"} <= row_level
    assert not tables & row_level


def test_no_pseudonym_of_a_patient_or_case_travels(made, study):
    everything = b"".join(made.values())
    for table, column in (("eligibility/cases", "case_id"), ("eligibility/cases", "patient_id")):
        assert not any(v.encode() in everything for v in study.tables[table][column].unique())


def test_the_protocol_travels_whole_and_its_digest_is_that_of_the_file(made, study):
    assert Protocol.of_pack(made["protocol.yaml"], FORMAT) == study.protocol
    digest = hashlib.sha256(made["protocol.yaml"]).hexdigest()
    assert digest == study.protocol.digest
    assert json.loads(made["drift/plan.json"])["protocol_digest"] == digest


def test_the_checklist_travels_as_json(made):
    items = json.loads(made["claim.json"])["items"]
    assert [i["item"] for i in items] == list(range(1, 45))
    said = {"item", "status", "evidence", "basis", "title", "section"}
    assert set(items[0]) == said | {"attested", "reason", "notes", "detail"}


def test_what_codes_say_travels_and_every_schema_names_them(made):
    told = rows(made["codes.csv"])
    assert told == codes.table()
    reasons = [c["code"] for c in told if c["kind"] == "reason"]
    for name in ("evaluation.performance", "drift.limits", "drift.status"):
        schema = json.loads(made[f"tables/{name}.schema.json"])
        assert schema["properties"]["reason"]["enum"] == [*reasons, None]
        assert schema["properties"]["detail"]["contentMediaType"] == "application/json"
        row = dict.fromkeys(schema["properties"]) | {"reason": "of_nothing", "notes": "a, b"}
        found = {e.path[0] for e in Draft202012Validator(schema).iter_errors(row) if e.path}
        assert {"reason", "notes"} & set(schema["properties"]) <= found


def test_receipts_travel_without_secret_authentication_or_counts_of_row_level_tables(made):
    row_level = json.loads(made["gates/cohort.reads.receipt.json"])
    aggregate = json.loads(made["gates/evaluation.performance.receipt.json"])
    for receipt in (row_level, aggregate):
        assert not receipt.keys() & {"secret", "mac", "fingerprint", "quarantined"}
        assert receipt["outcome"] == "pass"
        assert receipt["table_digest"]
    assert "rows" not in row_level
    assert not row_level["checks"][0].keys() & {"element_count", "unexpected_count"}
    assert aggregate["checks"][0]["element_count"] == 7
    assert "gates/cohort.reads.contract.json" in made


def test_the_plan_travels_as_data(made):
    plan = json.loads(made["drift/plan.json"])
    assert len(plan["monitors"]) == len(plan["prespecified"]["monitors"])
    assert made["drift/baseline.csv"] == made["tables/drift.baseline.csv"]


def test_the_same_inputs_give_the_same_bytes(made, study):
    tables = dict(reversed(study.tables.items()))
    assert payload(study, tables=tables) == made


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_that_a_spreadsheet_would_run_is_disarmed(text):
    assert rows(to_csv(pl.DataFrame({"a": [text]})))[0]["a"] == f"'{text}".replace("\r", " ")


def test_numbers_keep_their_sign_and_every_digit():
    value = -0.1 + 1e-17
    assert float(rows(to_csv(pl.DataFrame({"a": [value]})))[0]["a"]) == value


def test_a_pack_of_this_payload_is_published_whole_and_agrees(page, tmp_path, study):
    asked = expectations_page(
        receipts=study.receipts, protocol=study.protocol, site=study.site, cut=study.cut
    )
    synthetic = [f"{s.part}: {s.note}" for s in study.site.synthetic]
    published = packs.publish(
        root_packs=tmp_path,
        site_id="lakeside",
        protocol_version="1.0",
        cut=study.cut,
        payload=payload(study, html=page.encode(), asked=asked, synthetic=synthetic),
        pseudonyms=SIGNER,
    )
    assert packs.verify(published.path) == []


def test_every_figure_of_the_page_travels_with_its_cell_and_no_other(page, study):
    told = rows(payload(study, html=page.encode())["figures.csv"])
    assert {f["anchor"] for f in told} == set(re.findall('data-anchor="([^"]*)"', page))
    assert len(told) > 1000
    known = {r["anchor"]: r for r in study.report.to_dicts()}
    assert all(f.items() <= known[f["anchor"]].items() for f in told)


def test_the_crate_has_what_its_profile_requires(made):
    """RO-Crate 1.1 and Process Run Crate 0.5, as far as they ask something of every crate."""
    crate = json.loads(made["ro-crate-metadata.json"])
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    assert set(crate["@context"][1]) == {"sha256"}
    entities = {e["@id"]: e for e in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    profile = "https://w3id.org/ro/wfrun/process/0.5"
    assert (root["@type"], root["conformsTo"]) == ("Dataset", {"@id": profile})
    assert entities[profile]["@type"] == "CreativeWork"
    assert root.keys() >= {"name", "description", "datePublished", "license", "author"}
    files = {e["@id"] for e in entities.values() if e["@type"] == "File"}
    assert files == made.keys() - {"ro-crate-metadata.json"}
    assert {part["@id"] for part in root["hasPart"]} == files
    actions = [e for e in entities.values() if e["@type"] == "CreateAction"]
    assert {a["@id"] for a in actions} == {part["@id"] for part in root["mentions"]}
    assert entities["#vpack"]["@type"] == "SoftwareApplication"
    for action in actions:
        assert action["instrument"] == {"@id": "#vpack"}
        assert entities[action["agent"]["@id"]]["@type"] == "Organization"
        assert action["result"]["@id"] in files
        assert {part["@id"] for part in action["object"]} <= files
        assert action.keys() >= {"name", "description", "endTime"}
    told = [v for e in entities.values() for v in e.values()]
    named = [v for v in told if isinstance(v, dict)] + [
        p for v in told if isinstance(v, list) for p in v
    ]
    assert {v["@id"] for v in named} <= entities.keys() | {"https://w3id.org/ro/crate/1.1"} | {
        "http://schema.org/CompletedActionStatus"
    }


def doubts(version: packs.Version) -> list[Problem]:
    return packs.problems(version.path, "lakeside", SIGNER)


def published_looks(root: Path, site_id: str, protocol: Protocol, cut: str | None = None):
    return packs.published_looks(root, site_id, protocol, cut, doubts=doubts)


def publish_look(tmp_path, study, **changed):
    return packs.publish(
        root_packs=tmp_path,
        site_id="lakeside",
        protocol_version="1.0",
        cut=study.cut,
        payload=payload(study, **changed),
        pseudonyms=SIGNER,
    )


def test_the_verdict_of_a_look_is_read_from_the_first_pack_published_at_it(tmp_path, study):
    first = publish_look(tmp_path, study)
    publish_look(tmp_path, study, html=b"another")
    looks = published_looks(tmp_path, "lakeside", study.protocol, "2026-09-01")
    assert looks["changed"].null_count() == looks.height
    shown = study.tables["evaluation/endpoints"].filter(
        (pl.col("look") == "2026-07-20") & pl.col("verdict").is_not_null()
    )
    assert set(looks["pack_version"]) == {first.version}
    assert dict(looks.select("endpoint", "verdict").iter_rows()) == dict(
        shown.select("endpoint", "verdict").iter_rows()
    )
    assert looks["estimate"].drop_nulls().is_in(shown["estimate"].to_list()).all()
    spent = ("endpoint", "alpha", "information", "information_share")
    assert looks.select(spent).rows() == shown.sort("endpoint").select(spent).rows()
    assert set(looks["alpha"]) == {0.025}


def test_before_the_look_there_is_nothing_to_quote(tmp_path, study):
    assert published_looks(tmp_path, "lakeside", study.protocol, "2026-07-20").height == 0
    publish_look(tmp_path, study)
    assert published_looks(tmp_path, "lakeside", study.protocol, "2026-07-19").height == 0


def with_evaluation(study, **changed) -> Protocol:
    evaluation = study.protocol.evaluation.model_copy(update=changed)
    return study.protocol.model_copy(update={"evaluation": evaluation})


def verdicts(root, protocol: Protocol) -> dict[str, tuple[str, list[str] | None]]:
    looks = published_looks(root, "lakeside", protocol)
    return {e: (v, c) for e, v, c in looks.select("endpoint", "verdict", "changed").iter_rows()}


def test_a_protocol_changed_since_in_what_all_verdicts_rest_on_voids_them_all(tmp_path, study):
    publish_look(tmp_path, study)
    sampling = study.protocol.sampling.model_copy(update={"method": "convenience"})
    other = study.protocol.model_copy(update={"sampling": sampling})
    looks = published_looks(tmp_path, "lakeside", other)
    assert set(looks["endpoint"]) == {e.id for e in study.protocol.evaluation.endpoints}
    assert set(looks["verdict"]) == {"void"}
    assert looks["changed"].to_list() == [["sampling"]] * looks.height
    assert looks["estimate"].null_count() == looks.height


def test_a_changed_goal_voids_its_own_endpoint_alone(tmp_path, study):
    publish_look(tmp_path, study)
    before = verdicts(tmp_path, study.protocol)
    first, *others = study.protocol.evaluation.endpoints
    lower = first.model_copy(update={"goal": 0.5})
    after = verdicts(tmp_path, with_evaluation(study, endpoints=(lower, *others)))
    assert after == before | {first.id: ("void", ["evaluation"])}
    assert before[first.id][1] is None


def test_words_and_their_order_void_nothing(tmp_path, study):
    publish_look(tmp_path, study)
    before = verdicts(tmp_path, study.protocol)
    worded = with_evaluation(
        study,
        endpoints=tuple(
            e.model_copy(update={"title": "Another", "estimand": "Another"})
            for e in reversed(study.protocol.evaluation.endpoints)
        ),
    )
    rules = tuple(
        r.model_copy(update={"title": "Another", "rationale": "Another"})
        for r in reversed(study.protocol.eligibility.rules)
    )
    eligibility = study.protocol.eligibility.model_copy(update={"rules": rules})
    about = study.protocol.about.model_copy(update={"title": "Another"})
    other = worded.model_copy(update={"eligibility": eligibility, "about": about})
    assert other.digest != study.protocol.digest
    assert verdicts(tmp_path, other) == before
    assert "void" not in {verdict for verdict, _ in before.values()}


def test_a_pack_from_before_a_field_was_there_is_read_at_its_default(tmp_path, study):
    made = payload(study)
    given = yaml.safe_load(made["protocol.yaml"])
    assert given["index_test"].pop("attempt") == "first_ok"
    made["protocol.yaml"] = yaml.safe_dump(given).encode()
    packs.publish(
        root_packs=tmp_path,
        site_id="lakeside",
        protocol_version="1.0",
        cut=study.cut,
        payload=made,
        pseudonyms=SIGNER,
    )
    assert all(c is None for _, c in verdicts(tmp_path, study.protocol).values())
    last = study.protocol.index_test.model_copy(update={"attempt": "last"})
    other = study.protocol.model_copy(update={"index_test": last})
    assert all(v == ("void", ["index_test"]) for v in verdicts(tmp_path, other).values())


def test_a_pack_whose_protocol_cannot_be_read_is_refused(tmp_path, study):
    made = payload(study) | {"protocol.yaml": b"id: a\n"}
    packs.publish(
        root_packs=tmp_path,
        site_id="lakeside",
        protocol_version="1.0",
        cut=study.cut,
        payload=made,
        pseudonyms=SIGNER,
    )
    with pytest.raises(VerificationError, match=r"protocol\.yaml: its protocol is not one"):
        published_looks(tmp_path, "lakeside", study.protocol)


def test_an_endpoint_added_after_the_look_does_not_have_it_to_itself(tmp_path, study):
    publish_look(tmp_path, study)
    before = verdicts(tmp_path, study.protocol)
    known = study.protocol.evaluation.endpoints
    added = known[0].model_copy(update={"id": "added_later"})
    after = verdicts(tmp_path, with_evaluation(study, endpoints=(*known, added)))
    assert after == before | {"added_later": ("void", ["evaluation"])}


def test_an_endpoint_of_the_retrospective_window_has_no_look(tmp_path, study):
    publish_look(tmp_path, study)
    known = study.protocol.evaluation.endpoints
    early = known[0].model_copy(update={"id": "early", "window": "retrospective"})
    after = verdicts(tmp_path, with_evaluation(study, endpoints=(*known, early)))
    assert after == verdicts(tmp_path, study.protocol)


def test_an_altered_pack_of_a_look_is_refused(tmp_path, study):
    path = publish_look(tmp_path, study).path / "data/tables/evaluation.endpoints.csv"
    path.chmod(0o644)
    path.write_text(path.read_text().replace("not_met", "met"))
    with pytest.raises(VerificationError, match="was changed"):
        published_looks(tmp_path, "lakeside", study.protocol)


def test_what_is_synthetic_is_said_beside_the_report_too(study, made):
    said = ["scores: made by a seed"]
    labelled = payload(study, synthetic=said)
    for name in ("claim.json", "drift/plan.json"):
        assert json.loads(labelled[name])["synthetic"] == said
        assert "synthetic" not in json.loads(made[name])


def test_signers_travel_where_the_site_names_some(study, made):
    assert SIGNERS not in made
    named = [Signer("builder", "SHA256:" + "A" * 43)]
    signed = payload(study, signers=named)
    # The crate lists every file.
    assert signed == {**made, SIGNERS: list_signers(named), CRATE: signed[CRATE]}
