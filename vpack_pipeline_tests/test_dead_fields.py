"""No field of protocol or site is written by people and read by nothing.

A field counts as read if something outside the documents' own modules takes an attribute of its
name, in Python or in a template, or a contract hands it to a table. A name that something else has
as well hides a dead field from this test; a new field rarely has such a name.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import jinja2
import pytest
from jinja2 import nodes

import vpack_pipeline
from vpack_pipeline import attestation, contracts, document, protocol, site
from vpack_pipeline.document import Document

PACKAGE = Path(vpack_pipeline.__file__).parent
DOCUMENTS = tuple(
    PACKAGE / name for name in ("protocol", "site.py", "document.py", "attestation.py")
)
UNREAD: dict[str, str] = {}


def parts() -> list[type[Document]]:
    """Every class of the two documents."""
    for module in pkgutil.iter_modules(protocol.__path__, f"{protocol.__name__}."):
        importlib.import_module(module.name)
    found: list[type[Document]] = []
    waiting: list[type[Document]] = [Document]
    while waiting:
        waiting += (below := waiting.pop().__subclasses__())
        found += below
    own = (protocol.__name__, site.__name__, document.__name__, attestation.__name__)
    return [part for part in found if part.__module__.startswith(own)]


def is_in_documents(path: Path) -> bool:
    return any(path == place or place in path.parents for place in DOCUMENTS)


def attributes(tree: ast.AST, imported: set[str]) -> Iterator[str]:
    """Names of attributes that are taken as values: of no module, and no method that is called."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in called:
            owner = node.value
            if not (isinstance(owner, ast.Name) and owner.id in imported):
                yield node.attr


def read_in_python(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    if not is_in_documents(path):
        yield from attributes(tree, imported)
        return
    # A document's properties are read by others; its validators only refuse.
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list
        ):
            yield from attributes(node, imported)


def read_in_templates() -> Iterator[str]:
    environment = jinja2.Environment(autoescape=True)
    for path in PACKAGE.rglob("*.j2"):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        called = {id(call.node) for call in tree.find_all(nodes.Call)}
        taken = tree.find_all(nodes.Getattr)
        yield from (node.attr for node in taken if id(node) not in called)


def read_by_contracts() -> Iterator[str]:
    for contract in contracts.load().values():
        yield from (*contract.protocol, *contract.site)
        for place in contract.parameters.values():
            yield from place.split(".")


@pytest.fixture(scope="module")
def names() -> set[str]:
    found = {name for path in PACKAGE.rglob("*.py") for name in read_in_python(path)}
    return found | set(read_in_templates()) | set(read_by_contracts())


def has_one_value(part: type[Document], name: str) -> bool:
    """Tell whether a field can say one thing only, so that there is nothing to read."""
    annotation = part.model_fields[name].annotation
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def test_every_field_is_read_by_something_or_named_with_the_reason(names: set[str]) -> None:
    dead = {
        f"{part.__name__}.{name}"
        for part in parts()
        for name in part.model_fields
        if name not in names and not has_one_value(part, name)
    }
    assert dead == set(UNREAD)


def test_every_part_of_both_documents_is_looked_at() -> None:
    known = {part.__name__ for part in parts()}
    assert {"Protocol", "Rule", "Covariate", "Window", "Site", "InputForm", "Synthetic"} <= known
