"""The sample study as the report takes it: tables, receipts, a rendered page."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets.publish import UNTRAVELLED
from vpack_pipeline.contracts import codes
from vpack_pipeline.core.pack.claim import claim
from vpack_pipeline.core.pack.report import report
from vpack_pipeline.gate.suite import plan
from vpack_pipeline.report.rendering import render
from vpack_pipeline.stats.codes import Code, coded


def arguments(made: SimpleNamespace, asset: str) -> dict:
    contract = contracts.load()[asset]
    blocks = {name: getattr(made.protocol, name) for name in contract.protocol}
    blocks |= {name: getattr(made.site, name) for name in contract.site}
    return {name: made.tables[source] for name, source in contract.inputs.items()} | blocks


def complete(made: SimpleNamespace) -> SimpleNamespace:
    known = contracts.load()
    for name, function in (("report", report), ("claim", claim)):
        asset = f"pack/{name}"
        setattr(made, name, contracts.conform(function(**arguments(made, asset)), known[asset]))
    made.receipts = [receipt(asset, made) for asset in known if asset not in UNTRAVELLED]
    return made


def receipt(asset: str, made: SimpleNamespace) -> dict:
    """Give the receipt of a table that passed, one of whose warnings found something."""
    contract = contracts.load()[asset]
    check = {"outcome": "pass", "closes": False, "element_count": 7, "unexpected_count": 0}
    checks = [
        {"id": p.id, "type": p.type, "severity": p.severity, "why": p.why, **check}
        for p in plan(contract)
    ]
    if checks[-1]["severity"] == "warning":
        checks[-1]["outcome"] = "fail"
    return {
        "format": 1,
        "asset": asset,
        "site": "lakeside",
        "protocol": made.protocol.reference,
        "protocol_digest": made.protocol.digest,
        "cut": made.cut,
        "files": [{"sha256": "a" * 64, "role": "table", "rows": 7, "bytes": 9}],
        "rows": made.tables[asset].height if asset in made.tables else 7,
        "quarantined": 0,
        "table_digest": "b" * 64,
        "compute": "c" * 64,
        "check": "e" * 64,
        "words": "",
        "fingerprint": "f" * 64,
        "secret": "s",
        "normalisation": "1",
        "inputs": dict.fromkeys(contract.inputs.values(), "b" * 64),
        "outcome": "pass",
        "checks": checks,
        "mac": "m",
    }


def rendered(made: SimpleNamespace, **other) -> str:
    given = {
        "report": made.report,
        "claim": made.claim,
        "protocol": made.protocol,
        "site": made.site,
        "receipts": made.receipts,
        "cut": made.cut,
    }
    return render(**(given | other)).decode()


def retold(report: pl.DataFrame, asset: str, key: dict, **texts: str) -> pl.DataFrame:
    """Print other texts in the cells of the rows whose key holds these values."""
    is_row = _is_row(report, asset, key)
    told = pl.col("text")
    for column, text in texts.items():
        is_cell = is_row & (pl.col("column") == column)
        assert report.filter(is_cell).height, (asset, key, column)
        told = pl.when(is_cell).then(pl.lit(text)).otherwise(told)
    return report.with_columns(told.alias("text"))


def recoded(report: pl.DataFrame, asset: str, key: dict, **said: Code | None) -> pl.DataFrame:
    """Print another code, or none, in the cells of the rows whose key holds these values."""
    for column, code in said.items():
        found = coded(code)
        cell = codes.cell(found)
        written = codes.sentences(cell, codes.detail(found))
        is_cell = _is_row(report, asset, key) & (pl.col("column") == column)
        told = pl.when(is_cell).then(pl.lit(cell)).otherwise("codes")
        report = retold(report, asset, key, **{column: written}).with_columns(told.alias("codes"))
    return report


def _is_row(report: pl.DataFrame, asset: str, key: dict) -> pl.Expr:
    known = report.filter(pl.col("asset") == asset)["row_key"].unique()
    meant = [k for k in known if key.items() <= json.loads(k).items()]
    return (pl.col("asset") == asset) & pl.col("row_key").is_in(meant)


def words_of(markup: str) -> str:
    """The words that a reader sees."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def chapter(page: str, *names: str) -> str:
    """The markup of chapters or appendices, by their ids."""
    return "".join(_section(page, name) for name in names)


def _section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}"')
    return page[start : page.index("</section>", start)]
