"""One image file, opened and read to its header row. Whatever happens, it has one outcome.

What does not belong here: which files are read (``scanner``), what a header means (``header``).
"""

from __future__ import annotations

from typing import Any

from vpack_pipeline.io.dicom import fields
from vpack_pipeline.io.dicom.archive import OpenFile
from vpack_pipeline.io.dicom.header import Header, HeaderReader
from vpack_pipeline.io.dicom.outcomes import READ_FAILURES, HeaderError
from vpack_pipeline.io.dicom.state import HEADERS
from vpack_pipeline.io.identity import Pseudonyms


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
        """Give a row of :data:`HEADERS`; ``size`` counts only where the file cannot be opened."""
        digest: str | None = None
        engine: str | None = None
        try:
            with OpenFile(path) as file:
                size = file.size
                header, end = self._header(file)
                digest = self._reader.keyed(file.digest(end))
                engine = "walker"
        except HeaderError as error:
            header = Header(error.code, error.detail, error.field)
        given = {
            **header.columns,
            "file_id": file_id,
            "version": f"{digest or header.outcome}:{size}",
            "source": source,
            "outcome": header.outcome,
            "detail": header.detail,
            "field": header.field,
            "bytes": size,
            "header_digest": digest,
            "engine": engine,
        }
        return tuple(given.get(name) for name in HEADERS)

    def _header(self, file: OpenFile) -> tuple[Header, int | None]:
        """Walk and judge an open file; give where its header ends, None where nobody knows."""
        try:
            found = file.walk(self._wanted)
            return self._reader.read(found), found.header_end
        except HeaderError as error:
            if error.code in READ_FAILURES:
                raise
            return Header(error.code, error.detail, error.field), None
        except RecursionError:
            return Header("DEPTH"), None
        except MemoryError:
            return Header("OOM"), None
        except Exception as error:  # noqa: BLE001  one file never stops a scan; it is quarantined
            return Header("CRASH", type(error).__name__), None
