"""How a table is computed by a SQL model: its parameters, its files.

The code here reaches every table that a model computes, so it imports as little as it can. No
Dagster here. What does not belong here: a model's text and how it runs (``io.models``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from vpack_pipeline.contracts import Contract
from vpack_pipeline.io import models
from vpack_pipeline.io.warehouse import TableFile

if TYPE_CHECKING:
    from vpack_pipeline.assets.bench import Bench
    from vpack_pipeline.gate.receipts import Receipt


def compute(
    bench: Bench, contract: Contract, inputs: Mapping[str, Receipt], sql: str
) -> list[TableFile]:
    """Run the table's model over exactly the files that the receipts of its inputs name."""
    destination = bench.warehouse.staging(contract.asset, bench.site_id)
    files = {
        asset: bench.warehouse.paths(asset, bench.site_id, receipt.files, "table")
        for asset, receipt in inputs.items()
    }
    given = _parameters(bench, contract)
    try:
        rows = models.run(sql, contract, files, given, destination)
        if contract.bucket:
            made = pl.scan_parquet(destination, hive_partitioning=False)
            return bench.warehouse.write_buckets(made, contract, bench.site_id)
        return [bench.warehouse.adopt(destination, contract.asset, bench.site_id, rows)]
    finally:
        destination.unlink(missing_ok=True)


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
