"""The ledger of releases, whom they describe, and the zip that is handed out."""

from __future__ import annotations

import datetime as dt
import fcntl
import io
import json
import os
import stat
import time
import zipfile
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline.core.pack.described_groups import DescribedPeople, DescribedVariable
from vpack_pipeline.errors import UsageError, VerificationError
from vpack_pipeline.io import packs, releases
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.releases import HandedOut, Ledger, Release
from vpack_pipeline.io.releases.ledger import folder_of

SITE, OTHER = "harbour", "harbour-2"
SECRET, STRANGER = (Pseudonyms(letter * 32, {}, None) for letter in (b"s", b"t"))
PAYLOAD = {
    "claim.json": b"{}",
    "codes.csv": b"code\n",
    "drift/plan.json": b"{}",
    "protocol.yaml": b"id: a\n",
    "report.html": b"<p>",
    "summary.pdf": b"%PDF-1.7\n",
}


def entry(name: str, cut: str = "2026-01-05") -> Release:
    return Release(name, "d" * 64, cut, "cxr@1.0", name, "e" * 64, {"drift/plan": "f" * 64}, ())


class Folders:
    """The state and releases of a project."""

    def __init__(self, root: Path) -> None:
        self.state, self.releases = root / "state", root / "releases"

    def publish(self, site: str = SITE, content: bytes = b"<p>") -> str:
        made = packs.publish(
            root_packs=self.releases,
            site_id=site,
            protocol_version="1.0",
            cut="2026-01-05",
            payload={**PAYLOAD, "report.html": content},
        )
        return made.version

    def write(self, *names: str, site: str = SITE, secret: Pseudonyms = SECRET) -> Path:
        folder = folder_of(self.state / site)
        ledger = Ledger(site, tuple(entry(name) for name in names))
        releases.write_ledger(folder, ledger, secret)
        return folder / "ledger.json"

    def read(self, site: str = SITE, secret: Pseudonyms = SECRET) -> Ledger:
        return releases.read_ledger(self.state / site, self.releases, site, secret)

    def others(self) -> dict[str, Ledger]:
        return releases.ledgers_of_secret(self.state, self.releases, SITE, SECRET)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def refusal(act) -> str:
    with pytest.raises(VerificationError) as refused:
        act()
    return str(refused.value)


def test_before_the_first_release_there_is_an_empty_ledger(folders: Folders) -> None:
    ledger = folders.read()
    assert ledger == Ledger(SITE)
    assert ledger.last is None


def test_a_ledger_is_read_as_it_was_written_and_is_private(folders: Folders) -> None:
    name = folders.publish()
    path = folders.write(name)
    assert folders.read().releases == (entry(name),)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_an_earlier_umask_left_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases").chmod(0o755)
    assert stat.S_IMODE(folder_of(tmp_path).stat().st_mode) == 0o700


def test_one_release_is_made_at_a_time(tmp_path: Path) -> None:
    """Of whichever site: each is held against what others have released."""
    with releases.locked(tmp_path / "state"):
        lock = (tmp_path / "state" / ".releases.lock").open()
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.close()


def test_a_release_is_entered_once_for_each_recipient() -> None:
    first, again, second = (
        HandedOut("A", "2026-01-06"),
        HandedOut("A", "2026-02-01"),
        HandedOut("", "x"),
    )
    ledger, is_new = releases.entered(Ledger(SITE), entry("one"), first)
    assert is_new
    assert releases.entered(ledger, entry("one"), again) == (ledger, False)
    ledger, is_new = releases.entered(ledger, entry("one"), second)
    assert is_new
    assert ledger.releases[0].handed_out == (first, second)
    ledger, is_new = releases.entered(ledger, entry("two"), first)
    assert (is_new, len(ledger.releases), ledger.last) == (True, 2, ledger.releases[1])


def test_a_lost_ledger_is_told_by_the_releases_that_lie_there(folders: Folders) -> None:
    folders.write(folders.publish()).unlink()
    told = refusal(folders.read)
    assert f"data/state/{SITE}/releases/ledger.json" in told
    assert "is lost" in told
    assert "restore data/state from the newest backup" in told


def test_a_ledger_of_an_old_backup_does_not_know_the_newest_release(folders: Folders) -> None:
    folders.write(folders.publish())
    newest = folders.publish(content=b"<b>")
    assert f"does not know the release {newest}" in refusal(folders.read)


def test_a_release_that_never_appeared_is_still_in_the_ledger(folders: Folders) -> None:
    """A crash between ledger and folder: too much is known, never too little."""
    folders.write("1.0-2026-01-05-0123456789ab")
    assert len(folders.read().releases) == 1


def edited(data: dict) -> str:
    data["releases"][0]["handed_out"] = [{"to": "nobody", "on": "2026-01-06"}]
    return json.dumps(data)


DAMAGES = {
    "edited": (edited, "was edited"),
    "shortened": (lambda data: json.dumps({**data, "releases": []}), "was edited"),
    "without its code": (lambda data: json.dumps({**data, "mac": None}), "was edited"),
    "with a code that is none": (lambda data: json.dumps({**data, "mac": "é"}), "was edited"),
    "of another site": (lambda data: json.dumps({**data, "site": OTHER}), "another site's"),
    "cut off": (lambda data: json.dumps(data)[:-9], "is damaged"),
    "a list": (lambda data: json.dumps([data]), "is damaged"),
    "nested beyond reading": (lambda _: "[" * 200_000, "is damaged"),
    "of a newer version": (lambda data: json.dumps({**data, "format": 2}), "newer version"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_ledger_that_is_not_what_was_written_is_refused(folders: Folders, damage: str) -> None:
    path = folders.write(folders.publish())
    path.chmod(0o600)
    change, told = DAMAGES[damage]
    path.write_text(change(json.loads(path.read_text())))
    said = refusal(folders.read)
    assert told in said
    assert "restore data/state" in said


def test_a_ledger_of_another_secret_is_refused(folders: Folders) -> None:
    folders.write(folders.publish(), secret=STRANGER)
    assert "another secret" in refusal(folders.read)


def test_sites_of_the_same_secret_are_read_too_and_no_others(folders: Folders) -> None:
    folders.write(folders.publish())
    folders.write(folders.publish(OTHER), site=OTHER)
    folders.write(folders.publish("stranger"), site="stranger", secret=STRANGER)
    assert set(folders.others()) == {OTHER}
    (folders.state / OTHER / "releases" / "ledger.json").unlink()
    assert "is lost" in refusal(folders.others)


def made_people() -> DescribedPeople:
    cases = pl.DataFrame(
        {
            "case_id": ["c1", "c2", "c3"],
            "patient_id": ["p1", "p1", "p2"],
            "index_date": [dt.date(2026, 1, d) for d in (1, 2, 3)],
        }
    )
    sex = DescribedVariable(
        "sex",
        {"F": "F", "M": "M or other", "other": "M or other"},
        {"c1": "F", "c3": "M"},
        {"included": frozenset({"c1", "c3"}), "cohort": frozenset({"c1", "c2", "c3"})},
        {"F": 300, "M": 200},
    )
    rule = DescribedVariable("rule adult", {"removed": "removed"}, {}, {})
    return DescribedPeople(cases, (sex, rule), 11)


def test_people_are_read_as_they_were_written(tmp_path: Path) -> None:
    people = made_people()
    digest = releases.write_people(tmp_path, "one", people)
    found = releases.read_people(tmp_path, "one", digest)
    assert found.cases.equals(people.cases)
    assert (found.variables, found.smallest) == (people.variables, people.smallest)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_people_that_are_gone_or_changed_are_refused(tmp_path: Path) -> None:
    digest = releases.write_people(tmp_path, "one", made_people())
    (path,) = tmp_path.iterdir()
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"x")
    for _ in range(2):
        told = refusal(lambda: releases.read_people(tmp_path, "one", digest))
        assert told.startswith("one.people.parquet: ")
        assert "restore data/state" in told
        path.unlink(missing_ok=True)


RECIPIENTS = {
    "of ten thousand characters": ("x" * 10_000, "has 10000 characters, and 200 are the most"),
    "one too long": ("é" * 201, "has 201 characters"),
    "empty": (" \t", "names nobody"),
    "a bell": ("Board\a", "U+0007"),
    "two lines": ("Board\nof Harbour", "U+000A"),
    "turned around": ("Board \u202e gnp.exe", "U+202E"),
    "a separator": ("Board\u2028x", "U+2028"),
    "a lone surrogate": ("Board \udcff", "U+DCFF"),
    "NUL": ("Board\x00", "U+0000"),
}


@pytest.mark.parametrize("given", RECIPIENTS)
def test_a_recipient_that_cannot_be_printed_is_refused(given: str) -> None:
    text, told = RECIPIENTS[given]
    with pytest.raises(UsageError) as refused:
        releases.read_recipient(text)
    assert told in str(refused.value)
    assert "Board" not in str(refused.value)


def test_a_recipient_is_taken_in_one_form() -> None:
    assert releases.read_recipient(" Hôpital de l’E\u0301toile, « imagerie » ") == (
        "Hôpital de l’Étoile, « imagerie »"
    )
    assert len(releases.read_recipient("e\u0301" * 200)) == 200


def test_a_zip_follows_from_its_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"b/c.txt": b"2" * 5000, "a.txt": b"1", "b/a.txt": b""}
    made = releases.zipped(files)
    for zone in ("Pacific/Kiritimati", "America/Adak"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before = os.umask(0o077)
        assert releases.zipped(dict(reversed(files.items()))) == made
        os.umask(before)
    monkeypatch.undo()
    time.tzset()
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        assert [i.filename for i in archive.infolist()] == sorted(files)
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {i.external_attr >> 16 for i in archive.infolist()} == {0o100644}
        assert {n: archive.read(n) for n in archive.namelist()} == files
