"""The script of the comparison page computes what the commands do, in a real browser."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest

from vpack_pipeline.cli import acceptance_words
from vpack_pipeline.core.acceptance import Hospital, Stated, acceptance_sheet
from vpack_pipeline.core.transport import figures_in_target
from vpack_pipeline.errors import UsageError
from vpack_pipeline.report.scripts import script
from vpack_pipeline_tests.browser import random_questions
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program

pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]

POPULATIONS, HOSPITALS = 500, 100


@pytest.fixture(scope="module")
def scripted(browser: Page) -> Page:
    browser.open("about:blank")
    browser.ask(script())
    return browser


def differences(found: Any, expected: Any, at: str = "") -> list[str]:
    """Name every place where two answers are not the same; numbers within 1e-9."""
    if isinstance(expected, float | int) and not isinstance(expected, bool):
        is_number = isinstance(found, float | int) and not isinstance(found, bool)
        return [] if is_number and abs(found - expected) <= 1e-9 else [f"{at}: {found} {expected}"]
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return [f"{at}: {found} {expected}"]
        return [
            d for key in expected for d in differences(found[key], expected[key], f"{at}.{key}")
        ]
    if isinstance(expected, list | tuple):
        if not isinstance(found, list) or len(found) != len(expected):
            return [f"{at}: {found} {expected}"]
        pairs = enumerate(zip(found, expected, strict=True))
        return [d for k, (f, e) in pairs for d in differences(f, e, f"{at}.{k}")]
    return [] if found == expected else [f"{at}: {found!r} {expected!r}"]


def test_differences_are_seen() -> None:
    answer = {"a": [1.0, None], "b": "x"}
    assert differences({"a": [1.0 + 1e-10, None], "b": "x"}, answer) == []
    others: list[Any] = [
        {"a": [1.0 + 1e-8, None], "b": "x"},
        {"a": [1.0, 0], "b": "x"},
        {"a": [1.0], "b": "x"},
        {"a": [1.0, None], "b": "y"},
        {"a": [None, None], "b": "x"},
        {"a": [1.0, None]},
    ]
    assert [len(differences(other, answer)) for other in others] == [1] * 6


def test_figures_in_a_target_are_those_of_the_command(scripted: Page) -> None:
    questions = [random_questions.question(seed) for seed in range(POPULATIONS)]
    expected = [figures_in_target(question) for question in questions]
    found = scripted.ask(f"{json.dumps(questions)}.map(compare)")
    wrong = {
        seed: differences(*both)[:3]
        for seed, both in enumerate(zip(found, expected, strict=True))
        if differences(*both)
    }
    assert wrong == {}
    # Every way out was taken, so that none is equal for want of a question.
    figures = [a["figures"]["in_target"]["sensitivity"] for a in expected]
    ways = Counter("given" if f["reason"] is None else f["reason"]["code"] for f in figures)
    assert ways["given"] > POPULATIONS / 4
    assert set(ways) >= {
        "cells_without_case",
        "margins_cross_goal",
        "no_mature_case",
        "no_table_with_margins",
        "no_target",
        "nobody_in_denominator",
        "one_common_cell",
        "prevalence_needs_joint_counts",
        "prevalence_out_of_reach",
    }
    notes = {note["code"] for f in figures for note in f["notes"]}
    assert notes >= {
        "cases_left_out",
        "cells_with_few_positives",
        "no_interval_of_margins",
        "no_interval_of_weighted_cells",
        "prevalence_typed",
        "same_within_cells",
    }


def sheet_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Ask the Python function, and write what it says as the script does."""
    hospital = Hospital(**asked["hospital"])
    stated = tuple(Stated(**s) for s in asked["stated"])
    try:
        sheet = acceptance_sheet(stated, hospital, asked["truths"])
    except UsageError as error:
        (problem,) = error.problems
        return {"problem": [problem.where, problem.what, problem.remedy]}
    return {
        "sheet": {
            "figures": [
                asdict(a) | {"can_be_shown": a.can_be_shown, "margin_that_can": a.margin_that_can}
                for a in sheet.asked
            ],
            "power_of_each": sheet.power_of_each,
            "can_be_shown": sheet.can_be_shown,
            "weeks": sheet.weeks,
            "two_phase": None if sheet.two_phase is None else asdict(sheet.two_phase),
        },
        "rows": acceptance_words.table(sheet, hospital),
        "answer": acceptance_words.answer(sheet, hospital),
        "assumptions": acceptance_words.assumptions(sheet, hospital),
    }


def test_the_acceptance_sheet_is_that_of_the_command_word_for_word(scripted: Page) -> None:
    asked = [random_questions.hospital(seed) for seed in range(HOSPITALS)]
    expected = [sheet_of(one) for one in asked]
    found = scripted.ask(
        f"""{json.dumps(asked)}.map(({{stated, hospital, truths}}) => {{
          const sheet = acceptanceSheet(stated, hospital, truths);
          if (sheet.problem) return sheet;
          return {{sheet, rows: sheetRows(sheet, hospital), answer: sheetAnswer(sheet, hospital),
                   assumptions: sheetAssumptions(sheet, hospital)}}; }})"""
    )
    wrong = {
        seed: differences(*both)[:3]
        for seed, both in enumerate(zip(found, expected, strict=True))
        if differences(*both)
    }
    assert wrong == {}
    given = [e["sheet"] for e in expected if "sheet" in e]
    assert len(given) > HOSPITALS / 2
    assert len(given) < HOSPITALS
    assert {s["can_be_shown"] for s in given} == {True, False}
    assert any(s["two_phase"] and s["two_phase"]["share"] < 1 for s in given)


def test_numbers_are_written_as_in_python(scripted: Page) -> None:
    values = [0.0, 0.5, 1.5, 2.5, 12.25, 0.125, 37.25, 999.95, 1234.5, 1e-5, 3e-4, -0.02, 1e7, 0.05]
    found = scripted.ask(
        f"{json.dumps(values)}.map(v => [fixed(v, 1), fixed(v, 0), general(v), general(v, 3)])"
    )
    assert found == [[f"{v:.1f}", f"{v:.0f}", f"{v:g}", f"{v:.3g}"] for v in values]
