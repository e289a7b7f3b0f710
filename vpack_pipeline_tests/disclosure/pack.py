"""Reads what a pack prints, from its bytes alone: tables, protocol, receipts, plan and report.

What does not belong here: what follows from it (``attack``).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline.pack_format import cells, figures
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline.protocol import Protocol

TYPES: Final[Mapping[str, type[pl.DataType]]] = {
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "string": pl.String,
}
NUMBER: Final = re.compile(r"(?<![\w.,])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?(?![\w%])")
"""A number as a reader sees it; none that is part of a name or a digest."""
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:\.\d+)?")
"""A day, or a cut of one that has several."""
_ALIKE: Final = 1e-9


@dataclass(frozen=True)
class PackBytes:
    """A published pack."""

    path: Path

    @property
    def data(self) -> Path:
        """Its payload."""
        return self.path / "data"

    @property
    def protocol(self) -> Protocol:
        """The protocol that travels in it."""
        return Protocol.of_pack((self.data / "protocol.yaml").read_bytes(), FORMAT)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table by its asset, typed as its JSON schema says; dates stay texts."""
        found = {}
        for path in sorted((self.data / "tables").glob("*.csv")):
            schema = json.loads(path.with_suffix(".schema.json").read_text("utf-8"))
            found[path.stem.replace(".", "/", 1)] = table_of(path.read_bytes(), schema)
        return found

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """What the gates say."""
        paths = sorted((self.data / "gates").glob("*.receipt.json"))
        return [json.loads(path.read_text("utf-8")) for path in paths]

    def json(self, name: str) -> Any:
        """Read another file of the payload."""
        return json.loads((self.data / name).read_text("utf-8"))

    @property
    def report(self) -> list[Printed]:
        """Every text of the report, in its order."""
        reader = _Texts()
        listed = csv.reader(io.StringIO((self.data / figures.NAME).read_text("utf-8"), newline=""))
        known = [figures.Figure(*row) for row in listed][1:]
        reader.feed(figures.by_anchor((self.data / "report.html").read_text("utf-8"), known))
        return reader.found


def table_of(content: bytes, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Read a table from CSV; what is disarmed as a formula is read as it was."""
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
    types = {name: _type(of) for name, of in schema["properties"].items()}
    names = list(rows.fieldnames or ())
    values = [[_cell(row[name], types[name]) for name in names] for row in rows]
    return pl.DataFrame(values, schema={n: TYPES[types[n]] for n in names}, orient="row")


def _type(of: Mapping[str, Any]) -> str:
    if "type" not in of:
        # One of several names.
        return "string"
    said = of["type"] if isinstance(of["type"], list) else [of["type"]]
    (found,) = set(said) - {"null"}
    return str(found)


def _cell(text: str, type_: str) -> Any:
    if text == "":
        return None
    if type_ == "boolean":
        return text == "true"
    if type_ == "string":
        return cells.string(text)
    return int(text) if type_ == "integer" else float(text)


@dataclass(frozen=True, slots=True)
class Printed:
    """One text of the report: the cell that it comes from, and whether it stands in a drawing."""

    anchor: str | None
    text: str
    is_drawn: bool

    @property
    def numbers(self) -> list[str]:
        """The numbers in it; points are percent."""
        return list(numbers_in(self.text.replace(" points", "%")))


_EMPTY: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without an end."""


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, str | None]] = []
        self.found: list[Printed] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _EMPTY:
            self._open.append((tag, dict(attrs).get("data-anchor")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that ends at once holds no text."""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self._open}
        if data.strip() and tags.isdisjoint({"style", "script"}):
            anchors = [anchor for _, anchor in self._open if anchor]
            self.found.append(Printed(anchors[-1] if anchors else None, data, "svg" in tags))


def says(text: str, value: float) -> bool:
    """Whether a text is a value, as written: rounded, in percent, or next to zero.

    >>> says("0.812", 0.8124), says("81%", 0.8124), says("1,329", 1328.6), says("<0.0005", 0.0001)
    (True, True, True, True)
    >>> says("12", 13), says("<0.0005", 0.001)
    (False, False)
    """
    (number,) = numbers_in(text)
    low, high = limits_of(number)
    if text[0] in "<>":
        return abs(value) <= high
    # A number of several digits is written without its decimals.
    rounded = abs(value) if "." in number or "%" in number else round(abs(value))
    return low <= rounded <= high


def limits_of(number: str) -> tuple[float, float]:
    """Give the least and most that a number can have been before it was written.

    >>> [round(x, 4) for x in limits_of("81%")], [round(x) for x in limits_of("1,329")]
    ([0.805, 0.815], [1329, 1329])
    """
    plain = number.rstrip("%").replace(",", "").lstrip("-")
    scale = 100 if number.endswith("%") else 1
    is_whole = "." not in plain and scale == 1
    half = 0.0 if is_whole else 0.5 * 10.0 ** -len(plain.partition(".")[2])
    return (float(plain) - half) / scale - _ALIKE, (float(plain) + half) / scale + _ALIKE


def numbers_in(value: Any) -> Iterator[str]:
    """List the numbers of a text, or of anything that is written as JSON; dates are none."""
    text = value if isinstance(value, str) else json.dumps(value)
    yield from NUMBER.findall(DATE.sub(" ", text))
