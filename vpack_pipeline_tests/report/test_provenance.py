"""Under each place of the report: the files, the gate and the code that its figures come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.report.provenance import code_of, source_line

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = [c for c in contracts.load().values() if c.export]


@pytest.mark.parametrize("contract", EXPORTED, ids=lambda c: c.asset)
def test_the_code_of_each_table_is_a_file_of_the_repository(contract):
    path = code_of(contract)
    assert (ROOT / path).is_file() or (ROOT / "vpack_pipeline" / path).is_file()
    text = next(p for p in (ROOT / path, ROOT / "vpack_pipeline" / path) if p.is_file()).read_text()
    assert path.endswith(".sql") or f"def {contract.table}(" in text


def test_a_place_names_each_table_that_it_shows_with_its_gate(page, study):
    block = page[page.index('<div id="roc">') :]
    line = re.findall(r'<p class="source">(.*?)</p>', block)[0]
    checks = next(r["checks"] for r in study.receipts if r["asset"] == "evaluation/roc")
    passed = sum(c["outcome"] == "pass" for c in checks)
    assert 'href="tables/evaluation.roc.csv"' in line
    assert f'href="gates/evaluation.roc.receipt.json">{passed} of {len(checks)}</a>' in line
    assert "core/evaluation/roc.py" in line


def test_a_warning_that_found_something_is_no_check_that_passed():
    checks = [{"outcome": "pass"}, {"outcome": "fail"}]
    assert "1 of 2" in source_line(
        {"evaluation/roc"}, [{"asset": "evaluation/roc", "checks": checks}]
    )


@pytest.mark.parametrize("assets", [(), ("cohort/cases",), ("evaluation/roc",)])
def test_a_place_without_a_table_that_travels_has_no_line(assets):
    assert source_line(assets, []) == ""
