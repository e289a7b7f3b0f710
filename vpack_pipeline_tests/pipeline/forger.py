"""An insider who may write to the folder of packs and has no secret: makes whole, forged packs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import bag
from vpack_pipeline_tests.pipeline.bench import SITE

ENDPOINTS = "tables/evaluation.endpoints.csv"


def kinder(payload: dict[str, bytes]) -> dict[str, bytes]:
    """Let every endpoint that has a verdict be met."""
    forged = payload[ENDPOINTS]
    for verdict in (b"not_met", b"inconclusive"):
        forged = forged.replace(verdict, b"met")
    assert forged != payload[ENDPOINTS]
    return payload | {ENDPOINTS: forged}


@dataclass(frozen=True)
class Forger:
    """One who works on the packs of one root."""

    root: Path
    site: str = SITE
    given: Mapping[str, Any] = field(default_factory=dict)
    """What stands in a record that they write themselves."""

    @property
    def folder(self) -> Path:
        """Where this site's packs lie."""
        return self.root / "data" / "packs" / self.site

    def record(self, name: str) -> Path:
        """The record of a version."""
        return self.folder / "versions" / f"{name}.build.json"

    def edit_record(self, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change a record in place."""
        record = json.loads(self.record(name).read_text())
        change(record)
        self.record(name).write_text(json.dumps(record))

    def unsign(self, name: str) -> None:
        """Let a record be as those of before records were signed."""

        def strip(record: dict[str, Any]) -> None:
            del record["mac"], record["payload_digest"]

        self.edit_record(name, strip)

    def forge(
        self,
        name: str,
        change: Callable[[dict[str, bytes]], dict[str, bytes]] = kinder,
        *,
        renamed: bool = False,
    ) -> str:
        """Change a stored pack and make it whole again, under its own name or the one that fits."""
        path = self.folder / "versions" / name
        data = path / "data"
        files = [p for p in data.rglob("*") if p.is_file()]
        payload = change({p.relative_to(data).as_posix(): p.read_bytes() for p in files})
        start = name.rpartition("-")[0]
        fitting = f"{start}-{bag.payload_digest(payload)[:12]}"
        identifier = f"{self.site}/{fitting}"
        made = bag.lay_out(payload, identifier=identifier, bagged=start.partition("-")[2][:10])
        for relative, content in made.items():
            target = path / relative
            target.unlink(missing_ok=True)
            target.write_bytes(content)
        assert packs.verify(path) == []
        return self.rename(name, fitting) if renamed else name

    def rename(self, name: str, to: str) -> str:
        """Give a version another name, with its record and the link."""
        versions = self.folder / "versions"
        (versions / name).rename(versions / to)
        self.record(name).rename(self.record(to))
        link = self.folder / packs.LATEST
        if os.readlink(link) == f"versions/{name}":
            link.unlink()
            link.symlink_to(f"versions/{to}")
        return to
