"""Splits a large table into one bucket a month, without ever holding the table in memory.

A night's new studies lie in few months, so that few files of a bucketed table change. What does
not belong here: which tables are bucketed (``contracts``), what a file is called (``warehouse``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

ONE_FILE: Final = 50_000
"""So many rows are one bucket, whatever their months: many small files cost more than they save."""
YEARS: Final = (1980, 2079)
"""What is dated outside, by mistake or with intent, must not make a file for each of its months."""
UNDATED: Final = "undated"
_LENGTH: Final = 8


def split(frame: pl.LazyFrame, column: str, folder: Path) -> Iterator[pl.DataFrame]:
    """Give the rows of one month after the other, in no order within it.

    Parameters
    ----------
    frame : read once, batch by batch
    column : a date
    folder : empty; takes the rows while they are sorted into months

    Yields
    ------
    one frame a month that has rows, oldest first; at last the rows that are undated or dated
    outside :data:`YEARS`. A table of at most :data:`ONE_FILE` rows is given whole
    """
    month = pl.col(column).dt.strftime("%Y-%m")
    is_dated = pl.col(column).dt.year().is_between(*YEARS)
    bucket = pl.when(is_dated).then(month).otherwise(pl.lit(UNDATED))
    batches = frame.with_columns(_bucket=bucket).collect_batches(
        chunk_size=ONE_FILE, maintain_order=False, engine="streaming"
    )
    held: list[pl.DataFrame] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.height
        if rows > ONE_FILE:
            _sort_in(held, folder)
            held.clear()
    if rows <= ONE_FILE:
        yield pl.concat([frame.collect_schema().to_frame(), *(b.drop("_bucket") for b in held)])
    for path in sorted(folder.iterdir()):
        yield _read(path)
        path.unlink()


def _sort_in(batches: list[pl.DataFrame], folder: Path) -> None:
    """Append each month's rows to its file, each part after its length."""
    for batch in batches:
        parts = batch.partition_by("_bucket", include_key=False, as_dict=True)
        for (bucket,), part in parts.items():
            data = part.write_ipc_stream(None, compression="lz4").getbuffer()
            with (folder / str(bucket)).open("ab") as file:
                file.write(data.nbytes.to_bytes(_LENGTH, "little"))
                file.write(data)


def _read(path: Path) -> pl.DataFrame:
    parts = []
    with path.open("rb") as file:
        while length := file.read(_LENGTH):
            parts.append(pl.read_ipc_stream(file.read(int.from_bytes(length, "little"))))
    return pl.concat(parts)
