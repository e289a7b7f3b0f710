"""The comparison page says of counts, word for word, what the command says."""

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
from vpack_pipeline_tests.browser import comparison_pack
from vpack_pipeline_tests.browser.chromium import ABSENT, Page, program
from vpack_pipeline_tests.browser.test_browser_report import DESK
from vpack_pipeline_tests.counted_pack import SETTING_AGE, counted_pack
from vpack_pipeline_tests.counted_pack import protocol_digest as counted_pack_digest

pytestmark = [pytest.mark.browser, pytest.mark.skipif(program() is None, reason=ABSENT)]


@pytest.fixture(scope="module")
def desk(browser: Page, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("page")
    browser.size(*DESK)
    browser.open(comparison_pack.written(folder, comparison_pack.data()).as_uri())
    return browser


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
    "ED,5\nward,3\n",
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
