"""A third protocol through every table: an output of five steps, a sample enriched by label, two
findings, two looks and Holm's rule.

The tiny site is made over into it. What its figures are is other tests' subject: here every table
is made and passes its gate, and what the design forbids is not given.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.sampling import standing
from vpack_pipeline.study import load
from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.pipeline import bench

FIRST_LOOK, LAST_LOOK = "2026-04-10.2", bench.LOOK
SECOND = "effusion"
STEPS = (0.05, 0.12, 0.3, 0.6)
"""Probabilities from which on an output is 2, 3, 4 and 5."""
ENRICHED = {
    "method": "random",
    "depends_on": ["label"],
    "finding": "nodule_or_mass",
    "strata": [{"name": "ill", "fraction": 1.0}, {"name": "well", "fraction": 0.5}],
    "note": "Half of the examinations without a pathologist's word were drawn.",
}


def make(root: Path) -> None:
    """Make the tiny site over, and build it at both looks."""
    bench.make_root(root)
    bench.edit(root / bench.PROTOCOL, _protocol)
    bench.edit(root / "data" / "sites" / bench.SITE / "site.yaml", _site)
    for folder in sorted((root / "data" / "demo" / bench.SITE / "deliveries").iterdir()):
        _deliveries(folder)
    for cut in (FIRST_LOOK, LAST_LOOK):
        bench.build(root, cut)


def _protocol(given: dict[str, Any]) -> None:
    given["index_test"]["output"] = {"kind": "ordinal", "minimum": 1.0, "maximum": 5.0}
    (first,) = given["findings"]
    second = {**copy.deepcopy(first), "name": SECOND, "title": "Pleural effusion"}
    given["findings"].append(second)
    given["sampling"] = copy.deepcopy(ENRICHED)
    evaluation = given["evaluation"]
    (point,) = evaluation["operating_points"]
    point["threshold"] = 3.0
    other = {"name": "effusion_triage", "finding": SECOND, "title": "Effusion"}
    evaluation["operating_points"] = [point, {**copy.deepcopy(point), **other}]
    evaluation["looks"] = [{"cut": FIRST_LOOK.partition(".")[0]}, {"cut": LAST_LOOK}]
    evaluation["several_endpoints"] = "holm"
    primary = [e for e in evaluation["endpoints"] if e["rank"] == "primary"]
    planned = {"auc": {"positives": 40, "negatives": 160}, "sensitivity": {"positives": 40}}
    for endpoint in primary:
        endpoint["goal"] = 0.7
        endpoint["information_max"] = planned.get(endpoint["metric"], {"negatives": 160})
    evaluation["endpoints"] = primary


def _site(given: dict[str, Any]) -> None:
    inputs = given["inputs"]
    inputs["cases"]["columns"]["stratum"] = "Stratum"
    inputs["reads"]["wide"]["findings"][SECOND] = "Effusion"


def _deliveries(folder: Path) -> None:
    """Add a stratum and a second finding, and turn scores into steps."""
    if (folder / "cases.csv").is_file():
        ill = set()
        for path in sorted(folder.parent.glob("*/befunde.csv")):
            rows = path.read_text(encoding="cp1252").splitlines()[1:]
            ill |= {row.split(";")[0] for row in rows if row.split(";")[2] == "bösartig"}
        cases = _csv(folder / "cases.csv")
        is_ill = pl.col("Case No").is_in(sorted(ill))
        stratum = pl.when(is_ill).then(pl.lit("ill")).otherwise(pl.lit("well"))
        cases.with_columns(stratum.alias("Stratum")).write_csv(folder / "cases.csv")
    if (folder / "reads.csv").is_file():
        reads = _csv(folder / "reads.csv")
        reads.with_columns(pl.col("Nodule or mass").alias("Effusion")).write_csv(
            folder / "reads.csv"
        )
    path = folder / "predictions.parquet"
    if path.is_file():
        made = pl.read_parquet(path)
        score = pl.col("score")
        step = pl.sum_horizontal((score >= at).cast(pl.Float64) for at in STEPS) + 1
        made = made.with_columns(pl.when(score.is_not_null()).then(step).alias("score"))
        pl.concat([made, made.with_columns(finding=pl.lit(SECOND))]).write_parquet(path)


def _csv(path: Path) -> pl.DataFrame:
    """Read every field as text; the planted rows with too many lose what is too much."""
    return pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "ordinal_enriched", make)


def table(root: Path, asset: str) -> pl.DataFrame:
    return pl.read_parquet(bench.table_path(root, asset, LAST_LOOK))


def test_every_table_is_made_and_passes_its_gate(root: Path) -> None:
    at = bench.bench(root, bench.SITE, LAST_LOOK)
    for asset in contracts.load():
        receipt = at.receipt(asset)
        assert receipt is not None, asset
        assert receipt.passed, asset


def test_no_figure_is_given_that_the_draw_forbids(root: Path) -> None:
    study = load(root, bench.SITE)
    seen = 0
    for asset, contract in contracts.load().items():
        if contract.shape != "figure" or contract.section != "evaluation":
            continue
        frame = table(root, asset)
        given = frame.filter(pl.col("status") == "given")
        assert not given["estimate"].is_nan().any(), asset
        for row in given.iter_rows(named=True):
            assert math.isfinite(row["estimate"])
            finding = row.get("finding")
            if finding is None or row["method"] == "count":
                continue
            found = standing(study.protocol.sampling, condition_of(row["metric"]), finding)
            assert found != "refused", (asset, row["metric"])
            seen += 1
    assert seen > 500


def test_both_findings_and_both_looks_have_their_rows(root: Path) -> None:
    points = table(root, "evaluation/operating_points")
    assert set(points["finding"]) == {"nodule_or_mass", SECOND}
    endpoints = table(root, "evaluation/endpoints")
    looks = set(endpoints["look"]) & {FIRST_LOOK.partition(".")[0], LAST_LOOK}
    assert len(looks) == 2
    overall = table(root, "evaluation/overall_verdict")
    assert overall["verdict"].to_list() in (["met"], ["not_met"], ["not_shown"])
