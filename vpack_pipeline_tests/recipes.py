"""What is missing of a metric, a monitor, a header field or an exported table, file by file.

Each finder reads the texts of a tree, so that a test can ask it of a tree in which one of them is
missing. What does not belong here: what holds of this repository (``test_recipes``).
"""

from __future__ import annotations

import ast
import functools
import json
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from vpack_pipeline.contracts import fields, header_fields, metrics
from vpack_pipeline.contracts.header_fields import HeaderField
from vpack_pipeline.contracts.metrics import Metric
from vpack_pipeline.core.transport import COUNTS
from vpack_pipeline.sections import SECTIONS
from vpack_pipeline.strict_yaml import validate

ROOT: Final = Path(__file__).parents[1]
METRICS: Final = f"vpack_pipeline/{metrics.FILE}"
HEADER_FIELDS: Final = f"vpack_pipeline/{header_fields.FILE}"
MONITORS: Final = "vpack_pipeline/core/drift/monitors.py"
HEADER_TEST: Final = "vpack_pipeline_tests/io/test_dicom_header.py"
MONITOR_TEST: Final = "vpack_pipeline_tests/core/test_drift_monitors.py"
TEMPLATES: Final = "vpack_pipeline/report/templates/"
CARRIED_BY: Final = {"series": "cohort/series", "study": "cohort/studies"}
"""What a header field may be said of beside an image → the model that gathers it over images."""
LISTING: Final = {
    "cohort/instances": "image",
    "cohort/series": "series",
    "cohort/studies": "study",
    "eligibility/studies": "study",
    "eligibility/cases": "study",
}
"""Contract → of what it lists the header fields."""
_PLACES: Final = {
    "vpack_pipeline": (".py", ".yaml", ".j2"),
    "dbt_like_sql": (".sql",),
    "vpack_pipeline_tests": (".py",),
    "data/protocols": (".yaml",),
    "changelog": (".md",),
}
"""Folder → the endings of the files in it that count."""
_OWN: Final = (
    "vpack_pipeline_tests/recipes.py",
    "vpack_pipeline_tests/newcomer.py",
    "vpack_pipeline_tests/test_recipes.py",
)


NOT_ASKED_FOR = {
    ("representativeness/match", "kolmogorov_smirnov"): "no distance of the protocol",
    ("representativeness/match", "smd"): "no number of the protocol that says nothing of people",
    **{
        ("evaluation/endpoints", name): "no endpoint of the protocol"
        for name in (
            *("auc_difference", "specificity_difference"),
            *("ppv", "npv", "ppv_difference", "npv_difference"),
        )
    },
    **{
        ("evaluation/transport_cells", f"weighted_{name}"): "no sampling of the protocol"
        for name in COUNTS
    },
}
"""Declared figures that no demonstration holds, and why: a protocol asks for them or does not."""


@dataclass(frozen=True)
class Tree:
    """The texts of a repository, by path."""

    texts: Mapping[str, str]

    def but(self, changed: Mapping[str, str]) -> Tree:
        """Give the same tree with other or further files."""
        return Tree({**self.texts, **changed})

    def under(self, *starts: str) -> dict[str, str]:
        """Give the files whose path begins so."""
        return {path: text for path, text in self.texts.items() if path.startswith(starts)}

    @property
    def tests(self) -> dict[str, str]:
        """Give the tests, apart from those of recipes."""
        found = self.under("vpack_pipeline_tests/")
        return {path: text for path, text in found.items() if path not in _OWN}


@functools.cache
def repository() -> Tree:
    """Read the tree as it stands."""
    return Tree(
        {
            path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
            for folder, endings in _PLACES.items()
            for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in endings
        }
    )


@functools.cache
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[\w/=]+", text))


@functools.cache
def _patterns(text: str) -> frozenset[str]:
    """Names that a test makes of parts: ``f"pair_kappa_{part}"`` as a regular expression."""
    found = set()
    for said in re.findall(r'f"([a-z0-9_={}]*\{[a-z0-9_={}]*)"', text):
        parts = re.split(r"\{[^}]*\}", said)
        if max(map(len, parts)) >= 8:
            found.add("[a-z0-9_]+".join(map(re.escape, parts)))
    return frozenset(found)


def are_named(names: Iterable[str], texts: Collection[str]) -> bool:
    """Tell whether any of the names stands in any of the texts."""
    return any(
        name in _words(text) or any(re.fullmatch(p, name) for p in _patterns(text))
        for name in names
        for text in texts
    )


# --- metrics ------------------------------------------------------------------------------------


def declared_metrics(tree: Tree) -> tuple[Metric, ...]:
    """Read the metrics that a tree declares."""
    return validate(tree.texts[METRICS], METRICS, metrics._File).metrics


def lacking(declared: Iterable[Metric], emitted: Collection[str]) -> set[str]:
    """List declared names that are not among the emitted ones; of an open family, its own."""
    found: set[str] = set()
    for metric in declared:
        if metric.prefix is None:
            found |= set(metric.names) - set(emitted)
        elif not any(name.startswith(metric.prefix) for name in emitted):
            found.add(metric.name)
    return found


@functools.cache
def published_metrics() -> frozenset[tuple[str, str]]:
    """List the figures that the newest stored pack may hold: table, and name or pattern."""
    packs = (ROOT / "vpack_pipeline_tests/io/packs").glob("format-*.tar.xz")
    newest = max(packs, key=lambda p: int(p.name.removesuffix(".tar.xz").partition("-")[2]))
    found = set()
    with tarfile.open(newest) as pack:
        for member in pack.getmembers():
            file = pack.extractfile(member) if member.name.endswith(".schema.json") else None
            if file is not None:
                schema = json.load(file)
                said = schema["properties"].get("metric", {}).get("oneOf", ())
                found |= {(schema["title"], s.get("const") or s["pattern"]) for s in said}
    return frozenset(found)


def forgotten_of_metrics(tree: Tree, emitted: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Name what is missing of each metric: who gives it, its test, its changelog fragment.

    Parameters
    ----------
    emitted : table → the metrics that its function gives on data that make it give all
    """
    declared, tests = declared_metrics(tree), tree.tests.values()
    fragments = "".join(tree.under("changelog/").values())
    for metric in declared:
        names = metric.names or (str(metric.prefix),)
        for asset in metric.tables:
            for name in sorted(lacking([metric], emitted[asset])):
                place = place_of(tree, asset)
                yield f"{METRICS} declares {name} for {asset}, and {place} never gives it"
            told = {s.get("const") or s["pattern"] for s in metric.json_schema()}
            new = {name for name in told if (asset, name) not in published_metrics()}
            if new and f"`{metric.name}`" not in fragments:
                yield f"{metric.name} is new in {asset}: no changelog/*.md names `{metric.name}`"
        # Of a family, one of its names is enough: they differ in a word that is declared.
        for group in [names] if metric.parameter else [[name] for name in names]:
            if not are_named(group, tests):
                yield f"{METRICS} declares {group[0]}: no vpack_pipeline_tests/**/*.py names it"


# --- monitors -----------------------------------------------------------------------------------


def monitor_names(tree: Tree) -> list[str]:
    """List the entries of the registry of monitors."""
    for node in ast.parse(tree.texts[MONITORS]).body:
        is_registry = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MONITORS"
        if is_registry and isinstance(node.value, ast.Dict):
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    raise AssertionError(f"{MONITORS} has no registry MONITORS")


def forgotten_of_monitors(tree: Tree) -> Iterator[str]:
    """Name what is missing of each monitor: its entry, its test, its line in a protocol."""
    known, watched = monitor_names(tree), set()
    for path, text in tree.under("data/protocols/").items():
        for monitor in yaml.load(text, yaml.CSafeLoader)["drift"]["monitors"]:
            watched.add(monitor["statistic"])
            if monitor["statistic"] not in known:
                told = f"{path}: {monitor['name']} watches with {monitor['statistic']}"
                yield f"{told}, of which {MONITORS} has no entry"
    for name in known:
        if not are_named([name], [tree.texts[MONITOR_TEST]]):
            yield f"{MONITORS} has {name}: {MONITOR_TEST} does not name it"
        if name not in watched:
            yield f"{MONITORS} has {name}: no data/protocols/*.yaml watches with it"


# --- header fields ------------------------------------------------------------------------------


def declared_header_fields(tree: Tree) -> tuple[HeaderField, ...]:
    """Read the header fields that a tree declares."""
    return validate(tree.texts[HEADER_FIELDS], HEADER_FIELDS, header_fields._File).header_fields


def forgotten_of_header_fields(tree: Tree) -> Iterator[str]:
    """Name what is missing of each header field: declaration, contract, model, test."""
    declared = declared_header_fields(tree)
    for asset, thing in LISTING.items():
        path = f"vpack_pipeline/contracts/{asset}.yaml"
        if not re.search(rf"- \{{header_fields: {thing}\b", tree.texts[path]):
            yield f"{path} has no {{header_fields: {thing}}}"
    for field in declared:
        for thing in field.also_of:
            path = f"dbt_like_sql/{CARRIED_BY[thing]}.sql"
            if not re.search(rf"\bas {field.name}\b", tree.texts[path]):
                yield f"{HEADER_FIELDS} says {field.name} of a {thing}: {path} does not carry it"
        if not are_named([field.name], [tree.texts[HEADER_TEST]]):
            yield f"{HEADER_FIELDS} declares {field.name}: {HEADER_TEST} does not name it"
    known = {field.name for field in declared} | set(fields.load())
    for asset in CARRIED_BY.values():
        path = f"dbt_like_sql/{asset}.sql"
        for name in re.findall(r"\bmode\((\w+) order by \1\) as \1\b", tree.texts[path]):
            if name not in known:
                yield f"{path} carries {name}, which {HEADER_FIELDS} does not declare"


# --- exported tables ----------------------------------------------------------------------------


def exported_tables(tree: Tree) -> list[str]:
    """List the tables whose contract lets them travel."""
    return [
        path.removeprefix("vpack_pipeline/contracts/").removesuffix(".yaml")
        for path, text in tree.under("vpack_pipeline/contracts/").items()
        if re.search(r"^export: true$", text, re.MULTILINE)
    ]


def place_of(tree: Tree, asset: str) -> str | None:
    """Find the file of a table's model or function; None where there is none."""
    section, _, table = asset.partition("/")
    own = [f"dbt_like_sql/{asset}.sql"]
    own += [f"vpack_pipeline/core/{asset}{tail}" for tail in (".py", "/__init__.py")]
    shared = tree.under(f"vpack_pipeline/core/{section}/", f"vpack_pipeline/io/{section}/")
    function = re.compile(rf"^def {table}\(", re.MULTILINE)
    is_sql = own[0] in tree.texts
    found = [path for path in own[1:] if path in tree.texts and function.search(tree.texts[path])]
    found += [path for path, text in shared.items() if function.search(text)]
    return own[0] if is_sql else next(iter(found), None)


def _macros(text: str) -> Iterator[tuple[str, str]]:
    """Give each macro of a template: its head, as ``flow(chapter='flow')``, and its text."""
    for part in re.split(r"\{%-? macro ", text)[1:]:
        head, _, body = part.partition("%}")
        yield head.strip(" -"), body


def _is_shown(asset: str, templates: Mapping[str, str], modules: Iterable[str]) -> bool:
    """Tell whether a block of a chapter, or what one calls, names a table."""
    if any(f'"{asset}"' in text for text in modules):
        return True
    whole = "".join(templates.values())
    heads = [
        head
        for text in templates.values()
        for head, body in _macros(text)
        if re.search(rf"['\">]{asset}\b", body)
    ]
    called = (len(re.findall(rf"\b{head.partition('(')[0]}\(", whole)) > 1 for head in heads)
    return any("chapter=" in head for head in heads) or any(called)


def forgotten_of_tables(tree: Tree) -> Iterator[str]:
    """Name what is missing of each exported table: model or function, test, block, contract."""
    templates, tests = tree.under(TEMPLATES), tree.tests
    modules = [t for p, t in tree.under("vpack_pipeline/report/").items() if p.endswith(".py")]
    for asset in exported_tables(tree):
        section, _, table = asset.partition("/")
        contract = f"vpack_pipeline/contracts/{asset}.yaml"
        if place_of(tree, asset) is None:
            where = f"vpack_pipeline/core/{asset}.py nor dbt_like_sql/{asset}.sql"
            yield f"{contract}: neither {where} computes it"
        if not _is_shown(asset, templates, modules):
            yield f"{contract}: no block of {TEMPLATES}{section}.html.j2 shows it in a chapter"
        named = re.compile(rf"[\"'](?:{section}/)?{table}[\"']|import {table}\b|\.{table}\(")
        if not any(named.search(text) for text in tests.values()):
            yield f"{contract}: no vpack_pipeline_tests/**/*.py names {table}"
    for path, text in templates.items():
        for asset in re.findall(rf"rows\(['\"]((?:{'|'.join(SECTIONS)})/\w+)['\"]", text):
            contract = f"vpack_pipeline/contracts/{asset}.yaml"
            if contract not in tree.texts:
                yield f"{path} asks for {asset}: there is no {contract}"


# --- in how many files a name stands ------------------------------------------------------------


@functools.cache
def _named_things(path: str, text: str) -> frozenset[str]:
    """The names that a file of the product says: quoted, or an identifier of SQL, or of YAML."""
    if path.endswith(".sql"):
        return frozenset(re.findall(r"\w+", re.sub(r"--.*", "", text)))
    # An example in a docstring is no use.
    quoted = re.findall(r"[\"']([\w/=]+)[\"']", re.sub(r'""".*?"""', "", text, flags=re.DOTALL))
    if path.endswith(".yaml"):
        quoted += re.findall(r"(?:[:\-,\[] )([\w/]+)(?=[,\]}\n])", re.sub(r"#.*", "", text))
    return frozenset(quoted)


def files_naming(tree: Tree, name: str) -> set[str]:
    """List the files of the product in which a name stands."""
    product = tree.under("vpack_pipeline/", "dbt_like_sql/")
    return {path for path, text in product.items() if name in _named_things(path, text)}
