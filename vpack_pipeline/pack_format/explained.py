"""Where a printed figure comes from, as far as a pack tells: its row, contract and descent.

What does not belong here: how it is written (``cli.explain``), whether it is true (``agreement``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format import documents, figures
from vpack_pipeline.pack_format.documents import Documents
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline.pack_format.opened import OpenedPack

_PLACE: Final = re.compile(r'<(?:section|div) id="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Gate:
    """What the receipt of a table says of it."""

    asset: str
    passed: int
    checks: int
    digest: str
    """Of the table, keyed by the site."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One printed figure with everything that it rests on."""

    figure: Figure
    places: tuple[str, ...]
    """Ids of the chapter and of the place in it that print the figure first."""
    items: tuple[str, ...]
    """CLAIM items that lead there."""
    rows: tuple[Mapping[str, Any], ...]
    """Its row, or the rows that it counts."""
    table: str
    """What the table is, in its contract's words."""
    column: str
    code: str
    """What computes the table."""
    gate: Gate
    descent: tuple[Gate, ...]
    """Every table that it is made from, nearest first."""


def find(pack: OpenedPack, asked: str) -> list[Figure]:
    """Find printed figures by anchor, or by their text.

    Raises
    ------
    UsageError
        The pack prints no such figure, or is of a format without ``figures.csv``.
    """
    known = pack.figures
    found = [f for f in known if f.anchor == asked] or [f for f in known if f.text == asked]
    if not found:
        what = f"prints no figure with the anchor or text {asked!r}"
        remedy = f"copy one from the columns anchor or text of {figures.NAME} in the pack"
        raise UsageError(Problem(pack.summary.identifier, what, remedy))
    return found


def explain(pack: OpenedPack, figure: Figure) -> Explained:
    """Gather what a figure rests on."""
    known = pack.documents
    contract = known.contracts[figure.asset]
    places = _places(pack.page, figure)
    return Explained(
        figure=figure,
        places=places,
        items=tuple(_items(known, places)),
        rows=tuple(_rows(pack, figure)),
        table=contract["description"],
        column=_column(contract, figure),
        code=_code(contract),
        gate=_gate(known, figure.asset),
        descent=tuple(_gate(known, asset) for asset in _descent(known, figure.asset)),
    )


def _places(page: str, figure: Figure) -> tuple[str, ...]:
    """The ids of the sections that are open where the page prints the figure first."""
    at = page.find(f'{figures.ANCHOR}="{figure.anchor}"')
    if at < 0:
        return ()
    sections = [m for m in _PLACE.finditer(page, 0, at) if page.startswith("<section", m.start())]
    if not sections:
        return ()
    inner = [m[1] for m in _PLACE.finditer(page, sections[-1].end(), at)]
    return (sections[-1][1], *inner[-1:])


def _items(known: Documents, places: Sequence[str]) -> Iterator[str]:
    for item in known.claim["items"]:
        if item["evidence"] in places:
            yield f"{item['item']} {item['title']}"


def _rows(pack: OpenedPack, figure: Figure) -> Iterator[Mapping[str, Any]]:
    wanted = json.loads(figure.row_key)
    for row in pack.rows(figure.asset):
        if json.loads(figures.row_key({n: row[n] for n in wanted})) == wanted:
            yield row


def _column(contract: Mapping[str, Any], figure: Figure) -> str:
    if figure.is_tally:
        return f"{figure.column} with these values"
    told = {c["name"]: c["description"] for c in contract["columns"]}
    return f"{figure.column}: {told[figure.column]}"


def _code(contract: Mapping[str, Any]) -> str:
    section, _, table = contract["asset"].partition("/")
    by = contract.get("computed_by")
    if by == "sql":
        return f"dbt_like_sql/{section}/{table}.sql"
    return f"the function {table} of vpack_pipeline.{by}.{section}"


def _gate(known: Documents, asset: str) -> Gate:
    receipt = known.receipts[asset]
    passed = sum(check["outcome"] == "pass" for check in receipt["checks"])
    return Gate(asset, passed, len(receipt["checks"]), receipt["table_digest"])


def _descent(known: Documents, asset: str) -> list[str]:
    """Every table upstream that has a receipt, the nearest first."""
    found: dict[str, None] = {}
    level = [asset]
    while level:
        nearest = [s for a in level for s in sorted(known.contracts[a]["inputs"].values())]
        level = [s for s in dict.fromkeys(nearest) if s in known.receipts and s not in found]
        found |= dict.fromkeys(level)
    return list(found)


def files_of(asset: str) -> tuple[str, str, str]:
    """Name the files of the pack about a table: table, contract, receipt."""
    return documents.table_of(asset), documents.contract_of(asset), documents.receipt_of(asset)
