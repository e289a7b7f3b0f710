"""Releases of the tiny site, for tests: one handed out, time that has gone on, what a zip holds."""

from __future__ import annotations

import shutil
import zipfile
from datetime import date
from pathlib import Path

import pytest

from vpack_pipeline.assets.release import Released, Signing, release
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

ON = date(2026, 8, 1)
BOARD = "Imaging board, Harbour Hospital"


def hand_out(root: Path, to: str = BOARD, signing: Signing | None = None) -> Released:
    return release(ProjectFolder(root), SITE, to=to, on=ON, signing=signing)


def without_later_deliveries(root: Path) -> Path:
    """Leave a root as it stood on the day of the early cut."""
    shutil.rmtree(root / "data" / "demo" / SITE / "deliveries" / LOOK)
    return root


def bring(what: Path, to: Path) -> Path:
    """Put what one root has released into another, with its ledger: time has gone on."""
    for part in (f"releases/{SITE}", f"state/{SITE}/releases"):
        target = to / "data" / part
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(what / "data" / part, target, symlinks=True)
    return to


def ledger_path(root: Path) -> Path:
    return root / "data" / "state" / SITE / "releases" / "ledger.json"


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def refusal(root: Path, error: type[Exception] = GateClosedError) -> str:
    before = set((root / "data" / "releases").rglob("*"))
    with pytest.raises(error) as refused:
        hand_out(root)
    assert set((root / "data" / "releases").rglob("*")) <= before, "nothing was written"
    return str(refused.value)
