"""A site's archive small enough to read: real DICOM files, written by pydicom."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.io import cohort, models
from vpack_pipeline.io.dicom import scanner, state
from vpack_pipeline.io.dicom.scanner import Scan
from vpack_pipeline.io.edge import Edge, Loaded, Scanning
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import AccessionNumbers, FolderSource, IdentifierForm, InputForm, Site

CT = "1.2.840.10008.5.1.4.1.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
LONG_AGO = 1_700_000_000
CUT = "2026-01-05"
NO_MAP = pl.DataFrame(
    schema={"patient_id": pl.String, "same_as": pl.String, "in_force": pl.Boolean}
)


def image(number: int = 1, **elements: Any) -> Dataset:
    """One CT slice; a keyword replaces an element, None removes it."""
    ds = Dataset()
    given: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT,
        "SOPInstanceUID": f"1.2.3.{number}",
        "StudyDate": "20251201",
        "AcquisitionDate": "20251201",
        "AccessionNumber": "A1",
        "Modality": "CT",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "Definition AS",
        "PatientID": "P1",
        "PatientBirthDate": "19830601",
        "PatientSex": "F",
        "PatientAge": "042Y",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "1.25",
        "KVP": "120",
        "SoftwareVersions": ["VA48A", "2"],
        "Exposure": "80",
        "ConvolutionKernel": "B30f",
        "StudyInstanceUID": "1.2.1",
        "SeriesInstanceUID": "1.2.1.1",
        "InstanceNumber": str(number),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 6,
        "PixelSpacing": ["0.5", "0.5"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": bytes(48),
    }
    for keyword, value in {**given, **elements}.items():
        if value is not None:
            setattr(ds, keyword, value)
            if keyword == "PixelData":
                ds["PixelData"].VR = "OW"
    return ds


def write(path: Path, ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a Part 10 file of a settled age."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CT)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, ds, enforce_file_format=True)
    return settle(path)


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return settle(path)


def settle(path: Path, seconds: int = LONG_AGO) -> Path:
    os.utime(path, (seconds, seconds))
    return path


def element(tag: str, vr: str, value: bytes, length: int | None = None) -> bytes:
    """One element in Explicit VR Little Endian; ``length`` may lie."""
    group, number = bytes.fromhex(tag[:4])[::-1], bytes.fromhex(tag[4:])[::-1]
    size = len(value) if length is None else length
    if vr in {"OB", "OW", "SQ", "UN", "UT"}:
        return group + number + vr.encode() + b"\0\0" + size.to_bytes(4, "little") + value
    return group + number + vr.encode() + size.to_bytes(2, "little") + value


def part_10(body: bytes, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A file with the mark, a transfer syntax and whatever follows."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element("00020010", "UI", uid) + body


def deflated(body: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return part_10(squeezer.compress(body) + squeezer.flush(), DEFLATED)


@dataclass
class Bench:
    """A project folder with one site and one source."""

    root: Path
    cut: str = CUT
    sources: tuple[Any, ...] = (FolderSource(path="dicom"),)
    value_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    identifiers: dict[Any, IdentifierForm] = field(default_factory=dict)
    accession_numbers: AccessionNumbers | None = None
    issuer: str | None = None
    secret: bytes = b"s" * 32
    now: int = (LONG_AGO + 10**6) * 10**9

    @property
    def archive(self) -> Path:
        return self.root / "dicom"

    @property
    def ids(self) -> Pseudonyms:
        return Pseudonyms(self.secret, self.identifiers, self.issuer)

    def file_id(self, relative: str, source: int = 1) -> str:
        return self.ids.path(f"{source}:{relative}")

    def edge(self, cut: str | None = None) -> Edge:
        site = Site(
            site_id="lakeside",
            title="Lakeside",
            protocol="demo@1",
            sources=self.sources,
            deliveries="deliveries",
            inputs={k: InputForm(file=f"{k}.csv") for k in ("reads", "readers", "predictions")},
            value_maps=self.value_maps,
            identifiers=self.identifiers,
            accession_numbers=self.accession_numbers,
            issuer=self.issuer,
        )
        protocol = Protocol.model_construct()
        return Edge(self.root, site, protocol, self.ids, self.root / "state", cut or self.cut)

    def add(self, relative: str, number: int = 1, **elements: Any) -> Path:
        return write(self.archive / relative, image(number, **elements))

    def publish(self, *cuts: str) -> None:
        (self.root / "state").mkdir(exist_ok=True)
        (self.root / "state" / "published_cuts.json").write_text(json.dumps(cuts))

    def scan(self, cut: str | None = None, **scanning: Any) -> Scan:
        edge = replace(self.edge(cut), scanning=Scanning(**scanning))
        return scanner.scan(edge, clock=self.tick)

    def tick(self) -> int:
        """A clock of which no two readings are the same."""
        self.now += 1
        return self.now

    def outcomes(self, cut: str | None = None) -> dict[str, str]:
        """File → outcome, by the file's path in the archive."""
        names = {
            self.file_id(str(p.relative_to(self.archive))): str(p.relative_to(self.archive))
            for p in self.archive.rglob("*")
        }
        rows = self.scan(cut).files.select("file_id", "outcome").iter_rows()
        return {names.get(i, "(gone)"): outcome for i, outcome in rows}

    def with_headers(self, scan: Scan) -> pl.DataFrame:
        """The files of a scan, each with its header row."""
        headers = state.read_headers(self.root / "state").drop(*(set(state.THIN) - set(state.KEY)))
        return scan.files.join(headers, on=state.KEY, how="left", maintain_order="left")

    def row(self, relative: str = "a.dcm") -> dict[str, Any]:
        """The scanner's row of one file, with its header row."""
        found = self.scan().files.filter(pl.col("file_id") == self.file_id(relative))
        headers = state.read_headers(self.root / "state")
        wide = headers.drop(*(set(state.THIN) - set(state.KEY)))
        return found.join(wide, on=state.KEY).row(0, named=True)

    def call(self, table: str, cut: str | None = None, **frames: pl.DataFrame) -> Any:
        """Call a table's function with only what its contract declares in sight."""
        contract = contracts.load()[f"cohort/{table}"]
        edge = self.edge(cut).narrowed(contract.protocol, contract.site)
        known = contracts.load()
        given = {n: as_read(frames[n], known[asset]) for n, asset in contract.inputs.items()}
        made = getattr(cohort, table)(edge=edge, **given)
        if isinstance(made, Loaded):
            return replace(made, table=contracts.conform(made.table.lazy().collect(), contract))
        return contracts.conform(made.lazy().collect(), contract)

    def model(self, table: str, **frames: pl.DataFrame) -> pl.DataFrame:
        """Run a table's model over the frames that it reads."""
        contract = contracts.load()[f"cohort/{table}"]
        model = models.load()[contract.asset]
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            inputs = {}
            for asset in sorted(model.inputs):
                name = asset.partition("/")[2]
                inputs[asset] = [Path(folder) / f"{name}.parquet"]
                frames[name].write_parquet(inputs[asset][0], statistics=False)
            made = Path(folder) / "made.parquet"
            models.run(model.sql, contract, inputs, {}, made)
            return contracts.conform(pl.read_parquet(made), contract)

    def tables(
        self, cut: str | None = None, patient_map: pl.DataFrame = NO_MAP
    ) -> dict[str, pl.DataFrame]:
        loaded = self.call("files", cut, deliveries=pl.DataFrame())
        frames = {"files": loaded.table, "patient_map": patient_map}
        frames["instances"] = self.call("instances", cut, **frames)
        for table in ("series", "studies"):
            frames[table] = self.model(table, **frames)
        return {**frames, "quarantine": loaded.quarantine}


def as_read(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame | pl.LazyFrame:
    """Give an input as an asset reads it: lazily where the table is bucketed."""
    return frame.lazy() if contract.bucket else frame
