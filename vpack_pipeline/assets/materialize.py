"""Bring one table of one site to one cut: keep it, or compute, write, check and sign for it.

No Dagster here: the asset bodies call :func:`materialize`. What does not belong here: what any
table decides (``core``, ``dbt_like_sql``, ``io.cohort``) or must satisfy (``contracts``).
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets.bench import Bench, dependencies, is_own, is_whole, upstream
from vpack_pipeline.contracts import Contract
from vpack_pipeline.core.evaluation.looks import VOID
from vpack_pipeline.errors import (
    GateClosedError,
    Problem,
    TableError,
    VpackError,
)
from vpack_pipeline.gate import check, receipts
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import models
from vpack_pipeline.io.edge import Loaded
from vpack_pipeline.io.identity import NORMALISATION
from vpack_pipeline.io.warehouse import (
    Role,
    TableFile,
    cut_order,
    digest_table,
)
from vpack_pipeline.study import Study, eligibility_views

LIVE_INPUTS = frozenset({"deliveries", "archive"})
"""Outside inputs that can change without a trace in any table: read on every run."""
DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO})


@dataclass(frozen=True, slots=True)
class Materialized:
    """A table at a cut; ``kept`` if nothing that it is computed from had changed."""

    receipt: Receipt
    kept: bool


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
    VpackError
        The disk is full or refuses; its message is the system's own and holds no value.
    TableError
        Any other foreign exception: polars and DuckDB put values in their messages.
    """
    try:
        yield
    except VpackError:
        raise
    except OSError as error:
        if error.errno not in DISK:
            raise TableError(asset, error) from None
        why = os.strerror(error.errno)
        remedy = "mend that and build again; what was published before stays"
        raise VpackError(str(Problem(asset, why, remedy))) from None
    except Exception as error:  # noqa: BLE001
        raise TableError(asset, error) from None


def _materialize(bench: Bench, contract: Contract) -> Materialized:
    inputs = {name: upstream(bench, name) for name in sorted(dependencies()[contract.asset])}
    outside = _outside(bench, contract)
    fingerprint = _fingerprint(bench, contract, inputs, outside)
    is_live = bool(LIVE_INPUTS & set(contract.outside))
    kept = _find_kept(bench, contract, fingerprint)
    if kept is not None and not is_live:
        return Materialized(_carry(bench, kept), kept=True)
    files = _compute(bench, contract, inputs, outside)
    if kept is not None and digest_table(files) == kept.table_digest:
        return Materialized(_carry(bench, kept), kept=True)
    return Materialized(sign(bench, contract, files, inputs, fingerprint), kept=False)


def _outside(bench: Bench, contract: Contract) -> dict[str, pl.DataFrame]:
    found = {}
    for name in contract.outside:
        if name in LIVE_INPUTS:
            continue
        from vpack_pipeline.io import packs

        reader = getattr(packs, name)
        looks = reader(bench.project.packs, bench.site_id, bench.study.protocol, bench.cut)
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
    blocks = bench.study.blocks(contract)
    return receipts.fingerprint(
        {
            "code": receipts.code_digest(),
            "contract": contract.digest,
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
        receipt = _readable(known[cut], contract.asset)
        if receipt is None or not receipt.passed:
            continue
        if is_own(bench, receipt, contract.asset) and is_whole(bench, receipt):
            return receipt
    return None


def _readable(data: dict[str, Any], asset: str) -> Receipt | None:
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
    if contract.computed_by in {"sql", "generated"}:
        return _run_model(bench, contract, inputs)
    made = _call(bench, contract, inputs, outside)
    return write(bench, contract, made)


def write(
    bench: Bench, contract: Contract, made: pl.DataFrame | pl.LazyFrame | Loaded
) -> list[TableFile]:
    """Hold a computed frame to its contract and write it, with its quarantine."""
    table = made.table if isinstance(made, Loaded) else made
    if contract.bucket:
        files = bench.warehouse.write_buckets(table.lazy(), contract, bench.site_id)
    else:
        frame = contracts.conform(table.lazy().collect(), contract)
        files = [bench.warehouse.write(frame, contract.asset, bench.site_id)]
    if isinstance(made, Loaded):
        part = made.quarantine.sort("position")
        files.append(bench.warehouse.write(part, contract.asset, bench.site_id, "quarantine"))
    return files


def _call(
    bench: Bench,
    contract: Contract,
    inputs: Mapping[str, Receipt],
    outside: Mapping[str, pl.DataFrame],
) -> pl.DataFrame | pl.LazyFrame | Loaded:
    place = f"io.{contract.section}" if contract.computed_by == "io" else f"core.{contract.section}"
    function = getattr(importlib.import_module(f"vpack_pipeline.{place}"), contract.table)
    frames: dict[str, Any] = {
        argument: read(bench, inputs[asset], contract.inputs_part)
        for argument, asset in contract.inputs.items()
    }
    if contract.inputs_part == "quarantine":
        frames = {"parts": frames}
    arguments: dict[str, Any] = {**frames, **outside}
    if contract.computed_by == "io":
        edge = bench.edge.narrowed(contract.protocol, contract.site)
        # As with the blocks: what is not declared is not seen, or the table would be kept wrongly.
        arguments["edge"] = edge if contract.uses_cut else replace(edge, cut=None)
    else:
        arguments |= bench.study.blocks(contract)
        if contract.uses_cut:
            arguments["cut"] = bench.edge.cut_date
    made: pl.DataFrame | pl.LazyFrame | Loaded = function(**arguments)
    return made


def read(bench: Bench, receipt: Receipt, part: Role = "table") -> pl.DataFrame | pl.LazyFrame:
    """Read a table in the order of its key; a bucketed one lazily, in no order."""
    contract = contracts.load()[receipt.asset]
    if contract.bucket and part == "table":
        return bench.warehouse.scan(contract, bench.site_id, receipt.files)
    return bench.warehouse.read(contract, bench.site_id, receipt.files, part)


def _run_model(bench: Bench, contract: Contract, inputs: Mapping[str, Receipt]) -> list[TableFile]:
    destination = bench.warehouse.staging(contract.asset, bench.site_id)
    files = {
        asset: bench.warehouse.paths(asset, bench.site_id, receipt.files, "table")
        for asset, receipt in inputs.items()
    }
    try:
        rows = models.run(
            sql_of(bench.study, contract),
            contract,
            files,
            _parameters(bench, contract),
            destination,
        )
        if contract.bucket:
            made = pl.scan_parquet(destination, hive_partitioning=False)
            return bench.warehouse.write_buckets(made, contract, bench.site_id)
        return [bench.warehouse.adopt(destination, contract.asset, bench.site_id, rows)]
    finally:
        destination.unlink(missing_ok=True)


def sql_of(loaded: Study, contract: Contract) -> str:
    """Give a model's text: from its file, or compiled from the protocol's rules."""
    if contract.computed_by == "sql":
        return models.load()[contract.asset].sql
    from vpack_pipeline.core.eligibility import compile_flags

    protocol = loaded.protocol
    return compile_flags(protocol.eligibility, protocol.covariates, eligibility_views())


def _parameters(bench: Bench, contract: Contract) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, path in contract.parameters.items():
        if path == "cut":
            found[name] = bench.edge.cut_date
            continue
        block, _, rest = path.partition(".")
        is_protocol = block in contract.protocol
        value: Any = getattr(bench.study.protocol if is_protocol else bench.study.site, block)
        for part in rest.split(".") if rest else ():
            value = value[part] if isinstance(value, Mapping) else getattr(value, part)
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def sign(
    bench: Bench,
    contract: Contract,
    files: list[TableFile],
    inputs: Mapping[str, Receipt],
    fingerprint: str,
) -> Receipt:
    """Check the written files and leave the receipt, whatever its outcome."""
    rows = sum(f.rows for f in files if f.role == "table")
    paths = bench.warehouse.paths(contract.asset, bench.site_id, files, "table")
    checks = check.run(contract, paths, rows)
    protocol = bench.study.protocol
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
        table_digest=digest_table(files),
        code=receipts.code_digest(),
        contract=contract.digest,
        fingerprint=fingerprint,
        secret=bench.edge.pseudonyms.fingerprint,
        normalisation=NORMALISATION,
        inputs={name: r.table_digest for name, r in inputs.items()},
        outcome="fail" if any(c.closes for c in checks) else "pass",
        checks=tuple(c.as_dict() for c in checks),
    ).signed(bench.edge.pseudonyms)
    bench.warehouse.write_receipt(contract.asset, bench.site_id, bench.cut, receipt.as_dict())
    return receipt
