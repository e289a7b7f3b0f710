"""The bench of a run: one site of one study at one cut, its tables' receipts and their order.

No Dagster here. What does not belong here: making a table (``materialize``), a pack (``publish``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from vpack_pipeline import contracts
from vpack_pipeline.errors import ContractError, GateClosedError, Problem, SecretError
from vpack_pipeline.gate import receipts
from vpack_pipeline.gate.receipts import Receipt, table_digest
from vpack_pipeline.io import models
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.warehouse import Warehouse, cut_order, digest_file
from vpack_pipeline.study import Study

FIRST = "cohort/deliveries"
LAST = "pack/validation_pack"
GENERATED_INPUTS = frozenset({"eligibility/patients", "eligibility/studies", "eligibility/cases"})


@dataclass(frozen=True, slots=True)
class Bench:
    """What the tables of one run share: the study, the cut, the warehouse, the edge."""

    study: Study
    edge: Edge
    warehouse: Warehouse
    project: ProjectFolder

    @property
    def site_id(self) -> str:
        """The partition."""
        return self.study.site.site_id

    @property
    def cut(self) -> str:
        """The data cut."""
        if self.edge.cut is None:
            raise ValueError("the cut is not fixed yet")
        return self.edge.cut

    def receipt(self, asset: str) -> Receipt | None:
        """Read a receipt of this site and cut.

        Raises
        ------
        GateClosedError
            It is damaged, or of another version.
        """
        data = self.warehouse.read_receipt(asset, self.site_id, self.cut)
        return None if data is None else receipts.read(data, asset)

    def sound_receipt(self, asset: str, cut: str) -> Receipt | None:
        """Read a receipt that is this table's and site's own; None where there is none such."""
        try:
            data = self.warehouse.read_receipt(asset, self.site_id, cut)
            found = None if data is None else receipts.read(data, asset)
        except GateClosedError:
            return None
        is_of_cut = found is not None and found.cut == cut
        return found if found is not None and is_of_cut and is_own(self, found, asset) else None


@functools.cache
def dependencies() -> Mapping[str, frozenset[str]]:
    """Give every table's inputs: from its SQL, or from its contract.

    Raises
    ------
    ContractError
        A table is computed nowhere or twice, an input is missing, or tables form a cycle.
    """
    sql = models.load()
    found: dict[str, frozenset[str]] = {}
    problems = [f"dbt_like_sql/{a}.sql has no contract" for a in sql if a not in contracts.load()]
    for asset, contract in contracts.load().items():
        is_model = contract.computed_by == "sql"
        if is_model != (asset in sql):
            problems.append(f"{asset}: computed_by is {contract.computed_by}, which is not so")
            continue
        if is_model:
            found[asset] = sql[asset].inputs
        elif contract.computed_by == "generated":
            found[asset] = GENERATED_INPUTS
        else:
            found[asset] = frozenset(contract.inputs.values())
    if problems:
        raise ContractError("\n".join(problems))
    contracts.order(found)
    return found


def open_bench(project: ProjectFolder, site_id: str, cut: str | None) -> Bench:
    """Load what the tables of one run share.

    Raises
    ------
    SecretError
        Earlier tables of this site were made with another secret.
    """
    loaded = project.study(site_id)
    edge = project.edge(loaded, cut)
    warehouse = project.warehouse
    for data in warehouse.receipts(FIRST, site_id).values():
        is_own = data.get("site") == site_id
        if is_own and data.get("secret") != edge.pseudonyms.fingerprint:
            raise SecretError(
                Problem(
                    f"site {site_id}",
                    "this is not the secret that made the earlier tables",
                    "restore the old secret, or start a new site folder",
                )
            )
    return Bench(loaded, edge, warehouse, project)


def newest_cut(project: ProjectFolder, site_id: str) -> str:
    """Find the highest cut that the first table has a receipt for.

    Raises
    ------
    GateClosedError
        There is none.
    """
    cuts = project.warehouse.receipts(FIRST, site_id)
    if not cuts:
        raise GateClosedError([Problem(FIRST, "there is no receipt yet", f"materialize {FIRST}")])
    return max(cuts, key=cut_order)


def upstream(bench: Bench, asset: str) -> Receipt:
    """Give the receipt of an input, after its files were compared with it.

    Raises
    ------
    GateClosedError
        No receipt, not passed, or changed files.
    """
    receipt = bench.receipt(asset)
    remedy = f"materialize {asset} first"
    if receipt is None:
        what = f"there is no receipt at the cut {bench.cut}"
        raise GateClosedError([Problem(asset, what, remedy)])
    if not receipt.passed:
        raise GateClosedError([Problem(asset, "its check did not pass", remedy)])
    if not is_own(bench, receipt, asset) or receipt.cut != bench.cut:
        what = "its receipt belongs to another table, site or cut, or was edited"
        raise GateClosedError([Problem(asset, what, remedy)])
    if not is_whole(bench, receipt):
        raise GateClosedError([Problem(asset, "its files were changed after the check", remedy)])
    return receipt


def is_own(bench: Bench, receipt: Receipt, asset: str) -> bool:
    """Tell whether a receipt is this table's and site's, and was signed by the site's secret."""
    is_named = (receipt.asset, receipt.site) == (asset, bench.site_id)
    return is_named and receipt.is_authentic(bench.edge.pseudonyms)


def is_whole(bench: Bench, receipt: Receipt) -> bool:
    """Tell whether a receipt's files lie there as they were checked."""
    folder = bench.warehouse.folder(receipt.asset, receipt.site)
    digest = table_digest(receipt.files, bench.edge.pseudonyms)
    return digest == receipt.table_digest and all(
        (folder / f.name).is_file() and digest_file(folder / f.name) == f.sha256
        for f in receipt.files
    )
