"""One factory: a contract becomes a gated Dagster asset.

What does not belong here: how a table is made (``materialize``) or what a section shows of it
(the module of that section).
"""

# No postponed annotations here: Dagster reads those of a body as types, not as text.
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function, standing
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.materialize import Materialized
from vpack_pipeline.contracts import Contract, metrics
from vpack_pipeline.errors import ContractError, Problem
from vpack_pipeline.gate import digests, suite
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import models
from vpack_pipeline.io.deliveries import parse_cut
from vpack_pipeline.partitions import SITES
from vpack_pipeline.report.provenance import code_of
from vpack_pipeline.resources import Project
from vpack_pipeline.sections import SECTIONS

CUT_TAG = "vpack/cut"
AS_OF_TAG = "vpack/as_of"
PROTOCOL_TAG = "vpack/protocol"
CHECK = "contract"
OWNERS = ("team:validation",)

progress = logging.getLogger("vpack_pipeline.progress")

KeyFigures = Callable[[Any], Mapping[str, Any]]
"""Turns a table into the scalars that the Dagster UI shows of it: aggregates, never row values.

The table is as :func:`vpack_pipeline.assets.by_function.read` gives it: lazy if it is bucketed."""


def table_asset(contract: Contract, key_figures: KeyFigures | None = None) -> dg.AssetsDefinition:
    """Make the asset of one table: a step that computes or keeps it and checks it, site by site."""

    def body(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        started = time.monotonic()
        with steps.only_foreseen(contract.asset):
            bench = bench_of(context, project)
            made = steps.materialize(bench, contract.asset)
            seconds = time.monotonic() - started
            result = report(contract, made, bench, key_figures, seconds)
        yield result

    made: dg.AssetsDefinition = dg.asset(**asset_arguments(contract))(body)
    return made


def asset_arguments(contract: Contract) -> dict[str, Any]:
    """Give what every asset of the pipeline declares.

    No backfill policy: then a backfill runs one site a run, under the tag ``dagster/partition`` by
    which ``dagster.yaml`` keeps two runs of one site apart. A policy of one partition a run tags
    ranges instead, which no limit knows.
    """
    key = dg.AssetKey([contract.section, contract.table])
    inputs = sorted(benches.dependencies()[contract.asset])
    return {
        "key": key,
        "deps": [dg.AssetKey(name.split("/")) for name in inputs],
        "partitions_def": SITES,
        "group_name": contract.section,
        "owners": list(OWNERS),
        "kinds": _kinds(contract),
        "code_version": digests.in_force(contract.asset).code_version,
        "description": _description(contract),
        "metadata": {
            "dagster/column_schema": _column_schema(contract),
            "grain": contract.grain,
            "section": SECTIONS[contract.section],
            "computed by": code_of(contract),
            **_code_reference(contract),
        },
        "check_specs": [
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                blocking=True,
                partitions_def=SITES,
                description=_expectations(contract),
            )
        ],
    }


def _kinds(contract: Contract) -> set[str]:
    if contract.computed_by in {"sql", "generated"}:
        return {"sql", "duckdb"}
    return {"python", "polars"}


def _description(contract: Contract) -> str:
    lines = [contract.description, "", f"Grain: {contract.grain}."]
    if contract.computed_by == "sql":
        lines += ["", "```sql", models.load()[contract.asset].sql.rstrip(), "```"]
    elif contract.computed_by == "generated":
        lines += ["", "Compiled from the protocol's eligibility rules."]
    return "\n".join(lines)


def _expectations(contract: Contract) -> str:
    """List in words what is asked of a table; a result tells what of it did not simply pass."""
    lines = [
        f"- `{p.id}`: {_as_markdown(p.why)}{' (warning)' if p.severity == 'warning' else ''}"
        for p in suite.plan(contract)
    ]
    guard = "The contract's expectations; they guard integrity, never a result."
    return "\n".join([guard, "", *lines])


def _code_reference(contract: Contract) -> Mapping[str, Any]:
    """Say where the table is computed: the line of its function, its SQL file, its compiler."""
    if contract.computed_by == "sql":
        path, line = models.source(contract.asset), 1
    elif contract.package is None:
        path, line = source_digest.definition(*contracts.COMPILER.split(":"))
    else:
        path, line = source_digest.definition(contract.package, contract.table)
    reference = dg.LocalFileCodeReference(
        file_path=str(path), line_number=line, label=contract.asset
    )
    found = dg.CodeReferencesMetadataValue(code_references=[reference])
    return {"dagster/code_references": found}


def _column_schema(contract: Contract) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=c.name,
                type=c.type,
                description=_as_markdown(c.description) + (f" ({c.unit})" if c.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=c.null, unique=contract.key == (c.name,)
                ),
            )
            for c in contract.columns
        ],
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(contract.key)}"]),
    )


def _as_markdown(text: str) -> str:
    """Keep what the UI would take for a tag or for emphasis: ``<variable>``, ``*all cells*``."""
    return text.replace("<", r"\<").replace("*", r"\*")


def bench_of(context: dg.AssetExecutionContext, project: Project) -> Bench:
    """Open the bench at this run's cut: the tag that the first table set, or the newest cut."""
    folder = project.open()
    site_id = context.partition_key
    tagged = run_tags(context).get(CUT_TAG)
    # Anyone who starts a run can give it tags, and a cut names a file.
    cut = parse_cut(tagged) if tagged else benches.newest_cut(folder, site_id)
    return benches.open_bench(folder, site_id, cut)


def run_tags(context: dg.AssetExecutionContext) -> Mapping[str, str]:
    """Read this run's tags as they are now: an earlier step may have added some."""
    current = context.instance.get_run_by_id(context.op_execution_context.run_id)
    return current.tags if current else {}


def tag_run(context: dg.AssetExecutionContext, tags: Mapping[str, str]) -> None:
    """Add tags to this run; a body that is called outside of a run has none."""
    run_id = context.op_execution_context.run_id
    if context.instance.get_run_by_id(run_id) is not None:
        context.instance.add_run_tags(run_id, tags)


def report(
    contract: Contract,
    made: Materialized,
    bench: Bench,
    key_figures: KeyFigures | None,
    seconds: float,
    seen: Mapping[str, Any] | None = None,
    warned: Sequence[Problem] = (),
) -> dg.MaterializeResult[Any]:
    """Tell Dagster and the progress log what was made: counts and digests, never values.

    ``seen`` holds what the step saw and no table says, such as how many files it read; ``warned``,
    what it came upon that closes nothing.
    """
    receipt = made.receipt
    told = [str(problem) for problem in (*standing.told_of(bench, receipt), *warned)]
    progress.info(
        contract.asset,
        extra={
            "rows": receipt.rows,
            "seconds": seconds,
            "kept": made.kept,
            "outcome": receipt.outcome,
        },
    )
    metadata: dict[str, Any] = {
        "dagster/row_count": receipt.rows,
        "quarantined": receipt.quarantined,
        "cut": receipt.cut,
        "kept": made.kept,
        **({"checked again": True} if made.checked_again else {}),
        **(_figures(bench, receipt, key_figures)),
        **(seen or {}),
        **({"attention": told[0]} if told else {}),
        **_lineage(contract),
    }
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=dg.DataVersion(receipt.table_digest),
        check_results=[check_result(receipt, told)],
    )


def check_result(receipt: Receipt, told: Sequence[str] = ()) -> dg.AssetCheckResult:
    """Turn a receipt into Dagster's words: which expectations failed, with counts.

    What closes nothing and is to be seen all the same is a warning: it blocks nothing, and the UI
    shows it in yellow. ``told`` says why in a few lines, the cause first.
    """
    failed = [c for c in receipt.checks if c["outcome"] != "pass"]
    is_warning = receipt.passed and (
        bool(told)
        or receipt.quarantined > 0
        or any(c["severity"] == "warning" and c["outcome"] != "vacuous" for c in failed)
    )
    if is_warning and receipt.quarantined and not told:
        told = [f"{receipt.quarantined} rows were quarantined; the gate stays open"]
    rows = [
        dg.TableRecord(
            {
                "expectation": c["id"],
                "outcome": c["outcome"],
                "severity": c["severity"],
                "rows": "" if c["element_count"] is None else str(c["element_count"]),
                "unexpected": "" if c["unexpected_count"] is None else str(c["unexpected_count"]),
                "why": c["why"],
            }
        )
        for c in failed
    ]
    metadata: dict[str, Any] = {
        "expectations": len(receipt.checks),
        "passed": sum(c["outcome"] == "pass" for c in receipt.checks),
    }
    if rows:
        metadata["not passed"] = dg.MetadataValue.table(rows)
    return dg.AssetCheckResult(
        passed=receipt.passed and not is_warning,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        description="\n".join(told) or None,
        metadata=metadata,
    )


def _figures(bench: Bench, receipt: Receipt, key_figures: KeyFigures | None) -> dict[str, Any]:
    if key_figures is None or not receipt.passed:
        return {}
    return dict(key_figures(by_function.read(bench, receipt)))


def _lineage(contract: Contract) -> dict[str, Any]:
    if contract.computed_by != "sql":
        return {}
    lineage = models.column_lineage(contract.asset)
    if not lineage:
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            deps_by_column={
                column: [
                    dg.TableColumnDep(asset_key=dg.AssetKey(asset.split("/")), column_name=name)
                    for asset, name in sorted(sources)
                ]
                for column, sources in lineage.items()
            }
        ),
        "column_sources": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {"column": c, "comes from": ", ".join(f"{a}.{n}" for a, n in sorted(s))}
                )
                for c, s in lineage.items()
            ]
        ),
    }


def counts_of(frame: pl.DataFrame | pl.LazyFrame, column: str) -> dict[str, int]:
    """Count the rows of each category of a column."""
    counted = frame.lazy().group_by(column).len().sort(column).collect()
    return {str(name): n for name, n in counted.iter_rows()}


def title_of(asset: str, row: Mapping[str, Any]) -> str:
    """Name a figure of a table as the report does."""
    name = str(row["metric"])
    return metrics.find(asset, name).title_of(name)


def section_assets(
    section: str, key_figures: Mapping[str, KeyFigures], exempt: frozenset[str] = frozenset()
) -> list[dg.AssetsDefinition]:
    """Make the assets of a section, in the order of their names."""
    found = [c for c in contracts.load().values() if c.section == section]
    unknown = set(key_figures) - {c.table for c in found}
    if unknown:
        raise ContractError(f"key figures for no table: {sorted(unknown)}")
    return [table_asset(c, key_figures.get(c.table)) for c in found if c.table not in exempt]
