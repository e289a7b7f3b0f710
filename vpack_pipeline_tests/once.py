"""What takes long to make, made once for all test processes of a run, and read-only from then on.

A test that writes takes a :func:`copy`. Modes do not stop root, so that the end of a run asks of
each folder whether it is still as it was made (:func:`changed`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vpack_pipeline_tests.untraced import untraced

Record = dict[str, list[int]]
"""Path below the folder → mode as made, size, modification time."""

WRITE = 0o222
SUFFIX = ".made.json"


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Give a folder that one process of the run fills and the others wait for: read it only."""
    shared = shared_by(factory)
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _record(folder).exists():
            # Of an attempt that failed nothing may be left to the next.
            shutil.rmtree(folder, ignore_errors=True)
            with untraced():
                make(folder)
            _seal(folder)
    return folder


def shared_by(factory: pytest.TempPathFactory) -> Path:
    """Give the temporary folder of all processes of this run."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def copy(source: Path, to: Path) -> Path:
    """Copy a folder, or one below it, with times and with the modes that it was made with."""
    shutil.copytree(source, to, symlinks=True)
    for folder in (source, *source.parents):
        if _record(folder).exists():
            inside = source.relative_to(folder)
            for name, (mode, *_) in json.loads(_record(folder).read_text()).items():
                if Path(name).is_relative_to(inside):
                    (to / Path(name).relative_to(inside)).chmod(mode)
    return to


def changed(shared: Path) -> list[str]:
    """List what is no longer as it was made in the folders of a run."""
    found = []
    for path in sorted(shared.glob(f"*{SUFFIX}")):
        folder = path.with_name(path.name.removesuffix(SUFFIX))
        before: Record = json.loads(path.read_text())
        now = {name: made[1:] for name, made in _look(folder)}
        same = {name for name, made in before.items() if now.get(name) == made[1:]}
        found += [f"{folder.name}/{name}" for name in sorted({*before, *now} - same)]
    return found


def _record(folder: Path) -> Path:
    return folder.parent / f"{folder.name}{SUFFIX}"


def _seal(folder: Path) -> None:
    record: Record = dict(_look(folder))
    for name, (mode, *_) in record.items():
        (folder / name).chmod(mode & ~WRITE)
    written = folder.parent / f"{folder.name}.part"
    written.write_text(json.dumps(record))
    written.rename(_record(folder))


def _look(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Walk a folder's files and folders, without following links."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            found = path.stat()
            size = 0 if path.is_dir() else found.st_size
            name = str(path.relative_to(folder))
            yield name, [found.st_mode & 0o7777, size, found.st_mtime_ns]
