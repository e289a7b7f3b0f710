"""The demonstration sites, generated and built once for all acceptance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.demo_sites import world
from examples.demo_sites.plan import Plan
from examples.demo_sites.sites import generate, plan_of
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, at_cut, build, copy_site
from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.untraced import untraced

BEFORE_THE_LOOK = "2026-04-10"
LOOK = "2026-07-20"


@dataclass(frozen=True)
class Lakeside:
    """The large site: what was planted, and its tables before the look and at it."""

    plan: Plan
    world: world.World
    before: Built
    at_look: Built


@pytest.fixture(scope="module", autouse=True)
def _uncounted() -> Iterator[None]:
    """Whole sites prove more than lines: the tests of each part cover its lines."""
    with untraced():
        yield


@pytest.fixture(scope="session")
def lakeside(tmp_path_factory: pytest.TempPathFactory) -> Lakeside:
    def make(root: Path) -> None:
        generate("lakeside", root)
        # In the order of time: an image is known from the cut that first saw it.
        build(root, "lakeside", as_of=BEFORE_THE_LOOK)
        build(root, "lakeside")

    root = once(tmp_path_factory, "lakeside", make)
    plan = plan_of("lakeside")
    before, at_look = (at_cut(root, "lakeside", as_of) for as_of in (BEFORE_THE_LOOK, None))
    return Lakeside(plan, world.build(plan), before, at_look)


@pytest.fixture(scope="session")
def lidc(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The other demonstration site, whole."""

    def make(root: Path) -> None:
        generate("lidc", root)
        build(root, "lidc")

    return at_cut(once(tmp_path_factory, "lidc", make), "lidc")


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small sites as generated; nothing is ever built here."""

    def make(root: Path) -> None:
        for site in ("riverside", "hillcrest", "lidc"):
            generate(site, root, tiny=True)

    return once(tmp_path_factory, "small", make)


@pytest.fixture
def riverside(small_root: Path, tmp_path: Path) -> Copied:
    """A small site of its own to alter, without the files that cannot be read."""
    copied = copy_site(small_root, "riverside", tmp_path)
    for path in (copied.data / "dicom" / "inbox").iterdir():
        path.unlink()
    return copied


Copier = Callable[[str], Copied]


@pytest.fixture(scope="module")
def copier(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Copier:
    """Copies a small site for a test module that builds it once."""
    return lambda site: copy_site(small_root, site, tmp_path_factory.mktemp(site))
