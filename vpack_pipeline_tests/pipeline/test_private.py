"""What holds rows of patients is for one account; who may read packs, site.yaml says."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.cli import main
from vpack_pipeline.cli.home import dagster_home
from vpack_pipeline.io import packs
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

PLAN = "drift/plan"


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """Whatever this process was started with: files open to all are what has to be seen."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    inside = (folder, *folder.rglob("*"))
    return [str(p.relative_to(folder)) for p in inside if not p.is_symlink() and mode(p) & 0o077]


def test_warehouse_and_state_of_a_whole_build_are_for_one_account(built: Path) -> None:
    """The whole of it, as the job made it in this process, under the umask of these tests."""
    for folder in (built / "data" / "warehouse", built / "data" / "state"):
        assert open_to_others(folder) == []


def test_tables_and_receipts_are_written_once_and_for_one_account(
    own: Path, assume: Callable[..., None]
) -> None:
    assume()
    for path in bench.receipt_path(own, PLAN, LOOK).parents[1].rglob("*"):
        if path.is_file():
            path.unlink()
    (own / "data" / "warehouse").chmod(0o755)
    steps.materialize(bench.bench(own, cut=LOOK), PLAN)
    assert mode(bench.table_path(own, PLAN, LOOK)) == 0o400
    assert mode(bench.receipt_path(own, PLAN, LOOK)) == 0o400
    assert mode(own / "data" / "warehouse") == 0o700, "one that an earlier version left open"


def test_a_delivery_is_for_one_account(own: Path, tmp_path: Path) -> None:
    deliveries = own / "data" / "demo" / SITE / "deliveries"
    more = tmp_path / "reads.csv"
    more.write_bytes((deliveries / LOOK / "reads.csv").read_bytes() + b"\n")
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "deliver", SITE, str(more), "--on", "2026-08-03", "--force"])
    assert left.value.code == 0
    made = deliveries / "2026-08-03"
    assert mode(made) == 0o700
    assert {p.name: mode(p) for p in made.iterdir()} == {"DONE": 0o400, "reads.csv": 0o400}


def test_dagsters_home_is_for_one_account_with_all_that_dagster_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "data" / "dagster").mkdir(parents=True, mode=0o755)
    with dagster_home(tmp_path) as home, dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("sites", [SITE])
    assert open_to_others(home) == []
    assert len(list(home.rglob("*.db"))) > 1
    assert os.umask(0o022) == 0o022, "it is as it was"


@pytest.mark.parametrize(
    ("named", "of_file", "of_folder"),
    [(None, 0o440, 0o750), ("owner", 0o400, 0o700), ("everyone", 0o444, 0o755)],
)
def test_a_pack_is_for_those_whom_the_site_names(
    own_unpublished: Path, named: str | None, of_file: int, of_folder: int
) -> None:
    """Who may read it is no word of the pack: tables and version stay as they are."""
    root = own_unpublished
    if named is not None:
        bench.edit(root / "data/sites" / SITE / "site.yaml", lambda s: s.update(pack_mode=named))
    os.umask(0o077)
    made = publish(bench.bench(root, cut=LOOK)).path
    assert {mode(p) for p in made.rglob("*") if p.is_file()} == {of_file}
    folders = {made, made.parent, made.parent.parent, *(p for p in made.rglob("*") if p.is_dir())}
    assert {mode(p) for p in folders} == {of_folder}
    assert packs.verify(made) == []
