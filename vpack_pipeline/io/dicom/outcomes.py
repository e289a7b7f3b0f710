"""What became of an image file: the registry of outcomes, which is its own documentation.

``delivered = PARSED + COPY + SET_ASIDE + quarantined`` holds for every scan. What does not belong
here: how an outcome is found (``structure``, ``header``, ``scanner``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.io.forms.reasons import Reason

PARSED: Final = "PARSED"
COPY: Final = "COPY"
SET_ASIDE: Final = "SET_ASIDE"

REASONS: Final[Mapping[str, Reason]] = {
    "EMPTY": Reason("the file has no bytes", "send the file again"),
    "NOT_DICOM": Reason(
        "the file is no DICOM file", "remove it from the archive, or ignore it: it is only counted"
    ),
    "NO_PREAMBLE": Reason(
        "the file lacks the DICM mark and cannot be read as a bare DICOM data set either",
        "export it again as a DICOM Part 10 file",
    ),
    "TRUNCATED": Reason(
        "the file ends before its header or its pixel data do", "send the file again"
    ),
    "BAD_VR": Reason(
        "an element's value representation or structure is not DICOM's",
        "export the file again from the archive, or repair it with a DICOM tool",
    ),
    "BAD_CHARSET": Reason(
        "an identifier cannot be decoded in the character set that the file declares",
        "correct SpecificCharacterSet (0008,0005) at the source and export again",
    ),
    "BAD_DEFLATE": Reason("the compressed data set is damaged", "send the file again"),
    "INFLATE_CAP": Reason(
        "the compressed header grows past what a header may hold",
        "export the file in an uncompressed transfer syntax and look at it before you trust it",
    ),
    "DEPTH": Reason(
        "sequences are nested deeper than any real header", "export the file again from the archive"
    ),
    "TIMEOUT": Reason(
        "the header holds more elements than can be read in a bounded time",
        "export the file again; look at it before you trust it",
    ),
    "OOM": Reason(
        "the header does not fit in memory", "give the scan more memory, or export the file again"
    ),
    "CRASH": Reason(
        "the header made the reader fail in a way that nobody foresaw",
        "report the exception type in `outcome_part` as a bug; the file itself may be sound",
    ),
    "PERM": Reason(
        "the file cannot be opened or read", "let the account that builds packs read the archive"
    ),
    "VANISHED": Reason(
        "the file went away, or became a link, between the listing and the reading",
        "build again when the archive is at rest",
    ),
    "MISSING_UID": Reason(
        "an identifier without which an image cannot be placed is missing or not single",
        "fill the element that `field` names at the source and export again",
    ),
    "DUP_SOP_CONFLICT": Reason(
        "files with the same SOPInstanceUID differ in content; none of them is taken",
        "keep the right one, or give the changed one a UID of its own",
    ),
}
"""Quarantine code → what it means and what to do."""

SET_ASIDE_KINDS: Final[Mapping[str, str]] = {
    "DICOMDIR": "a directory of a medium, no image",
    "SR": "a structured report",
    "KO": "a key object selection",
    "PR": "a presentation state",
    "SEG": "a segmentation",
    "RT": "a radiotherapy object",
    "WAVEFORM": "a waveform",
    "ENCAPSULATED": "an encapsulated document",
    "OTHER_NON_IMAGE": "an object without rows and columns, or of another non-image class",
    "SECONDARY_CAPTURE": "a secondary capture (by SOP class)",
    "LOCALIZER": "a localizer (value 3 of ImageType or a later one)",
    "FOR_PROCESSING": "the unprocessed twin of an image for presentation",
    "DERIVED_SECONDARY": "made from other images after the examination (DERIVED\\SECONDARY)",
}
"""Why a sound DICOM file is no image to be read: the values of `detail` of SET_ASIDE."""

READ_FAILURES: Final = frozenset({"PERM", "VANISHED", "OOM", "CRASH"})
"""Outcomes that may be another time: such a file is read again at every scan."""

NO_IMAGE_ARCHIVE: Final = frozenset({"EMPTY", "NOT_DICOM", "PERM", "VANISHED"})
"""A source in which every file ended so is not the archive that somebody meant."""


class HeaderError(Exception):
    """A header that cannot be taken; it carries codes and keywords, never a value."""

    def __init__(self, code: str, detail: str | None = None, field: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.field = field
