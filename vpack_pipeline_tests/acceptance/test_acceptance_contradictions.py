"""No pack contradicts itself: report, tables, checklist, receipts, plan and inputs side by side."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from datetime import date

import pytest

from vpack_pipeline.io.packs import verify
from vpack_pipeline.pack_format import comparison, documents, expectations, figures
from vpack_pipeline_tests.acceptance import contradictions
from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.site_bench import Built, Packed, Row, words_of

PACKS = ("lidc", "lakeside before its look", "lakeside at it", "riverside", "few labels")


@pytest.fixture(scope="module", params=PACKS)
def pack(
    request: pytest.FixtureRequest,
) -> Packed:
    """Each pack that other tests build."""
    name: str = request.param
    if name.startswith("lakeside"):
        lakeside: Lakeside = request.getfixturevalue("lakeside")
        return Packed(lakeside.before if name.endswith("before its look") else lakeside.at_look)
    if name == "lidc":
        lidc: Built = request.getfixturevalue("lidc")
        return Packed(lidc)
    fixture = {"riverside": "riverside_pack", "few labels": "few_labels"}[name]
    made: Packed = request.getfixturevalue(fixture)
    return made


def texts_of(pack: Packed) -> dict[str, str]:
    """Give whatever of a pack is read as prose; ``summary.pdf`` has the blocks of the first page."""
    pages = (documents.REPORT, comparison.NAME, expectations.NAME)
    found = {name: words_of((pack.data / name).read_text("utf-8")) for name in pages}
    found[documents.CLAIM] = (pack.data / documents.CLAIM).read_text("utf-8")
    return found


def last_case(pack: Packed) -> date:
    cases = pack.built.table("eligibility/cases")
    kept = cases.join(pack.built.table("eligibility/included"), on="case_id", how="semi")
    last = kept["index_date"].max()
    assert isinstance(last, date)
    return last


def printed(pack: Packed) -> list[Row]:
    text = (pack.data / figures.NAME).read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_digests_bounds_units_counts_and_plan_agree(pack: Packed) -> None:
    assert verify(pack.path) == []


def test_a_study_of_cases_that_existed_has_no_prospective_window(pack: Packed) -> None:
    evidence = pack.built.bench.study.protocol.about.evidence_kind
    for name, words in texts_of(pack).items():
        assert contradictions.prospective_windows(words, evidence) == [], name


def test_no_monitor_of_volume_speaks_once_the_study_is_over(pack: Packed) -> None:
    rows = pack.exported("drift/status"), pack.exported("drift/plan")
    evaluation = pack.built.bench.study.protocol.evaluation
    assert contradictions.signals_after_accrual(*rows, last_case(pack), evaluation) == []


def test_no_transported_figure_stands_without_what_it_leaves_out(pack: Packed) -> None:
    assert contradictions.transported_alone(printed(pack)) == []


def test_no_figure_of_labelled_cases_stands_for_all(pack: Packed) -> None:
    rows = pack.exported("evaluation/endpoints")
    assert contradictions.figures_for_all(rows, pack.first_page) == []


def test_every_row_that_was_delivered_was_taken_or_refused(pack: Packed) -> None:
    rows = contradictions.delivered_rows(pack.built), *contradictions.kept_rows(pack.built)
    assert contradictions.rows_lost(*rows) == []


def test_the_last_window_of_the_archive_says_that_the_study_was_over(lidc: Built) -> None:
    status = lidc.table("drift/status").filter(monitor="case_volume").sort("window_start")
    last = status.row(-1, named=True)
    assert (last["n"], last["reason"], last["signal"]) == (0, "accrual_over", None)
    assert set(status["reason"][:-1]) == {None}


# Each kind, forged once


def test_a_prospective_window_of_an_archive_is_found(few_labels: Packed) -> None:
    words = few_labels.words
    assert contradictions.prospective_windows(words, "temporal") == []
    for forged in ("Prospective", "of the prospective window"):
        said = words.replace("After the lock (later period)", forged, 1)
        (found,) = contradictions.prospective_windows(said, "temporal")
        assert forged in found
        assert contradictions.prospective_windows(said, "silent_prospective") == []


def test_a_monitor_that_acts_because_accrual_ended_is_found(few_labels: Packed) -> None:
    status, plan = few_labels.exported("drift/status"), few_labels.exported("drift/plan")
    evaluation = few_labels.built.bench.study.protocol.evaluation
    ends = evaluation.prospective.end.isoformat()
    over = [r for r in status if r["monitor"] == "case_volume" and r["window_end"] > ends]
    assert len(over) == 1
    forged = [r | {"signal": "action"} if r in over else r for r in status]
    ask = contradictions.signals_after_accrual
    assert ask(forged, plan, last_case(few_labels), evaluation) == [
        f"case_volume from {over[0]['window_start']}"
    ]
    assert ask(forged, plan, date(2026, 1, 31), evaluation) == []


def test_a_transported_figure_alone_is_found(few_labels: Packed) -> None:
    rows = printed(few_labels)
    in_target = [r for r in rows if '"speaks_for":"in_target"' in r["row_key"]]
    assert any('"metric":"sensitivity"' in r["row_key"] for r in in_target)
    for left_out in ('"speaks_for":"outside_target"', '"metric":"unsupported_share"'):
        kept = [r for r in rows if left_out not in r["row_key"]]
        assert "sensitivity prospective suspicious" in contradictions.transported_alone(kept)


def test_a_figure_of_labelled_cases_that_stands_for_all_is_found(few_labels: Packed) -> None:
    said = re.sub(r"labelled (?=0\.)", "", few_labels.first_page)
    rows = few_labels.exported("evaluation/endpoints")
    assert contradictions.figures_for_all(rows, said) == ["auc_later"]


def test_a_row_that_was_lost_is_found(few_labels: Packed) -> None:
    delivered = contradictions.delivered_rows(few_labels.built)
    taken, refused = contradictions.kept_rows(few_labels.built)
    (delivery, kind), n = taken.most_common(1)[0]
    taken[delivery, kind] -= 1
    told = f"{kind} of {delivery}: {n} delivered, {n - 1} kept"
    assert contradictions.rows_lost(delivered, taken, refused) == [told]
    assert contradictions.rows_lost(delivered, taken, refused + Counter([(delivery, kind)])) == []
