"""The pack: what it holds, where it is published, and whether it is whole.

No Dagster, DuckDB or Great Expectations: ``vpack verify`` runs at a reviewer's desk. What does not
belong here: what the report says (``report``), when a pack may be published (``gate.lock``).
"""

from __future__ import annotations

from vpack_pipeline.io.packs.looks import published_looks
from vpack_pipeline.io.packs.payload import pack_payload
from vpack_pipeline.io.packs.store import (
    LATEST,
    Published,
    Version,
    build_record,
    find_build,
    latest,
    publish,
    validation_pack,
    version_name,
    versions,
)
from vpack_pipeline.io.packs.verification import (
    Summary,
    is_like_a_pack,
    newer_format,
    summary,
    verify,
)

__all__ = [
    "LATEST",
    "Published",
    "Summary",
    "Version",
    "build_record",
    "find_build",
    "is_like_a_pack",
    "latest",
    "newer_format",
    "pack_payload",
    "publish",
    "published_looks",
    "summary",
    "validation_pack",
    "verify",
    "version_name",
    "versions",
]
