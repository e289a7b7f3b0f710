"""Nobody asks what the sentence of a code contains: neither code that makes tables or the report,
nor a template. Who wants to know asks for the code.
"""

from __future__ import annotations

import ast
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from vpack_pipeline import contracts
from vpack_pipeline.contracts.shapes import CODES
from vpack_pipeline.report.template_text import SYNTAX

PACKAGE = Path(contracts.__file__).parents[1]
WORDS = frozenset(CODES)
ASKING = frozenset(
    {"partition", "rpartition", "split", "rsplit", "startswith", "endswith", "find", "index"}
    | {"removeprefix", "removesuffix", "replace", "count", "contains", "starts_with", "ends_with"}
    | {"strip", "extract", "contains_any", "str", "match", "search", "fullmatch", "findall"}
)
"""Methods and functions that take a text apart or look into it."""


def reads_words(node: ast.AST) -> bool:
    """Whether an expression is the text of a cell of codes: a row's, a frame's or a record's."""
    if isinstance(node, ast.Name):
        return node.id in WORDS or node.id == "note"
    if isinstance(node, ast.Attribute) and node.attr == "text":
        return reads_words(node.value) or _is_named(node.value, {"note"})
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in WORDS
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        first = node.args[0] if node.args else None
        of_words = isinstance(first, ast.Constant) and first.value in WORDS
        return of_words and node.func.attr in {"says", "col", "get"}
    return False


def _is_named(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in names


def _is_says(node: ast.AST) -> bool:
    return reads_words(node) and (
        _is_named(node, {"text"}) or (isinstance(node, ast.Call) and _is_named(node.func, {"says"}))
    )


def asks_words(node: ast.AST) -> bool:
    """Whether a node of Python asks what a sentence contains.

    A code may be compared with a name; a text as it is printed with nothing at all.
    """
    if isinstance(node, ast.Compare):
        return any(
            reads_words(right) or (_is_says(left) and isinstance(right, ast.Tuple | ast.Set))
            if isinstance(op, ast.In | ast.NotIn)
            else _is_says(left) or _is_says(right)
            for left, op, right in zip(
                (node.left, *node.comparators), node.ops, node.comparators, strict=False
            )
        )
    if isinstance(node, ast.Attribute):
        return node.attr in ASKING and reads_words(node.value)
    if isinstance(node, ast.Call):
        return _is_named(node.func, set(ASKING)) and any(map(reads_words, node.args))
    return False


def template_reads_words(node: nodes.Node) -> bool:
    """Whether an expression of a template is the text of a cell of codes."""
    if isinstance(node, nodes.Name):
        return node.name in WORDS or node.name == "note"
    if isinstance(node, nodes.Getattr):
        return node.attr == "note" or (node.attr == "text" and template_reads_words(node.node))
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and node.arg.value in WORDS
    if isinstance(node, nodes.Filter):
        return node.node is not None and template_reads_words(node.node)
    if isinstance(node, nodes.Call):
        names = [
            str(c.value)
            for a in node.args
            for c in (a, *a.find_all(nodes.Const))
            if isinstance(c, nodes.Const)
        ]
        is_says = isinstance(node.node, nodes.Getattr) and node.node.attr == "says"
        is_first = isinstance(node.node, nodes.Name) and node.node.name == "first"
        return (is_says or is_first) and any(n.rpartition(".")[2] in WORDS for n in names)
    return False


def template_asks_words(node: nodes.Node) -> bool:
    """Whether a node of a template asks what a sentence contains."""
    if isinstance(node, nodes.Compare):
        return any(map(template_reads_words, (node.expr, *(o.expr for o in node.ops))))
    if isinstance(node, nodes.Getattr):
        return node.attr in ASKING and template_reads_words(node.node)
    if isinstance(node, nodes.Filter):
        is_read = node.node is not None and template_reads_words(node.node)
        return is_read and node.name in {"replace", "select", "reject", "truncate", "list"}
    return False


def asked_in_python(text: str) -> list[int]:
    return sorted({n.lineno for n in ast.walk(ast.parse(text)) if asks_words(n)})  # type: ignore[attr-defined]


def asked_in_template(text: str) -> list[int]:
    found = jinja2.Environment(**SYNTAX).parse(text).find_all(nodes.Node)
    return sorted({n.lineno for n in found if template_asks_words(n)})


@pytest.mark.parametrize(
    "text",
    [
        "'below AC1' in row.says('reason')",
        "row.says('reason') == 'reached'",
        "row['notes'].text.startswith('at most')",
        "row.note.text.partition(':')",
        "frame['reason'].str.contains('few')",
        "pl.col('method').str.starts_with('BCa')",
        "'few' in row['reason']",
        "re.search('[0-9]+', row.says('method'))",
        "row.says('reason') in ('reached', 'not reached')",
        "record.get('notes').split(': ')",
        "method.partition('sight')",
        "reason.text.startswith('a count')",
    ],
)
def test_code_that_asks_what_a_sentence_contains_is_found(text: str) -> None:
    assert asked_in_python(text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "row['reason'] == 'folded'",
        "frame['reason'].is_null()",
        "row.has_code('reached')",
        "'reached' in row['reason'].codes",
        "json.loads(row.says('detail'))",
        "pl.col('reason').is_in(['folded'])",
        "row.says('status') == 'given'",
        "reason.text not in self.marks",
    ],
)
def test_code_that_asks_for_a_code_is_left_alone(text: str) -> None:
    assert asked_in_python(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "{% if 'below' in row.says('reason') %}{% endif %}",
        "{{ r.says('method').removeprefix('count of ').partition(',')[0] }}",
        "{% if row['reason'].text == 'reached' %}{% endif %}",
        "{% if 'void' in first(at ~ 'sensitivity.reason') %}{% endif %}",
        "{{ r['notes']|replace('a', 'b') }}",
        "{% if 'few' in row.note.text %}{% endif %}",
        "{% if 'few' in reason.text %}{% endif %}",
    ],
)
def test_a_template_that_asks_what_a_sentence_contains_is_found(text: str) -> None:
    assert asked_in_template(text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "{% if row.note %}{{ row.note }}{% endif %}",
        "{% if row.has_code('reached') %}{{ row['reason'] }}{% endif %}",
        "{% if 'reached' in row['reason'].codes %}{{ row.says('reason')|lower_first }}{% endif %}",
        "{% if row.says('status') == 'given' %}{% endif %}",
    ],
)
def test_a_template_that_asks_for_a_code_is_left_alone(text: str) -> None:
    assert asked_in_template(text.replace("|lower_first", "|lower")) == []


def test_nobody_asks_what_a_sentence_contains() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for folder in ("core", "assets", "report", "io")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for line in asked_in_python(path.read_text(encoding="utf-8"))
    ]
    found += [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted((PACKAGE / "report" / "templates").glob("*.j2"))
        for line in asked_in_template(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"ask for a code (row.has_code) instead: {found}"
