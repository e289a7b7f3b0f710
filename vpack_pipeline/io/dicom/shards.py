"""A shard: the header rows of some thousands of files, read and written as one resumable unit.

A worker of any engine turns a :class:`Task` into a file; nothing else leaves it but counts. Each
row says beside the header how the file lay when it was listed, by which parser it was read, and
whether it lay still: so a later scan takes up a shard that no index names yet, whoever wrote it.
What does not belong here: who runs the tasks (``engines``), which files they name (``scanner``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl

from vpack_pipeline.io.dicom import archive
from vpack_pipeline.io.dicom.state import CHANGE_KEY, HEADERS, INDEX, KEY, THIN, write_frame
from vpack_pipeline.io.identity import Pseudonyms

SETTLING_NS: Final = 120 * 10**9
"""What was modified so shortly before the walk may have been written to since in the same tick."""
SMALLEST: Final = 2_000
LARGEST: Final = 20_000
"""Files of a shard: enough to pay for its file, few enough to lose when a worker is killed."""
SHARES: Final = 64
"""Into so many shards a scan divides its work between these bounds."""
MANY_SMALL: Final = 16
"""So many shards of less than :data:`SMALLEST` live rows are put together."""
LIVE_SHARE: Final = 0.5
"""A shard with a smaller share of live rows is written anew."""
_CHUNK: Final = 1_000
_HEAD: Final = 64 * 1024
_AHEAD: Final = 16

LISTED: Final[Mapping[str, Any]] = {f"listed_{n}": archive.LISTED[n] for n in CHANGE_KEY}
SHARD: Final[Mapping[str, Any]] = {
    **HEADERS,
    **LISTED,
    "parser": pl.String,
    "read_ns": pl.Int64,
    "is_settled": pl.Boolean,
}
FOUND: Final = (*THIN, *LISTED, "parser", "read_ns", "is_settled")
"""What a scan reads of a shard."""


class Reader(Protocol):
    """Reads one file to a row of :data:`HEADERS`, and never raises."""

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        """Read one file; ``size`` is what the listing said."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """Files that one worker reads into one shard.

    ``files``: file_id and the columns of :data:`archive.LISTED`. ``reader`` must be importable by
    name in another process. ``prefetch``: threads that read heads ahead; 0 for a local disk.
    ``number``: its place among the tasks of its scan.
    """

    folder: str
    parser: str
    started: int
    pseudonyms: Pseudonyms
    reader: Callable[[Pseudonyms], Reader]
    files: pl.DataFrame
    prefetch: int = 0
    number: int = 0

    @property
    def name(self) -> str:
        """Digest of the scan, the parser and the files as they lay: the same work, the same name.

        The scan's start is part of it: what is read again must not be taken from an older shard.
        """
        lines = self.files.select("file_id", *CHANGE_KEY).sort("file_id").write_csv()
        return hashlib.sha256(f"{self.started} {self.parser}\n{lines}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Written:
    """What a worker says of its shard."""

    shard: str
    number: int
    outcomes: Counter[str]
    bytes: int

    @property
    def files(self) -> int:
        """How many files it read."""
        return self.outcomes.total()


def divide(task: Task) -> Iterator[Task]:
    """Divide one large task into those of single shards."""
    size = min(max(SMALLEST, -(-task.files.height // SHARES)), LARGEST)
    for number, files in enumerate(task.files.iter_slices(size)):
        yield replace(task, files=files, number=number)


def write(task: Task) -> Written:
    """Read a task's files and write their shard."""
    reader = task.reader(task.pseudonyms)
    warm = _warmed(task.files["path"], task.prefetch)
    parts = [_rows(reader, task, files, warm) for files in task.files.iter_slices(_CHUNK)]
    made = pl.concat(parts)
    name = task.name
    write_frame(Path(task.folder) / f"{name}.parquet", made)
    return Written(name, task.number, Counter(made["outcome"].to_list()), int(made["bytes"].sum()))


def _rows(reader: Reader, task: Task, files: pl.DataFrame, warm: Iterator[object]) -> pl.DataFrame:
    """Read some files. What a row says of the file is how it was listed, before it was read: one
    that changed since has another change key at the next scan, and is read again.
    """
    rows = []
    for file_id, source, path, size in files.select(
        "file_id", "source", "path", "bytes"
    ).iter_rows():
        next(warm)
        rows.append(reader.row(file_id, source, path, size))
    columns = dict(zip(HEADERS, zip(*rows, strict=True), strict=True))
    return (
        pl.DataFrame(columns, schema=HEADERS)
        .hstack(files.select(pl.col(n).alias(f"listed_{n}") for n in CHANGE_KEY))
        .with_columns(
            parser=pl.lit(task.parser),
            read_ns=pl.lit(task.started, pl.Int64),
            # What could not be read has no digest; it may be another time.
            is_settled=(pl.col("listed_mtime_ns") < task.started - SETTLING_NS)
            & pl.col("header_digest").is_not_null(),
        )
    )


def _warmed(paths: Iterable[bytes], threads: int) -> Iterator[object]:
    """Have the heads of the next files read by other threads, while one is parsed.

    A cold disk or a network share answers each read late, and many at once as late as one.
    """
    if not threads:
        yield from paths
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[None]] = deque()
        for path in paths:
            ahead.append(pool.submit(_warm, path))
            if len(ahead) > _AHEAD * threads:
                yield ahead.popleft().result()
        for read in ahead:
            yield read.result()


def _warm(path: bytes) -> None:
    """Bring the head of a file into the page cache; what fails here fails again where it counts."""
    try:
        handle = os.open(path, archive.OPEN)
    except OSError:
        return
    try:
        os.pread(handle, _HEAD, 0)
    except OSError:
        return
    finally:
        os.close(handle)


def found(folder: Path, names: Iterable[str], columns: Sequence[str] = FOUND) -> pl.DataFrame:
    """Read columns of some shards, and ``shard``, their name; a damaged one is as not there."""
    types = pl.Schema({n: INDEX.get(n, SHARD.get(n)) for n in (*columns, "shard")})
    frames = [pl.DataFrame(schema=types)]
    for name in names:
        path = folder / f"{name}.parquet"
        try:
            part = pl.read_parquet(path, columns=list(columns), hive_partitioning=False)
        except (pl.exceptions.PolarsError, OSError):
            continue
        frames.append(part.with_columns(shard=pl.lit(name)).cast(types))
    return pl.concat(frames)


def names(folder: Path) -> set[str]:
    """List the shards that are there."""
    return {p.stem for p in folder.glob("*.parquet")} - {"index"}


def compacted(folder: Path, index: pl.DataFrame) -> pl.DataFrame:
    """Put small shards together and write anew those that are mostly dead rows.

    Returns
    -------
    the index, pointing at the new shards; the old ones are left for :func:`sweep`
    """
    live = index.group_by("shard").agg(n=pl.len()).sort("shard")
    rows = [_height(folder / f"{name}.parquet") for name in live["shard"]]
    live = live.with_columns(is_dead=pl.col("n") < LIVE_SHARE * pl.Series(rows, dtype=pl.Int64))
    is_small = pl.col("n") < SMALLEST
    many = live.filter(is_small).height >= MANY_SMALL
    chosen = live.filter(pl.col("is_dead") | (is_small & pl.lit(many)))
    moved: dict[str, str] = {}
    for group in _groups(chosen):
        moved |= dict.fromkeys(group, _merge(folder, group, index))
    if not moved:
        return index
    shard = pl.col("shard").cast(pl.String).replace(moved)
    return index.with_columns(shard.cast(INDEX["shard"]))


def _height(path: Path) -> int:
    return int(pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item())


def _groups(chosen: pl.DataFrame) -> Iterator[list[str]]:
    """Gather shards until one of full size would result."""
    group: list[str] = []
    n_rows = 0
    for name, n, _ in chosen.iter_rows():
        if group and n_rows + n > LARGEST:
            yield group
            group, n_rows = [], 0
        group.append(name)
        n_rows += n
    if group:
        yield group


def _merge(folder: Path, group: list[str], index: pl.DataFrame) -> str:
    live = index.filter(pl.col("shard").is_in(group))
    named = live.select(*KEY, pl.col("shard").cast(pl.String)).lazy()
    parts = [
        pl.scan_parquet(folder / f"{name}.parquet", hive_partitioning=False).with_columns(
            shard=pl.lit(name)
        )
        for name in group
    ]
    made = pl.concat(parts).join(named, on=[*KEY, "shard"], how="semi").select(*SHARD).collect()
    lines = made.select(*KEY, "parser", "read_ns").sort(KEY).write_csv()
    name = hashlib.sha256(lines.encode()).hexdigest()[:32]
    write_frame(folder / f"{name}.parquet", made)
    return name


def sweep(folder: Path, index: pl.DataFrame) -> None:
    """Remove the shards that a saved index no longer names, and what a killed writer left.

    Shards of other columns than this version's are of no use to it either.
    """
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)
    for name in names(folder) - set(index["shard"].unique()):
        (folder / f"{name}.parquet").unlink()
    for path in folder.glob(".writing-*"):
        path.unlink(missing_ok=True)
