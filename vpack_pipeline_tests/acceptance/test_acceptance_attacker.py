"""Whoever holds the pack of a demonstration site finds no small group of people in it."""

from __future__ import annotations

from vpack_pipeline import contracts
from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.site_bench import Built
from vpack_pipeline_tests.disclosure.attack import attack


def attacked(site: Built) -> list[object]:
    known = contracts.load()
    tables = {asset: site.table(asset) for asset in contracts.exported(known, known)}
    return list(attack(tables, site.bench.study.protocol))


def test_lidc_gives_no_group_away(lidc: Built) -> None:
    assert attacked(lidc) == []


def test_lakeside_gives_no_group_away_before_its_look_or_at_it(lakeside: Lakeside) -> None:
    assert attacked(lakeside.before) == []
    assert attacked(lakeside.at_look) == []
