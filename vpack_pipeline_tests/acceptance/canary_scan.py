"""Looks for given texts in files of any kind, through the codings that could hide them.

What does not belong here: which texts (``test_acceptance_canaries``).
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import sqlite3
import tempfile
import urllib.parse
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

DEEPEST = 3


def find(places: Iterable[Path], canaries: Iterable[str]) -> list[tuple[str, str]]:
    """List (file, canary) for every canary that a file, its name or its decoded content holds."""
    wanted = {canary: patterns(canary) for canary in canaries}
    found = []
    for path in _files(places):
        content = path.read_bytes()
        texts = [str(path).encode(), *views(content)]
        for canary, shapes in wanted.items():
            if any(shape in text for text in texts for shape in shapes):
                found.append((str(path), canary))
    return found


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        assert place.exists(), place
        if place.is_file():
            yield place
        else:
            yield from (p for p in sorted(place.rglob("*")) if p.is_file() and not p.is_symlink())


def patterns(canary: str) -> set[bytes]:
    """Give the bytes that a text becomes in the codings that leave no other trace."""
    plain = canary.encode()
    found = {plain, plain.lower(), canary.encode("utf-16-le"), canary.encode("utf-16-be")}
    found |= {plain.hex().encode(), plain.hex().upper().encode()}
    for shift in range(3):  # whatever stands before it
        coded = base64.b64encode(b"\0" * shift + plain)
        first = 0 if shift == 0 else 4
        found.add(coded[first : len(coded) - 4])
    return found


def views(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """Give a content as it is and as each coding that it may be in says it."""
    yield content
    text = content.decode("utf-8", errors="ignore")
    if "&" in text:
        yield html.unescape(text).encode("utf-8", "surrogatepass")
    if "%" in text:
        yield urllib.parse.unquote(text).encode("utf-8", "surrogatepass")
    if "\\u00" in text:
        with warnings.catch_warnings():
            # A script's own escapes are none of Python's.
            warnings.simplefilter("ignore", DeprecationWarning)
            decoded = text.encode().decode("unicode_escape", errors="ignore")
        yield decoded.encode("utf-8", "ignore")
    if depth < DEEPEST:
        for part in _parts(content):
            yield from views(part, depth + 1)


def _parts(content: bytes) -> Iterator[bytes]:
    if content[:4] == b"PAR1":
        yield from _parquet(content)
    elif content[:15] == b"SQLite format 3":
        yield from _sqlite(content)
    elif content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield archive.read(name)
    elif content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    else:
        yield from _streams(content)


def _parquet(content: bytes) -> Iterator[bytes]:
    yield str(pq.read_metadata(io.BytesIO(content)).to_dict()).encode()
    yield str(pq.read_schema(io.BytesIO(content)).metadata).encode()
    frame = pl.read_parquet(io.BytesIO(content), hive_partitioning=False)
    for column in frame.get_columns():
        yield "\n".join(map(str, column.unique().to_list())).encode()


def _sqlite(content: bytes) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.sqlite"
        path.write_bytes(content)
        connection = sqlite3.connect(path)
        try:
            tables = connection.execute("select name from sqlite_master where type = 'table'")
            for (name,) in tables.fetchall():
                for row in connection.execute(f'select * from "{name}"'):
                    for cell in row:
                        yield cell if isinstance(cell, bytes) else str(cell).encode()
        finally:
            connection.close()


def _streams(content: bytes) -> Iterator[bytes]:
    """Inflate what may be a zlib stream inside, as in a PDF or a PNG."""
    at = content.find(b"\x78\x9c")
    while at >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(content[at:], 1 << 22)
        at = content.find(b"\x78\x9c", at + 1)
