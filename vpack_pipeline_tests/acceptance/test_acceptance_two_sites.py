"""A failing model is published as failing, and two sites of one protocol compare line by line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.cli import main
from vpack_pipeline.io.packs import verify
from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.site_bench import Packed, packed_once

FIXED_BY_PROTOCOL = [
    asset
    for asset, contract in contracts.load().items()
    if contract.export
    and asset.partition("/")[0] in {"adjudication", "evaluation", "drift"}
    and contract.rows_vary is None
    # One row a reader; bins and windows as the site's own data fall.
    and asset not in {"adjudication/reader_performance", "drift/baseline"}
]


@pytest.fixture(scope="session")
def hillcrest(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return packed_once(tmp_path_factory, small_root, "hillcrest")


def test_a_model_that_fails_every_endpoint_is_published_as_the_latest(hillcrest: Packed) -> None:
    endpoints = hillcrest.built.table("evaluation/endpoints").filter("is_headline")
    assert set(endpoints["verdict"]) == {"not_met"}
    assert endpoints.height == 4
    assert verify(hillcrest.path) == []
    latest = hillcrest.built.root / "data" / "packs" / "hillcrest" / "latest"
    assert latest.resolve() == hillcrest.path


def test_its_report_says_so_at_each_endpoint(hillcrest: Packed) -> None:
    page = hillcrest.performance
    table = page[page.index("Endpoints and verdicts") :]
    table = table[: table.index("Primary endpoints together")]
    assert table.count("not met") == 4
    assert " met " not in table.replace("not met", "")
    for endpoint in hillcrest.built.bench.study.protocol.evaluation.endpoints:
        assert endpoint.title in table


def test_both_sites_carry_the_same_protocol(
    lakeside: Lakeside, riverside_pack: Packed, hillcrest: Packed
) -> None:
    digests = {
        built.bench.study.protocol.digest
        for built in (lakeside.at_look, riverside_pack.built, hillcrest.built)
    }
    assert len(digests) == 1
    protocols = {(p.data / "protocol.yaml").read_bytes() for p in (riverside_pack, hillcrest)}
    assert len(protocols) == 1


def test_two_packs_of_one_protocol_hold_the_same_files(
    riverside_pack: Packed, hillcrest: Packed
) -> None:
    names = [
        sorted(str(p.relative_to(pack.data)) for p in pack.data.rglob("*") if p.is_file())
        for pack in (riverside_pack, hillcrest)
    ]
    assert names[0] == names[1]


def test_two_packs_of_one_protocol_have_the_same_tables_and_columns(
    riverside_pack: Packed, hillcrest: Packed
) -> None:
    tables = sorted(p.name for p in (riverside_pack.data / "tables").glob("*.csv"))
    assert len(tables) >= 18
    for name in tables:
        headers = {
            (pack.data / "tables" / name).read_text("utf-8").split("\n", 1)[0]
            for pack in (riverside_pack, hillcrest)
        }
        assert len(headers) == 1, name


def fixed(keys: pl.DataFrame) -> pl.DataFrame:
    """Leave out what the site's own readers make: pairs of them, and the panel without each."""
    if "variation" in keys.columns:
        return keys.filter(pl.col("variation") != "drop_reader")
    if "stratum_kind" not in keys.columns:
        return keys
    return keys.filter(~pl.col("stratum_kind").is_in(["reader_pair", "without_reader"]))


@pytest.mark.parametrize("asset", FIXED_BY_PROTOCOL)
def test_rows_of_a_protocol_fixed_table_are_the_same_at_every_site(
    lakeside: Lakeside, riverside_pack: Packed, hillcrest: Packed, asset: str
) -> None:
    key = contracts.load()[asset].key
    rows = [
        fixed(built.table(asset).select(key)).rows()
        for built in (lakeside.at_look, riverside_pack.built, hillcrest.built)
    ]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]


def test_only_the_numbers_differ(riverside_pack: Packed, hillcrest: Packed) -> None:
    one, other = (p.built.table("evaluation/operating_points") for p in (riverside_pack, hillcrest))
    assert not one.equals(other)
    keys = list(contracts.load()["evaluation/operating_points"].key)
    assert one.select(keys).equals(other.select(keys))


def test_both_packs_answer_the_same_items_of_the_checklist(
    riverside_pack: Packed, hillcrest: Packed
) -> None:
    items = [
        [i["item"] for i in json.loads((p.data / "claim.json").read_text("utf-8"))["items"]]
        for p in (riverside_pack, hillcrest)
    ]
    assert items[0] == items[1] == list(range(1, 45))


def test_what_the_page_links_to_lies_beside_it_and_the_printed_digest_is_that_files(
    riverside_pack: Packed,
) -> None:
    for beside in ("gates", "protocol.yaml", "tables"):
        assert (riverside_pack.data / beside).exists()
    protocol = (riverside_pack.data / "protocol.yaml").read_bytes()
    assert hashlib.sha256(protocol).hexdigest() in riverside_pack.words


def test_the_two_models_are_told_apart(riverside_pack: Packed, hillcrest: Packed) -> None:
    def auc(pack: Packed) -> float:
        row = pack.built.figure(
            "evaluation/performance", model_id="nodule-2", window="prospective", metric="auc"
        )
        return float(str(row["estimate"]))

    assert auc(hillcrest) < 0.5
    assert auc(riverside_pack) > 0.8


def test_the_difference_of_two_sites_has_intervals_and_no_cause_is_attributed(
    riverside_pack: Packed, hillcrest: Packed, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["diff", str(riverside_pack.path), str(hillcrest.path), "--json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["differ"] == ["data", "readers"]
    assert {causes["attributed"] for causes in told["causes"].values()} == {None}
    verdicts = {v["name"]: v for v in told["verdicts"] if v["kind"] == "endpoint"}
    assert {v["b"] for v in verdicts.values()} == {"not_met"}
    figures = {(f["metric"], f["window"]): f for f in told["figures"]}
    for metric in ("sensitivity", "specificity", "auc"):
        # The model at this site was planted to fail after the lock alone.
        assert figures[metric, "prospective"]["difference"]["upper"] < 0
        before = figures[metric, "retrospective"]["difference"]
        assert before["lower"] < 0 < before["upper"]
