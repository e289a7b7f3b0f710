"""Builds a site below a root without Dagster, table by table, and reads what came of it."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.errors import InputError
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import choose_cut
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.once import copy, once

Row = dict[str, str]


@dataclass(frozen=True)
class Built:
    """The tables of one site at one cut."""

    bench: steps.Bench

    @property
    def root(self) -> Path:
        return self.bench.project.root

    @property
    def site_id(self) -> str:
        return self.bench.site_id

    def receipt(self, asset: str) -> Receipt:
        found = self.bench.receipt(asset)
        assert found is not None, asset
        return found

    def table(self, asset: str) -> pl.DataFrame:
        receipt, contract = self.receipt(asset), contracts.load()[asset]
        return self.bench.warehouse.read(contract, self.site_id, receipt.files)

    def quarantine(self, kind: str) -> pl.DataFrame:
        """Read the rows that one input's loader could not take."""
        asset = "cohort/files" if kind == "image" else f"cohort/{kind}"
        receipt, contract = self.receipt(asset), contracts.load()[asset]
        return self.bench.warehouse.read(contract, self.site_id, receipt.files, "quarantine")

    def figure(self, asset: str, **keys: object) -> dict[str, object]:
        """Read the one row that has these values."""
        found = self.table(asset).filter(**keys)
        assert found.height == 1, f"{asset} has {found.height} rows {keys}"
        return found.row(0, named=True)


def folder(root: Path) -> ProjectFolder:
    return ProjectFolder(root)


def at_cut(root: Path, site: str, as_of: str | None = None) -> Built:
    """Open a site's bench at a cut; nothing is computed."""
    project = folder(root)
    cut = choose_cut(benches.open_bench(project, site, None).edge, as_of)
    return Built(benches.open_bench(project, site, cut))


def build(
    root: Path, site: str, *until: str, as_of: str | None = None, with_pack: bool = False
) -> Built:
    """Bring all tables, or those that lead to ``until``, to a cut; every gate must be passed."""
    built = at_cut(root, site, as_of)
    wanted = needed(until) if until else set(benches.dependencies()) - {benches.LAST}
    for asset in contracts.order(benches.dependencies()):
        is_pack = asset.startswith("pack/")
        if asset in wanted and (with_pack or not is_pack):
            receipt = steps.materialize(built.bench, asset).receipt
            failed = [c["id"] for c in receipt.checks if c["outcome"] != "pass"]
            assert receipt.passed, f"{asset}: {failed}"
    return built


def needed(assets: Iterable[str]) -> set[str]:
    """List tables with everything that they are computed from."""
    known, found, left = benches.dependencies(), set(), list(assets)
    while left:
        asset = left.pop()
        if asset not in found:
            found.add(asset)
            left += known[asset]
    return found


@dataclass(frozen=True)
class Packed:
    """The only version of a site's pack at a cut."""

    built: Built

    @property
    def path(self) -> Path:
        known = packs.versions(self.built.root / "data" / "packs", self.built.site_id)
        (version,) = [v for v in known if v.cut == self.built.bench.cut]
        return version.path

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def html(self) -> str:
        return (self.data / "report.html").read_text(encoding="utf-8")

    @property
    def words(self) -> str:
        """The report's text as a reader sees it, without drawings."""
        return words_of(self.html)

    @property
    def first_page(self) -> str:
        """The words of the first page."""
        whole = self.words
        return whole[whole.index("On one page") : whole.index("Contents, by the CLAIM")]

    @property
    def performance(self) -> str:
        """The words of the chapter on performance."""
        whole = self.words
        start = whole.rindex("6. Performance, before and after the lock")
        return whole[start : whole.index("7. How it will be watched", start)]

    def exported(self, asset: str) -> list[Row]:
        """Read a table as it travels in the pack."""
        path = self.data / "tables" / f"{asset.replace('/', '.')}.csv"
        return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def words_of(page: str) -> str:
    """Give the text of a page as a reader sees it, without drawings."""
    bare = re.sub(r"<(style|svg|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def build_pack(root: Path, site: str, as_of: str | None = None) -> Packed:
    """Build the whole chain and publish."""
    built = build(root, site, as_of=as_of, with_pack=True)
    assert publish(built.bench).note == "published"
    return Packed(built)


def packed_once(
    factory: pytest.TempPathFactory,
    source: Path,
    site: str,
    name: str = "as it is",
    change: Callable[[Copied], None] = lambda _: None,
) -> Packed:
    """Give the pack of a copied site after a change, built by one process of the run: read it only."""

    def make(root: Path) -> None:
        change(copy_site(source, site, root))
        build_pack(root, site)

    return Packed(at_cut(once(factory, f"{site}, {name}", make), site))


def refused(act: Callable[[], object]) -> InputError:
    """Run what must end in an input error, and give that error; any other exception passes on."""
    try:
        act()
    except InputError as error:
        return error
    raise AssertionError("nothing was refused")


@dataclass(frozen=True)
class Copied:
    """A copy of a small site, to be altered before anything is computed."""

    root: Path
    site: str

    @property
    def site_yaml(self) -> Path:
        return self.root / "data" / "sites" / self.site / "site.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data" / "demo" / self.site

    def delivery(self, name: str) -> Path:
        return self.data / "deliveries" / name

    def without_broken_files(self) -> Copied:
        """Take out what was planted to be refused; the rows that are refused stay."""
        for path in (self.data / "dicom" / "inbox").iterdir():
            path.unlink()
        return self

    def with_few_replicates(self) -> Copied:
        """Draw as few as a protocol may ask for: what these sites prove is no width."""
        for protocol in (self.root / "data" / "protocols").iterdir():
            self.edit(protocol, "replicates: 1000", "replicates: 200")
        return self

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace a text that must be there."""
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def rows(self, path: Path, change: Callable[[list[Row]], list[Row]], form: str = ",") -> None:
        """Rewrite a CSV file as ``change`` says, without its ragged lines; cells are texts."""
        encoding = "cp1252" if form == ";" else "utf-8"
        text = path.read_text(encoding=encoding)
        read = csv.DictReader(io.StringIO(text, newline=""), delimiter=form)
        found = [row for row in read if None not in row and None not in row.values()]
        header = text.split("\n", 1)[0]
        made = io.StringIO(newline="")
        names = next(csv.reader([header], delimiter=form))
        writer = csv.DictWriter(made, names, delimiter=form, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(found))
        path.write_bytes(made.getvalue().encode(encoding))

    def deliver(self, name: str, **files: bytes) -> Path:
        """Add a closed delivery; ``.`` in a file's name is written ``__``."""
        target = self.delivery(name)
        target.mkdir()
        for file, content in files.items():
            (target / file.replace("__", ".")).write_bytes(content)
        (target / "DONE").touch()
        return target

    def built(self, *until: str, as_of: str | None = None) -> Built:
        return build(self.root, self.site, *until, as_of=as_of)


def copy_site(source: Path, site: str, target: Path) -> Copied:
    """Copy the documents and data of a site, and nothing that was computed."""
    for part in (f"sites/{site}", "protocols", f"demo/{site}"):
        (target / "data" / part).parent.mkdir(parents=True, exist_ok=True)
        copy(source / "data" / part, target / "data" / part)
    return Copied(target, site)
