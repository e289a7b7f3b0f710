"""The page of a pack against its other files: each printed figure, and what documents say in it.

Figures are made again from the tables and held against ``figures.csv`` and the page; so is what the
page says of checklist, receipts, protocol, site and data cut. What does not belong here: the rest
of the page, whose sentences nothing but its digest holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import expectations, figures, text
from vpack_pipeline.pack_format.contents import Contents, problem, refusal
from vpack_pipeline.pack_format.documents import (
    CLAIM,
    PLAN,
    REPORT,
    Documents,
    receipt_digest,
    table_of,
)
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline.pack_format.tables import Table

_MADE_SHARES: Final = ("estimate", "lower", "upper", "goal")
"""Columns that the first page may write as percentages."""
_NO_TEXT: Final = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""What writing a value raises that is not of the type that the functions of print know."""
_PAGES: Final = {REPORT: "report", expectations.NAME: "page of expectations"}
_SHOWN_DIGITS: Final = {"receipt": 16, "protocol": 12}
"""How much of a digest the page shows."""


def read_figures(contents: Contents) -> list[Figure]:
    """Read ``figures.csv``.

    Raises
    ------
    VerificationError
        It is no such file.
    """
    return [Figure(*row) for row in contents.rows(figures.NAME, figures.HEADER)]


def of_tables(
    contents: Contents, documents: Documents, tables: Mapping[str, Table]
) -> Iterator[Problem]:
    """Say which figure is not what its cell gives; those of tables that cannot be read are let be.

    Raises
    ------
    VerificationError
        ``figures.csv`` cannot be read.
    """
    known = read_figures(contents)
    if len({f.anchor for f in known}) < len(known):
        yield problem(figures.NAME, "has an anchor twice")
    texts = _Texts(tables, contents.sentences)
    exported = set(documents.exported)
    for figure in known:
        if figure.asset not in exported:
            yield problem(figures.NAME, f"{figure.anchor}: is of no table of this pack")
        elif figure.asset in tables:
            wrong = _wrong(figure, texts)
            if wrong:
                yield problem(figures.NAME, f"{figure.anchor}: {wrong} of {table_of(figure.asset)}")


class _Texts:
    """The texts of rows, each made once."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        sentences: Callable[[str | None, str | None], str],
    ) -> None:
        self.tables = tables
        self._sentences = sentences
        self._made: dict[tuple[str, str], dict[str, str]] = {}

    def of_row(self, asset: str, key: str) -> dict[str, str]:
        table = self.tables[asset]
        if (asset, key) not in self._made:
            row = table.by_key[key]
            self._made[asset, key] = figures.row_texts(
                row, is_count=table.is_count(row), sentences=self._sentences
            )
        return self._made[asset, key]


def _wrong(figure: Figure, texts: _Texts) -> str | None:
    """Say what is wrong with a figure; None where nothing is."""
    is_first = figure.anchor.startswith(figures.FIRST)
    named = figures.anchor(figure.asset, figure.row_key, figure.column)
    if not is_first and figure.anchor != named:
        return "is not the name of its cell"
    try:
        if figure.is_tally:
            given = {_tally(figure, texts.tables[figure.asset])} if is_first else set()
        else:
            given = _writings(figure, texts, is_first=is_first)
    except _NO_TEXT:
        return "names a cell that cannot be written:"
    shown = {written.replace("\r", " ") for written in given}
    return None if figure.text in shown else "differs from the cell"


def _tally(figure: Figure, table: Table) -> str:
    where = json.loads(figure.row_key)
    rows = [row for row in table.rows if all(row[name] == value for name, value in where.items())]
    return figures.tally(figure.column, rows)


def _writings(figure: Figure, texts: _Texts, *, is_first: bool) -> set[str]:
    """Give the texts that the cell of a figure may have: one, and as a share on the first page."""
    found = {texts.of_row(figure.asset, figure.row_key)[figure.column]}
    row = texts.tables[figure.asset].by_key[figure.row_key]
    value = row[figure.column]
    if figures.has_two_digits(row):
        # Packs that were written before this was printed so have three.
        found.add(text.plain(value))
    if is_first and not figure.anchor.endswith(f".{figure.column}"):
        return set()
    if is_first and figure.column in _MADE_SHARES and value is not None:
        found |= set(figures.shares(value))
    return found


def of_page(contents: Contents, documents: Documents) -> Iterator[Problem]:
    """Say where the page prints another figure or statement than its files give, or lacks one.

    Raises
    ------
    VerificationError
        The page cannot be read, or ``figures.csv``.
    """
    listed = read_figures(contents)
    known = {f.anchor: text.WORDS.get(f.text, f.text) for f in listed}
    page = figures.by_anchor(contents.text(REPORT), listed)
    yield from _held(REPORT, _in_page(REPORT, page, figures.ANCHOR), known, figures.NAME)
    yield from _held(
        REPORT,
        _in_page(REPORT, page, figures.STATES),
        dict(_stated(documents, contents.sentences)),
        "the documents of the pack",
    )
    for item in documents.claim["items"]:
        if f'id="{item["evidence"]}"' not in page:
            yield problem(CLAIM, f"item {item['item']} points to no place in the report")
    if documents.claim.get("synthetic") != documents.plan.get("synthetic"):
        yield problem(PLAN, f"says another thing of synthetic data than {CLAIM}")


def of_expectations(contents: Contents, documents: Documents) -> Iterator[Problem]:
    """Say where the page of expectations tells of another outcome than the receipts, or of none.

    Raises
    ------
    VerificationError
        The page cannot be read.
    """
    known: dict[str, str | None] = dict(expectations.stated(documents.receipts.values()))
    if documents.claim.get("synthetic"):
        known["synthetic"] = None
    asked = contents.text(expectations.NAME)
    shown = _in_page(expectations.NAME, asked, figures.STATES)
    yield from _held(expectations.NAME, shown, known, "the receipts of the pack")


def _in_page(name: str, page: str, attribute: str) -> list[tuple[str, str]]:
    try:
        return list(figures.in_page(page, attribute))
    except ValueError:
        raise refusal(name, "has a figure in another form than vpack prints") from None


def _held(
    page: str, shown: list[tuple[str, str]], known: Mapping[str, str | None], source: str
) -> Iterator[Problem]:
    for name, said in shown:
        if name not in known:
            yield problem(page, f"{name}: is not in {source}")
        elif known[name] not in (None, said.replace("\r", " ")):
            yield problem(page, f"{name}: differs from {source}")
    for name in sorted(known.keys() - {name for name, _ in shown}):
        yield problem(page, f"{name}: is in {source} and not in the {_PAGES[page]}")


def _stated(
    documents: Documents, sentences: Callable[[str | None, str | None], str]
) -> Iterator[tuple[str, str | None]]:
    """Give all that the documents say and the page repeats, by the name that it has there.

    None is what the page says in its own words.
    """
    yield "site", documents.plan["site"]
    yield "cut", documents.plan["cut"]
    yield "protocol", documents.reference
    yield "protocol.digest", documents.protocol_digest[: _SHOWN_DIGITS["protocol"]]
    if documents.claim.get("synthetic"):
        yield "synthetic", None
    for item in documents.claim["items"]:
        at = f"claim.{item['item']}"
        yield f"{at}.status", text.WORDS.get(item["status"], item["status"])
        yield f"{at}.basis", item["basis"]
        if item.get("attested"):
            yield f"{at}.attested", text.attested(item["attested"])
        yield f"{at}.why", _why(item, sentences)
    for asset, receipt in documents.receipts.items():
        at, checks = f"receipt.{asset}", receipt["checks"]
        yield f"{at}.outcome", receipt["outcome"]
        yield f"{at}.expectations", str(len(checks))
        yield f"{at}.not_passed", str(sum(c["outcome"] != "pass" for c in checks))
        yield f"{at}.digest", receipt_digest(receipt)[: _SHOWN_DIGITS["receipt"]]


def _why(item: Mapping[str, Any], sentences: Callable[[str | None, str | None], str]) -> str:
    """Write why an item is not simply met, and what to know beside it."""
    try:
        return "; ".join(sentences(item[n], item["detail"]) for n in ("reason", "notes") if item[n])
    except _NO_TEXT:
        raise refusal(
            CLAIM, f"item {item['item']} has a code that codes.csv does not have"
        ) from None
