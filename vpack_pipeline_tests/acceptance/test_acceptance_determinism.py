"""The same site gives the same tables and the same pack, whatever machine or habit builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline_tests.acceptance.site_bench import Copied, Packed, at_cut, copy_site
from vpack_pipeline_tests.once import copy, once

REPOSITORY = Path(__file__).parents[2]
SITE = "riverside"
HABITS = {
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "de_DE.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "PYTHONHASHSEED": "1",
    "POLARS_MAX_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
}
UMASK = 0o077


def build_elsewhere(root: Path, cwd: Path) -> None:
    """Build by the command, in a process of other habits."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "VPACK_", "DAGSTER_"))
    }
    environment |= {"PYTHONPATH": str(REPOSITORY), **HABITS}
    done = subprocess.run(
        [sys.executable, "-m", "vpack_pipeline", "--root", str(root), "build", SITE],
        env=environment,
        umask=UMASK,
        cwd=cwd,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def files_of(pack: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(pack)): path.read_bytes()
        for path in sorted(pack.rglob("*"))
        if path.is_file()
    }


def disturb(copied: Copied) -> None:
    """Write the same files in another order and at another time, so that folders list otherwise."""
    for folder in (copied.data / "dicom", copied.data / "deliveries"):
        paths = sorted((p for p in folder.rglob("*") if p.is_file()), reverse=True)
        contents = {path: path.read_bytes() for path in paths}
        shutil.rmtree(folder)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[path])
            os.utime(path, (1_600_000_000, 1_600_000_000))


@pytest.fixture
def twice(
    riverside_pack: Packed, small_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Packed, Packed]:
    """The site as built in a process of these tests without Dagster, and elsewhere."""

    def make(root: Path) -> None:
        disturb(copy_site(small_root, SITE, root))
        build_elsewhere(root, tmp_path_factory.mktemp("elsewhere"))

    elsewhere = once(tmp_path_factory, "built elsewhere", make)
    return riverside_pack, Packed(at_cut(elsewhere, SITE))


def test_every_table_has_the_same_digest(twice: tuple[Packed, Packed]) -> None:
    digests = [
        {asset: site.built.receipt(asset).table_digest for asset in contracts.load()}
        for site in twice
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) > 45


def test_every_receipt_is_the_same_to_its_signature(twice: tuple[Packed, Packed]) -> None:
    first, second = (
        {asset: site.built.receipt(asset) for asset in contracts.load()} for site in twice
    )
    assert first == second


def test_the_pack_is_the_same_byte_for_byte(twice: tuple[Packed, Packed]) -> None:
    first, second = (files_of(site.path) for site in twice)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert "data/report.html" in first


def test_no_path_host_or_user_stands_in_the_pack(twice: tuple[Packed, Packed]) -> None:
    for site in twice:
        root, host = str(site.built.root).encode(), os.uname().nodename.encode()
        for name, content in files_of(site.path).items():
            assert root not in content, name
            assert b"/root/" not in content, name
            # Compressed bytes of a PDF hold any word of a few letters by chance.
            if len(host) > 4 or not name.endswith(".pdf"):
                assert host not in content, name


def test_building_again_keeps_every_table_and_publishes_nothing(
    riverside_pack: Packed, tmp_path: Path
) -> None:
    root = copy(riverside_pack.built.root, tmp_path / "root")
    build_elsewhere(root, tmp_path)
    again = Packed(at_cut(root, SITE))
    assert again.path.name == riverside_pack.path.name
    assert files_of(again.path) == files_of(riverside_pack.path)
