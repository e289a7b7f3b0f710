"""Whether a stored pack is what this site published: its signed record, or else its receipt.

Records have been signed for as long as this module exists; a pack from before is vouched for by the
receipt that ``pack/validation_pack`` left at its cut, and adopted: signed for, once. No Dagster
here. What does not belong here: the record itself (``io.packs``), what a receipt is (``gate``).
"""

from __future__ import annotations

from collections import Counter

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.io import packs

REMEDY = (
    f"restore the receipt of {benches.LAST} at its cut from a backup, or build that cut again with"
    " the version of vpack that made the pack"
)


def doubts(bench: Bench, version: packs.Version) -> list[Problem]:
    """Say why a stored version is not what was published under its name; empty means it is.

    Raises
    ------
    VerificationError
        The record of its publication is missing or damaged.
    """
    if packs.record_of(version).is_signed:
        return packs.problems(version.path, bench.site_id, bench.edge.pseudonyms)
    digest = _receipted(bench, version.cut)
    if digest is None:
        what = "neither a signed record nor an authentic receipt tells what was published"
        return [Problem(version.name, what, REMEDY)]
    return packs.differences(version.path, bench.site_id, digest)


def strangers(bench: Bench) -> list[Problem]:
    """List the versions that lie among the published ones and have no right to: by their records.

    Packs are never removed and each has its number, so that one whose record is not signed can only
    be older than the first whose record was signed when it was published.
    """
    known = packs.versions(bench.project.packs, bench.site_id)
    records = {version: packs.record_of(version) for version in known}
    first = min(
        (r.sequence for r in records.values() if r.is_signed and not r.is_adopted), default=0
    )
    numbers = Counter(version.sequence for version in known)
    found: list[Problem] = []
    for version, record in records.items():
        is_late = 0 < first <= record.sequence
        if record.is_signed:
            found += packs.record_problems(version.path, bench.site_id, bench.edge.pseudonyms)
        elif is_late or numbers[version.sequence] > 1 or version.sequence < 1:
            what = "lies among the published versions, and its record was signed by nobody"
            found.append(Problem(version.name, what, "move it away with its record"))
    return found


def adopt(bench: Bench) -> None:
    """Sign for the packs of past looks that were published before records were signed.

    One that is not what its receipt says is left as it is: whoever quotes it says so.
    """
    protocol = bench.study.protocol
    for version in packs.first_at_looks(bench.project.packs, bench.site_id, protocol):
        if packs.record_of(version).is_signed:
            continue
        digest = _receipted(bench, version.cut)
        if digest and not packs.differences(version.path, bench.site_id, digest):
            packs.adopt(version, bench.site_id, digest, bench.edge.pseudonyms)


def _receipted(bench: Bench, cut: str) -> str | None:
    """Read the digest of the payload that was last published at a cut from its receipt."""
    receipt = bench.sound_receipt(benches.LAST, cut)
    if receipt is None or not receipt.passed:
        return None
    contract = contracts.load()[benches.LAST]
    try:
        return packs.payload_digest_of(bench.warehouse.read(contract, bench.site_id, receipt.files))
    except GateClosedError:
        return None
