"""No identifier and no free text of the input is found in anything that vpack leaves behind.

Made texts stand for them in every input; all is built through Dagster by the command line, and
every file that is written is searched, decoded.
"""

from __future__ import annotations

import base64
import gzip
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pydicom
import pytest

from vpack_pipeline import contracts
from vpack_pipeline_tests.acceptance import canary_scan
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, Row, at_cut, copy_site
from vpack_pipeline_tests.once import copy, once

REPOSITORY = Path(__file__).parents[2]
SITE = "riverside"
FIRST = "2026-01-15"
REFERENCE = ("2024-07-01", "2025-06-30")

PATIENT = "CANARYMRN01"
CASE = "CANARYCASE02"
READER = "CANARYREADER03"
ACCESSION = "CANARYACC04"
STUDY_UID = "2.25.31415926535897932384626"
SERIES_UID = "2.25.27182818284590452353602"
SOP_UID = "2.25.14142135623730950488016"
IN_HEADERS = {
    "PatientName": "CANARYNAME^GIVEN",
    "PatientBirthName": "CANARYBIRTHNAME",
    "OtherPatientIDs": "CANARYOTHERID",
    "PatientAddress": "CANARYADDRESS",
    "PatientComments": "CANARYCOMMENTS",
    "ReferringPhysicianName": "CANARYREFERRER",
    "OperatorsName": "CANARYOPERATOR",
    "InstitutionName": "CANARYINSTITUTION",
    "InstitutionAddress": "CANARYSTREET",
    "StudyDescription": "CANARYDESCRIPTION",
    "SeriesDescription": "CANARYSERIESTEXT",
    "ImageComments": "CANARYIMAGETEXT",
    "ProtocolName": "CANARYPROTOCOL",
    "StudyID": "CANARYSTUDYID",
    "StationName": "CANARYSTATION",
    "DeviceSerialNumber": "CANARYSERIAL",
    "KVP": "CANARYKVP",
    "PatientSex": "CANARYSEX",
    "SliceThickness": "CANARYTHICK",
    "AcquisitionDate": "CANARYDA",
    "StudyTime": "CANARYTM",
    "AcquisitionDateTime": "CANARYDT",
    "TimezoneOffsetFromUTC": "CANARYZONE",
    "ContrastBolusAgent": "CANARYCONTRAST",
    "SequenceName": "CANARYSEQUENCE",
    "PulseSequenceName": "CANARYPULSE",
    "ReceiveCoilName": "CANARYRECEIVE",
    "TransmitCoilName": "CANARYTRANSMIT",
    "Radiopharmaceutical": "CANARYTRACER",
    "ExposureIndex": "CANARYINDEX",
}
IN_ROWS = {
    "comment": "CANARYTALK",
    "rating": "CANARYRATING",
    "reader": "CANARYNOREADER",
    "case": "CANARYNOCASE",
    "time": "CANARYTIME",
    "seconds": "CANARYSECONDS",
    "portable": "CANARYPORTABLE",
    "study": "CANARYNOSTUDY",
    "patient": "CANARYNOPATIENT",
    "model": "CANARYMODEL",
    "finding": "CANARYFINDING",
    "status": "CANARYSTATUS",
    "label": "CANARYLABEL",
    "source": "CANARYSOURCE",
    "map": "CANARYOLDMRN",
    "band": "CANARYBAND",
    "ward": "CANARYWARD",
    "ascertained_by": "CANARYBOARD",
}
DEVICE = {
    "Manufacturer": "CANARYVENDOR",
    "ManufacturerModelName": "CANARYDEVICE",
    "SoftwareVersions": "CANARYVERSION",
    "BodyPartExamined": "CANARYPART",
}
ON_ROSTER = {
    "Qualification": "CANARYDEGREE",
    "Specialty": "CANARYSPECIALTY",
    "Training": "CANARYTRAINING",
    "Interests": "CANARYINTERESTS",
}
ASKED_FOR = {"setting": "CANARYSETTING", **DEVICE, **ON_ROSTER}
"""Texts that declared columns ask for: of a covariate, of what made the image, of the roster."""
TITLE = "CANARYTITLE"
"""The finding's title: of all that is planted here, the only text that a pack prints."""
IN_PATHS = ("CANARYFOLDER", "CANARYFILE")
IN_BROKEN_FILES = "CANARYTRUNCATED"

CANARIES = (
    *(PATIENT, CASE, READER, ACCESSION, STUDY_UID, SERIES_UID, SOP_UID, IN_BROKEN_FILES),
    *(v.partition("^")[0] for v in IN_HEADERS.values()),
    *IN_ROWS.values(),
    *IN_PATHS,
)


@dataclass(frozen=True)
class Run:
    """One call of the command line, and what it left."""

    root: Path
    code: int
    output: Path

    @property
    def written(self) -> list[Path]:
        data = self.root / "data"
        places = [self.output, data / "warehouse", data / "dagster"]
        return [*places, *(p for p in [data / "packs"] if p.exists())]


def vpack(copied: Copied, output: Path, *arguments: str, before: str = "") -> Run:
    """Run ``vpack`` in a process of its own, with what it prints in a file."""
    call = f"import sys; sys.argv = ['vpack', *{list(arguments)!r}]\n{before}\n"
    call += "from vpack_pipeline.cli import run\nrun()\n"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "VPACK_ROOT": str(copied.root)}
    environment.pop("DAGSTER_HOME", None)
    with output.open("wb") as file:
        made = subprocess.run(
            [sys.executable, "-c", call],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=copied.root,
            check=False,
        )
    return Run(copied.root, made.returncode, output)


def everywhere(copied: Copied, file: str, change: Callable[[Row], Row], form: str = ",") -> None:
    for delivery in sorted((copied.data / "deliveries").iterdir()):
        if (delivery / file).exists():
            copied.rows(delivery / file, lambda rows: [change(r) for r in rows], form)


def replaced(column: str, old: str, new: str) -> Callable[[Row], Row]:
    return lambda row: row | {column: new} if row[column].upper() == old else row


@dataclass(frozen=True)
class Victim:
    """The case whose identifiers become canaries."""

    case: str
    mrn: str
    accession: str
    image: Path


def choose(copied: Copied) -> Victim:
    cases: list[Row] = []
    copied.rows(copied.delivery("2026-07-20") / "cases.csv", lambda r: cases.extend(r) or r)
    mrns = [row["MRN"] for row in cases]
    for row in (r for r in cases if REFERENCE[0] <= r["Exam Date"] <= REFERENCE[1]):
        for path in (copied.data / "dicom").glob(
            f"{row['Exam Date'][:7].replace('-', '/')}/*/1.dcm"
        ):
            image = pydicom.dcmread(path)
            is_own = image.AccessionNumber == row["Accession"] and image.Modality == "DX"
            is_adult = is_own and image.get("PatientAge", "") >= "018Y"
            if is_adult and image.ViewPosition == "PA" and mrns.count(row["MRN"]) == 1:
                return Victim(row["Case No"], row["MRN"], row["Accession"], path)
    raise AssertionError("no ordinary case")


def plant(copied: Copied) -> None:
    victim = choose(copied)
    plant_image(copied, victim)
    everywhere(copied, "cases.csv", replaced("MRN", victim.mrn, PATIENT))
    everywhere(copied, "cases.csv", replaced("Accession", victim.accession, ACCESSION))
    everywhere(copied, "cases.csv", replaced("Case No", victim.case, CASE))
    everywhere(copied, "cases.csv", lambda row: row | {"Ward": IN_ROWS["ward"]})
    everywhere(copied, "reads.csv", replaced("Case No", victim.case, CASE))
    everywhere(copied, "reads.csv", replaced("Reader", "R-ALDER", READER))
    everywhere(copied, "reads.csv", lambda row: row | {"Comment": IN_ROWS["comment"]})
    everywhere(copied, "readers.csv", replaced("Reader", "R-ALDER", READER))
    everywhere(copied, "befunde.csv", replaced("Fallnummer", victim.case, CASE), ";")
    everywhere(
        copied, "befunde.csv", lambda r: r | {"Erhoben durch": IN_ROWS["ascertained_by"]}, ";"
    )
    everywhere(
        copied, "ris_laufzeiten.csv", replaced("Auftragsnummer", victim.accession, ACCESSION), ";"
    )
    for path in sorted((copied.data / "deliveries").glob("*/predictions.parquet")):
        scores = pl.read_parquet(path)
        own = pl.col("case_id") == victim.case
        scores.with_columns(
            case_id=pl.when(own).then(pl.lit(CASE)).otherwise(pl.col("case_id"))
        ).write_parquet(path)
    everywhere(
        copied,
        "cases.csv",
        lambda row: row | {"Setting": ASKED_FOR["setting"]} if row["Case No"] == CASE else row,
    )
    everywhere(copied, "readers.csv", lambda r: r | ON_ROSTER if r["Reader"] == READER else r)
    for protocol in (copied.root / "data/protocols").glob("cxr-triage*"):
        copied.edit(protocol, "title: Suspicious pulmonary", f"title: {TITLE} pulmonary")
    plant_broken_rows(copied)


def plant_image(copied: Copied, victim: Victim) -> None:
    image = pydicom.dcmread(victim.image)
    image.PatientID, image.AccessionNumber = PATIENT, ACCESSION
    image.StudyInstanceUID, image.SeriesInstanceUID = STUDY_UID, SERIES_UID
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = SOP_UID
    with pydicom.config.disable_value_validation():
        for keyword, value in (IN_HEADERS | DEVICE).items():
            if keyword in {
                "KVP",
                "SliceThickness",
                "ExposureIndex",
            }:  # not numbers: written as they are
                tag = pydicom.datadict.tag_for_keyword(keyword)
                image[tag] = pydicom.dataelem.RawDataElement(
                    pydicom.tag.Tag(tag), "DS", len(value), value.encode(), 0, False, True
                )
            elif keyword == "Radiopharmaceutical":
                tracer = pydicom.Dataset()
                tracer.Radiopharmaceutical = value
                image.RadiopharmaceuticalInformationSequence = [tracer]
            else:
                setattr(image, keyword, value)
        block = image.private_block(0x0011, "CANARYMAKER", create=True)
        block.add_new(1, "LO", "CANARYPRIVATE")
        target = victim.image.parent / "CANARYFOLDER"
        target.mkdir()
        image.save_as(target / "CANARYFILE.dcm")
    victim.image.unlink()
    content = (target / "CANARYFILE.dcm").read_bytes()
    inbox = copied.data / "dicom" / "inbox"
    (inbox / f"{IN_BROKEN_FILES}.dcm").write_bytes(content[: len(content) // 2])
    (inbox / "CANARYFILE.txt").write_text(f"{PATIENT} {IN_HEADERS['PatientName']}\n" * 9)


def plant_broken_rows(copied: Copied) -> None:
    """One row for each way in which a value can be refused."""

    def extend(*changes: Row) -> Callable[[list[Row]], list[Row]]:
        return lambda rows: [*rows, *(rows[-1] | change for change in changes)]

    first = copied.delivery(FIRST)
    copied.rows(
        first / "reads.csv",
        extend(
            {"Session": "81", "Nodule or mass": IN_ROWS["rating"]},
            {"Session": "82", "Reader": IN_ROWS["reader"]},
            {"Session": "83", "Case No": IN_ROWS["case"]},
            {"Session": "84", "Read At": IN_ROWS["time"]},
            {"Session": "85", "Seconds": IN_ROWS["seconds"]},
        ),
    )
    copied.rows(
        first / "cases.csv",
        extend(
            {"Case No": "X-1", "Setting": ASKED_FOR["setting"]},
            {"Case No": "X-4", "Bedside": IN_ROWS["portable"]},
            {"Case No": "X-2", "Accession": IN_ROWS["study"]},
            {"Case No": "X-3", "MRN": IN_ROWS["patient"]},
        ),
    )
    copied.rows(
        first / "befunde.csv",
        extend({"Ergebnis": IN_ROWS["label"]}, {"Quelle": IN_ROWS["source"]}),
        ";",
    )
    copied.rows(first / "merged_patients.csv", extend({"Temporary MRN": IN_ROWS["map"]}))
    copied.rows(first / "population.csv", extend({"age_years": IN_ROWS["band"]}))
    path = first / "predictions.parquet"
    scores = pl.read_parquet(path)
    row = scores.row(0, named=True)
    changes: list[dict[str, Any]] = [
        {"attempt": 81, "model_id": IN_ROWS["model"]},
        {"attempt": 82, "finding": IN_ROWS["finding"]},
        {"attempt": 83, "status": IN_ROWS["status"]},
    ]
    broken = pl.DataFrame([row | c for c in changes], schema=scores.schema)
    pl.concat([scores, broken]).write_parquet(path)


@pytest.fixture(scope="session")
def built(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    def make(root: Path) -> None:
        copied = copy_site(small_root, SITE, root)
        plant(copied)
        run = vpack(copied, root / "build.txt", "build", SITE)
        assert run.code == 0, run.output.read_text()

    root = once(tmp_path_factory, "canaries", make)
    return Run(root, 0, root / "build.txt")


@pytest.fixture(scope="session")
def tables(built: Run) -> Built:
    return at_cut(built.root, SITE)


@pytest.fixture
def copied(small_root: Path, tmp_path: Path) -> Copied:
    """A small site of its own to alter."""
    return copy_site(small_root, SITE, tmp_path / "root")


def test_the_site_is_published_with_the_canaries_in_it(built: Run, tables: Built) -> None:
    ids = tables.bench.edge.pseudonyms
    case = tables.table("eligibility/cases").filter(case_id=ids.case(CASE))
    assert case["patient_id"].to_list() == [ids.patient(PATIENT)]
    assert case["study_id"].to_list() == [ids.study(STUDY_UID)]
    assert ids.reader(READER) in set(tables.table("cohort/reads")["reader_id"])
    refused = tables.table("cohort/quarantine").filter(delivery=FIRST)
    assert refused.height > 13
    assert (built.root / "data/packs" / SITE / "latest/data/report.html").exists()


def test_the_input_holds_every_canary(built: Run) -> None:
    """Else their absence elsewhere would say nothing."""
    sources = [built.root / "data/demo" / SITE]
    planted = {*CANARIES, *ASKED_FOR.values()}
    assert {canary for _, canary in canary_scan.find(sources, planted)} == planted


def test_no_canary_is_in_tables_dagster_output_or_pack(built: Run, tables: Built) -> None:
    del tables
    assert len(built.written) == 4
    assert canary_scan.find(built.written, CANARIES) == []


IMAGES = ("cohort/instances", "cohort/series", "cohort/studies")
CASES = ("eligibility/studies", "eligibility/cases")
ROW_LEVEL = {
    "CANARYSETTING": {"cohort/cases", "eligibility/cases"},
    **{text: {*IMAGES, *CASES, "cohort/printed_words"} for text in DEVICE.values()},
    **{text: {"cohort/readers", "cohort/printed_words"} for text in ON_ROSTER.values()},
}
"""The tables that hold each text, all of them with a row for each case, image, reader or text."""


def test_text_that_a_declared_column_asks_for_stays_in_row_level_tables(
    built: Run, tables: Built
) -> None:
    """It is data of the study; but no aggregate, log, metadata, check result or pack shows it."""
    found: dict[str, set[str]] = {text: set() for text in ASKED_FOR.values()}
    for path, text in canary_scan.find(built.written, found):
        section, table, *_ = Path(path).relative_to(built.root / "data/warehouse").parts
        found[text].add(f"{section}/{table}")
    assert found == ROW_LEVEL
    known = contracts.load()
    assert not any(known[asset].export for assets in found.values() for asset in assets)
    del tables


def test_what_nobody_listed_is_printed_by_a_number(tables: Built) -> None:
    """Else its absence would say nothing: the case is in the reference, the reader on the panel."""
    bins = tables.table("drift/baseline")
    assert "unlisted 1" in bins.filter(monitor="scanner_vendor")["bin"].to_list()
    assert "unlisted 1" in bins.filter(monitor="scanner_mix")["bin"].to_list()
    reader = tables.bench.edge.pseudonyms.reader(READER)
    own = tables.table("adjudication/reader_performance").filter(reader_id=reader)
    shown = own.select("qualification", "specialty", "training", "conflicts").unique()
    assert shown.rows() == [("unlisted 1",) * 4]
    case = tables.bench.edge.pseudonyms.case(CASE)
    row = tables.table("eligibility/cases").filter(case_id=case)
    assert ASKED_FOR["setting"] in row["covariates"][0]


def test_the_title_of_a_finding_is_printed(built: Run, tables: Built) -> None:
    del tables
    pack = built.root / "data/packs" / SITE / "latest/data"
    found = {Path(path).name for path, _ in canary_scan.find([pack], [TITLE])}
    assert {"report.html", "protocol.yaml"} <= found


def test_the_check_and_the_status_print_no_canary(built: Run, tmp_path: Path) -> None:
    planted = Copied(copy(built.root, tmp_path / "root"), SITE)
    for number, arguments in enumerate([("check", SITE), ("status", SITE), ("status", "--json")]):
        run = vpack(planted, tmp_path / f"{number}.txt", *arguments)
        assert run.output.stat().st_size > 50
        assert canary_scan.find([run.output], [*CANARIES, *ASKED_FOR.values()]) == []


def test_an_input_error_shows_no_cell(copied: Copied, tmp_path: Path) -> None:
    """A covariate that no protocol declares, with free text in its cells."""
    path = copied.delivery(FIRST) / "cases.csv"
    header, *rows = path.read_text("utf-8").rstrip("\n").split("\n")
    lines = [f"{header},Remark", *(f"{row},CANARYREMARK" for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = vpack(copied, tmp_path / "error.txt", "build", SITE)
    shown = run.output.read_text()
    assert run.code == 2
    assert "unknown column 'Remark'" in shown
    assert "Traceback" not in shown
    assert canary_scan.find([run.output, copied.root / "data/dagster"], ["CANARYREMARK"]) == []


def test_a_foreign_exception_leaves_no_text_in_dagster(copied: Copied, tmp_path: Path) -> None:
    patch = (
        "from vpack_pipeline.io import cohort\n"
        "def fail(**given):\n"
        "    remark = 'CANARY' + 'LOCAL'\n"
        "    try:\n"
        "        raise KeyError('CANARY' + 'INNER')\n"
        "    except KeyError as inner:\n"
        "        raise ValueError('CANARY' + 'OUTER') from inner\n"
        "cohort.files = fail\n"
    )
    run = vpack(copied, tmp_path / "error.txt", "build", SITE, before=patch)
    shown = run.output.read_text()
    assert run.code != 0
    assert "cohort/files: ValueError" in shown
    assert "Traceback" not in shown
    texts = ["CANARYINNER", "CANARYOUTER", "CANARYLOCAL"]
    assert canary_scan.find([run.output, copied.root / "data/dagster"], texts) == []


# Positive controls: the scanner finds what is there, in every format


TEXT = "CANARYCONTROL"


def parquet(path: Path) -> None:
    pl.DataFrame({"a": ["x", TEXT] * 500}).write_parquet(path, compression="zstd")


def parquet_metadata(path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(path, metadata={"note": TEXT})


def parquet_nested(path: Path) -> None:
    pl.DataFrame({"a": [[{"b": TEXT}]]}).write_parquet(path, compression="zstd")


def sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("pragma encoding = 'UTF-16'")
    connection.execute("create table t (a text, b blob)")
    connection.execute("insert into t values (?, ?)", ("x", gzip.compress(TEXT.encode())))
    connection.commit()
    connection.close()


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", f"aaaaaaa {TEXT} aaaaaaa" * 30)


def zipped_parquet(path: Path) -> None:
    inner = path.with_suffix(".inner")
    parquet(inner)
    content = inner.read_bytes()
    inner.unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table", content)


def bytes_of(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    "write",
    [
        *(parquet, parquet_metadata, parquet_nested, sqlite, zipped, zipped_parquet),
        bytes_of(f"a {TEXT} b".encode()),
        bytes_of(f"a {TEXT.lower()} b".encode()),
        bytes_of(f"a {TEXT} b".encode("utf-16")),
        bytes_of(f"a {TEXT} b".encode("utf-16-be")),
        bytes_of(gzip.compress(TEXT.encode())),
        bytes_of(b"".join(f"&#{ord(c)};".encode() for c in TEXT)),
        bytes_of(b"".join(f"%{ord(c):02x}".encode() for c in TEXT)),
        bytes_of(b"".join(f"\\u{ord(c):04x}".encode() for c in TEXT)),
        bytes_of(TEXT.encode().hex().encode()),
        *(bytes_of(base64.b64encode(b"x" * n + TEXT.encode() + b"tail")) for n in range(4)),
    ],
)
def test_the_scanner_finds_a_planted_text(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    write(path)
    assert canary_scan.find([tmp_path], [TEXT]) == [(str(path), TEXT)]
    assert canary_scan.find([tmp_path], ["CANARYABSENT"]) == []


def test_the_scanner_finds_a_text_in_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / f"{TEXT}.bin").write_bytes(b"")
    assert len(canary_scan.find([tmp_path], [TEXT])) == 1


def test_the_scanner_refuses_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        canary_scan.find([tmp_path / "absent"], [TEXT])
