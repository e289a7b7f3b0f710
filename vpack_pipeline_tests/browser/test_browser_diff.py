"""The page of ``vpack diff`` in a browser: quiet, without requests, and no wider than its window."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from vpack_pipeline.cli.diff import diff
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.browser.test_browser_report import DESK, PHONE, WIDTH

pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]

STORED = Path(__file__).resolve().parents[1] / "io/packs"
TABLES_WITHOUT_CAPTION = """[...document.querySelectorAll("table")]
  .filter(t => !/^Table \\d+\\. ./.test(t.caption?.textContent ?? "")).length"""
WIDE_OUTSIDE = """[...document.querySelectorAll("table")]
  .filter(t => !t.closest(".scroll") && t.scrollWidth > t.clientWidth).length"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("diff")
    packs = []
    # Of two formats that differ in most tables.
    for number in (3, FORMAT):
        with tarfile.open(STORED / f"format-{number}.tar.xz") as archive:
            archive.extractall(folder / str(number), filter="data")
        (data,) = (folder / str(number)).glob("*/versions/*/data")
        packs.append(str(data.parent))
    done = CliRunner().invoke(diff, [*packs, "--all", "--html", str(folder / "diff.html")])
    assert done.exit_code == 0, done.output
    return (folder / "diff.html").as_uri()


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_and_fits_its_window(
    browser: Page, url: str, size: tuple[int, int], scheme: str
) -> None:
    browser.size(*size)
    browser.scheme(scheme)
    browser.open(url)
    assert browser.said == []
    assert browser.requests == [url]
    assert browser.ask(WIDTH) <= size[0]
    assert browser.ask("document.querySelectorAll('table').length") > 8
    assert browser.ask(TABLES_WITHOUT_CAPTION) == 0
    assert browser.ask(WIDE_OUTSIDE) == 0


def test_the_first_thing_that_is_read_is_what_changed(browser: Page, url: str) -> None:
    browser.size(*DESK)
    browser.open(url)
    titles = browser.ask("[...document.querySelectorAll('h1, h2')].map(h => h.textContent)")
    assert titles[:4] == [
        "What differs between two packs",
        "In short",
        "Verdicts",
        "What the packs rest on",
    ]
