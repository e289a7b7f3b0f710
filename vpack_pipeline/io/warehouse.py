"""The warehouse: parquet files named by their digest, never rewritten, and their receipts.

Write, check, publish: a table's files come first, its receipt last, by an atomic rename; the
receipt is the only pointer, and nothing globs a table's folder. What does not belong here: what a
receipt means (``gate``), how a table is computed (``core``, ``dbt_like_sql``).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from vpack_pipeline.contracts import Contract, conform
from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.io import buckets, private

Role = Literal["table", "quarantine"]
_CUT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:\.[1-9]\d{0,3})?")
DRAFT: Final = ".writing-"
"""What is not finished has a name that starts so."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One parquet file of a table."""

    sha256: str
    role: Role
    rows: int
    bytes: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.sha256}.parquet"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a receipt."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """All tables of all sites under one root folder."""

    root: Path

    def folder(self, asset: str, site_id: str) -> Path:
        """Name the folder that holds one table of one site."""
        return self.root / asset / f"site={site_id}"

    def write(
        self, frame: pl.DataFrame, asset: str, site_id: str, role: Role = "table"
    ) -> TableFile:
        """Write a frame as zstd parquet under the name of its digest."""
        temporary = self.staging(asset, site_id)
        try:
            # Without statistics: a reader that prunes by them does not see NaN.
            frame.write_parquet(temporary, compression="zstd", statistics=False)
            return self.adopt(temporary, asset, site_id, frame.height, role)
        finally:
            temporary.unlink(missing_ok=True)

    def write_buckets(
        self, frame: pl.LazyFrame, contract: Contract, site_id: str
    ) -> list[TableFile]:
        """Write a bucketed table, one file a month, each held to its contract."""
        parent = self._made(contract.asset, site_id)
        with tempfile.TemporaryDirectory(prefix=DRAFT, dir=parent) as folder:
            return [
                self.write(conform(part, contract), contract.asset, site_id)
                for part in buckets.split(frame, str(contract.bucket), Path(folder))
            ]

    def staging(self, asset: str, site_id: str) -> Path:
        """Name a file that a model may write before :meth:`adopt` takes it in."""
        handle, temporary = tempfile.mkstemp(
            prefix=DRAFT, suffix=".parquet", dir=self._made(asset, site_id)
        )
        os.close(handle)
        return Path(temporary)

    def adopt(
        self, temporary: Path, asset: str, site_id: str, rows: int, role: Role = "table"
    ) -> TableFile:
        """Rename a finished file to its digest, durably; one that is there stays untouched."""
        made = TableFile(digest_file(temporary), role, rows, temporary.stat().st_size)
        path = self.folder(asset, site_id) / made.name
        if path.is_file() and digest_file(path) == made.sha256:
            temporary.unlink()
            return made
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(private.FILE)
        temporary.replace(path)
        return made

    def paths(self, asset: str, site_id: str, files: Sequence[TableFile], role: Role) -> list[Path]:
        """List the paths of a table's files of one role.

        Raises
        ------
        GateClosedError
            A file that the receipt names is gone.
        """
        folder = self.folder(asset, site_id)
        found = [folder / f.name for f in files if f.role == role]
        if any(not path.exists() for path in found):
            problem = Problem(
                asset, "a file of this table is missing", f"materialize {asset} again"
            )
            raise GateClosedError([problem])
        return found

    def read(
        self, contract: Contract, site_id: str, files: Sequence[TableFile], role: Role = "table"
    ) -> pl.DataFrame:
        """Read a table, or its quarantined rows, in the order of its key.

        Digested are the bytes that are read: another file could lie there after a check.

        Raises
        ------
        GateClosedError
            A file is gone, or not the one that ``files`` names.
        """
        paths = self.paths(contract.asset, site_id, files, role)
        if not paths:
            return pl.DataFrame(schema=contract.polars_schema)
        found = pl.concat([_read_parquet(path, contract.asset) for path in paths])
        return found.sort(contract.key) if contract.bucket and role == "table" else found

    def stamps(
        self, asset: str, site_id: str, files: Sequence[TableFile]
    ) -> list[tuple[int, int, int]]:
        """Tell which files lie there, and when each was last written to or renamed."""
        folder = self.folder(asset, site_id)
        found = [(folder / f.name).stat() for f in files]
        return [(s.st_ino, s.st_size, s.st_ctime_ns) for s in found]

    def scan(self, contract: Contract, site_id: str, files: Sequence[TableFile]) -> pl.LazyFrame:
        """Read a bucketed table as far as it is asked for, bucket after bucket."""
        paths = self.paths(contract.asset, site_id, files, "table")
        return pl.scan_parquet(paths, hive_partitioning=False)

    def read_receipt(self, asset: str, site_id: str, cut: str) -> dict[str, Any] | None:
        """Read the receipt of one table at one cut; None if there is none."""
        path = self._receipt_path(asset, site_id, cut)
        if not path.exists():
            return None
        made = _parsed(path)
        if made is None:
            what = f"the receipt {path.name} is damaged"
            raise GateClosedError([Problem(asset, what, f"materialize {asset} again")])
        return made

    def receipts(self, asset: str, site_id: str) -> dict[str, dict[str, Any]]:
        """Read all receipts of one table, by cut, oldest cut first; damaged ones are left out."""
        folder = self.folder(asset, site_id) / "receipts"
        if not folder.is_dir():
            return {}
        names = [p for p in folder.iterdir() if p.suffix == ".json" and _CUT.fullmatch(p.stem)]
        read = {p.stem: _parsed(p) for p in sorted(names, key=lambda p: cut_order(p.stem))}
        return {cut: receipt for cut, receipt in read.items() if receipt is not None}

    def write_receipt(self, asset: str, site_id: str, cut: str, receipt: Mapping[str, Any]) -> None:
        """Publish a receipt: the last step, by an atomic rename.

        Raises
        ------
        GateClosedError
            A folder lies in its place, which somebody else put there: it is not removed.
        """
        path = self._receipt_path(asset, site_id, cut)
        private.make_folder(self._made(asset, site_id) / path.parent.name)
        if path.is_dir() and not path.is_symlink():
            what = f"a folder lies where the receipt {path.name} belongs"
            raise GateClosedError([Problem(asset, what, "move it away, and build again")])
        text = json.dumps(receipt, indent=1, sort_keys=True) + "\n"
        write_durably(path, text.encode(), private.FILE)

    def clean(self, asset: str, site_id: str, keep: int) -> int:
        """Remove receipts beyond the newest ``keep`` cuts, then files that none names.

        Returns
        -------
        how many files were removed
        """
        known = self.receipts(asset, site_id)
        stale = list(known)[: max(0, len(known) - max(1, keep))]
        for cut in stale:
            self._receipt_path(asset, site_id, cut).unlink()
        kept = [receipt for cut, receipt in known.items() if cut not in stale]
        named = {name for receipt in kept for name in _names_of(receipt)}
        folder = self.folder(asset, site_id)
        orphans = [p for p in folder.glob("*.parquet") if p.name not in named]
        for path in [*orphans, *folder.glob(f"{DRAFT}*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return len(stale) + len(orphans)

    def _receipt_path(self, asset: str, site_id: str, cut: str) -> Path:
        return self.folder(asset, site_id) / "receipts" / f"{cut}.json"

    def _made(self, asset: str, site_id: str) -> Path:
        """Make a table's folder; the root may be one that an earlier version left open."""
        private.make_folder(self.root)
        private.close_to_others(self.root)
        return private.make_folder(self.folder(asset, site_id))


def cut_order(cut: str) -> tuple[str, int]:
    """Order cuts: by day, then by the delivery of the day.

    Examples
    --------
    >>> sorted(["2026-01-05.10", "2026-01-05", "2026-01-05.2"], key=cut_order)
    ['2026-01-05', '2026-01-05.2', '2026-01-05.10']
    """
    day, _, number = cut.partition(".")
    return day, int(number or 1)


def digest_file(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_table(files: Sequence[TableFile]) -> str:
    """Digest a table: its files in order, each with its role."""
    text = "\n".join(f"{f.role} {f.sha256}" for f in files)
    return hashlib.sha256(text.encode()).hexdigest()


def write_durably(path: Path, data: bytes, mode: int = stat.S_IRUSR | stat.S_IWUSR) -> None:
    """Replace a file so that a reader sees the old or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(prefix=DRAFT, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _read_parquet(path: Path, asset: str) -> pl.DataFrame:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        what = "a file was changed after its check"
        raise GateClosedError([Problem(asset, what, f"materialize {asset} again")])
    return pl.read_parquet(BytesIO(data))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parsed(path: Path) -> dict[str, Any] | None:
    """Read a receipt as it lies there; None where that is no file, or no JSON of this kind."""
    if not path.is_file():
        return None
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return made if isinstance(made, dict) else None


def _names_of(receipt: Mapping[str, Any]) -> set[str]:
    """Name the files of a receipt; one that is damaged names none, and is made again."""
    files = receipt.get("files")
    entries = files if isinstance(files, list) else []
    return {f"{f.get('sha256')}.parquet" for f in entries if isinstance(f, dict)}
