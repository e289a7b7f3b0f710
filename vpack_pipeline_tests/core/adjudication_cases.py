"""Cohort tables for tests of section adjudication, built from a few words."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.contracts.shapes import CODES
from vpack_pipeline.core.printed_words import ROSTER
from vpack_pipeline.protocol import Adjudication, Category, Evaluation, Finding

INDEX_DATE = datetime.date(2025, 1, 1)
WHEN = datetime.datetime(2025, 1, 2, 8, tzinfo=datetime.UTC)
TIME = pl.Datetime("us", "UTC")
RATINGS = {"+": 5.0, "-": 1.0, "?": 3.0}

READS = {
    "reader_id": pl.String,
    "case_id": pl.String,
    "finding": pl.String,
    "arm": pl.String,
    "session": pl.Int64,
    "purpose": pl.String,
    "role": pl.String,
    "saw_index_test": pl.Boolean,
    "saw_peers": pl.Boolean,
    "rating": pl.Float64,
    "is_diagnostic": pl.Boolean,
    "read_at": TIME,
    "duration_s": pl.Float64,
    "discussion": pl.Boolean,
    "in_force": pl.Boolean,
}
CASES = {
    "case_id": pl.String,
    "patient_id": pl.String,
    "index_date": pl.Date,
    "stratum": pl.String,
    "in_force": pl.Boolean,
}
REFERENCE = {
    "case_id": pl.String,
    "finding": pl.String,
    "source": pl.String,
    "label": pl.String,
    "established_at": TIME,
    "in_force": pl.Boolean,
}
READERS = {
    "reader_id": pl.String,
    "qualification": pl.String,
    "specialty": pl.String,
    "years_experience": pl.Float64,
    "training": pl.String,
    "conflicts": pl.String,
    "in_development": pl.Boolean,
    "in_force": pl.Boolean,
}

NODULE = Finding(
    name="nodule",
    title="Nodule",
    categories=tuple(Category(value=float(v), label=str(v)) for v in range(1, 6)),
    positive_from=4.0,
    indeterminate=(3.0,),
)
PLAIN = Finding(
    name="nodule",
    title="Nodule",
    categories=(Category(value=1.0, label="absent"), Category(value=5.0, label="present")),
    positive_from=5.0,
)


def adjudication(**changes: Any) -> Adjudication:
    settings: dict[str, Any] = {
        "precedence": ("independent_reference", "third_reader", "majority"),
        "reference_sources": ("pathology", "follow_up"),
        "minimum_readers": 1,
        "quorum": 1,
        "indeterminate_counts_to_quorum": False,
        "indeterminate_policy": "undecided",
        "non_diagnostic_policy": "drop_read",
        "blind_to_index_test": True,
        "blind_to_peers": True,
        "follow_up_minimum_days": 90,
        "verification_tolerance": 0.1,
    }
    return Adjudication(**(settings | changes))


def read(case: str, reader: str, said: str, **changes: Any) -> dict[str, Any]:
    """A read in force: ``said`` is + - ? x or a rating."""
    row = {
        "reader_id": reader,
        "case_id": case,
        "finding": "nodule",
        "arm": "standard",
        "session": 1,
        "purpose": "reference",
        "role": "independent",
        "saw_index_test": False,
        "saw_peers": False,
        "rating": None if said == "x" else RATINGS.get(said) or float(said),
        "is_diagnostic": said != "x",
        "read_at": WHEN,
        "duration_s": None,
        "discussion": None,
        "in_force": True,
    }
    return row | changes


def reads_of(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=READS, orient="row")


def said_of(row: Mapping[str, Any]) -> set[str]:
    """The codes of a row: its reason, notes and method."""
    return {name for column in CODES for name in codes.names(row[column])}


def panel(case: str, independent: str, tiebreak: str = "", consensus: str = "") -> list[Any]:
    """The reads of a case, readers named after their place: r0, r1 …; t0 …; r0 … in consensus.

    A mark after ``=`` is r0's, whatever the role.
    """
    found = []
    for role, said in (
        ("independent", independent),
        ("tiebreak", tiebreak),
        ("consensus", consensus),
    ):
        prefix = "t" if role == "tiebreak" else "r"
        session = 2 if role == "consensus" else 1
        for i, mark in enumerate(said.split()):
            reader = "r0" if mark.startswith("=") else f"{prefix}{i}"
            found.append(read(case, reader, mark.lstrip("="), role=role, session=session))
    return found


def cases_of(patients: Mapping[str, str] | Iterable[str]) -> pl.DataFrame:
    """Cases in force: case → patient, or one patient a case."""
    pairs = patients if isinstance(patients, Mapping) else {c: f"p-{c}" for c in patients}
    rows = [
        {
            "case_id": c,
            "patient_id": p,
            "index_date": INDEX_DATE,
            "stratum": "all",
            "in_force": True,
        }
        for c, p in pairs.items()
    ]
    return pl.DataFrame(rows, schema=CASES, orient="row")


def reference_of(rows: Iterable[tuple[str, str, str, int | None]]) -> pl.DataFrame:
    """Labels in force: case, source, label, days after the index date (None: unknown)."""
    start = datetime.datetime.combine(INDEX_DATE, datetime.time(12), datetime.UTC)
    made = [
        {
            "case_id": case,
            "finding": "nodule",
            "source": source,
            "label": label,
            "established_at": None if days is None else start + datetime.timedelta(days=days),
            "in_force": True,
        }
        for case, source, label, days in rows
    ]
    return pl.DataFrame(made, schema=REFERENCE, orient="row")


def included_of(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select("case_id", "patient_id", pl.lit(None, pl.String).alias("study_id"))


def roster(*names: str, **changes: Any) -> pl.DataFrame:
    row = {
        "qualification": "board certified",
        "specialty": "thoracic radiology",
        "years_experience": 7.0,
        "training": None,
        "conflicts": None,
        "in_development": False,
        "in_force": True,
    }
    made = [{"reader_id": name} | row | changes for name in names]
    return pl.DataFrame(made, schema=READERS, orient="row")


def words_of(readers: pl.DataFrame) -> pl.DataFrame:
    """The table of words of a site that lists whatever its roster says."""
    rows = [
        ("readers", name, word, word)
        for name in ROSTER
        for word in readers[name].drop_nulls().unique()
    ]
    schema = dict.fromkeys(("kind", "field", "word", "printed_word"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def evaluation(**changes: Any) -> Evaluation:
    settings: dict[str, Any] = {
        "retrospective": {"start": "2024-01-01", "end": "2025-06-30"},
        "prospective": {"start": "2025-07-01", "end": "2026-03-31"},
        "maturity": {"panel": 30, "pathology": 60, "follow_up": 90},
        "operating_points": (),
        "endpoints": (
            {
                "id": "auc",
                "title": "AUC",
                "estimand": "any",
                "metric": "auc",
                "finding": "nodule",
                "window": "prospective",
                "rank": "primary",
                "goal": 0.8,
            },
        ),
        "looks": ({"cut": "2026-07-20"},),
        "subgroups": {"variables": ()},
        "replicates": 300,
        "seed": 7,
    }
    return Evaluation.model_validate(settings | changes)


EVALUATION = evaluation()
