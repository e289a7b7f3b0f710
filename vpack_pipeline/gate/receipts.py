"""Receipts: what was checked, at which cut, from which inputs, under which code and expectations.

A receipt is authenticated with a key derived from the site's secret, so that nobody without the
secret can write one. Its digest of the table is keyed too: a table of few cells could be guessed
and hashed. What does not belong here: where receipts lie (``io.warehouse``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.io.identity import Pseudonyms, is_code
from vpack_pipeline.io.warehouse import TableFile, digest_table
from vpack_pipeline.protocol import Protocol

FORMAT = 3
_ASKED: Final = frozenset({"id", "severity", "outcome", "closes", "why"}) | {
    "element_count",
    "unexpected_count",
}
"""What is asked of a check."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The checked state of one table of one site at one cut.

    ``table_digest`` is keyed (:func:`table_digest`), and ``inputs`` maps each upstream asset to
    that of the table that was read; ``compute``,
    ``check`` and ``words`` are the digests of ``gate.digests`` that were in force; ``checks`` holds
    each expectation's outcome with counts.
    """

    format: int
    asset: str
    site: str
    protocol: str
    protocol_digest: str
    cut: str
    files: tuple[TableFile, ...]
    rows: int
    quarantined: int
    table_digest: str
    compute: str
    check: str
    words: str
    fingerprint: str
    secret: str
    normalisation: str
    inputs: dict[str, str]
    outcome: str
    checks: tuple[dict[str, Any], ...]
    mac: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing in the check closes the gate."""
        return self.outcome == "pass"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        # Not asdict(): it copies value by value, and every table reads the receipts of its inputs.
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        made["files"] = [f.as_dict() for f in self.files]
        made["inputs"] = dict(self.inputs)
        made["checks"] = [dict(check) for check in self.checks]
        return made

    def signed(self, pseudonyms: Pseudonyms) -> Receipt:
        """Add the authentication code."""
        return replace(self, mac=_mac(self, pseudonyms))

    def is_authentic(self, pseudonyms: Pseudonyms) -> bool:
        """Tell whether this site's secret signed exactly this receipt."""
        return is_code(self.mac, _mac(self, pseudonyms))

    def at(self, cut: str, protocol: Protocol, pseudonyms: Pseudonyms) -> Receipt:
        """Carry the receipt of an unchanged table over to another cut or protocol."""
        moved = replace(self, cut=cut, protocol=protocol.reference, protocol_digest=protocol.digest)
        return moved.signed(pseudonyms)


def read(data: Mapping[str, Any], asset: str) -> Receipt:
    """Make a receipt from its JSON.

    Raises
    ------
    GateClosedError
        It is not a receipt of this format.
    """
    if data.get("format") != FORMAT:
        raise _unread(asset, "its receipt is not of this version")
    try:
        given = dict(data)
        given["files"] = tuple(TableFile(**f) for f in given["files"])
        given["checks"] = tuple(given["checks"])
        made = Receipt(**given)
    except (KeyError, TypeError):
        made = None
    if made is None or not _is_of_its_types(made):
        raise _unread(asset, "its receipt is damaged")
    return made


def _unread(asset: str, what: str) -> GateClosedError:
    return GateClosedError([Problem(asset, what, f"materialize {asset} again")])


def _is_of_its_types(receipt: Receipt) -> bool:
    """Tell whether every part is what the gate takes it for, before anything is asked of it."""
    plain = {f.name: f.type for f in fields(receipt) if f.type in {"int", "str"}}
    return (
        all(type(getattr(receipt, name)).__name__ == kind for name, kind in plain.items())
        and all(
            isinstance(f.sha256, str) and f.role in {"table", "quarantine"} and type(f.rows) is int
            for f in receipt.files
        )
        and isinstance(receipt.inputs, dict)
        and all(isinstance(digest, str) for digest in receipt.inputs.values())
        and all(isinstance(check, dict) and check.keys() >= _ASKED for check in receipt.checks)
    )


def table_digest(files: Sequence[TableFile], pseudonyms: Pseudonyms) -> str:
    """Digest a table's files, keyed with the site's secret: it travels, and the files do not."""
    text = digest_table(files)
    return hmac.new(pseudonyms.derive("table"), text.encode(), hashlib.sha256).hexdigest()


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Digest all that a table is computed from."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(receipt: Receipt, pseudonyms: Pseudonyms) -> str:
    data = {k: v for k, v in receipt.as_dict().items() if k != "mac"}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hmac.new(pseudonyms.derive("receipt"), text.encode(), hashlib.sha256).hexdigest()
