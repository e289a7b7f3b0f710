"""The grid, the law, the contracts and the arrows: what every later change is held to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dbt_like_sql
import vpack_pipeline
from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.by_function import function_of
from vpack_pipeline.io import models
from vpack_pipeline.sections import SECTIONS, UPSTREAM
from vpack_pipeline_tests.arguments import asked_by

PACKAGE = Path(vpack_pipeline.__file__).parent
SQL = Path(dbt_like_sql.__file__).parent
BANNED_NAMES = {"utils", "helpers", "common", "constants", "manager"}

EXEMPT_CELLS = {
    ("core", "cohort"): "its edge is DICOM and input forms: it is computed in io/cohort",
    ("dbt_like_sql", "representativeness"): "bins come from the protocol",
    ("dbt_like_sql", "adjudication"): "rules are judgement",
    ("dbt_like_sql", "drift"): "monitors are statistics",
    ("dbt_like_sql", "pack"): "the report is text",
}


def has_cell(layer: str, section: str) -> bool:
    if layer == "dbt_like_sql":
        return any((SQL / section).glob("*.sql"))
    if layer == "contracts":
        return any((PACKAGE / "contracts" / section).glob("*.yaml"))
    place = PACKAGE / layer / section
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("layer", ["core", "contracts", "assets", "dbt_like_sql"])
def test_every_section_has_its_cell_in_every_layer_or_a_named_exemption(
    layer: str, section: str
) -> None:
    assert has_cell(layer, section) != ((layer, section) in EXEMPT_CELLS)


def test_sections_form_no_cycle_and_follow_their_order() -> None:
    order = list(SECTIONS)
    assert set(UPSTREAM) == set(order)
    for section, upstream in UPSTREAM.items():
        assert all(order.index(name) < order.index(section) for name in upstream)


def test_every_table_has_one_contract_and_is_computed_in_one_place() -> None:
    for asset, contract in contracts.load().items():
        is_model = asset in models.load()
        is_function = contract.package is not None and callable(function_of(contract))
        is_generated = contract.computed_by == "generated"
        assert [is_model, is_function, is_generated].count(True) == 1, asset


def test_every_model_has_a_contract() -> None:
    assert set(models.load()) <= set(contracts.load())


def test_tables_form_a_graph_without_cycles_along_the_sections() -> None:
    known = contracts.order(benches.dependencies())
    assert set(known) == set(contracts.load())


def test_every_model_says_in_a_header_what_it_decides() -> None:
    for asset, model in models.load().items():
        assert model.sql.startswith("--"), asset


def test_columns_of_every_model_trace_to_columns_that_exist() -> None:
    for asset in models.load():
        lineage = models.column_lineage(asset)
        assert set(lineage) == {c.name for c in contracts.load()[asset].columns}


def test_a_core_function_takes_what_its_contract_declares_and_nothing_else() -> None:
    for asset, contract in contracts.load().items():
        if contract.computed_by != "core":
            continue
        names, takes_any = asked_by(function_of(contract))
        given = {*contract.inputs, *contract.protocol, *contract.site, *contract.outside}
        given |= {"cut"} if contract.uses_cut else set()
        assert names <= given if takes_any else names == given, asset


def test_no_module_is_called_by_what_it_is_not() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in BANNED_NAMES, path


def test_every_module_says_what_it_is_for() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_no_module_outgrows_its_purpose() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path


def test_the_pure_core_reads_no_clock_randomness_or_environment() -> None:
    banned = {"time", "random", "os", "secrets", "uuid", "subprocess", "pathlib"}
    for layer in ("core", "stats"):
        for path in (PACKAGE / layer).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                names = []
                if isinstance(node, ast.Import):
                    names = [a.name.partition(".")[0] for a in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [(node.module or "").partition(".")[0]]
                assert not banned & set(names), path
                if isinstance(node, ast.Attribute):
                    assert node.attr not in {"now", "today", "utcnow"}, path


IMPORT_EVERYTHING = """
import builtins, importlib, os, pkgutil, socket, sys
import vpack_pipeline

real_open = builtins.open
def guarded(file, *a, **k):
    name = os.fspath(file) if not isinstance(file, int) else ""
    assert not str(name).startswith(root), f"a file of the project was opened: {name}"
    return real_open(file, *a, **k)
def no_network(*a, **k):
    raise AssertionError("a socket was opened")

root = sys.argv[1]
os.chdir(root)
import dagster, polars, pydicom, click, jinja2  # their own import is not ours
socket.socket.connect = no_network
builtins.open = guarded
for module in pkgutil.walk_packages(vpack_pipeline.__path__, "vpack_pipeline."):
    if module.name != "vpack_pipeline.__main__":
        importlib.import_module(module.name)
assert os.listdir(root) == []
"""


def test_importing_the_package_touches_no_file_environment_or_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_EVERYTHING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "VPACK_ROOT": "/nonexistent", "PYTHONPATH": str(PACKAGE.parent)},
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_verify_runs_with_every_library_but_click_absent(tmp_path: Path) -> None:
    (tmp_path / "bagit.txt").touch()
    block = (
        "import sys\n"
        "for name in ('dagster', 'duckdb', 'jinja2', 'numpy', 'polars', 'pydantic', 'yaml'):\n"
        "    sys.modules[name] = None\n"
        "from vpack_pipeline.cli import main\n"
        f"main(['verify', {str(tmp_path)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
