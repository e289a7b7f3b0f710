"""The small site's pack for all tests of this folder, and a browser for each module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vpack_pipeline_tests.acceptance.site_bench import Packed, copy_site
from vpack_pipeline_tests.browser import chromium

SITE = "riverside"


@pytest.fixture(scope="session")
def site_root(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one small site, where nothing is built."""
    return copy_site(small_root, SITE, tmp_path_factory.mktemp("browser")).root


@pytest.fixture(scope="session")
def pack(riverside_pack: Packed) -> Path:
    """The payload of the small site's pack."""
    return riverside_pack.data


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    if chromium.program() is None:
        pytest.skip(chromium.ABSENT)
    with chromium.opened(tmp_path_factory.mktemp("profile")) as page:
        yield page
