"""The same site gives the same tables and the same pack, whatever machine or habit builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline_tests.acceptance.conftest import Copier
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, at_cut, build_pack

REPOSITORY = Path(__file__).parents[2]
SITE = "riverside"
HABITS = {
    "TZ": "Asia/Kathmandu",
    "LC_ALL": "de_DE.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "PYTHONHASHSEED": "1",
    "POLARS_MAX_THREADS": "1",
}
UMASK = 0o077


@dataclass(frozen=True)
class Made:
    """A site as one machine built it."""

    built: Built
    pack: dict[str, bytes]


def made_here(copied: Copied) -> Made:
    """Build in this process, with its habits and without Dagster."""
    packed = build_pack(copied.root, SITE)
    return Made(packed.built, files_of(packed.pack.path))


def made_elsewhere(copied: Copied, cwd: Path) -> Made:
    """Build by the command, in a process of other habits."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "VPACK_", "DAGSTER_"))
    }
    environment |= {"PYTHONPATH": str(REPOSITORY), **HABITS}
    made = subprocess.run(
        [sys.executable, "-m", "vpack_pipeline", "--root", str(copied.root), "build", SITE],
        env=environment,
        umask=UMASK,
        cwd=cwd,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    latest = copied.root / "data" / "packs" / SITE / "latest"
    return Made(at_cut(copied.root, SITE), files_of(latest.resolve()))


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


@pytest.fixture(scope="module")
def twice(copier: Copier, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Made]:
    first, second = copier(SITE), copier(SITE)
    disturb(second)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    return made_here(first), made_elsewhere(second, elsewhere)


def test_every_table_has_the_same_digest(twice: tuple[Made, Made]) -> None:
    digests = [
        {asset: made.built.receipt(asset).table_digest for asset in contracts.load()}
        for made in twice
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) > 45


def test_every_receipt_is_the_same_to_its_signature(twice: tuple[Made, Made]) -> None:
    first, second = (
        {asset: made.built.receipt(asset) for asset in contracts.load()} for made in twice
    )
    assert first == second


def test_the_pack_is_the_same_byte_for_byte(twice: tuple[Made, Made]) -> None:
    first, second = (made.pack for made in twice)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert "data/report.html" in first


def test_no_path_host_or_user_stands_in_the_pack(twice: tuple[Made, Made]) -> None:
    for made in twice:
        root = str(made.built.root).encode()
        for name, content in made.pack.items():
            assert root not in content, name
            assert b"/root/" not in content, name
            assert os.uname().nodename.encode() not in content, name


def test_building_again_keeps_every_table_and_publishes_nothing(
    twice: tuple[Made, Made], tmp_path: Path
) -> None:
    first = twice[0]
    versions = first.built.root / "data" / "packs" / SITE / "versions"
    before = sorted(p.name for p in versions.iterdir())
    again = made_elsewhere(Copied(first.built.root, SITE), tmp_path)
    assert again.pack == first.pack
    assert sorted(p.name for p in versions.iterdir()) == before
