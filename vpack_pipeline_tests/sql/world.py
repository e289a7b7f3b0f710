"""A cohort small enough to read, and the eligibility models run over it in an in-memory DuckDB."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.eligibility import VIEWS, compile_flags
from vpack_pipeline.io import models
from vpack_pipeline.protocol import Covariate, Eligibility, Rule

COHORT: Mapping[str, Mapping[str, Any]] = {
    "studies": contracts.load()["cohort/studies"].polars_schema,
    "cases": {
        "case_id": pl.String,
        "patient_id": pl.String,
        "index_date": pl.Date,
        "stratum": pl.String,
        "covariates": pl.String,
        "in_force": pl.Boolean,
    },
    "case_studies": {
        "case_id": pl.String,
        "study_id": pl.String,
        "arm": pl.String,
        "role": pl.String,
        "in_force": pl.Boolean,
    },
    "development": {"patient_id": pl.String, "study_id": pl.String, "in_force": pl.Boolean},
    "predictions": {
        "case_id": pl.String,
        "finding": pl.String,
        "model_id": pl.String,
        "status": pl.String,
        "in_force": pl.Boolean,
    },
    "reference": {"case_id": pl.String, "finding": pl.String, "in_force": pl.Boolean},
    "reads": {
        "case_id": pl.String,
        "reader_id": pl.String,
        "finding": pl.String,
        "arm": pl.String,
        "session": pl.Int64,
        "purpose": pl.String,
        "role": pl.String,
        "is_diagnostic": pl.Boolean,
        "in_force": pl.Boolean,
    },
}
DEFAULTS: Mapping[str, Any] = {
    "in_force": True,
    "index_date": date(2024, 1, 1),
    "stratum": "all",
    "covariates": "{}",
    **{f.name: "absent" for f in header_fields.load() if f.kind == "flag"},
    "n_series": 1,
    "n_instances": 2,
    "n_conflicts": 0,
    "finding": "nodule",
    "arm": "standard",
    "session": 1,
    "purpose": "reference",
    "model_id": "m1",
}
MODELS = ("patients", "studies", "cases", "flags", "excluded", "included", "flow")


def spec(text: str) -> list[dict[str, str | None]]:
    """Read a table drawn in ASCII; an empty field is null."""
    lines = [line.strip().strip("|") for line in text.strip().splitlines()]
    head, *rows = [
        [cell.strip() for cell in line.split("|")] for line in lines if "---" not in line
    ]
    return [dict(zip(head, (c or None for c in row), strict=True)) for row in rows]


def _typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, str) or kind == pl.String:
        return value
    if kind == pl.Date:
        return date.fromisoformat(value)
    if kind == pl.Boolean:
        return {"yes": True, "no": False}[value]
    return float(value) if kind == pl.Float64 else int(value)


def rules_of(rows: Sequence[Mapping[str, Any]]) -> Eligibility:
    given = {"decided_at": date(2024, 1, 1), "rationale": "as the protocol says"}
    return Eligibility(
        rules=tuple(Rule(**{"title": r["id"], **given, **r}) for r in rows)  # type: ignore[arg-type]
    )


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One connection for all worlds: opening one costs more than running every model."""
    return duckdb.connect(config={"threads": 1})


@dataclass
class World:
    """A cohort and rules; ``run`` gives every eligibility table, held to its contract."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rules: Eligibility = field(
        default_factory=lambda: rules_of(
            [
                {
                    "id": "everyone",
                    "kind": "include",
                    "level": "patient",
                    "when": "n_cases >= 0",
                    "if_unknown": "stop",
                }
            ]
        )
    )
    covariates: tuple[Covariate, ...] = ()

    def cohort(self) -> dict[str, pl.DataFrame]:
        found = {}
        for name, schema in COHORT.items():
            rows = [
                {c: _typed(row.get(c, DEFAULTS.get(c)), kind) for c, kind in schema.items()}
                for row in self.tables.get(name, [])
            ]
            found[name] = pl.DataFrame(rows, schema=dict(schema), orient="row")
        return found

    def sql(self, table: str) -> str:
        if table != "flags":
            return models.load()[f"eligibility/{table}"].sql
        return compile_flags(self.rules, self.covariates, views())

    def run(self) -> dict[str, pl.DataFrame]:
        con = _engine()
        for schema in ("cohort", "eligibility"):
            con.execute(f"drop schema if exists {schema} cascade; create schema {schema}")
        for name, frame in self.cohort().items():
            con.register("given", frame.to_arrow())
            con.execute(f"create table cohort.{name} as select * from given")
        return {table: self._make(con, table) for table in MODELS}

    def _make(self, con: duckdb.DuckDBPyConnection, table: str) -> pl.DataFrame:
        values = {"primary_model": "m1", "rules": self.rules.rules_json}
        contract = contracts.load()[f"eligibility/{table}"]
        wanted = {k: v for k, v in values.items() if k in contract.parameters}
        columns = ", ".join(
            f'cast("{c.name}" as {contracts.DUCKDB_TYPES[c.type]}) as "{c.name}"'
            for c in contract.columns
        )
        con.execute(
            f"create table eligibility.{table} as select {columns} from ({self.sql(table)}) as m",
            wanted or None,
        )
        frame = con.sql(f"select * from eligibility.{table}").pl()
        return contracts.conform(frame, contract)


def views() -> dict[str, dict[str, str]]:
    return {
        level: {c.name: c.type for c in contracts.load()[asset].columns}
        for level, asset in VIEWS.items()
    }


def bits(mask: int) -> list[int]:
    """The rules that a mask names, by their order in the protocol."""
    return [order for order in range(1, mask.bit_length() + 1) if mask >> (order - 1) & 1]


def values(rules: Eligibility, flags: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    """Unit by unit, what each rule of its level says of it: (level, unit, rule, value)."""
    found = []
    for level, unit, removing, unknown, _ in flags.sort("level", "unit_id").iter_rows():
        for order, rule in enumerate(rules.rules, start=1):
            if order in bits(unknown):
                found.append((level, unit, rule.id, "unknown"))
            elif rule.level == level:
                is_true = (order in bits(removing)) == (rule.kind == "exclude")
                found.append((level, unit, rule.id, "true" if is_true else "false"))
    return found


def broken_expectations(asset: str, frame: pl.DataFrame) -> list[str]:
    """Ids of the contract's row expectations that a frame breaks."""
    con = _engine()
    con.register("batch", frame.to_arrow())
    return [
        e.id
        for e in contracts.load()[asset].expectations
        if e.type == "unexpected_rows"
        and con.execute(e.kwargs["query"].replace("{batch}", "batch")).fetchall()
    ]
