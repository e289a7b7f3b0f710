"""Tells which rows of a file a build would refuse: positions, columns and reasons, never a cell.

What does not belong here: how a row is judged (``io.cohort.inputs``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import polars as pl

from vpack_pipeline.errors import Problem
from vpack_pipeline.io.forms import REASONS
from vpack_pipeline.io.identity import MINIMUM_SECRET_BYTES, Pseudonyms
from vpack_pipeline.site import Site

NAMED: Final = 5
"""So many positions are named for one reason in one column; the rest is counted."""

_REMEDIES: Final = {"DUPLICATE_ROW": "export each row once"}
"""What is to be done where a file can still be mended, if it differs from afterwards."""


def passing_pseudonyms(site: Site) -> Pseudonyms:
    """Make pseudonyms of a secret that is thrown away: rows can be compared, and nothing kept."""
    return Pseudonyms(secrets.token_bytes(MINIMUM_SECRET_BYTES), site.identifiers, site.issuer)


def row_problems(where: str, faults: pl.DataFrame) -> list[Problem]:
    """Say what is wrong with the rows of one file: one problem for each reason and column.

    Parameters
    ----------
    where : the file, as errors call it
    faults : ``line``, ``finding_cell``, ``field`` and ``reason`` of each wrong row
    """
    kinds: dict[tuple[str, str | None, str | None], list[int]] = {}
    columns = faults.select("reason", "field", "finding_cell", "line")
    for reason, field, finding, line in columns.iter_rows():
        kinds.setdefault((reason, field, finding), []).append(line)
    return [
        Problem(
            f"{where} {_rows(lines)}{_column(field, finding)}",
            f"{reason}, {REASONS[reason].what}",
            _REMEDIES.get(reason, REASONS[reason].remedy),
        )
        for (reason, field, finding), lines in kinds.items()
    ]


def _rows(lines: Sequence[int]) -> str:
    """Number data rows as the quarantine does: from 1, the header and blank lines not counted."""
    named = ", ".join(str(n) for n in lines[:NAMED])
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return f"data row{'s' * (len(lines) > 1)} {named}{more}"


def _column(field: str | None, finding: str | None) -> str:
    if field is None:
        return ""
    return f", {field}" if finding is None else f", {field} of {finding}"
