"""Files of the warehouse that are stale, swapped, truncated, linked, mixed or copied open no gate."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.standing import lock_problems
from vpack_pipeline.assets.unchanged import unchanged
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK

TABLE, OTHER = "eligibility/included", "eligibility/excluded"
ELSEWHERE = "elsewhere"
Way = Callable[[Path], None]


def table(root: Path, asset: str = TABLE, cut: str = LOOK) -> Path:
    return bench.table_path(root, asset, cut)


def receipt(root: Path, asset: str = TABLE, cut: str = LOOK) -> Path:
    return bench.receipt_path(root, asset, cut)


def put(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def linked(path: Path, to: Path) -> None:
    path.unlink()
    path.symlink_to(to)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def exchanged(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    put(one, second)
    put(other, first)


def of_the_other_cut(root: Path, *assets: str) -> None:
    """Receipts that were stale at this cut: a whole set of them fits together."""
    for asset in assets:
        put(receipt(root, asset), receipt(root, asset, EARLY).read_bytes())


def folder_of_another_table(root: Path) -> None:
    mine, theirs = receipt(root).parents[1], receipt(root, OTHER).parents[1]
    shutil.rmtree(mine)
    shutil.copytree(theirs, mine)


def linked_folder_of_another_table(root: Path) -> None:
    mine, theirs = receipt(root).parents[1], receipt(root, OTHER).parents[1]
    shutil.rmtree(mine)
    mine.symlink_to(theirs)


def receipts_linked_to_another_table(root: Path) -> None:
    mine, theirs = receipt(root).parent, receipt(root, OTHER).parent
    shutil.rmtree(mine)
    mine.symlink_to(theirs)


ALL = tuple(asset for asset in benches.dependencies() if asset != benches.LAST)
WAYS: dict[str, Way] = {
    "truncated by a byte": lambda r: put(table(r), table(r).read_bytes()[:-1]),
    "truncated by half": lambda r: put(
        table(r), table(r).read_bytes()[: table(r).stat().st_size // 2]
    ),
    "emptied": lambda r: put(table(r), b""),
    "appended to": lambda r: put(table(r), table(r).read_bytes() + b"\0"),
    "of another table": lambda r: put(table(r), table(r, OTHER).read_bytes()),
    "of another cut": lambda r: put(table(r), table(r, cut=EARLY).read_bytes()),
    "exchanged with another table": lambda r: exchanged(table(r), table(r, OTHER)),
    "linked to another table": lambda r: linked(table(r), table(r, OTHER)),
    "linked to nothing": lambda r: linked(table(r), Path("nowhere")),
    "linked to itself": lambda r: linked(table(r), Path(table(r).name)),
    "a folder for a file": lambda r: a_folder(table(r)),
    "a pipe for a file": lambda r: a_pipe(table(r)),
    "the folder of another table": folder_of_another_table,
    "a link to the folder of another table": linked_folder_of_another_table,
    "receipts linked to those of another table": receipts_linked_to_another_table,
    "the receipt of another table": lambda r: put(receipt(r), receipt(r, OTHER).read_bytes()),
    "a receipt linked to another's": lambda r: linked(receipt(r), receipt(r, OTHER)),
    "a receipt linked to that of another cut": lambda r: linked(receipt(r), receipt(r, cut=EARLY)),
    "every receipt of another cut": lambda r: of_the_other_cut(r, *ALL),
    "every receipt of another cut but the first": lambda r: of_the_other_cut(r, *ALL[1:]),
    "the last receipts of another cut": lambda r: of_the_other_cut(r, "pack/claim", "pack/report"),
    "every receipt gone but the last": lambda r: [receipt(r, a).unlink() for a in ALL] and None,
}


@pytest.fixture(scope="module")
def open_root(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the built root at whose look no pack was published yet."""
    root = bench.copy(built, tmp_path_factory.mktemp("files") / "root")
    bench.withdraw(root, LOOK)
    yield root
    assert lock_problems(bench.bench(root, cut=LOOK)) == [], "a way was not undone"


@contextlib.contextmanager
def put_back(root: Path) -> Iterator[None]:
    """Let a test do to the warehouse what it will."""
    warehouse, kept = root / "data" / "warehouse", root / "kept"
    shutil.copytree(warehouse, kept, symlinks=True, copy_function=os.link)
    try:
        yield
    finally:
        shutil.rmtree(warehouse)
        kept.rename(warehouse)


@pytest.mark.parametrize("name", WAYS)
def test_what_does_not_lie_there_as_it_was_checked_is_not_packed(
    open_root: Path, name: str
) -> None:
    before = bench.versions(open_root)
    with put_back(open_root):
        WAYS[name](open_root)
        with pytest.raises(GateClosedError):
            publish(bench.bench(open_root, cut=LOOK))
        assert unchanged(bench.bench(open_root, cut=LOOK)) is None
    assert bench.versions(open_root) == before


def test_the_same_bytes_behind_a_link_are_the_same_table(open_root: Path) -> None:
    with put_back(open_root):
        path = table(open_root)
        path.rename(path.with_name(ELSEWHERE))
        path.symlink_to(ELSEWHERE)
        assert lock_problems(bench.bench(open_root, cut=LOOK)) == []


def test_files_that_no_receipt_names_are_not_read(open_root: Path) -> None:
    with put_back(open_root):
        other = table(open_root).with_name(f"{'0' * 64}.parquet")
        other.write_bytes(b"no table")
        assert lock_problems(bench.bench(open_root, cut=LOOK)) == []
