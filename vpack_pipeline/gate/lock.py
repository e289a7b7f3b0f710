"""The lock on the pack: it opens only over one whole, authentic and fitting set of receipts.

However the run was started (the whole job, the pack alone, another machine), the receipts of this
site and cut must exist, be signed by the site's secret, have passed, match the digests in force,
what their tables would be computed from now and the files on disk, and descend from one another, so
that old and new tables cannot be mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vpack_pipeline import contracts
from vpack_pipeline.errors import Problem
from vpack_pipeline.gate import causes
from vpack_pipeline.gate.causes import Intake
from vpack_pipeline.gate.digests import Digests
from vpack_pipeline.gate.receipts import Receipt, table_digest
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.warehouse import Warehouse, digest_file


def problems(
    receipts: Mapping[str, Receipt | None],
    *,
    dependencies: Mapping[str, frozenset[str]],
    site_id: str,
    cut: str,
    protocol_digest: str,
    digests: Mapping[str, Digests],
    fingerprints: Mapping[str, str],
    warehouse: Warehouse,
    pseudonyms: Pseudonyms,
    intakes: Sequence[Intake] = (),
) -> list[Problem]:
    """List every reason why the lock stays closed; empty opens it.

    ``fingerprints`` tell, of each table whose inputs are there, what it would be computed from now.
    ``intakes`` tell what each input lost: they lead with a cause, and open nothing. Tables that
    are not as they should be only because one before them did not pass are counted in one line.
    """
    found = causes.closing(receipts, intakes, dependencies)
    closed = {r.asset for r in receipts.values() if r is not None and not r.passed}
    waiting = 0
    for asset, receipt in receipts.items():
        stale: list[Problem] = []
        if receipt is None:
            stale.append(_again(asset, f"there is no receipt at the cut {cut}"))
        else:
            found += _identity(receipt, asset, site_id, cut, protocol_digest, pseudonyms)
            found += _files(receipt, warehouse, pseudonyms)
            stale += _currency(receipt, digests[asset])
            stale += _descent(receipt, receipts, dependencies[asset])
            if not stale:
                stale += _origin(receipt, protocol_digest, fingerprints.get(asset))
        if stale and closed & causes.ancestors(asset, dependencies):
            waiting += 1
        else:
            found += stale
    if waiting:
        what = "not made, for a table that they are computed from did not pass"
        found.append(Problem(f"{waiting} of {len(receipts)} tables", what, causes.FOLLOWS))
    return found


def _again(asset: str, what: str) -> Problem:
    return Problem(asset, what, "materialize it and what follows it again")


def _identity(
    receipt: Receipt,
    asset: str,
    site_id: str,
    cut: str,
    protocol_digest: str,
    pseudonyms: Pseudonyms,
) -> list[Problem]:
    if not receipt.is_authentic(pseudonyms):
        return [_again(asset, "its receipt was not signed by this site's secret, or was edited")]
    if (receipt.asset, receipt.site, receipt.cut) != (asset, site_id, cut):
        return [_again(asset, "its receipt belongs to another table, site or cut")]
    if receipt.protocol_digest != protocol_digest:
        return [_again(asset, "its receipt belongs to another protocol")]
    return []


def _currency(receipt: Receipt, now: Digests) -> list[Problem]:
    found = []
    if receipt.compute != now.compute:
        what = "the code that computes it, or a library, has changed since"
        found.append(_again(receipt.asset, what))
    if receipt.check != now.check:
        what = "its expectations, or the gate, have changed since it was checked"
        found.append(_again(receipt.asset, what))
    if receipt.words != now.words:
        found.append(_again(receipt.asset, "the words of the report have changed since"))
    return found


def _origin(receipt: Receipt, protocol_digest: str, fingerprint: str | None) -> list[Problem]:
    """Say that what a table is computed from has changed, where nothing else has told it already.

    Code, protocol, secret and inputs are compared by themselves; what is left is named here.
    """
    is_told = fingerprint is None or receipt.protocol_digest != protocol_digest
    if is_told or receipt.fingerprint == fingerprint:
        return []
    quotes = "published_looks" in contracts.load()[receipt.asset].outside
    what = "site.yaml, or a past look that it quotes," if quotes else "site.yaml"
    return [_again(receipt.asset, f"{what} has changed since it was made")]


def _files(receipt: Receipt, warehouse: Warehouse, pseudonyms: Pseudonyms) -> list[Problem]:
    folder = warehouse.folder(receipt.asset, receipt.site)
    for file in receipt.files:
        path = folder / file.name
        if not path.is_file():
            return [_again(receipt.asset, "a file that was checked is missing")]
        if digest_file(path) != file.sha256:
            return [_again(receipt.asset, "a file was changed after its check")]
    if table_digest(receipt.files, pseudonyms) != receipt.table_digest:
        return [_again(receipt.asset, "its files are not those that were checked")]
    return []


def _descent(
    receipt: Receipt, receipts: Mapping[str, Receipt | None], inputs: frozenset[str]
) -> list[Problem]:
    if set(receipt.inputs) != set(inputs):
        return [_again(receipt.asset, "it was made from other inputs than the pipeline now has")]
    found = []
    for name in sorted(inputs):
        upstream = receipts.get(name)
        if upstream is not None and upstream.table_digest != receipt.inputs[name]:
            found.append(_again(receipt.asset, f"it was made from another version of {name}"))
    return found
