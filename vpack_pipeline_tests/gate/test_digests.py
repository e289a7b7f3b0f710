"""Which edit of the package changes which digest of which table."""

from __future__ import annotations

import ast
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

import dbt_like_sql
import vpack_pipeline
from vpack_pipeline import contracts, source_digest
from vpack_pipeline.contracts import header_fields
from vpack_pipeline.gate import digests
from vpack_pipeline.io.dicom import state

PACKAGE = Path(vpack_pipeline.__file__).parent
SQL = Path(dbt_like_sql.__file__).parent
Found = dict[str, dict[str, str]]

EDITS: dict[str, dict[str, tuple[str, str]]] = {
    "comments": {
        "vpack_pipeline/report/templates/style.css.j2": ("/* A hint", "/* Another hint"),
        "vpack_pipeline/report/templates/answers.html.j2": ("{# The", "{# All of the"),
        "vpack_pipeline/core/evaluation/endpoints.py": ("", "\n# Why.\n"),
        "vpack_pipeline/core/evaluation/__init__.py": ('"""How', '"""Say how'),
        "vpack_pipeline/stats/roc.py": ('"""', '"""Another word. '),
        "vpack_pipeline/gate/check.py": ('"""', '"""Another word. '),
        "vpack_pipeline/assets/by_function.py": ("def read(", "# Why.\n\n\ndef read("),
        "vpack_pipeline/contracts/drift/plan.yaml": ("grain:", "# Why.\ngrain:"),
        "vpack_pipeline/contracts/fields.yaml": ("\nfields:\n", "\n# Why.\nfields:\n"),
        "vpack_pipeline/contracts/cohort/header_fields.yaml": ("# What the", "# Which"),
        "dbt_like_sql/eligibility/flow.sql": ("-- ", "-- Another word. "),
    },
    "report": {"vpack_pipeline/report/words.py": ("", "\nANOTHER = 1\n")},
    "style": {"vpack_pipeline/report/templates/style.css.j2": ("margin", "padding")},
    "template": {"vpack_pipeline/report/templates/answers.html.j2": ("<p", "<div")},
    "description": {
        "vpack_pipeline/contracts/drift/plan.yaml": ("description: ", "description: Another ")
    },
    "field's description": {
        "vpack_pipeline/contracts/fields.yaml": ("Place of the monitor", "Rank of the monitor")
    },
    "header field's description": {
        "vpack_pipeline/contracts/cohort/header_fields.yaml": ("Peak tube voltage", "Tube voltage")
    },
    "header field's caution": {
        "vpack_pipeline/contracts/cohort/header_fields.yaml": ("Not the distance", "No distance")
    },
    "header field's element": {
        "vpack_pipeline/contracts/cohort/header_fields.yaml": ("KVP (0018,0060)", "KVP (0018,0061)")
    },
    "header field's bound": {
        "vpack_pipeline/contracts/cohort/header_fields.yaml": ("most: 30", "most: 20")
    },
    "code's sentence": {
        "vpack_pipeline/contracts/codes/drift.yaml": ("undefined in this", "undefined in that")
    },
    "code's parameter": {
        "vpack_pipeline/contracts/codes/drift.yaml": ("{minimum: integer}", "{minimum: number}")
    },
    "metric's title": {
        "vpack_pipeline/contracts/metrics.yaml": ('title: "Cases"', 'title: "All cases"')
    },
    "core": {"vpack_pipeline/core/evaluation/endpoints.py": ("", "\nANOTHER = 1\n")},
    "constant": {
        "vpack_pipeline/stats/resampling.py": ("FEW_UNDEFINED: Final = 0.05", "FEW_UNDEFINED = 0")
    },
    "model": {"dbt_like_sql/eligibility/flow.sql": ("select", "select distinct")},
    "expectation": {"vpack_pipeline/contracts/evaluation/endpoints.yaml": ("why: ", "why: So ")},
    "type": {
        "vpack_pipeline/contracts/drift/plan.yaml": (
            "  - title\n",
            "  - {name: title, null: true}\n",
        )
    },
    "field's type": {
        "vpack_pipeline/contracts/fields.yaml": (
            "plan_order, type: int",
            "plan_order, type: float",
        )
    },
    "gate": {"vpack_pipeline/gate/suite.py": ("", "\nANOTHER = 1\n")},
    "cohort contract": {
        "vpack_pipeline/contracts/cohort/series.yaml": (
            "- n_distinct_acquisitions",
            "- {name: n_distinct_acquisitions, null: true}",
        )
    },
}
"""Edits of the package: file → the text that is replaced once; where that is empty, text is added."""

ASK = """
import functools, json, pathlib, sys
from importlib.machinery import SourceFileLoader
import sqlglot
root = pathlib.Path.cwd()
sys.path.insert(0, str(root))
asked, reading, parsed, compiled = {}, {}, {}, {}
# A file is compiled and parsed anew where its bytes are new: the most of what asking costs.
sqlglot.parse = functools.cache(sqlglot.parse)
sqlglot.tokenize = functools.cache(sqlglot.tokenize)
compile_anew = SourceFileLoader.source_to_code
def compile_once(loader, data, path, **told):
    key = (bytes(data), path)
    if key not in compiled:
        compiled[key] = compile_anew(loader, data, path, **told)
    return compiled[key]
SourceFileLoader.source_to_code = compile_once
for name, edits in json.loads(sys.stdin.read()).items():
    before = {}
    for file, (old, new) in edits.items():
        path = root / file
        text = before[path] = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")
    for module in [m for m in sys.modules if m.partition(".")[0] in ("vpack_pipeline", "dbt_like_sql")]:
        del sys.modules[module]
    from dataclasses import asdict
    from vpack_pipeline import contracts, source_digest
    parse = source_digest._module
    def module(*given, parse=parse, **told):
        key = (*given, *told.values())
        if key not in parsed:
            parsed[key] = parse(*given, **told)
        return parsed[key]
    source_digest._module = module
    from vpack_pipeline.gate import digests
    from vpack_pipeline.io.dicom import state
    assert digests.__file__.startswith(str(root))
    asked[name] = {asset: asdict(digests.in_force(asset)) for asset in contracts.load()}
    reading[name] = state.reading()
    for path, text in before.items():
        path.write_text(text, encoding="utf-8")
print(json.dumps([asked, reading]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Found], dict[str, str]]:
    """Ask a copy, under each of :data:`EDITS` and under none, for its digests in force and for that
    of its reading of headers.
    """
    copy = tmp_path_factory.mktemp("copy")
    bare = shutil.ignore_patterns("__pycache__")
    for package in (PACKAGE, SQL):
        shutil.copytree(package, copy / package.name, ignore=bare)
    done = subprocess.run(
        [sys.executable, "-B", "-c", ASK],
        input=json.dumps({"": {}} | EDITS),
        capture_output=True,
        text=True,
        check=False,
        cwd=copy,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    tables, reading = json.loads(done.stdout)
    return tables, reading


@pytest.fixture(scope="module")
def edited(answers: tuple[dict[str, Found], dict[str, str]]) -> dict[str, Found]:
    """Give the digests in force under each edit."""
    return answers[0]


@pytest.fixture
def changed(edited: dict[str, Found]) -> Callable[[str, str], set[str]]:
    """Name the tables of which an edit changes a digest."""
    now = edited[""]
    return lambda edit, part: {a for a in now if edited[edit][a][part] != now[a][part]}


def test_a_copy_has_the_digests_of_the_original(edited: dict[str, Found]) -> None:
    assert edited[""] == {a: asdict(digests.in_force(a)) for a in contracts.load()}


def test_a_comment_anywhere_changes_no_digest(edited: dict[str, Found]) -> None:
    assert edited["comments"] == edited[""]


@pytest.mark.parametrize(
    "edit",
    [
        *("report", "style", "template", "description", "field's description"),
        "header field's description",
        "header field's caution",
        "code's sentence",
        "metric's title",
    ],
)
def test_an_edit_of_the_words_makes_the_tables_of_the_pack_anew(changed, edit: str) -> None:
    assert changed(edit, "words") == {a for a in contracts.load() if a.startswith("pack/")}
    assert changed(edit, "compute") <= {"pack/validation_pack"}
    assert changed(edit, "check") == set()


def test_what_a_code_may_say_decides_about_the_tables_that_say_codes(changed) -> None:
    with_codes = {a for a, c in contracts.load().items() if "detail" in c.polars_schema}
    assert changed("code's parameter", "check") == with_codes
    assert with_codes - {"drift/plan"} <= changed("code's parameter", "compute")
    made = changed("code's parameter", "compute") - with_codes
    assert not {a for a in made if a.startswith(("cohort/", "eligibility/"))}


def test_an_edit_of_one_core_module_changes_the_tables_that_import_it(changed) -> None:
    assert changed("core", "compute") == {"evaluation/endpoints"}
    assert changed("core", "check") == set()


def test_a_constant_three_imports_away_changes_each_table_that_it_reaches(changed) -> None:
    reached = {
        asset
        for asset, contract in contracts.load().items()
        if "vpack_pipeline.stats.resampling" in source_digest.closure(digests.roots(contract))
    }
    assert changed("constant", "compute") == reached
    assert {"adjudication/agreement", "drift/limits", "evaluation/performance"} < reached
    assert not {a for a in reached if a.startswith(("cohort/", "eligibility/"))}


def test_an_edit_of_a_model_changes_its_own_table(changed) -> None:
    assert changed("model", "compute") == {"eligibility/flow"}


def test_an_expectation_decides_only_whether_its_table_is_checked_again(changed) -> None:
    assert changed("expectation", "check") == {"evaluation/endpoints"}
    assert changed("expectation", "compute") <= {"pack/validation_pack"}


def test_a_type_decides_about_table_and_check(changed) -> None:
    assert "drift/plan" in changed("type", "compute") & changed("type", "check")
    assert changed("field's type", "check") == {"drift/plan"}
    anew = changed("field's type", "compute")
    assert {"drift/plan"} == {asset for asset in anew if not asset.startswith("pack/")}


def test_the_gate_checks_every_table_again_when_it_changes(changed) -> None:
    assert changed("gate", "check") == set(contracts.load())
    assert changed("gate", "compute") == set()


@pytest.mark.parametrize(
    ("edit", "asked", "telling"),
    [
        ("header field's element", set(), set()),
        # The contract of images asks whether the bound is kept, and travels in the pack.
        ("header field's bound", {"cohort/instances"}, {"pack/validation_pack"}),
    ],
)
def test_what_is_declared_of_a_header_field_decides_what_headers_are_read_again(
    answers, changed, edit: str, asked: set[str], telling: set[str]
) -> None:
    """Kept header rows carry the digest of the reading that made them."""
    assert answers[1][edit] != answers[1][""]
    # The checklist asks of the same file which fields say how an image was made.
    reading = {"cohort/accession_gaps", "cohort/files", "cohort/instances", "pack/claim"}
    assert changed(edit, "compute") == reading | telling
    assert changed(edit, "check") == asked


@pytest.mark.parametrize("edit", ["comments", "header field's description", "core", "type"])
def test_neither_words_nor_other_tables_make_a_header_be_read_again(answers, edit: str) -> None:
    assert answers[1][edit] == answers[1][""]


def test_all_that_the_reading_of_headers_declares_to_read_is_in_its_digest() -> None:
    found = source_digest.closure(frozenset(state.PARSER))
    assert source_digest.package_data(found) == [header_fields.FILE]


def test_a_contract_that_another_module_reads_counts_for_its_tables(changed) -> None:
    """The loaders of inputs read contracts of their section by name."""
    assert {"cohort/series", "cohort/reads"} <= changed("cohort contract", "compute")
    assert not {a for a in changed("cohort contract", "compute") if a.startswith("evaluation/")}


PASSED = {
    "core": "vpack_pipeline.assets.by_function",
    "io": "vpack_pipeline.assets.by_function",
    "sql": "vpack_pipeline.assets.by_model",
    "generated": "vpack_pipeline.assets.by_model",
}
"""What every table passes: the choice of its blocks or parameters, conforming, writing."""
WRITING = {
    "vpack_pipeline.contracts",
    "vpack_pipeline.io.buckets",
    "vpack_pipeline.io.warehouse",
    "vpack_pipeline.protocol",
    "vpack_pipeline.site",
}


@pytest.mark.parametrize("asset", list(contracts.load()))
def test_every_table_counts_what_it_passes_and_where_it_is_defined(asset: str) -> None:
    contract = contracts.load()[asset]
    found = source_digest.closure(digests.roots(contract))
    assert {PASSED[contract.computed_by]} | WRITING <= found
    if contract.package is not None:
        path, _ = source_digest.definition(contract.package, contract.table)
        inner = Path(str(path)).relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(["vpack_pipeline", *(p for p in inner if p != "__init__")])
        assert module in found
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert contract.table in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


@functools.cache
def reaching() -> list[tuple[str, ast.Module]]:
    """Give each module that reaches a table, with its syntax tree."""
    known = [source_digest.closure(digests.roots(c)) for c in contracts.load().values()]
    found = []
    for name in sorted(frozenset[str]().union(*known)):
        path = PACKAGE.joinpath(*name.split(".")[1:])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        found.append((name, ast.parse(file.read_text(encoding="utf-8"))))
    return found


HIDDEN_WAYS = {"importlib", "inspect", "pkgutil", "runpy", "linecache"}
HIDDEN_NAMES = {"__import__", "eval", "exec", "globals", "compile", "vars"}
HIDDEN_ATTRIBUTES = {"__doc__", "__file__", "__globals__", "__code__", "getsource"}


def hidden_ways(name: str, parsed: ast.Module) -> list[str]:
    """List what in a module could read code that its imports do not show."""
    modules = {
        a.asname or a.name.partition(".")[0]
        for node in ast.walk(parsed)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for a in node.names
        if _is_module(node, a)
    }
    found = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.partition(".")[0] in HIDDEN_WAYS]
        elif isinstance(node, ast.ImportFrom):
            top = (node.module or "").partition(".")[0]
            found += [str(node.module)] if top in HIDDEN_WAYS and node.module else []
        elif isinstance(node, ast.Attribute) and node.attr in HIDDEN_ATTRIBUTES:
            found.append(node.attr)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules":
            found.append("sys.modules")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            if node.func.id in HIDDEN_NAMES:
                found.append(node.func.id)
            elif node.func.id == "getattr" and isinstance(first, ast.Name) and first.id in modules:
                found.append(f"getattr({first.id}, …)")
    return found


def _is_module(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> bool:
    if isinstance(node, ast.Import):
        return True
    return f"{node.module}.{alias.name}" in source_digest.tree()


def asks_for_contracts(parsed: ast.Module) -> bool:
    attributes = {n.attr for n in ast.walk(parsed) if isinstance(n, ast.Attribute)}
    return "contracts.load()" in ast.unparse(parsed) or "eligibility_views" in attributes


def test_no_module_that_reaches_a_table_reads_code_that_its_imports_do_not_show() -> None:
    for name, parsed in reaching():
        if name not in digests.DISPATCHERS and not source_digest.tree()[name].data:
            assert hidden_ways(name, parsed) == [], name


@pytest.mark.parametrize(
    "line",
    [
        "import importlib",
        "from importlib import resources",
        "import inspect",
        "x = f.__doc__",
        "import sys\nx = sys.modules['a']",
        "x = eval('1')",
        "from vpack_pipeline import contracts\nx = getattr(contracts, 'load')",
    ],
)
def test_the_search_for_hidden_ways_finds_each(line: str) -> None:
    assert hidden_ways("a", ast.parse(line))


def test_every_dispatcher_is_needed() -> None:
    found = {n for n, parsed in reaching() if hidden_ways(n, parsed) or asks_for_contracts(parsed)}
    assert set(digests.DISPATCHERS) <= found


def test_whoever_reads_contracts_says_which() -> None:
    """A table that depends on another's contract must be made again when that changes."""
    for name, parsed in reaching():
        if asks_for_contracts(parsed) and name not in digests.DISPATCHERS:
            assert source_digest.tree()[name].data, (
                f"{name} declares no {source_digest.DECLARATION}"
            )
