"""Bring one table of one site to one cut: keep it, or compute, write, check and sign for it.

No Dagster here: the asset bodies call :func:`materialize`. What does not belong here: what any
table decides (``core``, ``dbt_like_sql``, ``io.cohort``) or must satisfy (``contracts``).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import by_function, by_model, publications
from vpack_pipeline.assets.bench import Bench, dependencies, is_own, is_whole, upstream
from vpack_pipeline.assets.intake import accepted
from vpack_pipeline.contracts import Contract
from vpack_pipeline.core.evaluation.looks import VOID
from vpack_pipeline.errors import (
    GateClosedError,
    Problem,
    TableError,
    VpackError,
    disk_error,
)
from vpack_pipeline.gate import check, digests, receipts
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import models
from vpack_pipeline.io.identity import NORMALISATION
from vpack_pipeline.io.warehouse import TableFile, cut_order
from vpack_pipeline.protocol import Protocol

LIVE_INPUTS = frozenset({"deliveries", "archive"})
"""Outside inputs that can change without a trace in any table: read on every run."""


@dataclass(frozen=True, slots=True)
class Materialized:
    """A table at a cut; ``kept`` if nothing that it is computed from had changed.

    ``checked_again``: it was kept, and checked by expectations or a gate that had changed.
    """

    receipt: Receipt
    kept: bool
    checked_again: bool = False


def materialize(bench: Bench, asset: str) -> Materialized:
    """Bring one table to the bench's cut.

    Raises
    ------
    GateClosedError
        An input has no passed receipt at this cut, or its files are not those that were checked.
    TableError
        Anything unforeseen, reduced to its type: its text could carry values.
    """
    with only_foreseen(asset):
        return _materialize(bench, contracts.load()[asset])


@contextlib.contextmanager
def only_foreseen(asset: str) -> Iterator[None]:
    """Reduce what nobody foresaw to its type and place.

    Raises
    ------
    DiskError
        The disk is full or refuses.
    TableError
        Any other foreign exception: polars and DuckDB put values in their messages.
    """
    try:
        yield
    except VpackError:
        raise
    except Exception as error:  # noqa: BLE001
        raise disk_error(asset, error) or TableError(asset, error) from None


def _materialize(bench: Bench, contract: Contract) -> Materialized:
    inputs = {name: upstream(bench, name) for name in sorted(dependencies()[contract.asset])}
    outside = outside_of(bench, contract)
    fingerprint = _fingerprint(bench, contract, inputs, outside)
    is_live = bool(LIVE_INPUTS & set(contract.outside))
    kept = _find_kept(bench, contract, fingerprint)
    if kept is not None and not is_live:
        return _keep(bench, contract, kept)
    before = _stamps(bench, inputs)
    files = _compute(bench, contract, inputs, outside)
    _demand_untouched(bench, inputs, before)
    if kept is not None and _digest(bench, files) == kept.table_digest:
        return _keep(bench, contract, kept)
    return Materialized(sign(bench, contract, files, digests_of(inputs), fingerprint), kept=False)


def _stamps(bench: Bench, inputs: Mapping[str, Receipt]) -> dict[str, list[tuple[int, int, int]]]:
    return {a: bench.warehouse.stamps(a, bench.site_id, r.files) for a, r in inputs.items()}


def _demand_untouched(
    bench: Bench, inputs: Mapping[str, Receipt], before: Mapping[str, list[tuple[int, int, int]]]
) -> None:
    """Hold inputs to their receipts once more: large ones are read after they were digested.

    Raises
    ------
    GateClosedError
        A file of an input was written while the table was computed.
    """
    now = _stamps(bench, inputs)
    touched = [a for a, r in inputs.items() if now[a] != before[a] or not is_whole(bench, r)]
    if touched:
        what = "its files were changed while another table was made of them"
        raise GateClosedError([Problem(a, what, f"materialize {a} again") for a in touched])


def is_current(bench: Bench, asset: str, checked: Mapping[str, Receipt]) -> bool:
    """Tell whether :func:`materialize` would keep a table as its receipt at this cut has it.

    Nothing is signed. What can change without a trace in any table is read again.

    Parameters
    ----------
    checked : the table's own receipt and those of its inputs, all known to be in force and whole

    Raises
    ------
    TableError, VpackError
        As of :func:`materialize`.
    """
    contract = contracts.load()[asset]
    receipt = checked[asset]
    with only_foreseen(asset):
        inputs = _inputs(asset, checked)
        outside = outside_of(bench, contract)
        if receipt.fingerprint != _fingerprint(bench, contract, inputs, outside):
            return False
        if receipt.check != digests.in_force(asset).check:
            return False
        if LIVE_INPUTS & set(contract.outside):
            made = _compute(bench, contract, inputs, outside)
            return _digest(bench, made) == receipt.table_digest
    return True


def _inputs(asset: str, known: Mapping[str, Receipt]) -> dict[str, Receipt]:
    return {name: known[name] for name in sorted(dependencies()[asset])}


def fingerprints(bench: Bench, known: Mapping[str, Receipt]) -> dict[str, str]:
    """Fingerprint all that each table would be computed from now, as its receipt does.

    Parameters
    ----------
    known : receipts by table; a table is left out of the answer where one of its inputs has none

    Raises
    ------
    VerificationError
        The pack of a past look, which tables quote, is not what was published.
    """
    quoted: dict[tuple[str, ...], dict[str, pl.DataFrame]] = {}
    found = {}
    for asset in known:
        if not dependencies()[asset] <= known.keys():
            continue
        contract = contracts.load()[asset]
        if contract.outside not in quoted:
            quoted[contract.outside] = outside_of(bench, contract)
        outside = quoted[contract.outside]
        found[asset] = _fingerprint(bench, contract, _inputs(asset, known), outside)
    return found


def _keep(bench: Bench, contract: Contract, receipt: Receipt) -> Materialized:
    """Keep a table; where its expectations or the gate have changed, check it again."""
    if receipt.check == digests.in_force(contract.asset).check:
        return Materialized(_carry(bench, receipt), kept=True)
    checked = sign(bench, contract, receipt.files, receipt.inputs, receipt.fingerprint)
    return Materialized(checked, kept=True, checked_again=True)


def outside_of(bench: Bench, contract: Contract) -> dict[str, pl.DataFrame]:
    """Give what a table is computed from that lies outside of the warehouse, by argument."""
    found = {}
    for name in contract.outside:
        if name in LIVE_INPUTS:
            continue
        from vpack_pipeline.io import packs

        reader = getattr(packs, name)
        looks = reader(
            bench.project.packs,
            bench.site_id,
            bench.study.protocol,
            bench.cut,
            doubts=functools.partial(publications.doubts, bench),
        )
        # A pack at a look gives that look's verdict; quoted, it would change its own input. But a
        # look that is void must not be taken again under the protocol that voided it.
        is_past = pl.col("look") < bench.edge.cut_date.isoformat()
        found[name] = looks.filter(is_past | (pl.col("verdict") == VOID))
    return found


def _fingerprint(
    bench: Bench,
    contract: Contract,
    inputs: Mapping[str, Receipt],
    outside: Mapping[str, pl.DataFrame],
) -> str:
    blocks = by_function.blocks(bench.study, contract)
    now = digests.in_force(contract.asset)
    # As with words: what the report prints of the site stands in no block that a table declares.
    is_printed = contract.section == "pack"
    printed = {"site": bench.study.site.document} if is_printed else {}
    return receipts.fingerprint(
        {
            **printed,
            "compute": now.compute,
            "words": now.words,
            "blocks": {name: _plain(value) for name, value in blocks.items()},
            "secret": bench.edge.pseudonyms.fingerprint,
            "normalisation": NORMALISATION,
            "inputs": {name: receipt.table_digest for name, receipt in inputs.items()},
            "outside": {name: frame.write_json() for name, frame in outside.items()},
            "cut": bench.edge.cut if contract.uses_cut else None,
        }
    )


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _find_kept(bench: Bench, contract: Contract, fingerprint: str) -> Receipt | None:
    """Find a passed receipt of the same fingerprint, at this cut first, whose files are whole."""
    if bench.edge.cut is None:
        return None
    known = bench.warehouse.receipts(contract.asset, bench.site_id)
    ordered = sorted(known, key=lambda cut: (cut == bench.cut, cut_order(cut)), reverse=True)
    for cut in ordered:
        if known[cut].get("fingerprint") != fingerprint:
            continue
        receipt = readable(known[cut], contract.asset)
        if receipt is None or not receipt.passed:
            continue
        if is_own(bench, receipt, contract.asset) and is_whole(bench, receipt):
            return receipt
    return None


def readable(data: dict[str, Any], asset: str) -> Receipt | None:
    """Read a receipt; one of another version only means that the table is computed again."""
    try:
        return receipts.read(data, asset)
    except GateClosedError:
        return None


def _carry(bench: Bench, receipt: Receipt) -> Receipt:
    protocol = bench.study.protocol
    if receipt.cut == bench.cut and receipt.protocol_digest == protocol.digest:
        return receipt
    moved = receipt.at(bench.cut, protocol, bench.edge.pseudonyms)
    bench.warehouse.write_receipt(receipt.asset, bench.site_id, bench.cut, moved.as_dict())
    return moved


def _compute(
    bench: Bench,
    contract: Contract,
    inputs: Mapping[str, Receipt],
    outside: Mapping[str, pl.DataFrame],
) -> list[TableFile]:
    if contract.package is not None:
        return by_function.compute(bench, contract, inputs, outside)
    return by_model.compute(bench, contract, inputs, _sql(bench.study.protocol, contract))


def _sql(protocol: Protocol, contract: Contract) -> str:
    """Give a model's text: from its file, or compiled from the protocol's rules."""
    if contract.computed_by == "sql":
        return models.load()[contract.asset].sql
    from vpack_pipeline.core.eligibility import compile_flags

    views = contracts.eligibility_views()
    return compile_flags(protocol.eligibility, protocol.covariates, views)


def sign(
    bench: Bench,
    contract: Contract,
    files: Sequence[TableFile],
    inputs: Mapping[str, str],
    fingerprint: str,
) -> Receipt:
    """Check the written files and leave the receipt, whatever its outcome.

    ``inputs`` gives the digest of each table that was read.
    """
    rows = sum(f.rows for f in files if f.role == "table")
    paths = bench.warehouse.paths(contract.asset, bench.site_id, files, "table")
    checks = [
        *check.run(contract, paths, rows, within=bench.warehouse.root),
        *accepted(bench, contract, files),
    ]
    protocol = bench.study.protocol
    now = digests.in_force(contract.asset)
    receipt = Receipt(
        format=receipts.FORMAT,
        asset=contract.asset,
        site=bench.site_id,
        protocol=protocol.reference,
        protocol_digest=protocol.digest,
        cut=bench.cut,
        files=tuple(files),
        rows=rows,
        quarantined=sum(f.rows for f in files if f.role == "quarantine"),
        table_digest=_digest(bench, files),
        compute=now.compute,
        check=now.check,
        words=now.words,
        fingerprint=fingerprint,
        secret=bench.edge.pseudonyms.fingerprint,
        normalisation=NORMALISATION,
        inputs=dict(inputs),
        outcome="fail" if any(c.closes for c in checks) else "pass",
        checks=tuple(c.as_dict() for c in checks),
    ).signed(bench.edge.pseudonyms)
    bench.warehouse.write_receipt(contract.asset, bench.site_id, bench.cut, receipt.as_dict())
    return receipt


def _digest(bench: Bench, files: Sequence[TableFile]) -> str:
    return receipts.table_digest(files, bench.edge.pseudonyms)


def digests_of(inputs: Mapping[str, Receipt]) -> dict[str, str]:
    """Give the digest of each table that was read."""
    return {name: receipt.table_digest for name, receipt in inputs.items()}
