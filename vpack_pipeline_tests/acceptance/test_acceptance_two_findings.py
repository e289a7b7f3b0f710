"""A study of two findings: each has its own figures, and neither moves the other's."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.io.packs import verify
from vpack_pipeline_tests.acceptance.conftest import PackOf
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, Packed, at_cut, copy_site
from vpack_pipeline_tests.once import once

FIRST, SECOND = "nodule_or_mass", "effusion"
FINDING: Final = """findings:
  - name: effusion
    title: Pleural effusion
    categories:
      - {value: 0.0, label: absent}
      - {value: 2.0, label: present}
    positive_from: 2.0
"""
POINT: Final = """  operating_points:
    - name: effusion_triage
      title: Locked threshold for effusions
      finding: effusion
      model: nodule-2
      threshold: 0.5
      fixed_at: 2025-06-20T09:00:00Z
      primary: true
"""
ENDPOINT: Final = """  endpoints:
    - id: effusion_sensitivity
      title: Sensitivity for effusions
      estimand: Included, mature, reference-positive cases of the prospective window.
      metric: sensitivity
      finding: effusion
      window: prospective
      operating_point: effusion_triage
      rank: secondary
      goal: 0.5
"""


def _draw(*names: str) -> float:
    """Give a number in [0, 1) that its names decide."""
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:4], "big") / 2**32


def _has(case: str) -> bool:
    return _draw("truth", case) < 0.4


def _read(case: str, reader: str) -> str:
    is_wrong = _draw("read", case, reader) < 0.12
    return "present" if _has(case) != is_wrong else "absent"


def add_finding(copied: Copied) -> None:
    protocol = copied.root / "data" / "protocols" / "cxr-triage-1.0.yaml"
    copied.edit(protocol, "findings:\n", FINDING)
    copied.edit(protocol, "  operating_points:\n", POINT)
    copied.edit(protocol, "  endpoints:\n", ENDPOINT)
    both = "findings: {nodule_or_mass: Nodule or mass, effusion: Effusion}"
    copied.edit(copied.site_yaml, "findings: {nodule_or_mass: Nodule or mass}", both)
    for folder in sorted((copied.data / "deliveries").iterdir()):
        if (folder / "reads.csv").exists():
            text = (folder / "reads.csv").read_text("utf-8")
            table = list(csv.reader(io.StringIO(text, newline="")))
            made = io.StringIO(newline="")
            writer = csv.writer(made, lineterminator="\n")
            writer.writerow([*table[0], "Effusion"])
            writer.writerows([*row, _read(row[1], row[0])] for row in table[1:])
            (folder / "reads.csv").write_text(made.getvalue(), "utf-8")
        if (folder / "predictions.parquet").exists():
            _score(folder / "predictions.parquet")


def _score(path: Path) -> None:
    known = pl.read_parquet(path)
    cases = known.filter(pl.col("model_id") == "nodule-2")
    scores = [0.6 * _draw("score", c) + 0.4 * _has(c) for c in cases["case_id"]]
    more = cases.with_columns(
        pl.lit(SECOND).alias("finding"),
        pl.Series("score", scores, pl.Float64),
        pl.lit("ok").alias("status"),
    )
    pl.concat([known, more]).write_parquet(path)


def prepare(copied: Copied) -> None:
    """Leave whole rows of reads only: what is ragged cannot be given a second finding."""
    copied.without_broken_files()
    for folder in sorted((copied.data / "deliveries").iterdir()):
        if (folder / "reads.csv").exists():
            copied.rows(folder / "reads.csv", lambda rows: rows)


@pytest.fixture
def alone(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The tables of the first finding alone."""

    def make(root: Path) -> None:
        copied = copy_site(small_root, "riverside", root)
        prepare(copied.with_few_replicates())
        copied.built()

    return at_cut(once(tmp_path_factory, "riverside, one finding", make), "riverside")


@pytest.fixture
def both(pack_of: PackOf) -> Packed:
    def change(copied: Copied) -> None:
        prepare(copied)
        add_finding(copied)

    return pack_of("two findings", change)


def test_a_second_finding_moves_no_figure_of_the_first(alone: Built, both: Packed) -> None:
    seen = 0
    for asset, contract in contracts.load().items():
        is_by_finding = contract.export and "finding" in contract.polars_schema
        if not is_by_finding or asset.startswith("pack/"):
            continue
        before = alone.table(asset).filter(finding=FIRST)
        after = both.built.table(asset).filter(finding=FIRST)
        assert after.equals(before), asset
        # Of drift a finding has what the protocol asks for; this one asks for none.
        is_asked = contract.section != "drift"
        assert both.built.table(asset).filter(finding=SECOND).is_empty() != is_asked, asset
        seen += 1
    assert seen >= 12


def test_the_second_finding_has_the_readers_that_were_planted(both: Packed) -> None:
    found = both.built.figure(
        "adjudication/agreement", finding=SECOND, stratum="all", metric="percent_agreement"
    )
    assert float(str(found["estimate"])) == pytest.approx(0.88**2 + 0.12**2, abs=0.08)
    scale = both.built.table("adjudication/reader_performance").filter(
        pl.col("metric").str.starts_with("share_rating="), finding=SECOND
    )
    assert set(scale["metric"]) == {"share_rating=0", "share_rating=2"}


def test_the_report_tells_of_both_and_says_which_is_which(both: Packed) -> None:
    assert verify(both.path) == []
    page = both.html
    for name in (FIRST, SECOND):
        for block in ("answers", "paths", "kinds", "agreement", "certainty"):
            assert f'id="{block}-{name}' in page, (block, name)
    anchors = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(anchors) == len(set(anchors))
    for title in ("Pleural effusion", "Suspicious pulmonary nodule or mass"):
        assert title in both.first_page
    assert "Sensitivity for effusions" in both.performance
