"""The report as a reviewer opens it: from a folder, on a desk, on a phone, in the dark, on paper."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.report import chapters
from vpack_pipeline.report.palette import contrast
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.browser.pdf_text import pages

# Before any fixture: a pack that nothing could open need not be built.
pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]

DESK, PHONE = (1280, 900), (390, 844)
PAPER = (673, 1000)
"""A4 less the margins that the style sets, 178 mm, in CSS pixels."""
LABEL = "Synthetic data"

WIDTH = "document.documentElement.scrollWidth"
PROTRUDING = """[...document.querySelectorAll("body *")]
  .filter(e => !e.classList.contains("skip") && e.getBoundingClientRect().right > %d + 1)
  .map(e => `${e.tagName} ${e.id} ${e.className.baseVal ?? e.className}`)"""
TEXTS = """(() => {
  const solid = c => c && c !== "transparent" && !c.endsWith(", 0)");
  const ground = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (solid(c)) return c; } return "none"; };
  const found = {};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const inDrawing = e instanceof SVGElement && e.tagName !== "title";
    const key = (inDrawing ? style.fill : style.color) + "|" + ground(e);
    found[key] ??= e.tagName + ": " + walk.currentNode.data.trim().slice(0, 40);
  }
  return found; })()"""


def unfolded(browser: Page, url: str) -> None:
    """Open the page with every appendix and every table behind a picture open."""
    browser.open(url)
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")


@pytest.fixture(scope="module")
def url(pack: Path) -> str:
    return (pack / "report.html").as_uri()


@pytest.fixture
def desk(browser: Page, url: str) -> Page:
    browser.size(*DESK)
    browser.scheme("light")
    unfolded(browser, url)
    return browser


@pytest.fixture
def phone(browser: Page, url: str) -> Page:
    browser.size(*PHONE)
    browser.scheme("light")
    unfolded(browser, url)
    return browser


def as_hex(colour: str) -> str:
    numbers = colour[colour.index("(") + 1 : -1].split(", ")
    assert len(numbers) == 3, f"{colour} is no plain colour"
    return "#" + "".join(f"{int(n):02x}" for n in numbers)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_it_opens_from_a_folder_in_silence_and_with_one_request(
    browser: Page, url: str, size: tuple[int, int]
) -> None:
    browser.size(*size)
    unfolded(browser, url)
    assert browser.said == []
    assert browser.requests == [url]
    assert browser.ask("document.querySelectorAll('h1').length") == 1


def test_the_listener_hears_a_refused_request(desk: Page) -> None:
    desk.ask("document.body.append(Object.assign(new Image(), {src: 'https://example.org/a.png'}))")
    desk.listen(0.5)
    assert any("Content Security Policy" in said for said in desk.said)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_page_never_scrolls_sideways(browser: Page, url: str, size: tuple[int, int]) -> None:
    browser.size(*size)
    unfolded(browser, url)
    assert browser.ask("getComputedStyle(document.body).overflowX") == "visible"
    assert browser.ask(WIDTH) <= size[0]
    browser.ask(
        "document.body.append(Object.assign(document.createElement('div'), {style: 'width: 2000px; height: 9px'}))"
    )
    assert browser.ask(WIDTH) >= 2000


def test_what_scrolls_on_a_phone_can_be_reached_by_keyboard_and_has_a_name(phone: Page) -> None:
    wide = phone.ask(
        """[...document.querySelectorAll("main *")]
        .filter(e => getComputedStyle(e).overflowX === "auto" && e.scrollWidth > e.clientWidth)
        .map(e => [e.tabIndex, e.getAttribute("role"),
                   e.getAttribute("aria-label")
                   ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent])"""
    )
    assert wide
    assert all(tab == 0 and role == "region" and name for tab, role, name in wide)


def test_a_wide_table_shows_that_it_scrolls_and_paper_does_not(browser: Page, url: str) -> None:
    shade = """[...document.querySelectorAll(".scroll")].map(
        e => getComputedStyle(e).backgroundImage)"""
    for size, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESK, "light")):
        browser.size(*size)
        browser.scheme(scheme)
        unfolded(browser, url)
        found = browser.ask(shade)
        assert found
        assert all(image.count("linear-gradient") == 4 for image in found)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        unfolded(browser, url)
        assert set(browser.ask(shade)) == {"none"}
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_on_a_phone_a_readers_qualification_is_not_a_word_a_line(phone: Page) -> None:
    widths = phone.ask(
        """[...document.querySelectorAll("td.wide")].map(
        e => e.getBoundingClientRect().width)"""
    )
    assert widths
    assert min(widths) > PHONE[0] / 2 - 1


def test_every_link_leads_to_a_place_in_the_page_or_in_its_pack(desk: Page, pack: Path) -> None:
    links = desk.ask(
        """[...document.querySelectorAll("a")].map(
        a => [a.getAttribute("href"), !!document.getElementById(a.hash.slice(1))])"""
    )
    assert len(links) > 50
    away = {href for href, is_there in links if not is_there}
    sources = {a for a in away if a.endswith((".csv", ".receipt.json"))}
    assert len(sources) > 50
    assert away - sources == {
        "compare.html",
        "gates/",
        "gates/index.html",
        "protocol.yaml",
        "tables/",
    }
    assert all((pack / href).exists() for href in away)


def test_each_chapter_and_appendix_is_one_click_from_the_contents(desk: Page, url: str) -> None:
    where = "document.querySelectorAll('nav.contents a')"
    known = len(chapters.CHAPTERS) + len(chapters.APPENDICES)
    assert desk.ask(f"{where}.length") == known
    for number in range(known):
        desk.open(url)
        desk.ask(f"{where}[{number}].click()")
        desk.listen(0.3)
        top, banner, heading = desk.ask(
            """(() => { const at = document.querySelector(location.hash);
            return [at.getBoundingClientRect().top,
                    document.querySelector(".banner").getBoundingClientRect().bottom,
                    at.querySelector("h2").getBoundingClientRect().top]; })()"""
        )
        assert banner <= heading < DESK[1], number
        assert abs(top) < DESK[1]


def test_every_item_of_the_checklist_points_into_the_page(desk: Page, pack: Path) -> None:
    items: list[dict[str, Any]] = json.loads((pack / "claim.json").read_text("utf-8"))["items"]
    assert [i["item"] for i in items] == list(range(1, 45))
    anchors = [i["evidence"].removeprefix("#") for i in items]
    gone = desk.ask(f"{json.dumps(anchors)}.filter(id => !document.getElementById(id))")
    assert gone == []


def test_headings_tables_and_drawings_say_what_they_are(desk: Page) -> None:
    levels = desk.ask("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    unnamed = desk.ask(
        """[...document.querySelectorAll("table")].filter(t => !t.caption?.textContent.trim())
        .concat([...document.querySelectorAll("svg")].filter(
          s => !s.querySelector(":scope > title")?.textContent.trim())).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    assert desk.ask("document.querySelectorAll('table').length") > 20
    assert desk.ask("document.querySelectorAll('svg').length") > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_lies_behind_it(
    browser: Page, url: str, scheme: str
) -> None:
    browser.size(*DESK)
    browser.scheme(scheme)
    unfolded(browser, url)
    ground = as_hex(browser.ask("getComputedStyle(document.body).backgroundColor"))
    assert (contrast(ground, "#000000") > 10) == (scheme == "light")
    found = browser.ask(TEXTS)
    assert len(found) > 4
    faint = {
        pair: example
        for pair, example in found.items()
        if contrast(*map(as_hex, pair.split("|"))) < 4.5
    }
    assert faint == {}


def test_on_paper_every_page_bears_the_label(desk: Page) -> None:
    printed = pages(desk.pdf())
    assert len(printed) > 5
    assert [number for number, text in enumerate(printed, 1) if LABEL not in text] == []


def test_on_paper_nothing_is_cut_off_or_shrunk_to_fit(browser: Page, url: str) -> None:
    browser.size(*PAPER)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        unfolded(browser, url)
        assert browser.ask(PROTRUDING % PAPER[0]) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_on_paper_an_opening_answer_stays_whole_and_a_caption_is_no_larger_than_its_table(
    browser: Page, url: str
) -> None:
    browser.size(*PAPER)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        unfolded(browser, url)
        kept = browser.ask(
            """[...document.querySelectorAll(".answer")].map(
            e => [getComputedStyle(e).breakInside, e.getBoundingClientRect().height])"""
        )
        assert kept
        assert all(inside == "avoid" and height < PAPER[1] for inside, height in kept)
        larger = browser.ask(
            """[...document.querySelectorAll("caption")].filter(e =>
            parseFloat(getComputedStyle(e).fontSize) >
            parseFloat(getComputedStyle(e.parentElement).fontSize)).map(e => e.id)"""
        )
        assert larger == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
