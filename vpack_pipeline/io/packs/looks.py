"""The verdicts of past looks, as the packs published at them state them.

A verdict is that of the first pack published at its look; later packs quote it. So the packs of
past looks are data to back up. What does not belong here: judging (``core.evaluation``).
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.evaluation.looks import VOID, is_judged_at_looks
from vpack_pipeline.core.evaluation.verdict_basis import changed_blocks
from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io.packs.store import Version, versions
from vpack_pipeline.io.warehouse import cut_order
from vpack_pipeline.pack_format.verification import summary, whole
from vpack_pipeline.protocol import Look, Protocol

SCHEMA: Final[dict[str, Any]] = {
    "endpoint": pl.String,
    "look": pl.String,
    "pack_version": pl.String,
    "pack_digest": pl.String,
    "estimate": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "n": pl.Int64,
    "events": pl.Int64,
    "verdict": pl.String,
    "changed": pl.List(pl.String),
}
_TABLE: Final = "data/tables/evaluation.endpoints.csv"


def published_looks(
    root_packs: Path, site_id: str, protocol: Protocol, cut: str | None = None
) -> pl.DataFrame:
    """Read what the packs of past looks say of each endpoint.

    Parameters
    ----------
    cut : packs of later cuts are left out, so that a cut built again gives the same bytes

    Returns
    -------
    one row per endpoint and look with a published pack: ``look`` as ``YYYY-MM-DD``,
    ``pack_digest`` the sha256 of its tag manifest; a figure that is not given is null. Where the
    protocol has changed since in what this verdict rests on, it is ``void``, its figures are null
    and ``changed`` names the blocks; else ``changed`` is null

    Raises
    ------
    VerificationError
        The pack of a look is no longer what was published, or cannot be read.
    """
    rows: list[dict[str, Any]] = []
    known = versions(root_packs, site_id)
    for look in protocol.evaluation.looks:
        found = _first_at(known, look, cut)
        if found is not None:
            rows += _verdicts(found, look, protocol)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("endpoint", "look")


def _first_at(known: list[Version], look: Look, cut: str | None) -> Version | None:
    at_look = [
        v
        for v in known
        if v.cut.partition(".")[0] == look.cut.isoformat()
        and (cut is None or cut_order(v.cut) <= cut_order(cut))
    ]
    return min(at_look, key=lambda v: v.sequence, default=None)


def _verdicts(version: Version, look: Look, protocol: Protocol) -> list[dict[str, Any]]:
    problems = whole(version.path)
    if problems:
        remedy = "restore it from a backup: its verdict is quoted in every later pack"
        raise VerificationError(
            [Problem(f"{version.name}/{p.where}", p.what, remedy) for p in problems]
        )
    pack = {
        "look": look.cut.isoformat(),
        "pack_version": version.name,
        "pack_digest": summary(version.path).digest,
    }
    then = _protocol(version)
    table = csv.DictReader(io.StringIO((version.path / _TABLE).read_text(encoding="utf-8")))
    said = {r["endpoint"]: r for r in table if r["look"] == pack["look"] and r["verdict"]}
    rows = []
    for endpoint in filter(is_judged_at_looks, protocol.evaluation.endpoints):
        made = {"endpoint": endpoint.id, **pack}
        changed = changed_blocks(then, protocol, endpoint.id, look.cut)
        if changed:
            # One that the pack did not know too: it must not have the look to itself.
            rows.append({**made, "verdict": VOID, "changed": list(changed)})
        elif endpoint.id in said:
            row = said[endpoint.id]
            rows.append({**made, **_figures(row), "verdict": row["verdict"]})
    return rows


def _protocol(version: Version) -> Protocol:
    """Read the protocol of a pack as today's model has it."""
    content = (version.path / "data/protocol.yaml").read_bytes()
    try:
        return Protocol.of_pack(content, summary(version.path).format)
    except ValueError:
        what = "its protocol is not one that this version of vpack can read"
        remedy = "build with the version of vpack that made the pack"
        raise VerificationError(
            [Problem(f"{version.name}/data/protocol.yaml", what, remedy)]
        ) from None


def _figures(row: dict[str, str]) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        n: float(row[n]) if row[n] else None for n in ("estimate", "lower", "upper")
    }
    return numbers | {n: int(row[n]) if row[n] else None for n in ("n", "events")}
