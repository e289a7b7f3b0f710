"""The cases of an analysis set by number, so that text is compared once and not at every look-up.

Most tables have a row for every case, in order of their pseudonyms: of these a case's row is its
number. What does not belong here: which cases count (``analysis``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.stats.estimate import IntArray

ABSENT: Final = -1


class CaseIndex:
    """Cases numbered from 0 in order of their pseudonyms.

    Parameters
    ----------
    case_id : their pseudonyms, with or without repeats, in any order

    Attributes
    ----------
    case_id : their pseudonyms, each once
    """

    def __init__(self, case_id: pl.Series) -> None:
        ordered = case_id if case_id.is_sorted() else case_id.sort()
        self.case_id = ordered.filter(ordered.ne_missing(ordered.shift()))
        self._own_rows = np.arange(self.case_id.len())

    def rows_of(self, case_id: pl.Series) -> IntArray:
        """Say where each case stands among some pseudonyms; ``ABSENT`` where it does not.

        Parameters
        ----------
        case_id : each pseudonym once, or each number
        """
        if case_id.dtype.is_integer():
            rows = np.full(self.case_id.len(), ABSENT)
            rows[case_id.to_numpy()] = np.arange(case_id.len())
            return rows
        if case_id.equals(self.case_id):
            return self._own_rows
        known = case_id.alias("case_id").to_frame().with_row_index("row")
        cases = self.case_id.alias("case_id").to_frame()
        found = cases.join(known, on="case_id", how="left", maintain_order="left")["row"]
        return found.cast(pl.Int64).fill_null(ABSENT).to_numpy()

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows of these cases, in their order, with its number as a case's ``case_id``."""
        numbers = self.case_id.alias("case_id").to_frame().with_row_index("case")
        found = frame.join(numbers, on="case_id", maintain_order="left")
        return found.with_columns(pl.col("case").alias("case_id")).drop("case")


def look_up(values: pl.Series, rows: IntArray) -> pl.Series:
    """Give the value in each row of a column; null where the row is ``ABSENT``."""
    at = pl.Series(rows)
    return values.gather(at.set(at == ABSENT, None) if (rows == ABSENT).any() else at)
