"""The parts of a pack that a comparison needs: its cells, their levels, its protocol.

Only files whose digest is the manifest's are read, and these alone, so that a pack answers though
another of its files was lost; ``pack_format.opened`` opens packs that are whole. What does not
belong here: whether the pack is whole (``vpack verify``), and any figure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format import bag, cells, codes
from vpack_pipeline.pack_format.comparison import CELLS, LEVELS, TABLES
from vpack_pipeline.pack_format.contents import ASK, Contents, refusal
from vpack_pipeline.pack_format.documents import PROTOCOL, table_of
from vpack_pipeline.pack_format.verification import Summary, summary

_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    CELLS: TABLES[CELLS],
    LEVELS: {**TABLES[LEVELS], "is_personal": "bool"},
}
_READ: Final = (table_of(CELLS), table_of(LEVELS), PROTOCOL, codes.NAME)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PackCells:
    """What a comparison reads of a pack."""

    summary: Summary
    protocol: Mapping[str, Any]
    protocol_digest: str
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
        digests[PROTOCOL],
        _rows(contents, CELLS),
        _rows(contents, LEVELS),
        contents.sentences,
    )


def _rows(contents: Contents, asset: str) -> list[Row]:
    name, columns = table_of(asset), _COLUMNS[asset]
    try:
        return list(cells.read_rows(contents.text(name), columns))
    except KeyError:
        raise refusal(name, "does not have the columns that it should") from None
    except (TypeError, ValueError):
        raise refusal(name, "is not written as a pack is") from None
