"""Puts a demonstration site under a project root: its documents where absent, and its data.

What does not belong here: what a site holds (``world``, ``lidc``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Final

import yaml

from examples.demo_sites import images, inputs, lidc, world
from examples.demo_sites.plan import Plan, failing, shrunk
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model

REPOSITORY: Final = Path(__file__).parents[2]
DEMO_SITES: Final = ("lidc", "lakeside")
FAILING: Final = "hillcrest"
"""The name of the small site whose index test misses every goal."""
SETTLED: Final = 1_700_000_000
"""Every image file's time of modification, seconds."""


def generate(name: str, root: Path, *, tiny: bool = False, protocol: str | None = None) -> Path:
    """Write one site's documents and data, byte for byte the same every time.

    Parameters
    ----------
    name : ``lidc``, ``lakeside`` or any other site identifier for a small site like lakeside
    root : project root; in this repository the committed documents stay as they are
    tiny : a site of about 150 patients (lidc: 60 scans)
    protocol : ``id@version`` for a small site to name, instead of lakeside's; its document must
        lie under the root

    Returns
    -------
    the folder of the data, ``data/demo/<name>``
    """
    plan = None if name == "lidc" else plan_of(name, tiny)
    site = _documents(name, root, plan, protocol)
    study = _protocol(root, site.protocol)
    target = root / "data" / "demo" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    try:
        if plan is None:
            lidc.write(REPOSITORY / "data" / "sites" / "lidc", staging, site, study, tiny)
        else:
            _write(plan, site, study, staging)
        _let_settle(staging / "dicom")
        staging.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _let_settle(archive: Path) -> None:
    """Give files the age of an archive: a scan reads again what was written a moment ago."""
    for path in archive.rglob("*"):
        os.utime(path, (SETTLED, SETTLED))


def plan_of(name: str, tiny: bool = False) -> Plan:
    """Give the plan of a site: lakeside's own, or a small one that follows from the name."""
    path = REPOSITORY / "data" / "sites" / "lakeside" / "planted.yaml"
    plan = read_model(path, Plan)
    if name == "lakeside":
        return shrunk(plan, name, plan.seed) if tiny else plan
    small = shrunk(plan, name, zlib.crc32(name.encode()))
    return failing(small) if name == FAILING else small


def _write(plan: Plan, site: Site, protocol: Protocol, folder: Path) -> None:
    made = world.build(plan)
    for path, content in images.files(made, site):
        target = folder / "dicom" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    inputs.write(made, site, protocol, folder / "deliveries")


def _documents(name: str, root: Path, plan: Plan | None, protocol: str | None) -> Site:
    """Put the site's documents under the root; those of the repository itself are committed."""
    folder = root / "data" / "sites" / name
    model = "lidc" if plan is None else "lakeside"
    source = REPOSITORY / "data" / "sites" / model
    if folder.resolve() != source.resolve():
        folder.mkdir(parents=True, exist_ok=True)
        _write_documents(name, model, source, folder, protocol)
        if plan is not None:
            text = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False)
            (folder / "planted.yaml").write_text(text, encoding="utf-8")
        _copy_protocols(root)
    return read_model(folder / "site.yaml", Site)


def _write_documents(
    name: str, model: str, source: Path, folder: Path, protocol: str | None
) -> None:
    for file in ("site.yaml", "published.key"):
        text = (source / file).read_text(encoding="utf-8")
        for old, new in (
            (model, name),
            (model.title(), name.title()),
            (model.upper(), name.upper()),
        ):
            text = text.replace(old, new) if name != model else text
        (folder / file).write_text(text, encoding="utf-8")
    if protocol is not None:
        path = folder / "site.yaml"
        lines = path.read_text(encoding="utf-8").splitlines()
        named = [f"protocol: {protocol}" if x.startswith("protocol:") else x for x in lines]
        path.write_text("\n".join(named) + "\n", encoding="utf-8")


def _copy_protocols(root: Path) -> None:
    target = root / "data" / "protocols"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((REPOSITORY / "data" / "protocols").glob("*.yaml")):
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)


def _protocol(root: Path, reference: str) -> Protocol:
    name, _, version = reference.partition("@")
    return read_model(root / "data" / "protocols" / f"{name}-{version}.yaml", Protocol)
