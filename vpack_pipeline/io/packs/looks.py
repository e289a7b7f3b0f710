"""The verdicts of past looks, as the packs published at them state them.

A verdict is that of the first pack published at its look; later packs quote it. So the packs of
past looks are data to back up. What does not belong here: judging (``core.evaluation``).
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.evaluation.looks import VOID, is_judged_at_looks
from vpack_pipeline.core.evaluation.verdict_basis import changed_blocks
from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io.packs.store import Version, versions
from vpack_pipeline.io.warehouse import cut_order
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.verification import summary
from vpack_pipeline.protocol import Look, Protocol
from vpack_pipeline.protocol.travelling import alpha_of_old_look

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
    "alpha": pl.Float64,
    "information": pl.Float64,
    "information_share": pl.Float64,
    "changed": pl.List(pl.String),
}
_QUOTED: Final = "its verdict is quoted in every later pack"
_TABLE: Final = "data/tables/evaluation.endpoints.csv"
_PROTOCOL: Final = "data/protocol.yaml"


def published_looks(
    root_packs: Path,
    site_id: str,
    protocol: Protocol,
    cut: str | None = None,
    *,
    doubts: Callable[[Version], Sequence[Problem]],
) -> pl.DataFrame:
    """Read what the packs of past looks say of each endpoint.

    Parameters
    ----------
    cut : packs of later cuts are left out, so that a cut built again gives the same bytes
    doubts : says why a stored version is not what was published under its name

    Returns
    -------
    one row per endpoint and look with a published pack: ``look`` as ``YYYY-MM-DD``,
    ``pack_digest`` the sha256 of its tag manifest; a figure that is not given is null, and so is
    the information of a look that was taken before it was kept. Where the
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
            _demand_authentic(found, doubts)
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


def first_at_looks(root_packs: Path, site_id: str, protocol: Protocol) -> list[Version]:
    """List the versions whose verdicts are quoted: the first of each look that has any."""
    known = versions(root_packs, site_id)
    found = [_first_at(known, look, None) for look in protocol.evaluation.looks]
    return [version for version in found if version is not None]


def quotations(version: Version) -> set[tuple[str, str]]:
    """Name the packs whose verdicts a version quotes, each with the digest that it had then.

    Raises
    ------
    VerificationError
        The version changed while it was read.
    """
    table = csv.DictReader(io.StringIO(_content(version, _TABLE).decode()))
    return {(r["pack_version"], r["pack_digest"]) for r in table if r.get("pack_digest")}


def _demand_authentic(version: Version, doubts: Callable[[Version], Sequence[Problem]]) -> None:
    found = doubts(version)
    if found:
        raise VerificationError([Problem(p.where, p.what, f"{p.remedy}; {_QUOTED}") for p in found])


def _verdicts(version: Version, look: Look, protocol: Protocol) -> list[dict[str, Any]]:
    pack: dict[str, Any] = {
        "look": look.cut.isoformat(),
        "pack_version": version.name,
        "pack_digest": summary(version.path).digest,
    }
    then = _protocol(version)
    stated = _stated_alpha(_content(version, _PROTOCOL), look.cut)
    table = csv.DictReader(io.StringIO(_content(version, _TABLE).decode()))
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
            verdict = {"verdict": row["verdict"]}
            rows.append({**made, **_figures(row), **verdict, **_spent(row, stated)})
    return rows


def _protocol(version: Version) -> Protocol:
    """Read the protocol of a pack as today's model has it."""
    content = _content(version, _PROTOCOL)
    try:
        return _read_protocol(content, summary(version.path).format)
    except ValueError:
        what = "its protocol is not one that this version of vpack can read"
        remedy = "build with the version of vpack that made the pack"
        raise VerificationError([Problem(f"{version.name}/{_PROTOCOL}", what, remedy)]) from None


# Every table that quotes looks reads the same bytes, and YAML takes long.
_read_protocol = functools.lru_cache(maxsize=16)(Protocol.of_pack)
_stated_alpha = functools.lru_cache(maxsize=16)(alpha_of_old_look)


def _content(version: Version, name: str) -> bytes:
    """Read a file of a version, and digest the bytes that were read.

    Raises
    ------
    VerificationError
        They are not those that the version's own name stands for.
    """
    manifest = (version.path / bag.MANIFEST).read_bytes()
    content = (version.path / name).read_bytes()
    is_named = version.name.endswith(f"-{hashlib.sha256(manifest).hexdigest()[:12]}")
    entry = bag.Entry(hashlib.sha256(content).hexdigest(), name)
    if not is_named or entry not in (bag.parse_manifest(manifest) or []):
        what = "was changed while it was read"
        raise VerificationError([Problem(f"{version.name}/{name}", what, "build again")])
    return content


def _spent(row: dict[str, str], stated: float | None) -> dict[str, float | None]:
    """Read what a look spent, and at which information.

    Parameters
    ----------
    stated : one-sided alpha that the pack's protocol states of the look itself, as it once did
    """
    names = ("alpha", "information", "information_share")
    found = {name: float(row[name]) if row.get(name) else None for name in names}
    return found if "alpha" in row else found | {"alpha": stated}


def _figures(row: dict[str, str]) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        n: float(row[n]) if row[n] else None for n in ("estimate", "lower", "upper")
    }
    return numbers | {n: int(row[n]) if row[n] else None for n in ("n", "events")}
