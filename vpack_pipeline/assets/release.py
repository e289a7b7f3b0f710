"""Hand a pack out: hold it against every earlier release, quote where it must, enter it.

A nightly pack is the site's own. A release is a pack of its own in ``data/releases``, made of the
nightly pack of the newest state, and written as one zip for its recipient. No Dagster here. What
does not belong here: which changes are too small (``core.pack.group_changes``), how tables of an
earlier release are put into a pack (``quoted_tables``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.publish import (
    brings_news,
    demand_agreement,
    exported,
    payload_of,
    published,
    read,
    travelling_receipts,
)
from vpack_pipeline.assets.quoted_tables import Quoted, quoted_payload
from vpack_pipeline.assets.standing import lock_problems, receipts_of
from vpack_pipeline.core.pack.described_groups import DescribedPeople, described_people
from vpack_pipeline.core.pack.group_changes import Change, group_changes, share_patients
from vpack_pipeline.errors import GateClosedError, Problem, VerificationError
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs, releases
from vpack_pipeline.io.deliveries import closed_deliveries, moment
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.releases import HandedOut, Ledger, Release
from vpack_pipeline.io.warehouse import cut_order, write_durably
from vpack_pipeline.pack_format import bag, signatures
from vpack_pipeline.pack_format.quoted import NAME, Quote, written
from vpack_pipeline.pack_format.signatures import Origin
from vpack_pipeline.pack_format.signers import Signer
from vpack_pipeline.pack_format.signing_keys import SigningKey
from vpack_pipeline.report.cover_note import cover_note

COVER_NOTE: Final = "COVER-NOTE.md"
_SHOWN: Final = 5
"""So many changed groups are named where a release is refused."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release gave.

    Attributes
    ----------
    quotes : tables that are those of an earlier release
    changes : the described groups for which they are quoted
    origin : who of those that it names has signed it
    is_new : whether the ledger did not hold this release for this recipient
    """

    version: str
    path: Path
    zip: Path
    digest: str
    quotes: Mapping[str, Quote]
    changes: tuple[Change, ...]
    origin: Origin
    is_new: bool


@dataclass(frozen=True, slots=True)
class Signing:
    """With which key, and in which role, a release is signed."""

    role: str
    key: SigningKey


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Whom an earlier release describes, and where it was released."""

    site: str
    release: Release
    people: DescribedPeople

    @property
    def name(self) -> str:
        return f"{self.site}/{self.release.name}"


def release(
    folder: ProjectFolder,
    site_id: str,
    *,
    to: str,
    on: date,
    signing: Signing | None = None,
) -> Released:
    """Release the newest pack of a site.

    Parameters
    ----------
    to : the recipient, as ``io.releases.read_recipient`` gives it; empty where none is named
    on : the day, for the ledger
    signing : the release is signed so before the zip is written

    Raises
    ------
    GateClosedError
        The gate is closed, there is no pack of the newest state, or people would be described in
        too small a group and no earlier release can be quoted.
    VerificationError
        The ledger is lost or altered, or an earlier release is; or a signature in this one is of
        something else.
    UsageError
        The site names others in the role of the key.
    """
    bench, found = _newest(folder, site_id)
    site = bench.study.site
    if signing is not None:
        named = [Signer(s.role, s.fingerprint) for s in site.signers]
        signatures.refuse_unnamed(named, signing.role, signing.key.fingerprint)
    with releases.locked(bench.edge.state.parent):
        state, secret = releases.folder_of(bench.edge.state), bench.edge.pseudonyms
        ledger = releases.read_ledger(bench.edge.state, folder.releases, site_id, secret)
        _refuse_older(ledger, bench)
        people = _people(bench, found)
        earlier = list(_earlier(folder, bench, ledger))
        changes = tuple(dict.fromkeys(_changes(earlier, people, bench)))
        quoted = _quoted(folder, ledger, earlier, changes, bench) if changes else None
        payload = _payload(bench, found, quoted, changes)
        entry = _entry(bench, found, payload, quoted)
        if quoted is None and ledger.find(entry.name) is None:
            digest = releases.write_people(state, entry.name, people)
            entry = replace(entry, people_sha256=digest)
        handed = HandedOut(to, on.isoformat())
        made, is_new = releases.entered(ledger, entry, handed)

        def enter(staged: Path) -> None:
            # When it is whole and has yet to appear: what was handed out must never be unknown,
            # and what is known must be there to be quoted.
            demand_agreement(staged)
            releases.write_ledger(state, made, secret)

        stored = packs.publish(
            root_packs=folder.releases,
            site_id=site_id,
            protocol_version=bench.study.protocol.version,
            cut=bench.cut,
            payload=payload,
            inspect=enter,
            readers=site.pack_mode,
        )
        if is_new and not stored.is_new:
            releases.write_ledger(state, made, secret)
        origin = _signed(stored.path, signing)
        archive = _write_zip(bench, stored.path, entry, to, quoted, origin)
    quotes = quoted.quotes if quoted else {}
    return Released(entry.name, stored.path, archive, entry.digest, quotes, changes, origin, is_new)


def _newest(folder: ProjectFolder, site_id: str) -> tuple[Bench, dict[str, Receipt]]:
    """Give the bench and receipts of the pack of the newest state.

    Raises
    ------
    GateClosedError
        The gate is closed there, or it has not been built.
    """
    latest = packs.latest(folder.packs, site_id)
    build = f"vpack build {site_id}"
    if latest is None:
        raise _refused(site_id, "there is no pack yet", build)
    deliveries = closed_deliveries(folder.root, folder.study(site_id).site)
    if deliveries and moment(deliveries[-1]) > moment(latest.cut):
        what = f"the latest pack is of the cut {latest.cut}, and {deliveries[-1]} came since"
        raise _refused(site_id, what, f"{build}: what is handed out is the newest state")
    newest = benches.newest_cut(folder, site_id)
    if cut_order(newest) > cut_order(latest.cut):
        bench, found = _open(folder, site_id, newest)
        if brings_news(bench, found, latest):
            what = (
                f"the latest pack is of the cut {latest.cut}, and {newest} has been checked since"
            )
            raise _refused(site_id, what, f"{build} --as-of {newest}")
    bench, found = _open(folder, site_id, latest.cut)
    known = published(bench, found)
    if known is None or known.path != latest.path:
        what = f"the pack of the cut {latest.cut} is not of the documents and code in force"
        raise _refused(site_id, what, f"{build} --as-of {latest.cut}")
    return bench, found


def _open(folder: ProjectFolder, site_id: str, cut: str) -> tuple[Bench, dict[str, Receipt]]:
    bench = benches.open_bench(folder, site_id, cut)
    # Read once: another receipt could lie there after the lock has opened.
    receipts_there = receipts_of(bench)
    problems = lock_problems(bench, receipts_there)
    if problems:
        raise GateClosedError(problems)
    return bench, {a: r for a, r in receipts_there.items() if r is not None}


def _refuse_older(ledger: Ledger, bench: Bench) -> None:
    last = ledger.last
    if last is not None and cut_order(bench.cut) < cut_order(last.cut):
        what = f"the latest pack is of the cut {bench.cut}, and {last.cut} was released already"
        raise _refused(bench.site_id, what, "restore data/packs, or build the later cut")


def _people(bench: Bench, found: Mapping[str, Receipt]) -> DescribedPeople:
    names = ("cases", "included", "excluded")
    frames = {name: read(bench, found, f"eligibility/{name}") for name in names}
    return described_people(
        **frames,
        population=read(bench, found, "cohort/population"),
        levels=read(bench, found, "representativeness/levels"),
        baseline=read(bench, found, "drift/baseline"),
        status=read(bench, found, "drift/status"),
        protocol=bench.study.protocol,
        cut=bench.edge.cut_date,
    )


def _earlier(folder: ProjectFolder, bench: Bench, ledger: Ledger) -> Iterator[_Earlier]:
    """Give every earlier release that describes people of its own, of every site of this secret."""
    root_state = bench.edge.state.parent
    others = releases.ledgers_of_secret(
        root_state, folder.releases, bench.site_id, bench.edge.pseudonyms
    )
    for site, known in {bench.site_id: ledger, **others}.items():
        for entry in known.releases:
            if entry.people == entry.name:
                state = root_state / site / "releases"
                people = releases.read_people(state, entry.name, entry.people_sha256)
                yield _Earlier(site, entry, people)


def _changes(earlier: list[_Earlier], people: DescribedPeople, bench: Bench) -> Iterator[Change]:
    for one in earlier:
        if share_patients(one.people, people):
            may_part = _may_part(one.release, bench)
            yield from group_changes(one.people, people, may_part=may_part)


def _may_part(earlier: Release, bench: Bench) -> bool:
    """Whether levels may part again: at a look since that release, or under another version."""
    protocol = bench.study.protocol
    then = date.fromisoformat(earlier.cut.partition(".")[0])
    looks = [look.cut for look in protocol.evaluation.looks]
    has_look = any(then < cut <= bench.edge.cut_date for cut in looks)
    return has_look or earlier.protocol != protocol.reference


def _quoted(
    folder: ProjectFolder,
    ledger: Ledger,
    earlier: list[_Earlier],
    changes: tuple[Change, ...],
    bench: Bench,
) -> Quoted:
    """Give the last release, whose tables about people are to be quoted.

    Raises
    ------
    GateClosedError
        This site has released nothing yet, so that there is nothing to quote.
    VerificationError
        The release is no longer what was released.
    """
    if ledger.last is None:
        names = ", ".join(sorted({one.name for one in earlier}))
        why = f"since {names}, and this site has no release whose tables could stand in their place"
        raise _unquotable(changes, why, bench)
    last = ledger.last
    path = folder.releases / bench.site_id / "versions" / last.name
    problems = packs.verify(path)
    if problems or packs.summary(path).digest != last.digest:
        where = f"data/releases/{bench.site_id}/versions/{last.name}"
        what = "is not the release that the ledger names, and its tables have to be quoted"
        raise VerificationError([Problem(where, what, "restore it from a backup"), *problems])
    return Quoted.of(path, last)


def _unquotable(changes: tuple[Change, ...], why: str, bench: Bench) -> GateClosedError:
    """Say of each changed group that nothing can be released, and why."""
    smallest = bench.study.protocol.disclosure.smallest_group
    said = {
        "few": f"has changed by fewer than {smallest} patients {why}",
        "parted": f"was printed as one level and has parted {why}",
    }
    remedy = "release later, when more patients have come; or widen the levels in the protocol"
    shown = [
        Problem(f"{c.variable}, {c.level} ({c.set})", said[c.kind], remedy)
        for c in changes[:_SHOWN]
    ]
    if len(changes) > _SHOWN:
        more = f"{len(changes) - _SHOWN} more described groups"
        shown.append(Problem(more, "have changed so too", remedy))
    return GateClosedError(shown)


def _payload(
    bench: Bench,
    found: Mapping[str, Receipt],
    quoted: Quoted | None,
    changes: tuple[Change, ...],
) -> dict[str, bytes]:
    tables = exported(bench, found)
    if quoted is None:
        report, claim = (read(bench, found, asset) for asset in ("pack/report", "pack/claim"))
        own = {NAME: written(bench.site_id, {})}
        shown = travelling_receipts(found)
        return payload_of(bench, tables, report, claim, shown, in_place=own)
    objection = quoted.objection(tables)
    if objection is not None:
        raise _unquotable(changes, f"since {quoted.release.name}, and {objection}", bench)
    return quoted_payload(bench, found, tables, quoted)


def _entry(
    bench: Bench, found: Mapping[str, Receipt], payload: Mapping[str, bytes], quoted: Quoted | None
) -> Release:
    protocol, known = bench.study.protocol, contracts.load()
    name = packs.version_name(protocol.version, bench.cut, payload)
    bagged = bag.lay_out(payload, identifier=f"{bench.site_id}/{name}", bagged=bench.cut[:10])
    return Release(
        name=name,
        digest=hashlib.sha256(bagged[bag.TAG_MANIFEST]).hexdigest(),
        cut=bench.cut,
        protocol=protocol.reference,
        people=quoted.release.people if quoted else name,
        people_sha256=quoted.release.people_sha256 if quoted else "",
        tables={asset: found[asset].table_digest for asset in contracts.exported(found, known)},
        handed_out=(),
    )


def _signed(stored: Path, signing: Signing | None) -> Origin:
    """Sign a release that is whole, and say who has.

    Raises
    ------
    VerificationError
        Something lies in it that does not belong there, or a signature of something else.
    """
    problems = packs.verify(stored)
    if not problems and signing is not None:
        signatures.sign(stored, signing.role, signing.key)
    origin = None if problems else signatures.origin(stored)
    if origin is None or origin.problems:
        raise VerificationError(problems if origin is None else origin.problems)
    return origin


def _write_zip(
    bench: Bench, stored: Path, entry: Release, to: str, quoted: Quoted | None, origin: Origin
) -> Path:
    """Write one zip of the release and its cover note, named after release and recipient."""
    note = cover_note(
        protocol=bench.study.protocol,
        site=bench.study.site,
        cut=bench.cut,
        release=entry.name,
        digest=entry.digest,
        recipient=to,
        quotes=quoted.quotes if quoted else {},
        is_signed=bool(origin.signed or origin.unnamed),
    )
    files = {
        f"{entry.name}/{path.relative_to(stored).as_posix()}": path.read_bytes()
        for path in stored.rglob("*")
        if path.is_file()
    }
    suffix = f"-for-{hashlib.sha256(to.encode()).hexdigest()[:8]}" if to else ""
    path = stored.parents[1] / f"{bench.site_id}-{entry.name}{suffix}.zip"
    mode, _ = packs.MODES[bench.study.site.pack_mode]
    write_durably(path, releases.zipped({COVER_NOTE: note, **files}), mode)
    return path


def _refused(site_id: str, what: str, remedy: str) -> GateClosedError:
    return GateClosedError([Problem(site_id, what, remedy)])
