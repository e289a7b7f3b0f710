"""The digests in force of each table: what computes it, what checks it, what words it is told in.

*compute* decides whether a table is computed again, *check* whether it is checked again; *words*
enter the tables of the section ``pack`` alone. What does not belong here: how code is digested
(``source_digest``), what a digest is compared with (``lock``, ``assets.materialize``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Final

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.contracts import Contract, codes, header_fields, metrics
from vpack_pipeline.errors import ContractError
from vpack_pipeline.gate.suite import plan
from vpack_pipeline.io import models
from vpack_pipeline.report.scripts import script
from vpack_pipeline.report.template_text import template_sources

BY_FUNCTION: Final = "vpack_pipeline.assets.by_function"
BY_MODEL: Final = "vpack_pipeline.assets.by_model"
PAGES: Final = (
    "vpack_pipeline.report.rendering:render",
    "vpack_pipeline.report.comparison:empty_comparison",
    "vpack_pipeline.report.expectations:expectations_page",
    "vpack_pipeline.report.summary:summary",
)
PAYLOAD: Final = ("vpack_pipeline.io.packs:pack_payload", *PAGES)
"""What makes the last table beside its own function: the files that it lists."""
GATE: Final = ("vpack_pipeline.gate.check",)
INTAKE: Final = ("vpack_pipeline.assets.intake:accepted",)
"""What checks an input beside its expectations: how many of its rows were accepted."""
GATE_LIBRARIES: Final = ("duckdb", "duckdb-engine", "great-expectations", "sqlalchemy")
DISPATCHERS: Final[Mapping[str, str]] = {
    "vpack_pipeline.assets.by_function": "imports the function that the contract names",
    "vpack_pipeline.contracts": "reads every contract; whoever asks for more than its own says so",
    "vpack_pipeline.contracts.codes": "reads every code; whoever writes a row's codes says so",
    "vpack_pipeline.contracts.fields": "reads every field; a contract counts those of its columns",
    "vpack_pipeline.contracts.header_fields": "reads every header field; io.dicom.fields says so",
    "vpack_pipeline.contracts.metrics": "reads every metric; a contract counts those it may hold",
    "vpack_pipeline.contracts.shapes": "reads what tables share; it counts with each contract",
    "vpack_pipeline.core.figures": "reads the contract of the table that it fills",
    "vpack_pipeline.io.models": "reads every model; each counts for its own table",
    "vpack_pipeline.io.dicom.engines": "asks whether Ray is there, which decides no value",
    "vpack_pipeline.source_digest": "reads the sources that it digests",
    "vpack_pipeline.strict_yaml": "asks for libyaml's loader, which reads the same faster",
}
"""Modules that may find code by name or read undeclared package data, and why nothing is hidden."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What is in force for one table; ``words`` is empty outside of the section ``pack``."""

    compute: str
    check: str
    words: str

    @property
    def code_version(self) -> str:
        """Everything that decides what the table says, as Dagster's code version."""
        return _digest([self.compute, self.words]) if self.words else self.compute


@functools.cache
def in_force(asset: str) -> Digests:
    """Give the digests of one table, taken once a process.

    Raises
    ------
    ContractError
        A module or library that computes the table cannot be followed.
    """
    contract = contracts.load()[asset]
    return Digests(
        compute=_compute(contract),
        check=_check(contract),
        words=_words() if contract.section == "pack" else "",
    )


def everything() -> str:
    """Digest the code, expectations and words of all tables."""
    return _digest({asset: asdict(in_force(asset)) for asset in contracts.load()})


def roots(contract: Contract) -> frozenset[str]:
    """Name the modules that a table is computed with, as ``source_digest`` takes them."""
    if contract.computed_by == "sql":
        return frozenset({BY_MODEL})
    if contract.computed_by == "generated":
        return frozenset({BY_MODEL, contracts.COMPILER})
    own = {BY_FUNCTION, f"{contract.package}:{contract.table}"}
    return frozenset(own | set(PAYLOAD) if contract.package == "vpack_pipeline.io.packs" else own)


def _compute(contract: Contract) -> str:
    found = source_digest.closure(roots(contract))
    model = models.load()[contract.asset].sql if contract.computed_by == "sql" else ""
    return _digest(
        {
            "contract": contract.computing,
            "model": models.without_comments(model),
            "code": source_digest.digest_of(roots(contract)),
            "data": {path: _package_data(path) for path in source_digest.package_data(found)},
        }
    )


def _check(contract: Contract) -> str:
    return _digest(
        {
            "asset": contract.asset,
            "may_be_empty": contract.may_be_empty is not None,
            "expectations": [asdict(planned) for planned in plan(contract)],
            "gate": _gate(),
            "intake": source_digest.digest_of(INTAKE) if _is_input(contract) else "",
        }
    )


def _is_input(contract: Contract) -> bool:
    return contract.section == "cohort" and contract.computed_by == "io"


@functools.cache
def _gate() -> str:
    versions = [f"{name}=={metadata.version(name)}" for name in GATE_LIBRARIES]
    return _digest([source_digest.digest_of(GATE), versions])


@functools.cache
def _words() -> str:
    """Digest contracts with descriptions, titles, sentences, the report's code and templates."""
    return _digest(
        {
            "contracts": {asset: c.digest for asset, c in contracts.load().items()},
            "metrics": [m.model_dump(mode="json") for m in metrics.load()],
            "codes": codes.table(),
            "code": source_digest.digest_of(PAGES),
            "templates": template_sources(),
            "script": script(),
        }
    )


@functools.cache
def _package_data(path: str) -> str:
    """Digest what a module declares to read: a section's contracts, header fields, codes, words."""
    if path == header_fields.FILE:
        return header_fields.digest()
    if path == header_fields.PROFILE:
        return header_fields.profile_digest()
    if path == codes.FOLDER:
        return codes.digest()
    folder, _, section = path.partition("/")
    if folder == "report":
        return _words()
    if folder != "contracts":
        raise ContractError(f"no way to digest the package data {path!r}")
    known = contracts.load().values()
    return _digest({c.asset: c.computing for c in known if section in {"", c.section}})


def _digest(parts: Mapping[str, Any] | Sequence[Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
