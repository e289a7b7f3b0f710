"""The generator gives the same bytes each time, files that pydicom reads, and the true fields."""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest

from examples.demo_sites import dicom, lidc
from examples.demo_sites.sites import REPOSITORY, generate
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model

LIDC = REPOSITORY / "data" / "sites" / "lidc"


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_runs_give_the_same_bytes(small_root: Path, tmp_path: Path) -> None:
    for name in ("riverside", "hillcrest", "lidc"):
        generate(name, tmp_path, tiny=True)
    generate("riverside", tmp_path, tiny=True)  # and over what is there already
    assert digests(tmp_path) == digests(small_root)


def test_sites_of_other_names_share_no_image(small_root: Path) -> None:
    images = [
        digests(small_root / "data" / "demo" / name / "dicom")
        for name in ("riverside", "hillcrest")
    ]
    first, second = (
        {digest for path, digest in found.items() if not path.startswith("inbox")}
        for found in images
    )
    assert first
    assert not first & second


def test_a_small_site_names_itself_and_the_protocol_asked_for(tmp_path: Path) -> None:
    generate("brookside", tmp_path, protocol="cxr-triage@1.0")
    folder = tmp_path / "data" / "sites" / "brookside"
    site = read_model(folder / "site.yaml", Site)
    assert site.site_id == "brookside"
    assert site.protocol == "cxr-triage@1.0"
    assert site.secret == "data/sites/brookside/published.key"
    assert (tmp_path / site.secret).stat().st_size >= 32
    assert (tmp_path / site.deliveries / "2026-01-15" / "DONE").exists()


def test_the_last_delivery_is_left_open(small_root: Path) -> None:
    folder = small_root / "data" / "demo" / "riverside" / "deliveries"
    open_ones = [d.name for d in sorted(folder.iterdir()) if not (d / "DONE").exists()]
    assert open_ones == ["2026-08-20"]
    assert (folder / "2026-04-10.2" / "DONE").exists()


def test_a_written_file_reads_back_in_pydicom() -> None:
    for syntax in (dicom.EXPLICIT, dicom.IMPLICIT):
        values: dict[str, dicom.Value] = {
            "SOPClassUID": dicom.CT_IMAGE,
            "SOPInstanceUID": dicom.uid("test"),
            "PatientID": "ÄB",
            "SpecificCharacterSet": "ISO_IR 100",
            "SliceThickness": "1.25",
            "Rows": 2,
            "PixelData": np.arange(4, dtype="<u2").tobytes(),
        }
        found = pydicom.dcmread(io.BytesIO(dicom.file_of(values, syntax)))
        assert found.file_meta.TransferSyntaxUID == syntax
        assert found.PatientID == "ÄB"
        assert (float(found.SliceThickness), found.Rows) == (1.25, 2)
        assert found.PixelData == values["PixelData"]


def test_each_keyword_has_the_tag_and_vr_of_the_standard() -> None:
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    for keyword, (tag, vr) in dicom.KEYWORDS.items():
        assert tag_for_keyword(keyword) == tag, keyword
        assert vr in dictionary_VR(tag), keyword


def test_lidc_holds_every_rating_and_scan_of_the_source() -> None:
    ratings = pl.read_csv(LIDC / "ratings.csv")
    scans = pl.read_csv(LIDC / "scans.csv", infer_schema_length=None)
    assert (ratings.height, scans.height) == (6859, 1018)
    assert ratings["nodule"].n_unique() == 2668
    counts = dict(ratings["malignancy"].value_counts().iter_rows())
    assert counts == {1: 1020, 2: 1580, 3: 2606, 4: 962, 5: 691}
    assert scans["sex"].null_count() == 734
    assert scans["age"].null_count() == 811
    assert (LIDC / "ratings.csv").stat().st_size + (LIDC / "scans.csv").stat().st_size < 1_500_000


def test_lidc_writes_three_thousand_files_with_the_true_scan_fields() -> None:
    site = read_model(LIDC / "site.yaml", Site)
    protocol = read_model(REPOSITORY / "data" / "protocols" / "lung-suspicion-1.0.yaml", Protocol)
    assert site.protocol == protocol.reference
    scans = pl.read_csv(LIDC / "scans.csv", infer_schema_length=None)
    by_patient = {(r["patient"], r["scan"]): r for r in scans.iter_rows(named=True)}
    found = list(lidc.files(scans, lidc._days(scans, protocol)))
    assert len(found) >= 3000
    assert len({path for path, _ in found}) == len(found)
    for path, made in found[:: len(found) // 60]:
        header = pydicom.dcmread(io.BytesIO(made))
        row = by_patient[path.parts[0], int(path.parts[1].removeprefix("scan-"))]
        assert header.Manufacturer == row["manufacturer"]
        assert header.ManufacturerModelName == row["model"]
        assert float(header.SliceThickness) == row["slice_thickness"]
        assert float(header.PixelSpacing[0]) == row["pixel_spacing"]
        assert ("ContrastBolusAgent" in header) == bool(row["contrast_used"])
        assert header.get("PatientAge") == row["age"]
        assert (header.PatientSex or None) == row["sex"]
        assert header.KVP is None
        assert header.StudyInstanceUID != row["study_instance_uid"]


def test_lidc_deals_each_scan_four_readers_at_most(small_root: Path) -> None:
    readers: dict[str, set[str]] = {}
    for path in sorted((small_root / "data/demo/lidc/deliveries").glob("*/ratings.csv")):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                scan = row["Nodule"].partition("_")[0]
                readers.setdefault(scan, set()).add(row["Radiologist"])
    assert max(Counter(len(r) for r in readers.values())) <= 4


@pytest.mark.nightly
def test_the_whole_demonstration_takes_less_than_a_minute(tmp_path: Path) -> None:
    start = time.perf_counter()
    for name in ("lidc", "lakeside"):
        generate(name, tmp_path)
    assert time.perf_counter() - start < 60
    lakeside = tmp_path / "data" / "demo" / "lakeside" / "dicom"
    assert sum(1 for p in lakeside.rglob("*.dcm")) > 4500
