"""Which modules a digest follows, and which edits it feels."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from importlib import metadata, resources
from pathlib import Path

import pytest

from vpack_pipeline import source_digest
from vpack_pipeline.errors import ContractError

Write = Callable[..., None]
ROOT = "vpack_pipeline.core.roc"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules, by path below the package, of a small tree that stands for the package."""

    def modules() -> dict[str, source_digest.Module]:
        return {m.name: m for m in source_digest.read_modules(tmp_path, "vpack_pipeline")}

    def add(**sources: str) -> None:
        for name, text in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            for folder in (path.parent, *path.parent.parents):
                if folder.is_relative_to(tmp_path):
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / "__init__.py").touch()
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        forget()

    def package(name: str, text: str) -> None:
        (tmp_path.joinpath(*name.split(".")) / "__init__.py").write_text(textwrap.dedent(text))
        forget()

    def forget() -> None:
        known = modules()
        monkeypatch.setattr(source_digest, "tree", lambda: known)
        source_digest.closure.cache_clear()
        source_digest._digest_of.cache_clear()

    add.package = package  # type: ignore[attr-defined]
    yield add
    monkeypatch.undo()
    for cached in (source_digest.closure, source_digest._digest_of, source_digest._version):
        cached.cache_clear()


def followed(*roots: str) -> set[str]:
    found = source_digest.closure(frozenset(roots))
    return {name.removeprefix("vpack_pipeline.") for name in found}


def test_a_package_that_imports_its_own_module_leads_to_that_module(write: Write) -> None:
    write(core__roc="from vpack_pipeline.core.own import part\n", core__own__part="X = 1\n")
    write.package("core.own", "from vpack_pipeline.core.own import part\n")  # type: ignore[attr-defined]
    assert followed(ROOT) == {"core.roc", "core.own.part"}


def test_imports_are_followed_in_functions_and_conditions_too(write: Write) -> None:
    write(
        core__roc="""
            import vpack_pipeline.stats.ranks
            def area():
                if True:
                    from vpack_pipeline.stats import bounds
                return bounds.wilson()
            """,
        stats__ranks="from vpack_pipeline.stats import ties",
        stats__ties="",
        stats__bounds="from ..document import Text",
        document="Text = str",
        stats__unused="",
    )
    known = {"core.roc", "stats.ranks", "stats.ties", "stats.bounds", "document"}
    assert followed(ROOT) == known


def test_what_only_the_type_checker_imports_is_not_followed(write: Write) -> None:
    write(
        core__roc="""
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from vpack_pipeline.site import Site
            else:
                from vpack_pipeline import document
            """,
        site="Site = int",
        document="",
    )
    assert followed(ROOT) == {"core.roc", "document"}


def test_a_name_that_a_package_passes_on_is_traced_to_where_it_is_defined(write: Write) -> None:
    write(
        core__roc="from vpack_pipeline.stats import area as found",
        stats__ranks="area = 1",
        stats__bounds="other = 2",
    )
    write.package(  # type: ignore[attr-defined]
        "stats",
        """
        from vpack_pipeline.stats.bounds import other
        from .ranks import area
        """,
    )
    assert followed(ROOT) == {"core.roc", "stats.ranks"}


def test_a_package_taken_whole_counts_with_all_that_it_imports(write: Write) -> None:
    write(
        core__roc="from vpack_pipeline import stats",
        stats__ranks="area = 1",
        stats__unused="",
    )
    write.package("stats", "from vpack_pipeline.stats.ranks import area")  # type: ignore[attr-defined]
    assert followed(ROOT) == {"core.roc", "stats", "stats.ranks"}


def test_a_root_may_be_a_name_in_a_package(write: Write) -> None:
    write(core__eval__roc="def area(): ...", core__eval__other="")
    write.package(  # type: ignore[attr-defined]
        "core.eval", "from vpack_pipeline.core.eval.roc import area\nimport vpack_pipeline.core"
    )
    assert followed("vpack_pipeline.core.eval:area") == {"core.eval.roc"}


BEFORE = '''
"""What it is for."""
from typing import Final

LIMIT: Final = 3
"""In cases."""

class Area:
    """One area."""

    # Why.
    def half(self):
        """Half of it."""
        return LIMIT / 2
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it is for."""', '"""Something else."""'),
        ('"""In cases."""', ""),
        ('"""One area."""\n', '"""An area\n\n    of some kind."""\n'),
        ("# Why.", "# Another reason, over\n\n    # two lines."),
        ('"""Half of it."""', "'A half.'"),
        ("LIMIT / 2", "(LIMIT  /\n            2)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(write: Write, old: str, new: str) -> None:
    assert old in BEFORE
    write(core__roc=BEFORE)
    before = source_digest.digest_of([ROOT])
    write(core__roc=BEFORE.replace(old, new))
    assert source_digest.digest_of([ROOT]) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT: Final = 3", "LIMIT: Final = 4"),
        ("LIMIT / 2", "LIMIT // 2"),
        ("def half", "def third"),
        ("LIMIT: Final = 3", 'LIMIT: Final = "3"'),
    ],
)
def test_everything_else_counts(write: Write, old: str, new: str) -> None:
    write(core__roc=BEFORE)
    before = source_digest.digest_of([ROOT])
    write(core__roc=BEFORE.replace(old, new))
    assert source_digest.digest_of([ROOT]) != before


def test_a_constant_three_imports_away_counts_and_one_out_of_reach_does_not(write: Write) -> None:
    chain = {
        "core__roc": "from vpack_pipeline.stats.ranks import area",
        "stats__ranks": "def area():\n    from vpack_pipeline.stats.ties import broken",
        "stats__ties": "from vpack_pipeline.stats.limits import LIMIT as broken",
        "stats__limits": "LIMIT = 3",
        "stats__aside": "LIMIT = 3",
    }
    write(**chain)
    before = source_digest.digest_of([ROOT])
    write(**chain | {"stats__aside": "LIMIT = 4"})
    assert source_digest.digest_of([ROOT]) == before
    write(**chain | {"stats__limits": "LIMIT = 4"})
    assert source_digest.digest_of([ROOT]) != before


def test_what_a_package_on_the_way_defines_itself_counts_and_its_imports_do_not(
    write: Write,
) -> None:
    write(core__eval__roc="area = 1", core__eval__other="x = 1")
    root = "vpack_pipeline.core.eval.roc"
    digests = []
    for text in (
        "",
        "from vpack_pipeline.core.eval.other import x\n__all__ = ['x']",
        "LIMIT = 3",
    ):
        write.package("core.eval", text)  # type: ignore[attr-defined]
        digests.append(source_digest.digest_of([root]))
    assert digests[0] == digests[1] != digests[2]


def test_versions_of_the_libraries_that_are_imported_count(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(core__roc="import scipy.special\nimport json\nimport ray")
    found = source_digest.closure(frozenset([ROOT]))
    assert source_digest.libraries(found) == {"polars", "ray", "scipy"}
    asked: list[str] = []
    source_digest._version.cache_clear()
    monkeypatch.setattr(metadata, "version", lambda name: asked.append(name) or "1")
    first = source_digest.digest_of([ROOT])
    assert asked == ["polars", "scipy"]
    source_digest._digest_of.cache_clear()
    source_digest._version.cache_clear()
    monkeypatch.setattr(metadata, "version", lambda name: "2" if name == "scipy" else "1")
    assert source_digest.digest_of([ROOT]) != first


def test_what_cannot_be_followed_is_refused_by_name(write: Write) -> None:
    write(core__roc="import pandas")
    with pytest.raises(ContractError, match=r"core\.roc imports pandas"):
        source_digest.digest_of([ROOT])
    with pytest.raises(ContractError, match=r"no module vpack_pipeline\.core\.absent"):
        source_digest.digest_of(["vpack_pipeline.core.absent"])
    with pytest.raises(ContractError, match="an import of \\*"):
        write(core__roc="from vpack_pipeline.stats import *")


def test_package_data_is_read_from_the_declaration(write: Write) -> None:
    write(core__roc='from typing import Final\nPACKAGE_DATA: Final = ("contracts/cohort",)')
    assert source_digest.package_data({ROOT}) == ["contracts/cohort"]


def test_a_definition_is_found_by_file_and_line() -> None:
    path, line = source_digest.definition("vpack_pipeline.core.evaluation", "endpoints")
    assert str(path).endswith("core/evaluation/endpoints.py")
    source = path.read_text(encoding="utf-8").splitlines()
    assert source[line - 1].startswith("def endpoints(")
    package, line = source_digest.definition("vpack_pipeline.contracts", "load")
    assert str(package).endswith("contracts/__init__.py")
    assert line > 1


def test_every_module_of_the_package_is_read() -> None:
    root = Path(str(resources.files("vpack_pipeline")))
    assert len(source_digest.tree()) == len(list(root.rglob("*.py")))


def test_attributes_taken_from_a_package_are_bound_in_it() -> None:
    """``from a import b; b.c``, with ``c`` a module that ``b`` does not import, is not followed."""
    for module in source_digest.tree().values():
        taken = {
            alias: target
            for alias, target in module.names.items()
            if source_digest.tree().get(".".join(filter(None, target)), None)
            and source_digest.tree()[".".join(filter(None, target))].is_package
        }
        path = Path(str(resources.files("vpack_pipeline"))).joinpath(*module.name.split(".")[1:])
        source = path / "__init__.py" if module.is_package else path.with_suffix(".py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
                continue
            target = taken.get(node.value.id)
            if target is None:
                continue
            package = ".".join(filter(None, target))
            below = source_digest.tree().get(f"{package}.{node.attr}")
            bound = source_digest.tree()[package].names
            assert below is None or node.attr in bound, f"{module.name}: {package}.{node.attr}"
