"""What DICOMweb servers add to a scan: their instances beside the files of folders.

A server is asked series by series (``dicomweb``); what was read goes into shards like anything
else. What does not belong here: how a server is asked, what a cut knows (``ledger``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from vpack_pipeline.io.dicom import archive, shards, state
from vpack_pipeline.io.dicom.dicomweb import feed
from vpack_pipeline.io.dicom.dicomweb.source import Connected
from vpack_pipeline.io.dicom.outcomes import READ_FAILURES
from vpack_pipeline.io.dicom.state import INDEX, KEY, MANIFEST, State
from vpack_pipeline.io.edge import Edge


@dataclass(frozen=True, slots=True)
class Asked:
    """What the servers hold now.

    ``manifest``: one row per instance; ``index``: of those that were read; ``changes``: name of a
    feed → the last change that this takes account of.
    """

    manifest: pl.DataFrame
    index: pl.DataFrame
    changes: Mapping[str, int]


class Servers:
    """A site's servers, by the number of their source; mostly none."""

    def __init__(self, servers: Mapping[int, Connected], folder: Path, edge: Edge) -> None:
        self._servers = servers
        self._folder = folder
        self._edge = edge

    @property
    def parts(self) -> frozenset[str]:
        """Name the parts of the state that they change."""
        return frozenset({"manifest", "index"} if self._servers else ())

    def without(self, old: State) -> State:
        """Give what is known of folders alone."""
        if not self._servers:
            return old
        is_remote = pl.col("source").is_in(sorted(self._servers))
        return replace(old, manifest=old.manifest.filter(~is_remote))

    def ask(self, old: State, parser: str, started: int) -> Asked:
        """Bring all servers up to date and write what was read into shards."""
        known = feed.load(self._folder) if self._servers else {}
        manifests, indexes, changes = [], [], {}
        for server in self._servers.values():
            given = known.get(server.feed_name)
            made = server.ask(self._edge, old, given, self._edge.scanning.is_deep)
            manifests.append(made.manifest)
            if not made.headers.is_empty():
                indexes.append(self._written(made.headers, parser, started))
            if made.change is not None:
                changes[server.feed_name] = made.change
        return Asked(
            pl.concat([pl.DataFrame(schema=MANIFEST), *manifests]),
            pl.concat([pl.DataFrame(schema=INDEX), *indexes]),
            changes,
        )

    def _written(self, headers: pl.DataFrame, parser: str, started: int) -> pl.DataFrame:
        """Write header rows as one shard; it is named by its index alone."""
        listed: dict[str, Any] = {n: pl.lit(0, t).alias(n) for n, t in shards.LISTED.items()}
        rows = headers.with_columns(
            *listed.values(),
            parser=pl.lit(parser),
            read_ns=pl.lit(started, pl.Int64),
            is_settled=~pl.col("outcome").is_in(sorted(READ_FAILURES)),
        ).select(*shards.SHARD)
        lines = rows.select(*KEY).write_csv()
        name = hashlib.sha256(f"{started} {parser}\n{lines}".encode()).hexdigest()[:32]
        state.write_frame(state.shard_folder(self._folder) / f"{name}.parquet", rows)
        return rows.with_columns(shard=pl.lit(name)).select(*INDEX).cast(pl.Schema(INDEX))

    def joined(self, new: State, asked: Asked) -> State:
        """Put the servers' instances beside the files."""
        if not self._servers:
            return new
        index = new.index.join(asked.index, on=KEY, how="anti", maintain_order="left")
        return replace(
            new,
            manifest=state.ordered(new.manifest, asked.manifest),
            index=state.ordered(index, asked.index),
        )

    def digest_content(self, source: int, place: bytes) -> str | None:
        """sha256 of a whole object, wherever it lies; None if it cannot be had."""
        if source in self._servers:
            return self._servers[source].digest_content(place)
        return archive.digest_content(place)

    def remember(self, asked: Asked) -> None:
        """Keep where the feeds stand, once what they told is saved."""
        if self._servers:
            feed.save(self._folder, dict(asked.changes))
