"""A pack with no more than a comparison reads: cells by setting and machine, made by hand."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vpack_pipeline.contracts import codes
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.cells import to_csv

VARIABLES = {
    "age_years": (("<50", "<50"), ("50–70", "≥50"), ("≥70", "≥50")),
    "setting": (
        ("emergency", "emergency"),
        ("ward", "ward"),
        ("clinic", "other"),
        ("other", "other"),
    ),
}
"""Variable → level and printed level: the two upper bins, and the clinic, are folded."""
SETTING_AGE = "age_years × setting"
CELLS = {
    "<50 × emergency": (200, 20, 18, 170, 153),
    "<50 × ward": (100, 20, 12, 80, 64),
    "≥50 × emergency": (150, 30, 27, 120, 108),
    "≥50 × ward": (80, 40, 20, 40, 36),
    "other": (0, 0, 0, 0, 0),
}
"""Cell → cases, positives, true positives, negatives, true negatives; the rest is undecided."""
PROTOCOL: dict[str, Any] = {
    "unit_of_analysis": "study",
    "findings": [{"name": "nodule", "title": "Nodule"}],
    "index_test": {"models": [{"id": "m-2", "primary": True}]},
    "evaluation": {
        "operating_points": [
            {
                "name": name,
                "title": name.capitalize(),
                "finding": "nodule",
                "model": "m-2",
                "primary": name == "locked",
            }
            for name in ("locked", "lower")
        ],
        "endpoints": [
            {
                "finding": finding,
                "metric": "sensitivity",
                "operating_point": "locked",
                "goal": goal,
            }
            # A goal of another finding is none of this one's, though the point has the same name.
            for finding, goal in (("nodule", 0.76), ("fracture", 0.9))
        ]
        + [{"finding": "nodule", "metric": "auc", "operating_point": None, "goal": 0.9}],
        "interval": {"level": 0.95},
    },
}
HEADER = (
    "finding",
    "model_id",
    "window",
    "operating_point",
    "stratum_kind",
    "stratum",
    "metric",
    "estimate",
    "status",
    "reason",
    "detail",
)


def protocol_file() -> bytes:
    return yaml.safe_dump(PROTOCOL).encode()


def protocol_digest() -> str:
    return hashlib.sha256(protocol_file()).hexdigest()


def levels() -> bytes:
    rows: list[tuple[Any, ...]] = []
    for name, known in VARIABLES.items():
        all_levels = [*known, ("missing", "missing")]
        rows += [(name, i, a, b, True) for i, (a, b) in enumerate(all_levels, start=1)]
    joint = [*CELLS, "missing"]
    rows += [(SETTING_AGE, i, label, label, True) for i, label in enumerate(joint, start=1)]
    header = ("variable", "level_order", "level", "printed_level", "is_personal")
    return to_csv(header, rows)


def cells(counts: Mapping[str, Sequence[int]] = CELLS) -> bytes:
    rows: list[tuple[Any, ...]] = []
    for point, window in itertools.product(("locked", "lower"), ("prospective", "retrospective")):
        at = ("nodule", "m-2", window, point, SETTING_AGE)
        if window == "prospective":
            detail = '{"no_look_yet.first":"2027-01-01"}'
            held = (None, "withheld", "no_look_yet", detail)
            for label in (*counts, "missing"):
                rows += [(*at, label, metric, *held) for metric in METRICS]
            rows += [(*at, "*", f"design_effect_{name}", *held) for name in AMONG]
            continue
        for label, (n, positive, tp, negative, tn) in counts.items():
            undecided = n - positive - negative
            values = (n, positive, tp, negative, tn, undecided, 0)
            given = zip(METRICS, values, strict=True)
            rows += [(*at, label, m, float(v), "given", None, None) for m, v in given]
        rows.append((*at, "missing", "n_cases", 6.0, "given", None, None))
        for name in AMONG:
            rows.append((*at, "*", f"design_effect_{name}", 1.0, "given", None, None))
    return to_csv(HEADER, rows)


AMONG = ("positives", "negatives", "cases")
METRICS = (
    "n_cases",
    "n_positive",
    "tp",
    "n_negative",
    "tn",
    "undecided_cases",
    "undecided_cases_flagged",
)


def counted_pack(folder: Path, **changes: bytes | None) -> Path:
    """Write the pack; ``changes`` replace a file, by its name without dots, or leave it out."""
    table = codes.table()
    payload = {
        "tables/evaluation.transport_cells.csv": cells(),
        "tables/representativeness.levels.csv": levels(),
        "protocol.yaml": protocol_file(),
        "codes.csv": to_csv(tuple(table[0]), [tuple(row.values()) for row in table]),
    }
    for name, content in changes.items():
        (path,) = (p for p in payload if p.replace(".", "_").replace("/", "_").endswith(name))
        if content is None:
            del payload[path]
        else:
            payload[path] = content
    files = bag.lay_out(payload, identifier="harbour/1.0", bagged="2026-06-01")
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder
