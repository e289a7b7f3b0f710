"""How many accession numbers are missing before that of each study, where a site numbers its own.

The numbers themselves leave the scanner's private state in no table: gaps do. What does not belong
here: what a gap says of the set (``core.evaluation.integrity``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.io.cohort.images import parsed_headers
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import Pseudonyms

_NUMBER = ["accession_series", "accession_place"]
_RUN = ["accession_series", "block"]


def accession_gaps(*, edge: Edge, files: pl.LazyFrame) -> pl.DataFrame:
    """Give the gap before each study's accession number, among those of the archive.

    Numbers run on within what precedes their running digits. The first of a run has no gap; of
    studies of one number, one has it. A study whose images state several numbers has none.

    Parameters
    ----------
    edge : gives the scanner's state and ``site.accession_numbers``; empty unless it says ``own``
    files : cohort/files

    Returns
    -------
    one row per study that has a number: ``study_id``, ``n_numbers_missing``

    Raises
    ------
    InputError
        The scanner's state no longer holds the header of a file.
    """
    said = edge.site.accession_numbers
    nothing = pl.DataFrame(schema={"study_id": pl.String, "n_numbers_missing": pl.Int64})
    if said is None or said.numbering != "own":
        return nothing
    rows = parsed_headers(edge, files).filter(pl.col("accession_place").is_not_null())
    found = rows.select("study_id", *_NUMBER).unique().collect(engine="streaming")
    of_study = found.filter(pl.len().over("study_id") == 1)
    numbered = _numbered(of_study, edge.pseudonyms, said.running_digits)
    one = numbered.sort("study_id").unique([*_RUN, "number"], keep="first", maintain_order=True)
    before = pl.col("number").shift(1).over(_RUN, order_by="number")
    gaps = one.with_columns((pl.col("number") - before - 1).alias("n_numbers_missing"))
    made = numbered.join(gaps.select("study_id", "n_numbers_missing"), on="study_id", how="left")
    # Another study of the same number follows it without a gap.
    is_repeated = ~pl.col("study_id").is_in(one["study_id"].implode())
    missing = pl.when(is_repeated).then(0).otherwise("n_numbers_missing")
    return made.select("study_id", missing.alias("n_numbers_missing")).sort("study_id")


def _numbered(
    of_study: pl.DataFrame, pseudonyms: Pseudonyms, running_digits: int | None
) -> pl.DataFrame:
    """Take the shift of each series back, and part the running digits from what precedes them."""
    series = of_study["accession_series"].unique()
    shifts = pl.DataFrame(
        {
            "accession_series": series,
            "shift": pl.Series([pseudonyms.accession_shift(s) for s in series], dtype=pl.Int64),
        }
    )
    number = pl.col("accession_place") - pl.col("shift")
    base = 10**running_digits if running_digits else 10**18
    return of_study.join(shifts, on="accession_series").select(
        "study_id",
        "accession_series",
        (number // base).alias("block"),
        (number % base).alias("number"),
    )
