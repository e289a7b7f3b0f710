"""Open the lock, assemble the pack, check it in staging and publish it.

No Dagster here. What does not belong here: what the pack shows (``report``), how a version is
published atomically (``io.packs``), which receipts fit (``gate.lock``), how a site stands
(``standing``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function, publications
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.materialize import Materialized
from vpack_pipeline.assets.standing import lock_problems, receipts_of
from vpack_pipeline.errors import GateClosedError, Problem, VerificationError
from vpack_pipeline.gate import digests, receipts
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import (
    PUBLISHED,
    altered_deliveries,
    closed_deliveries,
    moment,
    published_cuts,
)
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.warehouse import write_durably
from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.pack_format.signers import Signer

UNTRAVELLED = frozenset({"pack/report", benches.LAST})
"""Tables whose receipts do not travel: the report shows all others'."""


@dataclass(frozen=True, slots=True)
class PackAtCut:
    """What the last step made: the receipt of its table, the version, and what was done.

    ``warned``: what lies otherwise now than when the tables were made of it.
    """

    made: Materialized
    version: str
    path: Path
    note: str
    warned: tuple[Problem, ...] = ()


def publish(bench: Bench, *, nightly: bool = False) -> PackAtCut:
    """Publish the pack of the bench's site and cut, if the lock opens.

    Parameters
    ----------
    nightly : a pack that would say nothing new but its date is not published

    Raises
    ------
    GateClosedError
        The lock stays closed; nothing is published and ``latest`` stays where it is.
    """
    publications.adopt(bench)
    # Read once: another receipt could lie there after the lock has opened.
    receipts_there = receipts_of(bench)
    problems = lock_problems(bench, receipts_there)
    if problems:
        raise GateClosedError(problems)
    found = {a: r for a, r in receipts_there.items() if r is not None}
    made = published(bench, found)
    if made is None:
        news = _news(bench, found)
        skipped = _skipped(bench, news) if nightly else None
        made = skipped or _publish(bench, found, _fingerprint(bench, found), news)
    # The tables rest on their receipts, and are not made anew for a delivery that is lost.
    return replace(made, warned=tuple(altered_deliveries(bench.edge)))


def published(bench: Bench, found: Mapping[str, Receipt]) -> PackAtCut | None:
    """Find the whole pack of exactly these receipts; None where it has yet to be published.

    Raises
    ------
    VerificationError
        One is stored under their fingerprint that is not what was published.
    """
    fingerprint = _fingerprint(bench, found)
    known = packs.find_build(bench.project.packs, bench.site_id, bench.cut, fingerprint)
    own = bench.sound_receipt(benches.LAST, bench.cut)
    if known is None or own is None or own.fingerprint != fingerprint:
        return None
    if not benches.is_whole(bench, own) or not _is_linked(bench):
        return None
    _demand_published(bench, known)
    note = "the same inputs: nothing new was published"
    return PackAtCut(Materialized(own, kept=True), known.name, known.path, note)


def _demand_published(bench: Bench, version: packs.Version) -> None:
    """Demand that a version is what was published, and that ``latest`` leads to nothing else."""
    newest = packs.latest(bench.project.packs, bench.site_id)
    found = publications.doubts(bench, version) or publications.strangers(bench)
    if newest not in {None, version} and packs.record_of(newest).is_signed:
        found += publications.doubts(bench, newest)
    if found:
        raise VerificationError(found)


def _is_linked(bench: Bench) -> bool:
    """Tell whether ``latest`` points where it should: a crash may come between the renames."""
    newest = packs.latest(bench.project.packs, bench.site_id)
    link = bench.project.packs / bench.site_id / packs.LATEST
    return newest is not None and link.resolve() == newest.path.resolve()


def _skipped(bench: Bench, news: str) -> PackAtCut | None:
    """Keep the latest pack where a night brought nothing; its table stays the one it was."""
    before = packs.latest(bench.project.packs, bench.site_id)
    if before is None or packs.build_record(before).get("news") != news:
        return None
    receipt = bench.sound_receipt(benches.LAST, before.cut)
    if receipt is None or not _is_linked(bench):
        return None
    _demand_published(bench, before)
    kept = Materialized(receipt, kept=True)
    note = f"no new delivery, file, mature case or due look since {before.name}"
    return PackAtCut(kept, before.name, before.path, note)


def _publish(bench: Bench, found: Mapping[str, Receipt], fingerprint: str, news: str) -> PackAtCut:
    payload = _payload(bench, found)
    contract = contracts.load()[benches.LAST]
    files = by_function.write(bench, contract, packs.validation_pack(payload))
    inputs = {name: found[name].table_digest for name in benches.dependencies()[benches.LAST]}
    receipt = steps.sign(bench, contract, files, inputs, fingerprint)
    if not receipt.passed:
        what = "the manifest did not pass its check"
        raise GateClosedError([Problem(benches.LAST, what, "nothing was published")])
    # Before the rename: a crash between the two must not let a late delivery into this cut.
    _close_cut(bench)
    published = packs.publish(
        root_packs=bench.project.packs,
        site_id=bench.site_id,
        protocol_version=bench.study.protocol.version,
        cut=bench.cut,
        payload=payload,
        inspect=demand_agreement,
        build={"fingerprint": fingerprint, "news": news},
        pseudonyms=bench.edge.pseudonyms,
        readers=bench.study.site.pack_mode,
    )
    note = "published" if published.is_new else "the same pack was there: nothing new"
    return PackAtCut(Materialized(receipt, kept=False), published.version, published.path, note)


def demand_agreement(staged: Path) -> None:
    """Publish no pack that its reviewer would refuse.

    Raises
    ------
    GateClosedError
        Its parts do not agree.
    """
    problems = packs.verify(staged)
    if problems:
        raise GateClosedError(
            [
                Problem(f"{benches.LAST}: {p.where}", p.what, "tell the makers of vpack")
                for p in problems
            ]
        )


def _payload(bench: Bench, found: Mapping[str, Receipt]) -> dict[str, bytes]:
    report, claim = (read(bench, found, asset) for asset in ("pack/report", "pack/claim"))
    return payload_of(bench, exported(bench, found), report, claim, travelling_receipts(found))


def read(bench: Bench, found: Mapping[str, Receipt], asset: str) -> pl.DataFrame:
    """Read a table of the pack, or one that it is made of."""
    contract = contracts.load()[asset]
    return bench.warehouse.read(contract, bench.site_id, found[asset].files)


def exported(bench: Bench, found: Mapping[str, Receipt]) -> dict[str, pl.DataFrame]:
    """Read every table that travels."""
    known = contracts.load()
    return {asset: read(bench, found, asset) for asset in contracts.exported(known, known)}


def travelling_receipts(found: Mapping[str, Receipt]) -> list[dict[str, Any]]:
    """Give the receipts that travel, as plain data, in the order of the tables."""
    in_order = contracts.order(benches.dependencies())
    return [found[a].as_dict() for a in in_order if a in found and a not in UNTRAVELLED]


def payload_of(
    bench: Bench,
    tables: Mapping[str, pl.DataFrame],
    report: pl.DataFrame,
    claim: pl.DataFrame,
    receipts_shown: Sequence[Mapping[str, Any]],
    *,
    quotes: Mapping[str, Quote] | None = None,
    in_place: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """Give every file of a pack of the bench's site and cut.

    Parameters
    ----------
    tables : those that travel
    report, claim : made of exactly these tables
    quotes : tables that are those of an earlier release
    in_place : files of a release: its own, and those that it quotes
    """
    from vpack_pipeline.report.comparison import empty_comparison
    from vpack_pipeline.report.expectations import expectations_page
    from vpack_pipeline.report.rendering import render
    from vpack_pipeline.report.summary import summary

    protocol = bench.study.protocol
    site = bench.study.site
    html = render(
        report=report,
        claim=claim,
        protocol=protocol,
        site=site,
        receipts=receipts_shown,
        cut=bench.cut,
        quotes=quotes or {},
    )
    return packs.pack_payload(
        html=html,
        summary=summary(
            report=report, protocol=protocol, site=site, cut=bench.cut, quotes=quotes or {}
        ),
        asked=expectations_page(
            receipts=receipts_shown, protocol=protocol, site=site, cut=bench.cut
        ),
        comparison=empty_comparison(),
        report=report,
        protocol=protocol,
        claim=claim,
        tables=tables,
        contracts=contracts.load(),
        receipts=receipts_shown,
        site_id=bench.site_id,
        cut=bench.cut,
        synthetic=[f"{s.part}: {s.note}" for s in site.synthetic],
        signers=[Signer(s.role, s.fingerprint) for s in site.signers],
        quotes=quotes,
        in_place=in_place,
    )


def brings_news(bench: Bench, found: Mapping[str, Receipt], before: packs.Version) -> bool:
    """Tell whether a pack of these receipts would say anything that an earlier one does not."""
    return packs.build_record(before).get("news") != _news(bench, found)


def _fingerprint(bench: Bench, found: Mapping[str, Receipt]) -> str:
    return receipts.fingerprint(
        {
            "code": asdict(digests.in_force(benches.LAST)),
            "cut": bench.cut,
            "protocol": bench.study.protocol.digest,
            "site": bench.study.site.document,
            "tables": {asset: receipt.table_digest for asset, receipt in found.items()},
            "checks": {asset: list(receipt.checks) for asset, receipt in found.items()},
        }
    )


def _news(bench: Bench, found: Mapping[str, Receipt]) -> str:
    """Digest what a night can bring: deliveries, image files, mature cases, looks, documents."""
    tables = (benches.FIRST, "cohort/files", "evaluation/time_split")
    looks = bench.study.protocol.evaluation.looks
    return receipts.fingerprint(
        {
            "code": digests.everything(),
            "protocol": bench.study.protocol.digest,
            "site": bench.study.site.document,
            "looks": [str(look.cut) for look in looks if look.cut <= bench.edge.cut_date],
            **{name: found[name].table_digest for name in tables},
        }
    )


def first_page(bench: Bench) -> dict[str, str]:
    """Give the figures of the first page as text, by name."""
    contract = contracts.load()["pack/report"]
    receipt = benches.upstream(bench, contract.asset)
    report = bench.warehouse.read(contract, bench.site_id, receipt.files)
    own = report.filter(report["anchor"].str.starts_with("first.")).sort("anchor")
    return {r["anchor"].removeprefix("first."): r["text"] for r in own.iter_rows(named=True)}


def _close_cut(bench: Bench) -> None:
    """Record that a pack exists at this cut: what comes later is known from the next one."""
    cuts = [*published_cuts(bench.edge)]
    if bench.cut not in cuts:
        text = json.dumps([*cuts, bench.cut], indent=1) + "\n"
        write_durably(bench.edge.state / PUBLISHED, text.encode())


def looks_to_build(folder: ProjectFolder, site_id: str, cut: str) -> list[str]:
    """List the looks before a cut that have data and no published pack yet, oldest first."""
    loaded = folder.study(site_id)
    deliveries = closed_deliveries(folder.root, loaded.site)
    done = {_day(v.cut) for v in packs.versions(folder.packs, site_id)}
    due = [look.cut.isoformat() for look in loaded.protocol.evaluation.looks]
    return [
        look
        for look in sorted(due)
        if look < _day(cut) and look not in done and any(_day(d) <= look for d in deliveries)
    ]


def _day(cut: str) -> str:
    return moment(cut)[0].isoformat()
