"""What a pack holds: report, protocol, checklist, aggregates, receipts, contracts, drift plan,
and what the codes of all of these say.

Aggregates only; what is bound to this machine or to a moment stays out, so that the same inputs
give the same bytes. What does not belong here: the report's
HTML (``report``), where packs lie (``store``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import Contract, codes, exported
from vpack_pipeline.pack_format import cells, crate, documents, expectations, figures
from vpack_pipeline.pack_format import codes as pack_codes
from vpack_pipeline.pack_format import comparison as compared
from vpack_pipeline.pack_format.comparison import EmptyPage
from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, list_signers
from vpack_pipeline.protocol import Protocol

PACKAGE_DATA: Final = ("contracts",)

TRAVELLING: Final = (
    "asset",
    "site",
    "protocol",
    "protocol_digest",
    "cut",
    "table_digest",
    "compute",
    "check",
    "words",
    "normalisation",
    "inputs",
    "outcome",
)
"""Fields of a receipt that travel as they are: no time, run, host or path, and no count.

Digests of tables are keyed with the site's secret. Those of their files, which are not, stay there.

The fingerprint, and the code that authenticates it at the site, stay there: they change when a
pack of a look has been published, and the same cut built again must give the same bytes."""


def pack_payload(
    *,
    html: bytes,
    summary: bytes,
    asked: bytes,
    comparison: EmptyPage,
    report: pl.DataFrame,
    protocol: Protocol,
    claim: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    contracts: Mapping[str, Contract],
    receipts: Sequence[Mapping[str, Any]],
    site_id: str,
    cut: str,
    synthetic: Sequence[str] = (),
    signers: Sequence[Signer] = (),
    quotes: Mapping[str, Quote] | None = None,
    in_place: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Give every file of a pack.

    Parameters
    ----------
    html : the rendered report
    summary : its first page, as a PDF
    asked : the page of what was asked of each table, made of the same receipts
    comparison : the page of the comparison, without what this pack puts into it
    report : ``pack/report``, from which it was rendered
    tables : whole tables, by ``section/table``; those that are not exported stay behind
    contracts : those of the tables and of the receipts, by ``section/table``
    receipts : of every table upstream, as plain data
    synthetic : parts of the site's data that were made, not measured
    signers : whom the site names to sign its packs, as the report's first page has them
    quotes : tables that are those of an earlier release
    in_place : files of a release, by path: its own, and those of an earlier one that it quotes

    Returns
    -------
    file by path
    """
    shown = exported(tables, contracts)
    label = {"synthetic": list(synthetic)} if synthetic else {}
    items = _claim_items(claim)
    page = html.decode()
    printed = _figures(report, page)
    files = {
        documents.REPORT: figures.by_line(page, printed).encode(),
        documents.SUMMARY: summary,
        expectations.NAME: asked,
        documents.PROTOCOL: protocol.as_travels,
        documents.CLAIM: _json({"checklist": "CLAIM 2024", "items": items, **label}),
        documents.PLAN: _json({**_plan(shown, protocol, site_id, cut), **label}),
        pack_codes.NAME: to_csv(pl.DataFrame(codes.table())),
        figures.NAME: cells.to_csv(figures.HEADER, (astuple(figure) for figure in printed)),
    }
    if signers:
        files[SIGNERS] = list_signers(signers)
    for asset, frame in shown.items():
        files[documents.table_of(asset)] = to_csv(frame)
        files[documents.schema_of(asset)] = _json(contracts[asset].json_schema())
    for receipt in receipts:
        asset = str(receipt["asset"])
        files[documents.contract_of(asset)] = _json(contracts[asset].model_dump(mode="json"))
    files |= in_place or {}
    files[compared.NAME] = compared.page(comparison, compared.data_of(files))
    if documents.BASELINE_ASSET in shown:
        files[documents.BASELINE] = files[documents.table_of(documents.BASELINE_ASSET)]
    for receipt in receipts:
        asset = str(receipt["asset"])
        if documents.receipt_of(asset) not in files:
            told = {documents.FILES: _digests(contracts[asset], files)}
            files[documents.receipt_of(asset)] = _json(travelling(receipt, contracts[asset]) | told)
    files[documents.CRATE] = crate.write(
        files,
        site=site_id,
        protocol=protocol.reference,
        cut=cut,
        inputs={str(r["asset"]): list(r["inputs"]) for r in receipts if r["asset"] in shown},
        quotes=quotes or {},
        terms=protocol.about.availability,
    )
    return files


def _figures(report: pl.DataFrame, html: str) -> list[figures.Figure]:
    """List the figures that the page prints."""
    known = (figures.Figure(*row) for row in report.select(figures.HEADER).iter_rows())
    return figures.printed(html, known)


def to_csv(frame: pl.DataFrame) -> bytes:
    """Write a table as CSV."""
    return cells.to_csv(frame.columns, frame.iter_rows())


def travelling(receipt: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """Give the part of a receipt that travels: counts only where a table is an aggregate."""
    made: dict[str, Any] = {name: receipt[name] for name in TRAVELLING}
    dropped = () if contract.export else ("element_count", "unexpected_count")
    made["checks"] = [
        {name: value for name, value in check.items() if name not in dropped}
        for check in receipt["checks"]
    ]
    if contract.export:
        made["rows"] = receipt["rows"]
    return made


def _digests(contract: Contract, files: Mapping[str, bytes]) -> dict[str, str]:
    """Digest the files that hold a table or say what it is: its receipt tells of them."""
    about = documents.files_about(contract.asset, is_exported=contract.export)
    return {name: hashlib.sha256(files[name]).hexdigest() for name in about}


def _claim_items(claim: pl.DataFrame) -> list[dict[str, Any]]:
    """Give the items, with who attests each as data."""
    return [
        i | {"attested": json.loads(i["attested"] or "[]")} for i in claim.sort("item").to_dicts()
    ]


def _plan(
    shown: Mapping[str, pl.DataFrame], protocol: Protocol, site_id: str, cut: str
) -> dict[str, Any]:
    """The executable plan: the prespecified part, and what was calibrated at this site."""
    return {
        "site": site_id,
        "protocol": protocol.reference,
        "protocol_digest": protocol.digest,
        "cut": cut,
        "prespecified": protocol.drift.model_dump(mode="json"),
        **{part: _rows(shown, asset) for part, asset in documents.PLANNED.items()},
    }


def _rows(shown: Mapping[str, pl.DataFrame], asset: str) -> list[dict[str, Any]]:
    return shown[asset].to_dicts() if asset in shown else []


def _json(value: Any) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return f"{text}\n".encode()
