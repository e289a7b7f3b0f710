"""The parts of a pack that a comparison needs: its cells, their levels, its protocol.

Only files whose digest is the manifest's are read. What does not belong here: whether the pack is
whole (``vpack verify``), and any figure.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format import bag, cells, codes
from vpack_pipeline.pack_format.contents import ASK, Contents, refusal
from vpack_pipeline.pack_format.documents import table_of
from vpack_pipeline.pack_format.verification import Summary, summary

CELLS: Final = "evaluation/transport_cells"
LEVELS: Final = "representativeness/levels"
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    CELLS: {
        "finding": "string",
        "model_id": "string",
        "window": "string",
        "operating_point": "string",
        "stratum_kind": "string",
        "stratum": "string",
        "metric": "string",
        "status": "string",
        "estimate": "float",
        "reason": "string",
        "detail": "string",
    },
    LEVELS: {
        "variable": "string",
        "level_order": "int",
        "level": "string",
        "printed_level": "string",
        "is_personal": "bool",
    },
}
_READ: Final = (table_of(CELLS), table_of(LEVELS), "protocol.yaml", codes.NAME)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PackCells:
    """What a comparison reads of a pack."""

    summary: Summary
    protocol: Mapping[str, Any]
    cells: list[Row]
    levels: list[Row]
    sentences: codes.Sentences


def read_pack(path: Path) -> PackCells:
    """Read the cells of a pack.

    Raises
    ------
    UsageError
        It is no pack, one of a newer vpack, or one from before cells travelled.
    VerificationError
        A file is not the one that the manifest lists, or not what its name says.
    """
    refuse_what_cannot_be_read(path)
    pack = path.resolve()
    manifest = pack / bag.MANIFEST
    listed = bag.parse_manifest(manifest.read_bytes()) if manifest.is_file() else None
    if listed is None or not (pack / bag.INFO).is_file():
        raise VerificationError([Problem(bag.MANIFEST, "cannot be read", ASK)])
    digests = {entry.path.removeprefix(bag.DATA): entry.sha256 for entry in listed}
    about = summary(pack)
    if not {table_of(CELLS), table_of(LEVELS)} <= digests.keys():
        what = (
            f"holds no counts of cells: it was made before they travelled (format {about.format})"
        )
        raise UsageError(Problem(str(path), what, "ask the site for a pack of a newer vpack"))
    contents = Contents(pack, frozenset(digests))
    for name in _READ:
        if hashlib.sha256(contents.raw(name)).hexdigest() != digests[name]:
            raise VerificationError([Problem(f"{bag.DATA}{name}", "has another digest", ASK)])
    return PackCells(
        about,
        contents.protocol(),
        _rows(contents, CELLS),
        _rows(contents, LEVELS),
        contents.sentences,
    )


def _rows(contents: Contents, asset: str) -> list[Row]:
    name, columns = table_of(asset), _COLUMNS[asset]
    reader = csv.DictReader(io.StringIO(contents.text(name), newline=""))
    if not set(columns) <= set(reader.fieldnames or ()):
        raise refusal(name, "does not have the columns that it should")
    rows = []
    for number, row in enumerate(reader, start=2):
        try:
            rows.append({c: _value(row[c], kind) for c, kind in columns.items()})
        except (TypeError, ValueError):
            raise refusal(name, f"line {number}: is not written as a pack is") from None
    return rows


def _value(text: str, kind: str) -> Any:
    return None if text == "" else cells.read(text, kind)
