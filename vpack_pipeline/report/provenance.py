"""Where the figures of a place come from: file, gate and code of each table that it shows.

What does not belong here: which tables a place reads (the book), quoted tables (``quoting``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.contracts import Contract
from vpack_pipeline.pack_format import documents

PACKAGE_DATA: Final = ("contracts",)

_SOURCE: Final = Markup('<p class="source">Source: {}</p>')
_TABLE: Final = Markup(
    '<a href="{table}">{asset}</a> · gate <a href="{receipt}">{passed} of {all}</a>'
    ' · <span class="code">{code}</span>'
)


def source_line(assets: Collection[str], receipts: Sequence[Mapping[str, Any]]) -> Markup:
    """Name the tables of a place, each with its checks that passed and the code that computes it.

    Parameters
    ----------
    assets : those that the place read
    receipts : of all tables upstream, as they travel

    Returns
    -------
    one line; nothing where no table that travels was read
    """
    known, passed = contracts.load(), {r["asset"]: r["checks"] for r in receipts}
    shown = contracts.exported({asset: known[asset] for asset in assets}, known)
    lines = [
        _TABLE.format(
            table=documents.table_of(asset),
            asset=asset,
            receipt=documents.receipt_of(asset),
            passed=sum(check["outcome"] == "pass" for check in passed[asset]),
            all=len(passed[asset]),
            code=code_of(known[asset]),
        )
        for asset in sorted(shown)
        if asset in passed
    ]
    return _SOURCE.format(Markup("; ").join(lines)) if lines else Markup("")


def code_of(contract: Contract) -> str:
    """Name the file that computes a table, as the repository has it.

    >>> code_of(contracts.load()["drift/limits"])
    'core/drift/tables.py'
    >>> code_of(contracts.load()["eligibility/flow"])
    'dbt_like_sql/eligibility/flow.sql'
    >>> code_of(contracts.load()["eligibility/flags"])
    'core/eligibility/compiler.py'
    """
    if contract.package is not None:
        return source_digest.file_of(contract.package, contract.table)
    if contract.computed_by == "generated":
        return source_digest.file_of(*contracts.COMPILER.split(":"))
    return f"dbt_like_sql/{contract.asset}.sql"
