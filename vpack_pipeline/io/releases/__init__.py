"""Releases: what was handed out, to whom, and whom each release describes.

What does not belong here: whether a release may follow another (``core.pack``), what is in one
(``assets.release``), what its cover note says (``report``).
"""

from __future__ import annotations

from vpack_pipeline.io.releases.archive import zipped
from vpack_pipeline.io.releases.ledger import (
    HandedOut,
    Ledger,
    Release,
    entered,
    folder_of,
    ledgers_of_secret,
    locked,
    read_ledger,
    write_ledger,
)
from vpack_pipeline.io.releases.people import read_people, write_people
from vpack_pipeline.io.releases.recipient import LONGEST, read_recipient

__all__ = [
    "LONGEST",
    "HandedOut",
    "Ledger",
    "Release",
    "entered",
    "folder_of",
    "ledgers_of_secret",
    "locked",
    "read_ledger",
    "read_people",
    "read_recipient",
    "write_ledger",
    "write_people",
    "zipped",
]
