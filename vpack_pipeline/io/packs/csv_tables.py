"""Tables read back from the CSV of a pack, as they were before they were written.

What does not belong here: how they are written (``payload``).
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import Contract
from vpack_pipeline.io.packs.payload import FORMULA_STARTS, to_csv

_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": lambda text: text,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text],
    "date": datetime.date.fromisoformat,
}


def from_csv(content: bytes, contract: Contract) -> pl.DataFrame | None:
    """Read a table of a pack; None where it is not one of this contract, to the byte."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        if header != [c.name for c in contract.columns]:
            return None
        read = [_READ[c.type] for c in contract.columns]
        cells = [
            [None if cell == "" else of(_armed(cell)) for of, cell in zip(read, row, strict=True)]
            for row in rows
        ]
    except (ValueError, KeyError):
        return None
    frame = pl.DataFrame(cells, schema=contract.polars_schema, orient="row")
    return frame if to_csv(frame) == content else None


def _armed(cell: str) -> str:
    is_disarmed = cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS)
    return cell[1:] if is_disarmed else cell
