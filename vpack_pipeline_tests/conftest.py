"""What holds for every test: the profile of property tests, the order of files, shared sites."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from vpack_pipeline_tests import file_order
from vpack_pipeline_tests.hypothesis_profiles import EVERY_RUN, register_profiles
from vpack_pipeline_tests.once import changed, once, shared_by
from vpack_pipeline_tests.untraced import untraced

if TYPE_CHECKING:
    from vpack_pipeline_tests.acceptance.site_bench import Packed

# Before numpy and polars are imported: two threads that wait for one another cost more than one that
# works, and frames are small here. That nothing depends on their number has tests of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Before anything is imported: what is made by imports stays, and looking for garbage in it takes long.
gc.set_threshold(50_000, 20, 20)

# Before any test module is imported: a test takes its number of examples from the profile in force.
# pytest's own --hypothesis-profile comes later still before tests, and wins.
register_profiles()
settings.load_profile(os.environ.get("VPACK_HYPOTHESIS", EVERY_RUN))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    file_order.longest_first(items)


UNCOUNTED = frozenset({"cli", "disclosure", "io"})
"""Folders whose tests reach lines of what judges and computes by the way only: where those alone
are asked for, nothing is counted here, which would take a fifth more time."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    every_line = True in item.config.getoption("cov_source")
    uncounted = not every_line and item.path.parent.name in UNCOUNTED
    with untraced() if uncounted else nullcontext():
        return (yield)


def pytest_collection_finish() -> None:
    """Let garbage collection skip what was imported."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Give back what was skipped: libraries that count their objects at exit would miss some."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _shared_folders_stay_as_they_were_made(tmp_path_factory: pytest.TempPathFactory):
    yield
    assert changed(shared_by(tmp_path_factory)) == [], "a test wrote into what others read"


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small sites as generated; nothing is ever built here."""
    from examples.demo_sites.sites import generate

    def make(root: Path) -> None:
        for site in ("riverside", "hillcrest", "lidc"):
            generate(site, root, tiny=True)

    return once(tmp_path_factory, "small", make)


@pytest.fixture(scope="session")
def riverside_pack(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The small site as it is, and its pack."""
    from vpack_pipeline_tests.acceptance.site_bench import packed_once

    return packed_once(tmp_path_factory, small_root, "riverside")
