"""Gaps of accession numbers are reckoned where the number is still known, and it stays there."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from dicom_bench import Bench

from vpack_pipeline.io.dicom import state
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import AccessionNumbers, IdentifierForm

OWN = AccessionNumbers(numbering="own")


def gaps(
    folder: Path, *numbers: str | None, said: AccessionNumbers | None = OWN, **more: object
) -> list[int | None]:
    """Give the gap before each of these numbers, one study each; a study without one has -1."""
    bench = Bench(folder, accession_numbers=said, **more)  # type: ignore[arg-type]
    for i, number in enumerate(numbers):
        bench.add(f"{i}.dcm", i, StudyInstanceUID=f"1.2.{i}", AccessionNumber=number)
    files = bench.call("files", deliveries=pl.DataFrame()).table
    frame = bench.call("accession_gaps", files=files)
    found = dict(frame.iter_rows())
    return [found.get(bench.ids.study(f"1.2.{i}"), -1) for i in range(len(numbers))]


def test_a_gap_counts_the_numbers_between_two_that_follow_one_another(tmp_path: Path) -> None:
    assert gaps(tmp_path, "1005", "1001", "1002", "1010") == [2, None, 0, 4]


def test_what_precedes_the_running_digits_begins_a_new_run(tmp_path: Path) -> None:
    numbers = ("LX25000007", "LX25000009", "LX26000001", "LX26000004", "LY26000005")
    years = AccessionNumbers(numbering="own", running_digits=6)
    assert gaps(tmp_path / "a", *numbers, said=years) == [None, 1, None, 2, None]
    # Without it a year is a part of the number.
    assert gaps(tmp_path / "b", *numbers)[2] == 26000001 - 25000009 - 1


def test_of_studies_of_one_number_one_has_the_gap(tmp_path: Path) -> None:
    found = gaps(tmp_path, "10", "13", "13")
    assert found[0] is None
    assert sorted(found[1:]) == [0, 2]


def test_numbers_are_compared_as_the_site_writes_them(tmp_path: Path) -> None:
    found = gaps(tmp_path, " 0007", "9 ", identifiers={"accession": IdentifierForm(zero_pad=6)})
    assert found == [None, 1]


@pytest.mark.parametrize("number", [None, "", "A-17-B", "none"])
def test_a_number_that_does_not_run_has_no_row(tmp_path: Path, number: str | None) -> None:
    assert gaps(tmp_path, "10", "12", number) == [None, 1, -1]


def test_a_study_of_several_numbers_has_no_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path, accession_numbers=OWN)
    bench.add("a.dcm", 1, AccessionNumber="10")
    bench.add("b.dcm", 2, AccessionNumber="11")
    files = bench.call("files", deliveries=pl.DataFrame()).table
    assert bench.call("accession_gaps", files=files).is_empty()


@pytest.mark.parametrize("numbering", [None, "shared", "none"])
def test_numbers_that_are_not_the_sites_own_give_no_gap(
    tmp_path: Path, numbering: str | None
) -> None:
    said = None if numbering is None else AccessionNumbers.model_validate({"numbering": numbering})
    assert gaps(tmp_path, "10", "15", said=said) == [-1, -1]


def test_the_number_stands_neither_in_the_state_nor_in_a_table(tmp_path: Path) -> None:
    number = 31_415_926
    bench = Bench(tmp_path, accession_numbers=OWN)
    bench.add("a.dcm", 1, StudyInstanceUID="1.2.7", AccessionNumber=f"LX{number}")
    bench.add("b.dcm", 2, StudyInstanceUID="1.2.8", AccessionNumber=f"LX{number + 3}")
    tables = bench.tables()
    tables["gaps"] = bench.call("accession_gaps", files=tables["files"])
    kept = state.read_headers(tmp_path / "state")
    for frame in (*tables.values(), kept):
        assert not any(str(number) in str(row) for row in frame.iter_rows())
    places = kept["accession_place"]
    assert places.max() - places.min() == 3
    assert "accession_place" not in {c for frame in tables.values() for c in frame.columns}


def test_more_digits_than_can_be_counted_with_are_no_number() -> None:
    ids = Pseudonyms(b"a" * 32, {}, None)
    assert ids.running_number("9" * 18) is not None
    assert ids.running_number("9" * 19) is None


def test_another_secret_shifts_by_another_amount() -> None:
    one, other = (Pseudonyms(s * 32, {}, None).running_number("LX100") for s in (b"a", b"b"))
    assert one is not None
    assert other is not None
    assert one[0] != other[0]
    assert one[1] != other[1]
