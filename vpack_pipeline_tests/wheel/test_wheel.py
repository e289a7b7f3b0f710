"""A stranger's day: the wheel alone, an empty folder, ``init`` to ``verify``."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from examples.demo_sites.dicom import CR_IMAGE, Value, file_of, uid
from vpack_pipeline_tests.once import copy, once

REPOSITORY = Path(__file__).parents[2]
SITE = "harbour"
CASES = 60
DELIVERED = "2026-02-01"
CHECKED, BUILT = "check.txt", "build.txt"
Rows = Iterable[Iterable[object]]


@dataclass(frozen=True)
class Stranger:
    """An empty folder, and a ``vpack`` that was installed from the wheel."""

    bin: Path
    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        hidden = {"PYTHONPATH", "VPACK_ROOT", "DAGSTER_HOME", "VIRTUAL_ENV"}
        return subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k not in hidden},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def told(self, file: str) -> str:
        return (self.folder.parent / file).read_text("utf-8")

    def vpack(self, *words: str) -> str:
        done = self.run("vpack", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of a copy of what is committed to it, so that nothing else can slip in."""
    (made,) = once(tmp_path_factory, "wheel", _build_wheel).glob("dist/*.whl")
    return made


@pytest.fixture(scope="session")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Someone who has been through the day: read only what it left."""

    def make(root: Path) -> None:
        environment = root / "venv"
        _install(wheel, environment)
        (root / "folder").mkdir()
        own = Stranger(environment / "bin", root / "folder")
        _fill(own)
        (root / CHECKED).write_text(own.vpack("check", SITE), encoding="utf-8")
        (root / BUILT).write_text(own.vpack("build", SITE), encoding="utf-8")

    root = once(tmp_path_factory, "stranger", make)
    return Stranger(root / "venv" / "bin", root / "folder")


def _build_wheel(source: Path) -> None:
    for name in ("vpack_pipeline", "dbt_like_sql"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, source / name)
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "dist")]
    done = subprocess.run(
        [sys.executable, *words, str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _install(wheel: Path, environment: Path) -> None:
    """Install the wheel beside the libraries of this environment, without this checkout."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([sys.executable, *install, "--no-index", str(wheel)], check=True)
    # A folder named in a .pth file is searched, its own .pth files (ours: the checkout) are not.
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")


def _fill(stranger: Stranger) -> None:
    """Make a site by ``init``, fill it in by hand, and give it small data."""
    stranger.vpack("init", SITE)
    data = stranger.folder / "data"
    for path in (data / "sites" / SITE / "site.yaml", *data.glob("protocols/*.yaml")):
        path.write_text(path.read_text("utf-8").replace("TODO", "Done"), encoding="utf-8")
    _archive(data / "dicom" / SITE)
    exports = _exports(stranger.folder / "exports")
    stranger.vpack("deliver", SITE, *map(str, exports), "--on", DELIVERED)


def _days() -> list[date]:
    return [date(2025, 1, 6) + timedelta(days=6 * number) for number in range(CASES)]


def _is_positive(number: int) -> bool:
    return number % 3 == 0


def _archive(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, day in enumerate(_days()):
        image: dict[str, Value] = {
            "ImageType": "ORIGINAL\\PRIMARY",
            "SOPClassUID": CR_IMAGE,
            "SOPInstanceUID": uid(SITE, 1, "image", number),
            "StudyInstanceUID": uid(SITE, 1, "study", number),
            "SeriesInstanceUID": uid(SITE, 1, "series", number),
            "StudyDate": f"{day:%Y%m%d}",
            "AccessionNumber": f"A{number:04d}",
            "Modality": "CR",
            "Manufacturer": "Harbour Imaging",
            "PatientID": f"P{number:04d}",
            "PatientSex": "FM"[number % 2],
            "PatientAge": f"{30 + number % 50:03d}Y",
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": 4,
            "Columns": 4,
            "BitsAllocated": 16,
            "BitsStored": 12,
            "HighBit": 11,
            "PixelRepresentation": 0,
            "PixelData": bytes(2 * 4 * 4),
        }
        (folder / f"{number:04d}.dcm").write_bytes(file_of(image))


def _exports(folder: Path) -> list[Path]:
    folder.mkdir()
    days = _days()
    cases = ((f"C{i}", f"P{i:04d}", days[i], f"A{i:04d}") for i in range(CASES))
    reads = (
        (reader, f"C{i}", "finding", int(_is_positive(i)), f"{days[i]}T12:00:00Z")
        for i in range(CASES)
        for reader in ("R1", "R2")
    )
    scores = (
        (f"C{i}", "finding", "model-1", round(0.3 + 0.4 * _is_positive(i) + i % 7 / 40, 3))
        for i in range(CASES)
    )
    return [
        _table(folder / "cases.csv", "case_id,patient_id,index_date,study", cases),
        _table(folder / "readers.csv", "reader_id", [("R1",), ("R2",)]),
        _table(folder / "reads.csv", "reader_id,case_id,finding,rating,read_at", reads),
        _table(folder / "predictions.csv", "case_id,finding,model_id,score", scores),
    ]


def _table(path: Path, header: str, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def test_what_runs_comes_from_the_wheel(stranger: Stranger) -> None:
    code = (
        "import vpack_pipeline, dbt_like_sql; print(vpack_pipeline.__file__, dbt_like_sql.__file__)"
    )
    done = stranger.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    for place in done.stdout.split():
        assert Path(place).is_relative_to(stranger.bin.parent)
    with_examples = stranger.run("python", "-c", "import examples")
    assert "ModuleNotFoundError" in with_examples.stderr


def test_help_names_every_command(stranger: Stranger) -> None:
    said = stranger.vpack("--help")
    for command in ("init", "deliver", "check", "build", "status", "verify", "ui"):
        assert f"  {command} " in said


def test_a_filled_site_has_nothing_to_mend(stranger: Stranger) -> None:
    assert "nothing to mend" in stranger.told(CHECKED)


def test_the_pack_is_built_and_whole(stranger: Stranger) -> None:
    built = stranger.told(BUILT)
    assert f"{SITE} at the cut {DELIVERED}" in built
    assert "FAIL" not in built
    latest = stranger.folder / "data" / "packs" / SITE / "latest"
    assert (latest / "data" / "report.html").stat().st_size > 50_000
    assert "whole" in stranger.vpack("verify", str(latest))


def test_an_altered_pack_is_refused(stranger: Stranger, tmp_path: Path) -> None:
    latest = (stranger.folder / "data" / "packs" / SITE / "latest").resolve()
    pack = copy(latest, tmp_path / "copy")
    report = pack / "data" / "report.html"
    report.chmod(0o644)
    report.write_text(report.read_text("utf-8").replace("0", "1", 1), encoding="utf-8")
    done = stranger.run("vpack", "verify", str(pack))
    assert done.returncode == 1
    assert "report.html" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_was_written_outside_data(stranger: Stranger) -> None:
    assert {p.name for p in stranger.folder.iterdir()} == {"data", "exports"}
