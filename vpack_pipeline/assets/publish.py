"""Open the lock, assemble the pack, check it in staging and publish it.

No Dagster here. What does not belong here: what the pack shows (``report``), how a version is
published atomically (``io.packs``), which receipts fit (``gate.lock``), how a site stands
(``standing``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.materialize import Materialized
from vpack_pipeline.assets.standing import lock_problems, receipts_of
from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.gate import digests, receipts
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import (
    PUBLISHED,
    closed_deliveries,
    moment,
    published_cuts,
)
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.warehouse import write_durably
from vpack_pipeline.pack_format.quoted import Quote

UNTRAVELLED = frozenset({"pack/report", benches.LAST})
"""Tables whose receipts do not travel: the report shows all others'."""


@dataclass(frozen=True, slots=True)
class PackAtCut:
    """What the last step made: the receipt of its table, the version, and what was done."""

    made: Materialized
    version: str
    path: Path
    note: str


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
    problems = lock_problems(bench)
    if problems:
        raise GateClosedError(problems)
    found = {a: r for a, r in receipts_of(bench).items() if r is not None}
    known = published(bench, found)
    if known is not None:
        return known
    fingerprint = _fingerprint(bench, found)
    news = _news(bench, found)
    skipped = _skipped(bench, news) if nightly else None
    return skipped or _publish(bench, found, fingerprint, news)


def published(bench: Bench, found: Mapping[str, Receipt]) -> PackAtCut | None:
    """Find the whole pack of exactly these receipts; None where it has yet to be published."""
    fingerprint = _fingerprint(bench, found)
    known = packs.find_build(bench.project.packs, bench.site_id, bench.cut, fingerprint)
    data = bench.warehouse.read_receipt(benches.LAST, bench.site_id, bench.cut)
    own = None if data is None else steps.readable(data, benches.LAST)
    if known is None or own is None or own.fingerprint != fingerprint:
        return None
    is_sound = benches.is_own(bench, own, benches.LAST) and benches.is_whole(bench, own)
    if not is_sound or not _is_linked(bench) or packs.verify(known.path):
        return None
    note = "the same inputs: nothing new was published"
    return PackAtCut(Materialized(own, kept=True), known.name, known.path, note)


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
    data = bench.warehouse.read_receipt(benches.LAST, bench.site_id, before.cut)
    if data is None or not _is_linked(bench):
        return None
    kept = Materialized(receipts.read(data, benches.LAST), kept=True)
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
        build={"fingerprint": fingerprint, "news": news},
    )
    note = "published" if published.is_new else "the same pack was there: nothing new"
    return PackAtCut(Materialized(receipt, kept=False), published.version, published.path, note)


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
    quotes: Mapping[str, Quote] | None = None,
) -> dict[str, bytes]:
    """Give every file of a pack of the bench's site and cut.

    Parameters
    ----------
    tables : those that travel
    report, claim : made of exactly these tables
    quotes : tables that are those of an earlier release
    """
    from vpack_pipeline.report import render

    protocol = bench.study.protocol
    html = render(
        report=report,
        claim=claim,
        protocol=protocol,
        site=bench.study.site,
        receipts=receipts_shown,
        cut=bench.cut,
        quotes=quotes or {},
    )
    return packs.pack_payload(
        html=html,
        protocol=protocol,
        claim=claim,
        tables=tables,
        contracts=contracts.load(),
        receipts=receipts_shown,
        site_id=bench.site_id,
        cut=bench.cut,
        synthetic=[f"{s.part}: {s.note}" for s in bench.study.site.synthetic],
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
            "site": bench.study.site.model_dump(mode="json"),
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
            "site": bench.study.site.model_dump(mode="json"),
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
