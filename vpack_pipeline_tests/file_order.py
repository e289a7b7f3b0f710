"""Runs the files that take longest first, so that the processes of a run end together.

``file_seconds.csv`` says what each file took. To renew it after ``make test`` on an idle machine:

    .venv/bin/python -m vpack_pipeline_tests.file_order
"""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = Path(__file__).with_name("file_seconds.csv")
REPORTS = (ROOT / ".pytest_cache" / "units.xml", ROOT / ".pytest_cache" / "sites.xml")
"""What ``make test`` leaves."""
SHORTEST = 2.0
"""Seconds; in which order the shorter files run matters to nobody."""


def longest_first(items: list[pytest.Item]) -> None:
    """Order tests by the time of their files; within a file they stay as they are."""
    known = seconds()
    items.sort(key=lambda item: -known.get(_below_root(item.path), 0.0))


@functools.cache
def seconds() -> dict[str, float]:
    """Give the time of each file that takes longer than a moment, by its path."""
    with SECONDS.open(encoding="utf-8", newline="") as file:
        return {row["file"]: float(row["seconds"]) for row in csv.DictReader(file)}


def measured(reports: Iterable[Path]) -> Counter[str]:
    """Add up the times of the tests of each file: set-up, call and tear-down."""
    found: Counter[str] = Counter()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            found[case.attrib["classname"].replace(".", "/") + ".py"] += float(case.attrib["time"])
    return found


def _below_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""


def _write() -> None:
    long = [(f, s) for f, s in measured(REPORTS).most_common() if s >= SHORTEST]
    with SECONDS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "seconds"])
        writer.writerows((name, round(taken)) for name, taken in long)


if __name__ == "__main__":
    _write()
