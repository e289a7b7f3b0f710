"""Whether a build would change anything: asked of the receipts, without Dagster.

A night on which nothing came must not cost what starting Dagster costs. What does not belong here:
what a table is computed from (``materialize``), when a pack is published (``publish``).
"""

from __future__ import annotations

from dataclasses import dataclass

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.materialize import LIVE_INPUTS, is_current, only_foreseen
from vpack_pipeline.assets.publish import PackAtCut, published
from vpack_pipeline.errors import VpackError
from vpack_pipeline.gate.receipts import Receipt


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The receipts of all tables at the cut, in their order, and the pack made of them."""

    receipts: tuple[Receipt, ...]
    pack: PackAtCut


def unchanged(bench: Bench) -> Unchanged | None:
    """Find the pack that a build at the bench's cut would keep as it is; None if anything changed.

    Every receipt is authenticated, every file hashed, every input that can change unseen (the
    deliveries, the archive) read again, as a build does. Whatever is wrong is for the build to say.
    """
    try:
        with only_foreseen(benches.LAST):
            return _unchanged(bench)
    except VpackError:
        return None


def _unchanged(bench: Bench) -> Unchanged | None:
    checked: dict[str, Receipt] = {}
    for asset in contracts.order(benches.dependencies()):
        receipt = _in_force(bench, asset)
        if receipt is None:
            return None
        checked[asset] = receipt
    upstream = {asset: r for asset, r in checked.items() if asset != benches.LAST}
    pack = published(bench, upstream)
    # The archive last: where anything else has changed, the build will read it.
    in_turn = sorted(upstream, key=_is_live)
    if pack is None or not all(is_current(bench, asset, checked) for asset in in_turn):
        return None
    return Unchanged(tuple(checked.values()), pack)


def _is_live(asset: str) -> bool:
    return bool(LIVE_INPUTS & set(contracts.load()[asset].outside))


def _in_force(bench: Bench, asset: str) -> Receipt | None:
    """Give a receipt at this cut that passed, is this site's and protocol's, and is whole."""
    receipt = bench.receipt(asset)
    if receipt is None or not receipt.passed or receipt.cut != bench.cut:
        return None
    is_of_protocol = receipt.protocol_digest == bench.study.protocol.digest
    is_sound = benches.is_own(bench, receipt, asset) and benches.is_whole(bench, receipt)
    return receipt if is_of_protocol and is_sound else None
