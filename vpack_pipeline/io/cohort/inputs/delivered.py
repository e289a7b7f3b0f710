"""What was delivered, and what was refused.

What does not belong here: what the rows say (``cases``, ``facts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.errors import DeliveryError, Problem
from vpack_pipeline.io import deliveries as folder
from vpack_pipeline.io.cohort.inputs.loading import kept_of, read_file
from vpack_pipeline.io.deliveries import DeliveredFile
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge
from vpack_pipeline.site import InputKind

PACKAGE_DATA: Final = ("contracts/cohort",)


def deliveries(*, edge: Edge) -> pl.DataFrame:
    """List the files that the cut counts; without a cut, that is the newest closed delivery's.

    The cut itself is no column: it would change the table, and what is made of it, every night.
    Every counted file that is new is read, so that one error names all that cannot be read as a
    whole; the tables of its kind take its rows from what is kept.

    Parameters
    ----------
    edge : ``cut`` as ``choose_cut`` fixed it, or None

    Raises
    ------
    DeliveryError
        A closed delivery was altered, holds an unknown file, or a file cannot be read; or no
        delivery counts.
    """
    closed = folder.look(edge)
    cut = edge.cut or folder.cut_for(closed, None)
    counted = folder.counted(closed, cut)
    by_kind: dict[InputKind, dict[str, DeliveredFile]] = {}
    for delivery in counted:
        for file in delivery.files:
            by_kind.setdefault(file.kind, {})[delivery.name] = file
    rows: list[dict[str, object]] = []
    problems: list[Problem] = []
    for kind, files in by_kind.items():
        counts = _count_rows(kind, edge, {n: f.sha256 for n, f in files.items()}, problems)
        rows += [
            {
                "delivery": name,
                "kind": kind,
                "delivered_on": folder.moment(name)[0],
                "mode": edge.site.inputs[kind].mode,
                "sha256": files[name].sha256,
                "bytes": files[name].bytes,
                "rows": n_rows,
            }
            for name, n_rows in counts.items()
        ]
    if problems:
        raise DeliveryError(sorted(problems, key=lambda p: p.where))
    folder.note(edge, counted)
    contract = contracts.load()["cohort/deliveries"]
    return contracts.conform(pl.DataFrame(rows, schema=contract.polars_schema), contract)


def _count_rows(
    kind: InputKind, edge: Edge, files: Mapping[str, str], problems: list[Problem]
) -> dict[str, int]:
    """Count the rows of each delivered file of a kind; one that is new is read, and kept.

    Parameters
    ----------
    files : delivery → digest of its file
    problems : of files that cannot be read as a whole, to which new ones are added
    """
    kept = kept_of(kind, edge)
    counts = kept.counts(files)
    read: dict[str, pl.DataFrame] = {}
    for name in [name for name in files if name not in counts]:
        try:
            read[name] = read_file(kind, edge, name, files[name])
        except DeliveryError as error:
            problems += [p for p in error.problems if p not in problems]
    kept.keep(files, read)
    return counts | {name: rows.height for name, rows in read.items()}


def quarantine(*, edge: Edge, parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Unite what the loaders could not take.

    Parameters
    ----------
    parts : table → its quarantine part
    """
    del edge
    empty = pl.DataFrame(schema=QUARANTINE_SCHEMA)
    united = pl.concat([empty, *(parts[name] for name in sorted(parts))])
    return contracts.conform(united, contracts.load()["cohort/quarantine"])
