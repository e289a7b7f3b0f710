"""Which rows of a file are wrong whatever other tables hold: what can be said before a build.

It is the build's own reading, up to the point where another table is needed. What does not belong
here: keys that match nothing in another table (the loaders), and how a fault is told (``cli``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.core.target import read_target
from vpack_pipeline.io.cohort.inputs.form_rows import form_rows
from vpack_pipeline.io.cohort.inputs.loading import refuse_duplicates
from vpack_pipeline.io.forms import AS_UID, Form
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import InputForm, InputKind

_STUDY: Final = "study" + AS_UID
_KEYS: Final[Mapping[InputKind, tuple[str, ...]]] = {
    "cases": ("case_id",),
    "case_studies": ("case_id", _STUDY, "arm"),
    "readers": ("reader_id",),
    "reads": ("reader_id", "case_id", "finding", "arm", "session"),
    "reference": ("case_id", "finding", "source"),
    "predictions": ("case_id", "finding", "model_id", "attempt"),
    "development": ("patient_id", _STUDY, "used_for"),
    "operations": (_STUDY,),
    "error_review": ("case_id", "finding"),
    "population": ("cell",),
    "patient_map": ("patient_id",),
}
_REVISIONS: Final[Mapping[InputKind, str]] = {
    "reads": "read_at",
    "reference": "established_at",
    "error_review": "reviewed_at",
}


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of one file: pseudonymous, with ``reason`` and ``field`` where one is wrong.

    ``key``: the columns that say which fact a row states.
    """

    rows: pl.DataFrame
    key: tuple[str, ...]

    @property
    def faults(self) -> pl.DataFrame:
        """The wrong rows, in the order of the file."""
        return self.rows.filter(pl.col("reason").is_not_null())


def rows_alone(
    kind: InputKind,
    form: Form,
    written: InputForm,
    protocol: Protocol,
    pseudonyms: Pseudonyms,
    delivered_on: date,
) -> FileRows:
    """Read the rows of one file as a build does, and refuse those that no other table can save.

    Raises
    ------
    InputError
        Margins and joint cells of a whole population do not agree.
    """
    rows = form_rows(kind, form, written, protocol, pseudonyms, delivered_on)
    rows = rows.with_columns(pl.lit("").alias("delivery"))
    key = _KEYS[kind]
    table = contracts.load()[f"cohort/{kind}"].polars_schema
    named = {*table, *key} - {"delivery", "line"}
    content = [c for c in rows.columns if c in named]
    found = FileRows(refuse_duplicates(rows, content, key, _REVISIONS.get(kind)), key)
    if kind == "population" and written.mode == "full" and found.faults.is_empty():
        whole = found.rows.with_columns(pl.lit(True).alias("in_force"))
        read_target(whole, protocol.representativeness.variables)
    return found


def still_wrong(files: Sequence[FileRows]) -> list[pl.DataFrame]:
    """Give the wrong rows of each file, without those whose fact a later file states soundly.

    Parameters
    ----------
    files : of one kind, oldest first
    """
    found: list[pl.DataFrame] = []
    later: list[pl.DataFrame] = []
    for file in reversed(files):
        faults = file.faults
        if later:
            faults = faults.join(pl.concat(later), on=list(file.key), how="anti")
        found.append(faults.sort("line", maintain_order=True))
        later.append(file.rows.filter(pl.col("reason").is_null()).select(file.key))
    return found[::-1]
