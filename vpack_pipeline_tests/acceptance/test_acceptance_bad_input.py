"""Bad input ends in a clear error or a quarantined row; never in a traceback, never in silence."""

from __future__ import annotations

import csv
import io
import math
import os
import shutil
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.standing import standing
from vpack_pipeline.cli.checkup import check_site
from vpack_pipeline.errors import DeliveryError, DocumentError, InputError, SecretError, UsageError
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.acceptance.site_bench import (
    Built,
    Copied,
    Packed,
    at_cut,
    build,
    copy_site,
    refused,
)
from vpack_pipeline_tests.once import once

FIRST = "2026-01-15"
LATE = "2026-07-21"
READS_FILE = "reads.csv"


def lines_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text("utf-8"), newline="")))


def csv_of(rows: list[list[str]]) -> bytes:
    made = io.StringIO(newline="")
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue().encode()


def text(error: InputError) -> str:
    """What a user is shown; it always names a remedy."""
    assert all(p.where and p.what for p in error.problems)
    return str(error)


# The archive


def test_an_empty_image_folder_is_an_error_that_names_the_source(riverside: Copied) -> None:
    shutil.rmtree(riverside.data / "dicom")
    (riverside.data / "dicom").mkdir()
    shown = text(refused(lambda: riverside.built("cohort/files")))
    assert "sources[1]: no DICOM file: 0 files" in shown
    assert "correct `path`" in shown


def test_an_absent_image_folder_is_an_error_that_names_the_source(riverside: Copied) -> None:
    shutil.rmtree(riverside.data / "dicom")
    assert "there is no such folder" in text(refused(lambda: riverside.built("cohort/files")))


def test_a_folder_without_dicom_is_an_error_that_counts_what_is_there(riverside: Copied) -> None:
    shutil.rmtree(riverside.data / "dicom")
    (riverside.data / "dicom").mkdir()
    for name in ("a.dcm", "b.txt"):
        (riverside.data / "dicom" / name).write_text("not an image\n")
    shown = text(refused(lambda: riverside.built("cohort/files")))
    assert "2 files, 2 NOT_DICOM" in shown


def test_one_unreadable_file_is_quarantined_and_the_rest_taken(
    riverside: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = riverside.data / "dicom"
    victim = sorted(archive.rglob("1.dcm"))[0]
    opened = os.open

    def refuse(path: Any, *given: Any, **named: Any) -> int:
        if os.fsdecode(path) == str(victim):
            raise PermissionError
        return opened(path, *given, **named)

    # Not by its mode: the tests may run as root, whom no mode stops.
    monkeypatch.setattr(os, "open", refuse)
    built = riverside.built("cohort/files", "cohort/instances")
    quarantine = built.quarantine("image")
    assert dict(quarantine["reason"].value_counts().iter_rows())["PERM"] == 1
    assert built.table("cohort/instances").height > 100


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda content: b"", "EMPTY"),
        (lambda content: content[:200], "TRUNCATED"),
        (lambda content: content[:-100], "TRUNCATED"),
        (lambda content: b"dear colleague, the study follows\n", "NOT_DICOM"),
    ],
    ids=["zero bytes", "cut header", "cut pixels", "text"],
)
def test_a_broken_file_is_quarantined_with_its_reason(
    riverside: Copied, break_it: Callable[[bytes], bytes], reason: str
) -> None:
    victim = sorted((riverside.data / "dicom").rglob("1.dcm"))[0]
    victim.write_bytes(break_it(victim.read_bytes()))
    quarantine = riverside.built("cohort/files").quarantine("image")
    before = {"DUP_SOP_CONFLICT"}
    found = quarantine.filter(~pl.col("reason").is_in(list(before)))
    assert found["reason"].to_list() == [reason]
    assert found["remedy"][0]


# Headers of a form


def test_a_missing_column_is_named_with_what_the_file_has(riverside: Copied) -> None:
    path = riverside.delivery(FIRST) / READS_FILE
    rows = lines_of(path)
    at = rows[0].index("Reader")
    path.write_bytes(csv_of([row[:at] + row[at + 1 :] for row in rows]))
    error = refused(lambda: riverside.built("cohort/reads"))
    assert isinstance(error, DeliveryError)
    shown = text(error)
    assert f"{FIRST}/{READS_FILE}: no column 'Reader' for reader_id" in shown
    assert "map reader_id under `columns`" in shown
    assert rows[1][1] not in shown


def test_a_misspelt_column_is_suggested(riverside: Copied) -> None:
    path = riverside.delivery(FIRST) / READS_FILE
    rows = lines_of(path)
    path.write_bytes(csv_of([[c.replace("Reader", "Raeder") for c in rows[0]], *rows[1:]]))
    shown = text(refused(lambda: riverside.built("cohort/reads")))
    assert "did you mean 'Raeder'?" in shown
    assert "unknown column 'Raeder' — did you mean 'Reader'?" in shown


def test_a_delivery_that_could_not_be_read_can_be_mended_in_place(riverside: Copied) -> None:
    """Else it would stop every later build: no new delivery can make up for its header."""
    path = riverside.delivery(FIRST) / READS_FILE
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"Reader", b"Raeder", 1))
    refused(lambda: riverside.built("cohort/deliveries"))
    path.write_bytes(sound)
    assert riverside.built("cohort/deliveries").receipt("cohort/deliveries").passed


def test_a_covariate_that_the_protocol_does_not_declare_is_an_error(riverside: Copied) -> None:
    path = riverside.delivery(FIRST) / "cases.csv"
    rows = lines_of(path)
    path.write_bytes(csv_of([[*rows[0], "Smoker"], *([*row, "yes"] for row in rows[1:])]))
    shown = text(refused(lambda: riverside.built("cohort/cases")))
    assert "unknown column 'Smoker'" in shown
    assert "list it under `ignore`" in shown


def test_a_file_that_no_input_names_is_an_error(riverside: Copied) -> None:
    (riverside.delivery(FIRST) / "read.csv").write_text("a,b\n")
    shown = text(refused(lambda: riverside.built("cohort/deliveries")))
    assert "read.csv: no input of site.yaml has this file — set `file: read.csv`" in shown


# Rows: one late delivery with a row of each kind of fault, read once


READ_LINES = {
    "rating": 1,
    "once": 2,
    "again": 3,
    "one": 4,
    "other": 5,
    "reader": 6,
    "case": 7,
    "future": 8,
}


@pytest.fixture(scope="session")
def faulty(small_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    def make(root: Path) -> None:
        copied = copy_site(small_root, "riverside", root).without_broken_files()
        deliver_faulty_rows(copied)
        copied.built("cohort/reads", "cohort/predictions", "cohort/quarantine")

    return at_cut(once(tmp_path_factory, "riverside, faulty rows", make), "riverside")


def deliver_faulty_rows(copied: Copied) -> None:
    header, *rows = lines_of(copied.delivery(FIRST) / READS_FILE)
    at = {name: i for i, name in enumerate(header)}
    sound = next(r for r in rows if r[at["Nodule or mass"]] == "absent" and r[at["Session"]] == "1")

    def read(**changes: str) -> list[str]:
        made = list(sound)
        for name, value in changes.items():
            made[at[name.replace("_", " ")]] = value
        return made

    reads = [
        header,
        read(Session="61", Nodule_or_mass="likely"),
        read(Session="62"),
        read(Session="62"),
        read(Session="63"),
        read(Session="63", Nodule_or_mass="present"),
        read(Session="64", Reader="R-NOBODY"),
        read(Session="65", Case_No="RIVE-999999"),
        read(Session="66", Read_At="2026-07-23 09:00:00"),
    ]
    scores = pl.read_parquet(copied.delivery(FIRST) / "predictions.parquet")
    row = scores.filter(pl.col("status") == "ok").row(0, named=True)
    changes: list[dict[str, Any]] = [
        {"score": 1.7},
        {"score": math.nan},
        {"score": math.inf},
        {"model_id": "nodule-3"},
        {"score": -0.01},
        {"produced_at": datetime(2026, 7, 23, tzinfo=UTC)},
    ]
    made = pl.DataFrame(
        [row | {"attempt": 40 + i} | c for i, c in enumerate(changes)], schema=scores.schema
    )
    parquet = io.BytesIO()
    made.write_parquet(parquet)
    copied.deliver(LATE, reads__csv=csv_of(reads), predictions__parquet=parquet.getvalue())


def late(built: Built, kind: str) -> dict[int, tuple[str, str | None]]:
    rows = built.quarantine(kind).filter(delivery=LATE).select("line", "reason", "field")
    return {line: (reason, field) for line, reason, field in rows.iter_rows()}


def test_an_unknown_rating_is_quarantined(faulty: Built) -> None:
    assert late(faulty, "reads")[READ_LINES["rating"]] == ("UNKNOWN_RATING", "rating")


def test_a_repeated_read_is_taken_once(faulty: Built) -> None:
    taken = set(faulty.table("cohort/reads").filter(delivery=LATE)["line"])
    assert taken == {READ_LINES["once"]}
    assert late(faulty, "reads")[READ_LINES["again"]][0] == "DUPLICATE_ROW"


def test_two_reads_of_one_key_that_differ_are_both_refused(faulty: Built) -> None:
    refusals = late(faulty, "reads")
    assert {refusals[READ_LINES[n]][0] for n in ("one", "other")} == {"DUPLICATE_KEY"}


def test_a_reader_who_is_not_in_the_roster_is_quarantined(faulty: Built) -> None:
    assert late(faulty, "reads")[READ_LINES["reader"]] == ("UNKNOWN_READER", "reader_id")


def test_a_read_of_an_unknown_case_is_quarantined(faulty: Built) -> None:
    assert late(faulty, "reads")[READ_LINES["case"]] == ("UNKNOWN_CASE", "case_id")


def test_an_event_later_than_its_delivery_is_quarantined(faulty: Built) -> None:
    assert late(faulty, "reads")[READ_LINES["future"]] == ("EVENT_AFTER_DELIVERY", "read_at")
    assert late(faulty, "predictions")[6] == ("EVENT_AFTER_DELIVERY", "produced_at")


def test_a_score_out_of_range_is_quarantined(faulty: Built) -> None:
    refusals = late(faulty, "predictions")
    assert refusals[1] == refusals[5] == ("SCORE_RANGE", "score")


def test_a_score_that_is_nan_or_infinite_is_quarantined(faulty: Built) -> None:
    refusals = late(faulty, "predictions")
    assert refusals[2] == refusals[3] == ("NOT_FINITE", "score")


def test_a_model_that_the_protocol_does_not_name_is_quarantined(faulty: Built) -> None:
    assert late(faulty, "predictions")[4] == ("UNKNOWN_MODEL", "model_id")


def test_every_faulty_row_is_counted_and_none_shown(faulty: Built) -> None:
    quarantine = faulty.table("cohort/quarantine").filter(delivery=LATE)
    assert quarantine.height == 7 + 6
    shown = quarantine.write_csv()
    for value in ("likely", "R-NOBODY", "RIVE-", "nodule-3", "1.7"):
        assert value not in shown


# Keys, times, cases


def test_a_key_in_other_letters_is_quarantined_and_hinted_at(riverside: Copied) -> None:
    path = riverside.delivery(FIRST) / READS_FILE
    header, *rows = lines_of(path)
    at = header.index("Case No")
    lower = [*rows[0][:at], rows[0][at].lower(), *rows[0][at + 1 :]]
    path.write_bytes(csv_of([header, *rows, lower]))
    quarantine = riverside.built("cohort/reads").quarantine("reads")
    assert quarantine.filter(line=len(rows) + 1)["reason"].to_list() == ["UNKNOWN_CASE"]
    shown = hints(riverside)
    assert "upper or lower case 1" in shown
    assert lower[at] not in shown


def test_a_key_that_lost_its_zeros_is_quarantined_and_hinted_at(riverside: Copied) -> None:
    header, _, victim, *_ = lines_of(riverside.delivery(FIRST) / "cases.csv")
    accession = victim[header.index("Accession")].encode()
    padded = b"7".zfill(len(accession))
    for path in (riverside.data / "dicom").rglob("*.dcm"):
        content = path.read_bytes()
        if accession in content:
            path.write_bytes(content.replace(accession, padded))
    rewrite(riverside, "cases", lambda content: content.replace(accession, b"7"))
    built = riverside.built("cohort/cases", "cohort/readers")
    refusal = built.quarantine("cases").filter(delivery=FIRST, line=2)
    assert refusal["reason"].to_list() == ["UNMATCHED_KEY"]
    assert "zero padding" in refusal["remedy"][0]
    assert "inputs.cases, study" in hints(riverside)
    assert "zero padding would match 1" in hints(riverside)


def hints(copied: Copied) -> str:
    """What ``vpack check`` says of a site."""
    found = check_site(ProjectFolder(copied.root), copied.site, {})
    return "\n".join([*found.notes, *map(str, found.problems)])


def test_a_time_without_zone_is_quarantined_where_the_site_declares_none(
    riverside: Copied,
) -> None:
    riverside.edit(riverside.site_yaml, "    zone: Europe/Berlin\n", "")
    riverside.built("cohort/readers", "cohort/cases")
    built = at_cut(riverside.root, riverside.site)
    receipt = steps.materialize(built.bench, "cohort/reads").receipt
    assert [c["id"] for c in receipt.checks if c["closes"]] == ["accepted"]  # every read is lost
    quarantine = built.quarantine("reads")
    assert quarantine.filter(reason="TIME_WITHOUT_ZONE")["field"].unique().to_list() == ["read_at"]
    assert "declare `zone`" in quarantine.filter(reason="TIME_WITHOUT_ZONE")["remedy"][0]


def test_a_case_without_a_prediction_row_stays_in_the_denominator(riverside: Copied) -> None:
    pseudonyms = at_cut(riverside.root, riverside.site).bench.edge.pseudonyms
    path = riverside.delivery(FIRST) / "predictions.parquet"
    scores = pl.read_parquet(path)
    victim = scores.filter(pl.col("status") == "ok")["case_id"][5]
    scores.filter(pl.col("case_id") != victim).write_parquet(path)
    built = riverside.built("evaluation/failures", "evaluation/index_test")
    row = built.figure(
        "evaluation/index_test", case_id=pseudonyms.case(victim), model_id="nodule-2"
    )
    assert (row["status"], row["n_attempts"], row["score"]) == ("missing", 0, None)
    missing = built.table("evaluation/failures").filter(
        model_id="nodule-2", stratum="all", metric="n_missing"
    )
    assert missing["estimate"].sum() >= 1


def test_a_prediction_after_its_label_breaks_integrity_and_closes_no_gate(
    riverside: Copied,
) -> None:
    def broken(built: Built) -> float:
        row = built.figure("evaluation/integrity", rule="scored_before_labelled")
        assert row["verdict"] == "broken"
        return float(str(row["estimate"]))

    path = riverside.delivery("2026-07-20") / "predictions.parquet"
    scores = pl.read_parquet(path)
    day = datetime(2026, 7, 18, tzinfo=UTC)
    ok = pl.col("status") == "ok"
    scores.with_columns(
        received_at=pl.when(ok).then(pl.lit(day)).otherwise(pl.col("received_at")),
        produced_at=pl.when(ok)
        .then(pl.lit(day + timedelta(hours=1)))
        .otherwise(pl.col("produced_at")),
    ).write_parquet(path)
    path = riverside.delivery("2026-04-10") / "predictions.parquet"
    pl.read_parquet(path).with_columns(
        produced_at=pl.when(ok)
        .then(pl.lit(datetime(2026, 4, 9, tzinfo=UTC)))
        .otherwise(pl.col("produced_at"))
    ).write_parquet(path)
    built = riverside.built("evaluation/integrity")
    assert broken(built) >= 5


# Deliveries, documents, secrets


def test_an_altered_delivery_is_an_error_and_nothing_is_taken_from_it(riverside: Copied) -> None:
    before = riverside.built("cohort/deliveries").receipt("cohort/deliveries")
    path = riverside.delivery(FIRST) / READS_FILE
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"absent", b"present", 1))
    shown = text(refused(lambda: riverside.built("cohort/deliveries")))
    assert f"deliveries/{FIRST}/{READS_FILE}: altered after it was closed" in shown
    assert "send what has changed as a new delivery" in shown
    path.write_bytes(sound)
    assert riverside.built("cohort/deliveries").receipt("cohort/deliveries") == before


def test_a_delivery_that_is_gone_is_an_error(riverside: Copied) -> None:
    riverside.built("cohort/deliveries")
    shutil.rmtree(riverside.delivery(FIRST))
    shown = text(refused(lambda: riverside.built("cohort/deliveries")))
    assert "was closed and is gone or open again" in shown


def test_an_unclosed_delivery_is_ignored_and_named(riverside: Copied) -> None:
    built = riverside.built("cohort/deliveries")
    assert "2026-08-20" not in set(built.table("cohort/deliveries")["delivery"])
    stands = standing(ProjectFolder(riverside.root), riverside.site)
    assert stands["open_deliveries"] == ["2026-08-20"]
    notes = check_site(ProjectFolder(riverside.root), riverside.site, {}).notes
    assert any("2026-08-20" in note and "open" in note for note in notes)


def test_another_secret_is_an_error_and_no_mixture_of_pseudonyms(riverside: Copied) -> None:
    riverside.built("cohort/deliveries")
    key = riverside.site_yaml.parent / "published.key"
    key.write_text("another secret of more than thirty-two bytes\n")
    error = refused(lambda: riverside.built("cohort/deliveries"))
    assert isinstance(error, SecretError)
    assert "not the secret that made the earlier tables" in text(error)
    assert "another secret" not in text(error)


def test_a_site_name_with_path_characters_is_refused(riverside: Copied) -> None:
    for name in ("../riverside", "a/b", "..", "river side", "riverside\n", "%2e%2e", ""):
        error = refused(partial(build, riverside.root, name, "cohort/deliveries"))
        assert isinstance(error, UsageError)
    riverside.edit(riverside.site_yaml, "site_id: riverside", "site_id: ../../etc")
    error = refused(lambda: riverside.built("cohort/deliveries"))
    assert isinstance(error, DocumentError)
    assert "site.yaml:1: 'site_id'" in text(error)


def test_aliases_in_yaml_are_refused_with_their_line(riverside: Copied) -> None:
    riverside.edit(
        riverside.site_yaml, "site_id: riverside", "site_id: &name riverside\nissuer: *name"
    )
    error = refused(lambda: riverside.built("cohort/deliveries"))
    assert isinstance(error, DocumentError)
    assert "site.yaml:1: anchors and aliases are not allowed" in text(error)


# Ways to write the same CSV file


def readers(copied: Copied) -> list[tuple[object, ...]]:
    return in_force(copied.built("cohort/readers"))


def in_force(built: Built) -> list[tuple[object, ...]]:
    table = built.table("cohort/readers")
    return table.filter("in_force").drop("delivery", "line", "superseded_by").rows()


def rewrite(copied: Copied, kind: str, change: Callable[[bytes], bytes]) -> None:
    for folder in (copied.data / "deliveries").iterdir():
        path = folder / f"{kind}.csv"
        if path.exists():
            path.write_bytes(change(path.read_bytes()))


@pytest.fixture
def plain_readers(riverside_pack: Packed) -> list[tuple[object, ...]]:
    return in_force(riverside_pack.built)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n").rstrip(),
        lambda content: content + b"\n\n",
    ],
    ids=["BOM", "CRLF", "BOM, CRLF, no last line end", "empty lines at the end"],
)
def test_a_csv_file_says_the_same_however_it_was_saved(
    riverside: Copied,
    plain_readers: list[tuple[object, ...]],
    change: Callable[[bytes], bytes],
) -> None:
    rewrite(riverside, "readers", change)
    assert readers(riverside) == plain_readers


def test_a_newline_inside_quotes_is_part_of_the_cell(
    riverside: Copied, plain_readers: list[tuple[object, ...]]
) -> None:
    rewrite(
        riverside,
        "readers",
        lambda c: c.replace(b"two hours with", b'"two hours\nwith', 1).replace(
            b"example cases", b'example cases"', 1
        ),
    )
    found = readers(riverside)
    assert len(found) == len(plain_readers)
    assert sum(found != plain for found, plain in zip(found, plain_readers, strict=True)) == 1
    built = at_cut(riverside.root, riverside.site)
    assert built.quarantine("readers").height <= 1


def test_a_csv_of_no_rows_is_an_empty_input(riverside: Copied) -> None:
    rewrite(riverside, "development", lambda content: content.split(b"\n")[0] + b"\n")
    built = riverside.built("eligibility/patients", "cohort/development")
    assert built.table("cohort/development").is_empty()
    assert not built.table("eligibility/patients")["in_development"].any()
    deliveries = built.table("cohort/deliveries").filter(kind="development")
    assert deliveries["rows"].to_list() == [0] * deliveries.height


def test_a_csv_without_a_header_is_an_error_that_shows_no_cell(riverside: Copied) -> None:
    path = riverside.delivery(FIRST) / "development.csv"
    body = path.read_bytes().split(b"\n", 1)[1]
    path.write_bytes(body)
    shown = text(refused(lambda: riverside.built("cohort/development")))
    assert "column 2 of the header has no name" in shown
    assert body.split(b"\n")[0].decode() not in shown


def test_an_empty_csv_file_is_an_error(riverside: Copied) -> None:
    (riverside.delivery(FIRST) / "development.csv").write_bytes(b"")
    assert "is empty" in text(refused(lambda: riverside.built("cohort/development")))


def test_a_csv_of_one_row_is_one_row(riverside: Copied) -> None:
    rewrite(riverside, "development", lambda content: b"\n".join(content.split(b"\n")[:2]) + b"\n")
    built = riverside.built("cohort/development")
    rows = built.table("cohort/development")
    assert rows.filter("in_force").height + built.quarantine("development").height >= 1
    assert rows.filter("in_force").height == 1


def test_a_foreign_exception_is_told_by_type_and_table_only(
    riverside: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vpack_pipeline.errors import TableError
    from vpack_pipeline.io import cohort

    def fail(**_given: object) -> pl.DataFrame:
        raise ValueError("CANARY of a data row")

    built = at_cut(riverside.root, riverside.site)
    monkeypatch.setattr(cohort, "deliveries", fail)
    with pytest.raises(TableError) as caught:
        steps.materialize(built.bench, "cohort/deliveries")
    shown = "".join(traceback.format_exception(caught.value))
    assert "cohort/deliveries: ValueError" in shown
    assert "CANARY" not in shown
