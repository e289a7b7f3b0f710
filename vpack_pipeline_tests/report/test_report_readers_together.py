"""The report of a site whose readers have not agreed to stand alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pack_sample import computed
from report_bench import complete, rendered, words_of

from vpack_pipeline import contracts

TABLES = (
    "adjudication/agreement",
    "adjudication/reader_performance",
    "evaluation/label_sensitivity",
    "evaluation/paired",
    "evaluation/performance",
    "evaluation/roc",
)


@pytest.fixture(scope="module")
def together(study: SimpleNamespace) -> SimpleNamespace:
    site = study.site.model_copy(update={"readers_agreed": False})
    tables = dict(study.tables)
    for asset in TABLES:
        tables[asset] = computed(asset, tables, study.protocol, site)
    return complete(SimpleNamespace(**vars(study) | {"site": site, "tables": tables}))


@pytest.fixture(scope="module")
def plain(together: SimpleNamespace) -> str:
    return rendered(together)


def test_every_table_that_tells_readers_apart_asks_whether_they_agreed() -> None:
    asking = {a for a, c in contracts.load().items() if "readers_agreed" in c.site}
    assert asking == {*TABLES, "pack/claim"}


def test_no_pseudonym_of_a_reader_and_no_word_of_the_roster_is_printed(
    study: SimpleNamespace, together: SimpleNamespace, plain: str, page: str
) -> None:
    readers = study.tables["cohort/readers"]
    names = [name[:8] for name in readers["reader_id"]]
    assert any(name in page for name in names)
    assert not any(name in plain for name in names)
    for asset in TABLES:
        printed = together.tables[asset].write_csv()
        assert not any(name in printed for name in readers["reader_id"])
    assert "study training" in page
    assert "study training" not in plain


def test_the_report_says_that_readers_stand_together(plain: str, page: str) -> None:
    said = "Readers stand together here: none is shown alone unless the site states"
    assert words_of(plain).count(said) == 2
    assert said not in words_of(page)
    assert "Qualification" not in words_of(plain)
    assert "Pairs of readers are not listed" in words_of(plain)
    assert "without any one of the readers" in words_of(plain)


def test_the_checklist_says_that_readers_are_described_in_part(
    study: SimpleNamespace, together: SimpleNamespace
) -> None:
    def judged(made: SimpleNamespace) -> tuple[str, str]:
        return made.claim.filter(item=16).select("status", "reason").row(0)

    assert judged(together) == ("partial", "readers_not_agreed")
    assert judged(study)[1] != "readers_not_agreed"
