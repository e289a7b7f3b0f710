"""The digest of the code that something is computed by: the modules it imports, without comments.

From a module, every import within the tree is followed, in functions too; a name that a package
only passes on is traced to the module that defines it. Of each module the syntax tree counts:
neither comments, layout nor docstrings do. What does not belong here: which modules compute a
table, and what else decides about it (``gate.digests``).
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Final

from vpack_pipeline.errors import ContractError

PACKAGE: Final = "vpack_pipeline"
LIBRARIES: Final[Mapping[str, str]] = {
    "click": "click",
    "duckdb": "duckdb",
    "duckdb_engine": "duckdb-engine",
    "great_expectations": "great-expectations",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "numpy": "numpy",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pydicom": "pydicom",
    "ray": "ray",
    "scipy": "scipy",
    "sqlalchemy": "sqlalchemy",
    "sqlglot": "sqlglot",
    "threadpoolctl": "threadpoolctl",
    "typst": "typst",
    "yaml": "pyyaml",
}
"""Distribution by the name that is imported, of everything that a digest may depend on."""
DECLARATION: Final = "PACKAGE_DATA"
"""The name by which a module declares what it reads of the package beside code: a tuple of paths
below the package, such as ``contracts/cohort``."""
ALWAYS: Final = frozenset({"polars"})
"""Libraries that count whether or not a module imports them: every table is written by polars."""
UNCOUNTED: Final = frozenset({"ray"})
"""Libraries that decide where something runs and never what it gives; they may be absent."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the tree.

    ``digest`` is taken over the syntax tree; ``own`` over what a package defines itself
    (and nothing of a module). ``names``
    gives, for each name that the module binds by an import, the module and the name in it (None
    where the module itself is meant); ``targets`` lists every import, wherever it stands; ``data``
    what the module declares as :data:`DECLARATION`; ``lines`` where functions and classes
    begin.
    """

    name: str
    is_package: bool
    digest: str
    own: str
    names: Mapping[str, tuple[str, str | None]]
    targets: tuple[tuple[str, str | None], ...]
    data: tuple[str, ...]
    lines: Mapping[str, int]


def digest_of(roots: Iterable[str]) -> str:
    """Digest what some modules compute with: their closure, the libraries in it, and Python.

    Parameters
    ----------
    roots : modules of the package, such as ``vpack_pipeline.stats.roc``, or names in them, such as
        ``vpack_pipeline.core.evaluation:endpoints``

    Raises
    ------
    ContractError
        No such module, an import that cannot be followed, or a library that is not declared.
    """
    return _digest_of(frozenset(roots))


@functools.cache
def _digest_of(roots: frozenset[str]) -> str:
    found = closure(roots)
    made = hashlib.sha256(f"python=={sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for library in sorted({LIBRARIES[name] for name in libraries(found) - UNCOUNTED}):
        made.update(f"{library}=={_version(library)}\n".encode())
    for name in sorted(found):
        made.update(f"{name} {tree()[name].digest}\n".encode())
    for name in sorted(_packages_above(found) - found):
        made.update(f"{name} {tree()[name].own}\n".encode())
    return made.hexdigest()


@functools.cache
def _version(library: str) -> str:
    return metadata.version(library)


@functools.cache
def closure(roots: frozenset[str]) -> frozenset[str]:
    """List the modules that some modules are computed with, these included.

    Raises
    ------
    ContractError
        No such module or name.
    """
    waiting = [_traced(*_parted(root)) for root in roots]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [_traced(*target) for target in tree()[name].targets if _is_ours(target[0])]
    return frozenset(found)


def libraries(modules: Set[str]) -> frozenset[str]:
    """List the libraries that modules import, by their import names.

    Raises
    ------
    ContractError
        One of them has no entry in :data:`LIBRARIES`.
    """
    imported = {
        (target.partition(".")[0], name)
        for name in modules
        for target, _ in tree()[name].targets
        if not _is_ours(target)
    }
    foreign = {(top, name) for top, name in imported if top not in sys.stdlib_module_names}
    unknown = sorted(f"{name} imports {top}" for top, name in foreign if top not in LIBRARIES)
    if unknown:
        raise ContractError(f"declare in source_digest.LIBRARIES: {', '.join(unknown)}")
    return frozenset(top for top, _ in foreign) | ALWAYS


def package_data(modules: Set[str]) -> list[str]:
    """List what modules declare to read of the package beside code, sorted."""
    return sorted({path for name in modules for path in tree()[name].data})


@functools.cache
def tree() -> Mapping[str, Module]:
    """Read every module of the package, once a process."""
    return {m.name: m for m in read_modules(resources.files(PACKAGE), PACKAGE)}


def definition(module: str, name: str) -> tuple[Traversable, int]:
    """Find the file where a name is defined, and its line there (1 where it has none).

    Raises
    ------
    ContractError
        No such module.
    """
    inner = file_of(module, name)
    return resources.files(PACKAGE).joinpath(inner), tree()[_traced(module, name)].lines.get(
        name, 1
    )


def file_of(module: str, name: str) -> str:
    """Name the file where a name is defined, from the package on.

    >>> file_of("vpack_pipeline.core.evaluation", "roc")
    'core/evaluation/roc.py'

    Raises
    ------
    ContractError
        No such module.
    """
    found = tree()[_traced(module, name)]
    inner = "/".join(found.name.split(".")[1:])
    return f"{inner}/__init__.py" if found.is_package else f"{inner}.py"


def _parted(root: str) -> tuple[str, str | None]:
    module, _, name = root.partition(":")
    return module, name or None


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


def _traced(module: str, name: str | None) -> str:
    """Follow a name to the module that defines it."""
    if module not in tree():
        raise ContractError(f"no module {module}")
    if name is None:
        return module
    found = tree()[module]
    bound = found.names.get(name) if found.is_package else None
    # A package that imports its own module binds the name to itself.
    if bound is not None and bound != (module, name):
        return _traced(*bound)
    below = f"{module}.{name}"
    return below if below in tree() else module


def _packages_above(modules: Iterable[str]) -> set[str]:
    """List the packages that are imported on the way to some modules."""
    found = set()
    for name in modules:
        parts = name.split(".")
        found |= {".".join(parts[:end]) for end in range(1, len(parts))}
    return found


def read_modules(folder: Traversable, package: str) -> Iterator[Module]:
    """Read the modules of a package and of those below it."""
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and (entry / "__init__.py").is_file():
            yield from read_modules(entry, f"{package}.{entry.name}")
        elif entry.name == "__init__.py":
            yield _module(package, entry.read_bytes(), is_package=True)
        elif entry.name.endswith(".py"):
            name = f"{package}.{entry.name.removesuffix('.py')}"
            yield _module(name, entry.read_bytes(), is_package=False)


def _module(name: str, source: bytes, *, is_package: bool) -> Module:
    parsed = _without_text(ast.parse(source))
    package = name if is_package else name.rpartition(".")[0]
    names: dict[str, tuple[str, str | None]] = {}
    own = [node for node in parsed.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    for node in parsed.body:
        names |= _bound(node, package)
    targets = [t for node in _imports(parsed) for t in _bound(node, package, whole=True).values()]
    return Module(
        name,
        is_package,
        _digest(parsed.body),
        _digest(node for node in own if is_package and not _is_list_of_names(node)),
        names,
        tuple(dict.fromkeys(targets)),
        tuple(path for node in own for path in _declared(node)),
        {n.name: n.lineno for n in own if isinstance(n, ast.FunctionDef | ast.ClassDef)},
    )


def _declared(node: ast.stmt) -> tuple[str, ...]:
    """Read the declaration of package data."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        target: ast.expr = node.target
        if isinstance(target, ast.Name) and target.id == DECLARATION:
            paths: tuple[str, ...] = ast.literal_eval(node.value)
            return paths
    return ()


def _without_text(parsed: ast.Module) -> ast.Module:
    """Take out docstrings and whatever else is a string and nothing but a string."""
    holders: list[ast.AST] = [parsed, *_statements(parsed)]
    for holder in holders:
        body = getattr(holder, "body", None)
        if isinstance(body, list):
            holder.body = [n for n in body if not _is_text(n)]  # type: ignore[attr-defined]
    return parsed


def _statements(holder: ast.AST) -> Iterator[ast.AST]:
    """List the statements in a block and in the blocks within it; expressions hold none."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        block = getattr(holder, name, None)
        for node in block if isinstance(block, list) else ():
            yield node
            yield from _statements(node)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_list_of_names(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)


def _digest(body: Iterable[ast.stmt]) -> str:
    made = hashlib.sha256()
    for node in body:
        parts: list[str] = []
        _put(node, parts)
        made.update("\0".join(parts).encode())
    return made.hexdigest()


def _put(node: ast.AST, parts: list[str]) -> None:
    """Write a node as ``ast.dump`` does, without positions, in less than half of its time."""
    parts.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            _put(value, parts)
        elif isinstance(value, list):
            parts.append(f"{len(value)} of {name}")
            for item in value:
                if isinstance(item, ast.AST):
                    _put(item, parts)
                else:
                    parts.append(repr(item))
        else:
            parts.append(repr(value))


def _imports(parsed: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """List every import, in functions too, but those for the type checker alone."""
    spared: set[ast.AST] = set()
    for node in _statements(parsed):
        if isinstance(node, ast.If) and _is_for_types(node.test):
            spared.update(node.body)
        elif isinstance(node, ast.Import | ast.ImportFrom) and node not in spared:
            yield node


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _bound(
    node: ast.AST, package: str, *, whole: bool = False
) -> dict[str, tuple[str, str | None]]:
    """Give what an import binds: name → module, and the name in it or None for the module.

    ``whole``: the imported module by its full name, as what counts, not as what is bound.
    """
    if isinstance(node, ast.Import):
        return {
            (a.name if whole else a.asname or a.name.partition(".")[0]): (a.name, None)
            for a in node.names
        }
    if not isinstance(node, ast.ImportFrom):
        return {}
    module = _absolute(node, package)
    if any(a.name == "*" for a in node.names):
        raise ContractError(f"{package}: an import of * from {module} cannot be followed")
    return {a.asname or a.name: (module, a.name) for a in node.names}


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
