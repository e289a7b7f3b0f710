"""What became of the rows of each input: how many were delivered and how many refused, and why.

An input of which too little is left closes its own check: no figure and no look may rest on what a
wrong date format has spared. No Dagster here. What does not belong here: refusing a row
(``io.cohort``), and what is told of losses (``gate.causes``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.contracts import Contract
from vpack_pipeline.gate.causes import ACCEPTED, Intake, Refusal
from vpack_pipeline.gate.check import Checked
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io.deliveries import moment
from vpack_pipeline.io.warehouse import TableFile
from vpack_pipeline.site import ACCEPT_AT_LEAST, InputForm

ARCHIVE: Final = "cohort/files"
DECISIVE: Final = frozenset(
    {"cohort/cases", "cohort/reads", "cohort/reference", "cohort/predictions"}
)
"""Inputs whose loss closes the gate; that of any other is told."""
POSITIONS: Final = 5
"""So many rows of one reason are named."""


def intakes_of(bench: Bench, found: Mapping[str, Receipt | None]) -> list[Intake]:
    """Count what became of each input, from receipts whose files are those that were checked."""
    first = found[benches.FIRST]
    if first is None or not is_sound(bench, first):
        return []
    known = contracts.load()
    made = []
    for asset, receipt in found.items():
        if receipt is None or not _is_input(receipt.files) or not is_sound(bench, receipt):
            continue
        intake = _intake(bench, known[asset], receipt.files, first)
        # Nothing delivered is no loss where a site need not deliver any.
        if intake.delivered or known[asset].may_be_empty is None:
            made.append(intake)
    return made


def is_sound(bench: Bench, receipt: Receipt) -> bool:
    """Tell whether a receipt is this site's own, and its files are those that were checked."""
    return benches.is_own(bench, receipt, receipt.asset) and benches.is_whole(bench, receipt)


def accepted(bench: Bench, contract: Contract, files: Sequence[TableFile]) -> list[Checked]:
    """Check that enough rows of an input were accepted; nothing to check of any other table.

    Raises
    ------
    GateClosedError
        There is no receipt of the deliveries at this cut.
    """
    if contract.asset == ARCHIVE or not _is_input(files):
        return []
    intake = _intake(bench, contract, files, benches.upstream(bench, benches.FIRST))
    is_decisive = contract.asset in DECISIVE
    is_lost = bool(intake.delivered) and intake.is_short
    return [
        Checked(
            id=ACCEPTED,
            type=ACCEPTED,
            severity="critical" if is_decisive else "warning",
            outcome="fail" if is_lost else "pass",
            closes=is_decisive and is_lost,
            why=f"Of what was delivered, at least {intake.accept_at_least:.0%} has to be accepted.",
            element_count=intake.delivered,
            unexpected_count=intake.refused,
        )
    ]


def intake_of(
    asset: str,
    deliveries: pl.DataFrame,
    table_rows: int,
    refused: pl.DataFrame,
    form: InputForm | None = None,
) -> Intake:
    """Count what became of the rows of one input that count.

    Parameters
    ----------
    deliveries : cohort/deliveries; a ``full`` delivery retracts those of its kind before it
    table_rows : of the input's table
    refused : the input's quarantined rows
    form : how the site writes this input; without it no position is named
    """
    of_kind = deliveries.filter(pl.col("kind") == asset.partition("/")[2])
    in_order = sorted(of_kind.iter_rows(named=True), key=lambda row: moment(row["delivery"]))
    full = [number for number, row in enumerate(in_order) if row["mode"] == "full"]
    counting = in_order[full[-1] :] if full else in_order
    if counting:
        refused = refused.filter(pl.col("delivery").is_in([row["delivery"] for row in counting]))
        delivered = sum(row["rows"] for row in counting)
    else:
        # An archive's table holds every file; one that is made of another holds what was taken.
        delivered = table_rows + (0 if asset == ARCHIVE else refused.height)
    at = pl.concat_str("delivery", pl.lit(f"/{form.file}:" if form else ""), "line")
    where = at if form else pl.lit(None, dtype=pl.String)
    counted = (
        refused.with_columns(where.alias("at"))
        .sort("delivery", "line")
        .group_by("reason", "field", "remedy")
        .agg(pl.len().alias("rows"), pl.col("at").drop_nulls().head(POSITIONS).alias("positions"))
    )
    ordered = counted.sort("rows", "reason", "field", descending=[True, False, False])
    return Intake(
        asset=asset,
        unit="files" if asset == ARCHIVE else "rows",
        since=counting[0]["delivery"] if full else None,
        delivered=delivered,
        refusals=tuple(
            Refusal(**row | {"positions": tuple(row["positions"])})
            for row in ordered.iter_rows(named=True)
        ),
        accept_at_least=form.accept_at_least if form else ACCEPT_AT_LEAST,
    )


def _intake(bench: Bench, contract: Contract, files: Sequence[TableFile], first: Receipt) -> Intake:
    deliveries = bench.warehouse.read(contracts.load()[benches.FIRST], bench.site_id, first.files)
    refused = bench.warehouse.read(contract, bench.site_id, files, "quarantine")
    forms = {str(kind): form for kind, form in bench.study.site.inputs.items()}
    rows = sum(f.rows for f in files if f.role == "table")
    return intake_of(contract.asset, deliveries, rows, refused, forms.get(contract.table))


def _is_input(files: Sequence[TableFile]) -> bool:
    return any(file.role == "quarantine" for file in files)
