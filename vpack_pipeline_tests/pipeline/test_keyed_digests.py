"""Digests of what does not travel are keyed: whoever holds a pack cannot guess a table and hash it.

The worst case: all of a table is known but the counts of two small groups.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.io.warehouse import TableFile, digest_table
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

PROFILE = "representativeness/profile"
GUESSES = range(20)


def pack(root: Path) -> Path:
    return root / "data/packs" / SITE / "versions" / bench.latest(root) / "data"


def hex_digests(root: Path) -> set[str]:
    """Every digest that a pack holds, but of the bytes that travel in it."""
    travelling = {hashlib.sha256(p.read_bytes()).hexdigest() for p in pack(root).rglob("*.*")}
    text = "".join(p.read_text("utf-8") for p in pack(root).rglob("*.json"))
    return set(re.findall(r"\b[0-9a-f]{64}\b", text)) - travelling


def guessed(frame: pl.DataFrame, column: str, rows: list[int], at: Path) -> Iterator[set[str]]:
    """Fill a few cells with every small number, and digest each table as the warehouse does."""
    known = frame[column].to_list()
    for numbers in itertools.product(GUESSES, repeat=len(rows)):
        for row, number in zip(rows, numbers, strict=True):
            known[row] = number
        frame.with_columns(pl.Series(column, known)).write_parquet(
            at, compression="zstd", statistics=False
        )
        file = hashlib.sha256(at.read_bytes()).hexdigest()
        yield {file, digest_table([TableFile(file, "table", frame.height, at.stat().st_size)])}


def test_filling_a_table_with_0_to_19_and_hashing_finds_no_digest_of_a_receipt(
    built: Path, tmp_path: Path
) -> None:
    at = bench.bench(built, cut=LOOK)
    frame = at.warehouse.read(contracts.load()[PROFILE], SITE, benches.upstream(at, PROFILE).files)
    small = [i for i, n in enumerate(frame["n"]) if n in GUESSES][:2]
    assert small
    printed, tried = hex_digests(built), set()
    for digests in guessed(frame, "n", small, tmp_path / "guess.parquet"):
        tried |= digests
    own = next(f.sha256 for f in benches.upstream(at, PROFILE).files)
    assert own in tried, "the true table is among the guesses, digested as the site does"
    assert printed
    assert not tried & printed


@pytest.mark.parametrize("asset", sorted(a for a in contracts.load() if not a.startswith("pack/")))
def test_no_unkeyed_digest_of_a_table_travels(built: Path, asset: str) -> None:
    files = benches.upstream(bench.bench(built, cut=LOOK), asset).files
    unkeyed = {digest_table(files), *(f.sha256 for f in files)}
    assert not unkeyed & hex_digests(built)


def test_receipts_still_say_which_table_was_made_from_which(built: Path) -> None:
    """What verify can follow offline: each input's digest is that of the input's own receipt."""
    receipts = {
        r["asset"]: r
        for r in (json.loads(p.read_bytes()) for p in pack(built).glob("gates/*.receipt.json"))
    }
    links = [(r["inputs"][name], name) for r in receipts.values() for name in r["inputs"]]
    assert len(links) > 50
    assert all(digest == receipts[name]["table_digest"] for digest, name in links)
