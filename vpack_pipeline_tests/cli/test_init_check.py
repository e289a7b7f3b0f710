"""``vpack init``, ``deliver`` and ``check``: from an empty folder to a site with nothing to mend."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import polars as pl
import pytest

from vpack_pipeline import cli, study
from vpack_pipeline.cli import schema, unlisted
from vpack_pipeline.cli.patient_units import repeated_patients
from vpack_pipeline.errors import ContractError
from vpack_pipeline.io.deliveries import LEDGER
from vpack_pipeline.io.dicom import state as dicom_state
from vpack_pipeline.io.forms import KINDS, template_headers
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.models import Model
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import parse, read_model
from vpack_pipeline.study import Study

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("data/protocols/*.yaml"), *ROOT.glob("data/sites/*/site.yaml")])
DAY = "2026-01-05"
FILES = {
    "cases.csv": "case_id,patient_id,index_date\nC1,P1,2025-12-01\nC2,P2,2025-12-02\n",
    "readers.csv": "reader_id\nR1\nR2\n",
    "reads.csv": "reader_id,case_id,finding,rating\nR1,C1,finding,1\nR2,C2,finding,0\n",
    "predictions.csv": "case_id,finding,model_id,score\nC1,finding,model-1,0.9\n",
}


@dataclass
class Said:
    code: int
    out: str
    err: str


class Shell:
    """A folder in which ``vpack`` is called."""

    def __init__(
        self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.root, self.capsys, self.monkeypatch = root, capsys, monkeypatch
        monkeypatch.chdir(root)
        monkeypatch.delenv("VPACK_ROOT", raising=False)

    def __call__(self, *words: str) -> Said:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main(list(words))
        said = self.capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        return Said(code, said.out, said.err)

    def put(self, path: str, text: str) -> Path:
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text, encoding="utf-8")
        return made

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.put(path, text.replace(old, new))

    def filled(self) -> None:
        """Fill in each TODO, mount an archive."""
        for path in ("data/sites/harbour/site.yaml", "data/protocols/starter-0.1.yaml"):
            self.edit(path, "TODO", "Done")
        self.put("data/dicom/harbour/one.dcm", "x")

    def delivered(self, day: str = DAY, *more: str, **files: str) -> Said:
        given = {**FILES, **{f"{k}.csv": v for k, v in files.items()}}
        paths = [str(self.put(f"export/{name}", text)) for name, text in given.items()]
        return self("deliver", "harbour", *paths, "--on", day, *more)


@pytest.fixture
def vpack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    return Shell(tmp_path, capsys, monkeypatch)


@pytest.fixture(scope="module")
def ready_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stays as the first test that is :func:`ready` finds it."""
    return tmp_path_factory.mktemp("ready") / "project"


@pytest.fixture
def ready(vpack: Shell, ready_project: Path) -> Shell:
    """A site that has nothing to mend: made once, copied for each test after the first."""
    if ready_project.is_dir():
        shutil.copytree(ready_project, vpack.root, symlinks=True, dirs_exist_ok=True)
        return vpack
    assert vpack("init", "harbour").code == 0
    vpack.filled()
    assert vpack.delivered().code == 0
    shutil.copytree(vpack.root, ready_project, symlinks=True)
    return vpack


def test_init_makes_a_project_of_an_empty_folder(vpack: Shell) -> None:
    said = vpack("init", "harbour")
    assert said.code == 0
    assert "next:" in said.out
    loaded = study.load(vpack.root, "harbour")
    assert loaded.protocol.reference == "starter@0.1"
    assert loaded.site == read_model(vpack.root / "data/sites/harbour/site.yaml", Site)
    assert (vpack.root / "data/sites/harbour/deliveries").is_dir()


def test_init_writes_a_file_with_our_headers_for_each_kind(vpack: Shell) -> None:
    vpack("init", "harbour")
    protocol = study.load(vpack.root, "harbour").protocol
    forms = vpack.root / "data/sites/harbour/forms"
    assert sorted(p.stem for p in forms.iterdir()) == sorted(KINDS)
    for kind in KINDS:
        text = (forms / f"{kind}.csv").read_text(encoding="utf-8")
        assert text == ",".join(template_headers(kind, protocol)) + "\n"


def test_check_says_what_the_protocol_holds(ready: Shell) -> None:
    path = "data/protocols/starter-0.1.yaml"
    ready.edit(path, "partition: before", "partition: after")
    ready.edit(path, "covariates: []", "covariates:\n  - {name: ward, title: Ward, type: string}")
    said = ready("check", "harbour").out
    digest = study.load(ready.root, "harbour").protocol.digest
    assert f"protocol starter@0.1, digest {digest[:12]}: 2 rules (1 after partition), " in said
    assert (
        "plan: sensitivity (primary): sensitivity above 0.8, prospective; look of 2027-03-01"
        in said
    )
    assert "columns that cases may hold beside the usual ones: ward (Ward, string)" in said


def test_check_names_what_nobody_attests_and_what_does_not_apply(ready: Shell) -> None:
    said = ready("check", "harbour")
    assert said.code == 0
    lacking = "does not say who attests CLAIM items"
    assert (
        f"note: the protocol (about.attested) {lacking} 3, 4, 9, 15, 22, 23, 24, 25, 26, 27, 31, 34,"
        " 40, 41, 43, 44, and when: they are at most partly met" in said.out
    )
    assert f"note: site.yaml (attested) {lacking} 7, 10, 11, 17, and when" in said.out
    path = "data/sites/harbour/site.yaml"
    entry = "attested:\n  - {by: imaging data office, date: 2026-01-05, items: [7, 10, 17]}"
    ready.edit(path, "attested: []", entry)
    path = "data/protocols/starter-0.1.yaml"
    reason = "No explanation of outputs is offered."
    ready.edit(
        path, "not_applicable: []", f"not_applicable:\n    - {{items: [31], reason: {reason}}}"
    )
    said = ready("check", "harbour")
    assert f"note: site.yaml (attested) {lacking} 11, and when" in said.out
    assert f"CLAIM items 31 do not apply: {reason}" in said.out
    wrong = "attested:\n    - {by: the statistician, date: 2026-01-05, items: [7]}"
    ready.edit(path, "attested: []", wrong)
    said = ready("check", "harbour")
    assert said.code == 2
    assert "CLAIM items 7 do not belong here" in said.out + said.err


def test_init_makes_a_secret_that_only_its_owner_can_read(vpack: Shell) -> None:
    vpack("init", "harbour")
    vpack("init", "port")
    secrets = vpack.root / "data/secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    keys = [(secrets / f"{name}.key") for name in ("harbour", "port")]
    assert all(stat.S_IMODE(k.stat().st_mode) == 0o600 for k in keys)
    values = {k.read_text(encoding="ascii").strip() for k in keys}
    assert len(values) == 2
    assert all(len(bytes.fromhex(v)) >= 32 for v in values)


def test_init_keeps_rows_of_patients_and_secrets_out_of_a_repository(vpack: Shell) -> None:
    vpack("init", "harbour")
    subprocess.run(["git", "init", "-q", "."], check=True, cwd=vpack.root)
    for path in (
        "data/secrets/harbour.key",
        "data/sites/harbour/deliveries/2026-01-05/cases.csv",
        "data/warehouse/x",
        "data/state/x",
    ):
        found = subprocess.run(["git", "check-ignore", "-q", path], check=False, cwd=vpack.root)
        assert found.returncode == 0, path
    kept = ["git", "check-ignore", "-q", "data/sites/harbour/site.yaml"]
    assert subprocess.run(kept, check=False, cwd=vpack.root).returncode == 1


def test_init_overwrites_nothing(vpack: Shell) -> None:
    key = vpack.put("data/secrets/harbour.key", "k" * 64)
    form = vpack.put("data/sites/harbour/forms/reads.csv", "mine\n")
    said = vpack("init", "harbour")
    assert said.code == 0
    assert "data/secrets/harbour.key: kept, it was there" in said.out
    assert key.read_text() == "k" * 64
    assert form.read_text() == "mine\n"
    before = {p: p.read_bytes() for p in vpack.root.rglob("*") if p.is_file()}
    again = vpack("init", "harbour")
    assert again.code == 2
    assert "exists already" in again.err
    assert before == {p: p.read_bytes() for p in vpack.root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", ".", "..", ".hidden", "/abs"])
def test_a_site_name_that_holds_a_path_is_refused(vpack: Shell, name: str) -> None:
    said = vpack("init", name)
    assert said.code == 2
    assert "site name: holds a path — use 1 to 32 of a-z, 0-9 and -" in said.err
    assert list(vpack.root.iterdir()) == []


@pytest.mark.parametrize("name", ["Harbour", "", "a" * 33, "häfen", "a b", "a_b", "a\n"])
def test_a_site_name_that_is_no_identifier_is_refused(vpack: Shell, name: str) -> None:
    said = vpack("init", name)
    assert said.code == 2
    assert "cannot be a folder's name" in said.err
    assert list(vpack.root.iterdir()) == []


def test_init_takes_the_only_protocol_and_asks_where_there_are_several(vpack: Shell) -> None:
    vpack("init", "harbour", "--protocol", "lung@2.1")
    assert study.load(vpack.root, "harbour").site.protocol == "lung@2.1"
    vpack("init", "port")
    assert study.load(vpack.root, "port").site.protocol == "lung@2.1"
    text = (vpack.root / "data/protocols/lung-2.1.yaml").read_text(encoding="utf-8")
    vpack.put("data/protocols/lung-3.yaml", text.replace('version: "2.1"', 'version: "3"'))
    said = vpack("init", "quay")
    assert said.code == 2
    assert "data/protocols holds lung@2.1, lung@3" in said.err
    assert not (vpack.root / "data/sites/quay").exists()
    assert vpack("init", "quay", "--protocol", "lung@3").code == 0
    absent = vpack("init", "pier", "--protocol", "lung@4")
    assert absent.code == 2
    assert "is not there — data/protocols holds" in absent.err


@pytest.mark.parametrize("reference", ["lung", "lung@", "@1", "Lung@1", "../x@1", "lung@one"])
def test_a_protocol_to_start_from_needs_id_and_version(vpack: Shell, reference: str) -> None:
    said = vpack("init", "harbour", "--protocol", reference)
    assert said.code == 2
    assert "is no id@version" in said.err
    assert not (vpack.root / "data/sites/harbour").exists()


def test_documents_name_a_schema_that_is_there(vpack: Shell) -> None:
    vpack("init", "harbour")
    for path in ("data/sites/harbour/site.yaml", "data/protocols/starter-0.1.yaml"):
        first = (vpack.root / path).read_text(encoding="utf-8").splitlines()[0]
        _, _, where = first.partition("$schema=")
        target = (vpack.root / path).parent / where
        assert json.loads(target.read_text(encoding="utf-8"))["type"] == "object"


def test_a_project_with_schemas_of_its_own_is_pointed_to_them(vpack: Shell) -> None:
    schema.write(vpack.root / "docs/schema")
    vpack("init", "harbour")
    text = (vpack.root / "data/sites/harbour/site.yaml").read_text(encoding="utf-8")
    assert "$schema=../../../docs/schema/site.schema.json" in text
    assert not (vpack.root / "data/schema").exists()


def test_the_root_may_be_given(vpack: Shell, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert vpack("--root", str(other), "init", "harbour").code == 0
    assert study.site_ids(other) == ["harbour"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_shipped_documents_fit_the_schemas_that_editors_use(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    name = "site.schema.json" if path.name == "site.yaml" else "protocol.schema.json"
    data, _ = parse(path.read_text(encoding="utf-8"), path.name)
    validator = jsonschema.Draft202012Validator(json.loads(schema.schemas()[name]))
    assert [e.message for e in validator.iter_errors(data)] == []


@pytest.mark.parametrize("name", sorted(schema.schemas()))
def test_committed_schemas_are_those_of_the_models(name: str) -> None:
    committed = (ROOT / "docs/schema" / name).read_text(encoding="utf-8")
    assert committed == schema.schemas()[name], "run: python -m vpack_pipeline.cli.schema"


def test_schemas_describe_their_fields_and_hold_patterns_that_editors_know() -> None:
    text = schema.schemas()["site.schema.json"]
    assert "\\z" not in text
    assert "The folder of deliveries" in json.loads(text)["properties"]["deliveries"]["description"]


def test_a_new_site_is_told_what_to_fill_in(vpack: Shell) -> None:
    vpack("init", "harbour")
    said = vpack("check", "harbour")
    assert said.code == 2
    assert "site.yaml: TODO stands in lines" in said.err
    assert "starter-0.1.yaml: TODO stands in lines" in said.err
    assert "site.yaml sources[0]: no folder data/dicom/harbour" in said.err
    assert "deliveries: none is closed — run `vpack deliver harbour FILE...`" in said.err


def test_a_sound_site_has_nothing_to_mend(ready: Shell) -> None:
    said = ready("check", "harbour")
    assert said.code == 0, said.err
    assert "nothing to mend" in said.out
    assert "2026-01-05/reads.csv: headers fit, 2 rows" in said.out
    assert "deliveries: 1 closed, none altered" in said.out
    assert said.err == ""


def test_check_writes_nothing(ready: Shell) -> None:
    before = {p: p.read_bytes() for p in ready.root.rglob("*") if p.is_file()}
    ready("check", "harbour")
    assert before == {p: p.read_bytes() for p in ready.root.rglob("*") if p.is_file()}


def test_check_prints_json(ready: Shell) -> None:
    said = ready("check", "harbour", "--json")
    found = json.loads(said.out)
    assert said.code == 0
    assert found["site"] == "harbour"
    assert found["clean"] is True
    assert found["problems"] == []
    shutil.rmtree(ready.root / "data/dicom")
    said = ready("check", "harbour", "--json")
    assert said.code == 2
    assert json.loads(said.out)["problems"][0]["where"] == "site.yaml sources[0]"


def test_every_problem_is_told_at_once_and_no_cell(ready: Shell) -> None:
    ready.edit("data/sites/harbour/site.yaml", "data/dicom/harbour", "data/dicom/nowhere")
    ready.edit("data/protocols/starter-0.1.yaml", "precedence: [majority]", "precedence: [majorty]")
    (ready.root / "data/secrets/harbour.key").chmod(0o644)
    first = ready("check", "harbour")
    assert first.code == 2
    assert "did you mean 'majority'?" in first.err
    ready.edit("data/protocols/starter-0.1.yaml", "precedence: [majorty]", "precedence: [majority]")
    folder = ready.root / "data/sites/harbour/deliveries"
    bad = FILES["reads.csv"].replace("rating", "raeting")
    (folder / DAY / "reads.csv").write_text(bad, encoding="utf-8")
    (folder / DAY / "surprise.csv").write_text("x\n", encoding="utf-8")
    said = ready("check", "harbour")
    for what in (
        "no folder data/dicom/nowhere",
        "others may read the site secret",
        "2026-01-05/surprise.csv: no input of site.yaml has this file",
        "no column 'rating' for rating",
        "did you mean 'raeting'?",
    ):
        assert what in said.err, what
    assert "P1" not in said.out + said.err


def test_a_delivery_that_was_altered_is_told(ready: Shell) -> None:
    folder = study.load(ready.root, "harbour")
    from vpack_pipeline.io.deliveries import survey
    from vpack_pipeline.io.project import ProjectFolder

    survey(ProjectFolder(ready.root).edge(folder, None))
    assert (ready.root / "data/state/harbour" / LEDGER).is_file()
    changed = ready.root / "data/sites/harbour/deliveries" / DAY / "reads.csv"
    changed.write_text(FILES["reads.csv"] + "R1,C2,finding,1\n", encoding="utf-8")
    said = ready("check", "harbour")
    assert said.code == 2
    assert "deliveries/2026-01-05/reads.csv: altered after it was closed" in said.err


def test_an_open_delivery_is_named_and_does_not_count(ready: Shell) -> None:
    said = ready.delivered("2026-02-01", "--open", reads=FILES["reads.csv"] + "R1,C2,finding,1\n")
    assert "open: close it with an empty file DONE" in said.out
    said = ready("check", "harbour")
    assert said.code == 0
    assert "note: open and not counted: 2026-02-01 (no file DONE)" in said.out
    assert "2026-01-05/reads.csv: headers fit, 2 rows" in said.out


def test_a_file_with_wrong_headers_is_not_delivered(ready: Shell) -> None:
    bad = "reader_id,case_id,finding,rateing,comment\nR1,C1,finding,1,x\n"
    said = ready.delivered("2026-02-01", reads=bad)
    assert said.code == 2
    assert "reads.csv: no column 'rating' for rating" in said.err
    assert "reads.csv: unknown column 'comment'" in said.err
    assert not (ready.root / "data/sites/harbour/deliveries/2026-02-01").exists()


FAULTY = {
    "cases": "case_id,patient_id,index_date\nC1,P1,2025-12-01\nC2,P2,31.12.2025\nC1,P1,2025-12-01\n",
    "reads": (
        "reader_id,case_id,finding,rating,read_at,is_diagnostic\n"
        "R1,C1,finding,7,2026-01-02T10:00Z,yes\n"
        "R1,C2,tumour,1,2026-01-02T10:00Z,yes\n"
        "R2,C1,finding,1,2026-01-02T10:00,yes\n"
        "R2,C2,finding,1,2026-01-02T10:00Z,maybe\n"
    ),
}
TOLD = (
    "cases.csv data row 2, index_date: BAD_DATE, the cell is no date or time in the declared form"
    " — check `date_format`",
    "reads.csv data row 1, rating: UNKNOWN_RATING",
    "reads.csv data row 2, finding: UNKNOWN_FINDING",
    "reads.csv data row 3, read_at: TIME_WITHOUT_ZONE",
    "reads.csv data row 4, is_diagnostic: UNKNOWN_CODE",
)


def test_nothing_is_delivered_while_a_document_holds_a_todo(vpack: Shell) -> None:
    steps = vpack("init", "harbour").out.partition("next:")[2]
    words = ("TODO", "check harbour", "deliver harbour", "4. vpack check", "5. vpack build")
    assert sorted(words, key=steps.index) == list(words)
    said = vpack.delivered()
    assert said.code == 2
    assert "site.yaml: TODO stands in line" in said.err
    assert "starter-0.1.yaml: TODO stands in line" in said.err
    assert "lines 4," not in said.err
    assert list((vpack.root / "data/sites/harbour/deliveries").iterdir()) == []


def test_faulty_rows_are_named_and_not_delivered_unless_forced(ready: Shell) -> None:
    said = ready.delivered("2026-02-01", **FAULTY)
    assert said.code == 2
    for line in (*TOLD, "cases.csv data row 3, case_id: DUPLICATE_ROW", "give --force"):
        assert line in said.err, line
    assert "31.12.2025" not in said.err
    assert "tumour" not in said.err
    assert "maybe" not in said.err
    folder = ready.root / "data/sites/harbour/deliveries"
    assert [p.name for p in folder.iterdir()] == [DAY]
    assert ready.delivered("2026-02-01", "--force", **FAULTY).code == 0
    said = ready("check", "harbour")
    assert said.code == 2
    for line in TOLD:
        assert f"2026-02-01/{line}" in said.err, line
    assert "note: 2026-02-01/cases.csv data row 3, case_id: DUPLICATE_ROW" in said.out


def test_five_rows_of_a_reason_are_named_and_the_rest_counted(ready: Shell) -> None:
    rows = "".join(f"C{n},P{n},soon\n" for n in range(1, 10))
    said = ready.delivered("2026-02-01", cases=f"case_id,patient_id,index_date\n{rows}")
    assert "cases.csv data rows 1, 2, 3, 4, 5 and 4 more, index_date: BAD_DATE" in said.err


def test_an_event_after_the_day_of_delivery_is_refused(ready: Shell) -> None:
    late = "case_id,patient_id,index_date\nC1,P1,2026-03-01\n"
    said = ready.delivered("2026-02-01", cases=late)
    assert "cases.csv data row 1, index_date: EVENT_AFTER_DELIVERY" in said.err


def test_a_faulty_row_that_a_later_delivery_states_soundly_is_mended(ready: Shell) -> None:
    bad = FILES["reads.csv"].replace("C2,finding,0", "C2,finding,7")
    assert ready.delivered("2026-02-01", "--force", reads=bad).code == 0
    assert "2026-02-01/reads.csv data row 2, rating" in ready("check", "harbour").err
    assert ready.delivered("2026-02-02").code == 0
    said = ready("check", "harbour")
    assert said.code == 0, said.err


def test_a_faulty_row_that_a_published_pack_was_built_with_is_only_noted(ready: Shell) -> None:
    bad = FILES["reads.csv"].replace("C2,finding,0", "C2,finding,7")
    assert ready.delivered("2026-02-01", "--force", reads=bad).code == 0
    ready.put("data/state/harbour/published_cuts.json", '["2026-02-01"]')
    said = ready("check", "harbour")
    assert said.code == 0, said.err
    assert "note: 2026-02-01/reads.csv data row 2, rating: UNKNOWN_RATING" in said.out


def test_deliver_refuses_names_that_no_input_has_and_absent_files(ready: Shell) -> None:
    path = str(ready.put("export/raeds.csv", "x\n"))
    said = ready("deliver", "harbour", path, "export/readers.csv", "export/none/cases.csv")
    assert said.code == 2
    assert "raeds.csv: no input of site.yaml has this file — did you mean 'reads.csv'?" in said.err
    assert "cases.csv: is absent or no file" in said.err


def test_a_second_delivery_of_a_day_is_numbered_and_a_bad_date_refused(ready: Shell) -> None:
    more = FILES["reads.csv"] + "R2,C1,finding,1\n"
    assert "delivered 4 files as 2026-01-05.2 (closed)" in ready.delivered(reads=more).out
    assert ready.delivered("yesterday").code == 2
    assert ready("deliver", "harbour").code == 2


def test_without_a_date_a_delivery_is_of_today(ready: Shell, monkeypatch: Any) -> None:
    from datetime import date

    from vpack_pipeline.cli import site as module

    for place in (cli, module):
        monkeypatch.setattr(place, "today", lambda: date(2031, 5, 17))
    ready.put("export/reads.csv", FILES["reads.csv"] + "R2,C1,finding,1\n")
    said = ready("deliver", "harbour", "export/reads.csv")
    assert "as 2031-05-17" in said.out


def test_a_delivery_of_a_day_to_come_is_refused_unless_forced_and_told_ever_after(
    ready: Shell,
) -> None:
    """It would be the cut of every build until that day."""
    reads = FILES["reads.csv"] + "R2,C1,finding,1\n"
    said = ready.delivered("2099-01-01", reads=reads)
    assert said.code == 2
    assert "--on: 2099-01-01 is a day to come — give the day on which" in said.err
    assert not (ready.root / "data/sites/harbour/deliveries/2099-01-01").exists()
    said = ready.delivered("2099-01-01", "--force", reads=reads)
    assert said.code == 0
    assert "warning: 2099-01-01 is of a day to come: builds take it for their cut" in said.err
    assert "note: deliveries/2099-01-01: is of a day to come" in ready("check", "harbour").out
    assert "note: deliveries/2099-01-01: is of a day to come" in ready("status", "harbour").out


def test_the_same_files_are_not_delivered_twice(ready: Shell) -> None:
    said = ready.delivered("2026-02-01")
    assert said.code == 2
    assert "all 4 files are identical to 2026-01-05: nothing delivered" in said.err
    assert not (ready.root / "data/sites/harbour/deliveries/2026-02-01").exists()


def test_a_full_file_without_rows_and_a_day_before_the_newest_are_warned_of(ready: Shell) -> None:
    said = ready.delivered("2026-01-04", readers="reader_id\n")
    assert said.code == 0
    assert "warning: readers.csv has no row: as `mode: full` it retracts every row" in said.err
    assert "warning: 2026-01-04 lies before the newest delivery, 2026-01-05" in said.err


def test_identifiers_none_of_which_matches_are_to_be_mended(ready: Shell) -> None:
    scanned(ready, study="1.2.3", accession="99", patient="P1")
    ready.delivered(
        "2026-02-01", cases="case_id,patient_id,index_date,study\nC1,P1,2025-12-01,8.8.8\n"
    )
    said = ready("check", "harbour")
    assert said.code == 2
    assert "inputs.cases, study: none of 1 identifiers matches anything" in said.err
    assert "wrong folder in `sources`, or wrong column mapped to `study`?" in said.err
    assert "8.8.8" not in said.out + said.err


def test_a_needed_file_that_never_came_is_told_and_an_optional_one_noted(vpack: Shell) -> None:
    vpack("init", "harbour")
    vpack.filled()
    path = str(vpack.put("export/readers.csv", FILES["readers.csv"]))
    vpack("deliver", "harbour", path, "--on", DAY)
    said = vpack("check", "harbour")
    assert said.code == 2
    assert "inputs.reads: no closed delivery holds reads.csv — deliver it" in said.err
    assert "inputs.predictions: no closed delivery holds predictions.csv" in said.err
    assert "note: cases: no closed delivery holds cases.csv" in said.out


def test_zero_padding_and_case_that_would_match_are_counted_not_printed(ready: Shell) -> None:
    reads = "reader_id,case_id,finding,rating\nr1,007,finding,1\nR2,7,finding,0\nR2,zz,finding,0\n"
    ready.delivered(
        "2026-02-01", cases="case_id,patient_id,index_date\n7,P1,2025-12-01\n", reads=reads
    )
    said = ready("check", "harbour")
    assert said.code == 2
    assert (
        "inputs.reads, case_id: 4 identifiers match nothing; zero padding would match 1" in said.err
    )
    assert "inputs.reads, reader_id: 1 identifiers match nothing" in said.err
    assert "upper or lower case 1" in said.err
    assert "zz" not in said.out + said.err


def test_identifiers_that_no_spelling_would_match_are_only_noted(ready: Shell) -> None:
    ready.delivered(
        "2026-02-01", predictions="case_id,finding,model_id,score\nC9,finding,model-1,0.9\n"
    )
    said = ready("check", "harbour")
    assert said.code == 0
    assert "note: predictions, case_id: 1 identifiers match nothing" in said.out


def test_a_form_that_does_not_fit_is_told_before_anything_is_delivered(vpack: Shell) -> None:
    vpack("init", "harbour")
    vpack.edit(
        "data/sites/harbour/site.yaml",
        "    file: readers.csv\n",
        "    file: readers.csv\n    columns: {readr_id: Reader}\n    zone: Mars/Base\n",
    )
    said = vpack("check", "harbour")
    assert "readr_id is no column of readers — did you mean 'reader_id'?" in said.err
    assert "site.yaml, inputs.readers.zone: is no IANA time zone" in said.err


def test_bounded_rules_are_named(ready: Shell) -> None:
    ready.edit("data/protocols/starter-0.1.yaml", "when: age_years >= 18", "when: has_reference")
    ready.edit("data/protocols/starter-0.1.yaml", "level: study", "level: case")
    said = ready("check", "harbour")
    assert said.code == 0, said.err
    assert "note: rules adult ask whether a prediction, a reference or reads exist" in said.out


def test_a_secret_that_did_not_make_the_earlier_tables_is_told(ready: Shell) -> None:
    from vpack_pipeline.io.project import ProjectFolder

    store = ProjectFolder(ready.root).warehouse
    store.write_receipt("cohort/deliveries", "harbour", DAY, {"secret": "0" * 16})
    said = ready("check", "harbour")
    assert said.code == 2
    assert "site secret: is not the one that made the earlier tables" in said.err


def test_a_missing_secret_does_not_hide_the_rest(ready: Shell) -> None:
    (ready.root / "data/secrets/harbour.key").unlink()
    said = ready("check", "harbour")
    assert said.code == 2
    assert "the site secret is missing" in said.err
    assert "2026-01-05/reads.csv: headers fit" in said.out


def test_an_empty_source_and_an_unset_variable_are_told(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = (
        "sources:\n"
        "  - {kind: dicomweb, url: https://pacs.example, authorization_variable: PACS_AUTH}"
    )
    ready.edit("data/sites/harbour/site.yaml", "sources:", server)
    (ready.root / "data/dicom/harbour/one.dcm").unlink()
    said = ready("check", "harbour")
    assert "sources[0]: the environment variable PACS_AUTH is not set" in said.err
    assert "sources[1]: data/dicom/harbour is empty" in said.err
    monkeypatch.setenv("PACS_AUTH", "Bearer hush")
    said = ready("check", "harbour")
    assert "sources[0]: a DICOMweb server, which was not asked" in said.out
    assert "hush" not in said.out + said.err
    assert "pass unencrypted" not in said.out
    ready.edit("data/sites/harbour/site.yaml", "https://pacs.example", "http://pacs.example")
    assert "sources[0]: http: identifiers" in ready("check", "harbour").out


def test_a_patient_as_unit_has_one_case(ready: Shell) -> None:
    protocol = "data/protocols/starter-0.1.yaml"
    ready.edit(protocol, "unit_of_analysis: study", "unit_of_analysis: patient")
    assert ready("check", "harbour").code == 0
    more = "case_id,patient_id,index_date\nC1,P1,2025-12-01\nC2,P2,2025-12-02\nC3, P1,2025-12-03\n"
    assert ready.delivered("2026-01-06", cases=more).code == 0
    said = ready("check", "harbour")
    assert said.code != 0
    assert "starter@0.1 unit_of_analysis: 1 patients have several cases each" in said.out + said.err
    ready.edit(protocol, "unit_of_analysis: patient", "unit_of_analysis: study")
    assert ready("check", "harbour").code == 0


def test_without_a_list_of_cases_each_study_of_a_patient_is_a_case(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = {"default_case_id": ["a", "b", "b", None], "patient_id": ["p", "q", "q", "p"]}
    loaded = study.load(ready.root, "harbour")
    protocol = loaded.protocol.model_copy(update={"unit_of_analysis": "patient"})

    def found(headers: dict[str, list[str | None]]) -> list[str]:
        frame = pl.LazyFrame(
            headers, schema={"default_case_id": pl.String, "patient_id": pl.String}
        )
        monkeypatch.setattr(dicom_state, "scan_headers", lambda _: frame)
        names = Pseudonyms(b"s" * 32, loaded.site.identifiers, loaded.site.issuer)
        of_patients = Study(loaded.root, protocol, loaded.site)
        problems = repeated_patients(of_patients, (), None, pseudonyms=names, state=ready.root)
        return [str(problem) for problem in problems]

    assert found(scanned) == []
    (told,) = found({"default_case_id": ["a", "b"], "patient_id": ["p", "p"]})
    assert "1 patients have several cases each" in told


def test_a_broken_model_is_named(ready: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpack_pipeline.io import models

    sql = "select case_id, patient_id, studdy_id as study_id from eligibility.cases"
    broken = Model("eligibility/included", sql, frozenset({"eligibility/cases"}))
    monkeypatch.setattr(models, "load", lambda: {"eligibility/included": broken})
    models.column_lineage.cache_clear()
    said = ready("check", "harbour")
    models.column_lineage.cache_clear()
    assert said.code == 2
    assert "model eligibility/included" in said.err
    assert "studdy_id" in said.err


def test_a_path_pseudonym_is_resolved_for_the_operator(ready: Shell) -> None:
    said = ready("check", "harbour", "--file", "0" * 32)
    assert said.code == 2
    assert "no scan knows this pseudonym" in said.err


def scanned(
    vpack: Shell, header: Mapping[str, str] = MappingProxyType({}), **identifiers: str
) -> Pseudonyms:
    """Leave the state of a scan that saw one image."""
    from vpack_pipeline.io.dicom import state
    from vpack_pipeline.io.project import ProjectFolder

    edge = ProjectFolder(vpack.root).edge(study.load(vpack.root, "harbour"), None)
    ids = edge.pseudonyms
    row = {
        "study_id": ids.study(identifiers["study"]),
        "accession_id": ids.accession(identifiers["accession"]),
        "patient_id": ids.patient(identifiers["patient"]),
        "default_case_id": ids.case(identifiers["study"]),
    }
    path = os.fsencode(vpack.root / "data/dicom/harbour/one.dcm")
    entry = {"file_id": ids.path("one.dcm"), "path": path}
    given = {**row, **entry, **header, "version": "1:1", "shard": "1"}

    def frame(schema: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame({name: [given.get(name)] for name in schema}, schema=schema)

    with state.locked(edge.state) as folder:
        state.write_frame(state.shard_folder(folder) / "1.parquet", frame(state.HEADERS))
        state.write_frame(state.shard_folder(folder) / "index.parquet", frame(state.INDEX))
        state.write_frame(folder / "manifest.parquet", frame(state.MANIFEST))
    return ids


def notes_of(vpack: Shell) -> dict[str, str]:
    """What a check says of texts that nobody lists, by column."""
    said = vpack("check", "harbour").out.splitlines()
    listed = [line.removeprefix("note: ") for line in said if "not listed" in line]
    return {line.partition(":")[0]: line for line in listed}


def test_texts_of_the_roster_that_nobody_lists_are_counted_and_not_shown(ready: Shell) -> None:
    roster = "reader_id,qualification,training\nR1,board,two hours\nR2,CANARY,\n"
    ready.delivered("2026-02-01", readers=roster)
    said = ready("check", "harbour").out
    assert "site.yaml does not state readers_agreed" in said
    assert not any("readers, qualification" in line for line in said.splitlines())
    ready.edit("data/sites/harbour/site.yaml", "readers_agreed: false", "readers_agreed: true")
    found = notes_of(ready)
    assert set(found) == {"readers, qualification", "readers, training"}
    assert "2 of 2 texts are not listed" in found["readers, qualification"]
    assert (
        "under inputs.readers.values.qualification in site.yaml" in found["readers, qualification"]
    )
    assert "CANARY" not in ready("check", "harbour").out
    listed = "    file: readers.csv\n    values: {qualification: [board], training: [two hours]}\n"
    ready.edit("data/sites/harbour/site.yaml", "    file: readers.csv\n", listed)
    (only,) = notes_of(ready).values()
    assert "readers, qualification: 1 of 2 texts" in only


def test_words_of_a_header_that_nobody_lists_are_shown_at_a_terminal_alone(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {"manufacturer": "ACME \x1b[2J", "manufacturer_raw": "ACME \x1b[2J"}
    scanned(ready, written, study="1.2.3", accession="99", patient="007")
    told = notes_of(ready)["headers, manufacturer"]
    assert "1 of 1 texts are not listed" in told
    assert "under value_maps.manufacturer in site.yaml (a terminal shows which)" in told
    assert "ACME" not in told
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert notes_of(ready)["headers, manufacturer"].endswith(r": 'ACME \x1b[2J'")
    assert "ACME" not in ready("check", "harbour", "--json").out
    ready.edit(
        "data/sites/harbour/site.yaml",
        "value_maps: {}",
        'value_maps: {manufacturer: {"ACME \\e[2J": Acme}}',
    )
    assert notes_of(ready) == {}


def test_of_many_words_twenty_are_shown() -> None:
    words = [f"w{i:02}" for i in range(23)]
    assert unlisted._shown(words) == f": {', '.join(map(repr, words[:20]))} and 3 more"
    assert unlisted._shown(words[:1]) == ": 'w00'"


CASES_OF_STUDIES = (
    "case_id,patient_id,index_date,study\n"
    "C1,7,2025-12-01,1.2.3\nC2,007,2025-12-02,0099\nC3,P9,2025-12-02,99\n"
)


def test_studies_and_patients_are_held_to_the_last_scan(ready: Shell) -> None:
    scanned(ready, study="1.2.3", accession="99", patient="007")
    ready.delivered("2026-02-01", cases=CASES_OF_STUDIES)
    said = ready("check", "harbour")
    assert said.code == 2
    assert (
        "inputs.cases, study: 1 identifiers match nothing; zero padding would match 1" in said.err
    )
    assert (
        "inputs.cases, patient_id: 2 identifiers match nothing; zero padding would match 1"
        in said.err
    )


def test_without_cases_every_study_of_the_scan_is_a_case(ready: Shell) -> None:
    scanned(ready, study="1.2.3", accession="99", patient="007")
    text = (ready.root / "data/sites/harbour/site.yaml").read_text(encoding="utf-8")
    ready.put("data/sites/harbour/site.yaml", text.replace("file: cases.csv", "file: unused.csv"))
    ready.edit(
        "data/sites/harbour/site.yaml", "  cases:\n    file: unused.csv\n    mode: full\n", ""
    )
    shutil.rmtree(ready.root / "data/sites/harbour/deliveries" / DAY)
    del (given := dict(FILES))["cases.csv"]
    given["reads.csv"] = "reader_id,case_id,finding,rating\nR1,1.2.3,finding,1\nR1,9.9,finding,1\n"
    given["predictions.csv"] = "case_id,finding,model_id,score\n1.2.3,finding,model-1,0.9\n"
    paths = [str(ready.put(f"export/{name}", text)) for name, text in given.items()]
    assert ready("deliver", "harbour", *paths, "--on", DAY).code == 0
    said = ready("check", "harbour")
    assert said.code == 0, said.err
    assert "note: reads, case_id: 1 identifiers match nothing" in said.out


def test_the_pseudonym_of_an_image_file_leads_to_it(ready: Shell) -> None:
    ids = scanned(ready, study="1.2.3", accession="99", patient="007")
    said = ready("check", "harbour", "--file", ids.path("one.dcm"))
    assert said.code == 0
    assert said.out.strip() == str(ready.root / "data/dicom/harbour/one.dcm")


def test_models_that_do_not_parse_are_told(ready: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpack_pipeline.io import models

    def broken() -> None:
        raise ContractError("dbt_like_sql/x/y.sql:3: not DuckDB SQL")

    monkeypatch.setattr(models, "load", broken)
    said = ready("check", "harbour")
    assert said.code == 2
    assert "dbt_like_sql/x/y.sql:3: not DuckDB SQL" in said.err


def test_a_source_that_may_not_be_read_is_told(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def denied(path: Any = ".") -> Any:
        if "dicom" in str(path):
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert "sources[0]: data/dicom/harbour cannot be read" in ready("check", "harbour").err


def test_an_unknown_site_is_told_with_the_nearest(ready: Shell) -> None:
    said = ready("check", "harbor")
    assert said.code == 2
    assert "did you mean 'harbour'?" in said.err


def test_a_name_that_is_no_site_is_told_as_typed(ready: Shell) -> None:
    assert "no such site 'harbor' — did you mean 'harbour'?" in ready("check", "harbor").err
    said = ready("build", "a/b")
    assert said.code == 2
    assert "'a/b' is no site name — give the name alone, no path" in said.err


def test_a_form_without_an_input_is_told_how_to_get_one(ready: Shell) -> None:
    path = str(ready.put("export/population.csv", "x\n"))
    uncomment = "uncomment `population:` under inputs in site.yaml"
    assert uncomment in ready("deliver", "harbour", path).err
    folder = f"data/sites/harbour/deliveries/{DAY}"
    ready.put(f"{folder}/population.csv", "x\n")
    assert uncomment in ready("check", "harbour").err


def test_a_closed_delivery_is_not_to_be_renamed(ready: Shell) -> None:
    ready.edit("data/sites/harbour/site.yaml", "file: cases.csv", "file: case.csv")
    ready.edit("data/sites/harbour/site.yaml", "file: reads.csv", "file: redes.csv")
    said = ready("check", "harbour")
    assert "cases.csv: no input of site.yaml has this file — set `file: cases.csv`" in said.err
    assert "set `file: reads.csv` under inputs.reads in site.yaml" in said.err


def test_status_is_one_line_a_site_and_a_fault_hides_no_other(ready: Shell) -> None:
    ready("init", "port")
    ready.edit("data/sites/port/site.yaml", "site_id: port", "site_id: prot")
    said = ready("status")
    assert said.code == 2
    lines = said.out.splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "harbour (data/sites/harbour): no pack yet, older than the newest delivery (2026-01-05):"
        " it was not built since"
    )
    assert lines[1].startswith("port (data/sites/port): to mend: port/site.yaml: site_id is not")
    found = json.loads(ready("status", "--json").out)
    assert [entry["site"] for entry in found] == ["harbour", "port"]
    assert ready("status", "harbour").code == 0


def test_a_port_in_use_is_told_before_anything_starts(
    ready: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, words, _environment: started.append(words))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = ready("ui", "--port", port)
        assert said.code == 2
        assert f"port {port} is in use — choose another with --port" in said.err
        assert not started
    said = ready("ui", "--port", port)
    assert said.out == f"http://127.0.0.1:{port} (starting, may take a minute)\n"
    assert len(started) == 1


def test_the_shell_completes_sites(ready: Shell) -> None:
    ready("init", "harvest")
    command = cli.cli.get_command(click.Context(cli.cli), "check")
    assert command is not None
    context = click.Context(command, parent=click.Context(cli.cli))
    (site,) = [p for p in command.params if p.name == "site"]
    found = [item.value for item in site.shell_complete(context, "harb")]
    assert found == ["harbour"]
    ready.monkeypatch.chdir("/")
    assert site.shell_complete(context, "") == []


def seconds_of(*words: str) -> tuple[float, str]:
    """Processor seconds of a call in its own process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vpack_pipeline", *words],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 2)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, done.stderr


def test_help_answers_at_once() -> None:
    assert seconds_of("--help")[0] < 0.5
    assert seconds_of("check", "--help")[0] < 0.5


def test_check_is_quick_and_starts_no_engine() -> None:
    # A machine that is slow for a moment says nothing of the command: the quickest of three counts.
    calls = (seconds_of("check", study.site_ids(ROOT)[0]) for _ in range(3))
    spent, imported = min(calls)
    assert spent < 3
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in imported.splitlines()}
    assert names.isdisjoint({"dagster", "duckdb", "great_expectations", "sklearn"})
