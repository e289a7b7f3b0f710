"""The layout of a pack: a BagIt bag whose every byte follows from its payload, site and cut.

Written by hand and not through ``bagit``, which stamps the clock and its own version into the
bag; a test holds the result against ``bagit``. Manifests have two spaces between digest and path,
so that stock ``sha256sum -c`` reads them. What does not belong here: where packs lie
(``io.packs.store``), what is in them (``io.packs.payload``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format.roles import ROLES

DATA: Final = "data/"
DECLARATION: Final = "bagit.txt"
INFO: Final = "bag-info.txt"
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
DECLARATION_TEXT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
TAGGED: Final = (INFO, DECLARATION, MANIFEST)
"""The tag files that the tag manifest covers, sorted."""
FORMAT: Final = 7
"""The format that is written: the line ``Vpack-Format`` of ``bag-info.txt``.

Every format that was ever written stays readable, and a small pack of each is kept by the tests:

1. has no such line; ``protocol_digest`` in plan and receipts is that of no file of the pack
2. has the line; ``protocol_digest`` is the sha256 of ``protocol.yaml``
3. tables are whole: none has a figure of status ``hidden``; they say how and why in codes, and
   ``codes.csv`` what each code says; digests of tables in receipts are keyed with the site's
   secret, and receipts no longer name the files of tables
4. ``figures.csv`` holds every printed figure with its cell, and ``ro-crate-metadata.json``
   describes the files; receipts tell in ``pack_files`` the sha256 of each file of the pack about
   their table; schemas tell the kind of each metric; the report marks what it says of other files
5. ``compare.html`` holds a reviewer's counts against the pack's cells, in a browser
6. that page has every operating point of the primary model, the digest of the protocol, and what a
   case is; ``summary.pdf`` is the report's first page, for paper
7. ``gates/index.html`` says in words what was asked of each table, and with what outcome
"""
LABELS: Final = (
    "Bag-Software-Agent",
    "Bagging-Date",
    "External-Identifier",
    "Payload-Oxum",
    "Vpack-Format",
)
"""The lines of ``bag-info.txt``, each once; the last is not in packs of format 1."""

SIGNATURES: Final = "signature"
"""The folder of signatures, outside of payload and manifests: the one that may be added to."""
SIGNATURE_NAME: Final = re.compile(rf"{SIGNATURES}/({'|'.join(ROLES)})-([0-9a-f]{{16}})\.sig")
"""Where a signature lies: its role, and the digits that name its key."""
UNFINISHED: Final = ".signing-"
"""How the names of folders begin, beside packs, in which signatures are being written."""

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_LINE = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a manifest."""

    sha256: str
    path: str


def is_plain(path: str) -> bool:
    """Tell whether a path is relative and made of plain names, none of them hidden.

    >>> is_plain("tables/evaluation.performance.csv"), is_plain("../x"), is_plain("a//b")
    (True, False, False)
    """
    return all(_SEGMENT.fullmatch(part) for part in path.split("/"))


def is_signature(path: str) -> bool:
    """Tell whether a path in a pack is one that a signature may have.

    >>> is_signature("signature/builder-0123456789abcdef.sig"), is_signature("signature/a.sig")
    (True, False)
    """
    return SIGNATURE_NAME.fullmatch(path) is not None


def manifest_text(files: Mapping[str, bytes]) -> bytes:
    """List files, sorted by path, as ``sha256sum`` does."""
    lines = [f"{hashlib.sha256(files[p]).hexdigest()}  {p}\n" for p in sorted(files)]
    return "".join(lines).encode()


def parse_manifest(text: bytes) -> list[Entry] | None:
    """Read a manifest; None if any line is not exactly of its form or a path repeats."""
    try:
        lines = text.decode("ascii").split("\n")
    except UnicodeDecodeError:
        return None
    if lines.pop() != "":
        return None
    matches = [_LINE.fullmatch(line) for line in lines]
    entries = [Entry(m[1], m[2]) for m in matches if m is not None]
    names = {e.path.casefold() for e in entries}
    is_exact = len(entries) == len(lines) == len(names) and all(is_plain(e.path) for e in entries)
    return entries if is_exact else None


def payload_digest(payload: Mapping[str, bytes]) -> str:
    """Digest a payload: the sha256 of its manifest."""
    return hashlib.sha256(manifest_text(_below_data(payload))).hexdigest()


def lay_out(payload: Mapping[str, bytes], *, identifier: str, bagged: str) -> dict[str, bytes]:
    """Give every file of the bag.

    Parameters
    ----------
    payload : file by path below ``data/``
    identifier : site and version
    bagged : the date of the data cut; a clock would make two builds differ

    Raises
    ------
    ContractError
        A path is not plain, or two differ only in case.
    """
    if not all(is_plain(p) for p in payload) or len({p.casefold() for p in payload}) < len(payload):
        raise ContractError("pack/validation_pack: a path in the payload is not plain or unique")
    files = _below_data(payload)
    size = sum(len(content) for content in files.values())
    tags = {
        DECLARATION: DECLARATION_TEXT,
        INFO: (
            f"Bag-Software-Agent: vpack-pipeline\n"
            f"Bagging-Date: {bagged}\n"
            f"External-Identifier: {identifier}\n"
            f"Payload-Oxum: {size}.{len(files)}\n"
            f"Vpack-Format: {FORMAT}\n"
        ).encode(),
        MANIFEST: manifest_text(files),
    }
    return {**files, **tags, TAG_MANIFEST: manifest_text(tags)}


def parse_info(text: bytes) -> dict[str, str]:
    """Read ``bag-info.txt``; a line without a colon is left out."""
    pairs = [line.partition(": ") for line in text.decode("utf-8", "replace").splitlines()]
    return {label: value for label, colon, value in pairs if colon}


def has_other_lines(text: bytes) -> bool:
    """Tell whether ``bag-info.txt`` has a line that no pack has, or one twice."""
    labels = [line.partition(": ")[0] for line in text.decode("utf-8", "replace").splitlines()]
    return len(set(labels)) < len(labels) or not set(labels) <= set(LABELS)


def format_of(info: Mapping[str, str]) -> int:
    """Give the format that ``bag-info.txt`` states; 0 where that is no format.

    >>> format_of({}), format_of({"Vpack-Format": "2"}), format_of({"Vpack-Format": "two"})
    (1, 2, 0)
    """
    stated = info.get("Vpack-Format", "1")
    return int(stated) if re.fullmatch("[1-9][0-9]{0,8}", stated) else 0


def _below_data(payload: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{DATA}{path}": content for path, content in payload.items()}
