"""The comparison page of a pack made by hand, written as a file to open.

What does not belong here: the pack's cells and levels (``counted_pack``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpack_pipeline.contracts import codes
from vpack_pipeline.pack_format import bag, comparison
from vpack_pipeline.pack_format.cells import to_csv
from vpack_pipeline.pack_format.documents import table_of
from vpack_pipeline.report.comparison import empty_comparison
from vpack_pipeline_tests import counted_pack

TITLES = {"age_years": "Age", "setting": "Setting"}
TARGET = {
    "age_years": {"<50": 300, "≥50": 700, "missing": 0},
    "setting": {"emergency": 600, "ward": 380, "other": 20, "missing": 0},
}
PROTOCOL: Mapping[str, Any] = {
    **counted_pack.PROTOCOL,
    "representativeness": {
        "variables": [{"name": name, "title": title} for name, title in TITLES.items()]
    },
}


def points() -> bytes:
    """Write sensitivity and specificity at the primary point, of the earlier window alone."""
    header = tuple(comparison.TABLES[comparison.POINTS])
    at = ("nodule", "m-2")
    rows: list[tuple[Any, ...]] = []
    for analysis, shift in (("intention_to_diagnose", 0.0), ("completed_only", 0.01)):
        rest = ("locked", analysis)
        rows += [
            (*at, "retrospective", *rest, "sensitivity", 0.9 + shift, 0.8, 0.95),
            (*at, "retrospective", *rest, "specificity", 0.85 + shift, None, None),
            (*at, "prospective", *rest, "sensitivity", None, None, None),
        ]
    return to_csv(header, rows)


def profile(target: Mapping[str, Mapping[str, int | None]]) -> bytes:
    """Write the margins of a population that the site stated."""
    rows = [
        (variable, level, "target", place, n)
        for variable, of in target.items()
        for place, (level, n) in enumerate(of.items(), start=1)
    ]
    return to_csv(tuple(comparison.TABLES[comparison.PROFILE]), rows)


def data(
    target: Mapping[str, Mapping[str, int | None]] = TARGET,
    pack_format: int = bag.FORMAT,
    **files: bytes,
) -> dict[str, Any]:
    """Gather what the page holds; ``files`` replace tables."""
    table = codes.table()
    known = {
        "cells": counted_pack.cells(),
        "levels": counted_pack.levels(),
        "points": points(),
        "profile": profile(target),
        **files,
    }
    names = {
        "cells": comparison.CELLS,
        "levels": comparison.LEVELS,
        "points": comparison.POINTS,
        "profile": comparison.PROFILE,
    }
    text = {table_of(names[name]): content.decode() for name, content in known.items()}
    text["codes.csv"] = to_csv(tuple(table[0]), [tuple(row.values()) for row in table]).decode()
    plan = {"site": "harbour", "cut": "2026-06-01", "protocol": "cxr@1.0"}
    plan["protocol_digest"] = counted_pack.protocol_digest()
    claim = {"synthetic": ["scores: drawn </script> at random"]}
    return comparison.data(PROTOCOL, claim, plan, text.__getitem__, pack_format)


def written(folder: Path, of_pack: Mapping[str, Any]) -> Path:
    """Write the page into a folder."""
    file = folder / comparison.NAME
    file.write_bytes(comparison.page(empty_comparison(), of_pack))
    return file


def as_rows(text: bytes) -> list[dict[str, str]]:
    """Read a table again."""
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))
