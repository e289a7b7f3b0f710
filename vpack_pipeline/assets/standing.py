"""How a site stands: its latest pack and newest delivery, what closes its gate, what it lost.

No Dagster here. What does not belong here: which receipts fit (``gate.lock``), which of many
closing expectations is told as their cause (``gate.causes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets import publications
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.intake import intakes_of, is_sound
from vpack_pipeline.assets.release_standing import release_standing
from vpack_pipeline.core.eligibility import stopping_problems
from vpack_pipeline.errors import Problem, VerificationError, VpackError
from vpack_pipeline.gate import causes, digests, lock
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import (
    altered_deliveries,
    closed_deliveries,
    moment,
    open_deliveries,
)
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.study import Study

RULED: Final = "eligibility/flags"


def receipts_of(bench: Bench) -> dict[str, Receipt | None]:
    """Read the receipts of this site and cut, but the pack's own."""
    return {asset: bench.receipt(asset) for asset in contracts.load() if asset != benches.LAST}


def lock_problems(bench: Bench, found: Mapping[str, Receipt | None] | None = None) -> list[Problem]:
    """List why the lock on this site's pack stays closed at this cut; empty opens it.

    ``found``: the receipts that the pack is made of, where they have been read already.
    """
    found = receipts_of(bench) if found is None else found
    now, unquotable = _fingerprints(bench, found)
    is_closed = any(receipt is not None and not receipt.passed for receipt in found.values())
    problems = lock.problems(
        found,
        dependencies=benches.dependencies(),
        site_id=bench.site_id,
        cut=bench.cut,
        protocol_digest=bench.study.protocol.digest,
        digests={asset: digests.in_force(asset) for asset in found},
        fingerprints=now,
        warehouse=bench.warehouse,
        pseudonyms=bench.edge.pseudonyms,
        intakes=intakes_of(bench, found) if is_closed else (),
    )
    told = [*unquotable, *problems, *_stopping_rules(bench, found[RULED])]
    return [*(p for p in publications.strangers(bench) if p not in told), *told]


def _fingerprints(
    bench: Bench, found: Mapping[str, Receipt | None]
) -> tuple[dict[str, str], list[Problem]]:
    """Fingerprint what tables would be computed from now; or say why a look cannot be quoted."""
    known = {asset: receipt for asset, receipt in found.items() if receipt is not None}
    try:
        return steps.fingerprints(bench, known), []
    except VerificationError as error:
        return {}, list(error.problems)


def told_of(bench: Bench, receipt: Receipt) -> list[Problem]:
    """Say of one table why its check closes the gate, or that it lost its rows and passed."""
    if receipt.passed and not receipt.quarantined:
        return []
    asset = receipt.asset
    found = {asset: receipt, benches.FIRST: bench.receipt(benches.FIRST)}
    if not receipt.passed:
        above = causes.ancestors(asset, benches.dependencies())
        found |= {name: bench.receipt(name) for name in above}
    intakes = intakes_of(bench, found)
    if receipt.passed:
        return causes.losses(intakes, benches.dependencies())
    closing = causes.closing({asset: receipt}, intakes, benches.dependencies())
    return [*closing, *_stopping_rules(bench, receipt)]


def _stopping_rules(bench: Bench, receipt: Receipt | None) -> list[Problem]:
    """Name the eligibility rules that stop; the check of their table only counts units."""
    if receipt is None or receipt.asset != RULED or receipt.passed or not is_sound(bench, receipt):
        return []
    if receipt.protocol_digest != bench.study.protocol.digest:
        return []
    flags = bench.warehouse.scan(contracts.load()[RULED], bench.site_id, receipt.files)
    return stopping_problems(flags, bench.study.protocol.eligibility)


def losses(bench: Bench) -> list[Problem]:
    """List the inputs of which too few rows were accepted, whether or not the gate is open."""
    return causes.losses(intakes_of(bench, receipts_of(bench)), benches.dependencies())


def has_refused(bench: Bench) -> bool:
    """Tell whether a row of an input that counts was refused."""
    intakes = intakes_of(bench, receipts_of(bench))
    return any(i.refusals and i.unit == "rows" for i in intakes)


def standing(folder: ProjectFolder, site_id: str) -> dict[str, Any]:
    """Tell how a site stands: its pack, its newest delivery, what closes its gate, what it lost."""
    loaded = folder.study(site_id)
    newest = packs.latest(folder.packs, site_id)
    deliveries = closed_deliveries(folder.root, loaded.site)
    unclosed = open_deliveries(folder.root, loaded.site)
    cut, closed_by, lost = _gate(folder, site_id)
    since = [d for d in deliveries if cut is not None and moment(d) > moment(cut)]
    last = deliveries[-1] if deliveries else None
    behind = last is not None and (newest is None or moment(newest.cut) < moment(last))
    return {
        "site": site_id,
        "protocol": loaded.protocol.reference,
        "latest": None if newest is None else newest.name,
        "cut": None if newest is None else newest.cut,
        "newest_delivery": last,
        "open_deliveries": list(unclosed),
        "is_behind": behind,
        "closed_by": [(p.where, p.what, p.remedy) for p in closed_by],
        "lost": [(p.where, p.what, p.remedy) for p in lost],
        "altered": [(p.where, p.what, p.remedy) for p in _altered(folder, site_id, newest)],
        "altered_deliveries": [(p.where, p.what, p.remedy) for p in _changed(folder, loaded)],
        "release": release_standing(folder, loaded),
        "summary": _summary(newest, last, behind, _closed_words(cut, len(since), closed_by)),
    }


def _gate(folder: ProjectFolder, site_id: str) -> tuple[str | None, list[Problem], list[Problem]]:
    """List what closes the gate at the newest cut and, where it is open, what was lost."""
    if not folder.warehouse.receipts(benches.FIRST, site_id):
        return None, [], []
    cut = benches.newest_cut(folder, site_id)
    try:
        bench = benches.open_bench(folder, site_id, cut)
        closed_by = lock_problems(bench)
        return cut, closed_by, [] if closed_by else losses(bench)
    except VpackError as error:
        return cut, [Problem(site_id, str(error))], []


def _altered(folder: ProjectFolder, site_id: str, newest: packs.Version | None) -> list[Problem]:
    """Say why nobody can vouch for the latest pack."""
    if newest is None:
        return []
    return publications.doubts(benches.open_bench(folder, site_id, newest.cut), newest)


def _changed(folder: ProjectFolder, loaded: Study) -> list[Problem]:
    """List deliveries that are not as they were counted, unless none was counted yet."""
    if not folder.warehouse.receipts(benches.FIRST, loaded.site.site_id):
        return []
    return altered_deliveries(folder.edge(loaded, None))


def _closed_words(cut: str | None, since: int, closed_by: list[Problem]) -> str:
    if not closed_by:
        return ""
    later = f"{since or 'no'} {'delivery' if since == 1 else 'deliveries'}"
    return f"the gate is closed at the cut {cut}, {later} came since"


def _summary(newest: packs.Version | None, last: str | None, behind: bool, closed: str) -> str:
    start = "no pack yet" if newest is None else f"latest pack {newest.name}"
    if last is None:
        return f"{start}; nothing was delivered yet"
    if not behind:
        return f"{start}, as new as the newest delivery ({last})"
    why = closed or "it was not built since"
    return f"{start}, older than the newest delivery ({last}): {why}"
