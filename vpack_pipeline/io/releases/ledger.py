"""The ledger of a site's releases: what was handed out, when, to whom.

It is data to back up: without it nobody can tell what others already hold. It lies in the site's
state, is authenticated with a key of the site's secret, and names every release: so one that is
lost, or comes from an old backup, is told by the releases that lie in their folder. What does not
belong here: the releases themselves (``io.packs``, which stores them as it stores packs).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io import private
from vpack_pipeline.io.identity import Pseudonyms, is_code
from vpack_pipeline.io.packs.store import versions
from vpack_pipeline.io.warehouse import write_durably

FILE: Final = "ledger.json"
FORMAT: Final = 1
_WHERE: Final = "data/state/{site}/releases/ledger.json"
_RESTORE: Final = (
    "restore data/state from the newest backup; until then nothing is released, since nobody can"
    " tell what recipients already hold"
)


@dataclass(frozen=True, slots=True)
class HandedOut:
    """One recipient of a release, empty where none was named; ``on`` is the day."""

    to: str
    on: str


@dataclass(frozen=True, slots=True)
class Release:
    """One line of the ledger.

    Attributes
    ----------
    name : its version, as a folder of the releases is called
    digest : sha256 of its tag manifest
    people : the release whose tables about people it holds: itself, or one that it quotes
    people_sha256 : of the file that says whom those tables describe
    tables : the keyed digest of every exported table at its cut, quoted or not
    """

    name: str
    digest: str
    cut: str
    protocol: str
    people: str
    people_sha256: str
    tables: dict[str, str]
    handed_out: tuple[HandedOut, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """A site's releases, oldest first; none before the first."""

    site: str
    releases: tuple[Release, ...] = ()

    @property
    def last(self) -> Release | None:
        """The newest release."""
        return self.releases[-1] if self.releases else None

    def find(self, name: str) -> Release | None:
        """Find a release by its version."""
        return next((r for r in self.releases if r.name == name), None)


def entered(ledger: Ledger, release: Release, handed: HandedOut) -> tuple[Ledger, bool]:
    """Enter a release, or one more recipient of one that is there; and say whether that is new."""
    known = ledger.find(release.name)
    if known is None:
        made = replace(release, handed_out=(handed,))
        return replace(ledger, releases=(*ledger.releases, made)), True
    if handed.to in {h.to for h in known.handed_out}:
        return ledger, False
    made = replace(known, handed_out=(*known.handed_out, handed))
    releases = tuple(made if r.name == known.name else r for r in ledger.releases)
    return replace(ledger, releases=releases), True


def folder_of(state: Path) -> Path:
    """Give the private folder of a site's ledger."""
    folder = private.make_folder(state / "releases")
    private.close_to_others(folder)
    return folder


@contextlib.contextmanager
def locked(root_state: Path) -> Iterator[None]:
    """Let one release be made at a time, of whichever site: each reads the ledgers of others."""
    private.make_folder(root_state)
    handle = os.open(root_state / ".releases.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_ledger(state: Path, root_releases: Path, site_id: str, pseudonyms: Pseudonyms) -> Ledger:
    """Read a site's ledger, and hold it against the releases that lie in their folder.

    Parameters
    ----------
    state : the site's own folder of state

    Raises
    ------
    VerificationError
        It is lost, damaged, edited, another site's, or does not know a release that lies there.
    """
    where = _WHERE.format(site=site_id)
    there = {v.name for v in versions(root_releases, site_id)}
    data = _data(state / "releases" / FILE, where)
    if data is None:
        if there:
            what = f"the ledger of releases is lost, and data/releases/{site_id} holds some"
            raise VerificationError([Problem(where, what, _RESTORE)])
        return Ledger(site_id)
    if data.get("secret") != pseudonyms.fingerprint:
        what = "the ledger of releases was kept with another secret"
        remedy = "restore the site's secret of that time, or the ledger of this one"
        raise VerificationError([Problem(where, what, remedy)])
    if data.get("site") != site_id or not _is_authentic(data, pseudonyms):
        what = "the ledger of releases was edited, or is another site's"
        raise VerificationError([Problem(where, what, _RESTORE)])
    ledger = Ledger(site_id, tuple(_release(r) for r in data["releases"]))
    unknown = sorted(there - {r.name for r in ledger.releases})
    if unknown:
        what = f"the ledger does not know the release {unknown[0]}: it is older than that"
        raise VerificationError([Problem(where, what, _RESTORE)])
    return ledger


def write_ledger(folder: Path, ledger: Ledger, pseudonyms: Pseudonyms) -> None:
    """Write a ledger, whole or not at all."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "site": ledger.site,
        "secret": pseudonyms.fingerprint,
        "releases": [asdict(r) for r in ledger.releases],
    }
    data["mac"] = _mac(data, pseudonyms)
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_durably(folder / FILE, text.encode(), private.FILE)


def ledgers_of_secret(
    root_state: Path, root_releases: Path, site_id: str, pseudonyms: Pseudonyms
) -> dict[str, Ledger]:
    """Read the ledgers of other sites whose patients have the same pseudonyms, by site.

    A hospital in two studies, or on a new version of a protocol, has two sites with one secret.

    Raises
    ------
    VerificationError
        One of them is lost, damaged or edited: what was released there cannot be told.
    """
    folders = {p.name for root in (root_state, root_releases) for p in root.glob("*") if p.is_dir()}
    found = {}
    for other in sorted(folders - {site_id}):
        data = _data(root_state / other / "releases" / FILE, _WHERE.format(site=other))
        if data is not None and data.get("secret") != pseudonyms.fingerprint:
            continue
        ledger = read_ledger(root_state / other, root_releases, other, pseudonyms)
        if ledger.releases:
            found[other] = ledger
    return found


def _data(path: Path, where: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        what = "the ledger of releases is damaged, or of a newer version of vpack"
        raise VerificationError([Problem(where, what, _RESTORE)])
    return data


def _release(data: dict[str, Any]) -> Release:
    handed = tuple(HandedOut(**h) for h in data["handed_out"])
    return Release(**{**data, "handed_out": handed})


def _is_authentic(data: dict[str, Any], pseudonyms: Pseudonyms) -> bool:
    return is_code(data.get("mac"), _mac(data, pseudonyms))


def _mac(data: dict[str, Any], pseudonyms: Pseudonyms) -> str:
    said = {name: value for name, value in data.items() if name != "mac"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hmac.new(pseudonyms.derive("releases"), text.encode(), hashlib.sha256).hexdigest()
