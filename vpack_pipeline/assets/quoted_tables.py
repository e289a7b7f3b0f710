"""A release that shows the tables about people of an earlier one, and everything else as it is.

Its report and checklist are made again from these tables together, and checked as any are. What
does not belong here: when tables have to be quoted (``release``), what the report says of it
(``report.quoting``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.publish import UNTRAVELLED, payload_of, read, travelling_receipts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.contracts.shapes import FIGURE
from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.gate import check
from vpack_pipeline.gate.causes import ancestors
from vpack_pipeline.gate.check import Checked
from vpack_pipeline.gate.receipts import Receipt, table_digest
from vpack_pipeline.io import packs
from vpack_pipeline.io.packs.csv_tables import from_csv
from vpack_pipeline.io.releases import Release
from vpack_pipeline.io.warehouse import TableFile, Warehouse
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.quoted import NAME, Quote, quotes_of, written

PRINTED_LEVELS: Final = "representativeness/levels"
"""Where it is decided in which levels people are described."""
IN_BANDS_OF_TIME: Final = "evaluation/study_times"
"""Describes people in bands that are no levels of the protocol."""
_FILES: Final = (
    "tables/{name}.csv",
    "tables/{name}.schema.json",
    "gates/{name}.receipt.json",
    "gates/{name}.contract.json",
)


def tables_about_people() -> list[str]:
    """List the tables that travel and describe people: in printed levels, or bands of time."""
    known, inputs = contracts.load(), benches.dependencies()
    return [
        asset
        for asset in contracts.exported(known, known)
        if {PRINTED_LEVELS, IN_BANDS_OF_TIME} & {asset, *ancestors(asset, inputs)}
    ]


@dataclass(frozen=True, slots=True)
class Quoted:
    """The tables about people of an earlier release.

    Attributes
    ----------
    release : the last one of the site
    files : its payload, by path
    quotes : each table, with the release that it was made for
    tables : those of them that a contract in force describes
    """

    release: Release
    files: Mapping[str, bytes]
    quotes: Mapping[str, Quote]
    tables: Mapping[str, pl.DataFrame]

    @classmethod
    def of(cls, pack: Path, release: Release) -> Self:
        """Read a release that is whole; a table that it quotes itself keeps its own release."""
        own = Quote(release.name, release.cut, release.digest)
        before = quotes_of(pack) or {}
        data, known = pack / bag.DATA, contracts.load()
        paths = [p for p in sorted(data.rglob("*")) if p.is_file()]
        files = {p.relative_to(data).as_posix(): p.read_bytes() for p in paths}
        tables = {}
        for asset in tables_about_people():
            content = files.get(_FILES[0].format(name=_name(asset)), b"")
            frame = from_csv(content, known[asset])
            if frame is not None:
                tables[asset] = frame
        quotes = {asset: before.get(asset, own) for asset in tables_about_people()}
        return cls(release, files, quotes, tables)

    def objection(self, tables: Mapping[str, pl.DataFrame]) -> str | None:
        """Say why these tables cannot stand among the others of a pack; None where they can.

        Parameters
        ----------
        tables : those in whose place they would stand
        """
        for asset in self.quotes:
            contract = contracts.load()[asset]
            if asset not in self.tables:
                return f"its {asset} has other columns than today's"
            if not _has_same_rows(self.tables[asset], tables[asset], contract):
                return f"its {asset} has rows of another protocol"
        return None


def quoted_payload(
    bench: Bench, found: Mapping[str, Receipt], tables: Mapping[str, pl.DataFrame], quoted: Quoted
) -> dict[str, bytes]:
    """Give every file of a release that shows quoted tables among its own.

    Parameters
    ----------
    tables : every table that travels, at the bench's cut

    Raises
    ------
    GateClosedError
        Report or checklist of these tables do not pass their check.
    """
    mixed = {**tables, **quoted.tables}
    receipts: dict[str, dict[str, Any]] = {
        r["asset"]: _receipt(quoted, r["asset"]) if r["asset"] in quoted.quotes else r
        for r in travelling_receipts(found)
    }
    report, receipts["pack/report"] = _made_again(bench, found, mixed, receipts, "pack/report")
    claim, receipts["pack/claim"] = _made_again(bench, found, mixed, receipts, "pack/claim")
    paths = [path.format(name=_name(asset)) for asset in quoted.quotes for path in _FILES]
    payload = payload_of(
        bench,
        mixed,
        report,
        claim,
        [receipt for asset, receipt in receipts.items() if asset not in UNTRAVELLED],
        quotes=quoted.quotes,
        in_place={path: quoted.files[path] for path in paths}
        | {NAME: written(bench.site_id, quoted.quotes)},
    )
    _checked(bench, packs.validation_pack(payload), contracts.load()[benches.LAST])
    return payload


def _has_same_rows(ours: pl.DataFrame, theirs: pl.DataFrame, contract: Contract) -> bool:
    """Say whether two tables have the rows that the protocol fixes: of figures all of them, unless
    they vary; of others what they are about, such as findings, variables or monitors."""
    if contract.shape == FIGURE and contract.rows_vary is None:
        return ours.select(contract.key).equals(theirs.select(contract.key))
    first = contract.key[0]
    then, now = set(ours[first]), set(theirs[first])
    return then <= now if contract.may_be_empty else then == now


def _made_again(
    bench: Bench,
    found: Mapping[str, Receipt],
    tables: Mapping[str, pl.DataFrame],
    receipts: Mapping[str, Mapping[str, Any]],
    asset: str,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Make a table of quoted ones, with a receipt that descends from theirs."""
    contract = contracts.load()[asset]
    frames = {
        name: tables[source] if source in tables else read(bench, found, source)
        for name, source in contract.inputs.items()
    }
    made = by_function.function_of(contract)(**frames, **by_function.blocks(bench.study, contract))
    frame = contracts.conform(made, contract)
    file, checks = _checked(bench, frame, contract)
    receipt = replace(
        found[asset],
        files=(file,),
        rows=file.rows,
        table_digest=table_digest([file], bench.edge.pseudonyms),
        inputs={name: str(receipts[name]["table_digest"]) for name in found[asset].inputs},
        checks=tuple(c.as_dict() for c in checks),
    )
    return frame, receipt.as_dict()


def _checked(
    bench: Bench, frame: pl.DataFrame, contract: Contract
) -> tuple[TableFile, list[Checked]]:
    """Check a table of this release as the gate checks that of a nightly pack.

    Raises
    ------
    GateClosedError
        An expectation that closes the gate failed.
    """
    frame = contracts.conform(frame, contract)
    with tempfile.TemporaryDirectory() as folder:
        drafts = Warehouse(Path(folder))
        file = drafts.write(frame, contract.asset, bench.site_id)
        paths = drafts.paths(contract.asset, bench.site_id, [file], "table")
        checks = check.run(contract, paths, file.rows)
    closing = [c.id for c in checks if c.closes]
    if closing:
        what = f"made with quoted tables, it does not pass {', '.join(closing)}"
        raise GateClosedError([Problem(contract.asset, what, "nothing was released")])
    return file, checks


def _receipt(quoted: Quoted, asset: str) -> dict[str, Any]:
    content = quoted.files[_FILES[2].format(name=_name(asset))]
    receipt: dict[str, Any] = json.loads(content)
    return receipt


def _name(asset: str) -> str:
    return asset.replace("/", ".")
