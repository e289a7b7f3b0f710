"""The page of statistics names modules, tables, metrics and tests that exist, and every module."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.report.words import METRICS

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "vpack_pipeline_tests"
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
GROUPS, _, REST = PAGE.partition("\n## What simulations say\n")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in GROUPS.splitlines()
    if line.startswith("| ") and not line.startswith("| figure")
]
NO_REFERENCE = "**no outside reference: property tests only**"


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_has_its_module_source_interval_and_test() -> None:
    assert len(ROWS) > 60
    for row in ROWS:
        assert len(row) == 5, row
        assert all(row), row
        assert re.fullmatch(r"`vpack_pipeline/(stats|core)/[\w/]+\.py`", row[1]), row
        assert re.search(r"`[\w/]+\.py::test_\w+`", row[4]), row
        assert "property tests only" not in row[4].replace(NO_REFERENCE, ""), row


@pytest.mark.parametrize("module", sorted(set(re.findall(r"vpack_pipeline/[\w/]+\.py", PAGE))))
def test_every_module_named_exists(module: str) -> None:
    assert (ROOT / module).is_file()


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE))))
def test_every_test_named_exists(test: str) -> None:
    path, _, name = test.partition("::")
    assert name in functions(TESTS / path)


def test_every_module_with_a_public_statistic_is_on_the_page() -> None:
    named = {row[1].strip("`") for row in ROWS}
    for file in sorted((ROOT / "vpack_pipeline" / "stats").rglob("*.py")):
        # How a statistic says how it was made is none, and neither is what it accepts.
        if file.name not in ("codes.py", "arguments.py") and any(
            not n.startswith("_") for n in functions(file)
        ):
            assert file.relative_to(ROOT).as_posix() in named


def test_what_is_said_to_be_printed_is_a_table_and_a_name_in_it() -> None:
    tables = contracts.load()
    core = [f.read_text(encoding="utf-8") for f in (ROOT / "vpack_pipeline/core").rglob("*.py")]
    written = set(re.findall(r'"(\w+=?)', "".join(core)))
    columns = {column.name for table in tables.values() for column in table.columns}
    # Such as tipping_point_, to which the name of a figure is put.
    stems = tuple(name for name in written if name.endswith("_") and len(name) > 5)
    known = {*METRICS, *written, *columns}
    for row in ROWS:
        for name in re.findall(r"`([^`]+)`", row[0]):
            if "/" in name:
                assert tables[name].export, row
            else:
                assert name in known or name.startswith(stems), name


def test_every_simulation_has_its_figures_on_the_page() -> None:
    code = (ROOT / "benchmarks" / "simulations.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "(\w+)": \w+,$', code, re.MULTILINE)
    assert names
    assert [name for name in names if f"`{name}`" not in REST] == []
    rows = [line for line in REST.splitlines() if line.startswith("| ")]
    assert all(line.count(" | ") == 2 for line in rows)


def test_the_page_is_linked_where_documents_are() -> None:
    assert "](docs/statistics.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "`docs/statistics.md`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
