"""One project root: where documents, tables, state and packs lie, and the only reader of secrets.

What does not belong here: how Dagster hands this to an asset (``resources``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from vpack_pipeline import study as studies
from vpack_pipeline.errors import Problem, SecretError
from vpack_pipeline.io import private
from vpack_pipeline.io.edge import Edge, Scanning
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.warehouse import Warehouse

SECRET_VARIABLE = "VPACK_SECRET_{site}"


@dataclass(frozen=True, slots=True)
class ProjectFolder:
    """One project root."""

    root: Path
    scanning: Scanning = field(default_factory=Scanning)

    @property
    def warehouse(self) -> Warehouse:
        """All tables."""
        return Warehouse(self.root / "data" / "warehouse")

    @property
    def packs(self) -> Path:
        """All published packs."""
        return self.root / "data" / "packs"

    @property
    def releases(self) -> Path:
        """All releases: packs that were handed out."""
        return self.root / "data" / "releases"

    def study(self, site_id: str) -> studies.Study:
        """Load a site and its protocol."""
        return studies.load(self.root, site_id)

    def state(self, site_id: str) -> Path:
        """Give the private folder of a site: ledgers and manifests, mode 700."""
        folder = private.make_folder(self.root / "data" / "state" / site_id)
        for made in (folder.parent, folder):
            private.close_to_others(made)
        return folder

    def edge(self, loaded: studies.Study, cut: str | None) -> Edge:
        """Give what functions at the edge need."""
        site = loaded.site
        return Edge(
            root=self.root,
            site=site,
            protocol=loaded.protocol,
            pseudonyms=Pseudonyms(read_secret(loaded), site.identifiers, site.issuer),
            state=self.state(site.site_id),
            cut=cut,
            scanning=self.scanning,
        )


def secret_path(loaded: studies.Study) -> Path:
    """Name the file of a site's secret."""
    return loaded.root / loaded.site.secret.format(site_id=loaded.site.site_id)


def read_secret(loaded: studies.Study) -> bytes:
    """Read a site's secret from the environment or its file.

    Raises
    ------
    SecretError
        There is none, or others may read the file.
    """
    name = SECRET_VARIABLE.format(site=loaded.site.site_id.upper().replace("-", "_"))
    if os.environ.get(name):
        return os.environ[name].encode()
    path = secret_path(loaded)
    where = loaded.site.secret.format(site_id=loaded.site.site_id)
    if not path.is_file():
        raise SecretError(
            Problem(where, "the site secret is missing", f"restore it, or set {name}")
        )
    if not loaded.site.published_secret and private.is_open_to_others(path):
        raise SecretError(Problem(where, "others may read the site secret", "chmod 600 it"))
    return path.read_bytes().strip()
