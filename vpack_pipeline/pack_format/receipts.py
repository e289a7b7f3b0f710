"""Receipts of a pack: complete, passed, of one another, and of the files that lie beside them.

Digests of tables are keyed with the site's secret: here they are compared with one another, never
made again. What does not belong here: what a table holds (``tables``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import codes, comparison, expectations, figures, quoted, signers
from vpack_pipeline.pack_format.contents import Contents, problem
from vpack_pipeline.pack_format.documents import (
    BASELINE,
    BASELINE_ASSET,
    CLAIM,
    CLAIM_ASSET,
    CRATE,
    FILES,
    PLAN,
    PROTOCOL,
    REPORT,
    SUMMARY,
    Documents,
    contract_of,
    files_about,
    receipt_of,
    schema_of,
    table_of,
)

_PASSED: Final = ("pass", "vacuous")
_TOLD: Final = ("type", "severity", "why")
STRUCTURE: Final = frozenset({"table_columns", "table_types", "table_rows", "key_unique"})
"""Expectations that the gate derives from every contract, beside one of each column that is no
null."""
STRUCTURE_OF_SOME: Final = frozenset({"no_nan", "codes_declared", "detail_of_codes", "accepted"})
"""Those that it derives from some, and that of inputs; another name of either is another format."""


def file_set(contents: Contents, documents: Documents, pack_format: int) -> Iterator[Problem]:
    """Say which file is not one that the receipts call for, and which one is missing."""
    wanted = {REPORT, PROTOCOL, CLAIM, PLAN}
    wanted |= {codes.NAME} if pack_format >= 3 else set()
    wanted |= {figures.NAME, CRATE} if pack_format >= 4 else set()
    wanted |= {comparison.NAME} if pack_format >= 5 else set()
    wanted |= {SUMMARY} if pack_format >= 6 else set()
    wanted |= {expectations.NAME} if pack_format >= expectations.SINCE else set()
    wanted |= {signers.SIGNERS, quoted.NAME} & contents.names
    wanted |= {BASELINE} if BASELINE_ASSET in documents.exported else set()
    for asset, contract in documents.contracts.items():
        wanted |= {receipt_of(asset), contract_of(asset)}
        wanted |= {table_of(asset), schema_of(asset)} if contract["export"] else set()
    for name in sorted(contents.names - wanted):
        yield problem(name, "is no file that a pack of these receipts has")
    for name in sorted(wanted - contents.names):
        yield problem(name, "is required and not listed")


def passed(documents: Documents) -> Iterator[Problem]:
    """Say which receipt did not pass, or tells of other expectations than its contract has."""
    for asset, receipt in documents.receipts.items():
        name, contract = receipt_of(asset), documents.contracts[asset]
        closes = [c["id"] for c in receipt["checks"] if c["closes"] or not _may_stand(c)]
        if receipt["outcome"] != "pass" or closes:
            yield problem(name, "has not passed")
        known = {c["id"]: c for c in receipt["checks"]}
        if len(known) < len(receipt["checks"]):
            yield problem(name, "tells of an expectation twice")
        if not _tells_of_all(contract, known):
            yield problem(
                name, "does not tell of each expectation of its contract, and of no other"
            )


def _may_stand(check: Mapping[str, Any]) -> bool:
    return check["outcome"] in _PASSED or check["severity"] == "warning"


def _tells_of_all(contract: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a receipt tells of structure and of the contract's expectations alone."""
    present = {f"{column['name']}_present" for column in contract["columns"]}
    asked = {f"{c['name']}_present" for c in contract["columns"] if _is_asked(c)}
    substance = {e["id"]: e for e in contract["expectations"]}
    return (
        STRUCTURE | asked | substance.keys() <= known.keys()
        and known.keys() <= STRUCTURE | STRUCTURE_OF_SOME | present | substance.keys()
        and all(known[name][t] == e[t] for name, e in substance.items() for t in _TOLD)
    )


def _is_asked(column: Mapping[str, Any]) -> bool:
    return not column["null"] and column.get("held_by") is None


def descent(documents: Documents) -> Iterator[Problem]:
    """Say which receipt does not descend from the others as it tells and its contract asks."""
    known = documents.receipts
    if CLAIM_ASSET not in known:
        yield problem(receipt_of(CLAIM_ASSET), "is required and not listed")
    for asset, receipt in known.items():
        name = receipt_of(asset)
        if not set(documents.contracts[asset]["inputs"].values()) <= receipt["inputs"].keys():
            yield problem(name, "does not tell of each input that its contract names")
        for source, digest in receipt["inputs"].items():
            if not quoted.is_made_of(documents.quotes, asset, source):
                continue
            if source not in known:
                yield problem(name, "was made from a table without a receipt")
            elif known[source]["table_digest"] != digest:
                yield problem(name, f"was made from another {source} than the one of this pack")
    own = [r for asset, r in known.items() if asset not in documents.quotes]
    if len({r["normalisation"] for r in own}) > 1:
        yield problem("gates", "receipts are of several ways to normalise identifiers")


def files_told(contents: Contents, documents: Documents) -> Iterator[Problem]:
    """Say which file is not the one whose digest the receipt of its table tells."""
    for asset, receipt in documents.receipts.items():
        told = receipt.get(FILES)
        wanted = files_about(asset, is_exported=documents.contracts[asset]["export"])
        if not isinstance(told, dict) or set(told) != set(wanted):
            yield problem(receipt_of(asset), "does not tell the digest of each file of its table")
            continue
        # The plan tells of quoted tables at the cut of this pack.
        for name in (n for n in wanted if asset not in documents.quotes or n != PLAN):
            if hashlib.sha256(contents.raw(name)).hexdigest() != told[name]:
                yield problem(name, "is not the file that the receipt of its table was written for")


def same_baseline(contents: Contents, documents: Documents) -> Iterator[Problem]:
    """Say whether the baseline of the plan differs from its table."""
    is_there = BASELINE_ASSET in documents.exported
    if is_there and contents.raw(BASELINE) != contents.raw(table_of(BASELINE_ASSET)):
        yield problem(BASELINE, "differs from the table of the same name")
