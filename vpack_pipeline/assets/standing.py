"""How a site stands: its latest pack and newest delivery, what closes its gate, what it lost.

No Dagster here. What does not belong here: which receipts fit (``gate.lock``), which of many
closing expectations is told as their cause (``gate.causes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.release_standing import release_standing
from vpack_pipeline.core.eligibility import stopping_problems
from vpack_pipeline.errors import Problem, VpackError
from vpack_pipeline.gate import causes, digests, lock
from vpack_pipeline.gate.causes import Intake, Refusal
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import closed_deliveries, moment, open_deliveries
from vpack_pipeline.io.project import ProjectFolder

ARCHIVE: Final = "cohort/files"
RULED: Final = "eligibility/flags"
POSITIONS: Final = 5
"""So many rows of one reason are named."""


def receipts_of(bench: Bench) -> dict[str, Receipt | None]:
    """Read the receipts of this site and cut, but the pack's own."""
    return {asset: bench.receipt(asset) for asset in contracts.load() if asset != benches.LAST}


def lock_problems(bench: Bench) -> list[Problem]:
    """List why the lock on this site's pack stays closed at this cut; empty opens it."""
    found = receipts_of(bench)
    is_closed = any(receipt is not None and not receipt.passed for receipt in found.values())
    problems = lock.problems(
        found,
        dependencies=benches.dependencies(),
        site_id=bench.site_id,
        cut=bench.cut,
        protocol_digest=bench.study.protocol.digest,
        digests={asset: digests.in_force(asset) for asset in found},
        warehouse=bench.warehouse,
        pseudonyms=bench.edge.pseudonyms,
        intakes=_intakes(bench, found) if is_closed else (),
    )
    return [*problems, *_stopping_rules(bench, found[RULED])]


def told_of(bench: Bench, receipt: Receipt) -> list[Problem]:
    """Say of one table why its check closes the gate, or that it lost its rows and passed."""
    if receipt.passed and not receipt.quarantined:
        return []
    asset = receipt.asset
    found = {asset: receipt, benches.FIRST: bench.receipt(benches.FIRST)}
    if not receipt.passed:
        above = causes.ancestors(asset, benches.dependencies())
        found |= {name: bench.receipt(name) for name in above}
    intakes = _intakes(bench, found)
    if receipt.passed:
        return causes.losses(intakes, benches.dependencies())
    closing = causes.closing({asset: receipt}, intakes, benches.dependencies())
    return [*closing, *_stopping_rules(bench, receipt)]


def _stopping_rules(bench: Bench, receipt: Receipt | None) -> list[Problem]:
    """Name the eligibility rules that stop; the check of their table only counts units."""
    if receipt is None or receipt.asset != RULED or receipt.passed or not _is_sound(bench, receipt):
        return []
    if receipt.protocol_digest != bench.study.protocol.digest:
        return []
    flags = bench.warehouse.scan(contracts.load()[RULED], bench.site_id, receipt.files)
    return stopping_problems(flags, bench.study.protocol.eligibility)


def losses(bench: Bench) -> list[Problem]:
    """List the inputs of which nearly every row was refused, whether or not the gate is open."""
    return causes.losses(_intakes(bench, receipts_of(bench)), benches.dependencies())


def _intakes(bench: Bench, found: Mapping[str, Receipt | None]) -> list[Intake]:
    """Count what became of each input, from receipts whose files are those that were checked."""
    first = found[benches.FIRST]
    if first is None or not _is_sound(bench, first):
        return []
    known = contracts.load()
    inputs = {str(kind): form for kind, form in bench.study.site.inputs.items()}
    deliveries = bench.warehouse.read(known[benches.FIRST], bench.site_id, first.files)
    made = []
    for asset, receipt in found.items():
        if receipt is None or all(file.role == "table" for file in receipt.files):
            continue
        if not _is_sound(bench, receipt):
            continue
        refused = bench.warehouse.read(known[asset], bench.site_id, receipt.files, "quarantine")
        form = inputs.get(asset.partition("/")[2])
        intake = intake_of(receipt, deliveries, refused, form.file if form else None)
        # Nothing delivered is no loss where a site need not deliver any.
        if intake.delivered or known[asset].may_be_empty is None:
            made.append(intake)
    return made


def _is_sound(bench: Bench, receipt: Receipt) -> bool:
    return benches.is_own(bench, receipt, receipt.asset) and benches.is_whole(bench, receipt)


def has_refused(bench: Bench) -> bool:
    """Tell whether a row of an input that counts was refused."""
    return any(i.refusals and i.unit == "rows" for i in _intakes(bench, receipts_of(bench)))


def intake_of(
    receipt: Receipt, deliveries: pl.DataFrame, refused: pl.DataFrame, file: str | None = None
) -> Intake:
    """Count what became of the rows of one input that count.

    Parameters
    ----------
    receipt : of the input's table
    deliveries : cohort/deliveries; a ``full`` delivery retracts those of its kind before it
    refused : the input's quarantined rows
    file : how the site calls the file of this input; without it no position is named
    """
    of_kind = deliveries.filter(pl.col("kind") == receipt.asset.partition("/")[2])
    in_order = sorted(of_kind.iter_rows(named=True), key=lambda row: moment(row["delivery"]))
    full = [number for number, row in enumerate(in_order) if row["mode"] == "full"]
    counting = in_order[full[-1] :] if full else in_order
    if counting:
        refused = refused.filter(pl.col("delivery").is_in([row["delivery"] for row in counting]))
        delivered = sum(row["rows"] for row in counting)
    else:
        # An archive's table holds every file; one that is made of another holds what was taken.
        is_archive = receipt.asset == ARCHIVE
        delivered = receipt.rows + (0 if is_archive else receipt.quarantined)
    at = pl.concat_str("delivery", pl.lit(f"/{file}:"), "line")
    where = at if file else pl.lit(None, dtype=pl.String)
    counted = (
        refused.with_columns(where.alias("at"))
        .sort("delivery", "line")
        .group_by("reason", "field", "remedy")
        .agg(pl.len().alias("rows"), pl.col("at").drop_nulls().head(POSITIONS).alias("positions"))
    )
    ordered = counted.sort("rows", "reason", "field", descending=[True, False, False])
    return Intake(
        asset=receipt.asset,
        unit="files" if receipt.asset == ARCHIVE else "rows",
        since=counting[0]["delivery"] if full else None,
        delivered=delivered,
        refusals=tuple(
            Refusal(**row | {"positions": tuple(row["positions"])})
            for row in ordered.iter_rows(named=True)
        ),
    )


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
