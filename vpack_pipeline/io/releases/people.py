"""Whom a release describes, kept at the site: one private file a release.

It is row-level: it lies in the site's state, is named by its digest in the ledger, and never
travels. What does not belong here: what is compared (``core.pack.group_changes``).
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Final

import polars as pl

from vpack_pipeline.core.pack.described_groups import DescribedPeople, DescribedVariable
from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.io import private
from vpack_pipeline.io.warehouse import write_durably

_META: Final = "vpack"
_LEVEL, _SET = "level", "set"
REMEDY: Final = "restore data/state from a backup: without it nothing can be released"


def write_people(folder: Path, release: str, people: DescribedPeople) -> str:
    """Write the people of a release; give the digest of the file."""
    frame = people.cases
    variables = []
    for number, variable in enumerate(people.variables):
        columns = [_column([variable.levels.get(c) for c in frame["case_id"]], f"{_LEVEL}{number}")]
        for place, ids in enumerate(variable.sets.values()):
            name = f"{_SET}{number}.{place}"
            columns.append(frame["case_id"].is_in(list(ids)).alias(name))
        frame = frame.with_columns(columns)
        variables.append(
            {
                "name": variable.name,
                "printed": dict(variable.printed),
                "sets": list(variable.sets),
                "persons": dict(variable.persons),
            }
        )
    told = json.dumps({"smallest": people.smallest, "variables": variables}, ensure_ascii=False)
    made = io.BytesIO()
    frame.write_parquet(made, compression="zstd", metadata={_META: told})
    content = made.getvalue()
    write_durably(_path(folder, release), content, private.FILE)
    return hashlib.sha256(content).hexdigest()


def read_people(folder: Path, release: str, sha256: str) -> DescribedPeople:
    """Read the people of a release.

    Raises
    ------
    VerificationError
        The file is missing, or not the one that the ledger names.
    """
    path = _path(folder, release)
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        what = "whom this release describes is missing or was changed"
        raise VerificationError([Problem(path.name, what, REMEDY)])
    told = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_META])
    frame = pl.read_parquet(io.BytesIO(content))
    variables = []
    for number, said in enumerate(told["variables"]):
        known = frame.filter(pl.col(f"{_LEVEL}{number}").is_not_null())
        sets = {
            name: frozenset(frame.filter(pl.col(f"{_SET}{number}.{place}"))["case_id"])
            for place, name in enumerate(said["sets"])
        }
        levels = dict(known.select("case_id", f"{_LEVEL}{number}").iter_rows())
        variables.append(
            DescribedVariable(said["name"], said["printed"], levels, sets, said["persons"])
        )
    cases = frame.select("case_id", "patient_id", "index_date")
    return DescribedPeople(cases, tuple(variables), told["smallest"])


def _column(values: list[str | None], name: str) -> pl.Series:
    return pl.Series(name, values, dtype=pl.String)


def _path(folder: Path, release: str) -> Path:
    return folder / f"{release}.people.parquet"
