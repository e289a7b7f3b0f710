"""Small demonstration sites, generated once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo_sites.sites import generate

SMALL = ("riverside", "hillcrest", "lidc")


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    for site in SMALL:
        generate(site, root, tiny=True)
    return root
