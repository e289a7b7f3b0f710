"""The pack store: published versions of a site, never rewritten, and the link to the latest.

A version is built and verified in a staging folder and appears by one rename, so a reader sees it
whole or not at all; whatever a crash leaves behind is swept by the next publication. For local
POSIX file systems. What does not belong here: what a pack holds (``payload``), who may publish
(``gate.lock``).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.packs import publication
from vpack_pipeline.io.packs.publication import Publication
from vpack_pipeline.io.warehouse import cut_order
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.verification import LATEST, verify
from vpack_pipeline.site import PackMode

MODES: Final[Mapping[PackMode, tuple[int, int]]] = {
    "owner": (0o400, 0o700),
    "group": (0o440, 0o750),
    "everyone": (0o444, 0o755),
}
"""Who may read a pack → the mode of its files, and of its folders."""
_STAGING: Final = ".staging"
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_VERSION = re.compile(
    r"(?P<protocol>[0-9]+(?:\.[0-9]+){0,2})-(?P<cut>\d{4}-\d\d-\d\d(?:\.\d+)?)-(?P<digest>[0-9a-f]{12})"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A version in the store; ``is_new`` is False where the same payload was there already."""

    path: Path
    version: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A published version; ``sequence`` counts a site's publications from 1."""

    path: Path
    name: str
    protocol_version: str
    cut: str
    sequence: int


def payload_digest_of(manifest: pl.DataFrame) -> str:
    """Give the digest of the payload that a table of :func:`validation_pack` lists."""
    rows = sorted(manifest.select("path", "sha256").iter_rows())
    text = "".join(f"{sha256}  {bag.DATA}{path}\n" for path, sha256 in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def validation_pack(payload: Mapping[str, bytes]) -> pl.DataFrame:
    """List a payload: path, bytes and sha256 of every file, by path."""
    rows = [(p, len(payload[p]), hashlib.sha256(payload[p]).hexdigest()) for p in sorted(payload)]
    schema = {"path": pl.String, "bytes": pl.Int64, "sha256": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def version_name(protocol_version: str, cut: str, payload: Mapping[str, bytes]) -> str:
    """Name the version that a payload is, at a cut."""
    return f"{protocol_version}-{cut}-{bag.payload_digest(payload)[:12]}"


def publish(
    *,
    root_packs: Path,
    site_id: str,
    protocol_version: str,
    cut: str,
    payload: Mapping[str, bytes],
    inspect: Callable[[Path], None] | None = None,
    build: Mapping[str, str] | None = None,
    pseudonyms: Pseudonyms | None = None,
    readers: PackMode = "group",
) -> Published:
    """Publish a payload as a version of the site's pack and let ``latest`` follow.

    Parameters
    ----------
    root_packs : the folder of all packs
    cut : the data cut, such as ``2026-01-05`` or ``2026-01-05.2``
    payload : file by path; its digest is in the version's name
    inspect : called with the staged bag before it is renamed; raising keeps it from appearing
    build : what it was built from, kept beside the version and outside of it
    pseudonyms : sign the record of the publication; a version without one is never quoted
    readers : who of this machine's accounts may read it; versions of before stay as they are

    Returns
    -------
    the version; nothing is written where it was published before

    Raises
    ------
    UsageError
        The site id, protocol version or cut cannot be a folder's name.
    VerificationError
        The version is there already and was altered, or its record was; or the staged bag is not
        whole.
    """
    name = version_name(protocol_version, cut, payload)
    if not _SITE.fullmatch(site_id) or not _VERSION.fullmatch(name):
        raise UsageError(Problem("pack", "site, protocol version or cut is no plain name"))
    site = root_packs / site_id
    target = site / "versions" / name
    _open_folders(target.parent, readers)
    with _locked(site):
        _sweep(site)
        is_new = not target.exists()
        if is_new:
            staged = site / _STAGING / name
            identifier = f"{site_id}/{name}"
            files = bag.lay_out(payload, identifier=identifier, bagged=cut[:10])
            _write(staged, files, *MODES[readers])
            _demand_whole(staged)
            if inspect is not None:
                inspect(staged)
            # The place in the order of publication is recorded before the version appears.
            record = Publication(_next_sequence(site), build or {})
            if pseudonyms is not None:
                record = record.signed(site_id, name, bag.payload_digest(payload), pseudonyms)
            publication.write(publication.path_of(target.parent, name), record)
            os.rename(staged, target)
            _sync(target.parent)
        else:
            _demand_same(target, site_id, bag.payload_digest(payload), pseudonyms)
        _point_latest(site)
    return Published(target, name, is_new)


def versions(root_packs: Path, site_id: str) -> list[Version]:
    """List a site's published versions, in the order of their publication.

    Raises
    ------
    VerificationError
        The record of publication of a version is missing or damaged.
    """
    folder = root_packs / site_id / "versions"
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        parts = _VERSION.fullmatch(path.name)
        if parts is not None and path.is_dir() and not path.is_symlink():
            sequence = publication.read(publication.path_of(path.parent, path.name)).sequence
            found.append(Version(path, path.name, parts["protocol"], parts["cut"], sequence))
    return sorted(found, key=lambda v: v.sequence)


def latest(root_packs: Path, site_id: str) -> Version | None:
    """Find the last published version of the highest cut; None before the first."""
    known = versions(root_packs, site_id)
    return max(known, key=lambda v: (cut_order(v.cut), v.sequence)) if known else None


def build_record(version: Version) -> Mapping[str, str]:
    """Read what was recorded beside a version when it was published."""
    return record_of(version).build


def record_of(version: Version) -> Publication:
    """Read the record of a version's publication; whether it is authentic is asked elsewhere."""
    return publication.read(publication.path_of(version.path.parent, version.name))


def adopt(version: Version, site_id: str, payload_digest: str, pseudonyms: Pseudonyms) -> None:
    """Sign the record of a version that was published before records were signed.

    Parameters
    ----------
    payload_digest : of what was published, from evidence other than the version itself
    """
    record = replace(record_of(version), is_adopted=True)
    record = record.signed(site_id, version.name, payload_digest, pseudonyms)
    publication.write(publication.path_of(version.path.parent, version.name), record)


def find_build(root_packs: Path, site_id: str, cut: str, fingerprint: str) -> Version | None:
    """Find the version that was built at a cut from inputs with this fingerprint."""
    for version in reversed(versions(root_packs, site_id)):
        if version.cut == cut and build_record(version).get("fingerprint") == fingerprint:
            return version
    return None


def _open_folders(versions: Path, readers: PackMode) -> None:
    """Make the folders above a version; that of all packs shows the names of sites to everyone."""
    site = versions.parent
    if not site.parent.is_dir():
        site.parent.mkdir(parents=True)
        site.parent.chmod(MODES["everyone"][1])
    mode = MODES[readers][1]
    for folder in (site, versions):
        folder.mkdir(exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != mode:
            folder.chmod(mode)


@contextlib.contextmanager
def _locked(site: Path) -> Iterator[None]:
    handle = os.open(site / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(site: Path) -> None:
    """Remove what an interrupted publication left behind."""
    if (site / _STAGING).exists():
        shutil.rmtree(site / _STAGING)
    (site / f".{LATEST}.new").unlink(missing_ok=True)
    for path in [*site.glob("versions/*.build.json"), *site.glob("versions/.writing-*")]:
        if not path.with_name(path.name.removesuffix(".build.json")).is_dir():
            path.unlink()
    for path in site.glob(f"versions/{bag.UNFINISHED}*"):
        shutil.rmtree(path)


def _write(folder: Path, files: Mapping[str, bytes], of_file: int, of_folder: int) -> None:
    """Write files with fixed modes and make them durable, folders last."""
    folders = {folder}
    folder.mkdir(parents=True)
    for name in sorted(files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders |= {p for p in path.parents if p.is_relative_to(folder)}
        with path.open("xb") as file:
            file.write(files[name])
            file.flush()
            os.fchmod(file.fileno(), of_file)
            os.fsync(file.fileno())
    for made in sorted(folders, reverse=True):
        made.chmod(of_folder)
        _sync(made)


def _demand_whole(folder: Path) -> None:
    problems = verify(folder)
    if problems:
        remedy = "build the pack again"
        raise VerificationError(
            [Problem(f"{folder.name}/{p.where}", p.what, remedy) for p in problems]
        )


def _demand_same(
    target: Path, site_id: str, payload_digest: str, pseudonyms: Pseudonyms | None
) -> None:
    """Demand that the version which is there already is the one that would be published.

    Raises
    ------
    VerificationError
        It, or the record of its publication, was altered.
    """
    found = publication.differences(target, site_id, payload_digest)
    record = publication.read(publication.path_of(target.parent, target.name))
    if record.is_signed and pseudonyms is not None:
        found = found or publication.problems(target, site_id, pseudonyms)
    if found:
        raise VerificationError(found)


def _next_sequence(site: Path) -> int:
    known = [publication.read(path).sequence for path in site.glob("versions/*.build.json")]
    return max(known, default=0) + 1


def _point_latest(site: Path) -> None:
    newest = latest(site.parent, site.name)
    if newest is None:
        return
    target = f"versions/{newest.name}"
    link, new = site / LATEST, site / f".{LATEST}.new"
    if link.is_symlink() and os.readlink(link) == target:
        return
    os.symlink(target, new)
    os.replace(new, link)
    _sync(site)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
