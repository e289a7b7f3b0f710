"""The engines of a scan: the same tables from each, and a worker that dies costs no file."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dicom_bench import Bench, put
from scan_readers import AlwaysDeadly, Deadly

from vpack_pipeline.errors import UsageError, VpackError
from vpack_pipeline.io.dicom import engines, scanner, shards, state, worker
from vpack_pipeline.io.dicom.engines import InProcess, Pool, Ray
from vpack_pipeline.io.edge import Scanning

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: `make nightly-ray` does"
)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four files a shard."""
    monkeypatch.setattr(shards, "SMALLEST", 4)
    monkeypatch.setattr(shards, "LARGEST", 4)


def filled(root: Path) -> Bench:
    root.mkdir(parents=True, exist_ok=True)
    bench = Bench(root)
    for number in range(22):
        bench.add(f"s{number % 3}/{number}.dcm", number + 1, KVP=str(80 + number))
    bench.add("s0/copy.dcm", 1, KVP="80")
    bench.add("s1/deadly.dcm", 77)
    put(bench.archive / "junk", b"junk")
    return bench


def scanned(bench: Bench, engine: str, reader: Any = scanner.FileReader) -> list[pl.DataFrame]:
    """Scan with one engine; what results, beside the state's headers."""
    edge = replace(bench.edge(), scanning=Scanning(engine=engine))
    found = scanner.scan(edge, clock=bench.tick, reader=reader)
    assert found.read == found.files.height == 25
    return [found.files, state.read_headers(bench.root / "state")]


@pytest.fixture
def expected(tmp_path: Path) -> list[pl.DataFrame]:
    return scanned(filled(tmp_path / "in process"), "process")


def test_a_pool_gives_the_same_tables(tmp_path: Path, expected: list[pl.DataFrame]) -> None:
    found = scanned(filled(tmp_path / "pool"), "pool:2")
    assert all(a.equals(b) for a, b in zip(found, expected, strict=True))


def test_a_pool_whose_worker_is_killed_gives_the_same_tables(
    tmp_path: Path, expected: list[pl.DataFrame]
) -> None:
    found = scanned(filled(tmp_path / "pool"), "pool:2", Deadly)
    assert (tmp_path / "pool" / "dicom" / "killed").exists()
    assert all(a.equals(b) for a, b in zip(found, expected, strict=True))


def test_a_pool_in_which_every_worker_dies_stops_and_keeps_what_it_read(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    with pytest.raises(VpackError, match="a worker process died"):
        scanned(bench, "pool:1", AlwaysDeadly)
    found = scanner.scan(bench.edge(), clock=bench.tick)
    assert found.taken_up + found.read == 25
    assert found.taken_up >= 4


@pytest.mark.ray
@needs_ray
@pytest.mark.parametrize(
    "reader", [scanner.FileReader, pytest.param(Deadly, marks=pytest.mark.nightly)]
)
def test_ray_gives_the_same_tables_though_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: list[pl.DataFrame], reader: Any
) -> None:
    # Its workers import the readers of these tests by name.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    found = scanned(filled(tmp_path / "ray"), "ray", reader)
    assert all(a.equals(b) for a, b in zip(found, expected, strict=True))
    assert (tmp_path / "ray" / "dicom" / "killed").exists() == (reader is Deadly)


def test_a_worker_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that would have two, as no fork server is that began with one."""
    monkeypatch.setenv("POLARS_MAX_THREADS", "2")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=worker.restrain) as pool:
        assert pool.submit(pl.thread_pool_size).result() == 1


@pytest.mark.parametrize(
    ("named", "n_files", "expected"),
    [
        ("", engines.MANY - 1, InProcess),
        ("", engines.MANY, Pool),
        ("process", 10**9, InProcess),
        ("pool", 1, Pool),
        ("ray", 1, Ray),
    ],
)
def test_an_engine_is_chosen_by_name_or_by_amount(
    monkeypatch: pytest.MonkeyPatch, named: str, n_files: int, expected: type
) -> None:
    monkeypatch.setattr(engines, "cores", lambda: 4)
    assert isinstance(engines.choose(named, n_files), expected)


def test_an_engine_takes_its_size_or_address() -> None:
    assert engines.choose("pool:7", 1) == Pool(7)
    assert engines.choose("ray:ray://head:10001", 1) == Ray("ray://head:10001")


@pytest.mark.parametrize("named", ["spark", "pool:0", "pool:x", "process:2", ":", "pool:-1"])
def test_an_unknown_engine_is_refused(named: str) -> None:
    with pytest.raises(UsageError, match="process, pool, pool:N, ray or ray:ADDRESS"):
        engines.choose(named, 1)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"vpack-pipeline\[ray\]"):
        list(Ray().run([]))
