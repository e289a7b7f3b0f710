"""The record of a publication: what makes a stored pack the one that this site published.

It lies beside the version, outside of the pack: its place in the order of publication, what it was
built from, the digest of its payload, and a code under a key of the site's secret. Whoever can
write to the folder of packs can make a whole pack, and not this code. What does not belong here:
whether a pack is whole in itself (``pack_format``), when one may be quoted (``looks``).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io.identity import Pseudonyms, is_code
from vpack_pipeline.io.warehouse import write_durably
from vpack_pipeline.pack_format.verification import summary, whole

BACKUP = "restore this version and its record from a backup"
Stamp = tuple[str, int, int, int, int]
"""A path, and its inode, mode, size and time of change, which nobody can set."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One record. ``sequence`` counts a site's publications from 1.

    ``payload_digest`` and ``mac`` are empty in what was published before records were signed;
    ``is_adopted``: it was signed afterwards.
    """

    sequence: int
    build: Mapping[str, str]
    payload_digest: str = ""
    mac: str = ""
    is_adopted: bool = False

    @property
    def is_signed(self) -> bool:
        """Whether it bears a code; whether that is right is asked by :func:`problems`."""
        return bool(self.mac)

    def signed(
        self, site_id: str, version: str, payload_digest: str, pseudonyms: Pseudonyms
    ) -> Publication:
        """Say what was published as this site's version, and authenticate that."""
        said = replace(self, payload_digest=payload_digest)
        return replace(said, mac=_mac(said, site_id, version, pseudonyms))


def path_of(folder: Path, version: str) -> Path:
    """Name the file of a record: beside the version's folder."""
    return folder / f"{version}.build.json"


def read(path: Path) -> Publication:
    """Read a record.

    Raises
    ------
    VerificationError
        It is missing or damaged.
    """
    try:
        made = Publication(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, IsADirectoryError, ValueError, TypeError, RecursionError):
        made = None
    if made is None or not _is_of_its_types(made):
        remedy = "restore it from a backup: it says which version was published first"
        raise VerificationError([Problem(path.name, "is missing or damaged", remedy)])
    return made


def write(path: Path, record: Publication) -> None:
    """Write a record, whole or not at all."""
    given = {name: value for name, value in asdict(record).items() if value not in ("", False)}
    write_durably(path, (json.dumps(given, indent=1, sort_keys=True) + "\n").encode())


def problems(pack: Path, site_id: str, pseudonyms: Pseudonyms) -> list[Problem]:
    """Say why a stored pack is not the one that was published under its name; empty means it is.

    Folder, identifier, cut and digest have to agree with one another and with the record.

    Raises
    ------
    VerificationError
        The record is missing or damaged.
    """
    record = read(path_of(pack.parent, pack.name))
    if not record.is_signed:
        what = "the record of its publication is not signed"
        return [Problem(f"{pack.name}.build.json", what, BACKUP)]
    found = record_problems(pack, site_id, pseudonyms)
    return found or differences(pack, site_id, record.payload_digest)


def record_problems(pack: Path, site_id: str, pseudonyms: Pseudonyms) -> list[Problem]:
    """Say why a signed record is not this version's and site's; its pack is not looked at.

    Raises
    ------
    VerificationError
        The record is missing or damaged.
    """
    path = path_of(pack.parent, pack.name)
    record = read(path)
    if not is_code(record.mac, _mac(record, site_id, pack.name, pseudonyms)):
        what = "the record of its publication was edited, or is another version's or site's"
        return [Problem(path.name, what, BACKUP)]
    return []


def differences(pack: Path, site_id: str, payload_digest: str) -> list[Problem]:
    """Say why a stored pack is not whole, or not of this payload, site and folder."""
    broken = _whole(pack, _stamps(pack))
    if broken:
        return [Problem(f"{pack.name}/{p.where}", p.what, BACKUP) for p in broken]
    said = summary(pack)
    cut = pack.name.split("-", 1)[1][:10]
    found = []
    if said.payload_digest != payload_digest:
        found.append("holds another payload than was published")
    if said.identifier != f"{site_id}/{pack.name}" or said.cut != cut:
        found.append("names another site, version or cut than its folder")
    return [Problem(pack.name, what, BACKUP) for what in found]


@functools.lru_cache(maxsize=64)
def _whole(pack: Path, _untouched: frozenset[Stamp]) -> tuple[Problem, ...]:
    """Ask once of each state of a folder: every table that quotes a look asks of its pack."""
    return tuple(whole(pack))


def _stamps(pack: Path) -> frozenset[Stamp]:
    """Tell what lies in a folder, and when each was last written to, renamed or given a mode."""
    inside = (os.path.join(at, n) for at, *names in os.walk(pack) for some in names for n in some)
    found = [(path, os.lstat(path)) for path in (str(pack), *inside)]
    return frozenset((p, s.st_ino, s.st_mode, s.st_size, s.st_ctime_ns) for p, s in found)


def _is_of_its_types(record: Publication) -> bool:
    texts = [record.payload_digest, record.mac]
    is_plain = type(record.sequence) is int and type(record.is_adopted) is bool
    return is_plain and all(isinstance(t, str) for t in texts) and isinstance(record.build, dict)


def _mac(record: Publication, site_id: str, version: str, pseudonyms: Pseudonyms) -> str:
    said: dict[str, Any] = {**asdict(record), "site": site_id, "version": version}
    del said["mac"]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hmac.new(pseudonyms.derive("publication"), text.encode(), hashlib.sha256).hexdigest()
