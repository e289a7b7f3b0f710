"""How a table is computed by a function of ``core`` or ``io``, and how every table is written.

The code here reaches every table that a function computes, so it imports as little as it can. No
Dagster here. What does not belong here: whether a table has to be computed (``materialize``).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
from threadpoolctl import threadpool_limits

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import ContractError
from vpack_pipeline.io.edge import Loaded
from vpack_pipeline.io.warehouse import Role, TableFile

if TYPE_CHECKING:
    from vpack_pipeline.assets.bench import Bench
    from vpack_pipeline.gate.receipts import Receipt
    from vpack_pipeline.study import Study


def compute(
    bench: Bench,
    contract: Contract,
    inputs: Mapping[str, Receipt],
    outside: Mapping[str, pl.DataFrame],
) -> list[TableFile]:
    """Call the table's function with what its contract declares, and write what it gives.

    Parameters
    ----------
    inputs : asset → its receipt at the bench's cut
    outside : argument → what lies outside of the warehouse, such as verdicts of past looks
    """
    function = function_of(contract)
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
        arguments |= blocks(bench.study, contract)
        if contract.uses_cut:
            arguments["cut"] = bench.edge.cut_date
    # In its last digit a product of floats depends on how many threads BLAS divides it among; and
    # as small as ours are, threads wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        return write(bench, contract, function(**arguments))


def function_of(contract: Contract) -> Callable[..., Any]:
    """Find a table's function: its package names it, or has a module of its name that holds it.

    Raises
    ------
    ContractError
        There is none.
    """
    package = importlib.import_module(str(contract.package))
    found = getattr(package, contract.table, None)
    if not callable(found):
        # A package has its own module as an attribute, once that has been imported.
        name = f"{package.__name__}.{contract.table}"
        known = importlib.util.find_spec(name)
        found = known and getattr(importlib.import_module(name), contract.table, None)
    if not callable(found):
        told = f"write it into {package.__name__}.{contract.table}"
        raise ContractError(f"{contract.asset}: no function {contract.table}; {told}")
    function: Callable[..., Any] = found
    return function


def blocks(study: Study, contract: Contract) -> dict[str, Any]:
    """Give a table the blocks that its contract declares, and only those."""
    made = {name: getattr(study.protocol, name) for name in contract.protocol}
    return made | {name: getattr(study.site, name) for name in contract.site}


def read(bench: Bench, receipt: Receipt, part: Role = "table") -> pl.DataFrame | pl.LazyFrame:
    """Read a table in the order of its key; a bucketed one lazily, in no order."""
    contract = contracts.load()[receipt.asset]
    if contract.bucket and part == "table":
        return bench.warehouse.scan(contract, bench.site_id, receipt.files)
    return bench.warehouse.read(contract, bench.site_id, receipt.files, part)


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
