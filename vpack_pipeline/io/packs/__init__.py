"""The pack: what goes into it, where it is published, and what past ones say.

What does not belong here: its bag and whether it is whole (``pack_format``, whose functions can be
had from here as well), what the report says (``report``), when a pack may be published
(``gate.lock``).
"""

from __future__ import annotations

from vpack_pipeline.io.packs.looks import first_at_looks, published_looks, quotations
from vpack_pipeline.io.packs.payload import pack_payload
from vpack_pipeline.io.packs.publication import differences, problems, record_problems
from vpack_pipeline.io.packs.store import (
    MODES,
    Published,
    Version,
    adopt,
    build_record,
    find_build,
    latest,
    payload_digest_of,
    publish,
    record_of,
    validation_pack,
    version_name,
    versions,
)
from vpack_pipeline.pack_format.verification import (
    LATEST,
    Summary,
    is_like_a_pack,
    newer_format,
    summary,
    verify,
    whole,
)

__all__ = [
    "LATEST",
    "MODES",
    "Published",
    "Summary",
    "Version",
    "adopt",
    "build_record",
    "differences",
    "find_build",
    "first_at_looks",
    "is_like_a_pack",
    "latest",
    "newer_format",
    "pack_payload",
    "payload_digest_of",
    "problems",
    "publish",
    "published_looks",
    "quotations",
    "record_of",
    "record_problems",
    "summary",
    "validation_pack",
    "verify",
    "version_name",
    "versions",
    "whole",
]
