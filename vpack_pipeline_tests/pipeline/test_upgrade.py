"""A site that an earlier version of vpack built: its packs and looks stay as they were.

``stored/before-signed-records.tar.xz`` is the small synthetic site of ``bench.make_root``, with the
packs at both of its cuts and what vouches for them, as the last version wrote it that signed no
records, wrote packs of format 3 and let every account of the machine read what it kept. It is
never made anew.
"""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline.assets.standing import standing
from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline_tests.io.signing_bench import state_of
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

STORED = Path(__file__).parent / "stored" / "before-signed-records.tar.xz"
NIGHT = "2026-07-21"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    bench.edit(tmp_path / f"data/sites/{SITE}/site.yaml", _accept_less_of_the_reference)
    with pytest.raises(SystemExit) as left:
        main(["--root", str(tmp_path), "upgrade", SITE, "--write"])
    assert left.value.code == 0
    return tmp_path


def _accept_less_of_the_reference(site: dict[str, Any]) -> None:
    """What its site says now: six planted faults are more than a tenth of its reference."""
    site["inputs"]["reference"]["accept_at_least"] = 0.8


def versions(root: Path) -> list[packs.Version]:
    return packs.versions(root / "data/packs", SITE)


def test_the_first_night_after_an_upgrade_keeps_packs_and_looks(
    old: Path, assume: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    early, look = versions(old)
    assert (early.cut, look.cut) == (EARLY, LOOK)
    before = {v.name: state_of(v.path) for v in (early, look)}
    assert not any(packs.record_of(v).is_signed for v in (early, look))

    assume()
    bench.build(old, NIGHT)

    *kept, new = versions(old)
    assert [v.name for v in kept] == [early.name, look.name]
    assert {v.name: state_of(v.path) for v in kept} == before
    assert (new.cut, packs.summary(new.path).format) == (NIGHT, FORMAT)
    # The verdict is that of the pack from before, which is signed for now.
    said = pl.read_csv(new.path / "data/tables/evaluation.endpoints.csv")
    assert set(said["pack_version"].drop_nulls()) == {look.name}
    assert set(said["pack_digest"].drop_nulls()) == {packs.summary(look.path).digest}
    assert packs.record_of(look).is_adopted
    assert [packs.record_of(v).sequence for v in versions(old)] == [1, 2, 3]
    found = standing(ProjectFolder(old), SITE)
    assert (found["altered"], found["closed_by"]) == ([], [])
    for version in versions(old):
        with pytest.raises(SystemExit) as left:
            main(["verify", str(version.path)])
        assert left.value.code == 0, capsys.readouterr().err
    private = [old / "data" / name for name in ("state", "warehouse")]
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in private)


def test_an_old_look_that_was_changed_is_not_adopted(
    old: Path, assume: Callable[..., None]
) -> None:
    _, look = versions(old)
    report = look.path / "data/report.html"
    report.chmod(0o644)
    report.write_bytes(report.read_bytes() + b" ")
    assume()
    ran = bench.run(old, as_of=NIGHT)
    assert not ran.result.success
    assert any("report.html: was changed" in error for error in ran.errors)
    assert not packs.record_of(look).is_signed
    assert len(versions(old)) == 2
