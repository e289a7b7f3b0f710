"""The scan: every file of the archive with one outcome, unchanged files without reading them.

A full and an incremental scan give the same rows. What does not belong here: what has to be read
(``increment``), who reads it (``engines``), what a cut knows (``ledger``), which of two files with
one UID counts (``duplicates``), the tables (``cohort.images``).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.deliveries import published_cuts
from vpack_pipeline.io.dicom import archive, duplicates, engines, increment, ledger, shards
from vpack_pipeline.io.dicom import state as states
from vpack_pipeline.io.dicom.archive import Part
from vpack_pipeline.io.dicom.dicomweb.source import connected
from vpack_pipeline.io.dicom.increment import FRESH, SLOTS, Deep, Plan
from vpack_pipeline.io.dicom.outcomes import NO_IMAGE_ARCHIVE
from vpack_pipeline.io.dicom.progress import Tracker
from vpack_pipeline.io.dicom.reading import FileReader
from vpack_pipeline.io.dicom.remote import Servers
from vpack_pipeline.io.dicom.shards import Reader, Task, Written
from vpack_pipeline.io.dicom.state import KEY, Last, State
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import DicomwebSource

LARGEST_LOSS: Final = 0.5
"""Share of a source's known files that may be gone before the scan stops."""
ACCEPT_LOSS: Final = "accept-vanished"
"""A file of this name in the scanner's state lets one scan take any loss for a clean-up."""

Clock = Callable[[], int]
"""Nanoseconds. It decides only whether a file is read again, never what a table says."""
ReaderOf = Callable[[Pseudonyms], Reader]


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, as one cut knows it.

    ``files``: the columns of ``state.THIN`` and ``first_seen`` (a cut), one row per file.
    ``deferred``: files or new versions that came after the cut was closed. ``read``: files opened.
    ``taken_up``: files that an unfinished scan, or one of a part, had read before.
    """

    files: pl.DataFrame
    deferred: int
    read: int
    taken_up: int


def scan(edge: Edge, *, clock: Clock = time.time_ns, reader: ReaderOf = FileReader) -> Scan:
    """Bring the site's state up to the archive and give what the edge's cut knows.

    Parameters
    ----------
    edge : gives sources, state, pseudonyms, cut, and how to scan
    clock : decides which files have settled
    reader : importable by name in another process

    Raises
    ------
    InputError
        A source is missing, unreadable, without DICOM or has lost most of its files; a server
        cannot be asked; the ledger is damaged; the cut knows no file, or one whose header the
        state has lost.
    """
    if edge.cut is None:
        raise ValueError("the cut is not fixed yet")
    published = published_cuts(edge)
    is_open = not ledger.is_closed(edge.cut, published)
    with states.locked(edge.state) as folder, connected(edge, os.environ) as connections:
        work = _Work(edge, folder, clock, reader)
        servers = Servers(connections, folder, edge)
        old = states.load(folder, is_published=bool(published))
        old, changed = work.reindexed(old)
        asked = servers.ask(old, work.parser, work.started)
        old = servers.without(old)
        last = _next(old.last, edge.cut) if is_open else old.last
        deep = Deep(edge.scanning.is_deep, _due(old.last, last))
        planned = work.plan(old.manifest, old.index, deep)
        # A large archive's tables are large: what is done with goes.
        old = replace(old, manifest=old.manifest.clear())
        _refuse_loss(folder, old.ledger, planned.files, asked.manifest)
        fresh, n_read = work.read(planned, old.index)
        _refuse_no_dicom(planned, fresh, edge, set(asked.manifest["source"]))
        n_taken_up = fresh.height - n_read
        if not fresh.is_empty() or planned.files.height != planned.n_before:
            changed |= {"manifest", "index"}
        new = increment.advance(old, planned, fresh, work.parser, whole=deep.is_whole)
        new = servers.joined(new, asked)
        changed |= servers.parts
        n_read += asked.index.height
        before, old = replace(old, index=old.index.clear()), new
        del planned, fresh, new
        seen = old.manifest.select("file_id", "source", "version")
        known = ledger.record(old.ledger, seen, edge.cut) if is_open else old.ledger
        deferred = 0 if is_open else _deferred(seen, known)
        visible = ledger.visible(known, edge.cut).select(*KEY, "first_seen")
        files = increment.looked_up(old.index.drop("shard"), visible, ["first_seen"])
        files = states.spelt_out(files.filter(pl.col("first_seen").is_not_null()))
        files, contents = duplicates.settle(
            files, old.contents, old.manifest, servers.digest_content
        )
        new = replace(old, contents=contents, ledger=known, last=last)
        changed |= {
            n for n in ("contents", "ledger", "last") if getattr(new, n) is not getattr(before, n)
        }
        _store(folder, new, changed)
        servers.remember(asked)
    _refuse_none(files, visible, edge.cut, deferred)
    files = states.ordered(files.select(*states.THIN, "first_seen"))
    return Scan(files, deferred, n_read, n_taken_up)


def scan_part(
    edge: Edge, part: Part, *, clock: Clock = time.time_ns, reader: ReaderOf = FileReader
) -> int:
    """Read one part of the archive into shards, which the next scan takes up.

    Parts may be read at once, by any scheduler, on any machines that see archive and state.

    Returns
    -------
    how many files were read
    """
    with states.locked(edge.state, is_shared=True) as folder:
        manifest, index = states.load_cache(folder)
        work = _Work(edge, folder, clock, reader, part)
        planned = work.plan(manifest, index, Deep())
        return work.read(planned, index)[1]


class _Work:
    """The steps of one scan that touch the archive."""

    def __init__(
        self, edge: Edge, folder: Path, clock: Clock, reader: ReaderOf, part: Part | None = None
    ) -> None:
        self._edge = edge
        self._shards = states.shard_folder(folder)
        self._reader = reader
        self._part = part
        self._tracker = Tracker(edge.scanning.listener, clock)
        self.started = clock()
        self.parser = states.parser_of(edge)

    def plan(self, manifest: pl.DataFrame, index: pl.DataFrame, deep: Deep) -> Plan:
        """List the archive and hold it against what is known."""
        roots = dict(archive.roots(self._edge))
        files = increment.identified(
            pl.concat([pl.DataFrame(schema=archive.LISTED), *self._listed(roots)]),
            manifest,
            {number: os.fsencode(root) for number, root in roots.items()},
            self._edge.pseudonyms,
            self.parser,
        )
        return increment.plan(files, index, deep, manifest.height)

    def _listed(self, roots: Mapping[int, Path]) -> Iterator[pl.DataFrame]:
        for number, root in roots.items():
            for frame in archive.walk(root, number, self._part):
                self._tracker.listed(frame.height)
                yield frame

    def read(self, planned: Plan, index: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Read what has to be read, but for what lies in shards already.

        Returns
        -------
        the rows as ``increment.FRESH``, and how many files were opened for them
        """
        if planned.files["is_kept"].all():
            self._tracker.begin(0)
            return pl.DataFrame(schema=FRESH), 0
        before = self._taken_up(planned, index)
        written = sorted(self._written(planned, before), key=lambda shard: shard.number)
        n_read = sum(shard.files for shard in written)
        columns = [n for n in FRESH if n != "shard"]
        fresh = states.ordered(
            before,
            shards.found(self._shards, (s.shard for s in written), columns).select(*FRESH),
        )
        if fresh.height != before.height + n_read:
            raise OSError("a shard was lost while the scan went on")
        return fresh, n_read

    def _taken_up(self, planned: Plan, index: pl.DataFrame) -> pl.DataFrame:
        """Find what an unfinished scan left, or, where the manifest is lost, all that was read.

        A finished scan leaves no shard that its index does not name: a deep check takes up only
        what was read since.
        """
        known = set(index["shard"].unique()) if planned.n_before else set()
        left = shards.names(self._shards) - known
        if not left:
            return pl.DataFrame(schema=FRESH)
        found = shards.found(self._shards, left)
        return increment.taken_up(found, planned.to_read, self.parser)

    def _written(self, planned: Plan, before: pl.DataFrame) -> Iterator[Written]:
        """Have the rest read into shards; what is told of each is counted."""
        left = planned.to_read
        if not before.is_empty():
            left = left.join(before, on="file_id", how="anti")
        # Files of one folder are read one after the other, and lie in one shard.
        left = left.select("file_id", *archive.LISTED).sort("source", "path")
        self._tracker.begin(left.height)
        task = Task(
            str(self._shards),
            self.parser,
            self.started,
            self._edge.pseudonyms,
            self._reader,
            left,
            self._edge.scanning.prefetch,
        )
        engine = engines.choose(self._edge.scanning.engine, left.height)
        for shard in engine.run(shards.divide(task)):
            self._tracker.wrote(shard)
            yield shard

    def reindexed(self, old: State) -> tuple[State, set[str]]:
        """Make a lost index anew from the shards: they hold what a closed cut may ask for.

        Returns
        -------
        the state, and the names of its parts that have changed
        """
        if old.ledger.is_empty() or not old.index.is_empty():
            return old, set()
        found = shards.found(self._shards, shards.names(self._shards))
        return replace(old, index=increment.reindexed(found, old.ledger, self.parser)), {"index"}


def _next(last: Last | None, cut: str) -> Last:
    """Say which slot of the deep check an open cut's scan reads: the next one at each new cut."""
    if last is None:
        return Last(cut, 0)
    return last if last.cut == cut else Last(cut, (last.slot + 1) % SLOTS)


def _due(before: Last | None, now: Last | None) -> int | None:
    """Give the slot that is due, None where the cut is not a new one."""
    if before is None or now is None or before.cut == now.cut:
        return None
    return now.slot


def _deferred(seen: pl.DataFrame, known: pl.DataFrame) -> int:
    return seen.join(ledger.current(known), on=KEY, how="anti").height


def _store(folder: Path, new: State, changed: set[str]) -> None:
    """Save what has changed, then remove what nothing names any more."""
    here = states.shard_folder(folder)
    if changed & {"manifest", "index", "ledger"}:
        new = increment.trimmed(new)
        new = replace(new, index=shards.compacted(here, new.index))
        changed |= {"index", "contents"}
    states.save(folder, new, changed)
    shards.sweep(here, new.index)
    (folder / ACCEPT_LOSS).unlink(missing_ok=True)


def _refuse_loss(
    folder: Path, known: pl.DataFrame, files: pl.DataFrame, remote: pl.DataFrame
) -> None:
    """Stop where most of a source has vanished: that is an unmounted share, not a clean-up."""
    current = ledger.current(known)
    files = pl.concat([files.select("file_id"), remote.select("file_id")])
    if current["file_id"].equals(files["file_id"]):
        return
    gone = current.join(files.select("file_id"), on="file_id", how="anti")
    counted = (
        gone.group_by("source")
        .agg(lost=pl.len())
        .join(current.group_by("source").agg(known=pl.len()), on="source")
        .filter(pl.col("lost") > LARGEST_LOSS * pl.col("known"))
        .sort("source")
    )
    if counted.height and not (folder / ACCEPT_LOSS).exists():
        raise InputError(
            [
                Problem(
                    f"sources[{row['source']}]",
                    f"{row['lost']} of {row['known']} known image files have vanished",
                    "mount the share; if they were removed on purpose, put an empty file"
                    f" {ACCEPT_LOSS} into the site's state/{states.FOLDER} for one build",
                )
                for row in counted.iter_rows(named=True)
            ]
        )


def _refuse_no_dicom(planned: Plan, fresh: pl.DataFrame, edge: Edge, answering: set[int]) -> None:
    """Stop where a source holds no DICOM at all: it is another one than was meant.

    ``answering``: numbers of the sources whose server holds an instance.
    """
    read = fresh.group_by("source", "outcome").agg(n=pl.len())
    counted = pl.concat([planned.kept, read]).rows()
    problems = []
    for number, source in enumerate(edge.site.sources, start=1):
        found: Counter[str] = Counter()
        for at, outcome, n in counted:
            found.update({outcome: n} if at == number else {})
        if number in answering or not set(found) <= NO_IMAGE_ARCHIVE:
            continue
        counts = "".join(f", {n} {code}" for code, n in sorted(found.items()))
        what = f"no DICOM file: {found.total()} files{counts}"
        remedy = "correct `path` in site.yaml, or mount the archive"
        if isinstance(source, DicomwebSource):
            what = "the server lists no study"
            remedy = "correct `url` in site.yaml, or let this account search all studies"
        problems.append(Problem(f"sources[{number}]", what, remedy))
    if problems:
        raise InputError(problems)


def _refuse_none(files: pl.DataFrame, visible: pl.DataFrame, cut: str, deferred: int) -> None:
    """Stop where the cut knows no file, or one whose header row is lost."""
    problems: Sequence[Problem] = ()
    if not visible.height:
        problems = [
            Problem(
                f"the cut {cut}",
                f"no image file was known at it ({deferred} came after it was closed)",
                "build a later cut: a file counts from the first cut whose scan saw it",
            )
        ]
    elif files.height < visible.height:
        problems = [
            Problem(
                f"the cut {cut}",
                f"{visible.height - files.height} image files that it knew are gone,"
                " and so are their headers in the scanner's state",
                f"restore state/{states.FOLDER}/headers from a backup, or build a later cut",
            )
        ]
    if problems:
        raise InputError(problems)
