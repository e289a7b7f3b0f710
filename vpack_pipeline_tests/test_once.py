"""Sites are built once a run, nobody writes into them unnoticed, and long files run first."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vpack_pipeline_tests import file_order
from vpack_pipeline_tests.once import changed, copy, once, shared_by


@pytest.fixture
def factory(tmp_path: Path) -> Any:
    """Temporary folders of a run of its own."""
    (tmp_path / "worker").mkdir()
    return SimpleNamespace(getbasetemp=lambda: tmp_path / "worker")


def make(folder: Path) -> None:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "table").write_text("1\n")
    (folder / "inner" / "sealed").write_text("2\n")
    (folder / "inner" / "sealed").chmod(0o444)
    (folder / "latest").symlink_to("inner")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_is_made_once_and_read_only_from_then_on(factory: Any) -> None:
    made = once(factory, "site", make)

    def never(_: Path) -> None:
        raise AssertionError("it was there already")

    assert once(factory, "site", never) == made
    assert {mode(path) & 0o222 for path in (made, *made.rglob("*"))} == {0}
    assert changed(shared_by(factory)) == []


def test_what_failed_half_way_is_made_anew(factory: Any) -> None:
    def fail(folder: Path) -> None:
        make(folder)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        once(factory, "site", fail)
    assert (once(factory, "site", make) / "inner" / "table").read_text() == "1\n"


def test_a_copy_can_be_written_where_what_was_made_could(factory: Any, tmp_path: Path) -> None:
    made = once(factory, "site", make)
    whole, part = copy(made, tmp_path / "whole"), copy(made / "inner", tmp_path / "part")
    assert mode(whole) & 0o200
    for folder in (whole / "inner", part):
        assert mode(folder) & mode(folder / "table") & 0o200
        assert mode(folder / "sealed") == 0o444
        assert (folder / "table").stat().st_mtime_ns == (made / "inner/table").stat().st_mtime_ns
    assert os.readlink(whole / "latest") == "inner"
    (part / "table").write_text("3\n")
    assert changed(shared_by(factory)) == []


@pytest.mark.parametrize("what", ["changed", "added", "gone"])
def test_who_writes_into_it_is_noticed(factory: Any, what: str) -> None:
    inner = once(factory, "site", make) / "inner"
    inner.chmod(0o755)
    if what == "changed":
        (inner / "table").chmod(0o644)
        (inner / "table").write_text("4\n")
    elif what == "added":
        (inner / "more").touch()
    else:
        (inner / "table").unlink()
    assert any(name.startswith("site/inner") for name in changed(shared_by(factory)))


def test_the_files_that_take_longest_run_first() -> None:
    known = sorted(file_order.seconds(), key=lambda file: file_order.seconds()[file])
    items: Any = [SimpleNamespace(path=file_order.ROOT / file) for file in ("unknown.py", *known)]
    file_order.longest_first(items)
    found = [file_order.seconds().get(str(i.path.relative_to(file_order.ROOT)), 0) for i in items]
    assert found == sorted(found, reverse=True)
    assert len(known) > 5


def test_every_file_with_a_time_exists() -> None:
    assert [f for f in file_order.seconds() if not (file_order.ROOT / f).is_file()] == []
