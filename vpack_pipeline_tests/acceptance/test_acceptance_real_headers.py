"""A reviewer with real scanners: counts by manufacturer from public headers, against the lung pack.

Studies of computed tomography by ``Manufacturer`` in series indexed by the NCI Imaging Data Commons
(Fedorov et al. 2023, RadioGraphics 43:e230180; idc-index-data 25.0.5). Each table is a count of
headers, and holds nothing of any patient:

- NLST: a random draw of 120 series, doi:10.7937/tcia.hmq8-j677, CC BY 4.0
- LIDC-IDRI: doi:10.7937/k9/tcia.2015.lo9ql9sx, CC BY 3.0, the collection the pack is made from
- COVID-19-NY-SBU: doi:10.7937/tcia.bbag-2923, CC BY 4.0
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vpack_pipeline.cli import cli
from vpack_pipeline.errors import InputError
from vpack_pipeline_tests.acceptance.site_bench import Built, Packed

NLST = {"GE MEDICAL SYSTEMS": 63, "Philips": 6, "SIEMENS": 42, "TOSHIBA": 9}
LIDC = {"GE MEDICAL SYSTEMS": 670, "Philips": 74, "SIEMENS": 205, "TOSHIBA": 69}
SBU = {"GE MEDICAL SYSTEMS": 84, "SIEMENS": 1, "TOSHIBA": 23}
MEANT = {"GE MEDICAL SYSTEMS": "GE", "TOSHIBA": "Canon"}
"""What two makers are called in the pack; case alone does not matter."""


def compared(built: Built, folder: Path, text: str, *arguments: str) -> str:
    file = folder / "counts.csv"
    file.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli, ["compare", str(Packed(built).path), str(file), *arguments])
    if done.exception is not None:
        raise done.exception
    return done.output


def typed(counts: dict[str, int]) -> str:
    """Write the table as a spreadsheet gives it, with the makers' names as the pack has them."""
    rows = [f"{MEANT.get(maker, maker)}\t{n}" for maker, n in counts.items()]
    return "\n".join(["Manufacturer\tCount", *rows, ""])


def answers(built: Built, folder: Path, counts: dict[str, int]) -> list[dict[str, Any]]:
    found = json.loads(compared(built, folder, typed(counts), "--json"))
    return [window["answer"] for window in found["places"][0]["windows"].values()]


def test_raw_names_are_refused_line_by_line_with_those_of_the_pack(
    lidc: Built, tmp_path: Path
) -> None:
    raw = "\n".join(["manufacturer\tn", *(f"{maker}\t{n}" for maker, n in NLST.items())])
    with pytest.raises(InputError) as refused:
        compared(lidc, tmp_path, raw)
    said = str(refused.value)
    assert "lines 2, 5, column manufacturer: is no level of the pack" in said
    assert "use Canon, GE, Philips, Siemens, other" in said
    assert "“other” is for values that mean none of these" in said


@pytest.mark.parametrize("counts", [NLST, LIDC, SBU], ids=["NLST", "LIDC-IDRI", "COVID-19-NY-SBU"])
def test_counts_of_real_headers_are_answered_with_bounds(
    lidc: Built, tmp_path: Path, counts: dict[str, int]
) -> None:
    for answer in answers(lidc, tmp_path, counts):
        for name in ("sensitivity", "specificity", "ppv", "npv"):
            figure = answer["figures"]["in_target"][name]
            assert figure["reason"] is None
            assert 0 < figure["lower"] < figure["estimate"] < figure["upper"] < 1
        persons = {cell["label"]: cell["persons"] for cell in answer["cells"] if cell["persons"]}
        assert sorted(persons.values()) == sorted(counts.values())


def test_a_hospital_without_two_of_the_makers_is_told_whom_the_pack_has_too_many_of(
    lidc: Built, tmp_path: Path
) -> None:
    said = compared(lidc, tmp_path, typed(SBU))
    assert "Over-represented here, at least twofold: Siemens (" in said
    assert "Under-represented here, at least twofold: Canon (" in said
    assert "% of the cases here have no place in your population." in said
    assert "One case of this pack is one lesion: count cases likewise." in said
    assert (
        "The goal for sensitivity is 75.0%: in your population the interval lies above it." in said
    )
