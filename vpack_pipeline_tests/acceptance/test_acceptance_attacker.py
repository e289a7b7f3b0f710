"""Whoever holds the pack of a demonstration site finds no small group of people in it.

The attacker reads the bytes of the pack. That tables in memory say as much as these bytes is what
lets random sites be attacked without a pack (``disclosure``).
"""

from __future__ import annotations

import bisect
import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
import pytest

import vpack_pipeline
from vpack_pipeline import contracts
from vpack_pipeline.assets.quoted_tables import tables_about_people
from vpack_pipeline.core.pack.described_groups import DescribedPeople, described_people
from vpack_pipeline.core.pack.group_changes import group_changes
from vpack_pipeline.pack_format.figures import anchor, row_key
from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.site_bench import Built, Packed
from vpack_pipeline_tests.disclosure.attack import READ, attack, printed_levels
from vpack_pipeline_tests.disclosure.floats import BASELINE, PLAN, STATUS
from vpack_pipeline_tests.disclosure.knowledge import LEVELS, PROFILE
from vpack_pipeline_tests.disclosure.pack import PackBytes, Printed, limits_of, numbers_in, says
from vpack_pipeline_tests.disclosure.two_releases import Handed, attack_two

NO_COUNTS = {
    "cohort/outcomes": "files of images",
    "evaluation/change": "parts of one figure over all levels of a variable; no level has a row",
    "representativeness/separation": "areas under a curve by variable; no level has a row",
    "evaluation/trend": "of periods of enough patients, and of devices, which describe nobody",
    "drift/limits": "of monitors: what chance alone does, drawn at random from the baseline",
    "evaluation/exclusion_audit": "of rules, by none of their levels; the flow counts the same cases",
}
"""Tables in which a variable may be named, and what their numbers count: nobody by level."""
OF_RULES = ("first.conduct.", "first.drift.")
"""Anchors of the first page that count rules of conduct and monitors, and nobody."""


_MONTH = re.compile(r"\d{4}-\d\d")


@dataclass(frozen=True)
class Target:
    """A published pack, and the tables that it was made from."""

    built: Built
    pack: PackBytes

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        return self.pack.tables

    @cached_property
    def report(self) -> list[Printed]:
        return self.pack.report

    @cached_property
    def cells(self) -> dict[str, object]:
        """Every cell of every table by its anchor in the report."""
        found: dict[str, object] = {}
        for asset, table in self.tables.items():
            key = contracts.load()[asset].key
            for row in table.iter_rows(named=True):
                at = row_key({name: row[name] for name in key})
                found |= {anchor(asset, at, column): value for column, value in row.items()}
        return found

    @cached_property
    def numbers(self) -> list[float]:
        """Every number of every table, in order."""
        cells = {v for v in self.cells.values() if isinstance(v, int | float)}
        return sorted(abs(float(v)) for v in cells if not isinstance(v, bool))

    @cached_property
    def in_texts(self) -> set[str]:
        """Every number in a text of a table."""
        return {n for v in self.cells.values() if isinstance(v, str) for n in numbers_in(v)}

    @cached_property
    def months(self) -> set[str]:
        """Every month of a day or a period of a table, as the axis of a drawing names it."""
        said = (str(v) for v in self.cells.values() if isinstance(v, dt.date | str))
        return {month for text in said for month in _MONTH.findall(text)}

    def is_cell(self, number: str) -> bool:
        """Whether a number of the report is one of a table, as written.

        Beside a percentage a bound, or a change, has no unit of its own.
        """
        return self._is_within(number) or ("." in number and self._is_within(f"{number}%"))

    def _is_within(self, number: str) -> bool:
        low, high = limits_of(number)
        at = bisect.bisect_left(self.numbers, low)
        return at < len(self.numbers) and self.numbers[at] <= high


@pytest.fixture(scope="module", params=["lidc", "lakeside before its look", "lakeside at it"])
def target(request: pytest.FixtureRequest, lidc: Built, lakeside: Lakeside) -> Target:
    at = {"lidc": lidc, "lakeside before its look": lakeside.before}
    built = at.get(request.param, lakeside.at_look)
    return Target(built, PackBytes(Packed(built).path))


def test_a_pack_gives_no_group_away(target: Target) -> None:
    assert attack(target.tables, target.pack.protocol) == []


def people_of(built: Built) -> DescribedPeople:
    return described_people(
        cases=built.table("eligibility/cases"),
        included=built.table("eligibility/included"),
        excluded=built.table("eligibility/excluded"),
        population=built.table("cohort/population"),
        levels=built.table("representativeness/levels"),
        baseline=built.table(BASELINE),
        status=built.table(STATUS),
        protocol=built.bench.study.protocol,
        cut=built.bench.edge.cut_date,
    )


def few_by_subtraction(earlier: pl.DataFrame, later: pl.DataFrame, smallest: int) -> pl.DataFrame:
    """Find the rows of two profiles whose counts differ by too few: no more than a spreadsheet."""
    key = contracts.load()[PROFILE].key
    both = earlier.join(later, on=key, suffix="_later").with_columns(
        n_since=(pl.col("n_later") - pl.col("n")).abs()
    )
    return both.filter(pl.col("n_since").is_between(1, smallest - 1))


def test_two_releases_of_lakeside_give_no_group_away(lakeside: Lakeside) -> None:
    """Three months apart, with a look between them; what has changed by few is quoted."""
    before, at_look = (PackBytes(Packed(b).path) for b in (lakeside.before, lakeside.at_look))
    smallest = before.protocol.disclosure.smallest_group
    profiles = [pack.tables[PROFILE] for pack in (before, at_look)]
    assert few_by_subtraction(*profiles, smallest).height > 0, "two nightly packs do give some away"
    first, second = (people_of(b) for b in (lakeside.before, lakeside.at_look))
    assert group_changes(second, second, may_part=False) == []
    quoted = frozenset(tables_about_people() if group_changes(first, second, may_part=True) else ())
    mixed = {a: before.tables[a] if a in quoted else t for a, t in at_look.tables.items()}
    assert few_by_subtraction(profiles[0], mixed[PROFILE], smallest).height == 0
    handed = Handed(before.tables, before.protocol)
    assert attack_two(handed, Handed(mixed, at_look.protocol, quoted)) == []


def test_tables_of_a_pack_say_what_those_in_memory_say(target: Target) -> None:
    """To the last digit."""
    known = contracts.load()
    exported = {a: target.built.table(a) for a in contracts.exported(known, known)}
    assert exported.keys() - target.tables.keys() <= {"pack/claim"}
    for asset, found in target.tables.items():
        dates = pl.selectors.temporal().cast(pl.String)
        assert found.equals(exported[asset].with_columns(dates).select(found.columns)), asset
    assert attack(exported, target.built.bench.study.protocol) == []


def test_receipts_count_rows_of_aggregates_and_nothing_else(target: Target) -> None:
    for receipt in target.pack.receipts:
        table = target.tables.get(receipt["asset"])
        assert receipt.get("rows") == (None if table is None else table.height)
        for check in receipt["checks"]:
            counted = {check.get("element_count"), check.get("rows")} - {None}
            assert counted <= {receipt.get("rows")}, receipt["asset"]
            assert not check.get("unexpected_count"), receipt["asset"]
            numbers = [v for v in check.values() if isinstance(v, int) and not isinstance(v, bool)]
            assert len(numbers) <= 2


def test_plan_baselines_and_checklist_are_their_tables(target: Target) -> None:
    plan = target.pack.json("drift/plan.json")
    for name, asset in (("monitors", PLAN), ("limits", "drift/limits")):
        assert plan[name] == json.loads(json.dumps(target.tables[asset].to_dicts()))
    data = target.pack.data
    copied = (data / "drift/baseline.csv").read_bytes()
    assert copied == (data / "tables/drift.baseline.csv").read_bytes()
    items = target.pack.json("claim.json")["items"]
    before = {*numbers_in((data / "protocol.yaml").read_text("utf-8"))}
    details = [item["detail"] for item in items if item["detail"] is not None]
    # A reason is the author's own words, which were written before any table.
    assert all(set(numbers_in(detail)) <= before for detail in details)


def test_no_other_table_parts_people_by_a_level(target: Target) -> None:
    """Else the attacker would have to read it."""
    people = {name for names in printed_levels(target.tables) for name in names.split(" × ")}
    found = set()
    for asset, table in target.tables.items():
        texts = table.select(pl.selectors.string())
        if any(people & set(column.drop_nulls()) for column in texts.iter_columns()):
            found.add(asset)
    assert found - NO_COUNTS.keys() <= READ
    assert found >= {PROFILE, LEVELS}


def test_each_figure_of_the_report_is_the_cell_that_it_names(target: Target) -> None:
    n_figures = 0
    for said in target.report:
        if said.anchor is None or said.anchor.startswith("first."):
            continue
        value = target.cells[said.anchor]
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert says(said.text, value), said
            n_figures += 1
        assert value is not None or not said.numbers, said
    assert n_figures > 1000


def elsewhere(target: Target) -> Iterator[Printed]:
    """What the report prints on its first page, in drawings and in words, apart from its tables."""
    for said in target.report:
        is_first = said.anchor is not None and said.anchor.startswith("first.")
        if (is_first and not str(said.anchor).startswith(OF_RULES)) or said.anchor is None:
            yield said


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every number in what is written beforehand: templates, words, and what sites state of themselves."""
    root = Path(vpack_pipeline.__file__).parent
    files = [p for p in (root / "report").rglob("*") if p.suffix in (".j2", ".py")]
    files += (root.parent / "data" / "sites").glob("*/site.yaml")
    return {n for path in files for n in numbers_in(path.read_text("utf-8"))}


def test_no_number_of_people_stands_in_the_report_alone(target: Target, words: set[str]) -> None:
    """First page, drawings and sentences: each number is a cell, or was written beforehand."""
    names = ("protocol.yaml", "codes.csv", "claim.json")
    documents = [(target.pack.data / name).read_text("utf-8") for name in names]
    before = words | {n for text in documents for n in numbers_in(text)}
    alone = {
        (said.text.strip()[:60], number)
        for said in elsewhere(target)
        for number in said.numbers
        if not target.is_cell(number)
        and number not in target.in_texts
        and said.text.strip() not in target.months
        and not (number in before and said.anchor is None and not said.is_drawn)
    }
    assert alone == set()


def test_a_number_that_no_table_has_is_found(target: Target) -> None:
    assert target.is_cell("0%")
    assert not target.is_cell("1,234,567")
    assert not says("12", 13)
