"""The four image tables: the site's names, merged patients, what a series and a study say."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from dicom_bench import Bench, put
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline import contracts
from vpack_pipeline.contracts import header_fields
from vpack_pipeline.errors import InputError
from vpack_pipeline.io import buckets
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS
from vpack_pipeline.io.dicom.outcomes import COPY, PARSED, REASONS, SET_ASIDE, SET_ASIDE_KINDS
from vpack_pipeline.io.warehouse import Warehouse
from vpack_pipeline_tests.gate import corruptions


def one(frame: pl.DataFrame) -> dict[str, Any]:
    assert frame.height == 1
    return frame.row(0, named=True)


def test_the_sites_names_replace_what_the_scanner_wrote_and_the_raw_value_stays(
    tmp_path: Path,
) -> None:
    maps = {
        "manufacturer": {"SIEMENS": "Siemens Healthineers"},
        "sex": {"0000": "O"},
        "body_part": {"CHEST": "thorax"},
    }
    bench = Bench(tmp_path, value_maps=maps)
    bench.add("a.dcm", PatientSex="0000")
    row = one(bench.tables()["instances"])
    assert (row["manufacturer"], row["manufacturer_raw"]) == ("Siemens Healthineers", "SIEMENS")
    assert row["manufacturer_status"] == "mapped"
    assert (row["sex"], row["sex_raw"], row["sex_status"]) == ("O", "0000", "mapped")
    assert row["body_part"] == "thorax"
    assert (row["model"], row["model_status"]) == ("Definition AS", "ok")
    # A map is the site's document, not the scan's: another one needs no second reading.
    bench.value_maps = {}
    assert bench.scan().read == 0
    assert one(bench.tables()["instances"])["manufacturer"] == "SIEMENS"


def test_free_text_stands_in_no_table_but_as_the_site_names_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1, StudyDescription="CT Thorax Anna", ContrastBolusAgent="OMNIPAQUE 350")
    bench.add("b.dcm", 2, StudyDescription="CT THORAX ")
    bench.add("c.dcm", 3)

    def said(column: str) -> list[tuple[str | None, str]]:
        frame = bench.tables()["instances"].sort("instance_number")
        assert not any("Anna" in str(row) or "OMNIPAQUE" in str(row) for row in frame.iter_rows())
        return list(frame.select(column, f"{column}_status").iter_rows())

    assert said("study_description") == [(None, "withheld")] * 2 + [(None, "missing")]
    bench.value_maps = {
        "study_description": {"CT THORAX": "chest CT", "CT Thorax": "other"},
        "contrast_agent": {"OMNIPAQUE 350": "given"},
    }
    # The names are applied to what the scan left: nothing is read again.
    assert bench.scan().read == 0
    assert said("study_description") == [
        (None, "withheld"),
        ("chest CT", "mapped"),
        (None, "missing"),
    ]
    assert said("contrast_agent") == [("given", "mapped")] + [(None, "missing")] * 2
    assert one(bench.tables()["studies"])["study_description"] == "chest CT"


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"manufactuer": {"SIEMENS": "x"}}, "value_maps.manufactuer: is no header column"),
        ({"kvp": {"120": "121"}}, "value_maps.kvp: is no header column"),
        ({"sex": {"W": "female"}}, "map to one of F, M, O"),
        ({"lossy_image_compression": {"no": "0"}}, "map to one of yes, no, absent"),
    ],
)
def test_a_value_map_that_cannot_hold_is_refused(
    tmp_path: Path, maps: dict[str, dict[str, str]], message: str
) -> None:
    bench = Bench(tmp_path, value_maps=maps)
    bench.add("a.dcm")
    with pytest.raises(InputError) as caught:
        bench.tables()
    assert message in str(caught.value)


def test_merged_patients_are_one_where_the_map_is_in_force(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1, PatientID="P1")
    bench.add("b.dcm", 2, PatientID="OLD", StudyInstanceUID="1.2.2", SeriesInstanceUID="1.2.2.1")
    bench.add("c.dcm", 3, PatientID="P9", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")
    ids = bench.ids.patient
    merged = pl.DataFrame(
        {
            "patient_id": [ids("OLD"), ids("P9")],
            "same_as": [ids("P1"), ids("P1")],
            "in_force": [True, False],
        }
    )
    tables = bench.tables(patient_map=merged)
    expected = {
        bench.ids.instance(f"1.2.3.{n}"): ids(p) for n, p in [(1, "P1"), (2, "P1"), (3, "P9")]
    }
    assert dict(tables["instances"].select("instance_id", "patient_id").iter_rows()) == expected
    assert set(tables["studies"]["patient_id"]) == {ids("P1"), ids("P9")}


def test_a_study_says_what_most_of_its_instances_say_and_ties_go_to_the_smallest(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    thick = ["5", "1.25", "1.25", None]
    kernels = ["B70f", "B30f", None, None]
    for n, (thickness, kernel) in enumerate(zip(thick, kernels, strict=True), start=1):
        bench.add(
            f"{n}.dcm", n, SliceThickness=thickness, ConvolutionKernel=kernel,
            SeriesInstanceUID=f"1.2.1.{n % 2}", BurnedInAnnotation="NO" if n > 1 else "YES",
            Manufacturer=None,
        )  # fmt: skip
    tables = bench.tables()
    study = one(tables["studies"])
    assert (study["slice_thickness_mm"], study["convolution_kernel"]) == (1.25, "B30f")
    assert study["manufacturer"] is None
    assert (study["n_series"], study["n_instances"], study["n_conflicts"]) == (2, 4, 0)
    assert study["burned_in_annotation"] == "yes"
    assert study["default_case_id"] == bench.ids.case("1.2.1")
    assert study["accession_id"] == bench.ids.accession("A1")
    counts = sorted(tables["series"].select("n_instances", "n_distinct_acquisitions").iter_rows())
    assert counts == [(2, 2), (2, 2)]


def test_dose_modulation_makes_no_second_acquisition(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for n in (1, 2, 3):
        bench.add(f"{n}.dcm", n, Exposure=str(80 + n), BurnedInAnnotation="NO" if n < 3 else None)
    tables = bench.tables()
    assert one(tables["series"])["n_distinct_acquisitions"] == 1
    assert one(tables["series"])["exposure_mas"] == 81.0
    assert one(tables["studies"])["burned_in_annotation"] == "absent"


def frames(*thickness: str) -> Sequence:
    """Functional groups of an enhanced image, one a frame."""
    made = []
    for value in thickness:
        frame, measures = Dataset(), Dataset()
        measures.SliceThickness = value
        frame.PixelMeasuresSequence = Sequence([measures])
        made.append(frame)
    return Sequence(made)


def test_a_series_is_summarised_over_images_and_their_frames(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    enhanced = {"SliceThickness": None, "KVP": None}
    for n, made in enumerate([frames("1", "2", "5"), frames("4", "4")], start=1):
        groups = {"PerFrameFunctionalGroupsSequence": made, "NumberOfFrames": len(made)}
        bench.add(f"{n}.dcm", n, **enhanced, **groups)
    bench.add("3.dcm", 3, **enhanced | {"SliceThickness": "0.5"})
    row = one(bench.tables()["series"])
    assert (row["n_instances"], row["n_frames"]) == (3, 6)
    found = [row[f"slice_thickness_mm_{tail}"] for tail in ("min", "max", "n_distinct")]
    assert found == [0.5, 5.0, 3]
    assert [row[f"kvp_{tail}"] for tail in ("min", "max", "n_distinct")] == [None, None, 0]


def test_header_rows_that_the_state_has_lost_are_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    frames = bench.tables()
    shutil.rmtree(tmp_path / "state" / "images" / "headers")
    with pytest.raises(InputError, match="materialize cohort/files again"):
        bench.call("instances", **frames)


def test_the_tables_do_not_depend_on_where_the_archive_lies(tmp_path: Path) -> None:
    first, second = Bench(tmp_path / "one"), Bench(tmp_path / "two")
    for bench in (first, second):
        for n in (1, 2, 3):
            bench.add(f"{n}.dcm", n)
        put(bench.archive / "junk", b"junk")
    one_, two = first.tables(), second.tables()
    assert all(one_[name].equals(two[name]) for name in one_)


def test_the_tables_do_not_depend_on_how_many_scans_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "ONE_FILE", 1)
    days = ["20251201", "20251101", "20251202", None]
    made = {}
    for scans in (1, len(days)):
        bench = Bench(tmp_path / str(scans))
        for n, day in enumerate(days):
            study = f"1.2.{n}"
            bench.add(
                f"{n}.dcm", n, StudyDate=day, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1"
            )
            if scans > 1:
                bench.scan()
        store = Warehouse(bench.root / "warehouse")
        made[scans] = {
            name: store.write_buckets(frame.lazy(), contracts.load()[f"cohort/{name}"], "lakeside")
            for name, frame in bench.tables().items()
            if name in {"files", "instances", "series", "studies"}
        }
    assert made[1] == made[len(days)]
    assert len(made[1]) == 4
    assert all([f.rows for f in files] == [1, 2, 1] for files in made[1].values())


def test_the_contract_has_a_column_for_every_field_with_its_type_and_unit() -> None:
    contract = contracts.load()["cohort/instances"]
    for field in FIELDS:
        assert {n: contract.polars_schema[n] for n in field.shown} == field.shown
    for declared in header_fields.load():
        column = contract.column(declared.name)
        assert (column.unit, column.description) == (declared.unit, declared.told)
    shown = sum(len(field.shown) for field in FIELDS)
    assert len(contract.columns) == shown + 10
    for name in ("series", "studies"):
        shared = [c for c in contracts.load()[f"cohort/{name}"].columns if c.name in BY_COLUMN]
        assert len(shared) >= 20
        for c in shared:
            assert (c.type, c.unit) == (contract.column(c.name).type, contract.column(c.name).unit)


TOLD = [f.column for f in FIELDS if f.is_tracked or f.is_free_text]
NUMBERS = [f for f in FIELDS if f.kind == "number"]
FAULTS: dict[str, list[dict[str, Any]]] = {
    "statuses_known": [{f"{c}_status": s} for c in TOLD for s in (None, "perhaps")],
    "values_agree": [
        *({column: None} for column in TOLD),
        *({f"{column}_status": "invalid"} for column in TOLD),
    ],
    "numbers_in_range": [
        *({f.column: value} for f in NUMBERS for value in (math.nan, math.inf)),
        *({f.column: 0.0} for f in NUMBERS if f.least == 0),
        *({f.column: f.most * 1.01} for f in NUMBERS if f.most < math.inf),
    ],
    "frames_agree": [
        {f"{f.column}_{tail}": value}
        for f in FIELDS
        if f.per_frame
        for tail, value in (("min", None), ("max", None), ("n_distinct", 1), ("min", 9.0))
    ],
    "times_and_frames": [
        *({f.column: value} for f in FIELDS if f.kind == "time" for value in (-1.0, 90_000.0)),
        *({"timezone_offset_min": value} for value in (-721, 841)),
        {"n_frames": 0},
    ],
    "flags_known": [{f.column: s} for f in FIELDS if f.kind == "flag" for s in (None, "perhaps")],
}


@pytest.mark.parametrize("expectation", FAULTS)
def test_a_folded_expectation_asks_every_field(expectation: str) -> None:
    contract = contracts.load()["cohort/instances"]
    sound = corruptions.sound(contract).row(0, named=True)
    rows = [{**sound, "instance_id": str(n), **c} for n, c in enumerate(FAULTS[expectation])]
    schema: Any = contract.polars_schema
    batch = pl.DataFrame([{**sound, "instance_id": "sound"}, *rows], schema=schema, orient="row")
    query = next(e for e in contract.expectations if e.id == expectation).kwargs["query"]
    with duckdb.connect() as con:
        con.register("batch", batch.to_arrow())
        found = {i for (i,) in con.execute(query.replace("{batch}", "batch")).fetchall()}
    assert found == {row["instance_id"] for row in rows}


def test_the_contract_knows_every_outcome() -> None:
    contract = contracts.load()["cohort/files"]
    known = next(e for e in contract.expectations if e.id == "outcome_known")
    assert set(known.kwargs["value_set"]) == {PARSED, COPY, SET_ASIDE, *REASONS}


def test_the_contract_of_the_outcomes_knows_every_kind_and_every_reason() -> None:
    contract = contracts.load()["cohort/outcomes"]
    known = {e.id: e.kwargs for e in contract.expectations}
    wholes = {PARSED, COPY, SET_ASIDE, "DELIVERED", "QUARANTINED"}
    assert set(known["outcome_known"]["value_set"]) == wholes
    of_kinds, _, of_reasons = known["detail_known"]["query"].partition("outcome = 'QUARANTINED'")
    assert set(re.findall(r"'(\w+)'", of_kinds)) == {"all", SET_ASIDE, *SET_ASIDE_KINDS}
    assert set(re.findall(r"'(\w+)'", of_reasons)) == set(REASONS)


@pytest.mark.parametrize("table", ["files", "instances", "series", "studies"])
def test_a_real_table_passes_its_own_gate(tmp_path: Path, table: str) -> None:
    from vpack_pipeline.gate import check

    bench = Bench(tmp_path)
    for n in (1, 2, 3):
        bench.add(f"{n}.dcm", n)
    bench.add("copy.dcm", 1)
    bench.add("clash.dcm", 3, KVP="90")
    bench.add("sr.dcm", 4, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    put(bench.archive / "junk", b"junk")
    frame = bench.tables()[table]
    path = tmp_path / f"{table}.parquet"
    frame.write_parquet(path)
    contract = contracts.load()[f"cohort/{table}"]
    found = check.run(contract, [path], frame.height)
    assert [c for c in found if c.closes] == []
