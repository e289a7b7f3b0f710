"""What was delivered, what was refused, and which spelling would have matched.

What does not belong here: what the rows say (``cases``, ``facts``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.errors import DeliveryError, Problem
from vpack_pipeline.io import deliveries as folder
from vpack_pipeline.io.cohort.inputs.loading import read_forms
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge
from vpack_pipeline.io.forms import Hint, normalisation_hint, plain_text, read_form
from vpack_pipeline.site import InputKind

PACKAGE_DATA: Final = ("contracts/cohort",)

_CASE_KINDS: Final[tuple[InputKind, ...]] = ("case_studies", "reads", "reference", "predictions")
_STUDY_KINDS: Final[tuple[InputKind, ...]] = ("cases", "case_studies", "operations")


def deliveries(*, edge: Edge) -> pl.DataFrame:
    """List the files that the cut counts; without a cut, that is the newest closed delivery's.

    The cut itself is no column: it would change the table, and what is made of it, every night.
    Every counted file is opened, so that one error names all that cannot be read as a whole.

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
    problems: list[Problem] = []
    rows: list[dict[str, object]] = []
    counted = folder.counted(closed, cut)
    for delivery in counted:
        for file in delivery.files:
            written = edge.site.inputs[file.kind]
            where = f"{delivery.name}/{written.file}"
            try:
                form = read_form(file.path, where, file.kind, written, edge.protocol)
            except DeliveryError as error:
                problems += [p for p in error.problems if p not in problems]
                continue
            rows.append(
                {
                    "delivery": delivery.name,
                    "kind": file.kind,
                    "delivered_on": delivery.delivered_on,
                    "mode": written.mode,
                    "sha256": file.sha256,
                    "bytes": file.bytes,
                    "rows": form.rows,
                }
            )
    if problems:
        raise DeliveryError(problems)
    folder.note(edge, counted)
    contract = contracts.load()["cohort/deliveries"]
    return contracts.conform(pl.DataFrame(rows, schema=contract.polars_schema), contract)


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


def normalisation_hints(
    *,
    edge: Edge,
    deliveries: pl.DataFrame,
    studies: pl.DataFrame,
    cases: pl.DataFrame,
    readers: pl.DataFrame,
) -> dict[str, Hint]:
    """Say for each column of identifiers whether padding or case is why some match nothing.

    Returns
    -------
    ``kind.column`` → counts of distinct identifiers; only columns where some match nothing
    """
    ids = edge.pseudonyms
    accessions = set(studies["accession_id"].drop_nulls())
    known_studies = set(studies["study_id"]) | accessions
    found = {
        "reads.reader_id": _hint(
            edge, deliveries, ("reads", "reader_id"), set(readers["reader_id"]), [ids.reader]
        )
    }
    for kind in _CASE_KINDS:
        found[f"{kind}.case_id"] = _hint(
            edge, deliveries, (kind, "case_id"), set(cases["case_id"]), [ids.case]
        )
    for kind in _STUDY_KINDS:
        found[f"{kind}.study"] = _hint(
            edge, deliveries, (kind, "study"), known_studies, [ids.study, ids.accession]
        )
    return {name: hint for name, hint in found.items() if hint.unmatched}


def _hint(
    edge: Edge,
    deliveries: pl.DataFrame,
    column: tuple[InputKind, str],
    known: set[str],
    pseudonyms: Iterable[Callable[[str], str]],
) -> Hint:
    kind, name = column
    values: set[str] = set()
    for _, written, form in read_forms(kind, edge, deliveries):
        values.update(plain_text(form, name, written).drop_nulls())
    makers = tuple(pseudonyms)

    def either(value: str) -> str:
        made = [make(value) for make in makers]
        return next((m for m in made if m in known), made[0])

    return normalisation_hint(values, known=known, pseudonym=either)
