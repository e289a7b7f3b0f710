"""A reviewer's machine: the wheel with its base dependencies, and nothing that builds packs.

No network: the wheel is installed without dependencies, and those that it declares for the base
install, with what they need in turn, are linked from this environment.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vpack_pipeline import cli
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline_tests.counted_pack import counted_pack
from vpack_pipeline_tests.wheel import test_wheel
from vpack_pipeline_tests.wheel.test_wheel import REPOSITORY, Stranger

wheel = test_wheel.wheel
SITE = "harbour"
LIMIT_S = 1.0
STORED, STORED_BEFORE = (
    REPOSITORY / f"vpack_pipeline_tests/io/packs/format-{n}.tar.xz" for n in (FORMAT, FORMAT - 1)
)
KEY = "../key"
FOR_ALL = {
    "verify": ("pack",),
    "acceptance": ("pack", "--cases-a-week", "100", "--prevalence", "10%", "--html", "here.html"),
    "compare": ("counted", "counts.csv"),
    "diff": ("pack", "older", "--html", "diff.html"),
    "explain": ("pack", "first.conduct.broken"),
    "init": ("port",),
    "upgrade": (SITE,),
    "keygen": ("../another", "--name", "builder@test.example"),
    "sign": ("signed", "--key", KEY, "--role", "builder"),
}
"""Commands that run on the base install, with arguments."""
FOR_SITES = {
    "check": (SITE,),
    "deliver": (SITE, "cases.csv"),
    "scan": (SITE,),
    "build": (SITE,),
    "status": (SITE,),
    "release": (SITE,),
    "clean": (SITE,),
    "ui": (),
}


@pytest.fixture(scope="module")
def reviewer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Install the wheel beside the libraries of the base install, and unpack a pack."""
    made = tmp_path_factory.mktemp("reviewer")
    environment = made / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([sys.executable, *install, "--no-index", str(wheel)], check=True)
    (own,) = environment.glob("lib/python*/site-packages")
    (installed,) = own.glob("vpack_pipeline-*.dist-info")
    for needed in base_of(Distribution.at(installed)).values():
        for name in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            (own / name).symlink_to(needed.locate_file(name))
    folder = made / "folder"
    folder.mkdir()
    for stored, name in ((STORED, "pack"), (STORED_BEFORE, "older")):
        with tarfile.open(stored) as archive:
            archive.extractall(folder / "received", filter="data")
        (pack,) = (p for p in folder.glob("received/*/versions/*") if p.is_dir())
        pack.rename(folder / name)
    counted_pack(folder / "counted")
    (folder / "counts.csv").write_text("setting,n\nward,1\nemergency,3\n", encoding="utf-8")
    made_by = Stranger(environment / "bin", folder)
    made_by.vpack("keygen", KEY, "--name", "builder@test.example")
    shutil.copytree(folder / "pack", folder / "signed")
    return made_by


def base_of(wheel: Distribution) -> dict[str, Distribution]:
    """Give every distribution that the wheel needs without an extra."""
    found: dict[str, Distribution] = {}
    waiting = [wheel]
    while waiting:
        for needed in map(Requirement, waiting.pop().requires or ()):
            is_asked = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if is_asked and needed.name not in found:
                found[needed.name] = distribution(needed.name)
                waiting.append(found[needed.name])
    return found


def declared(*keys: str) -> set[str]:
    """Give the names of the distributions in a list of ``pyproject.toml``."""
    node = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    for key in keys:
        node = node[key]
    return {Requirement(line).name for line in node}


def test_the_base_install_is_what_a_reviewer_needs() -> None:
    base = {"click", "cryptography", "jinja2", "numpy", "polars", "pydantic", "pyyaml", "scipy"}
    assert declared("dependencies") == base


def test_the_command_line_knows_what_the_extra_installs() -> None:
    extra = declared("optional-dependencies", "pipeline")
    assert {name.replace("-", "_") for name in extra} == cli.PIPELINE
    assert not extra & declared("dependencies")
    assert not extra & declared("optional-dependencies", "dev")


def test_what_is_installed_has_no_engine_and_is_not_this_checkout(reviewer: Stranger) -> None:
    code = (
        "import importlib.util, sys, cryptography, jinja2, numpy, polars, pydantic, scipy, yaml, vpack_pipeline\n"
        "print(vpack_pipeline.__file__)\n"
        "print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])\n"
    )
    done = reviewer.run("python", "-c", code, *sorted(cli.PIPELINE), "great_expectations", "pandas")
    assert done.returncode == 0, done.stderr
    place, engines = done.stdout.splitlines()
    assert Path(place).is_relative_to(reviewer.bin.parent)
    assert engines == "[]"


def test_a_pack_is_verified_in_less_than_a_second(reviewer: Stranger) -> None:
    seconds = []
    for _ in range(3):  # the quickest: other tests run beside this one
        start = time.perf_counter()
        said = reviewer.vpack("verify", "pack")
        seconds.append(time.perf_counter() - start)
        assert said.startswith("whole: riverside/")
    assert min(seconds) < LIMIT_S


def test_a_comparison_starts_without_frames_and_models(reviewer: Stranger) -> None:
    code = (
        "import sys\n"
        "from vpack_pipeline.cli import main\n"
        "try:\n"
        "    main(['compare', 'counted', 'counts.csv'])\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0\n"
        "print(sorted({'polars', 'pydantic', 'jinja2'} & set(sys.modules)))\n"
    )
    done = reviewer.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "contains the counts you typed" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_comparison_is_written_as_a_page(reviewer: Stranger) -> None:
    reviewer.vpack("compare", "counted", "counts.csv", "--html", "page.html")
    assert "<h1>" in (reviewer.folder / "page.html").read_text(encoding="utf-8")


def test_a_signed_pack_is_verified_in_less_than_a_second(reviewer: Stranger) -> None:
    reviewer.vpack("sign", "signed", "--key", KEY, "--role", "builder")
    kind, key, who = (reviewer.folder / f"{KEY}.pub").read_text("utf-8").split()
    (reviewer.folder / "allowed").write_text(f"{who} {kind} {key}\n", encoding="utf-8")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        said = reviewer.vpack("verify", "signed", "--allowed-signers", "allowed")
        seconds.append(time.perf_counter() - start)
        assert said.endswith("origin: signed by builder@test.example, whom allowed allows\n")
    assert min(seconds) < LIMIT_S


def test_verifying_imports_click_and_yaml_and_nothing_else(reviewer: Stranger) -> None:
    code = (
        "import sys\n"
        "from vpack_pipeline.cli import main\n"
        "try:\n"
        "    main(['verify', 'pack'])\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0\n"
        "known = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(n for n in known if not n.startswith(('_', 'cython_runtime'))))\n"
    )
    done = reviewer.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['click', 'vpack_pipeline', 'yaml']"


def test_an_altered_pack_is_refused(reviewer: Stranger) -> None:
    altered = reviewer.folder / "pack" / "data" / "claim.json"
    content = altered.read_bytes()
    altered.chmod(0o644)
    try:
        altered.write_bytes(content.replace(b"met", b"mat", 1))
        done = reviewer.run("vpack", "verify", "pack")
    finally:
        altered.write_bytes(content)
    assert done.returncode == 1
    assert "data/claim.json: was changed" in done.stderr


def test_each_command_is_for_all_or_for_sites() -> None:
    assert {*FOR_ALL, *FOR_SITES} == set(cli.COMMANDS)


@pytest.fixture(scope="module")
def project(reviewer: Stranger) -> Stranger:
    reviewer.vpack("init", SITE)
    return reviewer


@pytest.mark.parametrize("command", FOR_ALL)
def test_what_is_for_all_runs_on_the_base_install(project: Stranger, command: str) -> None:
    project.vpack(command, *FOR_ALL[command])


@pytest.mark.parametrize("command", FOR_SITES)
def test_what_needs_more_says_so_in_one_line_with_the_remedy(
    project: Stranger, command: str
) -> None:
    done = project.run("vpack", command, *FOR_SITES[command])
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(
        r"this command needs the extra pipeline \((\w+) is not installed\):"
        r" pip install 'vpack-pipeline\[pipeline\]'",
        line,
    )
    assert done.stdout == ""


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_its_help(reviewer: Stranger, command: str) -> None:
    assert f"Usage: vpack {command}" in reviewer.vpack(command, "--help")
