"""One image file, opened and read to its header row. Whatever happens, it has one outcome.

The walker reads it, or pydicom in containment where the walker declines; of what the walker parsed,
a keyed sample is read by pydicom as well. What does not belong here: which files are read
(``scanner``), what a header means (``header``).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from vpack_pipeline.io.dicom import by_pydicom, fields, walker
from vpack_pipeline.io.dicom.archive import OpenFile
from vpack_pipeline.io.dicom.containment import read_contained
from vpack_pipeline.io.dicom.header import Header, HeaderReader
from vpack_pipeline.io.dicom.outcomes import PARSED, READ_FAILURES, HeaderError
from vpack_pipeline.io.dicom.structure import Structure
from vpack_pipeline.io.identity import Pseudonyms

WALKER: Final = "walker"
PYDICOM: Final = "pydicom"
SAME: Final = "same"
DIFFERS: Final = "differs"
DRAWN: Final = 1 / 512
"""Share of the parsed headers that both engines read."""
MAX_DIGESTED: Final = 16 * 1024 * 1024
"""Bytes of a header that count towards its digest."""
_UNPARSED: Final = 64 * 1024
"""Bytes that count where nobody knows where the header ends."""
_SMALL: Final = 1024 * 1024
"""A header that the walker parsed and that is no larger is no danger to pydicom."""
_CHUNK: Final = 1024 * 1024
_DRAWN_BELOW: Final = int(DRAWN * 2**32)


class FileReader:
    """Reads files of one site.

    Parameters
    ----------
    pseudonyms : the site's
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._reader = HeaderReader(pseudonyms)
        self._wanted = fields.wanted()

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        """Give a row of :data:`state.HEADERS`; ``size`` counts where the file cannot be opened."""
        digest = engine = checked = None
        try:
            with OpenFile(path) as file:
                size = file.size
                head = file.read(0, walker.HEAD)
                header, found, engine = self._header(file, path, head)
                end = found.header_end if found else min(_UNPARSED, size)
                digest = self._reader.keyed(_digest(file, head, min(end, MAX_DIGESTED)))
                is_drawn = int(digest[:8], 16) < _DRAWN_BELOW
                if found and is_drawn and engine == WALKER and header.outcome == PARSED:
                    checked = self._check(file, path, found)
        except HeaderError as error:
            header, engine = Header(error.code, error.detail, error.field), None
        version = f"{digest or header.outcome}:{size}"
        return (
            *(file_id, version, source, header.outcome, header.detail, header.field, size),
            *(digest, engine, checked),
            *header.row(),
        )

    def _header(
        self, file: OpenFile, path: bytes, head: bytes
    ) -> tuple[Header, Structure | None, str]:
        """Read and judge an open file, and say which engine did."""
        engine = WALKER
        try:
            try:
                found = walker.walk(file.read, file.size, self._wanted, head)
            except walker.Declined:
                engine = PYDICOM
                found = read_contained(path)
            return self._reader.read(found), found, engine
        except HeaderError as error:
            # The walker's budget is the same every time; a deadline may be met another time.
            if error.code in READ_FAILURES or (error.code == "TIMEOUT" and engine == PYDICOM):
                raise
            return Header(error.code, error.detail, error.field), None, engine
        except RecursionError:
            return Header("DEPTH"), None, engine
        except MemoryError:
            return Header("OOM"), None, engine
        except Exception as error:  # noqa: BLE001  one file never stops a scan; it is quarantined
            return Header("CRASH", type(error).__name__), None, engine

    def _check(self, file: OpenFile, path: bytes, found: Structure) -> str:
        """Have pydicom read what the walker parsed."""
        try:
            if found.header_end <= _SMALL:
                with file.stream() as stream:
                    second = by_pydicom.read(stream, file.size, self._wanted)
            else:
                second = read_contained(path)
        except HeaderError:
            return DIFFERS
        return SAME if second == found else DIFFERS


def _digest(file: OpenFile, head: bytes, end: int) -> bytes:
    """sha256 of a file's first bytes."""
    if end <= len(head):
        return hashlib.sha256(memoryview(head)[:end]).digest()
    made = hashlib.sha256()
    at = 0
    while at < end and (part := file.read(at, min(_CHUNK, end - at))):
        made.update(part)
        at += len(part)
    return made.digest()
