"""The comparison page as a reviewer uses it: typed, pasted, by keyboard, in the dark, on paper."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from vpack_pipeline.pack_format.comparison import CELLS, LEVELS
from vpack_pipeline.report.palette import contrast
from vpack_pipeline.report.scripts import script
from vpack_pipeline_tests.browser import comparison_pack
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.browser.test_browser_report import DESK, PHONE, TEXTS, as_hex

pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]

TOLD = "document.getElementById('told').textContent"
ANSWER = "document.getElementById('answer').textContent"
ROWS = """[...document.querySelectorAll("#answer table")].map(
  t => [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent)))"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return comparison_pack.written(tmp_path_factory.mktemp("page"), comparison_pack.data()).as_uri()


@pytest.fixture
def desk(browser: Page, url: str) -> Page:
    browser.size(*DESK)
    browser.scheme("light")
    browser.open(url)
    return browser


def click(page: Page, name: str) -> None:
    page.ask(f"document.getElementById('{name}').click()")


def write(page: Page, name: str, text: str) -> None:
    page.ask(
        f"""(() => {{ const e = document.getElementById('{name}'); e.value = {json.dumps(text)};
        e.dispatchEvent(new Event("input", {{bubbles: true}})); }})()"""
    )


def paste(page: Page, text: str) -> None:
    page.ask("document.querySelector('input[value=pasted]').click()")
    write(page, "pasted", text)


JOINT = "age_years,setting,n\n<50,emergency,100\n<50,ward,100\n≥50,emergency,100\n≥50,ward,100\n"

# --- the page


def test_it_opens_in_silence_asks_for_nothing_and_explains_itself(desk: Page, url: str) -> None:
    assert desk.said == []
    assert desk.requests == [url]
    assert "to see how it works" in desk.ask(TOLD)
    assert desk.ask(ANSWER) == ""
    assert desk.ask("document.querySelector('.banner').textContent").startswith(
        "Synthetic data: scores."
    )


def test_no_other_script_may_run(desk: Page) -> None:
    desk.ask(
        """(() => { const s = document.createElement("script"); s.textContent = "window.ran = 1";
        document.body.append(s); document.body.insertAdjacentHTML("beforeend",
        "<img src=x onerror='window.ran = 1'>"); })()"""
    )
    desk.listen(0.3)
    assert desk.ask("window.ran ?? null") is None
    assert any("Content Security Policy" in said for said in desk.said)


def test_the_script_neither_keeps_nor_sends_nor_makes_html() -> None:
    forbidden = (
        "localStorage", "sessionStorage", "indexedDB", "cookie", "fetch(", "XMLHttpRequest",
        "sendBeacon", "WebSocket", "EventSource", "import(", "eval(", "Function(", "innerHTML",
        "outerHTML", "insertAdjacentHTML", "document.write", "setTimeout", "location",
    )  # fmt: skip
    assert [word for word in forbidden if word in script()] == []


def test_no_name_of_the_script_is_declared_twice() -> None:
    names = re.findall(r"^(?:function|const|class|let) (\w+)", script(), re.MULTILINE)
    assert len(names) == len(set(names)) > 80


def test_the_example_shows_how_it_works(desk: Page) -> None:
    click(desk, "example")
    typed = desk.ask("[...document.querySelectorAll('#grids input')].map(i => i.value)")
    assert typed == ["300", "700", "600", "380", "20"]
    assert "1,000 persons, margins of age_years and setting" in desk.ask(ANSWER)
    assert "contains the counts you typed" in desk.ask(ANSWER)
    assert desk.ask(TOLD).startswith("Nodule, before the lock: Locked, m-2: sensitivity ")
    assert "Nodule, after the lock: Locked, m-2Nothing can be said: " in desk.ask(ANSWER)
    click(desk, "clear")
    assert desk.ask(ANSWER) == ""


def test_a_pack_without_a_target_shows_its_own_cases(browser: Page, tmp_path: Path) -> None:
    page = comparison_pack.written(tmp_path, comparison_pack.data(target={}))
    browser.open(page.as_uri())
    click(browser, "example")
    figures = browser.ask(ROWS)[0]
    assert figures[0][0] == "Sensitivity"
    there, here = (row.split(" (")[0] for row in figures[0][1:3])
    assert here == there == "70.0%"


@pytest.mark.parametrize("way", ["joint", "pasted"])
def test_the_example_is_filled_in_where_the_reviewer_stands(desk: Page, way: str) -> None:
    desk.ask(f"document.querySelector('input[value={way}]').click()")
    assert desk.ask("document.getElementById('example').textContent").endswith("cases of this pack")
    click(desk, "example")
    assert desk.ask("document.querySelector('input[name=way]:checked').value") == way
    there, here = (row.split(" (")[0] for row in desk.ask(ROWS)[0][0][1:3])
    assert here == there == "70.0%"
    assert "530 persons, counts by age_years and setting" in desk.ask(ANSWER)


def test_the_other_operating_points_are_offered(desk: Page) -> None:
    click(desk, "example")
    assert "Nodule, before the lock: Lower, m-2" not in desk.ask(ANSWER)
    click(desk, "every")
    assert "Nodule, before the lock: Lower, m-2" in desk.ask(ANSWER)
    assert desk.ask("document.querySelectorAll('#answer h3').length") == 4


def test_where_no_figure_can_be_given_the_reason_is_told_at_once(desk: Page) -> None:
    paste(desk, "setting,n\nemergency,5\nother,50\n")
    assert "no figure, since 1 of 2 cells of the target" in desk.ask(TOLD)
    assert "What would change the answer" not in desk.ask(ANSWER)


def test_a_target_that_is_not_printed_whole_is_no_example() -> None:
    hidden = {**comparison_pack.TARGET, "setting": {"emergency": None, "ward": None}}
    assert comparison_pack.data(target=hidden)["target"] == []


def test_a_typed_prevalence_is_taken_with_joint_counts_and_refused_where_it_is_none(
    desk: Page,
) -> None:
    paste(desk, JOINT)
    write(desk, "prevalence", "3%")
    figures = dict(row[:2] for row in desk.ask(ROWS)[0])
    assert figures["Prevalence"].startswith("3.0%")
    assert "prevalence 3.0%, as typed" in desk.ask(ANSWER)
    for wrong in ("0", "1", "-3%", "300%", "three"):
        write(desk, "prevalence", wrong)
        assert "is not above 0 and below 1" in desk.ask(TOLD)
        assert desk.ask(ANSWER) == ""
        assert desk.ask("document.getElementById('prevalence').ariaInvalid") == "true"
    write(desk, "prevalence", "0,03")
    assert desk.ask("document.getElementById('prevalence').ariaInvalid") == "false"


def test_a_wrong_count_is_marked_where_it_stands(desk: Page) -> None:
    click(desk, "example")
    desk.ask(
        """(() => { const i = document.querySelectorAll("#grids input")[1]; i.value = "-7";
        i.dispatchEvent(new Event("input", {bubbles: true})); })()"""
    )
    assert desk.ask(TOLD) == ("Age: ≥50: is negative — give whole numbers of persons, such as 1234")
    wrong = "[...document.querySelectorAll('#grids input')].map(i => i.ariaInvalid)"
    assert desk.ask(wrong) == ["false", "true", "false", "false", "false"]
    assert desk.ask(ANSWER) == ""


def test_it_works_by_keyboard_alone(desk: Page) -> None:
    def press(key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            desk.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    focus = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"
    seen = []
    for _ in range(14):
        press("Tab", 9)
        seen.append(desk.ask(focus))
        if str(seen[-1]).startswith("Persons, "):
            desk.call("Input.insertText", text=str(100 * len(seen)))
    assert [name for name in seen if name.startswith("Persons")] == [
        "Persons, Age: <50",
        "Persons, Age: ≥50",
        "Persons, Setting: emergency",
        "Persons, Setting: ward",
        "Persons, Setting: other",
    ]
    assert [name for name in seen if name in ("prevalence", "example", "clear", "print")] == [
        "prevalence", "example", "clear", "print",
    ]  # fmt: skip
    assert "do not agree" in desk.ask(TOLD) or "add up to" in desk.ask(TOLD)
    outline = desk.ask(
        "(document.getElementById('print').focus(),"
        " getComputedStyle(document.getElementById('print')).outlineStyle)"
    )
    assert outline == "solid"


def test_everything_has_a_name_for_a_screen_reader(desk: Page) -> None:
    click(desk, "example")
    unnamed = desk.ask(
        """[...document.querySelectorAll("input, textarea, button")].filter(e =>
        !(e.ariaLabel || e.textContent.trim() || (e.labels && [...e.labels].some(
          l => l.textContent.trim())))).map(e => e.outerHTML)
        .concat([...document.querySelectorAll("table")].filter(
          t => !t.caption?.textContent.trim()).map(e => e.outerHTML))"""
    )
    assert unnamed == []
    assert desk.ask("document.getElementById('told').ariaLive") == "polite"
    levels = desk.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_and_texts_can_be_read(
    browser: Page, url: str, size: tuple[int, int], scheme: str
) -> None:
    browser.size(*size)
    browser.scheme(scheme)
    browser.open(url)
    click(browser, "example")
    assert browser.ask("document.documentElement.scrollWidth") <= size[0]
    ground = as_hex(browser.ask("getComputedStyle(document.body).backgroundColor"))
    found = {}
    for pair, where in browser.ask(TEXTS).items():
        ink, own = pair.split("|")
        found[where] = contrast(as_hex(ink), ground if own == "none" else as_hex(own))
    assert found
    assert {where: ratio for where, ratio in found.items() if ratio < 4.5} == {}


def test_on_paper_there_are_counts_and_answers_and_no_buttons(desk: Page) -> None:
    click(desk, "example")
    desk.call("Emulation.setEmulatedMedia", media="print")
    try:
        shown = desk.ask(
            """Object.fromEntries(["button", "#grids input", "#answer table", ".unprinted"].map(
            s => [s, document.querySelector(s).getClientRects().length > 0]))"""
        )
    finally:
        desk.call("Emulation.setEmulatedMedia", media="")
    assert shown == {
        "button": False, "#grids input": True, "#answer table": True, ".unprinted": False
    }  # fmt: skip


def test_how_many_here_answers_and_says_what_is_wrong(desk: Page) -> None:
    told = "document.getElementById('sheet-told').textContent"
    assert "Type how many cases come in a week" in desk.ask(told)
    write(desk, "cases_a_week", "700")
    write(desk, "share", "10%")
    assert desk.ask(told).startswith("This can be shown here within ")
    text = desk.ask("document.getElementById('sheet').textContent")
    assert "90.0% (80.0% to 95.0%)" not in text
    assert "90.0% (80.0 to 95.0%)" in text
    assert "Figures of harbour, data cut 2026-06-01, retrospective window." in text
    write(desk, "cases_a_week", "1,200")
    assert desk.ask(told).startswith("cases a week: is no number that can be read — give a number")
    assert desk.ask("document.getElementById('cases_a_week').ariaInvalid") == "true"
    write(desk, "cases_a_week", "1200")
    write(desk, "weeks", "2.5")
    assert desk.ask(told).startswith("weeks: is no number that can be read")
    write(desk, "weeks", "52")
    write(desk, "margin", "95%")
    assert desk.ask(told).startswith("sensitivity: nothing is left of 0.900")
    assert desk.ask("document.getElementById('sheet').textContent") == ""


def test_the_page_of_a_built_pack_answers(browser: Page, pack: Path) -> None:
    browser.open((pack / "compare.html").as_uri())
    click(browser, "example")
    assert browser.said == []
    assert browser.ask(ROWS)
    write(browser, "cases_a_week", "120")
    write(browser, "share", "10%")
    assert browser.ask("document.getElementById('sheet').textContent") != ""


def test_a_pack_without_cells_still_sizes_a_test(browser: Page, tmp_path: Path) -> None:
    none = comparison_pack.data(cells=",".join(comparison_pack.comparison.TABLES[CELLS]).encode())
    browser.open(comparison_pack.written(tmp_path, none).as_uri())
    assert browser.said == []
    assert browser.ask("document.getElementById('without-cells').hidden") is False
    write(browser, "cases_a_week", "120")
    write(browser, "share", "3%")
    assert browser.ask("document.getElementById('sheet').textContent") != ""
    assert none["levels"] == []
    assert LEVELS == comparison_pack.comparison.LEVELS
