"""The demonstration sites, generated and built once for all acceptance tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.demo_sites import world
from examples.demo_sites.plan import Plan
from examples.demo_sites.sites import generate, plan_of
from vpack_pipeline_tests.acceptance.site_bench import (
    Built,
    Copied,
    Packed,
    at_cut,
    build_pack,
    copy_site,
    packed_once,
)
from vpack_pipeline_tests.once import once

BEFORE_THE_LOOK = "2026-04-10"
LOOK = "2026-07-20"


@dataclass(frozen=True)
class Lakeside:
    """The large site: what was planted, and its tables and packs before the look and at it."""

    plan: Plan
    world: world.World
    before: Built
    at_look: Built


@pytest.fixture(scope="session")
def lakeside(tmp_path_factory: pytest.TempPathFactory) -> Lakeside:
    def make(root: Path) -> None:
        generate("lakeside", root)
        # In the order of time: an image is known from the cut that first saw it.
        build_pack(root, "lakeside", as_of=BEFORE_THE_LOOK)
        build_pack(root, "lakeside")

    root = once(tmp_path_factory, "lakeside", make)
    plan = plan_of("lakeside")
    before, at_look = (at_cut(root, "lakeside", as_of) for as_of in (BEFORE_THE_LOOK, None))
    return Lakeside(plan, world.build(plan), before, at_look)


@pytest.fixture(scope="session")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The other demonstration site, whole."""

    def make(root: Path) -> None:
        generate("lidc", root)
        build_pack(root, "lidc")

    return at_cut(once(tmp_path_factory, "lidc", make), "lidc")


@pytest.fixture
def riverside(small_root: Path, tmp_path: Path) -> Copied:
    """A small site of its own to alter, without the files that cannot be read."""
    return copy_site(small_root, "riverside", tmp_path).without_broken_files()


PackOf = Callable[[str, Callable[[Copied], None]], Packed]


@pytest.fixture(scope="session")
def pack_of(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PackOf:
    """Give the pack of a small site after a change with a name, with few replicates."""

    def packed(name: str, change: Callable[[Copied], None]) -> Packed:
        def make(copied: Copied) -> None:
            change(copied.with_few_replicates())

        return packed_once(tmp_path_factory, small_root, "riverside", name, make)

    return packed


@pytest.fixture(scope="session")
def few_labels(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The pack of a small lidc that leaves no nodule out, so that most lack the three ratings."""

    def include_all(copied: Copied) -> None:
        protocol = copied.root / "data" / "protocols" / "lung-suspicion-1.0.yaml"
        copied.with_few_replicates().edit(protocol, "when: n_reads < 3", "when: n_reads < 1")

    return packed_once(tmp_path_factory, small_root, "lidc", "few labels", include_all)
