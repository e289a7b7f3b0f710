"""One small site and its pack for all tests of this folder, and a browser for each module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from examples.demo_sites.sites import generate
from vpack_pipeline_tests.acceptance.site_bench import build_pack
from vpack_pipeline_tests.browser import chromium

SITE = "riverside"


@pytest.fixture(scope="session")
def site_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one small site, before anything is built."""
    root = tmp_path_factory.mktemp("browser")
    generate(SITE, root, tiny=True)
    protocol = root / "data" / "protocols" / "cxr-triage-1.0.yaml"
    given = yaml.safe_load(protocol.read_text(encoding="utf-8"))
    # The page is the same with fewer replicates, only sooner there.
    given["evaluation"]["replicates"] = given["drift"]["replicates"] = 200
    protocol.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def pack(site_root: Path) -> Path:
    """The payload of the small site's pack."""
    return build_pack(site_root, SITE).data


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    if chromium.program() is None:
        pytest.skip(chromium.ABSENT)
    with chromium.opened(tmp_path_factory.mktemp("profile")) as page:
        yield page
