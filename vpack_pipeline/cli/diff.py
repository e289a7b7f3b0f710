"""``vpack diff``: what differs between two packs, and what it can be due to.

It reads the packs alone and runs on the base install. What does not belong here: what differs
(``core.diff``), its words (``diff_words``).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.cli import diff_words as words
from vpack_pipeline.cli.html_file import write_html
from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.core.diff.causes import Basis, Comparison
from vpack_pipeline.core.diff.figures import Tables, pairs, shared_findings, verdicts
from vpack_pipeline.core.diff.pack_diff import PackDiff, PackSide
from vpack_pipeline.core.diff.protocol_fields import changed_fields
from vpack_pipeline.core.diff.strata import Incomparable, StratumPair, strata
from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format.opened import OpenedPack, open_pack
from vpack_pipeline.protocol import Protocol

OLDEST = 1
"""The oldest format that is compared."""


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--any", "any_protocol", is_flag=True, help="Compare what packs of two protocols share."
)
@click.option("--all", "everything", is_flag=True, help="Print figures that are the same, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every figure.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page to print, too."
)
def diff(
    a: Path, b: Path, *, any_protocol: bool, everything: bool, as_json: bool, html: Path | None
) -> None:
    """Say what differs between pack A and pack B, and what it can be due to.

    They may be of two sites, two data cuts or two versions of one protocol. Differences are B less
    A.
    """
    opened = tuple(_opened(path) for path in (a, b))
    if opened[0].summary.payload_digest == opened[1].summary.payload_digest:
        raise UsageError(Problem(str(b), f"is the same pack as {a}", "give two different packs"))
    protocols = tuple(_protocol(pack, path) for pack, path in zip(opened, (a, b), strict=True))
    _refuse_other_study(protocols, (a, b), any_protocol=any_protocol)
    found = _compared(opened, protocols)
    if html is not None:
        from vpack_pipeline.cli.diff_page import page

        write_html(html, page(found, everything=everything))
    if as_json:
        click.echo(json.dumps(_data(found), ensure_ascii=False, default=str))
    else:
        click.echo(words.text(found, everything=everything))


def _opened(path: Path) -> OpenedPack:
    """Open one of two packs; a problem with it says in which one it is.

    Raises
    ------
    UsageError
        It is no pack, or one of a newer vpack.
    VerificationError
        It is not whole, or its parts do not agree.
    """
    try:
        refuse_what_cannot_be_read(path)
        return open_pack(path, oldest=OLDEST)
    except (UsageError, VerificationError) as error:
        told = [p if p.where == str(path) else _of(path, p) for p in error.problems]
        raise type(error)(told) from None


def _of(path: Path, problem: Problem) -> Problem:
    return dataclasses.replace(problem, where=f"{path}: {problem.where}")


def _protocol(pack: OpenedPack, path: Path) -> dict[str, Any]:
    """Read a pack's protocol as today's fields say it.

    Raises
    ------
    UsageError
        This version cannot read it.
    """
    try:
        protocol = Protocol.of_pack(pack.protocol_file, pack.summary.format)
    except ValueError:
        what, remedy = "is no protocol that this version reads", "use the vpack that made the pack"
        raise UsageError(Problem(f"{path}: protocol.yaml", what, remedy)) from None
    return protocol.model_dump(mode="json")


def _refuse_other_study(
    protocols: tuple[dict[str, Any], ...], paths: tuple[Path, Path], *, any_protocol: bool
) -> None:
    """Refuse packs of two protocols, unless asked for; and such as share no finding.

    Raises
    ------
    UsageError
        They are, or do not.
    """
    a, b = protocols
    if a["id"] != b["id"] and not any_protocol:
        blocks = sorted({f.block for f in changed_fields(a, b) if not f.is_wording})
        what = f"is of protocol {b['id']}, and {paths[0]} of {a['id']}"
        what += f"; other values stand in {', '.join(blocks)}" if blocks else ""
        remedy = "give two packs of one protocol, or --any to compare the figures that both have"
        raise UsageError(Problem(str(paths[1]), what, remedy))
    if not shared_findings(a, b):
        first, second = (", ".join(f["name"] for f in p["findings"]) for p in protocols)
        what = f"has the findings {second}, and {paths[0]} has {first}"
        raise UsageError(Problem(str(paths[1]), what, "give two packs with a finding in common"))


def _compared(opened: tuple[OpenedPack, ...], protocols: tuple[dict[str, Any], ...]) -> PackDiff:
    bases = [_basis(pack, of) for pack, of in zip(opened, protocols, strict=True)]
    tables = [_tables(pack, of) for pack, of in zip(opened, protocols, strict=True)]
    comparison = Comparison(*bases)
    levels = list(strata(*tables))
    figures = list(pairs(*tables, is_same_site=comparison.is_same_site))
    judged = list(verdicts(*tables))
    compared = [s for s in levels if isinstance(s, StratumPair)]
    assets = {f.asset for f in figures} | {v.asset for v in judged}
    assets |= {s.pair.asset for s in compared}
    return PackDiff(
        a=_side(opened[0], protocols[0]),
        b=_side(opened[1], protocols[1]),
        is_same_site=comparison.is_same_site,
        ground=comparison.ground,
        n_tables=len(bases[0].receipts.keys() | bases[1].receipts.keys()),
        causes={asset: comparison.causes(asset) for asset in sorted(assets)},
        verdicts=tuple(judged),
        figures=tuple(figures),
        strata=tuple(compared),
        incomparable=tuple(s for s in levels if isinstance(s, Incomparable)),
    )


def _basis(pack: OpenedPack, protocol: dict[str, Any]) -> Basis:
    known = pack.documents
    site = known.plan["site"]
    return Basis(site, pack.summary.format, protocol, known.receipts, known.contracts)


def _tables(pack: OpenedPack, protocol: dict[str, Any]) -> Tables:
    exported = frozenset(pack.documents.exported)
    return Tables(protocol, lambda asset: pack.rows(asset) if asset in exported else (), pack.said)


def _side(pack: OpenedPack, protocol: dict[str, Any]) -> PackSide:
    summary = pack.summary
    return PackSide(
        summary.identifier,
        pack.documents.plan["site"],
        f"{protocol['id']}@{protocol['version']}",
        pack.documents.cut,
        summary.format,
        summary.digest,
        tuple(pack.synthetic),
    )


def _data(found: PackDiff) -> dict[str, Any]:
    """Give everything as plain data, with what follows from it: changed or not, attributed to."""
    made = dataclasses.asdict(found)
    made["differ"] = found.ground.differ
    for name in ("figures", "verdicts"):
        for data, one in zip(made[name], getattr(found, name), strict=True):
            data |= {"is_changed": one.is_changed}
    for data, one in zip(made["strata"], found.strata, strict=True):
        data["pair"] |= {"is_changed": one.pair.is_changed}
    for asset, causes in found.causes.items():
        made["causes"][asset] |= {"attributed": causes.attributed}
    for data, field in zip(made["ground"]["fields"], found.ground.fields, strict=True):
        data |= {"is_wording": field.is_wording}
    return made
