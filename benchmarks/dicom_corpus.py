"""A seeded mixed archive of DICOM files, to measure a scan on.

    .venv/bin/python benchmarks/dicom_corpus.py FOLDER --files 20000

CR, DX, CT, MR, MG and US by several makers, with the elements, private blocks, sequences,
character sets and transfer syntaxes that their headers have, a few enhanced multi-frame images,
reports, key objects, deflated, big-endian, bare, cut and foreign files, and pydicom's own test
files. A header is written by pydicom once per template; each file is that template with
identifiers, dates and positions of its own put in its places. Uncompressed pixels are a hole in a
sparse file: they have their length, and take no disk.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

SETTLED: Final = 1_700_000_000
"""Every file's time of modification, seconds: long before any scan."""
ENHANCED_CT: Final = "1.2.840.10008.5.1.4.1.1.2.1"
REPORT: Final = "1.2.840.10008.5.1.4.1.1.88.11"
KEY_OBJECT: Final = "1.2.840.10008.5.1.4.1.1.88.59"

# What a file has of its own: a text of exactly this length, so that it fits in its place.
PLACES: Final = {
    "instance": f"2.25.{'1' * 39}",
    "series": f"2.25.{'2' * 39}",
    "study": f"2.25.{'3' * 39}",
    "frame": f"2.25.{'4' * 39}",
    "patient": "PID0000000",
    "accession": "ACC0000000",
    "day": "18990131",
    "number": "999777",
    "position": "-987.654321",
}


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of equipment: what its files hold, and how a study of it is made up."""

    modality: str
    sop_class: str
    maker: str
    model: str
    software: str
    share: int
    """Of 1,000 files."""
    series: int
    images: int
    side: int
    charset: str | None = "ISO_IR 100"
    syntax: str = ExplicitVRLittleEndian
    private_kb: int = 2
    kvp: str = "120"


_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
DEVICES: Final = (
    Device("CT", f"{_STORAGE}2", "SIEMENS", "Definition AS", "syngo CT VA48A", 230, 2, 60, 512),
    Device("CT", f"{_STORAGE}2", "GE MEDICAL SYSTEMS", "Revolution CT", "les_2022", 150, 2, 80, 512,
           private_kb=5, kvp="100"),
    Device("CT", f"{_STORAGE}2", "TOSHIBA", "Aquilion ONE", "V6.04", 90, 1, 50, 512,
           charset="ISO 2022 IR 87", syntax=ImplicitVRLittleEndian),
    Device("CT", f"{_STORAGE}2", "Philips", "iCT 256", "4.1.6", 60, 1, 40, 512, "ISO_IR 192",
           JPEGLosslessSV1),
    Device("MR", f"{_STORAGE}4", "SIEMENS", "Skyra", "syngo MR E11", 120, 4, 24, 320,
           private_kb=48),
    Device("MR", f"{_STORAGE}4", "Philips Medical Systems", "Ingenia", "5.6.1", 80, 4, 24, 256,
           "ISO_IR 192", private_kb=11),
    Device("CR", f"{_STORAGE}1", "FUJIFILM Corporation", "FCR CAPSULA", "A13", 55, 1, 2, 1760,
           charset="ISO 2022 IR 87", private_kb=1, kvp="70"),
    Device("DX", f"{_STORAGE}1.1", "Philips", "DigitalDiagnost", "R4.2", 70, 1, 2, 2048,
           "ISO_IR 100", kvp="125"),
    Device("DX", f"{_STORAGE}1.1", "Carestream Health", "DRX-Evolution", "5.7.4", 45, 1, 2, 2048,
           None, private_kb=3, kvp="110"),
    Device("MG", f"{_STORAGE}1.2", "HOLOGIC, Inc.", "Selenia Dimensions", "1.11.2", 40, 4, 1, 2560,
           "ISO_IR 192", private_kb=6, kvp="29"),
    Device("US", f"{_STORAGE}6.1", "GE Healthcare", "LOGIQ E9", "R6", 48, 1, 8, 768,
           syntax=ImplicitVRLittleEndian),
)  # fmt: skip
ODDITIES: Final = {
    "enhanced": 3, "deflated": 2, "big-endian": 1, "report": 2, "key-object": 1,
    "bare": 1, "cut": 1, "foreign": 1,
}  # fmt: skip
"""Kind of a file that is no plain image → of 1,000 files."""


class Template:
    """The bytes of one kind of file, with the places where a file has its own.

    Parameters
    ----------
    data : the file up to its pixels, or whole
    hole : bytes of zero that follow it
    """

    def __init__(self, data: bytes, hole: int = 0) -> None:
        self.data = data
        self.hole = hole
        self._places = {name: list(_places(data, text)) for name, text in PLACES.items()}

    def fill(self, own: dict[str, str]) -> bytearray:
        """Make one file's bytes."""
        made = bytearray(self.data)
        for name, at in self._places.items():
            value = own[name].encode()
            if len(value) != len(PLACES[name]):
                raise ValueError(f"{name} does not fit in its place")
            for start in at:
                made[start : start + len(value)] = value
        return made


def _places(data: bytes, text: str) -> Iterator[int]:
    at = data.find(text.encode())
    while at >= 0:
        yield at
        at = data.find(text.encode(), at + 1)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def _names(ds: Dataset, charset: str | None) -> None:
    if charset == "ISO 2022 IR 87":
        ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        ds.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
        ds.InstitutionName = "大学病院"
        return
    if charset is not None:
        ds.SpecificCharacterSet = charset
    ds.PatientName = "Mustermann^Jörg" if charset else "Doe^Jane"
    ds.InstitutionName = "Städtisches Klinikum" if charset else "General Hospital"


def _common(device: Device) -> Dataset:
    ds = Dataset()
    _names(ds, device.charset)
    day = PLACES["day"]
    given = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL" if device.modality == "CT" else ""],
        "InstanceCreationDate": day, "InstanceCreationTime": "101112.123000",
        "SOPClassUID": device.sop_class, "SOPInstanceUID": PLACES["instance"],
        "StudyDate": day, "SeriesDate": day, "AcquisitionDate": day, "ContentDate": day,
        "StudyTime": "101010.500000", "SeriesTime": "101012", "AcquisitionTime": "101112.120000",
        "ContentTime": "101112.123000", "AccessionNumber": PLACES["accession"],
        "Modality": device.modality, "Manufacturer": device.maker, "StationName": "ROOM3",
        "InstitutionAddress": "Street 1, Town", "ReferringPhysicianName": "Ref^Doctor",
        "StudyDescription": "Examination", "SeriesDescription": "Standard series",
        "InstitutionalDepartmentName": "Radiology", "PerformingPhysicianName": "Per^Doctor",
        "OperatorsName": "Op^Erator", "ManufacturerModelName": device.model,
        "PatientID": PLACES["patient"], "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19600517", "PatientSex": "F", "PatientAge": "062Y",
        "PatientSize": "1.7", "PatientWeight": "71", "AdditionalPatientHistory": "none",
        "BodyPartExamined": "CHEST", "DeviceSerialNumber": "12345",
        "SoftwareVersions": device.software, "ProtocolName": "Routine protocol",
        "PatientPosition": "HFS", "StudyInstanceUID": PLACES["study"],
        "SeriesInstanceUID": PLACES["series"], "StudyID": "1", "SeriesNumber": "3",
        "AcquisitionNumber": "1", "InstanceNumber": PLACES["number"],
        "FrameOfReferenceUID": PLACES["frame"], "ImageComments": "",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": device.side,
        "Columns": device.side, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
        "PixelRepresentation": 0, "WindowCenter": ["40", "400"], "WindowWidth": ["350", "1500"],
        "RescaleIntercept": "-1024", "RescaleSlope": "1", "RescaleType": "HU",
        "RequestedProcedureDescription": "Examination", "PerformedProcedureStepID": "S1",
        "PerformedProcedureStepStartDate": day, "PerformedProcedureStepStartTime": "101010",
    }  # fmt: skip
    for keyword, value in given.items():
        setattr(ds, keyword, value)
    _sequences(ds)
    return ds


def _sequences(ds: Dataset) -> None:
    referenced = Dataset()
    referenced.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    referenced.ReferencedSOPInstanceUID = "1.2.3.4.5.6"
    ds.ReferencedStudySequence = Sequence([referenced])
    request = Dataset()
    request.ScheduledProcedureStepDescription = "Step"
    request.ScheduledProcedureStepID = "P1"
    request.ScheduledProtocolCodeSequence = Sequence([_code("CTCH", "LOCAL", "CT chest")])
    ds.RequestAttributesSequence = Sequence([request])
    # Half of what is written in the field has sequences of undefined length.
    ds["RequestAttributesSequence"].is_undefined_length = True
    ds.ProcedureCodeSequence = Sequence([_code("X1", "LOCAL", "Procedure")])


def _cross_sectional(ds: Dataset, device: Device) -> None:
    ds.ImagePositionPatient = ["-170", "-180", PLACES["position"]]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.SliceLocation = PLACES["position"]
    ds.PixelSpacing = ["0.703125", "0.703125"]
    ds.SliceThickness = "1.25"
    images = []
    for number in range(1, 4):
        one = Dataset()
        one.ReferencedSOPClassUID = device.sop_class
        one.ReferencedSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}"
        images.append(one)
    ds.ReferencedImageSequence = Sequence(images)
    if device.modality == "CT":
        ds.ScanOptions, ds.KVP, ds.DataCollectionDiameter = "HELICAL MODE", device.kvp, "500"
        ds.ReconstructionDiameter, ds.GantryDetectorTilt, ds.TableHeight = "360", "0", "151"
        ds.ExposureTime, ds.XRayTubeCurrent, ds.Exposure = "500", "210", "105"
        ds.FilterType, ds.GeneratorPower, ds.FocalSpots = "BODY", "48", "1.2"
        ds.ConvolutionKernel = ["B30f", "2"] if device.maker == "SIEMENS" else "STANDARD"
        ds.ContrastBolusAgent, ds.CTDIvol = "Iohexol", 7.3
        ds.TableSpeed, ds.SpiralPitchFactor = 46.0, 0.984
    else:
        ds.ScanningSequence, ds.SequenceVariant = "SE", ["SK", "SP"]
        ds.MRAcquisitionType, ds.SequenceName = "2D", "*tse2d1_15"
        ds.RepetitionTime, ds.EchoTime, ds.NumberOfAverages = "4000", "98", "2"
        ds.ImagingFrequency, ds.EchoTrainLength = "123.257", "15"
        ds.MagneticFieldStrength, ds.FlipAngle = "3", "150"
        ds.ReceiveCoilName, ds.PixelBandwidth = "Body", "220"


def _projection(ds: Dataset, device: Device) -> None:
    ds.KVP, ds.ExposureTime, ds.XRayTubeCurrent = device.kvp, "8", "320"
    ds.Exposure, ds.ExposureInuAs = "3", "2560"
    ds.ImagerPixelSpacing = ["0.143", "0.143"]
    ds.ViewPosition = "PA" if device.modality != "MG" else "MLO"
    ds.ViewCodeSequence = Sequence([_code("399348003", "SCT", "antero-posterior")])
    ds.ImageLaterality = "L" if device.modality == "MG" else "U"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ExposureIndex, ds.DeviationIndex = "412", "0.4"
    ds.DistanceSourceToDetector, ds.Grid = "1800", "IN"
    ds.AnatomicRegionSequence = Sequence([_code("51185008", "SCT", "Chest")])
    ds.LossyImageCompression, ds.BurnedInAnnotation = "00", "NO"


def _private(ds: Dataset, device: Device) -> None:
    rng = random.Random(f"{device.maker} {device.model}")
    block = ds.private_block(0x0029, f"{device.maker.upper()} HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x10, "OB", rng.randbytes(device.private_kb * 1024))
    numbers = ds.private_block(0x0019, f"{device.maker.upper()} ACQU", create=True)
    for number in range(24):
        numbers.add_new(0x10 + number, "DS", f"{rng.random() * 100:.4f}")
    item = Dataset()
    inner = item.private_block(0x2005, f"{device.maker.upper()} NESTED", create=True)
    inner.add_new(0x01, "LO", "nested")
    numbers.add_new(0x60, "SQ", Sequence([item]))


def _image(device: Device) -> Dataset:
    ds = _common(device)
    if device.modality in {"CT", "MR"}:
        _cross_sectional(ds, device)
    elif device.modality == "US":
        ds.TransducerData, ds.UltrasoundColorDataPresent = "C1-6", 0
    else:
        _projection(ds, device)
    _private(ds, device)
    return ds


def _enhanced(frames: int = 40) -> Dataset:
    device = Device("CT", ENHANCED_CT, "Canon Medical Systems", "Aquilion", "V8", 0, 1, 1, 512)
    ds = _common(device)
    ds.NumberOfFrames = str(frames)
    shared, voltage, spacing = Dataset(), Dataset(), Dataset()
    voltage.KVP = "120"
    spacing.SliceThickness, spacing.PixelSpacing = "0.5", ["0.7", "0.7"]
    shared.CTXRayDetailsSequence = Sequence([voltage])
    shared.PixelMeasuresSequence = Sequence([spacing])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number in range(frames):
        group, place, exposure = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = ["-170", "-180", f"{number * 0.5:.1f}"]
        exposure.ExposureInmAs = 80.0 + number
        group.PlanePositionSequence = Sequence([place])
        group.CTExposureSequence = Sequence([exposure])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    return ds


def _document(sop_class: str, modality: str) -> Dataset:
    ds = _common(Device(modality, sop_class, "Vendor", "Workstation", "1", 0, 1, 1, 4))
    for element in ds.group_dataset(0x0028):
        del ds[element.tag]
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Report")])
    return ds


def _written(ds: Dataset, syntax: str) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _template(ds: Dataset, syntax: str) -> Template:
    """Write a template; uncompressed pixels become a hole of their length."""
    if "Rows" not in ds:
        return Template(_written(ds, syntax))
    frames = int(ds.get("NumberOfFrames", 1))
    length = 2 * ds.Rows * ds.Columns * frames
    if syntax == JPEGLosslessSV1:
        ds.PixelData = encapsulate([random.Random(7).randbytes(90_000)])
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        return Template(_written(ds, syntax))
    ds.PixelData = b"\0" * length
    ds["PixelData"].VR = "OW"
    whole = _written(ds, syntax)
    return Template(whole[:-length], length)


def _deflated(template: Template, own: dict[str, str]) -> bytes:
    whole = bytes(template.fill(own))
    start = whole.index(b"\x08\x00\x05\x00CS")
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    made = squeezer.compress(whole[start:] + b"\0" * template.hole) + squeezer.flush()
    syntax = DeflatedExplicitVRLittleEndian
    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = syntax
    head.file_meta.MediaStorageSOPClassUID = DEVICES[0].sop_class
    head.file_meta.MediaStorageSOPInstanceUID = own["instance"]
    buffer = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(buffer, head.file_meta)
    return bytes(128) + b"DICM" + buffer.getvalue() + made


class Templates:
    """All kinds of file, each written once."""

    def __init__(self) -> None:
        self.images = [_template(_image(d), d.syntax) for d in DEVICES]
        small = Device("CT", DEVICES[0].sop_class, "SIEMENS", "Definition AS", "VA48A", 0, 1, 1, 64)
        self.small = _template(_image(small), ExplicitVRLittleEndian)
        self.odd = {
            "enhanced": _template(_enhanced(), ExplicitVRLittleEndian),
            "big-endian": _template(_image(small), ExplicitVRBigEndian),
            "report": _template(_document(REPORT, "SR"), ExplicitVRLittleEndian),
            "key-object": _template(_document(KEY_OBJECT, "KO"), ExplicitVRLittleEndian),
        }

    def odd_file(self, kind: str, own: dict[str, str]) -> tuple[bytes | bytearray, int]:
        """Make a file that is no plain image: its bytes, and the hole behind them."""
        if kind == "deflated":
            return _deflated(self.small, own), 0
        if kind == "bare":  # neither preamble nor mark, as old archives export
            whole = bytes(self.small.fill(own))
            return whole[whole.index(b"\x08\x00\x05\x00CS") :], self.small.hole
        if kind == "cut":
            return self.small.fill(own)[:1800], 0
        if kind == "foreign":
            return b"%PDF-1.7 " + bytes(4000), 0
        template = self.odd[kind]
        return template.fill(own), template.hole


def write_corpus(root: Path, n_files: int, seed: int = 20260105) -> Counter[str]:
    """Write about ``n_files`` generated files and pydicom's own test files below a folder.

    Returns
    -------
    kind of file → how many; the same seed gives the same files
    """
    rng = random.Random(seed)
    templates = Templates()
    made: Counter[str] = Counter()
    for kind, share in ODDITIES.items():
        for number in range(n_files * share // 1000):
            data, hole = templates.odd_file(kind, _study(rng))
            _put(root / "odd" / f"{number // 500}" / f"{kind}-{number}.dcm", data, hole)
            made[kind] += 1
    scale = (n_files - made.total()) / sum(d.share for d in DEVICES)
    for device, template in zip(DEVICES, templates.images, strict=True):
        wanted = round(device.share * scale)
        for relative, own in _images(device, wanted, rng):
            _put(root / relative, template.fill(own), template.hole)
            made[device.modality] += 1
    made["pydicom"] = _put_pydicom_files(root / "pydicom")
    return made


def _uid(rng: random.Random) -> str:
    return f"2.25.{rng.randrange(10**38, 2**128)}"


def _study(rng: random.Random) -> dict[str, str]:
    return {
        "study": _uid(rng),
        "series": _uid(rng),
        "frame": _uid(rng),
        "instance": _uid(rng),
        "patient": f"PID{rng.randrange(10**7):07d}",
        "accession": f"ACC{rng.randrange(10**7):07d}",
        "day": f"20{rng.randrange(15, 26)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}",
        "number": f"{1:>6}",
        "position": f"{0.0:>11.6f}",
    }


def _images(
    device: Device, wanted: int, rng: random.Random
) -> Iterator[tuple[str, dict[str, str]]]:
    left = wanted
    while left > 0:
        own = _study(rng)
        for _ in range(device.series):
            own["series"], own["frame"] = _uid(rng), _uid(rng)
            for number in range(1, min(device.images, left) + 1):
                own["instance"] = _uid(rng)
                own["number"] = f"{number:>6}"
                own["position"] = f"{number * 1.25 - 300:>11.6f}"
                name = f"{own['patient']}/{own['study'][-8:]}/{own['series'][-8:]}/{number:05d}.dcm"
                yield f"{device.modality}/{name}", own
            left -= min(device.images, left)


def _put(path: Path, data: bytes | bytearray, hole: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(handle, data)
        if hole:
            os.ftruncate(handle, len(data) + hole)
        os.utime(handle, (SETTLED, SETTLED))
    finally:
        os.close(handle)


def _put_pydicom_files(folder: Path) -> int:
    source = Path(pydicom.__file__).parent / "data" / "test_files"
    found = sorted(p for p in source.rglob("*") if p.is_file())
    for path in found:
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (SETTLED, SETTLED))
    return len(found)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=20260105)
    given: Any = parser.parse_args(arguments)
    started = time.perf_counter()
    made = write_corpus(given.folder, given.files, given.seed)
    took = time.perf_counter() - started
    print(f"{made.total()} files in {took:.1f} s: {dict(sorted(made.items()))}")


if __name__ == "__main__":
    main()
