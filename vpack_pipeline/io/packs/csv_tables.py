"""Tables read back from the CSV of a pack, as they were before they were written.

What does not belong here: how they are written (``payload``).
"""

from __future__ import annotations

import csv
import io

import polars as pl

from vpack_pipeline.contracts import Contract
from vpack_pipeline.io.packs.payload import to_csv
from vpack_pipeline.pack_format import cells


def from_csv(content: bytes, contract: Contract) -> pl.DataFrame | None:
    """Read a table of a pack; None where it is not one of this contract, to the byte."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        if header != [c.name for c in contract.columns]:
            return None
        kinds = [c.type for c in contract.columns]
        values = [
            [
                cells.read(cell, kind) if cell else None
                for kind, cell in zip(kinds, row, strict=True)
            ]
            for row in rows
        ]
    except (ValueError, KeyError):
        return None
    frame = pl.DataFrame(values, schema=contract.polars_schema, orient="row")
    return frame if to_csv(frame) == content else None
