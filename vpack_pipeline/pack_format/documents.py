"""The JSON documents of a pack, as far as they are held against one another: form and place.

What does not belong here: whether they agree (``receipts``, ``tables``, ``statements``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.pack_format import codes, figures, quoted
from vpack_pipeline.pack_format.contents import Contents, refusal
from vpack_pipeline.pack_format.quoted import Quote, Quotes

CLAIM: Final = "claim.json"
PLAN: Final = "drift/plan.json"
BASELINE: Final = "drift/baseline.csv"
PROTOCOL: Final = "protocol.yaml"
REPORT: Final = "report.html"
SUMMARY: Final = "summary.pdf"
"""The report's first page, for paper."""
CRATE: Final = "ro-crate-metadata.json"
FILES: Final = "pack_files"
"""The field of a receipt that tells the digest of each file of the pack about its table."""
PLANNED: Final = {"monitors": "drift/plan", "limits": "drift/limits"}
"""The parts of the plan that are the rows of a table."""
CLAIM_ASSET: Final = "pack/claim"
BASELINE_ASSET: Final = "drift/baseline"

_ALSO_ABOUT: Final[Mapping[str, tuple[str, ...]]] = {
    CLAIM_ASSET: (CLAIM, codes.NAME, figures.NAME, REPORT),
    BASELINE_ASSET: (BASELINE,),
    PLANNED["monitors"]: (PLAN,),
}
"""Files beside contract, table and schema: the checklist stands for the report that prints it."""
_NONE: Final = type(None)
_TEXT: Final = (str, _NONE)
_CHECK: Final = {"id": str, "type": str, "severity": str, "why": str}
_RECEIPT: Final = {
    **dict.fromkeys(("asset", "site", "protocol", "protocol_digest", "cut"), str),
    **dict.fromkeys(("table_digest", "normalisation", "outcome"), str),
    "inputs": {"*": str},
    "checks": [{**_CHECK, "outcome": str, "closes": bool}],
    "rows": (int, _NONE),
}
_CONTRACT: Final = {
    "asset": str,
    "key": [str],
    "export": bool,
    "may_be_empty": _TEXT,
    "shape": _TEXT,
    "inputs": {"*": str},
    "columns": [{"name": str, "type": str, "null": bool, "description": str, "held_by": _TEXT}],
    "expectations": [_CHECK],
}
_SCHEMA: Final = {
    "title": str,
    "required": [str],
    "properties": {"*": {"oneOf": ([dict], _NONE), "enum": (list, _NONE)}},
}
_PLAN: Final = {
    **dict.fromkeys(("site", "protocol", "protocol_digest", "cut"), str),
    "prespecified": {"monitors": [{"name": str}]},
    "monitors": [{"monitor": str}],
    "limits": [dict],
}
_CLAIM: Final = {
    "items": [
        {
            "item": int,
            **dict.fromkeys(("status", "evidence", "basis", "title", "section"), str),
            **dict.fromkeys(("reason", "notes", "detail"), _TEXT),
            # Packs of before format 7 do not have it.
            "attested": ([{"by": str, "date": str}], _NONE),
        }
    ],
    "synthetic": ([str], _NONE),
}


def receipt_of(asset: str) -> str:
    """Name the file of a table's receipt."""
    return f"gates/{_file(asset)}.receipt.json"


def contract_of(asset: str) -> str:
    """Name the file of a table's contract."""
    return f"gates/{_file(asset)}.contract.json"


def table_of(asset: str) -> str:
    """Name the file of an exported table."""
    return f"tables/{_file(asset)}.csv"


def schema_of(asset: str) -> str:
    """Name the file of an exported table's schema."""
    return f"tables/{_file(asset)}.schema.json"


def files_about(asset: str, *, is_exported: bool) -> tuple[str, ...]:
    """Name the files that hold a table or say what it is: those whose digests its receipt tells."""
    found = [contract_of(asset)]
    found += [table_of(asset), schema_of(asset)] if is_exported else []
    return (*found, *_ALSO_ABOUT.get(asset, ()))


def receipt_digest(receipt: Mapping[str, Any]) -> str:
    """Digest what a receipt says of its table, as the report shows it.

    What it tells of files stays out: the report is one of them.
    """
    told = {name: value for name, value in receipt.items() if name != FILES}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _file(asset: str) -> str:
    return asset.replace("/", ".")


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one pack."""

    receipts: Mapping[str, Mapping[str, Any]]
    """By asset."""
    contracts: Mapping[str, Mapping[str, Any]]
    schemas: Mapping[str, Mapping[str, Any]]
    """Of the exported tables."""
    plan: Mapping[str, Any]
    claim: Mapping[str, Any]
    protocol: Mapping[str, Any]
    protocol_digest: str
    release: Quotes | None
    """What a release says of tables that are those of an earlier one; None of a nightly pack."""

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The tables that are those of an earlier release."""
        return self.release.tables if self.release else {}

    @property
    def exported(self) -> list[str]:
        """The tables that travel."""
        return [asset for asset, contract in self.contracts.items() if contract["export"]]

    @property
    def reference(self) -> str:
        """The protocol's id and version, as other documents name it."""
        return f"{self.protocol.get('id')}@{self.protocol.get('version')}"

    @property
    def cut(self) -> str:
        """The data cut."""
        return str(self.plan["cut"])


def read(contents: Contents) -> Documents:
    """Read the documents of a pack.

    Raises
    ------
    VerificationError
        One is missing or has another form, or names another table than its file does.
    """
    receipts = {}
    for name in sorted(contents.names):
        if name.startswith("gates/") and name.endswith(".receipt.json"):
            receipt = contents.json(name, _RECEIPT)
            if receipt_of(receipt["asset"]) != name:
                raise refusal(name, "is of another table than its name says")
            receipts[receipt["asset"]] = receipt
    contracts = {asset: _described(contents, asset) for asset in receipts}
    schemas = {
        asset: contents.json(schema_of(asset), _SCHEMA)
        for asset, contract in contracts.items()
        if contract["export"]
    }
    return Documents(
        receipts,
        contracts,
        schemas,
        contents.json(PLAN, _PLAN),
        contents.json(CLAIM, _CLAIM),
        contents.protocol(),
        hashlib.sha256(contents.raw(PROTOCOL)).hexdigest(),
        _quotes(contents),
    )


def _quotes(contents: Contents) -> Quotes | None:
    if quoted.NAME not in contents.names:
        return None
    try:
        return quoted.read(contents.raw(quoted.NAME))
    except ValueError:
        raise refusal(quoted.NAME, "does not list quoted tables") from None


def _described(contents: Contents, asset: str) -> Mapping[str, Any]:
    name = contract_of(asset)
    contract: Mapping[str, Any] = contents.json(name, _CONTRACT)
    if contract["asset"] != asset:
        raise refusal(name, "is of another table than its name says")
    return contract
