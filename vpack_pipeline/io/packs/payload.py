"""What a pack holds: report, protocol, checklist, aggregates, receipts, contracts, drift plan,
and what the codes of all of these say.

Aggregates only; what is bound to this machine or to a moment stays out, so that the same inputs
give the same bytes. What does not belong here: the report's
HTML (``report``), where packs lie (``store``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import Contract, codes, exported
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, list_signers
from vpack_pipeline.protocol import Protocol

PACKAGE_DATA: Final = ("contracts",)

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so as a formula."""
CODES: Final = "codes.csv"
"""What each code in a pack's tables says, by name, in the declared order."""
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
    protocol: Protocol,
    claim: pl.DataFrame,
    tables: Mapping[str, pl.DataFrame],
    contracts: Mapping[str, Contract],
    receipts: Sequence[Mapping[str, Any]],
    site_id: str,
    cut: str,
    synthetic: Sequence[str] = (),
    signers: Sequence[Signer] = (),
    in_place: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Give every file of a pack.

    Parameters
    ----------
    html : the rendered report
    tables : whole tables, by ``section/table``; those that are not exported stay behind
    contracts : those of the tables and of the receipts, by ``section/table``
    receipts : of every table upstream, as plain data
    synthetic : parts of the site's data that were made, not measured
    signers : whom the site names to sign its packs, as the report's first page has them
    in_place : files of a release, by path: its own, and those of an earlier one that it quotes

    Returns
    -------
    file by path
    """
    shown = exported(tables, contracts)
    label = {"synthetic": list(synthetic)} if synthetic else {}
    items = _claim_items(claim)
    files = {
        "report.html": html,
        "protocol.yaml": protocol.as_travels,
        "claim.json": _json({"checklist": "CLAIM 2024", "items": items, **label}),
        "drift/plan.json": _json({**_plan(shown, protocol, site_id, cut), **label}),
        CODES: to_csv(pl.DataFrame(codes.table())),
    }
    if signers:
        files[SIGNERS] = list_signers(signers)
    for asset, frame in shown.items():
        name = asset.replace("/", ".")
        files[f"tables/{name}.csv"] = to_csv(frame)
        files[f"tables/{name}.schema.json"] = _json(contracts[asset].json_schema())
    if "drift/baseline" in shown:
        files["drift/baseline.csv"] = to_csv(shown["drift/baseline"])
    for receipt in receipts:
        asset = str(receipt["asset"])
        name = asset.replace("/", ".")
        contract = contracts[asset]
        files[f"gates/{name}.receipt.json"] = _json(travelling(receipt, contract))
        files[f"gates/{name}.contract.json"] = _json(contract.model_dump(mode="json"))
    return files | dict(in_place or {})


def to_csv(frame: pl.DataFrame) -> bytes:
    """Write a table as CSV: UTF-8, LF, dots, ISO dates, nothing for null, formulas disarmed."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.iter_rows():
        writer.writerow([_csv_cell(value) for value in row])
    return made.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = f"'{value}" if value.startswith(FORMULA_STARTS) else value
        # The csv module leaves a lone CR unquoted, which readers take for a new line.
        return shown.replace("\r", " ")
    # repr of a float is the shortest text that reads back as the same number.
    return repr(value) if isinstance(value, float) else str(value)


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


def _claim_items(claim: pl.DataFrame) -> list[dict[str, Any]]:
    return claim.sort("item").to_dicts()


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
        "monitors": _rows(shown, "drift/plan"),
        "limits": _rows(shown, "drift/limits"),
    }


def _rows(shown: Mapping[str, pl.DataFrame], asset: str) -> list[dict[str, Any]]:
    return shown[asset].to_dicts() if asset in shown else []


def _json(value: Any) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return f"{text}\n".encode()
