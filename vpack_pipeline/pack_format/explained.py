"""Where a printed figure comes from, as far as a pack tells: its row, contract and descent.

What does not belong here: how it is written (``cli.explain``), whether it is true (``agreement``).
"""

from __future__ import annotations

import bisect
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format import codes, documents, expectations, figures
from vpack_pipeline.pack_format.documents import Documents
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline.pack_format.opened import OpenedPack

_SECTION: Final = re.compile(r'<section id="([^"]+)"')
_PLACE: Final = re.compile(r'<(?:section|div) id="([^"]+)"')
_PRINTED: Final = re.compile(rf'{figures.ANCHOR}="([^"<>]*)"')
_SOURCE: Final = (
    r'href="{table}">[^<]*</a> · gate <a [^<>]*>[^<]*</a> · <span class="code">([^<]+)</span>'
)
"""What the report says under a place of a table: its code."""
_METRIC: Final = "metric"


class Place(NamedTuple):
    """Ids in the report: of a chapter, and of the place in it; the same where it has none."""

    chapter: str
    place: str


class Places:
    """Where a report prints each figure."""

    def __init__(self, page: str) -> None:
        """Index the places of a page."""
        chapters = [(m.start(), m[1]) for m in _SECTION.finditer(page)]
        places = [(m.start(), m[1]) for m in _PLACE.finditer(page)]
        self._of: dict[str, dict[Place, None]] = {}
        for printed in _PRINTED.finditer(page):
            chapter, place = (_last(found, printed.start()) for found in (chapters, places))
            if chapter is not None and place is not None:
                self._of.setdefault(html.unescape(printed[1]), {})[Place(chapter, place)] = None

    def of(self, figure: Figure) -> tuple[Place, ...]:
        """Give the places that print a figure, in the order of the page."""
        return tuple(self._of.get(figure.anchor, ()))


def _last(found: Sequence[tuple[int, str]], at: int) -> str | None:
    before = bisect.bisect(found, (at, ""))
    return found[before - 1][1] if before else None


@dataclass(frozen=True, slots=True)
class Gate:
    """What the receipt of a table says of it."""

    asset: str
    passed: int
    checks: int
    tally: str
    """The same in words, with what met no value and what found something."""
    digest: str
    """Of the table, keyed by the site."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One printed figure with everything that it rests on."""

    figure: Figure
    places: tuple[Place, ...]
    """What prints it, in the order of the report."""
    items: tuple[str, ...]
    """CLAIM items that lead there."""
    metric: str | None
    """What the figure is, in the schema's words; None where the column says it all."""
    said: Mapping[str, str]
    """What the codes of its row say, by column."""
    rows: tuple[Mapping[str, Any], ...]
    """Its row, or the rows that it counts."""
    table: str
    """What the table is, in its contract's words."""
    column: str
    code: str
    """What computes the table."""
    gate: Gate
    open_checks: tuple[Mapping[str, Any], ...]
    """Expectations of the table that did not simply pass."""
    descent: tuple[Gate, ...]
    """Every table that it is made from, nearest first."""


def find(pack: OpenedPack, places: Places, asked: str, at: str | None = None) -> list[Figure]:
    """Find printed figures by anchor, or by their text; a hyphen stands for a minus too.

    Parameters
    ----------
    at : id of a chapter or place of the report, which has to print them

    Raises
    ------
    UsageError
        The pack prints no such figure there, or is of a format without ``figures.csv``.
    """
    known, minus = pack.figures, re.sub(r"^-(?=[\d.])", "−", asked.strip())
    found = [f for f in known if f.anchor == asked] or [f for f in known if f.text == minus]
    if not found:
        what = f"prints no figure with the anchor or text {asked!r}"
        remedy = (
            "copy one number alone, without its interval, from the report, or one from the columns"
            f" anchor or text of {figures.NAME} in the pack"
        )
        raise UsageError(Problem(pack.summary.identifier, what, remedy))
    there = [f for f in found if at is None or any(at in place for place in places.of(f))]
    if not there:
        every = dict.fromkeys(place.place for f in found for place in places.of(f))
        remedy = f"it stands at {', '.join(every)}" if every else f"see {figures.NAME}"
        raise UsageError(Problem("--at", f"{at} does not print {asked!r}", remedy))
    return there


def explain(pack: OpenedPack, places: Places, figure: Figure) -> Explained:
    """Gather what a figure rests on."""
    known = pack.documents
    contract, checks = (of[figure.asset] for of in (known.contracts, known.receipts))
    rows = tuple(_rows(pack, figure))
    printed = places.of(figure)
    return Explained(
        figure=figure,
        places=printed,
        items=tuple(_items(known, printed)),
        metric=_metric(known.schemas[figure.asset], rows),
        said=_said(pack, rows),
        rows=rows,
        table=contract["description"],
        column=_column(contract, figure),
        code=code_of(contract, pack.page),
        gate=_gate(known, figure.asset),
        open_checks=tuple(c for c in checks["checks"] if c["outcome"] != "pass"),
        descent=tuple(_gate(known, asset) for asset in _descent(known, figure.asset)),
    )


def _metric(schema: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str | None:
    told = {m.get("const"): m for m in schema["properties"].get(_METRIC, {}).get("oneOf") or ()}
    meant = told.get(rows[0].get(_METRIC)) if len(rows) == 1 else None
    return None if meant is None else f"{meant['title']}: {meant['description']}"


def _said(pack: OpenedPack, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    if len(rows) != 1 or codes.DETAIL not in rows[0]:
        return {}
    detail, sentences = rows[0][codes.DETAIL], pack.sentences
    return {c: sentences(rows[0][c], detail) for c in codes.COLUMNS if rows[0].get(c)}


def _items(known: Documents, places: Sequence[Place]) -> Iterator[str]:
    for item in known.claim["items"]:
        if any(item["evidence"] in place for place in places):
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


def code_of(contract: Mapping[str, Any], page: str) -> str:
    """Name what computes a table: the file that the report names, else what its contract says."""
    name = re.escape(documents.table_of(contract["asset"]))
    if told := re.search(_SOURCE.format(table=name), page):
        return told[1]
    section, _, table = contract["asset"].partition("/")
    by = contract.get("computed_by")
    if by == "sql":
        return f"dbt_like_sql/{section}/{table}.sql"
    return f"the function {table} of vpack_pipeline.{by}.{section}"


def _gate(known: Documents, asset: str) -> Gate:
    receipt = known.receipts[asset]
    passed = expectations.number_of(receipt, "pass")
    tally = expectations.tally(receipt)
    return Gate(asset, passed, len(receipt["checks"]), tally, receipt["table_digest"])


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
