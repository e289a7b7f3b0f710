"""What series, studies and outcomes say, against a second implementation in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline import contracts
from vpack_pipeline.io import models
from vpack_pipeline.io.dicom.fields import FIELDS
from vpack_pipeline_tests.gate import corruptions
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

INSTANCES = contracts.load()["cohort/instances"].polars_schema
FILES = contracts.load()["cohort/files"].polars_schema
PER_FRAME = [f.column for f in FIELDS if f.per_frame is not None]
FLAGS = [f.column for f in FIELDS if f.kind == "flag"]
NO_FACTS = {
    *("n_instances", "n_series", "n_conflicts", "n_distinct_acquisitions", "n_frames", *FLAGS),
    *(f"{c}_{over}" for c in PER_FRAME for over in ("min", "max", "n_distinct")),
}
NOT_APART = {"modality", "exposure_mas", "exposure_index", "deviation_index"}
"""What tells no acquisition from another: dose modulation changes exposure within one."""
VALUES: Mapping[Any, Sequence[Any]] = {
    pl.String: ("", "A", "a", "Ä", "b\\c"),
    pl.Float64: (0.5, 1.25, 10.0, 9.0),
    pl.Int64: (1, 2, 10),
    pl.Date: (date(2020, 2, 29), date(2021, 1, 1), date(1899, 12, 31)),
}
Row = Mapping[str, Any]


def facts(table: str) -> list[str]:
    """The columns of a table that are taken from its instances."""
    contract = contracts.load()[f"cohort/{table}"]
    own = {*contract.key, *NO_FACTS}
    return [c.name for c in contract.columns if c.name not in own]


def run(table: str, folder: Path, **frames: pl.DataFrame) -> dict[str, Row]:
    key = contracts.load()[f"cohort/{table}"].key[0]
    return {row[key]: row for row in made(table, folder, **frames).iter_rows(named=True)}


def made(table: str, folder: Path, **frames: pl.DataFrame) -> pl.DataFrame:
    contract = contracts.load()[f"cohort/{table}"]
    inputs = {}
    for name, frame in frames.items():
        path = folder / f"{name}.parquet"
        frame.write_parquet(path, statistics=False)
        inputs[f"cohort/{name}"] = [path]
    model = models.load()[contract.asset]
    path = folder / f"made_{table}.parquet"
    models.run(model.sql, contract, {a: inputs[a] for a in model.inputs}, {}, path)
    return pl.read_parquet(path)


def most_frequent(rows: Sequence[Row], column: str) -> Any:
    counted = Counter(row[column] for row in rows if row[column] is not None)
    return min(counted, key=lambda value: (-counted[value], value)) if counted else None


def flag(rows: Sequence[Row], column: str) -> str:
    said = {row[column] for row in rows}
    return "yes" if "yes" in said else "no" if said == {"no"} else "absent"


def over_frames(rows: Sequence[Row], column: str) -> Row:
    """The least, greatest and number of distinct values over images and their frames."""
    of_images = {row[column] for row in rows} - {None}
    least = (of_images | {row[f"{column}_min"] for row in rows}) - {None}
    most = (of_images | {row[f"{column}_max"] for row in rows}) - {None}
    within = [row[f"{column}_n_distinct"] or 0 for row in rows]
    return {
        f"{column}_min": min(least, default=None),
        f"{column}_max": max(most, default=None),
        f"{column}_n_distinct": max(len(of_images), *within),
    }


def filled(placed: Sequence[tuple[int, int, Mapping[str, Any]]]) -> pl.DataFrame:
    """Give instances their identifiers; what is not given is null."""
    rows = [
        {
            "instance_id": f"i{number}",
            "series_id": f"s{study}.{series}",
            "study_id": f"t{study}",
            "patient_id": f"p{study}",
            "default_case_id": f"c{study}",
            **dict.fromkeys(FLAGS, "absent"),
            **told,
        }
        for number, (study, series, told) in enumerate(placed)
    ]
    return pl.DataFrame(rows, schema=INSTANCES)


TOLD = sorted({*facts("series"), *facts("studies")} - {"study_id", "patient_id", "default_case_id"})
FRAMES = ["n_frames", *(n for c in PER_FRAME for n in (f"{c}_min", f"{c}_max", f"{c}_n_distinct"))]
INSTANCE = st.tuples(
    st.integers(1, 2),
    st.integers(1, 2),
    st.fixed_dictionaries(
        {name: st.sampled_from(["yes", "no", "absent"]) for name in FLAGS},
        optional={n: st.sampled_from((None, *VALUES[INSTANCES[n]])) for n in (*TOLD, *FRAMES)},
    ),
)


@examples_drawn(8, a_night=500)
@given(
    placed=st.lists(INSTANCE, min_size=1, max_size=12),
    conflicts=st.lists(st.integers(1, 3)),
    split_rows=st.sampled_from([models.SPLIT_ROWS, 4]),
)
def test_series_and_studies_say_what_most_of_their_instances_say(
    tmp_path_factory: pytest.TempPathFactory, placed: Any, conflicts: Any, split_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("models")
    instances = filled(placed)
    files = pl.DataFrame(
        [{"study_id": f"t{s}", "outcome": "DUP_SOP_CONFLICT"} for s in conflicts]
        + [{"study_id": "t1", "outcome": "COPY"}],
        schema=FILES,
    )
    for table, key in (("series", "series_id"), ("studies", "study_id")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "SPLIT_ROWS", split_rows)
            found = run(table, folder, instances=instances, files=files)
        grouped = instances.partition_by(key, as_dict=True)
        assert set(found) == {name for (name,) in grouped}
        for (name,), group in grouped.items():
            rows = group.to_dicts()
            expected = {column: most_frequent(rows, column) for column in facts(table)}
            expected |= {key: name, "n_instances": len(rows)}
            if table == "series":
                expected["n_frames"] = sum(row["n_frames"] or 1 for row in rows)
                for column in PER_FRAME:
                    expected |= over_frames(rows, column)
                apart = [c for c in facts(table) if INSTANCES[c] != pl.Date]
                apart = [c for c in apart if not c.endswith("_id")]
                apart = [c for c in apart if c not in NOT_APART]
                expected["n_distinct_acquisitions"] = group.select(apart).n_unique()
            else:
                expected |= {name: flag(rows, name) for name in FLAGS}
                expected["n_series"] = group["series_id"].n_unique()
                expected["n_conflicts"] = conflicts.count(int(name.removeprefix("t")))
            assert found[name] == expected


# What became of the files

WHOLES = ("DELIVERED", "PARSED", "COPY", "SET_ASIDE", "QUARANTINED")
OUTCOMES = contracts.load()["cohort/outcomes"]
COUNTS = [c.name for c in OUTCOMES.columns if c.unit == "files"]
FILE = st.one_of(
    st.fixed_dictionaries(
        {
            "outcome": st.sampled_from(["PARSED", "COPY"]),
            "outcome_part": st.none(),
            "engine": st.sampled_from(["walker", "pydicom", "dicomweb"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "outcome": st.just("SET_ASIDE"),
            "outcome_part": st.sampled_from(["SR", "RT", "FOR_PROCESSING"]),
            "engine": st.sampled_from(["walker", "pydicom", "dicomweb"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "outcome": st.sampled_from(["EMPTY", "TRUNCATED", "CRASH", "DUP_SOP_CONFLICT"]),
            # Which part is cut short, or what failed: no reason of its own.
            "outcome_part": st.sampled_from([None, "header", "ValueError"]),
            "engine": st.sampled_from([None, "walker", "pydicom"]),
        }
    ),
)
CHECKED = st.sampled_from([None, None, "same", "differs"])


def places(outcome: str, detail: str | None) -> list[tuple[str, str]]:
    """Where one file is counted."""
    if outcome in ("PARSED", "COPY"):
        return [("DELIVERED", "all"), (outcome, "all")]
    if outcome == "SET_ASIDE":
        return [("DELIVERED", "all"), (outcome, "all"), (outcome, str(detail))]
    return [("DELIVERED", "all"), ("QUARANTINED", "all"), ("QUARANTINED", outcome)]


@examples_drawn(20, a_night=800)
@given(drawn=st.lists(st.tuples(FILE, CHECKED), max_size=12))
def test_every_file_is_counted_under_what_became_of_it(
    tmp_path_factory: pytest.TempPathFactory, drawn: Any
) -> None:
    rows = [f | {"checked": c if f["engine"] == "walker" else None} for f, c in drawn]
    found = made(
        "outcomes", tmp_path_factory.mktemp("outcomes"), files=pl.DataFrame(rows, schema=FILES)
    )
    expected: dict[tuple[str, str], Counter[str]] = {(w, "all"): Counter() for w in WHOLES}
    for row in rows:
        told = {"n_files": 1, f"n_{row['engine'] or 'unread'}": 1}
        told |= {"n_checked": row["checked"] is not None, "n_differed": row["checked"] == "differs"}
        for place in places(row["outcome"], row["outcome_part"]):
            expected.setdefault(place, Counter()).update(told)
    assert found.columns == [*OUTCOMES.key, *COUNTS]
    assert found.height == len(expected)
    for row in found.iter_rows(named=True):
        counted = expected[row["outcome"], row["outcome_part"]]
        assert [row[c] for c in COUNTS] == [counted[c] for c in COUNTS]


def refused(frame: pl.DataFrame) -> set[str]:
    """The expectations of the outcomes' contract that find something."""
    queries = {e.id: e.kwargs["query"] for e in OUTCOMES.expectations if "query" in e.kwargs}
    with duckdb.connect() as con:
        con.register("batch", frame.to_arrow())
        asked = {i: q.replace("{batch}", "batch") for i, q in queries.items()}
        return {i for i, query in asked.items() if con.execute(query).fetchall()}


@pytest.mark.parametrize("column", COUNTS)
def test_a_sum_of_files_that_is_off_in_any_column_is_refused(column: str) -> None:
    sound = corruptions.sound(OUTCOMES)
    assert refused(sound) == set()
    for outcome, detail, expectation in (
        ("DELIVERED", "all", "outcomes_sum"),
        ("COPY", "all", "outcomes_sum"),
        ("SET_ASIDE", "SR", "details_sum"),
        ("QUARANTINED", "EMPTY", "details_sum"),
    ):
        is_here = (pl.col("outcome") == outcome) & (pl.col("outcome_part") == detail)
        off = pl.when(is_here).then(pl.col(column) + 1).otherwise(pl.col(column))
        assert expectation in refused(sound.with_columns(off.alias(column))), (outcome, detail)
