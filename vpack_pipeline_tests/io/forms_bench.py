"""A site small enough to read: two cases of two patients, three readers, one finding to rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.document import Document
from vpack_pipeline.io import cohort
from vpack_pipeline.io.deliveries import DONE, choose_cut
from vpack_pipeline.io.edge import Edge, Loaded
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import (
    Category,
    Covariate,
    Finding,
    IndexTest,
    IndexTestModel,
    Output,
    Protocol,
    Representativeness,
    Sampling,
    Stratum,
    Variable,
)
from vpack_pipeline.site import (
    CountedPopulation,
    FolderSource,
    IdentifierForm,
    InputForm,
    Site,
)

DAY = "2026-01-05"
CASES = "case_id,patient_id,index_date\nC1,P1,2025-12-01\nC2,P2,2025-12-02\n"
READERS = "reader_id,years_experience\nR1,5\nR2,7.5\nR3,\n"
READS = "reader_id,case_id,finding,rating\nR1,C1,nodule,4\nR2,C1,nodule,2\nR1,C2,nodule,1\n"
PREDICTIONS = "case_id,finding,model_id,score\nC1,nodule,m-1,0.91\nC2,nodule,m-1,0.08\n"
ALL = {
    "cases.csv": CASES,
    "readers.csv": READERS,
    "reads.csv": READS,
    "predictions.csv": PREDICTIONS,
}
ORDER = (
    "patient_map",
    "cases",
    "case_studies",
    "readers",
    "reads",
    "reference",
    "predictions",
    "development",
    "operations",
    "error_review",
    "population",
)


def finding(name: str) -> Finding:
    scale = tuple(Category(value=float(v), label=f"grade {v}") for v in range(1, 6))
    return Finding(name=name, title=name, categories=scale, positive_from=4.0)


def protocol(kind: str = "probability", **blocks: Any) -> Protocol:
    model = IndexTestModel(
        id="m-1",
        version="1",
        digest="sha256:" + "0" * 64,
        locked_at=datetime(2025, 1, 1, tzinfo=UTC),
        primary=True,
    )
    output = Output.model_validate({"kind": kind, "minimum": 0.0, "maximum": 1.0})
    index_test = IndexTest(models=(model,), output=output, failed_counts_as="negative")
    given: dict[str, Any] = {
        "findings": (finding("nodule"), finding("effusion")),
        "index_test": index_test,
        "covariates": (
            Covariate(name="bmi", title="BMI", type="float"),
            Covariate(name="smoker", title="Smoker", type="bool"),
        ),
        "sampling": Sampling(method="consecutive", strata=(Stratum(name="clinic", fraction=0.5),)),
        "representativeness": Representativeness(
            variables=(
                Variable(name="age_years", title="Age", kind="numeric", edges=(40.0, 65.0)),
                Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")),
            )
        ),
    }
    return Protocol.model_construct(**{**given, **blocks})


def site(inputs: dict[str, Any], drop: tuple[str, ...] = (), **more: Any) -> Site:
    forms: dict[str, Any] = {
        kind: InputForm(file=f"{kind}.csv") for kind in ("cases", "readers", "reads", "predictions")
    }
    forms |= {k: v if isinstance(v, Document) else InputForm(**v) for k, v in inputs.items()}
    if "population" in forms:
        counted = dict.fromkeys(CountedPopulation.model_fields, "said")
        more = {"population": counted, **more}
    return Site(
        site_id="lakeside",
        title="Lakeside",
        protocol="demo@1",
        sources=(FolderSource(path="dicom"),),
        deliveries="deliveries",
        inputs={k: v for k, v in forms.items() if k not in drop},
        **more,
    )


@dataclass
class Bench:
    """A project folder with one site; ``tables`` runs every loader over it."""

    root: Path
    inputs: dict[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    identifiers: dict[str, IdentifierForm] = field(default_factory=dict)
    issuer: str | None = None
    protocol: Protocol = field(default_factory=protocol)
    secret: bytes = b"s" * 32
    archive: tuple[tuple[str, str, str], ...] = (("1.2.1", "P1", "A1"), ("1.2.2", "P2", "A2"))
    """StudyInstanceUID, PatientID, AccessionNumber."""

    @property
    def site(self) -> Site:
        return site(self.inputs, self.drop, identifiers=self.identifiers, issuer=self.issuer)

    @property
    def ids(self) -> Pseudonyms:
        return Pseudonyms(self.secret, self.identifiers, self.issuer)

    def edge(self, cut: str | None = None) -> Edge:
        return Edge(self.root, self.site, self.protocol, self.ids, self.root / "state", cut)

    def deliver(self, name: str = DAY, *, closed: bool = True, **files: Any) -> Path:
        """Lay files down; ``reads_csv=…`` is ``reads.csv``."""
        folder = self.root / "deliveries" / name
        folder.mkdir(parents=True, exist_ok=True)
        for key, content in files.items():
            path = folder / key.replace("_csv", ".csv").replace("_parquet", ".parquet")
            if isinstance(content, pl.DataFrame):
                content.write_parquet(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_bytes(content.encode())
        if closed:
            (folder / DONE).touch()
        return folder

    def deliver_all(self, name: str = DAY, **files: Any) -> Path:
        """Deliver the standard files, some of them replaced; None leaves one out."""
        standard: dict[str, Any] = {k.replace(".", "_"): v for k, v in ALL.items()}
        merged = {k: v for k, v in {**standard, **files}.items() if v is not None}
        return self.deliver(name, **merged)

    def studies(self) -> pl.DataFrame:
        rows = [
            {
                "study_id": self.ids.study(uid),
                "patient_id": self.ids.patient(patient),
                "accession_id": self.ids.accession(accession) if accession else None,
                "default_case_id": self.ids.case(uid),
                "study_date": date(2025, 12, 1),
            }
            for uid, patient, accession in self.archive
        ]
        return pl.DataFrame(rows).with_columns(pl.col("accession_id").cast(pl.String))

    def call(self, table: str, edge: Edge, **frames: pl.DataFrame) -> Any:
        """Call a table's function with only what its contract declares in sight."""
        contract = contracts.load()[f"cohort/{table}"]
        narrow = edge.narrowed(contract.protocol, contract.site)
        known = contracts.load()
        # As an asset reads it: lazily where the table is bucketed.
        lazy = {n for n, asset in contract.inputs.items() if known[asset].bucket}
        given = {n: frames[n].lazy() if n in lazy else frames[n] for n in contract.inputs}
        return getattr(cohort, table)(edge=narrow, **given)

    def tables(self, as_of: str | None = None, studies: pl.DataFrame | None = None) -> Tables:
        edge = self.edge(choose_cut(self.edge(), as_of))
        frames = {"deliveries": self.call("deliveries", edge)}
        frames["studies"] = self.studies() if studies is None else studies
        parts: dict[str, Loaded] = {}
        for table in ORDER:
            loaded = self.call(table, edge, **frames)
            contract = contracts.load()[f"cohort/{table}"]
            # What is stored is what the contract says, and nothing else.
            assert contracts.conform(loaded.table, contract).equals(loaded.table)
            parts[table], frames[table] = loaded, loaded.table
        return Tables(frames, parts, edge)


@dataclass
class Tables:
    frames: dict[str, pl.DataFrame]
    parts: dict[str, Loaded]
    edge: Edge

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.frames[table]

    def in_force(self, table: str) -> pl.DataFrame:
        return self.frames[table].filter(pl.col("in_force"))

    def refused(self, table: str) -> list[tuple[int, str | None, str]]:
        """Line, field and reason of each quarantined row."""
        part = self.parts[table].quarantine.sort("delivery", "line")
        return part.select("line", "field", "reason").rows()

    @property
    def cut(self) -> str:
        assert self.edge.cut is not None
        return self.edge.cut
