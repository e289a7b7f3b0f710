"""A whole pack, opened to be read: its protocol and its tables with their types.

What a reviewer's commands that compute something share. What does not belong here: whether a pack
is whole and agrees with itself (``verification``), which rows matter (the commands).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format import cells, codes, documents, statements, tables, verification
from vpack_pipeline.pack_format.agreement import FIGURES_SINCE, PROTOCOL_SINCE, TABLES_SINCE
from vpack_pipeline.pack_format.codes import Sentences
from vpack_pipeline.pack_format.contents import Contents
from vpack_pipeline.pack_format.documents import Documents
from vpack_pipeline.pack_format.figures import Figure, by_anchor
from vpack_pipeline.pack_format.verification import Summary


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A pack that was found whole, whose parts agree."""

    summary: Summary
    documents: Documents
    _contents: Contents

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The protocol that travels, as plain data."""
        return self.documents.protocol

    @property
    def synthetic(self) -> Sequence[str]:
        """What of the pack was made up, as the site says; empty where nothing was."""
        return self.documents.claim.get("synthetic") or ()

    @property
    def page(self) -> str:
        """The report, as HTML, in which every figure has its anchor."""
        return by_anchor(self._contents.text(documents.REPORT), self.figures)

    @property
    def sentences(self) -> Sentences:
        """What the codes of the pack say."""
        return self._contents.sentences

    @property
    def figures(self) -> list[Figure]:
        """The figures that the report prints.

        Raises
        ------
        UsageError
            The pack does not list them: an earlier version of vpack made it.
        """
        if self.summary.format < FIGURES_SINCE:
            what = f"is of format {self.summary.format}, which does not list its figures"
            remedy = "ask the site for a pack that this version of vpack has built"
            raise UsageError(Problem(self.summary.identifier, what, remedy))
        return statements.read_figures(self._contents)

    @property
    def protocol_file(self) -> bytes:
        """The protocol that travels, as it is written."""
        return self._contents.raw(documents.PROTOCOL)

    def said(self, row: Mapping[str, Any]) -> str:
        """Write why a row has no figure; empty where it does not say."""
        if self.summary.format < TABLES_SINCE:
            return row.get("reason") or ""
        return self.sentences(row.get("reason"), row.get(codes.DETAIL))

    def rows(self, asset: str) -> tuple[Mapping[str, Any], ...]:
        """Give the rows of an exported table, in its order.

        Raises
        ------
        UsageError
            The pack has no such table: an earlier version of vpack made it.
        """
        if asset not in self.documents.exported:
            what = f"has no table {asset}, since an earlier version made it"
            remedy = "ask the site for a pack that this version of vpack has built"
            raise UsageError(Problem(self.summary.identifier, what, remedy))
        if self.summary.format < TABLES_SINCE:
            # What was hidden then is null, whatever the contract says.
            columns = {c["name"]: c["type"] for c in self.documents.contracts[asset]["columns"]}
            return tuple(cells.read_rows(self._contents.text(documents.table_of(asset)), columns))
        table, problems = tables.read_table(self._contents, self.documents, asset)
        if problems:
            raise VerificationError(problems)
        return table.rows


def open_pack(path: Path, *, oldest: int = PROTOCOL_SINCE) -> OpenedPack:
    """Open a pack, once everything that ``vpack verify`` asks of it holds.

    Parameters
    ----------
    oldest : the oldest format that is opened

    Raises
    ------
    VerificationError
        It is not whole, or its parts do not agree.
    UsageError
        Its format is older than that.
    """
    path = path.resolve()
    problems = verification.verify(path)
    if problems:
        raise VerificationError(problems)
    summary = verification.summary(path)
    if summary.format < oldest:
        what = f"is of format {summary.format}, whose tables are not read by themselves"
        remedy = "ask the site for a pack that this version of vpack has built"
        raise UsageError(Problem(summary.identifier, what, remedy))
    contents = Contents(path, frozenset(verification.payload(path)))
    return OpenedPack(summary, documents.read(contents), contents)
