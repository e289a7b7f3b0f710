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

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
SITE = "harbour"
CASES = 60
DELIVERED = "2026-02-01"
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

    def vpack(self, *words: str) -> str:
        done = self.run("vpack", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what is committed to it, so that nothing else can slip in."""
    source = tmp_path_factory.mktemp("source")
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
    (made,) = (source / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Install the wheel beside the libraries of this environment, without this checkout."""
    made = tmp_path_factory.mktemp("stranger")
    environment = made / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([sys.executable, *install, "--no-index", str(wheel)], check=True)
    # A folder named in a .pth file is searched, its own .pth files (ours: the checkout) are not.
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    (made / "folder").mkdir()
    return Stranger(environment / "bin", made / "folder")


@pytest.fixture(scope="module")
def filled(stranger: Stranger) -> Stranger:
    """A site that was made by ``init``, filled in by hand, and given small data."""
    stranger.vpack("init", SITE)
    data = stranger.folder / "data"
    for path in (data / "sites" / SITE / "site.yaml", *data.glob("protocols/*.yaml")):
        path.write_text(path.read_text("utf-8").replace("TODO", "Done"), encoding="utf-8")
    _archive(data / "dicom" / SITE)
    exports = _exports(stranger.folder / "exports")
    stranger.vpack("deliver", SITE, *map(str, exports), "--on", DELIVERED)
    return stranger


@pytest.fixture(scope="module")
def built(filled: Stranger) -> str:
    return filled.vpack("build", SITE)


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


def test_a_filled_site_has_nothing_to_mend(filled: Stranger) -> None:
    assert "nothing to mend" in filled.vpack("check", SITE)


def test_the_pack_is_built_and_whole(filled: Stranger, built: str) -> None:
    assert f"{SITE} at the cut {DELIVERED}" in built
    assert "FAIL" not in built
    latest = filled.folder / "data" / "packs" / SITE / "latest"
    assert (latest / "data" / "report.html").stat().st_size > 50_000
    assert "whole" in filled.vpack("verify", str(latest))


@pytest.mark.usefixtures("built")
def test_an_altered_pack_is_refused(filled: Stranger) -> None:
    latest = (filled.folder / "data" / "packs" / SITE / "latest").resolve()
    copy = filled.folder / "copy"
    shutil.copytree(latest, copy)
    report = copy / "data" / "report.html"
    report.chmod(0o644)
    report.write_text(report.read_text("utf-8").replace("0", "1", 1), encoding="utf-8")
    done = filled.run("vpack", "verify", str(copy))
    assert done.returncode == 1
    assert "report.html" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("built")
def test_nothing_was_written_outside_data(filled: Stranger) -> None:
    assert {p.name for p in filled.folder.iterdir()} <= {"data", "exports", "copy"}
