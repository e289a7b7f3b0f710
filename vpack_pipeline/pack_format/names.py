"""Names of a pack: what its folder, identifier, version and dates claim, and whether they agree.

A folder that was renamed, or is reached through a link such as ``latest``, claims nothing; one that
has the name of a version, or lies where a store keeps a site's versions, does. What does not belong
here: the digests themselves (``verification``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.pack_format import bag, quoted
from vpack_pipeline.pack_format.contents import ASK
from vpack_pipeline.pack_format.documents import PLAN, PROTOCOL, Documents, receipt_of

SITE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
VERSION: Final = re.compile(
    r"(?P<protocol>[0-9]+(?:\.[0-9]+){0,2})-(?P<cut>\d{4}-\d\d-\d\d(?:\.\d+)?)-(?P<digest>[0-9a-f]{12})"
)
_STORE: Final = "versions"


def identified(info: dict[str, str]) -> tuple[str, str, re.Match[str]]:
    """Give site, version and the parts of the version.

    Raises
    ------
    VerificationError
        The identifier is none of a pack.
    """
    site, _, version = info.get("External-Identifier", "").partition("/")
    parts = VERSION.fullmatch(version)
    if not SITE.fullmatch(site) or parts is None:
        what = "does not identify a site and a version"
        raise VerificationError([Problem(bag.INFO, what, ASK)])
    return site, version, parts


def outside(pack: Path, info: dict[str, str]) -> Iterator[Problem]:
    """Say where folder, identifier and date do not agree; digests are known to fit.

    Parameters
    ----------
    pack : the folder, links resolved
    info : the lines of ``bag-info.txt``
    """
    site, version, parts = identified(info)
    if info.get("Bagging-Date") != parts["cut"][:10]:
        yield Problem(bag.INFO, "has another date than the data cut of its version", ASK)
    rename = f"rename it to {version}, or ask the sender which pack it is"
    if VERSION.fullmatch(pack.name) and pack.name != version:
        yield Problem(pack.name, "the folder has the name of another version", rename)
    if pack.parent.name == _STORE and pack.parent.parent.name != site:
        # A folder of any name may hold a site's packs, but not that of another site.
        is_claim = SITE.fullmatch(pack.parent.parent.name)
        what = "the pack lies among the versions of another site"
        yield from [Problem(pack.name, what, f"it is of {site}")] if is_claim else []


def inside(info: dict[str, str], documents: Documents) -> Iterator[Problem]:
    """Say which document is of another site, protocol or data cut than the identifier says."""
    site, _, parts = identified(info)
    if str(documents.protocol.get("version")) != parts["protocol"]:
        yield Problem(f"{bag.DATA}{PROTOCOL}", "has another version than the pack", ASK)
    told = {receipt_of(asset): receipt for asset, receipt in documents.receipts.items()}
    own = {name: said for name, said in told.items() if said["asset"] not in documents.quotes}
    for name, said in {PLAN: documents.plan, **own}.items():
        where = f"{bag.DATA}{name}"
        if said["site"] != site:
            yield Problem(where, "is of another site than the pack", ASK)
        if said["cut"] != parts["cut"]:
            yield Problem(where, "is of another data cut than the pack", ASK)
        if said["protocol"] != documents.reference:
            yield Problem(where, "names another protocol than the one that travels", ASK)
        if said["protocol_digest"] != documents.protocol_digest:
            yield Problem(where, "has another digest than the protocol that travels", ASK)
    yield from _quoted(site, documents)


def _quoted(site: str, documents: Documents) -> Iterator[Problem]:
    """Say which quoted table is not of the release that it is said to be of.

    The protocol of that release does not travel: its tables have to be of one and the same.
    """
    listed = f"{bag.DATA}{quoted.NAME}"
    if documents.release and documents.release.site != site:
        yield Problem(listed, "is of another site than the pack", ASK)
    digests: dict[str, str] = {}
    for asset, quote in documents.quotes.items():
        receipt = documents.receipts.get(asset)
        if receipt is None or not documents.contracts[asset]["export"]:
            yield Problem(listed, f"quotes {asset}, which is not there", ASK)
            continue
        where, (version, _) = f"{bag.DATA}{receipt_of(asset)}", quote.release.split("-", 1)
        if (receipt["site"], receipt["cut"]) != (site, quote.cut):
            yield Problem(where, f"is of another site or cut than {quoted.NAME} says", ASK)
        reference = f"{documents.protocol.get('id')}@{version}"
        digest = digests.setdefault(quote.release, receipt["protocol_digest"])
        if (receipt["protocol"], receipt["protocol_digest"]) != (reference, digest):
            yield Problem(where, "names another protocol than its release", ASK)
