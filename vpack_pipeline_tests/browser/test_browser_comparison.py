"""The comparison page as a reviewer uses it: typed, pasted, by keyboard, in the dark, on paper."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vpack_pipeline.cli import compared, counts_file
from vpack_pipeline.cli.pack_cells import read_pack
from vpack_pipeline.core.transport import Question, figures_in_target
from vpack_pipeline.core.transport.rows import Counted, PrintedVariables
from vpack_pipeline.core.transport.typed import typed_target
from vpack_pipeline.core.transport.what_if import what_would_change
from vpack_pipeline.errors import InputError
from vpack_pipeline.pack_format.comparison import CELLS, LEVELS
from vpack_pipeline.report.palette import contrast
from vpack_pipeline.report.scripts import script
from vpack_pipeline_tests.browser import comparison_pack
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.browser.test_browser_report import DESK, PHONE, TEXTS, as_hex
from vpack_pipeline_tests.counted_pack import SETTING_AGE, counted_pack
from vpack_pipeline_tests.counted_pack import protocol_digest as counted_pack_digest

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


# --- the same words as the command


JOINT = "age_years,setting,n\n<50,emergency,100\n<50,ward,100\n≥50,emergency,100\n≥50,ward,100\n"
TYPED = (
    JOINT,
    "\ufeff" + JOINT.replace(",", ";"),
    "sep=;\n" + JOINT.replace(",", ";"),
    JOINT.replace(",", "\t").replace("100", "1 234,00"),
    JOINT.replace("≥50", '"50–70"'),
    "age_years,n\n<30,5\n30-50,6\n>=50,9\n",
    "setting,n\nemergency or ward,5\nother,1\n",
    "age_years,setting,n\n<50,,60\n≥50,,40\n,emergency,70\n,ward,30\n",
    "age_years,setting,n\n<50,,60\n≥50,,40\n,emergency,70\n,ward,31\n",
    JOINT + "<50,,199\n≥50,,200\n",
    "setting,n\nemergency,9\nother,5\n",
    "setting,n\nemergency,9\n",
    "setting,n\nother,5\nmissing,6\n",
    "setting,n\n\nemergency,\n",
    "setting,n\nemergency,-1\nward,2.5\nother,12%\n",
    "setting,n\nemergency,1,2\nward\n",
    "setting,n\nemergency,1\nemergency,2\n",
    "age_years,n\n<60,5\n≥60,4\n",
    "age_years,n\n<50,5\n<50 or ≥50,4\n",
    "setting,n\ncasualty,5\nhome,5\n",
    "setting,setting\nemergency,1\n",
    "kvp,n\n120,1\n",
    "setting,n\nemergency,0\n",
    "n\n5\n",
    "Age years,SETTING,Count\n<50,Emergency,5\n≥50,WARD,7\n",
    f"# protocol {counted_pack_digest()[:12]}\n{JOINT}",
    f'"# protocol {counted_pack_digest()[:12]}";;\nsep=;\n{JOINT.replace(",", ";")}',
    f"# what we count\n# protocol 0123456789ab,,\n{JOINT}",
    "setting,persons\nemergency,5\n,7\n",
    "setting,n\nED,5\nward,3\nICU,2\n",
    ";;\n",
)
"""What a reviewer may paste: as spreadsheets write it, in other levels, in margins, and wrongly."""


def random_texts(n: int) -> list[str]:
    """Make up joint counts and margins of printed and finer levels."""
    rng = np.random.default_rng(5)
    ages, settings = (("<50", "50–70", "≥70"), ("emergency", "ward", "clinic", "other"))
    made = []
    for _ in range(n):
        numbers = rng.multinomial(int(rng.choice([40, 5000])), rng.dirichlet(np.ones(12)))
        cells = dict(zip(itertools.product(ages, settings), numbers.tolist(), strict=True))
        if rng.random() < 0.5:
            rows = [(*cell, k) for cell, k in cells.items()]
        else:
            rows = [(a, "", sum(cells[a, s] for s in settings)) for a in ages]
            rows += [("", s, sum(cells[a, s] for a in ages)) for s in settings]
        made.append("age_years,setting,n\n" + "".join(f"{a},{s},{k}\n" for a, s, k in rows))
    return made


def told_by_the_command(text: str, folder: Path) -> dict[str, Any]:
    """Say what the command says of a file, part by part."""
    pack = read_pack(folder / "pack")
    variables = PrintedVariables.of(pack.levels, SETTING_AGE)
    file = folder / "your counts"
    file.write_text(text, encoding="utf-8")
    try:
        rows = counts_file.read_counts(file, variables, set(), pack.protocol_digest)
        target, lacking = typed_target(rows, variables, file.name)
    except InputError as error:
        return {"problems": [[p.where, p.what, p.remedy] for p in error.problems]}
    of = [
        r for r in pack.cells if r["window"] == "retrospective" and r["operating_point"] == "locked"
    ]
    counted = Counted.of(of, variables)
    question = Question(
        cells=counted.cells,
        missing=counted.missing,
        design_effects=counted.design_effects,
        target=target,
        level=0.95,
        goals={"sensitivity": 0.76},
    )
    answer = figures_in_target(question)
    window: compared.Window = {
        "why_not": None,
        "answer": answer,
        "what_if": what_would_change(question, answer),
    }
    found = compared.with_sentences(
        {
            "pack": {},
            "population": {
                "file": file.name,
                "kind": "margins" if target["cells"] is None else "joint",
                "persons": sum(group["persons"] for group in target["levels"][0]),
                "variables": list(variables.names),
                "not_stated": lacking,
                "prevalence": None,
            },
            "unit": "study",
            "contains": "",
            "places": [
                {
                    "finding": "nodule",
                    "finding_title": "Nodule",
                    "model": "m-2",
                    "operating_point": "locked",
                    "point_title": "Locked",
                    "goals": {"sensitivity": 0.76},
                    "windows": {"retrospective": window},
                }
            ],
        },
        pack.sentences,
    )
    said = found["places"][0]["windows"]["retrospective"]
    return {
        "population": compared.population_line(found),
        "title": compared.heading(found["places"][0], "retrospective"),
        "goals": compared.goal_lines(answer, {"sensitivity": 0.76}),
        "unit": compared.unit_line("study"),
        "cells": [list(row) for row in compared.cell_rows(answer)],
        "support": compared.support_lines(answer),
        "columns": list(compared.columns(answer).values()),
        "figures": [list(row) for row in compared.figure_rows(answer)],
        "beside": compared.beside_lines(answer),
        "changes": compared.change_lines(said),
        "notes": said["notes"],
    }


TOLD_BY_THE_PAGE = """(text => {
  const pack = readPack(document.getElementById("pack").textContent);
  try {
    const rows = readCounts(text, pack.variables, [], pack.protocol_digest, "your counts");
    const { target, notStated } = typedTarget(rows, pack.variables, "your counts");
    const [{ title, goals, answer, whatIf }] = comparedPlaces(pack, target, null);
    return {
      population: populationLine({ name: "your counts", target, variables: pack.variables.names,
        notStated, prevalence: null }),
      title, goals: goalLines(answer, goals), unit: unitLine(pack.unit), cells: cellRows(answer), support: supportLines(answer),
      columns: figureColumns(answer).map(of => COLUMNS[of]), figures: figureRows(answer),
      beside: besideLines(answer), changes: changeLines(whatIf),
      notes: noteLines(answer, pack.codes),
    };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { problems: error.problems };
  }
})"""


def test_what_the_page_says_of_counts_is_what_the_command_says(desk: Page, tmp_path: Path) -> None:
    counted_pack(tmp_path / "pack")
    texts = [*TYPED, *random_texts(40)]
    expected = [told_by_the_command(text, tmp_path) for text in texts]
    found = desk.ask(f"{json.dumps(texts)}.map({TOLD_BY_THE_PAGE})")
    # The page has no --template: who is asked to write a file pastes a table.
    for one in expected:
        for problem in one.get("problems", ()):
            problem[2] = re.sub(r": --template writes the file$", "", problem[2])
            problem[2] = re.sub(r"; --template writes the file$", "", problem[2])
            problem[2] = re.sub(
                r"^--template writes the file to fill in$",
                "paste a table with its header",
                problem[2],
            )
    for text, one, other in zip(texts, found, expected, strict=True):
        assert one == other, text
    answered = ["problems" not in one for one in expected]
    assert answered.count(True) > 45
    assert answered.count(False) > 10
    assert any(one.get("beside") for one in expected)
    assert any(len(one.get("columns", ())) == 5 for one in expected)


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
    here, there = (row.split(" (")[0] for row in figures[0][1:3])
    assert here == there == "70.0%"


def test_a_target_that_is_not_printed_whole_is_no_example() -> None:
    hidden = {**comparison_pack.TARGET, "setting": {"emergency": None, "ward": None}}
    assert comparison_pack.data(target=hidden)["target"] == []


def test_a_typed_prevalence_is_taken_with_joint_counts_and_refused_where_it_is_none(
    desk: Page,
) -> None:
    paste(desk, JOINT)
    write(desk, "prevalence", "3%")
    figures = dict(row[:3:2] for row in desk.ask(ROWS)[0])
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
